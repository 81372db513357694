//! A sandbox config, among others that allow much.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lithos_fuzz::configs::Texts;

fuzz_target!(|text: &str| {
    Texts {
        sandbox: text,
        ..Texts::USUAL
    }
    .resolve();
});
