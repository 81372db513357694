//! Why a token does not open: the closed set of outcomes.
//!
//! No variant can hold a plaintext. A namespace is shown only if it is one.

use std::fmt;

use quick_error::quick_error;

use crate::{Label, Namespace, ShortHash};

/// The namespace of a token, as far as it can be known and shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundNamespace {
    /// The namespace, from the opened token.
    Named(Namespace),
    /// Only its hash, from a token that was not opened.
    Hash(ShortHash),
    /// The token was opened, and what stands before the colon cannot be a
    /// namespace. It is not shown, since it may be part of a secret.
    NotANamespace,
}

impl fmt::Display for FoundNamespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FoundNamespace::Named(namespace) => write!(f, "namespace `{namespace}`"),
            FoundNamespace::Hash(hash) => write!(f, "the namespace with the hash {hash}"),
            FoundNamespace::NotANamespace => write!(f, "something that is no namespace"),
        }
    }
}

quick_error! {
    /// Why a token does not open, in the order in which it is checked.
    ///
    /// Messages begin with the outcome's name and never show a plaintext.
    #[derive(Debug, Clone, PartialEq, Eq)]
    #[allow(missing_docs)] // fields take no docs in quick-error: the variants' docs name them
    pub enum OpenError {
        /// White space, columns, base64 or lengths are not those of a token;
        /// `reason` says which, and shows none of the text.
        Malformed {
            reason: &'static str
        } {
            display(err) -> ("{}: {}", err.outcome(), reason)
        }
        /// A token of another format version; `found` is `…` where it does not
        /// look like one.
        UnsupportedVersion {
            found: String
        } {
            display(err) -> ("{}: {} is not v2, the one version there is", err.outcome(), found)
        }
        /// The token is sealed to another key than those at hand: the key hash
        /// of the token, and those of the keys tried.
        KeyMismatch {
            token: ShortHash,
            tried: Vec<ShortHash>
        } {
            display(err) -> (
                "{}: the token is sealed to the key {}, {}",
                err.outcome(), token, Tried(tried),
            )
        }
        /// The box does not open with the key that its label names.
        Undecryptable {
            display(err) -> (
                "{}: the token is damaged, or its key hash was edited",
                err.outcome(),
            )
        }
        /// The opened text has no colon, so it names no namespace.
        NoNamespace {
            display(err) -> ("{}: the opened text names no namespace", err.outcome())
        }
        /// The label's namespace hash is not the one of what was opened.
        NamespaceHashMismatch {
            display(err) -> (
                "{}: the label's namespace hash is not that of the opened text",
                err.outcome(),
            )
        }
        /// The label's secret hash is not the one of what was opened.
        SecretHashMismatch {
            display(err) -> (
                "{}: the label's secret hash is not that of the opened secret",
                err.outcome(),
            )
        }
        /// The token is sealed for a namespace that is not allowed here: the
        /// token's, and those that are allowed.
        NamespaceDenied {
            found: FoundNamespace,
            allowed: Vec<Namespace>
        } {
            display(err) -> (
                "{}: the token is sealed for {}{}",
                err.outcome(), found, AllowedList(found, allowed),
            )
        }
        /// The secret cannot be an environment variable.
        NotEnvSafe {
            display(err) -> (
                "{}: the secret is not UTF-8 or has a NUL, so it cannot be an environment variable",
                err.outcome(),
            )
        }
    }
}

impl OpenError {
    /// The outcome's name, as in the token format's test vectors.
    pub fn outcome(&self) -> &'static str {
        match self {
            OpenError::Malformed { .. } => "malformed",
            OpenError::UnsupportedVersion { .. } => "unsupported-version",
            OpenError::KeyMismatch { .. } => "key-mismatch",
            OpenError::Undecryptable => "undecryptable",
            OpenError::NoNamespace => "no-namespace",
            OpenError::NamespaceHashMismatch => "namespace-hash-mismatch",
            OpenError::SecretHashMismatch => "secret-hash-mismatch",
            OpenError::NamespaceDenied { .. } => "namespace-denied",
            OpenError::NotEnvSafe => "not-env-safe",
        }
    }
}

/// The keys tried, as the end of a sentence.
struct Tried<'a>(&'a [ShortHash]);

impl fmt::Display for Tried<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => write!(f, "and there is no key to try"),
            [first, rest @ ..] => {
                write!(f, "tried {first}")?;
                rest.iter().try_for_each(|hash| write!(f, ", {hash}"))
            }
        }
    }
}

/// The namespaces allowed, as the end of a sentence.
struct AllowedList<'a>(&'a FoundNamespace, &'a [Namespace]);

impl fmt::Display for AllowedList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            // Refused whatever is allowed, so an empty list says nothing.
            (FoundNamespace::NotANamespace, []) => Ok(()),
            (_, []) => write!(f, ", and none is allowed"),
            (_, [first, rest @ ..]) => {
                write!(f, ", allowed: `{first}`")?;
                rest.iter()
                    .try_for_each(|namespace| write!(f, ", `{namespace}`"))
            }
        }
    }
}

/// One token's own outcome, where none of a list opened.
///
/// Displayed as the token's label columns and the outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The token's label; `None` if it could not be read as a token.
    pub label: Option<Label>,
    /// Why it did not open.
    pub error: OpenError,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.label {
            Some(label) => write!(f, "{label}: {}", self.error),
            None => write!(f, "…: {}", self.error),
        }
    }
}
