//! A token as text: its columns, read and written. Opening it is in `open`.
//!
//! What fails to be a token may be a plaintext in the wrong place, so no error
//! of this module contains any of the text.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::{FoundNamespace, Namespace, OpenError, ShortHash, sealed_box};

/// The format version that is written and read.
const VERSION: &str = "v2";

/// What a token says of itself without being opened.
///
/// Displayed as `<key-hash>:<namespace-hash>:<secret-hash>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// The short hash of the recipient's Ed25519 public key.
    pub key: ShortHash,
    /// The short hash of the namespace.
    pub namespace: ShortHash,
    /// The short hash of the secret.
    pub secret: ShortHash,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.key, self.namespace, self.secret)
    }
}

/// One sealed secret. Parsing it checks its form; only opening it shows
/// whether its label is true.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Token {
    label: Label,
    sealed: Vec<u8>,
}

impl Token {
    pub(crate) fn new(label: Label, sealed: Vec<u8>) -> Token {
        Token { label, sealed }
    }

    /// The token's label columns.
    pub fn label(&self) -> Label {
        self.label
    }

    pub(crate) fn sealed(&self) -> &[u8] {
        &self.sealed
    }

    /// Checks by label alone that the token is sealed to one of `keys` and for
    /// one of `namespaces`. Needs no private key, so it can tell neither a
    /// damaged token nor one whose label was edited.
    ///
    /// # Errors
    ///
    /// [`OpenError::KeyMismatch`] or [`OpenError::NamespaceDenied`].
    pub fn check(&self, keys: &[ShortHash], namespaces: &[Namespace]) -> Result<(), OpenError> {
        let Label { key, namespace, .. } = self.label;
        if !keys.contains(&key) {
            return Err(OpenError::KeyMismatch {
                token: key,
                tried: keys.to_vec(),
            });
        }
        if !namespaces.iter().any(|allowed| allowed.hash() == namespace) {
            let found = FoundNamespace::Hash(namespace);
            return Err(OpenError::NamespaceDenied {
                found,
                allowed: namespaces.to_vec(),
            });
        }
        Ok(())
    }
}

impl FromStr for Token {
    type Err = OpenError;

    /// Reads a token: form first, then version, as the format prescribes.
    fn from_str(text: &str) -> Result<Token, OpenError> {
        let malformed = |reason| OpenError::Malformed { reason };
        if text.contains(char::is_whitespace) {
            return Err(malformed("there is white space in it"));
        }
        let mut columns = text.split(':');
        let mut next = || columns.next().ok_or(malformed("it has not five columns"));
        let (version, key, namespace, secret, sealed) =
            (next()?, next()?, next()?, next()?, next()?);
        if columns.next().is_some() {
            return Err(malformed("it has not five columns"));
        }
        let hash = |column: &str, reason| column.parse().map_err(|_| malformed(reason));
        let label = Label {
            key: hash(key, "the key hash is not 8 characters of base64")?,
            namespace: hash(
                namespace,
                "the namespace hash is not 8 characters of base64",
            )?,
            secret: hash(secret, "the secret hash is not 8 characters of base64")?,
        };
        let sealed = STANDARD
            .decode(sealed)
            .map_err(|_| malformed("the sealed part is not canonical base64"))?;
        if sealed.len() <= sealed_box::OVERHEAD {
            return Err(malformed("the sealed part is too short"));
        }
        if version != VERSION {
            return Err(OpenError::UnsupportedVersion {
                found: presentable_version(version),
            });
        }
        Ok(Token { label, sealed })
    }
}

/// The version as it may be shown: `v` and some digits, else `…`, since the
/// text may be a plaintext in the wrong place.
fn presentable_version(version: &str) -> String {
    let digits = version.strip_prefix(['v', 'V']).unwrap_or("");
    let presentable =
        (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if presentable {
        version.to_owned()
    } else {
        "…".to_owned()
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{VERSION}:{}:{}",
            self.label,
            STANDARD.encode(&self.sealed)
        )
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({VERSION}:{}:…)", self.label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEALED: &str =
        "MV2ZlhsX61yvOSRzqQ/EE6u5Uvts8yFGdqj54DbUIEbi7PTPRMXnFg5ycNyLvPHQCt/HXvnujA==";

    fn token(columns: &str) -> Result<Token, OpenError> {
        format!("{columns}:{SEALED}").parse()
    }

    #[test]
    fn gives_back_the_text_it_was_read_from() {
        let text = format!("v2:k/qSgp/F:cUBqq0XY:vmA62CsX:{SEALED}");
        assert_eq!(text.parse::<Token>().unwrap().to_string(), text);
    }

    #[test]
    fn shows_a_version_only_if_it_looks_like_one() {
        for (version, shown) in [
            ("v1", "v1"),
            ("V2", "V2"),
            ("hunter2", "…"),
            ("v", "…"),
            ("", "…"),
            ("v1234", "…"),
        ] {
            let error = token(&format!("{version}:k/qSgp/F:cUBqq0XY:vmA62CsX")).unwrap_err();
            assert_eq!(
                error,
                OpenError::UnsupportedVersion {
                    found: shown.to_owned()
                }
            );
        }
    }

    #[test]
    fn malformed_comes_before_the_version() {
        assert!(matches!(
            token("v1:k/qSgp/F:cUBqq0XY"),
            Err(OpenError::Malformed { .. })
        ));
        assert!(matches!(
            token("v1:k:cUBqq0XY:vmA62CsX"),
            Err(OpenError::Malformed { .. })
        ));
    }

    #[test]
    fn refuses_trailing_bits_that_are_not_zero() {
        let odd = SEALED.replace("jA==", "jB==");
        let text = format!("v2:k/qSgp/F:cUBqq0XY:vmA62CsX:{odd}");
        assert!(matches!(
            text.parse::<Token>(),
            Err(OpenError::Malformed { .. })
        ));
    }

    #[test]
    fn checks_key_and_namespace_by_label_alone() {
        let token = token("v2:k/qSgp/F:KqWSX0BY:vmA62CsX").unwrap();
        let (ours, other) = ("k/qSgp/F".parse().unwrap(), ShortHash::of(b"other"));
        let (myapp, my) = ("myapp".parse().unwrap(), "my".parse::<Namespace>().unwrap());
        assert_eq!(token.check(&[other, ours], &[my.clone(), myapp]), Ok(()));
        let wrong_key = token
            .check(&[other], std::slice::from_ref(&my))
            .unwrap_err();
        assert_eq!(wrong_key.outcome(), "key-mismatch");
        let wrong_namespace = token.check(&[ours], &[my]).unwrap_err();
        assert_eq!(wrong_namespace.outcome(), "namespace-denied");
        assert!(
            wrong_namespace.to_string().contains("KqWSX0BY"),
            "{wrong_namespace}"
        );
    }
}
