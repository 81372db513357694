//! `merge`: git's merge driver for files with secrets. Secrets are merged by
//! name and token, the rest as text by git itself.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use super::failure::Failure;
use super::versions::{self, Texts};
use super::{editor, rewrite};
use crate::Token;
use crate::document::{Change, Document, Section};

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

/// The secrets of one version.
type Secrets = BTreeMap<(Section, String), Texts>;

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
    let merged = merge(&base, &ours, &theirs)?;
    let (text, conflicts) = match merged {
        Some(merged) => merged,
        // Not ours to understand: as git would without us.
        None => {
            let (text, clean) = by_text([&ours, &base, &theirs])?;
            let lines = (!clean).then(|| "the same lines".to_owned());
            (text, lines.into_iter().collect())
        }
    };
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

/// A text and the names of secrets in conflict.
type Merged = (Vec<u8>, Vec<String>);

/// The merged text; `None` if a version is no document with secrets, or
/// cannot be changed without loss.
fn merge(base: &[u8], ours: &[u8], theirs: &[u8]) -> Result<Option<Merged>, Failure> {
    let parse = |bytes: &[u8]| Document::parse(bytes.to_vec()).ok();
    let (Some(base), Some(ours), Some(theirs)) = (parse(base), parse(ours), parse(theirs)) else {
        return Ok(None);
    };
    let [old, left, right] = [&base, &ours, &theirs].map(secrets);
    let (Some(old), Some(left), Some(right)) = (old, left, right) else {
        return Ok(None);
    };
    let decisions = decide(&old, &left, &right);
    // With our secrets in all three, what differs is not about secrets.
    let alike =
        [(&base, &old), (&theirs, &right)].map(|(document, has)| with(document, has, &left));
    let [Some(base_alike), Some(theirs_alike)] = alike else {
        return Ok(None);
    };
    let texts = [ours.text(), base_alike.text(), theirs_alike.text()].map(str::as_bytes);
    let (text, true) = by_text(texts)? else {
        return Ok(None);
    };
    let Ok(rest) = Document::parse(text) else {
        return Ok(None);
    };
    let side = |choose: fn(&Decision) -> &Texts| {
        let wanted: Secrets = decisions
            .iter()
            .map(|(key, decision)| (key.clone(), choose(decision).clone()))
            .filter(|(_, texts)| !texts.is_empty())
            .collect();
        with(&rest, &left, &wanted)
    };
    let sides = [
        side(|decision| &decision.ours),
        side(|decision| &decision.base),
        side(|decision| &decision.theirs),
    ];
    let [Some(ours), Some(base), Some(theirs)] = sides else {
        return Ok(None);
    };
    let conflicts = decisions
        .iter()
        .filter(|(_, decision)| decision.is_conflict())
        .map(|((_, name), _)| name.clone())
        .collect();
    let texts = [ours.text(), base.text(), theirs.text()].map(str::as_bytes);
    let (text, _) = by_text(texts)?;
    Ok(Some((text, conflicts)))
}

/// What the three sides have after the merge; the same, but for a conflict.
struct Decision {
    base: Texts,
    ours: Texts,
    theirs: Texts,
}

impl Decision {
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

fn decide(
    base: &Secrets,
    ours: &Secrets,
    theirs: &Secrets,
) -> BTreeMap<(Section, String), Decision> {
    let keys = base.keys().chain(ours.keys()).chain(theirs.keys());
    let decision = |key: &(Section, String)| {
        let of = |secrets: &Secrets| secrets.get(key).cloned().unwrap_or_default();
        let (base, ours, theirs) = (of(base), of(ours), of(theirs));
        let decision = if ours == theirs || base == theirs {
            Decision::all(&ours)
        } else if base == ours {
            Decision::all(&theirs)
        } else {
            match union(&base, &ours, &theirs) {
                Some(both) => Decision::all(&both),
                None => Decision { base, ours, theirs },
            }
        };
        (key.clone(), decision)
    };
    keys.map(decision).collect()
}

/// Both sides' additions without both sides' removals, if that leaves the same
/// value to every key in each namespace: sealing to further keys on one side
/// and to others on the other is no conflict.
fn union(base: &Texts, ours: &Texts, theirs: &Texts) -> Option<Texts> {
    if ours.is_empty() || theirs.is_empty() {
        return None;
    }
    let kept =
        |text: &&String| !base.contains(text) || (ours.contains(text) && theirs.contains(text));
    let added = theirs.iter().filter(|text| !ours.contains(text));
    let all: Texts = ours.iter().chain(added).filter(kept).cloned().collect();
    let mut values = BTreeMap::new();
    for text in &all {
        let label = text.parse::<Token>().ok()?.label();
        if *values.entry(label.namespace).or_insert(label.secret) != label.secret {
            return None;
        }
    }
    (!all.is_empty()).then_some(all)
}

/// The secrets of a version; `None` if a name is there twice or holds nothing.
fn secrets(document: &Document) -> Option<Secrets> {
    let mut found = Secrets::new();
    for entry in document.entries() {
        let key = (entry.section().clone(), entry.name().to_owned());
        let texts = versions::texts(&entry);
        if texts.is_empty() || texts.contains(&String::new()) || found.insert(key, texts).is_some()
        {
            return None;
        }
    }
    Some(found)
}

/// The document with these secrets in the place of those that it has.
fn with(document: &Document, has: &Secrets, wanted: &Secrets) -> Option<Document> {
    let change = |key: &(Section, String), tokens: &[String]| Change {
        section: key.0.clone(),
        name: key.1.clone(),
        tokens: tokens.to_vec(),
    };
    let removed = has
        .keys()
        .filter(|key| !wanted.contains_key(key))
        .map(|key| change(key, &[]));
    let others = wanted
        .iter()
        .filter(|(key, texts)| has.get(key) != Some(texts));
    let set = others.map(|(key, texts)| change(key, texts));
    // In this order no map is empty in between.
    let set = document.edited(&set.collect::<Vec<_>>()).ok()?;
    set.edited(&removed.collect::<Vec<_>>()).ok()
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
