//! `merge`: git's merge driver for files with secrets. Secrets are merged by
//! name and token, the rest as text by git itself. It must never lose what is
//! said of a secret beside its tokens: rather than that it leaves a conflict.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use super::failure::Failure;
use super::versions::{self, Texts};
use super::{editor, rewrite};
use crate::document::{Change, Document, Entry, Section};
use crate::{Label, ShortHash, Token};

/// Merge two versions of a file; git calls this, see `git-setup`
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub struct Options {
    /// The common ancestor (%O)
    base: PathBuf,
    /// Our version, which is replaced by the result (%A)
    ours: PathBuf,
    /// Their version (%B)
    theirs: PathBuf,
    /// The file's name in the repository (%P)
    name: PathBuf,
}

const EXAMPLE: &str = "\
Example:
  git config merge.lithos_crypt.driver 'lithos_crypt merge %O %A %B %P'";

/// Merges into our version; a conflict is left there in git's own form.
pub fn run(options: Options) -> Result<(), Failure> {
    let read = |path: &Path| {
        rewrite::read_bounded(path).map_err(|cause| Failure::ReadFile {
            what: "version",
            path: path.to_owned(),
            cause,
        })
    };
    let [base, ours, theirs] = [
        read(&options.base)?,
        read(&options.ours)?,
        read(&options.theirs)?,
    ];
    let (text, conflicts) = merge(&base, &ours, &theirs)?;
    let cause = |cause| Failure::WriteFile {
        path: options.ours.clone(),
        cause,
    };
    std::fs::write(&options.ours, text).map_err(cause)?;
    if conflicts.is_empty() {
        return Ok(());
    }
    Err(Failure::Refused {
        what: format!("merge `{}`", options.name.display()),
        reason: format!(
            "both sides changed {}; see the marks in it",
            conflicts.join(", ")
        ),
    })
}

/// A text and the names of what is in conflict.
type Merged = (Vec<u8>, Vec<String>);

/// As git would merge the texts, if that is right for the secrets too; else the
/// secrets by their names and the rest as text.
fn merge(base: &[u8], ours: &[u8], theirs: &[u8]) -> Result<Merged, Failure> {
    let (text, clean) = by_text([ours, base, theirs])?;
    let lines = || vec!["the same lines".to_owned()];
    let conflicts = if clean { Vec::new() } else { lines() };
    let Some(versions) = Versions::parse(base, ours, theirs) else {
        return Ok((text, conflicts)); // not ours to understand
    };
    if clean && versions.are_kept_in(&text) {
        return Ok((text, conflicts));
    }
    if let Some(merged) = versions.by_name()? {
        return Ok(merged);
    }
    if !clean {
        return Ok((text, conflicts));
    }
    // Without an ancestor, all that differs is a conflict.
    let (text, _) = by_text([ours, b"", theirs])?;
    Ok((text, lines()))
}

/// Where a secret stands, and its name.
type Key = (Section, String);

/// What stands under a name, and what is said of it there.
#[derive(Clone, Default, PartialEq)]
struct Secret {
    texts: Texts,
    remarks: BTreeSet<String>,
}

/// One version of the file.
struct Version {
    document: Document,
    secrets: BTreeMap<Key, Secret>,
}

impl Version {
    /// `None` if it is no document with secrets, or a name or a key is there
    /// twice or holds nothing.
    fn parse(bytes: &[u8]) -> Option<Version> {
        Version::of(Document::parse(bytes.to_vec()).ok()?)
    }

    fn of(document: Document) -> Option<Version> {
        let mut secrets = BTreeMap::new();
        for entry in document.entries() {
            let secret = Secret {
                texts: versions::texts(&entry),
                remarks: document.remarks(&entry),
            };
            let is_sound = !secret.texts.is_empty()
                && !secret.texts.contains(&String::new())
                && entry.repeated_keys().is_empty();
            if !is_sound || secrets.insert(key_of(&entry), secret).is_some() {
                return None;
            }
        }
        Some(Version { document, secrets })
    }

    /// With these tokens in the place of those that it has; a secret that it
    /// lacks is copied from `source`.
    fn with(&self, wanted: &BTreeMap<Key, Texts>, source: &Version) -> Option<Version> {
        let mut copies = source.document.entries();
        copies.retain(|entry| {
            let key = key_of(entry);
            wanted.contains_key(&key) && !self.secrets.contains_key(&key)
        });
        let change = |key: &Key, tokens: &[String]| Change {
            section: key.0.clone(),
            name: key.1.clone(),
            tokens: tokens.to_vec(),
        };
        let texts_now = |key: &Key| {
            let secret = self.secrets.get(key).or_else(|| source.secrets.get(key));
            secret.map(|secret| &secret.texts)
        };
        let others = wanted.iter();
        let others = others.filter(|(key, texts)| texts_now(key) != Some(texts));
        let set: Vec<_> = others.map(|(key, texts)| change(key, texts)).collect();
        let removed = self.secrets.keys();
        let removed = removed.filter(|key| !wanted.contains_key(key));
        let removed: Vec<_> = removed.map(|key| change(key, &[])).collect();
        // In this order no map is empty in between.
        let document = self.document.with_copies(&source.document, &copies).ok()?;
        let document = document.edited(&set).ok()?;
        Version::of(document.edited(&removed).ok()?)
    }

    fn bytes(&self) -> &[u8] {
        self.document.text().as_bytes()
    }
}

fn key_of(entry: &Entry<'_>) -> Key {
    (entry.section().clone(), entry.name().to_owned())
}

/// The three versions of a merge.
struct Versions {
    base: Version,
    ours: Version,
    theirs: Version,
}

impl Versions {
    fn parse(base: &[u8], ours: &[u8], theirs: &[u8]) -> Option<Versions> {
        Some(Versions {
            base: Version::parse(base)?,
            ours: Version::parse(ours)?,
            theirs: Version::parse(theirs)?,
        })
    }

    fn keys(&self) -> BTreeSet<&Key> {
        let all = [&self.base, &self.ours, &self.theirs];
        let keys = all.iter().flat_map(|version| version.secrets.keys());
        keys.collect()
    }

    /// Base, ours and theirs, as far as they have it.
    fn of(&self, key: &Key) -> [Option<&Secret>; 3] {
        [&self.base, &self.ours, &self.theirs].map(|version| version.secrets.get(key))
    }

    fn decide(&self) -> BTreeMap<Key, Decision> {
        let decision = |key: &Key| {
            let texts = |secret: Option<&Secret>| secret.cloned().unwrap_or_default().texts;
            let [base, ours, theirs] = self.of(key).map(texts);
            (key.clone(), Decision::of(base, ours, theirs))
        };
        self.keys().into_iter().map(decision).collect()
    }

    /// Whether one side removed a secret of which the other says something else.
    fn removes_a_remark(&self) -> bool {
        let is_removed = |key: &&Key| match self.of(key) {
            [Some(base), Some(left), None] | [Some(base), None, Some(left)] => {
                left.remarks != base.remarks
            }
            _ => false,
        };
        self.keys().iter().any(is_removed)
    }

    /// What must be said of a secret: both sides' additions without both sides'
    /// removals.
    fn remarks(&self, key: &Key) -> BTreeSet<String> {
        let of_each = self.of(key).map(|secret| Some(&secret?.remarks));
        match of_each {
            [_, Some(one), None] | [_, None, Some(one)] => one.clone(),
            [base, Some(ours), Some(theirs)] => {
                let is_old = |remark: &&String| base.is_some_and(|base| base.contains(*remark));
                let all = ours.union(theirs);
                let kept = all.filter(|remark| {
                    !is_old(remark) || (ours.contains(*remark) && theirs.contains(*remark))
                });
                kept.cloned().collect()
            }
            [_, None, None] => BTreeSet::new(),
        }
    }

    fn says_all(&self, version: &Version) -> bool {
        let mut secrets = version.secrets.iter();
        secrets.all(|(key, secret)| secret.remarks == self.remarks(key))
    }

    /// Whether a text has every secret as it must be after the merge.
    fn are_kept_in(&self, text: &[u8]) -> bool {
        let Some(merged) = Version::parse(text) else {
            return false;
        };
        let found = merged.secrets.iter();
        let found: BTreeMap<_, _> = found.map(|(key, secret)| (key, &secret.texts)).collect();
        let decisions = self.decide();
        let wanted = decisions.iter();
        let wanted = wanted.map(|(key, decision)| (key, &decision.ours));
        let wanted = wanted.filter(|(_, texts)| !texts.is_empty()).collect();
        found == wanted
            && !decisions.values().any(Decision::is_conflict)
            && !self.removes_a_remark()
            && self.says_all(&merged)
    }

    /// Merged by the secrets' names; `None` if that would lose something.
    fn by_name(&self) -> Result<Option<Merged>, Failure> {
        if self.removes_a_remark() {
            return Ok(None);
        }
        // With our secrets in all three, what differs is not about tokens.
        let Some(rest) = self.rest()? else {
            return Ok(None);
        };
        let decisions = self.decide();
        let side = |choose: fn(&Decision) -> &Texts| {
            let wanted = decisions.iter();
            let wanted = wanted.map(|(key, decision)| (key.clone(), choose(decision).clone()));
            let wanted = wanted.filter(|(_, texts)| !texts.is_empty()).collect();
            rest.with(&wanted, &self.theirs)
        };
        let sides = [
            side(|decision| &decision.ours),
            side(|decision| &decision.base),
            side(|decision| &decision.theirs),
        ];
        let [Some(ours), Some(base), Some(theirs)] = sides else {
            return Ok(None);
        };
        let (text, clean) = by_text([ours.bytes(), base.bytes(), theirs.bytes()])?;
        let conflicts = decisions.iter();
        let conflicts = conflicts.filter(|(_, decision)| decision.is_conflict());
        let conflicts: Vec<_> = conflicts.map(|((_, name), _)| name.clone()).collect();
        let is_kept =
            clean == conflicts.is_empty() && self.says_all(&ours) && self.says_all(&theirs);
        Ok(is_kept.then_some((text, conflicts)))
    }

    /// What the merge makes of everything but tokens, with our secrets in it.
    fn rest(&self) -> Result<Option<Version>, Failure> {
        let is_new = |entry: &Entry<'_>| matches!(self.of(&key_of(entry)), [None, None, _]);
        let theirs = &self.theirs.document;
        let mut added = theirs.entries().into_iter().filter(is_new);
        if added.any(|entry| theirs.has_comment_above(&entry)) {
            return Ok(None); // it would stay behind
        }
        let ours = self.ours.secrets.iter();
        let ours = ours.map(|(key, secret)| (key.clone(), secret.texts.clone()));
        let ours = ours.collect();
        let alike = [&self.base, &self.theirs].map(|version| version.with(&ours, &self.ours));
        let [Some(base), Some(theirs)] = alike else {
            return Ok(None);
        };
        let (text, clean) = by_text([self.ours.bytes(), base.bytes(), theirs.bytes()])?;
        Ok(Version::parse(&text).filter(|_| clean))
    }
}

/// What the three sides have after the merge; the same, but for a conflict.
struct Decision {
    base: Texts,
    ours: Texts,
    theirs: Texts,
}

impl Decision {
    fn of(base: Texts, ours: Texts, theirs: Texts) -> Decision {
        if ours == theirs || base == theirs {
            Decision::all(&ours)
        } else if base == ours {
            Decision::all(&theirs)
        } else {
            match union(&base, &ours, &theirs) {
                Some(both) => Decision::all(&both),
                None => Decision { base, ours, theirs },
            }
        }
    }

    fn all(texts: &[String]) -> Decision {
        let texts = texts.to_vec();
        Decision {
            base: texts.clone(),
            ours: texts.clone(),
            theirs: texts,
        }
    }

    fn is_conflict(&self) -> bool {
        self.ours != self.theirs
    }
}

/// Both sides' additions without both sides' removals, if that leaves the same
/// value to every key in each namespace, and nothing to one that a side took
/// out: sealing to further keys on one side and to others on the other is no
/// conflict.
fn union(base: &Texts, ours: &Texts, theirs: &Texts) -> Option<Texts> {
    if ours.is_empty() || theirs.is_empty() {
        return None;
    }
    let kept =
        |text: &&String| !base.contains(text) || (ours.contains(text) && theirs.contains(text));
    let added = theirs.iter().filter(|text| !ours.contains(text));
    let all: Texts = ours.iter().chain(added).filter(kept).cloned().collect();
    let [before, ours, theirs] = [base, ours, theirs].map(readers);
    let is_taken_out =
        |reader: &_| before.contains(reader) && !(ours.contains(reader) && theirs.contains(reader));
    let mut values = BTreeMap::new();
    for text in &all {
        let label = label(text)?;
        let value = *values.entry(label.namespace).or_insert(label.secret);
        if value != label.secret || is_taken_out(&reader(label)) {
            return None;
        }
    }
    (!all.is_empty()).then_some(all)
}

/// `None` if it is no token.
fn label(text: &str) -> Option<Label> {
    Some(text.parse::<Token>().ok()?.label())
}

/// Who can open it: a key, in a namespace.
fn reader(label: Label) -> (ShortHash, ShortHash) {
    (label.key, label.namespace)
}

fn readers(texts: &Texts) -> BTreeSet<(ShortHash, ShortHash)> {
    let labels = texts.iter().filter_map(|text| label(text));
    labels.map(reader).collect()
}

/// `git merge-file`: the text, and whether there was no conflict.
fn by_text([ours, base, theirs]: [&[u8]; 3]) -> Result<(Vec<u8>, bool), Failure> {
    let failed = |said: String| Failure::Program {
        program: "git merge-file".to_owned(),
        said,
    };
    // A version can have a plaintext that nobody has sealed yet.
    let place = editor::directory_in_memory().unwrap_or_else(std::env::temp_dir);
    let directory = tempfile::tempdir_in(place).map_err(|error| failed(error.to_string()))?;
    let write = |name: &str, bytes: &[u8]| -> std::io::Result<PathBuf> {
        let path = directory.path().join(name);
        std::fs::File::create(&path)?.write_all(bytes)?;
        Ok(path)
    };
    let paths = [("ours", ours), ("base", base), ("theirs", theirs)]
        .map(|(name, bytes)| write(name, bytes));
    let [Ok(ours), Ok(base), Ok(theirs)] = paths else {
        return Err(failed("its input cannot be written".to_owned()));
    };
    let output = Command::new("git")
        .args([
            "merge-file",
            "-p",
            "-q",
            "-L",
            "ours",
            "-L",
            "base",
            "-L",
            "theirs",
        ])
        .args([ours, base, theirs])
        .output()
        .map_err(|error| failed(error.to_string()))?;
    match output.status.code() {
        Some(0) => Ok((output.stdout, true)),
        Some(1..=127) => Ok((output.stdout, false)),
        _ => Err(failed("it failed".to_owned())),
    }
}
