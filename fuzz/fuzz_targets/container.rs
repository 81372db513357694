//! A container config and, after a line of `%`, its secrets file; among others that
//! allow much.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lithos_fuzz::configs::Texts;

fuzz_target!(|text: &str| {
    let (container, secrets) = match text.split_once("\n%\n") {
        Some((container, secrets)) => (container, Some(secrets)),
        None => (text, None),
    };
    let texts = Texts {
        container,
        secrets: secrets.unwrap_or(Texts::USUAL.secrets),
        ..Texts::USUAL
    };
    texts.resolve();
});
