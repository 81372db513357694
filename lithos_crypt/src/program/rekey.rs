//! `rekey`: seals whole trees to other keys.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::ls::KnownRecipients;
use super::reseal::{self, Reseal, Touched};
use super::{key_files, report, sealing, table};
use crate::PublicKey;

/// Seal to NEW keys what is sealed to OLD ones, in all files or in none
///
/// Namespaces stay what they are. At last the secrets are listed whose value
/// must now be changed at their service: who holds the old key can still open
/// what the repository's history keeps, so re-sealing revokes nothing.
///
/// If this is killed, the next command that looks there brings the change to
/// its end, or takes it back.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub struct Options {
    /// Private key whose tokens are meant; several may be given
    #[arg(short = 'i', long = "identity", value_name = "OLD", required = true)]
    old: Vec<PathBuf>,

    /// Public key to seal to: a file, or a name of lithos-keys.yaml [default:
    /// each file's recipients there]
    #[arg(short, long = "key-file", value_name = "NEW")]
    keys: Vec<PathBuf>,

    /// Files or directories [default: this directory]
    paths: Vec<PathBuf>,

    /// Keep the old tokens beside the new, until all servers have the new key
    #[arg(long, conflicts_with = "prune")]
    keep_old: bool,

    /// Only take out old tokens where the new ones are there already; OLD may
    /// be public keys
    #[arg(long)]
    prune: bool,

    /// Say what would be done, and write nothing
    #[arg(long)]
    dry_run: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLE: &str = "\
Examples:
  lithos_crypt rekey -i old -k new.pub --keep-old config/
  lithos_crypt rekey -i old.pub -k new.pub --prune config/";

/// Re-seals, then says what is left to do by hand.
pub fn run(options: Options) -> Result<(), Failure> {
    let files = reseal::files(&options.paths)?;
    let (keys, old) = if options.prune {
        let read = |path: &PathBuf| key_files::read_any_key(path);
        let keys = options
            .old
            .iter()
            .map(read)
            .collect::<Result<Vec<_>, _>>()?;
        (Vec::new(), keys.into_iter().flatten().collect())
    } else {
        let keys = key_files::read_private_keys(&options.old)?;
        let old = keys.iter().map(crate::PrivateKey::hash).collect();
        (keys, old)
    };
    let mut reseal = Reseal {
        old,
        new: Vec::new(),
        keys: &keys,
        keep_old: options.keep_old,
        prune: options.prune,
    };
    let mut known = KnownRecipients::default();
    let touched = reseal::change_all(&files, &[], options.dry_run, |path, entry| {
        reseal.new = new_keys(&options, path, &mut known)?;
        reseal.texts(entry, path)
    })?;
    print(&options, &touched)
}

fn new_keys(
    options: &Options,
    path: &std::path::Path,
    known: &mut KnownRecipients,
) -> Result<Vec<PublicKey>, Failure> {
    let recipients = known.of(path)?;
    let keys = match (&options.keys[..], recipients) {
        ([], Some(listed)) => {
            let names = listed.recipients_of(listed.rule(path));
            names
                .iter()
                .filter_map(|name| listed.key(name))
                .cloned()
                .collect()
        }
        (given, _) => sealing::public_keys(given, recipients)?,
    };
    if keys.is_empty() {
        return Err(Failure::NoKeys {
            path: path.to_owned(),
        });
    }
    Ok(keys)
}

fn print(options: &Options, touched: &[Touched]) -> Result<(), Failure> {
    let json =
        |secret: &Touched| json!({ "name": secret.name, "file": secret.path.to_string_lossy() });
    if options.json {
        let changed = touched.iter().filter(|secret| secret.is_changed).map(json);
        return table::json(&json!({
            "dry-run": options.dry_run,
            "changed": changed.collect::<Vec<_>>(),
            "values-to-change": touched.iter().map(json).collect::<Vec<_>>(),
        }));
    }
    let would = if options.dry_run {
        "would change"
    } else {
        "changed"
    };
    let changed = touched.iter().filter(|secret| secret.is_changed);
    let line = |secret: &Touched| format!("{would} {} in {}\n", secret.name, secret.path.display());
    table::out(&changed.map(line).collect::<String>())?;
    values_to_change(touched, "the old key")
}

/// Says that re-sealing does not take back what somebody has.
pub fn values_to_change(touched: &[Touched], whose: &str) -> Result<(), Failure> {
    if touched.is_empty() {
        report::note("nothing is sealed to it");
        return Ok(());
    }
    let line = |secret: &Touched| format!("  {} ({})\n", secret.name, secret.path.display());
    let lines: String = touched.iter().map(line).collect();
    table::out(&format!(
        "who holds {whose} can still open these from the repository's history;\n\
         if it must not be trusted any more, change their values at their services:\n{lines}"
    ))
}
