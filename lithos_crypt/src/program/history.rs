//! `history`: versions of a secret in git.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::git::{self, Objects};
use super::versions::{self, Texts};
use super::{sections, table};
use crate::Token;
use crate::document::{Document, Section};

/// List the versions of a secret: revision, date, author, what changed, message
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub struct Options {
    /// YAML file in a git repository
    file: PathBuf,

    /// The secret's name
    name: String,

    /// Section of the file, where several have the name
    #[arg(long = "in", value_name = "SECTION", value_parser = sections::parse)]
    section: Option<Section>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLE: &str = "\
Example:
  lithos_crypt history config/web.yaml DATABASE_PASSWORD";

/// One commit that changed the file.
struct Version {
    commit: String,
    date: String,
    author: String,
    message: String,
    /// The secret there.
    texts: Option<Texts>,
    /// The secret in each of the commits before.
    before: Vec<Option<Texts>>,
}

/// One that changed the secret, and how.
struct Row {
    version: Version,
    what: String,
    label: String,
}

/// Prints the commits that changed the secret, the newest first.
pub fn run(options: Options) -> Result<(), Failure> {
    let versions = versions_of(&options)?;
    let rows: Vec<_> = versions.into_iter().filter_map(Row::of).collect();
    if rows.is_empty() {
        let Options {
            file: path, name, ..
        } = options;
        return Err(Failure::NoSecret { name, path });
    }
    if options.json {
        return table::json(&rows.iter().map(Row::json).collect());
    }
    table::print(
        &["REVISION", "DATE", "AUTHOR", "CHANGED", "LABEL", "MESSAGE"],
        &rows.into_iter().map(Row::cells).collect::<Vec<_>>(),
    )
}

impl Row {
    /// `None` if the secret is what it was before, on one side at least.
    fn of(version: Version) -> Option<Row> {
        let new = version.texts.as_ref();
        if new.is_none() && version.before.is_empty()
            || version.before.iter().any(|old| old.as_ref() == new)
        {
            return None;
        }
        let old = version.before.first().and_then(Option::as_ref);
        let what = match (old, new) {
            (Some(old), Some(new)) => versions::changed(old, new)?,
            (Some(_), None) => "removed".to_owned(),
            (None, _) => "added".to_owned(),
        };
        let token = new.and_then(|texts| texts.first()?.parse::<Token>().ok());
        let label = token.map_or("-".to_owned(), |token| token.label().to_string());
        Some(Row {
            version,
            what,
            label,
        })
    }

    fn json(&self) -> serde_json::Value {
        let Version {
            commit,
            date,
            author,
            message,
            ..
        } = &self.version;
        json!({
            "revision": commit, "date": date, "author": author,
            "message": message, "changed": self.what, "label": self.label,
        })
    }

    fn cells(self) -> Vec<String> {
        let Version {
            mut commit,
            date,
            author,
            message,
            ..
        } = self.version;
        commit.truncate(12);
        vec![commit, date, author, self.what, self.label, message]
    }
}

/// The commits that changed the file.
fn versions_of(options: &Options) -> Result<Vec<Version>, Failure> {
    let Options { file, name, .. } = options;
    let mut section = options.section.clone();
    let mut objects = Objects::open(file.parent().unwrap_or(Path::new("")))?;
    let mut texts_in = |commit: &str, path: &Path| -> Result<Option<Texts>, Failure> {
        let content = objects.read(commit, path)?;
        let Some(document) = content.and_then(|bytes| Document::parse(bytes).ok()) else {
            return Ok(None);
        };
        if section.is_none() {
            section = sections::of(&document, file, name)?;
        }
        Ok(versions::in_version(&document, section.as_ref(), name))
    };
    let mut versions = Vec::new();
    for (fields, before, after) in git::log(file, "%H %P %as %an %s", "HEAD")? {
        let mut fields = fields.into_iter();
        let mut next = || fields.next().unwrap_or_default();
        let (commit, parents, date, author, message) = (next(), next(), next(), next(), next());
        let texts = texts_in(&commit, &after)?;
        let before = parents
            .split_whitespace()
            .map(|parent| texts_in(parent, &before));
        versions.push(Version {
            before: before.collect::<Result<_, _>>()?,
            texts,
            commit,
            date,
            author,
            message,
        });
    }
    Ok(versions)
}
