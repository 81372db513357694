//! `check` and `verify`: a repository's gate.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::findings::{Examiner, Finding, Standard};
use super::ls::KnownRecipients;
use super::progress::Progress;
use super::survey::Surveyed;
use super::{doubts, git, key_files, report, sealing, survey, table, types};
use crate::Day;
use crate::document::Entry;
use crate::{Allowed, Delivery, Namespace, PrivateKey, SAFE_GUESS_BITS, SecretType, Token};

/// Check all secrets, for CI and before a commit; exit code 1 if any is wrong
///
/// Finds malformed tokens, plaintexts in their place, duplicates, expired
/// secrets, and whatever lithos-keys.yaml does not allow: unknown and stale
/// keys, other namespaces, values sealed to too few recipients. With `-i` the
/// tokens that the key can open are opened too, and values that can be guessed
/// are warned of.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub struct Options {
    #[command(flatten)]
    common: Common,

    /// Private key to open tokens with
    #[arg(short = 'i', long = "identity", value_name = "KEY")]
    key_files: Vec<PathBuf>,
}

/// Check all secrets, and that each opens as it would in its sandbox
///
/// Everything that `check` does, and every secret must open with one of the
/// keys. No value is printed.
#[derive(Args)]
#[command(after_help = VERIFY_EXAMPLE)]
pub struct VerifyOptions {
    #[command(flatten)]
    common: Common,

    /// Private key to open tokens with; several may be given
    #[arg(short = 'i', long = "identity", value_name = "KEY", required = true)]
    key_files: Vec<PathBuf>,
}

#[derive(Args)]
struct Common {
    /// Files or directories [default: this directory]
    paths: Vec<PathBuf>,

    /// A secret that must be there; several may be given
    #[arg(long, value_name = "NAME")]
    require: Vec<String>,

    /// Key that each secret must be sealed to, and to no other [default: as
    /// lithos-keys.yaml says]
    #[arg(short, long = "key-file", value_name = "FILE|NAME")]
    keys: Vec<PathBuf>,

    /// Namespace that secrets may be for [default: as lithos-keys.yaml says]
    #[arg(
        short,
        long = "namespace",
        value_name = "NS",
        allow_hyphen_values = true
    )]
    namespaces: Vec<Namespace>,

    /// Check what is about to be committed in the whole repository, instead of
    /// the files
    #[arg(long, conflicts_with = "paths")]
    staged: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLE: &str = "\
Examples:
  lithos_crypt check
  lithos_crypt check config/ --require DATABASE_PASSWORD --json
  lithos_crypt check -k web1.pub -n shop config/web.yaml";

const VERIFY_EXAMPLE: &str = "\
Example:
  lithos_crypt verify -i /etc/lithos/keys/web1 config/";

/// Checks by label, and what the given keys open.
pub fn run(options: Options) -> Result<(), Failure> {
    let keys = key_files::read_private_keys(&options.key_files)?;
    examine(&options.common, &keys, false)
}

/// Checks, and opens everything.
pub fn run_verify(options: VerifyOptions) -> Result<(), Failure> {
    let keys = key_files::read_private_keys(&options.key_files)?;
    examine(&options.common, &keys, true)
}

fn examine(options: &Common, keys: &[PrivateKey], all_must_open: bool) -> Result<(), Failure> {
    let (files, mut known) = if options.staged {
        (git::staged()?, KnownRecipients::staged()?)
    } else {
        let files = survey::read_all(&options.paths)?;
        (files, KnownRecipients::default())
    };
    let mut found = Vec::new();
    let (mut names, mut secrets) = (BTreeSet::new(), 0);
    let mut progress = Progress::new("files", files.len());
    for Surveyed { path, document } in &files {
        let recipients = known.of(path)?;
        let given = sealing::public_keys(&options.keys, recipients)?;
        let standard = Standard::of(path, recipients, &given, &options.namespaces);
        let mut examiner = Examiner::new(path, standard, Day::today());
        examiner.sections(document);
        let entries = document.entries();
        let tokens = examiner.examine(&entries);
        for (entry, tokens) in entries.iter().zip(&tokens) {
            names.insert(entry.name().to_owned());
            if !keys.is_empty() {
                open(&mut examiner, entry, tokens, keys, all_must_open);
            }
        }
        secrets += entries.len();
        found.append(&mut examiner.found);
        progress.step();
    }
    drop(progress);
    let missing: Vec<_> = options
        .require
        .iter()
        .filter(|name| !names.contains(*name))
        .collect();
    let problems = missing.len() + found.iter().filter(|finding| !finding.is_warning).count();
    if options.json {
        let findings: Vec<_> = found.iter().map(Finding::json).collect();
        table::json(&json!({
            "files": files.len(), "secrets": secrets, "problems": problems,
            "missing": missing, "findings": findings,
        }))?;
    } else {
        let mut text: String = found.iter().map(Finding::line).collect();
        let error = report::painted("error", &std::io::stdout());
        for name in missing {
            text += &format!("{error}: {name}: it is required and in none of the files\n");
        }
        text += &format!(
            "{}, {}: {}\n",
            count(secrets, "secret"),
            count(files.len(), "file"),
            if problems == 0 {
                "no problems".to_owned()
            } else {
                count(problems, "problem")
            }
        );
        table::out(&text)?;
    }
    if problems == 0 {
        Ok(())
    } else {
        Err(Failure::Found { problems })
    }
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Opens what the keys open, as the sandbox would.
fn open(
    examiner: &mut Examiner<'_>,
    entry: &Entry<'_>,
    tokens: &[Token],
    keys: &[PrivateKey],
    must_open: bool,
) {
    let is_ours = |token: &&Token| keys.iter().any(|key| key.hash() == token.label().key);
    let ours: Vec<_> = tokens.iter().filter(is_ours).collect();
    if ours.is_empty() && must_open && !tokens.is_empty() {
        let message = "it is sealed to none of the given keys".to_owned();
        return examiner.find("key-mismatch", entry, entry.place(), message);
    }
    let delivery = if entry.is_variable() {
        Delivery::Env
    } else {
        Delivery::File
    };
    for token in ours {
        let namespaces = examiner.standard.namespaces.clone();
        let allowed = namespaces.as_deref().map_or(Allowed::Any, Allowed::Only);
        match token.open(keys, allowed, delivery) {
            Err(cause) => {
                let message = format!("cannot open {}: {cause}", token.label());
                examiner.find(cause.outcome(), entry, entry.place(), message);
            }
            Ok(secret) => {
                if let Ok(Some(kind)) = types::of_entry(entry) {
                    let fault = types::fault(kind, secret.expose());
                    if let Some(fault) = fault {
                        let message = format!("the value is no {kind}: {fault}");
                        examiner.find("type", entry, entry.place(), message);
                    }
                    // Others are guessed in no other way, or may be anything.
                    if !matches!(kind, SecretType::Text | SecretType::Binary) {
                        continue;
                    }
                }
                let bits = doubts::thorough_bits(secret.expose());
                if bits < SAFE_GUESS_BITS {
                    let message = format!(
                        "the value can be guessed, with about 2^{bits} tries; \
                         `lithos_crypt set … --generate 24` makes another"
                    );
                    examiner.find("guessable", entry, entry.place(), message);
                }
            }
        }
    }
}
