//! `encrypt`: seals one value to one or several public keys.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use crate::Namespace;
use clap::Args;

use super::failure::Failure;
use super::{doubts, input, key_files};

/// Seal a value; prints one token a line, one for each key
///
/// The value is asked for, hidden and twice, if standard input is a terminal;
/// otherwise it is read from there, and one newline at its end is dropped.
///
/// The last hash in a token is that of the value, so a value that can be
/// guessed is not safe in a public repository: a warning says so.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub struct Options {
    /// Public key to seal to, an OpenSSH Ed25519 key (`FILE.pub`); several give
    /// one token each
    #[arg(short, long = "key-file", value_name = "FILE", required = true)]
    key_files: Vec<PathBuf>,

    /// Namespace that may use the value: letters, digits, `_`, `.` and `-`
    #[arg(
        short,
        long,
        value_name = "NS",
        default_value = "",
        hide_default_value = true
    )]
    #[arg(allow_hyphen_values = true)]
    namespace: Namespace,

    /// The value itself; every user of the machine can see it there, so prefer
    /// the prompt
    #[arg(short, long, allow_hyphen_values = true, conflicts_with = "data_file")]
    data: Option<OsString>,

    /// File whose exact bytes are the value
    #[arg(long, value_name = "FILE")]
    data_file: Option<PathBuf>,

    /// Keep a newline at the end of standard input
    #[arg(long)]
    exact: bool,
}

const EXAMPLE: &str = "\
Examples:
  lithos_crypt encrypt -k myapp.key.pub -n myapp
  openssl rand -base64 24 | lithos_crypt encrypt -k myapp.key.pub -n myapp
  lithos_crypt encrypt -k old.pub -k new.pub --data-file tls.key";

/// Seals, and prints only when all tokens are made.
pub fn run(options: Options) -> Result<(), Failure> {
    let keys: Vec<_> = options
        .key_files
        .iter()
        .map(|path| key_files::read_public_key(path))
        .collect::<Result<_, _>>()?;
    let value = input::value(options.data, options.data_file, options.exact)?;
    doubts::warn(&value, false);
    let mut lines = String::new();
    for key in &keys {
        let token = key
            .seal(&options.namespace, &value)
            .map_err(|cause| Failure::Seal { cause })?;
        writeln!(lines, "{token}").expect("writing to a string cannot fail");
    }
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(lines.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|cause| Failure::Write { cause })
}
