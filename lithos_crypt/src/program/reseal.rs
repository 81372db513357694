//! Sealing to other keys what is sealed already: the one place that opens
//! values and seals them again. Namespaces stay what they are.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::progress::Progress;
use super::rewrite::Batch;
use super::versions::Texts;
use super::{survey, versions};
use crate::document::{Change, Document, Entry};
use crate::{Allowed, Delivery, PrivateKey, PublicKey, Refusal, ShortHash, Token};

/// What shall become of tokens.
pub struct Reseal<'a> {
    /// Keys whose tokens are meant.
    pub old: HashSet<ShortHash>,
    /// Keys to seal them to.
    pub new: Vec<PublicKey>,
    /// Private keys to open them with.
    pub keys: &'a [PrivateKey],
    /// The old ones stay beside the new.
    pub keep_old: bool,
    /// Nothing is sealed: old ones go where the new ones are there already.
    pub prune: bool,
}

impl Reseal<'_> {
    /// What shall stand under a name; `None` if nothing there is meant.
    pub fn texts(&self, entry: &Entry<'_>, path: &Path) -> Result<Option<Texts>, Failure> {
        let old = versions::texts(entry);
        let tokens: Vec<Option<Token>> = old.iter().map(|text| text.parse().ok()).collect();
        let of = |token: &Token| {
            (
                token.label().key,
                token.label().namespace,
                token.label().secret,
            )
        };
        let mut there: HashSet<_> = tokens.iter().flatten().map(of).collect();
        let (mut new, mut is_meant) = (Texts::new(), false);
        for (text, token) in old.into_iter().zip(tokens) {
            let Some(token) = token.filter(|token| self.old.contains(&token.label().key)) else {
                new.push(text);
                continue;
            };
            is_meant = true;
            let label = token.label();
            let missing = self
                .new
                .iter()
                .filter(|key| !there.contains(&(key.hash(), label.namespace, label.secret)));
            let missing: Vec<_> = missing.collect();
            let is_new = self.new.iter().any(|key| key.hash() == label.key);
            if self.keep_old || is_new || (self.prune && !missing.is_empty()) {
                new.push(text);
            }
            if missing.is_empty() || self.prune {
                continue;
            }
            for sealed in self.sealed(&token, &missing, entry, path)? {
                there.insert(of(&sealed));
                new.push(sealed.to_string());
            }
        }
        Ok(is_meant.then_some(new))
    }

    /// The value of a token, sealed to these keys.
    fn sealed(
        &self,
        token: &Token,
        keys: &[&PublicKey],
        entry: &Entry<'_>,
        path: &Path,
    ) -> Result<Vec<Token>, Failure> {
        let secret = token.open(self.keys, Allowed::Any, Delivery::File);
        let secret = secret.map_err(|error| Failure::OpenNamed {
            name: entry.name().to_owned(),
            path: path.to_owned(),
            refusals: vec![Refusal {
                label: Some(token.label()),
                error,
            }],
        })?;
        let seal = |key: &&PublicKey| {
            let sealed = key.seal(secret.namespace(), secret.expose());
            sealed.map_err(|cause| Failure::Seal { cause })
        };
        keys.iter().map(seal).collect()
    }
}

/// A secret that was looked at, and whether its tokens change.
pub struct Touched {
    pub name: String,
    pub path: PathBuf,
    pub is_changed: bool,
}

/// Another file that changes together with secrets.
pub struct Other<'a> {
    pub path: &'a Path,
    /// What it was when its change was thought out.
    pub old: &'a str,
    pub new: &'a str,
}

/// Changes the secrets of many files, and other files with them: all or none.
/// `decide` says what shall stand under a name.
pub fn change_all(
    paths: &[PathBuf],
    others: &[Other<'_>],
    dry_run: bool,
    mut decide: impl FnMut(&Path, &Entry<'_>) -> Result<Option<Texts>, Failure>,
) -> Result<Vec<Touched>, Failure> {
    let other_paths = others.iter().map(|other| other.path.to_owned());
    let all: Vec<PathBuf> = other_paths.chain(paths.iter().cloned()).collect();
    let batch = Batch::lock(&all)?;
    let mut documents = batch.documents()?;
    for (other, found) in others.iter().zip(&documents) {
        if found.text() != other.old {
            return Err(Failure::Meanwhile {
                path: other.path.to_owned(),
            });
        }
    }
    let mut touched = Vec::new();
    let mut progress = Progress::new("files", paths.len());
    for (path, document) in paths.iter().zip(&mut documents[others.len()..]) {
        if let Some(edited) = changed(path, document, &mut decide, &mut touched)? {
            *document = edited;
        }
        progress.step();
    }
    if !dry_run {
        let secrets = documents[others.len()..].iter().map(Document::text);
        let texts = others.iter().map(|other| other.new).chain(secrets);
        batch.write(&texts.collect::<Vec<_>>())?;
    }
    Ok(touched)
}

/// A file's document as `decide` wants it; `None` if that is what it is.
fn changed(
    path: &Path,
    document: &Document,
    decide: &mut impl FnMut(&Path, &Entry<'_>) -> Result<Option<Texts>, Failure>,
    touched: &mut Vec<Touched>,
) -> Result<Option<Document>, Failure> {
    let mut changes = Vec::new();
    for entry in document.entries() {
        let Some(tokens) = decide(path, &entry)? else {
            continue;
        };
        let is_changed = tokens != versions::texts(&entry);
        let name = entry.name().to_owned();
        touched.push(Touched {
            name: name.clone(),
            path: path.to_owned(),
            is_changed,
        });
        if is_changed {
            changes.push(Change {
                section: entry.section().clone(),
                name,
                tokens,
            });
        }
    }
    if changes.is_empty() {
        return Ok(None);
    }
    let edited = document.edited(&changes);
    edited.map(Some).map_err(|cause| Failure::Edit {
        path: path.to_owned(),
        cause,
    })
}

/// The files below these paths that have secrets.
pub fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let files = survey::read_all(paths)?.into_iter();
    let with_secrets = files.filter(|file| !file.document.entries().is_empty());
    Ok(with_secrets.map(|file| file.path).collect())
}
