//! `rm`: takes a secret out of a file.

use std::path::PathBuf;

use clap::Args;

use super::failure::Failure;
use super::{rewrite, sections, survey};
use crate::document::{Change, Section};

/// Take the secret NAME out of FILE
///
/// It stays in the history of the repository, so change the value at its
/// service if it must not be used any more.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub struct Options {
    /// YAML file
    file: PathBuf,

    /// The secret's name
    name: String,

    /// Section of the file, where several have the name
    #[arg(long = "in", value_name = "SECTION", value_parser = sections::parse)]
    section: Option<Section>,
}

const EXAMPLE: &str = "\
Example:
  lithos_crypt rm config/web.yaml OLD_API_KEY";

/// Removes it, and nothing else.
pub fn run(options: Options) -> Result<(), Failure> {
    let Options {
        file,
        name,
        section,
    } = &options;
    survey::read(file)?; // an absent file is an error, not an empty one
    rewrite::change(file, |document| {
        let entry = survey::named(&document, file, name, section.as_ref())?;
        let change = Change {
            section: entry.section().clone(),
            name: name.clone(),
            tokens: Vec::new(),
        };
        let path = file.clone();
        document
            .edited(&[change])
            .map_err(|cause| Failure::Edit { path, cause })
    })
}
