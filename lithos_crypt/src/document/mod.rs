//! The secrets of a YAML file: where they stand, and putting others there
//! while every other byte stays as it is.
//!
//! Secrets stand in `secret-environ`, `secret-files` and `default-secrets`, or
//! are the whole of a file, as one that `secret-environ-file` names. Each is a
//! token, a list of tokens, or a map with a `value`. What stands there may be a
//! plaintext in the wrong place, so no error shows any of it.

mod copy;
mod edit;
mod entries;
mod extra;
mod insert;
mod lists;
mod outline;
mod patch;
mod rename;
mod replace;
mod tree;

use quick_error::quick_error;

pub use edit::{Change, EditError};
pub use entries::{Entry, Section, Value};
pub use tree::Place;

pub(crate) use tree::{Content, Node};

/// Larger files are no configs.
pub const MAX_BYTES: usize = 64 << 20;

quick_error! {
    /// Why a text cannot be read as a document. Shows none of it.
    #[derive(Debug, Clone, PartialEq, Eq)]
    #[allow(missing_docs)] // fields take no docs in quick-error: the variants' docs name them
    pub enum DocumentError {
        /// Not YAML, noticed at this place.
        Syntax { line: usize, column: usize } {
            display("line {}, column {}: this is not well-formed YAML", line, column)
        }
        /// A second document begins at `line`.
        SeveralDocuments { line: usize } {
            display("line {}: there is more than one document in it", line)
        }
        /// Collections within collections within collections.
        TooDeep { line: usize } {
            display("line {}: it is nested too deep", line)
        }
        /// Not text.
        NotUtf8 {
            display("it is not UTF-8")
        }
        /// Longer than any config.
        TooLarge {
            display("it is larger than 64 MiB")
        }
    }
}

/// A parsed file.
#[derive(Debug)]
pub struct Document {
    text: String,
    root: Option<Node>,
    whole: bool,
}

impl Document {
    /// Parses a file's content.
    ///
    /// # Errors
    ///
    /// [`DocumentError`], which names a place and nothing of the content.
    pub fn parse(bytes: Vec<u8>) -> Result<Document, DocumentError> {
        if bytes.len() > MAX_BYTES {
            return Err(DocumentError::TooLarge);
        }
        let text = String::from_utf8(bytes).map_err(|_| DocumentError::NotUtf8)?;
        let root = tree::parse(&text)?;
        let mut document = Document {
            text,
            root,
            whole: false,
        };
        document.whole = document.looks_like_secrets();
        Ok(document)
    }

    /// The document, taken as a file that holds nothing but secrets, even if
    /// none of them is a token.
    pub fn as_secrets_file(mut self) -> Document {
        self.whole = !self.has_sections();
        self
    }

    /// The text as it was parsed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The document's tree, if there is anything in it.
    pub(crate) fn root(&self) -> Option<&Node> {
        self.root.as_ref()
    }

    /// Whether the whole file is taken for secrets.
    pub fn is_secrets_file(&self) -> bool {
        self.whole
    }

    /// The plain text under a key of the top level, such as
    /// `secret-environ-file`; `key` is in kebab-case.
    pub fn text_under(&self, key: &str) -> Option<&str> {
        self.root.as_ref()?.get(key)?.scalar()
    }

    /// Whether this is a container or sandbox config rather than a file of
    /// secrets.
    pub fn has_sections(&self) -> bool {
        self.is_container_config() || self.is_sandbox_config()
    }

    /// Whether it has what only a container config has.
    pub fn is_container_config(&self) -> bool {
        self.has_any(&[
            "executable",
            "secret-environ",
            "secret-environ-file",
            "secret-files",
        ])
    }

    /// Whether it has what only a sandbox config has.
    pub fn is_sandbox_config(&self) -> bool {
        self.has_any(&["default-secrets"])
    }

    /// Whether nothing is in it but comments.
    pub fn is_empty(&self) -> bool {
        self.root
            .as_ref()
            .is_none_or(|root| root.is_null() || root.entries().is_some_and(<[_]>::is_empty))
    }

    fn has_any(&self, keys: &[&str]) -> bool {
        let root = self.root.as_ref();
        root.is_some_and(|root| keys.iter().any(|key| root.get(key).is_some()))
    }

    /// A map at the top that has a token somewhere where one belongs.
    fn looks_like_secrets(&self) -> bool {
        !self.has_sections()
            && entries::of_map(self.root.as_ref(), &Section::Whole)
                .iter()
                .any(|entry| entry.values().iter().any(|value| value.is_like_a_token()))
    }
}

#[cfg(test)]
mod tests;
