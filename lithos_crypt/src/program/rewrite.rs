//! Replacing files: whole or not at all, and never over somebody else's work.
//!
//! Whoever changes files holds a lock on their directories, so of two of us one
//! waits. Editors know nothing of the lock: the file is compared with what was
//! read just before it is replaced. What is written is sealed already.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::failure::Failure;
use crate::document::{Document, MAX_BYTES};

/// Files that are being changed, all of them or none.
pub struct Batch {
    /// Held until all is done.
    _locks: BTreeMap<PathBuf, File>,
    files: Vec<Original>,
}

/// A file as it was found.
struct Original {
    /// As it was named.
    named: PathBuf,
    /// Where it is, with no symbolic link on the way.
    path: PathBuf,
    bytes: Vec<u8>,
    /// `None` if it is not there yet.
    metadata: Option<fs::Metadata>,
}

impl Batch {
    /// Locks these files' directories and reads them. A file that is not there
    /// reads as empty.
    pub fn lock(paths: &[PathBuf]) -> Result<Batch, Failure> {
        let mut locks = BTreeMap::new();
        let mut places = Vec::new();
        for named in paths {
            let path = real_path(named).map_err(|cause| unreadable(named, cause))?;
            let directory = path.parent().unwrap_or(Path::new("/")).to_owned();
            places.push((named.clone(), path));
            locks.insert(directory, named);
        }
        let lock = |(directory, named): (PathBuf, &PathBuf)| {
            let open = File::open(&directory).and_then(|file| {
                flock(&file, FlockOperation::LockExclusive)?;
                Ok(file)
            });
            let open = open.map_err(|cause| unreadable(named, cause))?;
            Ok((directory, open))
        };
        // In the order of their names, so that two of us never wait for each other.
        let locks = locks
            .into_iter()
            .map(lock)
            .collect::<Result<_, Failure>>()?;
        let mut files = Vec::new();
        for (named, path) in places {
            files.push(Original::read(named, path)?);
        }
        Ok(Batch {
            _locks: locks,
            files,
        })
    }

    /// The documents as they are now, in the order in which they were named.
    pub fn documents(&self) -> Result<Vec<Document>, Failure> {
        let parse = |original: &Original| {
            let path = original.named.clone();
            Document::parse(original.bytes.clone())
                .map_err(|cause| Failure::Document { path, cause })
        };
        self.files.iter().map(parse).collect()
    }

    /// Writes the files whose text is another one now.
    pub fn write(self, texts: &[&str]) -> Result<(), Failure> {
        let changed = self.files.iter().zip(texts);
        let changed: Vec<_> = changed
            .filter(|(old, new)| old.bytes != new.as_bytes())
            .collect();
        let prepared = changed
            .iter()
            .map(|(old, new)| old.prepare(new.as_bytes()))
            .collect::<Result<Vec<_>, _>>()?;
        for (original, _) in &changed {
            original.compare()?;
        }
        for (done, replacement) in prepared.into_iter().enumerate() {
            if let Err(cause) = replacement.put_in_place() {
                for (original, _) in &changed[..done] {
                    // Back to what it was; if even that fails, its own failure is said.
                    original
                        .prepare(&original.bytes)?
                        .put_in_place()
                        .map_err(|cause| Failure::WriteFile {
                            path: original.named.clone(),
                            cause,
                        })?;
                }
                let path = changed[done].0.named.clone();
                return Err(Failure::WriteFile { path, cause });
            }
        }
        Ok(())
    }
}

/// Changes one file; the lock is held meanwhile.
pub fn change(
    path: &Path,
    edit: impl FnOnce(Document) -> Result<Document, Failure>,
) -> Result<(), Failure> {
    let batch = Batch::lock(&[path.to_owned()])?;
    let document = batch.documents()?.remove(0);
    let edited = edit(document)?;
    batch.write(&[edited.text()])
}

/// Reads a regular file, and no more of it than a config may have.
pub fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    // A FIFO without a writer must not keep us waiting.
    let file = File::options()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Original {
    fn read(named: PathBuf, path: PathBuf) -> Result<Original, Failure> {
        let read = read_bounded(&path).and_then(|bytes| Ok((bytes, Some(fs::metadata(&path)?))));
        let (bytes, metadata) = match read {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => (Vec::new(), None),
            read => read.map_err(|cause| unreadable(&named, cause))?,
        };
        Ok(Original {
            named,
            path,
            bytes,
            metadata,
        })
    }

    /// Writes the new content beside the file, with its owner and mode.
    fn prepare(&self, bytes: &[u8]) -> Result<Replacement<'_>, Failure> {
        let failed = |cause| Failure::WriteFile {
            path: self.named.clone(),
            cause,
        };
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let beside = self
            .path
            .with_file_name(format!(".{name}.lithos_crypt-new"));
        // Left by one of us who was killed: nobody else makes it, we hold the lock.
        let _ = fs::remove_file(&beside);
        let mut options = File::options();
        let file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside);
        let mut file = file.map_err(failed)?;
        let replacement = Replacement {
            beside,
            path: &self.path,
        };
        self.fill(&mut file, bytes).map_err(failed)?;
        Ok(replacement)
    }

    /// The content, on disk, with the owner and mode that the file has.
    fn fill(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)?;
        match &self.metadata {
            Some(old) => keep_owner_and_mode(file, old)?,
            None => file.set_permissions(fs::Permissions::from_mode(0o666 & !umask()))?,
        }
        file.sync_all()
    }

    /// Whether the file is still what was read.
    fn compare(&self) -> Result<(), Failure> {
        let now = match read_bounded(&self.path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(cause) => return Err(unreadable(&self.named, cause)),
        };
        let then = self.metadata.as_ref().map(|_| &self.bytes);
        if now.as_ref() == then {
            Ok(())
        } else {
            Err(Failure::Meanwhile {
                path: self.named.clone(),
            })
        }
    }
}

fn keep_owner_and_mode(file: &File, old: &fs::Metadata) -> io::Result<()> {
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        std::os::unix::fs::fchown(file, Some(old.uid()), Some(old.gid()))?;
    }
    file.set_permissions(fs::Permissions::from_mode(old.mode() & 0o7777))
}

/// The bits that new files of this process do not get.
fn umask() -> u32 {
    let before = rustix::process::umask(rustix::fs::Mode::empty());
    rustix::process::umask(before);
    before.bits()
}

/// A file written and not yet in place; removed if it never gets there.
struct Replacement<'a> {
    beside: PathBuf,
    path: &'a Path,
}

impl Replacement<'_> {
    fn put_in_place(self) -> io::Result<()> {
        fs::rename(&self.beside, self.path)?;
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        File::open(directory)?.sync_all()
    }
}

impl Drop for Replacement<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.beside); // in place, it is not there any more
    }
}

/// The path with no symbolic link in it; the file itself may not be there.
fn real_path(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let directory = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty());
            let name = path.file_name().ok_or(error)?;
            Ok(fs::canonicalize(directory.unwrap_or(Path::new(".")))?.join(name))
        }
        found => found,
    }
}

fn unreadable(path: &Path, cause: io::Error) -> Failure {
    Failure::ReadFile {
        what: "file",
        path: path.to_owned(),
        cause,
    }
}

/// Makes a file that must not be there yet, of this mode, whole or not at all.
pub fn create(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |cause: io::Error| match cause.kind() {
        io::ErrorKind::AlreadyExists => Failure::Exists {
            path: path.to_owned(),
        },
        _ => Failure::WriteFile {
            path: path.to_owned(),
            cause,
        },
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}.lithos_crypt-new", std::process::id()));
    let file = File::options()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside);
    let mut file = file.map_err(failed)?;
    let made = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        // Unlike a rename, a link never replaces what is there.
        .and_then(|()| fs::hard_link(&beside, path));
    let _ = fs::remove_file(&beside);
    made.map_err(failed)
}
