//! `ls`: which secrets there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::recipients::Recipients;
use super::{git, sealing, survey, table};
use crate::document::Entry;

/// List secrets: name, file, type, expiry, namespace and recipients
///
/// Recipients and namespaces are shown by name where lithos-keys.yaml knows
/// them, else by their hash. No value is shown, and no private key is needed.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub struct Options {
    /// Files or directories [default: this directory]
    paths: Vec<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLE: &str = "\
Example:
  lithos_crypt ls config/";

/// One secret as it is listed.
struct Listed {
    name: String,
    file: PathBuf,
    kind: Option<String>,
    expires: Option<String>,
    namespaces: BTreeSet<String>,
    recipients: BTreeSet<String>,
}

/// Lists them in the order of files and sections.
pub fn run(options: Options) -> Result<(), Failure> {
    let mut listed = Vec::new();
    let mut known = KnownRecipients::default();
    for file in survey::read_all(&options.paths)? {
        let recipients = known.of(&file.path)?;
        for entry in file.document.entries() {
            listed.push(Listed::new(&entry, &file.path, recipients));
        }
    }
    if options.json {
        return table::json(&listed.iter().map(Listed::json).collect());
    }
    let heading = ["NAME", "FILE", "TYPE", "EXPIRES", "NAMESPACE", "RECIPIENTS"];
    table::print(
        &heading,
        &listed.iter().map(Listed::row).collect::<Vec<_>>(),
    )
}

impl Listed {
    fn new(entry: &Entry<'_>, path: &Path, recipients: Option<&Recipients>) -> Listed {
        let tokens = survey::tokens(entry);
        let labels: Vec<_> = tokens.iter().flatten().map(crate::Token::label).collect();
        let namespaces = labels
            .iter()
            .map(|label| sealing::namespace_of(recipients, label.namespace));
        let names = labels
            .iter()
            .map(|label| sealing::name_of(recipients, label.key));
        Listed {
            name: entry.name().to_owned(),
            file: path.to_owned(),
            kind: entry.extra("type").map(str::to_owned),
            expires: entry.extra("expires").map(str::to_owned),
            namespaces: namespaces.collect(),
            recipients: names.collect(),
        }
    }

    fn row(&self) -> Vec<String> {
        let list = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(",");
        let or_dash = |text: Option<String>| {
            text.filter(|text| !text.is_empty())
                .unwrap_or("-".to_owned())
        };
        vec![
            self.name.clone(),
            self.file.display().to_string(),
            or_dash(self.kind.clone()),
            or_dash(self.expires.clone()),
            or_dash(Some(list(&self.namespaces))),
            or_dash(Some(list(&self.recipients))),
        ]
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "name": self.name,
            "file": self.file.to_string_lossy(),
            "type": self.kind,
            "expires": self.expires,
            "namespaces": self.namespaces,
            "recipients": self.recipients,
        })
    }
}

/// The recipients file of each directory, read once.
#[derive(Default)]
pub struct KnownRecipients {
    by_directory: std::collections::HashMap<PathBuf, Option<Recipients>>,
    /// Where a recipients file is taken from, if it is there.
    index: Option<git::Index>,
}

impl KnownRecipients {
    /// As they are about to be committed.
    pub fn staged() -> Result<KnownRecipients, Failure> {
        Ok(KnownRecipients {
            index: Some(git::Index::open()?),
            ..Default::default()
        })
    }

    /// The recipients file that counts for this file.
    pub fn of(&mut self, file: &Path) -> Result<Option<&Recipients>, Failure> {
        use std::collections::hash_map::Entry;
        let real = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        let directory = real.parent().unwrap_or(Path::new("")).to_owned();
        let found = match self.by_directory.entry(directory) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(vacant) => vacant.insert(find(file, self.index.as_mut())?),
        };
        Ok(found.as_ref())
    }
}

fn find(file: &Path, index: Option<&mut git::Index>) -> Result<Option<Recipients>, Failure> {
    let Some((path, mut bytes)) = Recipients::locate(file)? else {
        return Ok(None);
    };
    if let Some(staged) = index.map(|index| index.read(&path)).transpose()?.flatten() {
        bytes = staged;
    }
    Recipients::parse(path, bytes).map(Some)
}
