//! Finding files with secrets, and reading them.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::failure::Failure;
use super::progress::Progress;
use super::recipients::FILE_NAME;
use super::rewrite::{self, read_bounded};
use crate::document::{Document, EditError, Entry, Section};
use crate::{OpenError, Token};

/// A file and what is in it.
pub struct Surveyed {
    pub path: PathBuf,
    pub document: Document,
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
    let mut progress = Progress::new("files", files.len());
    for (path, named) in files {
        let bytes = read_bounded(&path).map_err(|cause| unreadable(&path, cause))?;
        if named || may_hold_secrets(&bytes) {
            found.push(parse(path, bytes)?);
        }
        progress.step();
    }
    drop(progress);
    take_as_secrets(&mut found, paths)?;
    Ok(found)
}

/// Takes the files that configs name as `secret-environ-file` for what they
/// are, even if no token is in them. A config can name any file, so none is read
/// that is outside of the directories in question.
fn take_as_secrets(found: &mut Vec<Surveyed>, paths: &[PathBuf]) -> Result<(), Failure> {
    let here = [PathBuf::from(".")];
    let paths = if paths.is_empty() { &here[..] } else { paths };
    let directories = paths.iter().filter_map(|path| {
        let real = fs::canonicalize(path).ok()?;
        if real.is_dir() {
            Some(real)
        } else {
            Some(real.parent()?.to_owned())
        }
    });
    let directories: Vec<_> = directories.collect();
    let is_inside = |path: &PathBuf| {
        let real = fs::canonicalize(path);
        real.is_ok_and(|real| real.is_file() && directories.iter().any(|d| real.starts_with(d)))
    };
    let named = found.iter().filter_map(|config| {
        let relative = config.document.text_under("secret-environ-file")?;
        let directory = config.path.parent().unwrap_or(Path::new(""));
        Some(directory.join(relative))
    });
    let named: Vec<_> = named.filter(is_inside).collect();
    for path in named {
        let known = found.iter().position(|file| file.path == path);
        let file = match known {
            Some(index) => found.remove(index),
            None => read(&path)?,
        };
        let index = known.unwrap_or(found.len());
        let document = file.document.as_secrets_file();
        found.insert(index, Surveyed { path, document });
    }
    Ok(())
}

/// The YAML files below these paths, and whether each was named itself.
pub fn find(paths: &[PathBuf]) -> Result<Vec<(PathBuf, bool)>, Failure> {
    let here = [PathBuf::from(".")];
    let paths = if paths.is_empty() { &here[..] } else { paths };
    let mut found = Vec::new();
    for path in paths {
        let metadata = fs::metadata(path).map_err(|cause| unreadable(path, cause))?;
        if metadata.is_dir() {
            walk(path, &mut found)?;
        } else {
            rewrite::settle(path)?;
            found.push((path.clone(), true));
        }
    }
    Ok(found)
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

/// In the order of their names; hidden directories, such as `.git`, and
/// symbolic links are left out.
fn walk(directory: &Path, found: &mut Vec<(PathBuf, bool)>) -> Result<(), Failure> {
    let list = || -> io::Result<Vec<_>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            entries.push((entry.path(), entry.file_type()?));
        }
        Ok(entries)
    };
    rewrite::settle_directory(directory)?;
    let mut entries = list().map_err(|cause| unreadable(directory, cause))?;
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (path, kind) in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            walk(&path, found)?;
        } else if kind.is_file() && is_yaml(&path) {
            // As people would name it.
            let path = path.strip_prefix("./").unwrap_or(&path).to_owned();
            found.push((path, false));
        }
    }
    Ok(())
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

fn unreadable(path: &Path, cause: io::Error) -> Failure {
    Failure::ReadFile {
        what: "file",
        path: path.to_owned(),
        cause,
    }
}
