//! Opening tokens: the checks in the order that the token format prescribes.
//!
//! The one place where a plaintext comes into being. It leaves it only as a
//! [`Secret`], after every check has passed.

use zeroize::Zeroizing;

use crate::stack::wiping_stack;
use crate::{FoundNamespace, Label, Namespace, OpenError, PrivateKey, Refusal, ShortHash, Token};

/// How the secret will be handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// As an environment variable: it must be UTF-8 without NUL.
    Env,
    /// As a file: it may be any bytes.
    File,
}

/// The namespaces whose tokens may be opened.
///
/// Made from a slice of them; the empty slice allows none.
#[derive(Clone, Copy, Debug)]
pub enum Allowed<'a> {
    /// Every namespace, for whoever shows the namespace to a person.
    Any,
    /// Exactly these, the empty namespace only if it is among them.
    Only(&'a [Namespace]),
}

impl<'a> From<&'a [Namespace]> for Allowed<'a> {
    fn from(namespaces: &'a [Namespace]) -> Self {
        Allowed::Only(namespaces)
    }
}

impl<'a> From<&'a Vec<Namespace>> for Allowed<'a> {
    fn from(namespaces: &'a Vec<Namespace>) -> Self {
        Allowed::Only(namespaces)
    }
}

impl<'a, const N: usize> From<&'a [Namespace; N]> for Allowed<'a> {
    fn from(namespaces: &'a [Namespace; N]) -> Self {
        Allowed::Only(namespaces)
    }
}

/// An opened secret. Wiped from memory when dropped; has neither `Debug` nor
/// `Display`, so that it is not printed by accident.
pub struct Secret {
    label: Label,
    namespace: Namespace,
    /// `<namespace>:<secret>`, as it came out of the box.
    plaintext: Zeroizing<Vec<u8>>,
    /// Where the secret starts in it.
    start: usize,
}

impl Secret {
    /// The namespace that the secret was sealed for.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The label of the token that was opened.
    pub fn label(&self) -> Label {
        self.label
    }

    /// The secret's exact bytes.
    pub fn expose(&self) -> &[u8] {
        &self.plaintext[self.start..]
    }
}

impl Token {
    /// Opens the token with whichever of `keys` its label names.
    ///
    /// # Errors
    ///
    /// The first check that fails, in the order of [`OpenError`]'s variants.
    pub fn open<'a>(
        &self,
        keys: &[PrivateKey],
        allowed: impl Into<Allowed<'a>>,
        delivery: Delivery,
    ) -> Result<Secret, OpenError> {
        let allowed = allowed.into();
        wiping_stack(|| self.open_here(keys, allowed, delivery))
    }

    fn open_here(
        &self,
        keys: &[PrivateKey],
        allowed: Allowed<'_>,
        delivery: Delivery,
    ) -> Result<Secret, OpenError> {
        let plaintext = self.unseal(keys)?;
        let colon = plaintext.iter().position(|byte| *byte == b':');
        let colon = colon.ok_or(OpenError::NoNamespace)?;
        let (namespace, secret) = (&plaintext[..colon], &plaintext[colon + 1..]);
        if ShortHash::of(namespace) != self.label().namespace {
            return Err(OpenError::NamespaceHashMismatch);
        }
        if ShortHash::of(secret) != self.label().secret {
            return Err(OpenError::SecretHashMismatch);
        }
        let namespace = permit(namespace, allowed)?;
        if delivery == Delivery::Env && !is_env_safe(secret) {
            return Err(OpenError::NotEnvSafe);
        }
        Ok(Secret {
            label: self.label(),
            namespace,
            plaintext,
            start: colon + 1,
        })
    }

    /// The plaintext, from any key whose hash is the label's: short hashes can
    /// collide, so there may be several.
    fn unseal(&self, keys: &[PrivateKey]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let token = self.label().key;
        let mut candidates = keys.iter().filter(|key| key.hash() == token).peekable();
        if candidates.peek().is_none() {
            let tried = keys.iter().map(PrivateKey::hash).collect();
            return Err(OpenError::KeyMismatch { token, tried });
        }
        candidates
            .find_map(|key| key.unseal(self.sealed()))
            .ok_or(OpenError::Undecryptable)
    }
}

/// The namespace of these bytes, if it is one of those allowed.
fn permit(bytes: &[u8], allowed: Allowed<'_>) -> Result<Namespace, OpenError> {
    let namespace = Namespace::from_bytes(bytes);
    let (found, allowed) = match (namespace, allowed) {
        (Some(namespace), Allowed::Any) => return Ok(namespace),
        (Some(namespace), Allowed::Only(list)) if list.contains(&namespace) => {
            return Ok(namespace);
        }
        (Some(namespace), Allowed::Only(list)) => (FoundNamespace::Named(namespace), list),
        (None, Allowed::Only(list)) => (FoundNamespace::NotANamespace, list),
        (None, Allowed::Any) => (FoundNamespace::NotANamespace, &[][..]),
    };
    Err(OpenError::NamespaceDenied {
        found,
        allowed: allowed.to_vec(),
    })
}

fn is_env_safe(secret: &[u8]) -> bool {
    !secret.contains(&0) && std::str::from_utf8(secret).is_ok()
}

/// Opens the first of `tokens` that opens; for a value that is a list of
/// tokens (several keys, several namespaces, a rotation under way).
///
/// # Errors
///
/// Every token's own outcome, in their order; none for an empty list.
pub fn open_first<'a>(
    tokens: &[impl AsRef<str>],
    keys: &[PrivateKey],
    allowed: impl Into<Allowed<'a>>,
    delivery: Delivery,
) -> Result<Secret, Vec<Refusal>> {
    let allowed = allowed.into();
    let mut refusals = Vec::new();
    for text in tokens {
        let (label, outcome) = match text.as_ref().parse::<Token>() {
            Ok(token) => (Some(token.label()), token.open(keys, allowed, delivery)),
            Err(error) => (None, Err(error)),
        };
        match outcome {
            Ok(secret) => return Ok(secret),
            Err(error) => refusals.push(Refusal { label, error }),
        }
    }
    Err(refusals)
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::MontgomeryPoint;

    use super::*;
    use crate::{read_private_keys, sealed_box};

    fn keys() -> Vec<PrivateKey> {
        read_private_keys(include_bytes!("../tests/vectors/keys/alpha")).unwrap()
    }

    /// A token with any plaintext in it, and any label.
    fn token(plaintext: &[u8], namespace: &[u8], secret: &[u8]) -> Token {
        let key = keys().remove(0).public();
        let recipient: &MontgomeryPoint = key.x25519();
        let label = Label {
            key: key.hash(),
            namespace: ShortHash::of(namespace),
            secret: ShortHash::of(secret),
        };
        Token::new(
            label,
            sealed_box::seal(recipient, &Zeroizing::new([3; 32]), plaintext),
        )
    }

    fn refusal<'a>(token: &Token, allowed: impl Into<Allowed<'a>>) -> OpenError {
        token
            .open(&keys(), allowed, Delivery::Env)
            .err()
            .expect("a refusal")
    }

    #[test]
    fn what_is_no_namespace_is_denied_even_where_any_is_allowed_and_not_shown() {
        for plaintext in [&b"hun ter:2"[..], b"hunter\xff:2"] {
            let colon = plaintext.len() - 2;
            let token = token(plaintext, &plaintext[..colon], b"2");
            let allowed = ["m".parse().unwrap()];
            for error in [refusal(&token, Allowed::Any), refusal(&token, &allowed)] {
                assert_eq!(error.outcome(), "namespace-denied");
                assert!(!error.to_string().contains("hun"), "{error}");
            }
        }
    }

    #[test]
    fn an_empty_list_of_namespaces_allows_not_even_the_empty_one() {
        let token = token(b":2", b"", b"2");
        assert_eq!(refusal(&token, &[]).outcome(), "namespace-denied");
    }

    #[test]
    fn the_checks_come_in_the_order_of_the_format() {
        // Each plaintext is wrong in this and in all later ways.
        for (token, outcome) in [
            (token(b"\xff", b"x", b"x"), "no-namespace"),
            (token(b"n:\xff", b"x", b"x"), "namespace-hash-mismatch"),
            (token(b"n:\xff", b"n", b"x"), "secret-hash-mismatch"),
            (token(b"n:\xff", b"n", b"\xff"), "namespace-denied"),
        ] {
            assert_eq!(refusal(&token, &[]).outcome(), outcome);
        }
        assert_eq!(
            refusal(&token(b"n:\xff", b"n", b"\xff"), Allowed::Any).outcome(),
            "not-env-safe"
        );
    }

    #[test]
    fn only_the_first_colon_splits() {
        let secret = token(b"n:a:b:", b"n", b"a:b:").open(&keys(), Allowed::Any, Delivery::Env);
        assert_eq!(secret.ok().unwrap().expose(), b"a:b:");
    }

    #[test]
    fn no_key_at_all_is_a_mismatch_with_none_tried() {
        let error = token(b"n:a", b"n", b"a")
            .open(&[], Allowed::Any, Delivery::Env)
            .err()
            .unwrap();
        assert!(
            error.to_string().contains("there is no key to try"),
            "{error}"
        );
    }
}
