//! `decrypt`: opens the first token that opens.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

use crate::{Allowed, Delivery, Namespace, Secret, open_first};
use clap::Args;

use super::failure::Failure;
use super::{input, key_files};

/// Open a token; prints the value's exact bytes, and its namespace to standard
/// error
///
/// Tokens are read from standard input, one a line, unless given with `-d`. Of
/// several, the first that opens is printed; if none opens, the error says of
/// each why.
///
/// A passphrase of a private key is asked for on the terminal.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub struct Options {
    /// Private key to open with, an OpenSSH Ed25519 key; a file may hold
    /// several, and several files may be given
    #[arg(short = 'i', short_alias = 'k', long = "key-file", value_name = "FILE")]
    #[arg(visible_short_alias = 'k', required = true)]
    key_files: Vec<PathBuf>,

    /// Open only tokens for this namespace; several may be given [default: any]
    #[arg(
        short,
        long = "namespace",
        value_name = "NS",
        allow_hyphen_values = true
    )]
    namespaces: Vec<Namespace>,

    /// The token itself; several may be given
    #[arg(short, long, value_name = "TOKEN", allow_hyphen_values = true)]
    data: Vec<OsString>,

    /// Refuse a value that cannot be an environment variable
    #[arg(long)]
    env: bool,
}

const EXAMPLE: &str = "\
Examples:
  lithos_crypt decrypt -i myapp.key < token
  lithos_crypt decrypt -i myapp.key -n myapp -d v2:k/qSgp/F:KqWSX0BY:…
  grep -o 'v2:[^ ]*' secrets.yaml | lithos_crypt decrypt -i myapp.key";

/// Opens, prints the namespace, then the value.
pub fn run(options: Options) -> Result<(), Failure> {
    // The tokens first: a passphrase is not asked for in vain.
    let tokens = input::tokens(options.data)?;
    let keys = key_files::read_private_keys(&options.key_files)?;
    let allowed = match &options.namespaces[..] {
        [] => Allowed::Any,
        namespaces => Allowed::Only(namespaces),
    };
    let delivery = if options.env {
        Delivery::Env
    } else {
        Delivery::File
    };
    let secret = open_first(&tokens, &keys, allowed, delivery)
        .map_err(|refusals| Failure::Open { refusals })?;
    print(&secret).map_err(|cause| Failure::Write { cause })
}

fn print(secret: &Secret) -> io::Result<()> {
    // The namespace is for people; without standard error they do without.
    let _ = writeln!(io::stderr(), "{}:", secret.namespace());
    let mut stdout = io::stdout().lock();
    stdout.write_all(secret.expose())?;
    stdout.flush()
}
