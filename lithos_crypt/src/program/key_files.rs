//! Reading key files.

use std::path::{Path, PathBuf};

use crate::{PrivateKey, PublicKey, ShortHash, read_private_keys_with};
use zeroize::Zeroizing;

use super::failure::Failure;
use super::input;

/// Reads the public key of a file.
pub fn read_public_key(path: &Path) -> Result<PublicKey, Failure> {
    let what = "public key";
    // A private key named by mistake is wiped as well.
    let bytes = input::read_file(what, path)?;
    let text = Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned());
    PublicKey::from_openssh(&text).map_err(|cause| Failure::Key {
        what,
        path: path.to_owned(),
        cause,
    })
}

/// The hashes of a file's keys, be they public or private.
pub fn read_any_key(path: &Path) -> Result<Vec<ShortHash>, Failure> {
    match read_public_key(path) {
        Ok(key) => Ok(vec![key.hash()]),
        Err(Failure::Key {
            cause: crate::KeyError::PrivateNotPublic,
            ..
        }) => {
            let keys = read_private_keys(&[path.to_owned()])?;
            Ok(keys.iter().map(PrivateKey::hash).collect())
        }
        Err(failure) => Err(failure),
    }
}

/// Reads the private keys of all files, and asks for passphrases.
pub fn read_private_keys(paths: &[PathBuf]) -> Result<Vec<PrivateKey>, Failure> {
    let what = "private key";
    let mut keys = Vec::new();
    for path in paths {
        let text = input::read_file(what, path)?;
        let mut ask = |key: ShortHash| {
            let prompt = format!("passphrase of the key {key} in {}: ", path.display());
            input::ask(&prompt)
        };
        let read = read_private_keys_with(&text, &mut ask);
        keys.extend(read.map_err(|cause| Failure::Key {
            what,
            path: path.clone(),
            cause,
        })?);
    }
    Ok(keys)
}
