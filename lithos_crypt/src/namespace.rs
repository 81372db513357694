//! The namespace that a secret is sealed for.

use std::fmt;
use std::str::FromStr;

use quick_error::quick_error;

use crate::ShortHash;

/// A checked namespace: `^[a-zA-Z0-9_.-]*$`, empty by default, compared
/// exactly, never as a prefix or a pattern.
///
/// ```
/// use lithos_crypt::Namespace;
/// assert_eq!("myapp".parse::<Namespace>().unwrap().as_str(), "myapp");
/// assert!("my app".parse::<Namespace>().is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(String);

quick_error! {
    /// The text cannot be a namespace.
    #[derive(Debug, Clone, PartialEq, Eq)]
    #[allow(missing_docs)] // fields take no docs in quick-error: the variants' docs name them
    pub enum NamespaceError {
        /// A character that no namespace has. Neither it nor the text is shown,
        /// since the text may be a secret in the wrong place; `position` counts
        /// characters from 1.
        Character {
            position: usize
        } {
            display(
                "character {} is not a letter, a digit, `_`, `.` or `-`, \
                 and a namespace has no others",
                position,
            )
        }
    }
}

impl Namespace {
    /// The namespace's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The short hash that labels tokens of this namespace.
    pub fn hash(&self) -> ShortHash {
        ShortHash::of(self.0.as_bytes())
    }

    /// The namespace of these bytes, if they are one.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Namespace> {
        std::str::from_utf8(bytes).ok()?.parse().ok()
    }
}

impl FromStr for Namespace {
    type Err = NamespaceError;

    fn from_str(text: &str) -> Result<Namespace, NamespaceError> {
        let strange = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
        match text.chars().position(strange) {
            Some(index) => Err(NamespaceError::Character {
                position: index + 1,
            }),
            None => Ok(Namespace(text.to_owned())),
        }
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_empty_namespace_and_every_allowed_character() {
        for text in ["", "myapp", "a.b-c_D9", "-", "..", "-Y_9Zc.-aab"] {
            assert_eq!(text.parse::<Namespace>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn refuses_other_characters_without_showing_them() {
        for text in ["a:b", "a b", "a/b", "ä", "a\n", "a*", "a\0"] {
            let error = text.parse::<Namespace>().unwrap_err().to_string();
            assert!(!error.contains(text), "{error}");
        }
        assert_eq!(
            "äb c".parse::<Namespace>(),
            Err(NamespaceError::Character { position: 1 })
        );
        assert_eq!(
            "ab c".parse::<Namespace>(),
            Err(NamespaceError::Character { position: 3 })
        );
    }
}
