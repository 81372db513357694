//! A token, and what opens it.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use lithos_crypt::{Allowed, Delivery, PrivateKey, Token, open_first, read_private_keys};

const KEY: &[u8] = include_bytes!("../../lithos_crypt/tests/vectors/keys/alpha");

static KEYS: LazyLock<Vec<PrivateKey>> =
    LazyLock::new(|| read_private_keys(KEY).expect("a key of the tests"));

fuzz_target!(|text: &str| {
    if let Ok(token) = text.parse::<Token>() {
        assert_eq!(token.to_string(), text, "there is one way to write a token");
        for hash in [token.label().key, KEYS[0].hash()] {
            let _ = token.check(&[hash], &[]);
        }
    }
    for delivery in [Delivery::Env, Delivery::File] {
        if let Err(refusals) = open_first(&[text], &KEYS, Allowed::Any, delivery) {
            for refusal in &refusals {
                assert!(!refusal.to_string().is_empty() && !refusal.error.outcome().is_empty());
            }
        }
    }
});
