//! `set`: seals a value and puts it into a file.

use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::Failure;
use super::sealing::{SealTo, Sealer};
use super::{doubts, input, rewrite, sections, survey, table, types};
use crate::document::{Change, Document, Section};
use crate::{SecretType, Token};

/// Seal a value and put its token under NAME in FILE
///
/// Every other byte of the file stays as it is. The value is asked for, hidden
/// and twice, if standard input is a terminal; otherwise it is read from there,
/// and one newline at its end is dropped. The label is printed, never the value.
///
/// Keys and namespace are those that lithos-keys.yaml gives the file, if there
/// is one in its directory or above.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub struct Options {
    /// YAML file: a container or sandbox config, or a file of secrets only;
    /// made if it is not there
    file: PathBuf,

    /// The secret's name: a variable's, or a file's path in `secret-files`
    name: String,

    #[command(flatten)]
    seal_to: SealTo,

    /// File whose exact bytes are the value
    #[arg(long, value_name = "FILE")]
    data_file: Option<PathBuf>,

    /// Make a random value of LEN letters and digits
    #[arg(long, value_name = "LEN", conflicts_with_all = ["data_file", "exact"])]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=4096))]
    generate: Option<u16>,

    /// What the value must be, which is noted beside it: password, api-key,
    /// certificate, private-key, ssh-key, text or binary [default: what is noted
    /// there, if anything is]
    #[arg(long = "type", value_name = "TYPE", value_parser = types::parse)]
    kind: Option<SecretType>,

    /// Keep a newline at the end of standard input
    #[arg(long)]
    exact: bool,

    /// Keep the old tokens, after the new ones
    #[arg(long)]
    list_add: bool,

    /// Section of the file [default: where NAME is, else that of variables]
    #[arg(long = "in", value_name = "SECTION", value_parser = sections::parse)]
    section: Option<Section>,
}

const EXAMPLE: &str = "\
Examples:
  lithos_crypt set config/web.yaml DATABASE_PASSWORD
  lithos_crypt set config/web.yaml SESSION_KEY --generate 32
  lithos_crypt set config/web.yaml tls.key --in secret-files --data-file tls.key --type private-key
  lithos_crypt set secrets.yaml API_KEY -k web1.pub -n shop < key.txt";

/// In the place of a token, to see whether the file can be changed.
const TRIAL: &str = "v2:trial:trial:trial:trial";

/// Seals, then changes the file.
pub fn run(options: Options) -> Result<(), Failure> {
    let Options { file, name, .. } = &options;
    let sealer = options.seal_to.sealer(file)?;
    // What cannot be changed is said before a value is typed in vain.
    let surveyed = match file.exists() {
        true => survey::read(file)?,
        false => survey::parse(file.clone(), Vec::new())?,
    };
    let section = target(&surveyed.document, file, name, options.section.as_ref())?;
    let noted = types::noted(&surveyed.document, &section, name)?;
    let kind = options.kind.or(noted);
    put(surveyed.document, &options, &[TRIAL.to_owned()])?;
    rewrite::refuse_hard_links(file)?;
    let value = match options.generate {
        Some(length) => input::generated(length)?,
        None => input::value(None, options.data_file.clone(), options.exact)?,
    };
    types::expect(kind, name, &value)?;
    doubts::warn(&value, options.generate.is_none());
    let tokens = sealer.seal(&value)?;
    drop(value);
    let texts: Vec<_> = tokens.iter().map(Token::to_string).collect();
    rewrite::change(file, |document| put(document, &options, &texts))?;
    print(name, &tokens, &sealer)
}

fn put(document: Document, options: &Options, tokens: &[String]) -> Result<Document, Failure> {
    let Options { file, name, .. } = options;
    let section = target(&document, file, name, options.section.as_ref())?;
    let mut texts = tokens.to_vec();
    if options.list_add {
        let entries = document.named(name);
        for old in entries.iter().filter(|entry| *entry.section() == section) {
            let tokens: Result<Vec<Token>, _> = survey::tokens(old).into_iter().collect();
            let tokens = tokens.map_err(|_| Failure::Refused {
                what: format!("keep what stands under {name} of `{}`", file.display()),
                reason: "not all of it are tokens".to_owned(),
            })?;
            texts.extend(tokens.iter().map(Token::to_string));
        }
    }
    let change = Change {
        section,
        name: name.clone(),
        tokens: texts,
    };
    let path = file.clone();
    let section = change.section.clone();
    let edited = document.edited(&[change]);
    let typed = edited.and_then(|document| match options.kind {
        Some(kind) => document.with_extra(&section, name, "type", kind.name()),
        None => Ok(document),
    });
    typed.map_err(|cause| Failure::Edit { path, cause })
}

/// The section that the secret stands in, or shall.
fn target(
    document: &Document,
    path: &Path,
    name: &str,
    wanted: Option<&Section>,
) -> Result<Section, Failure> {
    if let Some(section) = wanted {
        return Ok(section.clone());
    }
    match survey::named(document, path, name, None) {
        Ok(entry) => Ok(entry.section().clone()),
        Err(Failure::NoSecret { .. }) => sections::for_new(document, path, name),
        Err(failure) => Err(failure),
    }
}

fn print(name: &str, tokens: &[Token], sealer: &Sealer) -> Result<(), Failure> {
    let line = |token: &Token| {
        let label = token.label();
        format!("{name} {label} {}\n", sealer.name_of(label.key))
    };
    table::out(&tokens.iter().map(line).collect::<String>())
}
