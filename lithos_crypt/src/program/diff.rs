//! `diff`: what has changed between two states of secrets.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::survey::Surveyed;
use super::versions::{self, Snapshot};
use super::{git, report, survey, table};

/// Compare secrets: added, removed, and which column of a token changed
///
/// Each side is a file, a directory or a git revision (`HEAD~1`,
/// `main:config/web.yaml`). A changed token differs in its key, its namespace
/// or its value, or was only sealed anew. No private key is needed.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub struct Options {
    /// File, directory or git revision
    a: String,

    /// File, directory or git revision
    b: String,

    /// Exit with 1 if anything differs
    #[arg(long)]
    exit_code: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLE: &str = "\
Examples:
  lithos_crypt diff HEAD~1 .
  lithos_crypt diff main:config/web.yaml config/web.yaml";

/// Prints a line for each secret that is not the same.
pub fn run(options: Options) -> Result<(), Failure> {
    let (old, new) = (Side::read(&options.a)?, Side::read(&options.b)?);
    let alone = old.alone && new.alone;
    let (old, new) = (
        versions::snapshot(&old.files, alone),
        versions::snapshot(&new.files, alone),
    );
    let differences = compare(&old, &new);
    if options.json {
        let json =
            |(file, name, what): &Difference| json!({"file": file, "name": name, "changed": what});
        table::json(&differences.iter().map(json).collect())?;
    } else {
        table::out(&differences.iter().map(line).collect::<String>())?;
    }
    match differences.len() {
        count if options.exit_code && count > 0 => Err(Failure::Found { problems: count }),
        _ => Ok(()),
    }
}

/// File, name, and what has changed.
type Difference = (String, String, String);

fn line((file, name, what): &Difference) -> String {
    let sign = match &what[..] {
        "added" => "+",
        "removed" => "-",
        _ => "~",
    };
    let sign = report::painted(sign, &std::io::stdout());
    let file = if file.is_empty() {
        String::new()
    } else {
        format!(" {file}")
    };
    format!("{sign} {name}{file}: {what}\n")
}

fn compare(old: &Snapshot, new: &Snapshot) -> Vec<Difference> {
    let keys: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let difference = |key: &&(String, crate::document::Section, String)| {
        let what = match (old.get(key), new.get(key)) {
            (Some(old), Some(new)) => versions::changed(old, new)?,
            (None, _) => "added".to_owned(),
            (_, None) => "removed".to_owned(),
        };
        Some((key.0.clone(), key.2.clone(), what))
    };
    keys.iter().filter_map(difference).collect()
}

struct Side {
    files: Vec<Surveyed>,
    /// It is one file, whatever its name.
    alone: bool,
}

impl Side {
    fn read(text: &str) -> Result<Side, Failure> {
        let path = PathBuf::from(text);
        if path.is_dir() {
            let mut files = survey::read_all(std::slice::from_ref(&path))?;
            for file in &mut files {
                let relative = file.path.strip_prefix(&path).unwrap_or(&file.path);
                file.path = relative.to_owned();
            }
            return Ok(Side {
                files,
                alone: false,
            });
        }
        if path.exists() {
            return Ok(Side {
                files: vec![survey::read(&path)?],
                alone: true,
            });
        }
        let here = Path::new(".");
        let (revision, below) = text.split_once(':').unwrap_or((text, ""));
        let commit = git::commit(here, revision)?;
        if below.is_empty() {
            return Ok(Side {
                files: git::tree(here, &commit)?,
                alone: false,
            });
        }
        match git::show(here, &commit, Path::new(below))? {
            Some(bytes) => Ok(Side {
                files: vec![survey::parse(below.into(), bytes)?],
                alone: true,
            }),
            None => Err(Failure::Refused {
                what: format!("find `{below}`"),
                reason: format!("it is not a file of the revision {revision}"),
            }),
        }
    }
}
