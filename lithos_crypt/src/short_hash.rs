//! The 48-bit hash that labels keys, namespaces and secrets.
//!
//! It is a label to compare by eye, not a proof: 48 bits can be collided at
//! will. Whoever needs proof opens the sealed box.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use blake2::digest::Digest;
use blake2::digest::consts::U6;
use quick_error::quick_error;

/// Length of a short hash in bytes.
const BYTES: usize = 6;
/// Length of a short hash as base64, without padding since 6 is a multiple of 3.
const CHARACTERS: usize = 8;

/// Unkeyed BLAKE2b with a 6-byte digest; displayed as 8 characters of base64.
///
/// ```
/// use lithos_crypt::ShortHash;
/// assert_eq!(ShortHash::of(b"the_secret").to_string(), "8MtOoWUX");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortHash([u8; BYTES]);

quick_error! {
    /// The text is not 8 characters of base64.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum ShortHashError {
        /// The text is not 8 characters of base64. It is not shown, since it
        /// may be part of a secret in the wrong place.
        NotShortHash {
            display("a short hash is {} characters of base64", CHARACTERS)
        }
    }
}

impl ShortHash {
    /// The short hash of these bytes.
    pub fn of(bytes: &[u8]) -> ShortHash {
        ShortHash(blake2::Blake2b::<U6>::digest(bytes).into())
    }

    /// The 48 bits themselves.
    pub fn to_bytes(self) -> [u8; BYTES] {
        self.0
    }
}

impl FromStr for ShortHash {
    type Err = ShortHashError;

    fn from_str(text: &str) -> Result<ShortHash, ShortHashError> {
        if text.len() != CHARACTERS {
            return Err(ShortHashError::NotShortHash);
        }
        let mut bytes = [0; BYTES];
        match STANDARD.decode_slice(text, &mut bytes) {
            Ok(BYTES) => Ok(ShortHash(bytes)),
            _ => Err(ShortHashError::NotShortHash),
        }
    }
}

impl fmt::Display for ShortHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; CHARACTERS];
        let written = STANDARD
            .encode_slice(self.0, &mut text)
            .map_err(|_| fmt::Error)?;
        f.pad(std::str::from_utf8(&text[..written]).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for ShortHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShortHash({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_b2sum() {
        // printf %s the_secret | b2sum -l48 | xxd -r -p | base64
        assert_eq!(ShortHash::of(b"the_secret").to_string(), "8MtOoWUX");
        assert_eq!(ShortHash::of(b"myapp").to_string(), "KqWSX0BY");
        assert_eq!(ShortHash::of(b"").to_string(), "3dnEB2f5");
    }

    #[test]
    fn reads_back_what_it_displays() {
        let hash = ShortHash::of(b"x");
        assert_eq!(hash.to_string().parse(), Ok(hash));
    }

    #[test]
    fn refuses_other_lengths_and_alphabets() {
        for text in [
            "",
            "8MtOoWU",
            "8MtOoWUXA",
            "8MtOoWU=",
            "8MtOoW==",
            "8MtO WUX",
            "8MtO-_UX",
        ] {
            assert!(text.parse::<ShortHash>().is_err(), "{text}");
        }
    }
}
