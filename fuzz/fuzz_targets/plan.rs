//! A plan, as the knot and the supervisor decode it.
#![no_main]

use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use lithos::resolve::Origins;
use lithos::resolve::plan::Plan;

fuzz_target!(|json: &[u8]| {
    if let Ok(plan) = serde_json::from_slice::<Plan>(json) {
        lithos_fuzz::plans::hold(&[Rc::new(plan)], &Origins::new());
    }
});
