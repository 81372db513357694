//! Tokens of a key that is to be destroyed, wherever they are: in files of any
//! name, and behind links. Nothing is changed here.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::failure::{Failure, unreadable};
use super::rewrite::open_regular;
use super::survey::if_there;
use crate::ShortHash;

/// How much of a file is looked at at once.
const CHUNK: u64 = 64 << 10;
/// Length of what a token begins with, up to its key.
const LENGTH: usize = "v2:k/qSgp/F:".len();

/// Where a token is.
pub struct Leftover {
    pub path: PathBuf,
    pub line: usize,
}

/// The first token below these paths that is sealed to one of these keys.
pub fn first(paths: &[PathBuf], keys: &HashSet<ShortHash>) -> Result<Option<Leftover>, Failure> {
    let mut search = Search {
        beginnings: keys.iter().map(|key| format!("v2:{key}:")).collect(),
        seen: HashSet::new(),
    };
    search.first_of(paths)
}

struct Search {
    beginnings: Vec<String>,
    /// Devices and inodes, so that links do not lead in circles.
    seen: HashSet<(u64, u64)>,
}

impl Search {
    fn first_of(&mut self, paths: &[PathBuf]) -> Result<Option<Leftover>, Failure> {
        for path in paths {
            let found = self.below(path)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn below(&mut self, path: &Path) -> Result<Option<Leftover>, Failure> {
        let failed = |cause| unreadable(path, cause);
        let Some(metadata) = if_there(fs::metadata(path)).map_err(failed)? else {
            return Ok(None);
        };
        let is_new = self.seen.insert((metadata.dev(), metadata.ino()));
        if is_new && metadata.is_dir() {
            return self.first_of(&entries(path).map_err(failed)?);
        }
        if !is_new || !metadata.is_file() {
            return Ok(None);
        }
        let opened = open_regular(path, OFlags::empty());
        let line = opened.and_then(|file| line_of(&self.beginnings, file));
        let path = path.to_owned();
        let found = line.map_err(failed)?.map(|line| Leftover { path, line });
        Ok(found)
    }
}

fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory)?;
    let paths: io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths?;
    paths.sort();
    Ok(paths)
}

/// The number of the first line in which one of these stands.
fn line_of(beginnings: &[String], mut content: impl Read) -> io::Result<Option<usize>> {
    let (mut window, mut line) = (Vec::new(), 1);
    while content.by_ref().take(CHUNK).read_to_end(&mut window)? > 0 {
        let is_meant = |part: &[u8]| beginnings.iter().any(|text| text.as_bytes() == part);
        if let Some(at) = window.windows(LENGTH).position(is_meant) {
            return Ok(Some(line + ends_of_lines(&window[..at])));
        }
        let done = window.len().saturating_sub(LENGTH - 1);
        line += ends_of_lines(&window[..done]);
        window.drain(..done);
    }
    Ok(None)
}

fn ends_of_lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_wherever_the_chunks_of_its_file_end() {
        let beginnings = ["v2:k/qSgp/F:".to_owned(), "v2:ok314Kuk:".to_owned()];
        for before in (CHUNK as usize - 2 * LENGTH)..(CHUNK as usize + 2) {
            let lines = [&vec![b'x'; before][..], b"\n\xff\n v2:ok314Kuk:rest\n"].concat();
            assert_eq!(line_of(&beginnings, &lines[..]).unwrap(), Some(3));
        }
        let none = vec![b'\n'; 3 * CHUNK as usize];
        assert_eq!(line_of(&beginnings, &none[..]).unwrap(), None);
        assert_eq!(line_of(&beginnings, &b"v2:ok314Kuk"[..]).unwrap(), None);
    }
}
