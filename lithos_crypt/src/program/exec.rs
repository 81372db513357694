//! `exec`: a program with a file's secrets in its environment.
//!
//! The program takes the place of this one, so nothing stays behind that knows
//! the values; they are never part of a command line.

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use super::failure::Failure;
use super::recipients::Recipients;
use super::{key_files, survey, versions};
use crate::document::Entry;
use crate::{Delivery, Namespace, Secret, open_first};

/// Run CMD with the secrets of FILE in its environment
///
/// All variables of FILE must open, for one of the namespaces: else nothing is
/// run. Secrets that are files are left out. The exit status is CMD's; 126 and
/// 127 if it cannot be run or found.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub struct Options {
    /// Private key to open with; several may be given
    #[arg(short = 'i', long = "identity", value_name = "KEY", required = true)]
    key_files: Vec<PathBuf>,

    /// Namespace whose secrets may be opened; several may be given [default:
    /// the file's in lithos-keys.yaml]
    #[arg(
        short,
        long = "namespace",
        value_name = "NS",
        allow_hyphen_values = true
    )]
    namespaces: Vec<Namespace>,

    /// YAML file
    file: PathBuf,

    /// Program and its arguments
    #[arg(value_name = "CMD", last = true, required = true)]
    command: Vec<OsString>,
}

const EXAMPLE: &str = "\
Example:
  lithos_crypt exec -i web1 -n shop config/web.yaml -- ./migrate --dry-run";

/// Opens every variable, then becomes the program.
pub fn run(options: Options) -> Result<(), Failure> {
    let Options { file, command, .. } = &options;
    let surveyed = survey::read(file)?;
    let namespaces = namespaces(&options)?;
    let keys = key_files::read_private_keys(&options.key_files)?;
    let mut names = HashSet::new();
    let mut run = Command::new(&command[0]);
    run.args(&command[1..]);
    for entry in surveyed.document.entries() {
        if !entry.is_variable() {
            continue;
        }
        let name = entry.name().to_owned();
        if !names.insert(name.clone()) {
            let path = file.clone();
            return Err(Failure::SeveralSections { name, path });
        }
        check_name(&name, file)?;
        let secret = open(&entry, file, &keys, &namespaces)?;
        run.env(&name, std::ffi::OsStr::from_bytes(secret.expose()));
    }
    let cause = run.exec();
    Err(Failure::Execute {
        program: command[0].clone(),
        cause,
    })
}

/// Those given, else those of the file.
fn namespaces(options: &Options) -> Result<Vec<Namespace>, Failure> {
    let recipients = Recipients::find(&options.file)?;
    let rule = recipients
        .as_ref()
        .and_then(|listed| listed.rule(&options.file));
    let found = match (&options.namespaces[..], rule) {
        ([], Some(rule)) => rule.namespaces.clone(),
        (given, _) => given.to_vec(),
    };
    if found.is_empty() {
        return Err(Failure::Refused {
            what: format!("open the secrets of `{}`", options.file.display()),
            reason: "no namespace is given with `-n` or listed in lithos-keys.yaml".to_owned(),
        });
    }
    Ok(found)
}

fn check_name(name: &str, path: &Path) -> Result<(), Failure> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(Failure::Refused {
            what: format!("use a secret of `{}` as a variable", path.display()),
            reason: "its name is empty or has a `=`".to_owned(),
        });
    }
    Ok(())
}

fn open(
    entry: &Entry<'_>,
    path: &Path,
    keys: &[crate::PrivateKey],
    namespaces: &[Namespace],
) -> Result<Secret, Failure> {
    let opened = open_first(&versions::texts(entry), keys, namespaces, Delivery::Env);
    opened.map_err(|refusals| Failure::OpenNamed {
        name: entry.name().to_owned(),
        path: path.to_owned(),
        refusals,
    })
}
