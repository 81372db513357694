//! `inspect`: the label columns of tokens.

use std::collections::HashMap;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::ls::KnownRecipients;
use super::{sealing, survey, table};
use crate::{Label, ShortHash, Token};

/// Show the label columns of tokens: key, namespace, value
///
/// Equal columns mean equal things. Values that several secrets have in common
/// are marked with `=` and a number; no private key is needed.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub struct Options {
    /// Files, directories or tokens [default: this directory]
    #[arg(value_name = "PATH|TOKEN")]
    inputs: Vec<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLE: &str = "\
Examples:
  lithos_crypt inspect config/
  lithos_crypt inspect v2:k/qSgp/F:KqWSX0BY:8MtOoWUX:…";

struct Row {
    name: String,
    file: String,
    /// Why it is no token, else its label.
    label: Result<Label, String>,
    key: String,
    namespace: String,
}

/// Shows every token found, and what is in the place of one.
pub fn run(options: Options) -> Result<(), Failure> {
    let is_token = |input: &String| input.starts_with("v2:") || input.starts_with("v1:");
    let (tokens, paths): (Vec<_>, Vec<_>) = options.inputs.into_iter().partition(is_token);
    let paths: Vec<PathBuf> = paths.into_iter().map(PathBuf::from).collect();
    let mut known = KnownRecipients::default();
    let mut rows = Vec::new();
    for text in &tokens {
        let token: Token = text.parse().map_err(|cause| Failure::ReadToken { cause })?;
        let recipients = known.of(&PathBuf::from("."))?;
        rows.push(Row::new(
            "-".to_owned(),
            "-".to_owned(),
            Ok(token),
            recipients,
        ));
    }
    if tokens.is_empty() || !paths.is_empty() {
        for file in survey::read_all(&paths)? {
            let recipients = known.of(&file.path)?;
            for entry in file.document.entries() {
                let path = file.path.display().to_string();
                rows.extend(survey::tokens(&entry).into_iter().map(|token| {
                    let token = token.map_err(|error| error.to_string());
                    Row::new(entry.name().to_owned(), path.clone(), token, recipients)
                }));
            }
        }
    }
    if options.json {
        return table::json(&rows.iter().map(Row::json).collect());
    }
    print(&rows)
}

impl Row {
    fn new(
        name: String,
        file: String,
        token: Result<Token, String>,
        recipients: Option<&super::recipients::Recipients>,
    ) -> Row {
        let label = token.map(|token| token.label());
        let key = label
            .as_ref()
            .map(|label| sealing::name_of(recipients, label.key));
        let namespace = label
            .as_ref()
            .map(|label| sealing::namespace_of(recipients, label.namespace));
        let (key, namespace) = (key.unwrap_or_default(), namespace.unwrap_or_default());
        Row {
            name,
            file,
            label,
            key,
            namespace,
        }
    }

    fn json(&self) -> serde_json::Value {
        match &self.label {
            Ok(label) => json!({
                "name": self.name, "file": self.file,
                "key": label.key.to_string(), "namespace": label.namespace.to_string(),
                "value": label.secret.to_string(), "recipient": self.key,
                "namespace-name": self.namespace,
            }),
            Err(error) => json!({ "name": self.name, "file": self.file, "error": error }),
        }
    }
}

/// Numbers the values that more than one secret has.
fn print(rows: &[Row]) -> Result<(), Failure> {
    let mut holders = HashMap::<ShortHash, Vec<(&str, &str)>>::new();
    for row in rows {
        if let Ok(label) = &row.label {
            let holders = holders.entry(label.secret).or_default();
            if !holders.contains(&(&row.file, &row.name)) || row.name == "-" {
                holders.push((&row.file, &row.name));
            }
        }
    }
    let mut numbers = HashMap::new();
    let mut lines = Vec::new();
    for row in rows {
        let mut line = vec![row.name.clone(), row.file.clone()];
        match &row.label {
            Ok(label) => {
                let next = numbers.len() + 1;
                let shared = holders[&label.secret].len() > 1;
                let mark =
                    shared.then(|| format!("={}", numbers.entry(label.secret).or_insert(next)));
                line.extend(
                    [label.key, label.namespace, label.secret].map(|hash| hash.to_string()),
                );
                line.extend([
                    mark.unwrap_or_default(),
                    row.key.clone(),
                    row.namespace.clone(),
                ]);
            }
            Err(error) => {
                line.extend(["-", "-", "-", ""].map(str::to_owned));
                line.extend([error.clone(), String::new()]);
            }
        }
        lines.push(line);
    }
    let heading = [
        "NAME",
        "FILE",
        "KEY",
        "NAMESPACE",
        "VALUE",
        "SAME",
        "RECIPIENT",
        "FOR",
    ];
    table::print(&heading, &lines)
}
