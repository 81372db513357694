//! Finding files with secrets, and reading them.

use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::fs::{self, FileType};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use rustix::io::Errno;

use super::failure::{Failure, unreadable};
use super::progress::Progress;
use super::recipients::FILE_NAME;
use super::rewrite::{self, read_bounded};
use crate::document::{Document, EditError, Entry, Section};
use crate::{OpenError, Token};

/// What git keeps is no file of the tree.
const GIT: &str = ".git";

/// A file and what is in it.
pub struct Surveyed {
    pub path: PathBuf,
    pub document: Document,
}

impl Surveyed {
    /// The file that it names as `secret-environ-file`.
    pub fn secrets_file(&self) -> Option<PathBuf> {
        let relative = self.document.text_under("secret-environ-file")?;
        Some(self.path.parent()?.join(relative))
    }
}

/// Reads one file, which must be there.
pub fn read(path: &Path) -> Result<Surveyed, Failure> {
    rewrite::settle(path)?;
    let bytes = read_bounded(path).map_err(|cause| unreadable(path, cause))?;
    parse(path.to_owned(), bytes)
}

/// Reads every YAML file below these paths that may hold secrets; a file that
/// is named itself always. Without any path, those of this directory.
pub fn read_all(paths: &[PathBuf]) -> Result<Vec<Surveyed>, Failure> {
    let files = find(paths)?;
    let mut found = Vec::with_capacity(files.len());
    let mut places = Places::new();
    let mut progress = Progress::new("files", files.len());
    for file in files {
        let bytes = read_bounded(&file.path).map_err(|cause| unreadable(&file.path, cause))?;
        if file.is_named || may_hold_secrets(&bytes) {
            places.insert(file.real, found.len());
            found.push(parse(file.path, bytes)?);
        }
        progress.step();
    }
    drop(progress);
    take_as_secrets(&mut found, places, paths)?;
    Ok(found)
}

/// Which files are known, by where they are with no symbolic link on the way.
type Places = HashMap<PathBuf, usize>;

/// The directories in question, with no symbolic link on the way. A config or a
/// link can name any file, so none is read that is outside of them.
struct Directories(Vec<PathBuf>);

impl Directories {
    fn of(paths: &[PathBuf]) -> Self {
        let real = paths.iter().filter_map(|path| {
            let real = fs::canonicalize(path).ok()?;
            if real.is_dir() {
                Some(real)
            } else {
                Some(real.parent()?.to_owned())
            }
        });
        Self(real.collect())
    }

    fn hold_file(&self, real: &Path) -> bool {
        real.is_file() && self.0.iter().any(|directory| real.starts_with(directory))
    }
}

/// Takes the files that configs name as `secret-environ-file` for what they
/// are, even if no token is in them.
fn take_as_secrets(
    found: &mut Vec<Surveyed>,
    mut places: Places,
    paths: &[PathBuf],
) -> Result<(), Failure> {
    let directories = Directories::of(or_here(paths));
    let named = found.iter().filter_map(|config| {
        let path = config.secrets_file()?;
        let real = fs::canonicalize(&path).ok()?;
        directories.hold_file(&real).then_some((path, real))
    });
    let named: Vec<_> = named.collect();
    for (path, real) in named {
        let index = *places.entry(real).or_insert(found.len());
        let file = if index == found.len() {
            read(&path)?
        } else {
            found.remove(index)
        };
        let (path, document) = (file.path, file.document.as_secrets_file());
        found.insert(index, Surveyed { path, document });
    }
    Ok(())
}

/// What is meant where no path is named.
fn or_here(paths: &[PathBuf]) -> &[PathBuf] {
    static HERE: LazyLock<[PathBuf; 1]> = LazyLock::new(|| [PathBuf::from(".")]);
    if paths.is_empty() { &*HERE } else { paths }
}

/// A file that was found.
struct Found {
    path: PathBuf,
    /// Where it is, with no symbolic link on the way.
    real: PathBuf,
    is_named: bool,
    /// A walk came upon a symbolic link.
    is_link: bool,
}

/// The YAML files below these paths, each once however it is spelled.
fn find(paths: &[PathBuf]) -> Result<Vec<Found>, Failure> {
    let paths = or_here(paths);
    let directories = Directories::of(paths);
    let mut found = Vec::new();
    for path in paths {
        let real = fs::canonicalize(path).map_err(|cause| unreadable(path, cause))?;
        if real.is_dir() {
            walk(path, &real, &directories, &mut found)?;
        } else {
            rewrite::settle(path)?;
            found.push(Found {
                path: path.clone(),
                real,
                is_named: true,
                is_link: false,
            });
        }
    }
    // A link stands only for what is not found otherwise.
    found.sort_by_key(|file| file.is_link);
    Ok(each_once(found))
}

/// Files as they were found first.
fn each_once(found: Vec<Found>) -> Vec<Found> {
    let mut once: Vec<Found> = Vec::with_capacity(found.len());
    let mut places = Places::new();
    for file in found {
        match places.entry(file.real.clone()) {
            Occupied(known) => once[*known.get()].is_named |= file.is_named,
            Vacant(place) => {
                place.insert(once.len());
                once.push(file);
            }
        }
    }
    once
}

/// Whether a file is worth parsing: none of our sections is spelled without
/// these letters, and no token.
pub fn may_hold_secrets(bytes: &[u8]) -> bool {
    [&b"v2:"[..], b"v1:", b"secret"]
        .iter()
        .any(|part| contains(bytes, part))
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == part[0]) {
        rest = &rest[at..];
        if rest.starts_with(part) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

/// In the order of their names, hidden ones too. Links to files of `all` are followed, so
/// that none is missed; those to directories are not, and so nothing goes in circles.
fn walk(
    directory: &Path,
    real: &Path,
    all: &Directories,
    found: &mut Vec<Found>,
) -> Result<(), Failure> {
    let list = || -> io::Result<Vec<_>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            entries.push((entry.file_name(), entry.file_type()?));
        }
        Ok(entries)
    };
    rewrite::settle_directory(directory)?;
    let mut entries = list().map_err(|cause| unreadable(directory, cause))?;
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (name, kind) in entries {
        let (path, real) = (directory.join(&name), real.join(&name));
        if kind.is_dir() && name != GIT {
            walk(&path, &real, all, found)?;
        } else if is_yaml(&path)
            && let Some(real) = real_file(&path, real, kind, all)?
        {
            // As people would name it.
            let path = path.strip_prefix("./").unwrap_or(&path).to_owned();
            found.push(Found {
                path,
                real,
                is_named: false,
                is_link: kind.is_symlink(),
            });
        }
    }
    Ok(())
}

/// Where the file is that a walk came upon; `None` if it is none.
fn real_file(
    path: &Path,
    beside: PathBuf,
    kind: FileType,
    all: &Directories,
) -> Result<Option<PathBuf>, Failure> {
    if !kind.is_symlink() {
        return Ok(kind.is_file().then_some(beside));
    }
    let real = if_there(fs::canonicalize(path)).map_err(|cause| unreadable(path, cause))?;
    let real = real.filter(|real| all.hold_file(real));
    if real.is_some() {
        rewrite::settle(path)?;
    }
    Ok(real)
}

/// What was found; `None` if the path leads nowhere, as the links do that some
/// editors lock files with.
pub fn if_there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::LOOP) => Ok(None),
        found => found.map(Some),
    }
}

/// Whether a file's name is that of a YAML file other than the recipients'.
pub fn is_yaml(path: &Path) -> bool {
    let extension = path.extension().is_some_and(|e| e == "yaml" || e == "yml");
    extension && path.file_name().is_some_and(|name| name != FILE_NAME)
}

/// Parses a file's content.
pub fn parse(path: PathBuf, bytes: Vec<u8>) -> Result<Surveyed, Failure> {
    match Document::parse(bytes) {
        Ok(document) => Ok(Surveyed { path, document }),
        Err(cause) => Err(Failure::Document { path, cause }),
    }
}

/// The tokens of an entry, or why each is none.
pub fn tokens(entry: &Entry<'_>) -> Vec<Result<Token, OpenError>> {
    let parse = |text: Option<&str>| text.unwrap_or_default().parse();
    entry
        .values()
        .iter()
        .map(|value| parse(value.text))
        .collect()
}

/// The one secret of this name.
pub fn named<'a>(
    document: &'a Document,
    path: &Path,
    name: &str,
    section: Option<&Section>,
) -> Result<Entry<'a>, Failure> {
    let mut found = document.named(name);
    if let Some(section) = section {
        found.retain(|entry| entry.section() == section);
    }
    match found.len() {
        0 => Err(Failure::NoSecret {
            name: name.to_owned(),
            path: path.to_owned(),
        }),
        1 => Ok(found.remove(0)),
        _ => Err(several(&found, path)),
    }
}

/// That a name is there in several sections, or several times in one.
pub fn several(found: &[Entry<'_>], path: &Path) -> Failure {
    let (first, last) = (&found[0], &found[found.len() - 1]);
    let (name, path) = (first.name().to_owned(), path.to_owned());
    if first.section() != last.section() {
        return Failure::SeveralSections { name, path };
    }
    let line = last.place().line;
    let cause = EditError::Duplicate { name, line };
    Failure::Edit { path, cause }
}
