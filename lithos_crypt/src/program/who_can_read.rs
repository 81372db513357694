//! `who-can-read`: whose keys open a secret.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::ls::KnownRecipients;
use super::{sealing, survey, table};
use crate::Token;

/// Tell whose keys open the secret NAME, by its tokens as they are
///
/// Revoked readers may still hold what was sealed to them before: the
/// repository's history keeps it.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub struct Options {
    /// The secret's name
    name: String,

    /// Files or directories [default: this directory]
    paths: Vec<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLE: &str = "\
Example:
  lithos_crypt who-can-read DATABASE_PASSWORD config/";

/// Lists the keys by name, with the groups that they are in.
pub fn run(options: Options) -> Result<(), Failure> {
    let mut known = KnownRecipients::default();
    let (mut rows, mut is_there) = (Vec::new(), false);
    for file in survey::read_all(&options.paths)? {
        let recipients = known.of(&file.path)?;
        for entry in file.document.named(&options.name) {
            is_there = true;
            let tokens = survey::tokens(&entry);
            let mut readers = BTreeMap::new();
            for label in tokens.iter().flatten().map(Token::label) {
                let name = sealing::name_of(recipients, label.key);
                let groups = recipients
                    .map(|listed| listed.groups_of(&name))
                    .unwrap_or_default();
                readers.insert(name, (groups.join(","), label.key));
            }
            for (name, (groups, key)) in readers {
                rows.push(vec![
                    file.path.display().to_string(),
                    name,
                    groups,
                    key.to_string(),
                ]);
            }
        }
    }
    if !is_there {
        let path = options.paths.into_iter().next().unwrap_or(".".into());
        return Err(Failure::NoSecret {
            name: options.name,
            path,
        });
    }
    if options.json {
        return table::json(
            &rows
                .iter()
                .map(|row| {
                    json!({
                        "file": row[0], "reader": row[1], "groups": row[2], "key": row[3],
                    })
                })
                .collect(),
        );
    }
    table::print(&["FILE", "READER", "GROUPS", "KEY"], &rows)
}
