//! A process config, among others that allow much.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lithos_fuzz::configs::Texts;

fuzz_target!(|text: &str| {
    Texts {
        process: text,
        ..Texts::USUAL
    }
    .resolve();
});
