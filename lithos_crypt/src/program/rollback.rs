//! `rollback`: an earlier version of a secret, as a new change.

use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::Failure;
use super::{git, report, rewrite, sections, survey, table, versions};
use crate::Token;
use crate::document::{Change, Section};

/// Put the token of an earlier revision back, as a new change
///
/// The file is changed and nothing committed. The value is the old one again,
/// so make sure that its service still takes it.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub struct Options {
    /// YAML file in a git repository
    file: PathBuf,

    /// The secret's name
    name: String,

    /// Revision to take it from, as git knows it
    revision: String,

    /// Section of the file, where several have the name
    #[arg(long = "in", value_name = "SECTION", value_parser = sections::parse)]
    section: Option<Section>,
}

const EXAMPLE: &str = "\
Example:
  lithos_crypt rollback config/web.yaml DATABASE_PASSWORD HEAD~3";

/// Writes the old tokens into the file.
pub fn run(options: Options) -> Result<(), Failure> {
    let Options {
        file,
        name,
        revision,
        ..
    } = &options;
    let refused = |reason: &str| Failure::Refused {
        what: format!("take {name} from the revision {revision}"),
        reason: reason.to_owned(),
    };
    let content = content(file, revision)?.ok_or_else(|| refused("the file is not in it"))?;
    let old = survey::parse(file.clone(), content)?.document;
    survey::read(file)?;
    let mut label = String::new();
    rewrite::change(file, |document| {
        let mut section = options.section.clone();
        for known in [&document, &old] {
            if section.is_none() {
                section = sections::of(known, file, name)?;
            }
        }
        let texts = versions::in_version(&old, section.as_ref(), name);
        let tokens = texts.ok_or_else(|| refused("the secret is not in it"))?;
        let parsed: Result<Vec<Token>, _> = tokens.iter().map(|text| text.parse()).collect();
        let parsed = parsed.map_err(|_| refused("what is there is no token"))?;
        let lines = parsed
            .iter()
            .map(|token| format!("{name} {}\n", token.label()));
        label = lines.collect();
        let section = match section {
            Some(section) => section,
            None => sections::for_new(&document, file, name)?,
        };
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

/// What the file was in a revision, under the name that it had there.
fn content(file: &Path, revision: &str) -> Result<Option<Vec<u8>>, Failure> {
    let directory = file.parent().unwrap_or(Path::new(""));
    let commit = git::commit(directory, revision)?;
    let mut path = Path::new(".").join(file.file_name().unwrap_or_default());
    for (_, before, after) in git::log(file, "", &format!("{commit}..HEAD"))? {
        if before != after {
            path = before;
        }
    }
    git::show(directory, &commit, &path)
}
