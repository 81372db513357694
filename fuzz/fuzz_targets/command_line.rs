//! The knot's command line: its arguments, each ended by NUL.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lithos::knot::command_line::{Launch, Request};

fuzz_target!(|text: &str| {
    let arguments = text.split_terminator('\0').map(str::to_owned);
    match Request::from_args(arguments) {
        Ok(Request::Launch(launch)) => {
            let again = Launch::from_args(launch.to_args().into_iter().skip(1));
            assert_eq!(again, Ok(launch));
        }
        Ok(Request::Verify { plan }) => {
            let again = Request::from_args(Request::verify_args(plan).into_iter().skip(1));
            assert_eq!(again, Ok(Request::Verify { plan }));
        }
        Ok(Request::Join(join)) => {
            let again = Request::from_args(join.to_args().into_iter().skip(1));
            assert_eq!(again, Ok(Request::Join(join)));
        }
        Ok(Request::Help | Request::Version) => {}
        Err(err) => assert!(!err.to_string().is_empty()),
    }
});
