//! The secrets of a file for a program that uses them.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use quick_error::quick_error;

use crate::document::{Document, DocumentError, Section};
use crate::program::read_config;
use crate::{Allowed, Delivery, PrivateKey, Refusal, Secret, open_first};

quick_error! {
    /// Why a file's secrets cannot be used. Shows no value.
    #[derive(Debug)]
    #[allow(missing_docs)] // fields take no docs in quick-error: the variants' docs name them
    pub enum SecretsError {
        /// The file cannot be read.
        Read { path: PathBuf, cause: io::Error } {
            display("cannot read `{}`: {}", path.display(), crate::cause::Cause(cause))
            source(cause)
        }
        /// It is no document with secrets.
        Document { path: PathBuf, cause: DocumentError } {
            display("cannot read `{}`: {}", path.display(), cause)
            source(cause)
        }
        /// A secret stands there twice, in one section or in several.
        Duplicate { path: PathBuf, name: String } {
            display("cannot use `{}`: {} is there more than once", path.display(), name)
        }
        /// A secret that no key opens, with each token's own outcome.
        Open { path: PathBuf, name: String, refusals: Vec<Refusal> } {
            display("cannot open {} of `{}`:{}", name, path.display(),
                refusals.iter().map(|refusal| format!("\n  {refusal}")).collect::<String>())
        }
    }
}

/// A file's secrets, opened, each wiped when this is dropped. Has neither
/// `Debug` nor `Display`.
///
/// All of them are opened at once, so a wrong key is noticed at the start and
/// not at the first use. Then [`get`](Secrets::get) is a look-up by the hash of
/// a name, which takes as long however many there are, and neither reads nor
/// compares any value.
///
/// ```
/// use lithos_crypt::{Secrets, read_private_keys};
///
/// # let directory = tempfile::tempdir()?;
/// # let file = directory.path().join("secrets.yaml");
/// # let public = lithos_crypt::PublicKey::from_openssh(include_str!("../tests/vectors/keys/alpha.pub"))?;
/// # let token = public.seal(&"shop".parse()?, b"hunter2")?;
/// # std::fs::write(&file, format!("DATABASE_PASSWORD: {token}\n"))?;
/// # let key = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/keys/alpha");
/// let keys = read_private_keys(&std::fs::read(key)?)?;
/// let secrets = Secrets::open(&file, &keys)?;
/// let password = secrets.get("DATABASE_PASSWORD").expect("it is in the file");
/// assert_eq!(password.expose(), b"hunter2");
/// assert!(secrets.get("OTHER").is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Nothing can be printed by accident:
///
/// ```compile_fail
/// # fn print(secrets: lithos_crypt::Secrets) {
/// println!("{:?}", secrets);
/// # }
/// ```
///
/// ```compile_fail
/// # fn print(secret: lithos_crypt::Secret) {
/// println!("{secret}");
/// # }
/// ```
pub struct Secrets {
    by_name: HashMap<String, Secret>,
}

impl Secrets {
    /// Opens every secret of a YAML file, of whichever namespace.
    ///
    /// # Errors
    ///
    /// [`SecretsError`], also if only one of the secrets cannot be opened.
    pub fn open(file: impl AsRef<Path>, keys: &[PrivateKey]) -> Result<Secrets, SecretsError> {
        Secrets::open_for(file, keys, Allowed::Any)
    }

    /// Opens every secret of a YAML file, which must be for these namespaces.
    ///
    /// # Errors
    ///
    /// [`SecretsError`], also if only one of the secrets cannot be opened.
    pub fn open_for<'a>(
        file: impl AsRef<Path>,
        keys: &[PrivateKey],
        allowed: impl Into<Allowed<'a>>,
    ) -> Result<Secrets, SecretsError> {
        let (path, allowed) = (file.as_ref(), allowed.into());
        let bytes = read_config(path).map_err(|cause| SecretsError::Read {
            path: path.to_owned(),
            cause,
        })?;
        let document = Document::parse(bytes).map_err(|cause| SecretsError::Document {
            path: path.to_owned(),
            cause,
        })?;
        let mut by_name = HashMap::new();
        let document = document.as_secrets_file();
        for entry in document.entries() {
            let name = entry.name().to_owned();
            let delivery = match entry.section() {
                Section::Whole => Delivery::File, // how it is used, its user knows
                _ if entry.is_variable() => Delivery::Env,
                _ => Delivery::File,
            };
            let values = entry.values();
            let texts: Vec<_> = values
                .iter()
                .map(|value| value.text.unwrap_or_default())
                .collect();
            let opened = open_first(&texts, keys, allowed, delivery);
            let path = path.to_owned();
            let secret = match opened {
                Ok(secret) => secret,
                Err(refusals) => {
                    return Err(SecretsError::Open {
                        path,
                        name,
                        refusals,
                    });
                }
            };
            if by_name.insert(name.clone(), secret).is_some() {
                return Err(SecretsError::Duplicate { path, name });
            }
        }
        Ok(Secrets { by_name })
    }

    /// The secret of this name. The time it takes depends on no value.
    pub fn get(&self, name: &str) -> Option<&Secret> {
        self.by_name.get(name)
    }

    /// The names, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }
}
