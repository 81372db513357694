//! `export` and `import`: chosen secrets, sealed for somebody else.
//!
//! A bundle is a YAML file of tokens like any other, so that it can be looked
//! at with `inspect` and sent by any way. It holds no plaintext.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::Failure;
use super::recipients::Recipients;
use super::{input, key_files, report, rewrite, sealing, sections, survey, table, versions};
use crate::document::{Change, Document, Entry, Section};
use crate::{Allowed, Delivery, PrivateKey, PublicKey, Refusal, Token};

/// Seal chosen secrets of FILE to somebody's key; prints a bundle of tokens
///
/// Namespaces stay what they are. The bundle can be sent by any way: only the
/// holders of the keys that it is sealed to can open it.
#[derive(Args)]
#[command(after_help = EXPORT_EXAMPLE)]
pub struct ExportOptions {
    /// Private key to open with; several may be given
    #[arg(short = 'i', long = "identity", value_name = "KEY", required = true)]
    key_files: Vec<PathBuf>,

    /// Public key to seal to: a file, or a name of lithos-keys.yaml
    #[arg(long, value_name = "PUB", required = true)]
    to: Vec<PathBuf>,

    /// Section of the file, where several have a name
    #[arg(long = "in", value_name = "SECTION", value_parser = sections::parse)]
    section: Option<Section>,

    /// YAML file
    file: PathBuf,

    /// Names of secrets
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

/// Merge a bundle of tokens into FILE
///
/// Tokens of keys that a secret is not sealed to yet are put beside those that
/// are there. A secret that has another value there is refused without
/// `--replace`. No private key is needed, and all of the bundle is merged or
/// nothing.
#[derive(Args)]
#[command(after_help = IMPORT_EXAMPLE)]
pub struct ImportOptions {
    /// YAML file to merge into; made if it is not there
    file: PathBuf,

    /// The bundle [default: standard input]
    bundle: Option<PathBuf>,

    /// Replace secrets that have another value
    #[arg(long)]
    replace: bool,
}

const EXPORT_EXAMPLE: &str = "\
Example:
  lithos_crypt export -i me --to bob.pub config/web.yaml API_KEY > for-bob.yaml";

const IMPORT_EXAMPLE: &str = "\
Examples:
  lithos_crypt import config/web.yaml for-bob.yaml
  ssh ada lithos_crypt export … | lithos_crypt import config/web.yaml";

/// Opens the chosen secrets, and prints them sealed to others.
pub fn run_export(options: ExportOptions) -> Result<(), Failure> {
    let file = &options.file;
    let surveyed = survey::read(file)?;
    let section = options.section.as_ref();
    let entries = options.names.iter();
    let entries = entries.map(|name| survey::named(&surveyed.document, file, name, section));
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    let recipients = Recipients::find(file)?;
    let to = addressees(&options.to, recipients.as_ref())?;
    let keys = key_files::read_private_keys(&options.key_files)?;
    let mut changes: Vec<Change> = Vec::new();
    for entry in entries {
        let change = Change {
            section: entry.section().clone(),
            name: entry.name().to_owned(),
            tokens: sealed_to(&to, &entry, file, &keys)?,
        };
        if changes.iter().all(|known| known.name != change.name) {
            changes.push(change);
        }
    }
    let bundle = Document::parse(Vec::new()).map_err(|cause| document_failure(file, cause))?;
    let bundle = bundle.edited(&changes);
    let bundle = bundle.map_err(|cause| Failure::Edit {
        path: file.clone(),
        cause,
    })?;
    table::out(bundle.text())
}

/// The keys of files or names; a file's key need not be listed, since what is
/// sealed to it does not stay here.
fn addressees(
    given: &[PathBuf],
    recipients: Option<&Recipients>,
) -> Result<Vec<PublicKey>, Failure> {
    let mut keys = Vec::new();
    for path in given {
        let recipients = recipients.filter(|_| !path.exists());
        keys.extend(sealing::public_keys(
            std::slice::from_ref(path),
            recipients,
        )?);
    }
    Ok(keys)
}

/// Each value of a secret that a key opens, once for each namespace, sealed to
/// others.
fn sealed_to(
    to: &[PublicKey],
    entry: &Entry<'_>,
    path: &Path,
    keys: &[PrivateKey],
) -> Result<Vec<String>, Failure> {
    let (mut sealed, mut refusals, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    for text in versions::texts(entry) {
        let opened = text.parse::<Token>();
        let label = opened.as_ref().map(Token::label).ok();
        if label.is_some_and(|label| seen.contains(&label.namespace)) {
            continue; // the first that opens counts
        }
        match opened.and_then(|token| token.open(keys, Allowed::Any, Delivery::File)) {
            Ok(secret) => {
                seen.extend(label.map(|label| label.namespace));
                let tokens = sealing::seal(to, secret.namespace(), secret.expose())?;
                sealed.extend(tokens.iter().map(Token::to_string));
            }
            Err(error) => refusals.push(Refusal { label, error }),
        }
    }
    if sealed.is_empty() {
        return Err(Failure::OpenNamed {
            name: entry.name().to_owned(),
            path: path.to_owned(),
            refusals,
        });
    }
    Ok(sealed)
}

/// Puts the bundle's tokens into the file.
pub fn run_import(options: ImportOptions) -> Result<(), Failure> {
    let bundle = read_bundle(options.bundle.as_deref())?;
    let path = options.bundle.as_deref().unwrap_or(Path::new("-"));
    let file = &options.file;
    let recipients = Recipients::find(file)?;
    let entries = bundle.entries();
    if entries.is_empty() {
        return Err(refused(path, "there is no secret in it".to_owned()));
    }
    for entry in &entries {
        for token in tokens(entry, path)? {
            admit(&token, file, recipients.as_ref())?;
        }
    }
    let mut names = Vec::new();
    rewrite::change(file, |document| {
        let mut changes = Vec::new();
        for entry in &entries {
            changes.extend(merged(&document, entry, &options)?);
        }
        names = changes.iter().map(|change| change.name.clone()).collect();
        let edited = document.edited(&changes);
        edited.map_err(|cause| Failure::Edit {
            path: file.clone(),
            cause,
        })
    })?;
    if names.is_empty() {
        report::note("all of it is there already");
    }
    let line = |name: &String| format!("imported {name} into {}\n", file.display());
    table::out(&names.iter().map(line).collect::<String>())
}

fn read_bundle(path: Option<&Path>) -> Result<Document, Failure> {
    let bytes = match path {
        Some(path) => return survey::read(path).map(|surveyed| surveyed.document),
        None => input::read_stdin()?,
    };
    let parsed = Document::parse(bytes.to_vec());
    parsed.map_err(|cause| document_failure(Path::new("-"), cause))
}

/// The tokens of a bundle's secret, which has nothing else.
fn tokens(entry: &Entry<'_>, path: &Path) -> Result<Vec<Token>, Failure> {
    let tokens: Result<Vec<_>, _> = survey::tokens(entry).into_iter().collect();
    match tokens {
        Ok(tokens) if !tokens.is_empty() => Ok(tokens),
        _ => Err(refused(
            path,
            format!("what stands under {} is no token", entry.name()),
        )),
    }
}

/// Refuses what the recipients file does not allow in this file.
fn admit(token: &Token, file: &Path, recipients: Option<&Recipients>) -> Result<(), Failure> {
    let Some(listed) = recipients else {
        return Ok(());
    };
    let label = token.label();
    if listed.name_of(label.key).is_none() {
        let path = listed.path.clone();
        return Err(Failure::UnlistedKey {
            key: label.key,
            path,
        });
    }
    let allowed = listed.rule(file).map_or(&[][..], |rule| &rule.namespaces);
    if allowed.is_empty() || allowed.iter().any(|known| known.hash() == label.namespace) {
        return Ok(());
    }
    Err(refused(
        file,
        format!(
            "the token {label} is for a namespace that `{}` does not give the file",
            listed.path.display()
        ),
    ))
}

/// What shall stand under a name; `None` if all of it does already.
fn merged(
    document: &Document,
    entry: &Entry<'_>,
    options: &ImportOptions,
) -> Result<Option<Change>, Failure> {
    let name = entry.name();
    let there = |section| survey::named(document, &options.file, name, section);
    let found = match there(None) {
        Err(Failure::SeveralSections { .. }) => there(Some(entry.section())),
        found => found,
    };
    let (section, old) = match found {
        Ok(there) => (there.section().clone(), versions::texts(&there)),
        Err(Failure::NoSecret { .. }) => (section_for(document, &options.file, entry)?, Vec::new()),
        Err(failure) => return Err(failure),
    };
    let labels = |texts: &[String]| -> Vec<_> {
        let tokens = texts.iter().filter_map(|text| text.parse::<Token>().ok());
        tokens.map(|token| token.label()).collect()
    };
    let mut new = versions::texts(entry);
    let (there, coming) = (labels(&old), labels(&new));
    let differs = coming.iter().any(|new| {
        let same = |old: &&crate::Label| old.namespace == new.namespace;
        there
            .iter()
            .filter(same)
            .any(|old| old.secret != new.secret)
    });
    let is_other = differs || there.len() < old.len();
    if is_other && !options.replace {
        return Err(refused(
            &options.file,
            format!("{name} has another value there; `--replace` replaces it"),
        ));
    }
    if !is_other {
        new.retain(|text| {
            labels(std::slice::from_ref(text))
                .iter()
                .all(|l| !there.contains(l))
        });
        if new.is_empty() {
            return Ok(None);
        }
        new = [old, new].concat();
    }
    Ok(Some(Change {
        section,
        name: name.to_owned(),
        tokens: new,
    }))
}

/// Where a secret that is not there yet belongs.
fn section_for(document: &Document, path: &Path, entry: &Entry<'_>) -> Result<Section, Failure> {
    let section = entry.section();
    let is_plain = matches!(section, Section::Whole | Section::Environ);
    if !is_plain && !document.is_secrets_file() {
        return Ok(section.clone());
    }
    match sections::for_new(document, path, entry.name()) {
        // The bundle says more than the file.
        Err(Failure::NoSection { .. }) if *section != Section::Whole => Ok(section.clone()),
        found => found,
    }
}

fn refused(path: &Path, reason: String) -> Failure {
    Failure::Refused {
        what: format!("import into or from `{}`", path.display()),
        reason,
    }
}

fn document_failure(path: &Path, cause: crate::document::DocumentError) -> Failure {
    Failure::Document {
        path: path.to_owned(),
        cause,
    }
}
