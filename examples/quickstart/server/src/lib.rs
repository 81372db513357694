//! The proof that someone has a secret, which does not show the secret.

use std::fmt::Write;

use blake2::Blake2bMac512;
use blake2::digest::{FixedOutput, KeyInit, Update};

/// The longest secret that [`proof`] takes, in bytes: BLAKE2b's longest key.
pub const LONGEST: usize = 64;

/// BLAKE2b-512 of `nonce` with `secret` as its key (RFC 7693, 2.9), in hex;
/// none if the secret is empty or longer than [`LONGEST`].
pub fn proof(secret: &[u8], nonce: &str) -> Option<String> {
    if secret.is_empty() || secret.len() > LONGEST {
        return None;
    }
    let mut mac = Blake2bMac512::new_from_slice(secret).ok()?;
    mac.update(nonce.as_bytes());
    let mut hex = String::new();
    for byte in mac.finalize_fixed() {
        write!(hex, "{byte:02x}").ok()?;
    }
    Some(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_another_implementation() {
        // Python: hashlib.blake2b(b"nonce", key=b"secret").hexdigest()
        let expected = concat!(
            "ccdd6840e97fa8738f91f4e11dbd2fb83b14bd73dd7038634cdfddc5b55d7a97",
            "d789f847223ae2c1c7f4fcdda4de7ba865903b01a3ee5ec1bb0fc2a30da0761f"
        );
        assert_eq!(proof(b"secret", "nonce").unwrap(), expected);
    }

    #[test]
    fn differs_with_each_secret_and_each_nonce() {
        assert_ne!(proof(b"secret", "a"), proof(b"secret", "b"));
        assert_ne!(proof(b"secret", "a"), proof(b"Secret", "a"));
    }

    #[test]
    fn refuses_a_secret_that_is_no_key() {
        assert_eq!(proof(b"", "nonce"), None);
        assert_eq!(proof(&[7; LONGEST + 1], "nonce"), None);
    }
}
