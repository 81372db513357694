//! The four documents: all keys, all rules, and what no error may show.

mod bounds;
mod complete;
mod files;
mod kernel;
mod leaks;
mod refusals;
mod shown;

use std::sync::Arc;

use crate::problem::{Problem, Source};

/// A document that was read from `test.yaml`.
fn source(text: &str) -> Arc<Source> {
    Arc::new(Source {
        path: "test.yaml".into(),
        text: text.to_owned(),
        secret: false,
    })
}

/// The problems of a document, in their form for logs.
fn told<T>(read: (Option<T>, Vec<Problem>)) -> Vec<String> {
    let (document, problems) = read;
    assert_eq!(document.is_none(), !problems.is_empty());
    problems.iter().map(Problem::to_string).collect()
}
