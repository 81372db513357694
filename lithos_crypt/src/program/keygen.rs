//! `keygen`: a new key pair.

use std::path::PathBuf;

use clap::Args;

use super::failure::Failure;
use super::{rewrite, table};
use crate::{NewKey, PublicKey};

/// Make a key pair: FILE, which only you can read, and FILE.pub
///
/// An Ed25519 key in OpenSSH's form, without a passphrase, as servers need it;
/// `ssh-keygen -p -f FILE` gives it one. An existing file is never replaced.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub struct Options {
    /// The private key's file; the public key's is FILE.pub
    file: PathBuf,

    /// Comment in both, to tell keys apart by
    #[arg(
        short = 'C',
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    comment: String,
}

const EXAMPLE: &str = "\
Example:
  lithos_crypt keygen -C root@web1 /etc/lithos/keys/web1";

/// Makes both files, and prints the public key's hash.
pub fn run(options: Options) -> Result<(), Failure> {
    let public = make(&options.file, &options.comment)?;
    table::out(&format!(
        "{} {}\n",
        public.hash(),
        public_path(&options.file).display()
    ))
}

/// The public key's file, beside the private key's.
fn public_path(path: &std::path::Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

/// Makes both files, the public one first: a private key that is there is
/// complete.
pub fn make(path: &std::path::Path, comment: &str) -> Result<PublicKey, Failure> {
    let key = NewKey::generate(comment).map_err(|cause| Failure::Seal { cause })?;
    if path.exists() {
        return Err(Failure::Exists {
            path: path.to_owned(),
        });
    }
    let beside = public_path(path);
    rewrite::create(
        &beside,
        0o644,
        format!("{}\n", key.public_text()).as_bytes(),
    )?;
    rewrite::create(path, 0o600, key.private_text().as_bytes()).inspect_err(|_| {
        let _ = std::fs::remove_file(&beside); // it is of no use alone
    })?;
    Ok(key.public().clone())
}
