//! Whom a file's secrets are sealed to, and for which namespace: as given on
//! the command line, else as the recipients file says.

use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::Failure;
use super::key_files;
use super::recipients::Recipients;
use crate::{Namespace, PublicKey, ShortHash, Token};

/// The options of every command that seals.
#[derive(Args, Clone)]
pub struct SealTo {
    /// Public key to seal to: a file, or the name of a key or group of
    /// lithos-keys.yaml [default: the file's recipients there]
    #[arg(short, long = "key-file", value_name = "FILE|NAME")]
    pub key_files: Vec<PathBuf>,

    /// Namespace that may use the value [default: the file's first in
    /// lithos-keys.yaml]
    #[arg(short, long, value_name = "NS", allow_hyphen_values = true)]
    pub namespace: Option<Namespace>,
}

/// Keys and a namespace, found to fit the file.
pub struct Sealer {
    pub keys: Vec<PublicKey>,
    pub namespace: Namespace,
    pub recipients: Option<Recipients>,
}

impl SealTo {
    /// What these options mean for a file.
    pub fn sealer(&self, file: &Path) -> Result<Sealer, Failure> {
        let recipients = Recipients::find(file)?;
        let keys = match (&self.key_files[..], &recipients) {
            ([], Some(listed)) => {
                let names = listed.recipients_of(listed.rule(file));
                names
                    .iter()
                    .filter_map(|name| listed.key(name))
                    .cloned()
                    .collect()
            }
            (given, _) => public_keys(given, recipients.as_ref())?,
        };
        if keys.is_empty() {
            return Err(Failure::NoKeys {
                path: file.to_owned(),
            });
        }
        let rule = recipients.as_ref().and_then(|listed| listed.rule(file));
        let allowed = rule.map_or(&[][..], |rule| &rule.namespaces);
        let namespace = match (&self.namespace, allowed) {
            (None, allowed) => allowed.first().cloned().unwrap_or_default(),
            (Some(given), allowed) => {
                if let (false, Some(listed)) =
                    (allowed.is_empty() || allowed.contains(given), &recipients)
                {
                    let (namespace, path) = (given.clone(), listed.path.clone());
                    return Err(Failure::OtherNamespace { namespace, path });
                }
                given.clone()
            }
        };
        Ok(Sealer {
            keys,
            namespace,
            recipients,
        })
    }
}

/// The keys of files, or by their names in the recipients file; all of them
/// listed there, where there is one.
pub fn public_keys(
    given: &[PathBuf],
    recipients: Option<&Recipients>,
) -> Result<Vec<PublicKey>, Failure> {
    let mut keys: Vec<PublicKey> = Vec::new();
    for path in given {
        let name = path.to_str().filter(|_| !path.exists());
        let found = match (name, recipients) {
            (Some(name), Some(listed)) if !name.contains('/') => {
                listed.keys_named(name)?.into_iter().cloned().collect()
            }
            _ => vec![key_files::read_public_key(path)?],
        };
        for key in found {
            if let Some(listed) = recipients.filter(|listed| listed.name_of(key.hash()).is_none()) {
                let path = listed.path.clone();
                return Err(Failure::UnlistedKey {
                    key: key.hash(),
                    path,
                });
            }
            if keys.iter().all(|known| known.hash() != key.hash()) {
                keys.push(key);
            }
        }
    }
    Ok(keys)
}

impl Sealer {
    /// The value, sealed to each key.
    pub fn seal(&self, value: &[u8]) -> Result<Vec<Token>, Failure> {
        seal(&self.keys, &self.namespace, value)
    }

    /// The name of a key, or its hash.
    pub fn name_of(&self, key: ShortHash) -> String {
        name_of(self.recipients.as_ref(), key)
    }
}

/// The value, sealed to each key.
pub fn seal(
    keys: &[PublicKey],
    namespace: &Namespace,
    value: &[u8],
) -> Result<Vec<Token>, Failure> {
    let seal = |key: &PublicKey| {
        key.seal(namespace, value)
            .map_err(|cause| Failure::Seal { cause })
    };
    keys.iter().map(seal).collect()
}

/// The name of a key, or its hash.
pub fn name_of(recipients: Option<&Recipients>, key: ShortHash) -> String {
    let name = recipients.and_then(|listed| listed.name_of(key));
    name.map_or_else(|| key.to_string(), str::to_owned)
}

/// A namespace by name where it is known, else its hash.
pub fn namespace_of(recipients: Option<&Recipients>, hash: ShortHash) -> String {
    if hash == Namespace::default().hash() {
        return "\"\"".to_owned();
    }
    let known = recipients.and_then(|listed| listed.namespace_of(hash));
    known.map_or_else(|| hash.to_string(), ToString::to_string)
}
