//! What a client of the control socket sends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lithos::control;
use lithos::tree::clients::Protocol;

fuzz_target!(|received: &[u8]| {
    let mut rest = received;
    while let Some(length) = Protocol::Control.whole(rest) {
        let (request, after) = rest.split_at(length);
        rest = after;
        match control::read(request) {
            Ok(request) => assert_eq!(control::read(&control::line(&request)), Ok(request)),
            Err(refused) => {
                assert!(!refused.error.is_empty());
                assert!(control::line(&refused).ends_with(b"\n"));
            }
        }
    }
});
