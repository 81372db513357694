//! `check-key`: whether a token is sealed to a public key, by its label alone.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use crate::Token;
use clap::Args;

use super::failure::Failure;
use super::{input, key_files};

/// Check that a token is sealed to a public key; needs no private key
///
/// Compares the token's key hash with the key's. Exit code 0 if they are the
/// same, 1 if not.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub struct Options {
    /// Public key, an OpenSSH Ed25519 key (`FILE.pub`)
    #[arg(short, long, value_name = "FILE")]
    key_file: PathBuf,

    /// The token itself; read from standard input if left out
    #[arg(short, long, value_name = "TOKEN", allow_hyphen_values = true)]
    data: Option<OsString>,
}

const EXAMPLE: &str = "\
Example:
  lithos_crypt check-key -k myapp.key.pub -d v2:k/qSgp/F:KqWSX0BY:…";

/// Compares, and says both hashes if they differ.
pub fn run(options: Options) -> Result<(), Failure> {
    let key = key_files::read_public_key(&options.key_file)?.hash();
    let tokens = input::tokens(options.data.into_iter().collect())?;
    let [text] = &tokens[..] else {
        return Err(Failure::SeveralTokens {
            count: tokens.len(),
        });
    };
    let token: Token = text.parse().map_err(|cause| Failure::ReadToken { cause })?;
    let sealed_to = token.label().key;
    if sealed_to != key {
        return Err(Failure::OtherKey {
            token: sealed_to,
            key,
        });
    }
    writeln!(std::io::stdout(), "the token is sealed to this key, {key}")
        .map_err(|cause| Failure::Write { cause })
}
