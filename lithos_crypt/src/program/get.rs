//! `get`: one value of a file.

use std::path::PathBuf;

use clap::Args;

use super::failure::Failure;
use super::{key_files, sections, survey, table};
use crate::document::Section;
use crate::{Allowed, Delivery, Namespace, open_first};

/// Open the secret NAME of FILE; prints its exact bytes
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub struct Options {
    /// Private key to open with; several may be given
    #[arg(short = 'i', long = "identity", value_name = "KEY", required = true)]
    key_files: Vec<PathBuf>,

    /// Open it only if it is for this namespace [default: any]
    #[arg(
        short,
        long = "namespace",
        value_name = "NS",
        allow_hyphen_values = true
    )]
    namespaces: Vec<Namespace>,

    /// Section of the file, where several have the name
    #[arg(long = "in", value_name = "SECTION", value_parser = sections::parse)]
    section: Option<Section>,

    /// YAML file
    file: PathBuf,

    /// The secret's name
    name: String,
}

const EXAMPLE: &str = "\
Example:
  lithos_crypt get -i web1 config/web.yaml DATABASE_PASSWORD";

/// Opens the first of its tokens that opens.
pub fn run(options: Options) -> Result<(), Failure> {
    let Options { file, name, .. } = &options;
    let surveyed = survey::read(file)?;
    let entry = survey::named(&surveyed.document, file, name, options.section.as_ref())?;
    let keys = key_files::read_private_keys(&options.key_files)?;
    let texts: Vec<_> = entry
        .values()
        .iter()
        .map(|value| value.text.unwrap_or_default())
        .collect();
    let allowed = match &options.namespaces[..] {
        [] => Allowed::Any,
        namespaces => Allowed::Only(namespaces),
    };
    let secret = open_first(&texts, &keys, allowed, Delivery::File).map_err(|refusals| {
        let (name, path) = (name.clone(), file.clone());
        Failure::OpenNamed {
            name,
            path,
            refusals,
        }
    })?;
    table::bytes(secret.expose())
}
