//! An OpenSSH key, public or private, with a passphrase or without.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lithos_crypt::{PublicKey, read_private_keys, read_private_keys_with};
use zeroize::Zeroizing;

fuzz_target!(|text: &[u8]| {
    match read_private_keys(text) {
        Ok(keys) => assert!(!keys.is_empty()),
        Err(err) => assert!(!err.to_string().is_empty()),
    }
    let _ = read_private_keys_with(text, &mut |_| Ok(Zeroizing::new("passphrase".to_owned())));
    if let Ok(text) = std::str::from_utf8(text)
        && let Ok(key) = PublicKey::from_openssh(text)
    {
        let token = key.seal(&"shop".parse().expect("a namespace"), b"value");
        assert_eq!(token.expect("a public key seals").label().key, key.hash());
    }
});
