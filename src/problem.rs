//! A problem in a document: where it is, what is wrong, what to do.
//!
//! Readers and rules collect problems rather than stop at the first. A problem
//! holds no value of a document, so that no secret can get into a message; the
//! line that is shown is redacted where it lies below a `secret-*` key.
//!
//! How a problem is shown is in `problem/render.rs`, what of a line may be shown
//! in `problem/redact.rs`.

pub(crate) mod place;
mod redact;
mod render;

pub(crate) use redact::{is_secret, is_secret_path};
pub use render::in_colour;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A document as it was read, for naming it and for showing lines of it.
#[derive(PartialEq, Eq)]
pub struct Source {
    /// The path shown to people: for a container config, the path on the host.
    pub path: PathBuf,
    /// The whole text.
    pub text: String,
    /// Every value in it is secret: a secrets file.
    pub secret: bool,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({})", self.path.display())
    }
}

/// How many problems are told of one document. Each costs a reading of the text when
/// it is shown, so there are fewer of a large one.
pub fn most_told(source: &Source) -> usize {
    if source.text.len() > 64 << 10 {
        10
    } else {
        100
    }
}

/// These problems as far as they are told, errors above all: whoever wrote the
/// documents might have them told for hours. `documents`: how many of them they are
/// about.
pub fn told(mut problems: Vec<Problem>, documents: usize) -> Vec<Problem> {
    let sources = problems.iter().filter_map(|p| p.source.as_deref());
    let most = sources.map(most_told).min().unwrap_or(usize::MAX);
    let most = most.saturating_mul(documents);
    if problems.len() > most {
        problems.sort_by_key(|problem| problem.severity != Severity::Error);
        let more = problems.split_off(most);
        let message = format!("{} more problems are not shown", more.len());
        problems.push(Problem {
            message,
            place: Place::Whole,
            hint: None,
            status: None,
            ..more.into_iter().next().expect("there are more")
        });
    }
    problems
}

/// One step from a value of a document to one inside it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The value of this key; in either spelling, if it is one of ours.
    Key(String),
    /// The item of this number, from 0.
    Item(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Step::Key(key.to_owned())
    }
}

impl From<usize> for Step {
    fn from(item: usize) -> Self {
        Step::Item(item)
    }
}

/// Where in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The document as a whole.
    Whole,
    /// The value that these steps lead to; its line is looked up when shown.
    Value(Vec<Step>),
    /// The key, rather than the value, that these steps lead to.
    Key(Vec<Step>),
    /// The same key where it is given for the second time.
    SecondKey(Vec<Step>),
    /// A line and column, both from 1; from the YAML parser.
    Position {
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
    },
}

/// Whether a problem keeps something from starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is kept from starting.
    Warning,
    /// What the problem is about does not start.
    Error,
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// The document it is in; none if it could not be read at all.
    pub source: Option<Arc<Source>>,
    /// Where in it.
    pub place: Place,
    /// What it concerns: `shop`, `shop/web`, `shop/web.0`; empty: everything.
    pub subject: String,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// The one thing to do, if there is one.
    pub hint: Option<String>,
    /// What whoever was to run it ends with, where that is told apart: 126 not
    /// executable, 127 not found.
    pub status: Option<u8>,
}

impl Problem {
    /// Line and column, both from 1; none where it is about the whole document.
    pub fn position(&self) -> Option<(usize, usize)> {
        place::locate(&self.source.as_ref()?.text, &self.place)
    }

    /// The problem for a terminal: with the line shown, over several lines,
    /// without a newline at the end.
    pub fn render(&self, colour: bool) -> String {
        render::render(self, colour)
    }
}

/// Like the form for logs: the steps of a place may hold what is not shown.
impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({self})", self.severity)
    }
}

/// One line, for logs: `path:line:column: subject: message (hint)`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(source) = &self.source {
            write!(f, "{}:", legible(&source.path.to_string_lossy(), 4096))?;
            if let Some((line, column)) = self.position() {
                write!(f, "{line}:{column}:")?;
            }
            f.write_str(" ")?;
        }
        if !self.subject.is_empty() {
            write!(f, "{}: ", legible(&self.subject, 1024))?;
        }
        f.write_str(&legible(&self.message, 4096))?;
        if let Some(hint) = &self.hint {
            write!(f, " ({})", legible(hint, 1024))?;
        }
        Ok(())
    }
}

/// Text of others made safe for a terminal or a log: on one line, nothing that
/// moves the cursor or changes the direction of writing, at most `most` characters.
pub(crate) fn legible(text: &str, most: usize) -> String {
    let mut legible = String::new();
    for (n, c) in text.chars().enumerate() {
        if n == most {
            legible.push('…');
            break;
        }
        match c {
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => {
                legible.extend(c.escape_unicode());
            }
            c if c.is_control() => legible.extend(c.escape_default()),
            c => legible.push(c),
        }
    }
    legible
}
