//! Gathering problems: a document and a spot in it, what is wrong, what to do.
//!
//! Messages name both sides: what was asked and, with the key and the file,
//! what is allowed. No value that may be secret is ever put into one.

use std::ops::Deref;
use std::path::Display;
use std::sync::Arc;

use crate::problem::{Place, Problem, Severity, Source, Step, told};

/// A document that was read, or one entry of it.
#[derive(Debug)]
pub struct Doc<'a, T> {
    /// What it says.
    pub value: &'a T,
    /// Its text, for showing lines of it.
    pub source: &'a Arc<Source>,
    /// The top-level key it lies under: a process's name.
    pub entry: Option<&'a str>,
}

impl<T> Clone for Doc<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Doc<'_, T> {}

impl<T> Deref for Doc<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value
    }
}

impl<'a, T> Doc<'a, T> {
    /// A document as a whole.
    pub fn new(value: &'a T, source: &'a Arc<Source>) -> Self {
        Self {
            value,
            source,
            entry: None,
        }
    }

    /// The spot that these keys lead to.
    pub(crate) fn at(&self, keys: &[&str]) -> Spot {
        let steps: Vec<Step> = self
            .entry
            .iter()
            .chain(keys)
            .map(|&key| Step::from(key))
            .collect();
        let place = match steps.is_empty() {
            true => Place::Whole,
            false => Place::Value(steps),
        };
        Spot {
            source: Arc::clone(self.source),
            place,
        }
    }

    /// Its path, for messages.
    pub(crate) fn file(&self) -> Display<'_> {
        self.source.path.display()
    }
}

/// A spot in a document.
#[derive(Debug, Clone)]
pub(crate) struct Spot {
    source: Arc<Source>,
    place: Place,
}

impl Spot {
    /// An item of the list here.
    pub(crate) fn item(mut self, number: usize) -> Self {
        if let Place::Value(steps) = &mut self.place {
            steps.push(Step::Item(number));
        }
        self
    }

    /// The value of a key here.
    pub(crate) fn below(mut self, key: &str) -> Self {
        if let Place::Value(steps) = &mut self.place {
            steps.push(Step::from(key));
        }
        self
    }

    /// The problem, as being here.
    pub(crate) fn placed(&self, problem: Problem) -> Problem {
        Problem {
            source: Some(Arc::clone(&self.source)),
            place: self.place.clone(),
            ..problem
        }
    }

    /// The key here rather than its value.
    pub(crate) fn key(mut self) -> Self {
        if let Place::Value(steps) = self.place {
            self.place = Place::Key(steps);
        }
        self
    }
}

/// The problems found so far, all about one subject.
#[derive(Debug)]
pub(crate) struct Problems {
    subject: String,
    list: Vec<Problem>,
}

impl Problems {
    /// None yet, about `subject`.
    pub(crate) fn about(subject: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            list: Vec::new(),
        }
    }

    /// Something that keeps the subject from starting.
    pub(crate) fn error(&mut self, spot: Spot, message: impl Into<String>) -> Hint<'_> {
        self.push(Severity::Error, spot, message.into())
    }

    /// Something worth knowing.
    pub(crate) fn warning(&mut self, spot: Spot, message: impl Into<String>) -> Hint<'_> {
        self.push(Severity::Warning, spot, message.into())
    }

    /// How many errors there are.
    pub(crate) fn errors(&self) -> usize {
        let errors = self.list.iter().filter(|p| p.severity == Severity::Error);
        errors.count()
    }

    /// All of them, as far as they are told.
    pub(crate) fn into_vec(self) -> Vec<Problem> {
        told(self.list, 1)
    }

    fn push(&mut self, severity: Severity, spot: Spot, message: String) -> Hint<'_> {
        self.list.push(Problem {
            severity,
            source: Some(spot.source),
            place: spot.place,
            subject: self.subject.clone(),
            message,
            hint: None,
            status: None,
        });
        Hint(self.list.last_mut().expect("one was just pushed"))
    }
}

/// The problem just added, to which a hint may be given.
pub(crate) struct Hint<'a>(&'a mut Problem);

impl Hint<'_> {
    /// What whoever was to run it ends with.
    pub(crate) fn status(self, status: u8) -> Self {
        self.0.status = Some(status);
        self
    }

    /// There is not one thing to do.
    pub(crate) fn none(self) {}

    /// The one thing to do.
    pub(crate) fn hint(self, hint: impl Into<String>) {
        self.0.hint = Some(hint.into());
    }
}
