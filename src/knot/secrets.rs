//! The key files and the secrets.
//!
//! Key files are opened while the host's file system is there, and read only
//! by the process that is about to execute the container's program (or by
//! `--verify`, which holds nothing else and ends at once). Nothing here prints
//! what was read.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use lithos_crypt::{Delivery, Label, Namespace, PrivateKey, open_first, read_private_keys};
use rustix::fs::{CWD, Mode, OFlags, openat};
use zeroize::Zeroizing;

use super::failure::{Attempt, Failure, Fault, Refused};
use super::transform;
use crate::config::secret::Transform;
use crate::resolve::plan::{Content, Piece, Sealed, SecretFile, Secrets};

/// The longest key file that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// A value of a secret.
pub type Bytes = Zeroizing<Vec<u8>>;

/// The private key files, open and not yet read.
pub struct KeyFiles(Vec<(PathBuf, File)>);

impl KeyFiles {
    /// Opens the key files, none if there is no secret to open.
    pub fn open(secrets: &Secrets) -> Result<Self, Failure> {
        let paths = if secrets.is_empty() {
            &[][..]
        } else {
            &secrets.key_files
        };
        let files = paths.iter().map(|path| Ok((path.clone(), open(path)?)));
        Ok(Self(files.collect::<Result<_, Failure>>()?))
    }

    /// Opens every secret, or tells of every one that cannot be delivered. The
    /// private keys are wiped before this returns.
    pub fn open_secrets(&self, secrets: &Secrets) -> Result<Opened, Failure> {
        open_with(&self.read()?, secrets)
    }

    /// The private keys, for who opens the secrets of several plans.
    pub fn read(&self) -> Result<Vec<PrivateKey>, Failure> {
        let mut keys = Vec::new();
        for (path, file) in &self.0 {
            let text = read(file).cannot_at("read the private key file", path)?;
            let found = read_private_keys(&text).map_err(|cause| Failure::Key {
                path: path.clone(),
                cause,
            })?;
            keys.extend(found);
        }
        Ok(keys)
    }
}

/// Opens every secret with these keys, or tells of every one that cannot be delivered.
pub fn open_with(keys: &[PrivateKey], secrets: &Secrets) -> Result<Opened, Failure> {
    let namespaces = namespaces(secrets)?;
    let mut opening = Opening {
        keys,
        namespaces: &namespaces,
        labels: Vec::new(),
        refused: Vec::new(),
    };
    let mut opened = Opened::default();
    for (name, sealed) in &secrets.environ {
        opened.environ.extend(opening.variables(name, sealed));
    }
    for file in &secrets.files {
        opened.files.push(opening.content(file));
    }
    opened.labels = opening.labels;
    match opening.refused.is_empty() {
        true => Ok(opened),
        false => Err(Failure::Secrets(opening.refused)),
    }
}

/// What is delivered. Wiped when dropped.
#[derive(Default)]
pub struct Opened {
    /// Name and value.
    pub environ: Vec<(String, Bytes)>,
    /// What is in each file, in the plan's order.
    pub files: Vec<Bytes>,
    /// Which tokens were opened, in the order of `Secrets::places`.
    pub labels: Vec<Label>,
}

/// Secrets being opened.
struct Opening<'a> {
    keys: &'a [PrivateKey],
    namespaces: &'a [Namespace],
    labels: Vec<Label>,
    refused: Vec<Refused>,
}

impl Opening<'_> {
    fn variables(&mut self, name: &str, sealed: &Sealed) -> Vec<(String, Bytes)> {
        let dotenv = match &sealed.transform {
            Some(Transform::Dotenv(names)) => Some(names),
            _ => None,
        };
        let Some(value) = self.open(name, sealed, Delivery::Env) else {
            return Vec::new();
        };
        let Some(names) = dotenv else {
            return vec![(name.to_owned(), value)];
        };
        match transform::dotenv(&value, names) {
            Ok(variables) => variables,
            Err(fault) => {
                self.refuse(name, Fault::Value(fault));
                Vec::new()
            }
        }
    }

    fn content(&mut self, file: &SecretFile) -> Bytes {
        let mut content = Bytes::default();
        match &file.content {
            Content::Secret(sealed) => {
                let name = file.name().into_owned();
                let value = self.open(&name, sealed, Delivery::File);
                content = value.unwrap_or_default();
            }
            Content::Template(pieces) => {
                let mut parts = Vec::new();
                for piece in pieces {
                    parts.extend(self.piece(piece));
                }
                // In one go, so that nothing is left behind by a growing buffer.
                content.reserve_exact(parts.iter().map(|part| part.len()).sum());
                for part in &parts {
                    content.extend_from_slice(part);
                }
            }
        }
        content
    }

    fn piece(&mut self, piece: &Piece) -> Option<Bytes> {
        match piece {
            Piece::Text(text) => Some(Zeroizing::new(text.clone().into_bytes())),
            Piece::Secret { name, sealed } => self.open(name, sealed, Delivery::File),
        }
    }

    /// The value as it is delivered, but for `dotenv`.
    fn open(&mut self, name: &str, sealed: &Sealed, delivery: Delivery) -> Option<Bytes> {
        let hashed = sealed.transform == Some(Transform::Yescrypt);
        let delivery = if hashed { Delivery::File } else { delivery };
        let secret = match open_first(&sealed.tokens, self.keys, self.namespaces, delivery) {
            Ok(secret) => secret,
            Err(refusals) => {
                self.refuse(name, Fault::Tokens(refusals));
                return None;
            }
        };
        self.labels.push(secret.label());
        if !hashed {
            return Some(Zeroizing::new(secret.expose().to_vec()));
        }
        match transform::yescrypt(secret.expose()) {
            Ok(hash) => Some(hash),
            Err(fault) => {
                self.refuse(name, Fault::Value(fault));
                None
            }
        }
    }

    fn refuse(&mut self, name: &str, fault: Fault) {
        // A template may ask for what was refused before.
        if self.refused.iter().any(|refused| refused.name == name) {
            return;
        }
        let name = name.to_owned();
        self.refused.push(Refused { name, fault });
    }
}

fn namespaces(secrets: &Secrets) -> Result<Vec<Namespace>, Failure> {
    let parsed = secrets.namespaces.iter().map(|text| text.parse());
    parsed
        .collect::<Result<_, _>>()
        .map_err(|_| Failure::Launch("it allows something that is no namespace"))
}

/// The path is the maintainer's, so symlinks are followed; what counts is what
/// was opened.
fn open(path: &Path) -> Result<File, Failure> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat(CWD, path, flags, Mode::empty());
    let file = File::from(file.cannot_at("open the private key file", path)?);
    let found = file
        .metadata()
        .cannot_at("look at the private key file", path)?;
    let (fault, hint) = if !found.is_file() {
        (
            "it is not a regular file",
            "`secrets-private-key` names a file",
        )
    } else if found.uid() != 0 {
        (
            "it does not belong to root",
            "`chown root` it, and ask who could read it so far",
        )
    } else if found.mode() & 0o7777 & !0o600 != 0 {
        (
            "its mode allows more than 0600",
            "`chmod 0600` it, and ask who could read it so far",
        )
    } else {
        return Ok(file);
    };
    Err(Failure::Kind {
        action: "use the private key file",
        object: path.display().to_string(),
        fault,
        hint,
    })
}

/// Reads from the beginning, whatever the descriptor's position, which is
/// shared with whoever opened it. The buffer never grows, so that nothing of
/// it is left behind.
fn read(file: &File) -> io::Result<Zeroizing<Vec<u8>>> {
    let length = file.metadata()?.len();
    if length > LONGEST {
        return Err(io::Error::other("it is longer than 1 MiB"));
    }
    let mut text = Zeroizing::new(vec![0; length as usize]);
    file.read_exact_at(&mut text, 0)?;
    Ok(text)
}

#[cfg(test)]
mod tests;
