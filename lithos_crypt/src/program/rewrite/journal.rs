//! The change of several files as one: after a kill, too.
//!
//! While such a change is made, a note lies in each directory that it is about:
//! in the first one the list of all files, with hashes of what they are and of
//! what they shall be; in the others the way there. Whoever reads or changes a
//! file there looks for a note first. One that nobody holds the locks for was
//! left by a kill. Then, if no file is new yet, what was prepared is thrown
//! away, else all the others become new.
//!
//! Files that somebody else has changed since are never written. And a note
//! knows which file it is on its disk, so that one which came with a repository
//! is no order to us.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use blake2::digest::Digest;
use blake2::digest::consts::U32;
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{create, open_regular, read_bounded, sibling, sync_directory, unreadable};
use crate::program::failure::Failure;
use crate::program::{paths, report};

/// A note's name in its directory.
const NAME: &str = ".lithos_crypt-journal";
/// Begins each note; the number of its inode follows.
const MAGIC: &[u8] = b"lithos_crypt journal 1, inode ";
/// More than a note may have.
const MAX_BYTES: u64 = 64 << 20;

/// Locks on directories, by their paths.
pub type Locks = BTreeMap<PathBuf, File>;

/// One file of a change.
#[derive(PartialEq)]
pub struct Step {
    path: PathBuf,
    /// Hash of what it is; nothing if it is not there.
    old: Option<String>,
    /// Hash of what it shall be.
    new: String,
}

/// What a note says.
#[derive(PartialEq)]
enum Note {
    List(Vec<Step>),
    /// The directory where the list is.
    See(PathBuf),
}

/// The notes of a change that is being made. They go with it.
pub struct Journal {
    /// The list first.
    notes: Vec<PathBuf>,
    is_left: bool,
}

impl Step {
    pub fn new(path: &Path, old: Option<&[u8]>, new: &[u8]) -> Step {
        Step {
            path: path.to_owned(),
            old: old.map(hash),
            new: hash(new),
        }
    }

    fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// The hash of what it is now, as `old` has it.
    fn now(&self) -> Result<Option<String>, Failure> {
        match read_bounded(&self.path) {
            Ok(bytes) => Ok(Some(hash(&bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(unreadable(&self.path, cause)),
        }
    }

    fn is_prepared(&self) -> bool {
        read_bounded(&sibling(&self.path)).is_ok_and(|bytes| hash(&bytes) == self.new)
    }
}

impl Journal {
    /// Writes the notes; whoever calls holds the locks.
    pub fn begin(steps: &[Step]) -> Result<Journal, Failure> {
        let mut journal = Journal {
            notes: Vec::new(),
            is_left: false,
        };
        let Some(first) = steps.first().map(Step::directory) else {
            return Ok(journal);
        };
        let rest: BTreeSet<_> = steps.iter().map(Step::directory).collect();
        let rest = rest.into_iter().filter(|directory| *directory != first);
        for directory in [first].into_iter().chain(rest) {
            let path = directory.join(NAME);
            let content = if directory == first {
                list(directory, steps)
            } else {
                [
                    b"see ",
                    paths::relative(directory, first).as_os_str().as_bytes(),
                ]
                .concat()
            };
            let failed = |cause| Failure::WriteFile {
                path: path.clone(),
                cause,
            };
            if content.len() as u64 > MAX_BYTES / 2 {
                return Err(failed(io::Error::other("too many files at once")));
            }
            let made = create::create_with(&path, 0o644, |file| {
                let inode = file.metadata()?.ino();
                file.write_all(MAGIC)?;
                file.write_all(format!("{inode}\0").as_bytes())?;
                file.write_all(&content)
            });
            made.map_err(failed)?;
            journal.notes.push(path.clone());
            sync_directory(directory).map_err(failed)?;
        }
        Ok(journal)
    }

    /// Leaves the notes where they are, for whoever comes next.
    pub fn leave(mut self) {
        self.is_left = true;
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // The list last, for the others lead there.
        for note in self.notes.iter().rev().filter(|_| !self.is_left) {
            let _ = remove(note); // the next one of us does it
        }
    }
}

/// Locks directories, in the order of their names, so that two of us never wait
/// for each other. One that is gone needs no lock.
pub fn lock(directories: impl IntoIterator<Item = PathBuf>) -> Result<Locks, Failure> {
    let directories: BTreeSet<_> = directories.into_iter().collect();
    allow_open_files(directories.len() as u64);
    let mut locks = Locks::new();
    for directory in directories {
        let locked = open_directory(&directory).and_then(|file| {
            flock(&file, FlockOperation::LockExclusive)?;
            Ok(file)
        });
        match locked {
            Ok(file) => drop(locks.insert(directory, file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => return Err(unreadable(&directory, cause)),
        }
    }
    Ok(locks)
}

/// Raises the limit of open files for a large tree; if that cannot be, opening
/// one of them says so.
fn allow_open_files(more: u64) {
    const BESIDES: u64 = 64;
    let limit = getrlimit(Resource::Nofile);
    let is_enough = |limit: u64| limit >= more.saturating_add(BESIDES);
    if !limit.current.is_none_or(is_enough) {
        let raised = Rlimit {
            current: limit.maximum,
            ..limit
        };
        let _ = setrlimit(Resource::Nofile, raised);
    }
}

/// Whether a change of this directory was left, or is being made.
pub fn is_open(directory: &Path) -> bool {
    fs::symlink_metadata(directory.join(NAME)).is_ok()
}

/// Brings to its end what a killed one of us has begun in this directory; whether
/// there was anything.
pub fn settle(directory: &Path) -> Result<bool, Failure> {
    let mut was_open = false;
    while let Some(note) = read(directory)? {
        let at = match &note {
            Note::List(_) => directory.to_owned(),
            Note::See(other) => other.clone(),
        };
        let listed = read(&at)?;
        let mut concerned = vec![directory.to_owned()];
        if let Some(Note::List(steps)) = &listed {
            concerned.extend(steps.iter().map(|step| step.directory().to_owned()));
        }
        let _locks = lock(concerned)?;
        // Whoever was at work then may have ended it meanwhile.
        if read(&at)? != listed || read(directory)?.as_ref() != Some(&note) {
            continue;
        }
        match listed {
            Some(Note::List(steps)) => finish(&at, &steps)?,
            _ => remove(&directory.join(NAME))?, // it leads nowhere
        }
        was_open = true;
    }
    Ok(was_open)
}

/// Forward if a file is new, else back; the locks are held.
fn finish(at: &Path, steps: &[Step]) -> Result<(), Failure> {
    let (mut done, mut left, mut other) = (Vec::new(), Vec::new(), Vec::new());
    for step in steps {
        match step.now()? {
            now if now.as_ref() == Some(&step.new) => done.push(step),
            now if now == step.old && step.is_prepared() => left.push(step),
            _ => other.push(step),
        }
    }
    let is_torn = !done.is_empty() && !other.is_empty();
    if !done.is_empty() && !is_torn {
        for step in left {
            let renamed = fs::rename(sibling(&step.path), &step.path);
            renamed.map_err(|cause| unfinished(&step.path, cause))?;
        }
        sync(steps)?;
    }
    for step in steps {
        remove(&sibling(&step.path))?;
    }
    let rest = steps.iter().map(Step::directory);
    for directory in rest.filter(|directory| *directory != at).chain([at]) {
        remove(&directory.join(NAME))?;
    }
    if let (true, Some(other)) = (is_torn, other.first()) {
        return Err(Failure::Torn {
            done: done.iter().map(|step| step.path.clone()).collect(),
            other: other.path.clone(),
        });
    }
    let outcome = if done.is_empty() {
        "none of them is changed"
    } else {
        "now it is done"
    };
    let number = steps.len();
    report::note(format_args!(
        "the change of {number} files was interrupted: {outcome}"
    ));
    Ok(())
}

/// What has a new name in these directories keeps it.
pub fn sync(steps: &[Step]) -> Result<(), Failure> {
    let directories: BTreeSet<_> = steps.iter().map(Step::directory).collect();
    for directory in directories {
        sync_directory(directory).map_err(|cause| Failure::WriteFile {
            path: directory.to_owned(),
            cause,
        })?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(unfinished(path, cause)),
        _ => Ok(()),
    }
}

fn unfinished(path: &Path, cause: io::Error) -> Failure {
    Failure::Unfinished {
        path: path.to_owned(),
        cause,
    }
}

/// The note in a directory.
fn read(directory: &Path) -> Result<Option<Note>, Failure> {
    let path = directory.join(NAME);
    let file = match open_regular(&path, OFlags::NOFOLLOW) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|cause| unreadable(&path, cause))?,
    };
    let mut bytes = Vec::new();
    let inode = file.metadata().and_then(|metadata| {
        file.take(MAX_BYTES).read_to_end(&mut bytes)?;
        Ok(metadata.ino())
    });
    let inode = inode.map_err(|cause| unreadable(&path, cause))?;
    let foreign = || Failure::ForeignJournal { path: path.clone() };
    let content = bytes.strip_prefix(MAGIC).ok_or_else(foreign)?;
    let content = content.strip_prefix(format!("{inode}\0").as_bytes());
    parse(directory, content.ok_or_else(foreign)?)
        .map(Some)
        .ok_or_else(foreign)
}

fn parse(directory: &Path, content: &[u8]) -> Option<Note> {
    if let Some(other) = content.strip_prefix(b"see ") {
        return Some(Note::See(paths::joined(directory, path_of(other))?));
    }
    let records = content.strip_suffix(b"\0")?.split(|byte| *byte == 0);
    let step = |record: &[u8]| {
        let mut fields = record.splitn(3, |byte| *byte == b' ');
        let mut field = || fields.next();
        let mut text = || String::from_utf8(field()?.to_vec()).ok();
        let (old, new) = (text()?, text()?);
        let path = paths::joined(directory, path_of(field()?))?;
        path.file_name()?;
        Some(Step {
            path,
            old: Some(old).filter(|old| old != "-"),
            new,
        })
    };
    records.map(step).collect::<Option<_>>().map(Note::List)
}

/// The list, as it is written into this directory.
fn list(directory: &Path, steps: &[Step]) -> Vec<u8> {
    let record = |step: &Step| {
        let hashes = format!("{} {} ", step.old.as_deref().unwrap_or("-"), step.new);
        let path = paths::relative(directory, &step.path);
        [hashes.as_bytes(), path.as_os_str().as_bytes(), b"\0"].concat()
    };
    steps.iter().flat_map(record).collect()
}

fn path_of(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

fn hash(bytes: &[u8]) -> String {
    STANDARD.encode(blake2::Blake2b::<U32>::digest(bytes))
}

fn open_directory(path: &Path) -> io::Result<File> {
    Ok(rustix::fs::open(
        path,
        OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )?
    .into())
}
