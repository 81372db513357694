//! What holds of every plan.

use std::rc::Rc;

use lithos::check::explain;
use lithos::resolve::Origins;
use lithos::resolve::difference::difference;
use lithos::resolve::plan::Plan;

/// Goes through all that programs do with plans, but for executing them.
pub fn hold(plans: &[Rc<Plan>], origins: &Origins) {
    for plan in plans {
        let json = serde_json::to_vec(plan).expect("a plan is always JSON");
        let again: Plan = serde_json::from_slice(&json).expect("a plan comes back");
        assert_eq!(again, **plan);
        assert!(difference(plan, &again).is_empty());
        assert!(plan.passed_sockets().count() <= plan.sockets.len());
    }
    let mut shown = Vec::new();
    explain::process(&mut shown, plans, origins).expect("memory takes every byte");
}
