//! Replacing files: whole or not at all, and never over somebody else's work.
//!
//! Whoever changes files holds a lock on their directories, so of two of us one
//! waits. Editors know nothing of the lock: the file is compared with what was
//! read just before it is replaced. What is written is sealed already. How
//! several files change as one, see `journal`.

mod create;
mod journal;
mod kept;

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::mem;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::failure::{Failure, unreadable};
use crate::document::{Document, MAX_BYTES};
pub use create::create;
use journal::{Journal, Locks, Step};
use kept::Kept;

/// Files that are being changed, all of them or none.
pub struct Batch {
    /// Held until all is done.
    _locks: Locks,
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
    kept: Option<Kept>,
}

impl Batch {
    /// Locks these files' directories and reads them. A file that is not there
    /// reads as empty.
    pub fn lock(paths: &[PathBuf]) -> Result<Batch, Failure> {
        let mut places = Vec::new();
        for named in paths {
            let path = real_path(named).map_err(|cause| unreadable(named, cause))?;
            places.push((named.clone(), path));
        }
        refuse_two_names_of_one(&places)?;
        let directories = places.iter().map(|(_, path)| directory_of(path).to_owned());
        let directories: BTreeSet<_> = directories.collect();
        let locks = loop {
            for directory in &directories {
                journal::settle(directory)?;
            }
            let locks = journal::lock(directories.iter().cloned())?;
            // One of us can have been killed in between.
            if !directories
                .iter()
                .any(|directory| journal::is_open(directory))
            {
                break locks;
            }
        };
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

    /// Writes the files whose text is another one now. A change of several is
    /// noted down first, so that a kill does not leave half of it.
    pub fn write(self, texts: &[&str]) -> Result<(), Failure> {
        let changed = self.files.iter().zip(texts);
        let changed = changed.filter(|(old, new)| old.bytes != new.as_bytes());
        let changed: Vec<(&Original, &[u8])> =
            changed.map(|(old, new)| (old, new.as_bytes())).collect();
        let steps: Vec<_> = changed.iter().map(|(old, new)| old.step(new)).collect();
        let journal = match &steps[..] {
            [_, _, ..] => Some(Journal::begin(&steps)?),
            _ => None,
        };
        let prepared = changed.iter().map(|(old, new)| old.prepare(new));
        let prepared: Vec<_> = prepared.collect::<Result<_, _>>()?;
        for (original, _) in &changed {
            original.compare()?;
        }
        if journal.is_some() {
            journal::sync(&steps)?;
        }
        for (index, replacement) in prepared.iter().enumerate() {
            if let Err(cause) = replacement.put_in_place() {
                let undone = put_back(&changed[..index]);
                if undone.is_err() {
                    // Whoever comes next has what it takes to go on.
                    prepared.into_iter().for_each(mem::forget);
                    journal.into_iter().for_each(Journal::leave);
                }
                undone?;
                let path = changed[index].0.named.clone();
                return Err(Failure::WriteFile { path, cause });
            }
        }
        journal::sync(&steps)
    }
}

/// Of two changes of one file only the last would be left.
fn refuse_two_names_of_one(places: &[(PathBuf, PathBuf)]) -> Result<(), Failure> {
    let mut known = HashMap::new();
    for (named, path) in places {
        if let Some(other) = known.insert(path, named) {
            let names = (other.display(), named.display());
            return Err(Failure::Refused {
                what: format!("change `{}` and `{}`", names.0, names.1),
                reason: "they are one file".to_owned(),
            });
        }
    }
    Ok(())
}

/// Makes files what they were.
fn put_back(changed: &[(&Original, &[u8])]) -> Result<(), Failure> {
    for (original, _) in changed {
        let replacement = original.prepare(&original.bytes)?;
        let restored = replacement.put_in_place();
        restored.map_err(|cause| original.unwritable(cause))?;
    }
    Ok(())
}

/// A file with several names cannot be replaced: all but one would keep the old
/// content.
pub fn refuse_hard_links(path: &Path) -> Result<(), Failure> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() && found.nlink() > 1 => Err(Failure::HardLinks {
            path: path.to_owned(),
            names: found.nlink(),
        }),
        _ => Ok(()),
    }
}

/// Brings to its end what a killed one of us has begun where this file is;
/// whether there was anything.
pub fn settle(path: &Path) -> Result<bool, Failure> {
    match real_path(path) {
        Ok(path) => journal::settle(directory_of(&path)),
        Err(_) => Ok(false), // then nothing can be read there either
    }
}

/// The same for this directory itself.
pub use journal::settle as settle_directory;

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

/// Replaces a file of any kind, or makes it; with this mode, if one is given.
pub fn replace(path: &Path, mode: Option<u32>, bytes: &[u8]) -> Result<(), Failure> {
    let real = real_path(path).map_err(|cause| unreadable(path, cause))?;
    let original = Original::read(path.to_owned(), real)?;
    let replacement = original.prepare(bytes)?;
    let permissions = mode.map(fs::Permissions::from_mode);
    let replaced = permissions
        .map_or(Ok(()), |mode| {
            fs::set_permissions(&replacement.beside, mode)
        })
        .and_then(|()| replacement.put_in_place())
        .and_then(|()| sync_directory(directory_of(&original.path)));
    replaced.map_err(|cause| original.unwritable(cause))
}

/// Reads a regular file, and no more of it than a config may have.
pub fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    bounded(&open_regular(path, OFlags::empty())?)
}

fn bounded(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens a regular file, and nothing else.
pub fn open_regular(path: &Path, flags: OFlags) -> io::Result<File> {
    // A FIFO without a writer must not keep us waiting.
    let flags = flags | OFlags::NONBLOCK;
    let mut options = File::options();
    let file = options
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("not a regular file"))
    }
}

impl Original {
    fn read(named: PathBuf, path: PathBuf) -> Result<Original, Failure> {
        let read = open_regular(&path, OFlags::empty())
            .and_then(|file| Ok((bounded(&file)?, Some(Kept::of(&file)?))));
        let (bytes, kept) = match read {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => (Vec::new(), None),
            read => read.map_err(|cause| unreadable(&named, cause))?,
        };
        Ok(Original {
            named,
            path,
            bytes,
            kept,
        })
    }

    /// What this change does to it.
    fn step(&self, new: &[u8]) -> Step {
        let old = self.kept.as_ref().map(|_| &self.bytes[..]);
        Step::new(&self.path, old, new)
    }

    /// Writes the new content beside the file, with all else that the file has.
    fn prepare(&self, bytes: &[u8]) -> Result<Replacement<'_>, Failure> {
        refuse_hard_links(&self.named)?;
        let beside = sibling(&self.path);
        // Left by one of us who was killed: nobody else makes it, we hold the lock.
        let _ = fs::remove_file(&beside);
        let mut options = File::options();
        let file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside);
        let mut file = file.map_err(|cause| self.unwritable(cause))?;
        let replacement = Replacement {
            beside,
            path: &self.path,
        };
        self.fill(&mut file, bytes)
            .map_err(|cause| self.unwritable(cause))?;
        Ok(replacement)
    }

    fn unwritable(&self, cause: io::Error) -> Failure {
        Failure::WriteFile {
            path: self.named.clone(),
            cause,
        }
    }

    /// The content, on disk, with all else that the file has.
    fn fill(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)?;
        match &self.kept {
            Some(kept) => kept.give(file)?,
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
        let then = self.kept.as_ref().map(|_| &self.bytes);
        if now.as_ref() == then {
            Ok(())
        } else {
            Err(Failure::Meanwhile {
                path: self.named.clone(),
            })
        }
    }
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
    fn put_in_place(&self) -> io::Result<()> {
        fs::rename(&self.beside, self.path)
    }
}

impl Drop for Replacement<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.beside); // in place, it is not there any more
    }
}

/// Where the new content of a file is written.
fn sibling(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".lithos_crypt-new");
    path.with_file_name(name)
}

fn directory_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_changed_under_one_name_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let names = ["s.yaml", "./s.yaml", "../s.yaml"].map(|name| directory.path().join(name));
        let locked = |names: &[PathBuf]| Batch::lock(names).map(drop);
        assert!(locked(&[names[0].clone(), names[2].clone()]).is_ok());
        std::os::unix::fs::symlink("s.yaml", directory.path().join("link.yaml")).unwrap();
        fs::write(&names[0], "A: x\n").unwrap();
        for other in [names[1].clone(), directory.path().join("link.yaml")] {
            let refused = locked(&[names[0].clone(), other]).unwrap_err().to_string();
            assert!(refused.ends_with("they are one file"), "{refused}");
        }
    }
}
