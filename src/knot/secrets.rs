//! The key files and the secrets.
//!
//! Key files are opened while the host's file system is there, and read only
//! by the process that is about to execute the container's program (or by
//! `--verify`, which holds nothing else and ends at once). Nothing here prints
//! what was read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use lithos_crypt::{Delivery, Namespace, PrivateKey, Secret, open_first, read_private_keys};
use rustix::fs::{CWD, Mode, OFlags, openat};
use zeroize::Zeroizing;

use super::failure::{Attempt, Failure, Refused};
use crate::resolve::plan::Secrets;

/// The longest key file that is read, in bytes.
const LONGEST: u64 = 1 << 20;

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

    /// Opens every secret, or tells of every one that does not open. The
    /// private keys are wiped before this returns.
    pub fn open_secrets(&self, secrets: &Secrets) -> Result<BTreeMap<String, Secret>, Failure> {
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

/// Opens every secret with these keys, or tells of every one that does not open.
pub fn open_with(
    keys: &[PrivateKey],
    secrets: &Secrets,
) -> Result<BTreeMap<String, Secret>, Failure> {
    let namespaces = namespaces(secrets)?;
    let (mut opened, mut refused) = (BTreeMap::new(), Vec::new());
    for (variable, tokens) in &secrets.environ {
        match open_first(tokens, keys, &namespaces, Delivery::Env) {
            Ok(secret) => drop(opened.insert(variable.clone(), secret)),
            Err(refusals) => refused.push(Refused {
                variable: variable.clone(),
                refusals,
            }),
        }
    }
    match refused.is_empty() {
        true => Ok(opened),
        false => Err(Failure::Secrets(refused)),
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
