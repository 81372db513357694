//! `textconv`: a file as `git diff` shall show it.

use std::path::PathBuf;

use clap::Args;

use super::failure::Failure;
use super::{rewrite, table};
use crate::Token;
use crate::document::Document;

/// Print a file with labels in the place of tokens; git calls this, see
/// `git-setup`
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub struct Options {
    /// The file
    file: PathBuf,
}

const EXAMPLE: &str = "\
Example:
  git config diff.lithos_crypt.textconv 'lithos_crypt textconv'";

/// Prints the text; what stands in the place of a token and is none becomes
/// `…`, since it may be a plaintext.
pub fn run(options: Options) -> Result<(), Failure> {
    let bytes = rewrite::read_bounded(&options.file).map_err(|cause| Failure::ReadFile {
        what: "file",
        path: options.file.clone(),
        cause,
    })?;
    match Document::parse(bytes.clone()) {
        Ok(document) => table::out(&shown(&document)),
        Err(_) => table::bytes(&bytes), // as git would show it without us
    }
}

fn shown(document: &Document) -> String {
    let (text, mut shown, mut done) = (document.text(), String::new(), 0);
    let mut places: Vec<_> = document
        .entries()
        .iter()
        .flat_map(|entry| entry.ranges())
        .collect();
    places.sort_by_key(|(range, _)| range.start);
    for (range, value) in places {
        if range.start < done {
            continue;
        }
        shown += &text[done..range.start];
        match value.and_then(|value| value.parse::<Token>().ok()) {
            Some(token) => shown += &format!("v2:{}", token.label()),
            None => shown.push('…'),
        }
        done = range.end;
    }
    shown + &text[done..]
}
