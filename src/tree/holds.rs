//! What an operator holds: daemons that are not to run until they are released.
//!
//! Kept as `<runtime-dir>/holds.json`, replaced as a whole, so that it outlives any
//! supervisor, but not a boot. A hold is of a name, not of what runs by it: an
//! instance that a config adds later is held with its process.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use quick_error::quick_error;
use serde::{Deserialize, Serialize};

use crate::cause::Cause;
use crate::name::ContainerName;
use crate::selection::Selection;

/// The format of the file.
const VERSION: u32 = 1;

quick_error! {
    /// Why it cannot be told what is held.
    #[derive(Debug)]
    pub enum HoldsError {
        /// The file.
        Io(path: PathBuf, err: io::Error) {
            display("cannot read {}: {}\nhint: remove it if nothing is to be held", path.display(), Cause(err))
            source(err)
        }
        /// It is of another release.
        Version(path: PathBuf, version: u32) {
            display("cannot read {}: it has the unknown version {}\nhint: remove it if nothing is to be held", path.display(), version)
        }
    }
}

/// Names that are held, and narrower ones that are not. The narrowest counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Holds(BTreeMap<Selection, bool>);

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    holds: Holds,
}

impl Holds {
    /// Holds this and everything in it.
    pub fn hold(&mut self, selection: Selection) {
        self.set(selection, true);
    }

    /// Releases this and everything in it.
    pub fn release(&mut self, selection: Selection) {
        self.set(selection, false);
    }

    fn set(&mut self, selection: Selection, held: bool) {
        self.0.retain(|other, _| !other.is_within(&selection));
        if self.is_held(&selection) != held {
            self.0.insert(selection, held);
        }
    }

    /// Whether this daemon is not to run.
    pub fn covers(&self, name: &ContainerName) -> bool {
        // No name is made where there is nothing to look for, as almost always.
        !self.0.is_empty() && !name.command && self.is_held(&Selection::Container(name.clone()))
    }

    /// Whether this is held, or anything in it.
    pub fn concern(&self, selection: &Selection) -> bool {
        let within = |(other, held): (&Selection, &bool)| *held && other.is_within(selection);
        self.is_held(selection) || self.0.iter().any(within)
    }

    fn is_held(&self, selection: &Selection) -> bool {
        let mut narrowest_first = selection.and_broader();
        let nearest = narrowest_first.find_map(|selection| self.0.get(&selection));
        nearest.copied().unwrap_or(false)
    }

    /// Reads the file; without one nothing is held.
    pub fn read(path: &Path) -> Result<Self, HoldsError> {
        let failed = |err| HoldsError::Io(path.to_owned(), err);
        let json = match fs::read(path) {
            Ok(json) => json,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(err) => return Err(failed(err)),
        };
        let document: Document = serde_json::from_slice(&json).map_err(|err| failed(err.into()))?;
        match document.version {
            VERSION => Ok(document.holds),
            other => Err(HoldsError::Version(path.to_owned(), other)),
        }
    }

    /// Replaces the file; removes it if nothing is held.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        if self.0.is_empty() {
            return match fs::remove_file(path) {
                Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err),
                _ => Ok(()),
            };
        }
        let new = path.with_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut json = serde_json::to_vec(&Document {
            version: VERSION,
            holds: self.clone(),
        })?;
        json.push(b'\n');
        let written = options
            .open(&new)
            .and_then(|mut file| file.write_all(&json))
            .and_then(|()| fs::rename(&new, path));
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::scratch::Scratch;

    fn covered(holds: &Holds) -> [bool; 4] {
        ["shop/web.0", "shop/web.1", "shop/db.0", "blog/web.0"]
            .map(|name| holds.covers(&name.parse().unwrap()))
    }

    /// `+shop` holds, `-shop` releases.
    fn after(steps: &[&str]) -> Holds {
        let mut holds = Holds::default();
        for step in steps {
            let (sign, name) = step.split_at(1);
            match sign {
                "+" => holds.hold(name.parse().unwrap()),
                _ => holds.release(name.parse().unwrap()),
            }
        }
        holds
    }

    #[test]
    fn the_narrowest_counts() {
        for (steps, expected) in [
            (&["+shop"][..], [true, true, true, false]),
            (&["+shop/web.1"], [false, true, false, false]),
            (&["+shop", "-shop/web"], [false, false, true, false]),
            (
                &["+shop", "-shop/web", "+shop/web.0"],
                [true, false, true, false],
            ),
            (&["+shop", "-shop/web", "+shop"], [true, true, true, false]),
        ] {
            assert_eq!(covered(&after(steps)), expected, "{steps:?}");
        }
    }

    #[test]
    fn what_is_released_leaves_nothing() {
        for steps in [
            &["+shop", "-shop"][..],
            &["+shop/web.0", "-shop"],
            &["+shop", "-shop/web", "-shop"],
            &["-shop"],
        ] {
            assert_eq!(after(steps), Holds::default(), "{steps:?}");
        }
    }

    #[test]
    fn says_whether_anything_of_a_name_is_held() {
        let holds = after(&["+shop", "-shop/web"]);
        for (name, expected) in [
            ("shop", true),
            ("shop/web", false),
            ("shop/db", true),
            ("blog", false),
        ] {
            assert_eq!(holds.concern(&name.parse().unwrap()), expected, "{name}");
        }
    }

    #[test]
    fn a_file_is_read_as_it_was_written_and_gone_when_nothing_is_held() {
        let scratch = Scratch::new();
        let path = scratch.path().join("holds.json");
        let holds = after(&["+shop", "-shop/web", "+blog/web.0"]);
        holds.write(&path).unwrap();
        assert_eq!(Holds::read(&path).unwrap(), holds);
        Holds::default().write(&path).unwrap();
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
        assert_eq!(Holds::read(&path).unwrap(), Holds::default());
    }

    #[test]
    fn a_file_that_is_not_understood_is_no_empty_one() {
        let scratch = Scratch::new();
        let path = scratch.path().join("holds.json");
        for text in [
            "",
            "{",
            r#"{"version":2,"holds":{}}"#,
            r#"{"version":1,"holds":{"../x":true}}"#,
        ] {
            fs::write(&path, text).unwrap();
            let error = Holds::read(&path).unwrap_err().to_string();
            assert!(error.contains("hint: remove it"), "{error}");
        }
    }
}
