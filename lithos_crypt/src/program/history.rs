//! `history` and `rollback`: versions of a secret in git.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::versions::{self, Texts};
use super::{git, report, rewrite, sections, survey, table};
use crate::Token;
use crate::document::{Change, Document, Section};

/// List the versions of a secret: revision, date, author, what changed, message
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub struct Options {
    /// YAML file in a git repository
    file: PathBuf,

    /// The secret's name
    name: String,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Put the token of an earlier revision back, as a new change
///
/// The file is changed and nothing committed. The value is the old one again,
/// so make sure that its service still takes it.
#[derive(Args)]
#[command(after_help = ROLLBACK_EXAMPLE)]
pub struct RollbackOptions {
    /// YAML file in a git repository
    file: PathBuf,

    /// The secret's name
    name: String,

    /// Revision to take it from, as git knows it
    revision: String,
}

const EXAMPLE: &str = "\
Example:
  lithos_crypt history config/web.yaml DATABASE_PASSWORD";

const ROLLBACK_EXAMPLE: &str = "\
Example:
  lithos_crypt rollback config/web.yaml DATABASE_PASSWORD HEAD~3";

/// One commit that touched the file.
struct Version {
    commit: String,
    date: String,
    author: String,
    message: String,
    /// The secret there.
    texts: Option<Texts>,
}

/// Prints the commits that changed the secret, the newest first.
pub fn run(options: Options) -> Result<(), Failure> {
    let versions = versions_of(&options.file, &options.name)?;
    let nothing = Texts::new();
    let mut rows = Vec::new();
    for (index, version) in versions.iter().enumerate() {
        let new = version.texts.as_ref();
        let old = versions
            .get(index + 1)
            .and_then(|older| older.texts.as_ref());
        let what = match (old, new) {
            (None, None) => continue,
            (None, Some(_)) => "added".to_owned(),
            (Some(_), None) => "removed".to_owned(),
            (Some(old), Some(new)) => match versions::changed(old, new) {
                Some(what) => what,
                None => continue,
            },
        };
        let label = new
            .unwrap_or(&nothing)
            .first()
            .and_then(|text| text.parse::<Token>().ok());
        let label = label.map_or("-".to_owned(), |token| token.label().to_string());
        rows.push((version, what, label));
    }
    if rows.is_empty() {
        let Options {
            file: path, name, ..
        } = options;
        return Err(Failure::NoSecret { name, path });
    }
    if options.json {
        return table::json(
            &rows
                .iter()
                .map(|(version, what, label)| {
                    json!({
                        "revision": version.commit, "date": version.date, "author": version.author,
                        "message": version.message, "changed": what, "label": label,
                    })
                })
                .collect(),
        );
    }
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(version, what, label)| {
            let commit = version
                .commit
                .get(..12)
                .unwrap_or(&version.commit)
                .to_owned();
            vec![
                commit,
                version.date.clone(),
                version.author.clone(),
                what,
                label,
                version.message.clone(),
            ]
        })
        .collect();
    table::print(
        &["REVISION", "DATE", "AUTHOR", "CHANGED", "LABEL", "MESSAGE"],
        &rows,
    )
}

/// The commits that touched the file, under whatever name it had.
fn versions_of(file: &Path, name: &str) -> Result<Vec<Version>, Failure> {
    let directory = file.parent().unwrap_or(Path::new(""));
    let base = file.file_name().unwrap_or_default();
    let mut arguments: Vec<_> = [
        "-c",
        "core.quotePath=false",
        "log",
        "--follow",
        "--name-only",
        "--format=%x1e%H%x1f%as%x1f%an%x1f%s",
        "--",
    ]
    .map(std::ffi::OsString::from)
    .into();
    arguments.push(base.to_owned());
    let log = git::run(directory, &arguments)?;
    let log = String::from_utf8_lossy(&log);
    let mut section = None;
    let mut versions = Vec::new();
    for record in log.split('\u{1e}').skip(1) {
        let (head, names) = record.split_once('\n').unwrap_or((record, ""));
        let mut fields = head.split('\u{1f}').map(str::to_owned);
        let mut next = || fields.next().unwrap_or_default();
        let (commit, date, author, message) = (next(), next(), next(), next());
        let path = names.trim_matches('\n');
        let content = git::show(directory, &commit, Path::new(path))?;
        let document = content.and_then(|bytes| Document::parse(bytes).ok());
        let texts = document.as_ref().and_then(|document| {
            let texts = versions::in_version(document, section.as_ref(), name);
            section = section.take().or_else(|| section_of(document, name));
            texts
        });
        versions.push(Version {
            commit,
            date,
            author,
            message,
            texts,
        });
    }
    Ok(versions)
}

fn section_of(document: &Document, name: &str) -> Option<Section> {
    document
        .named(name)
        .first()
        .map(|entry| entry.section().clone())
}

/// Writes the old tokens into the file.
pub fn run_rollback(options: RollbackOptions) -> Result<(), Failure> {
    let RollbackOptions {
        file,
        name,
        revision,
    } = &options;
    let directory = file.parent().unwrap_or(Path::new(""));
    let commit = git::commit(directory, revision)?;
    let base = Path::new(".").join(file.file_name().unwrap_or_default());
    let refused = |reason: &str| Failure::Refused {
        what: format!("take {name} from the revision {revision}"),
        reason: reason.to_owned(),
    };
    let content = git::show(directory, &commit, &base)?;
    let content = content.ok_or_else(|| refused("the file is not in it"))?;
    let old = survey::parse(file.clone(), content)?.document;
    survey::read(file)?;
    let mut label = String::new();
    rewrite::change(file, |document| {
        let section = section_of(&document, name).or_else(|| section_of(&old, name));
        let texts = versions::in_version(&old, section.as_ref(), name);
        let tokens = texts.ok_or_else(|| refused("the secret is not in it"))?;
        let parsed: Result<Vec<Token>, _> = tokens.iter().map(|text| text.parse()).collect();
        let parsed = parsed.map_err(|_| refused("what is there is no token"))?;
        let lines = parsed
            .iter()
            .map(|token| format!("{name} {}\n", token.label()));
        label = lines.collect();
        let section = section.unwrap_or_else(|| sections::for_new(&document));
        let change = Change {
            section,
            name: name.clone(),
            tokens,
        };
        let path = file.clone();
        document
            .edited(&[change])
            .map_err(|cause| Failure::Edit { path, cause })
    })?;
    report::note("the value is the old one again; `lithos_crypt check` tells whether its keys are");
    table::out(&label)
}
