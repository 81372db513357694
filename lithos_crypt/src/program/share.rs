//! `grant` and `revoke`: change who the recipients are, and what follows.

use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::Failure;
use super::recipients::Recipients;
use super::reseal::{self, Other, Reseal, Touched};
use super::survey::{self, Surveyed};
use super::versions::{self, Texts};
use super::{key_files, rekey, report, sealing, table};
use crate::document::{Document, EditError, Entry};
use crate::{PrivateKey, PublicKey, ShortHash, Token};

/// Let WHO read the secrets of FILEs: in lithos-keys.yaml, and by sealing
/// them to WHO
///
/// WHO is the name of a key or a group there. What is written is all of it, or
/// nothing.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub struct GrantOptions {
    /// Private key that opens the secrets now
    #[arg(short = 'i', long = "identity", value_name = "KEY", required = true)]
    key_files: Vec<PathBuf>,

    /// Public key to list under the name WHO, if it is a new one
    #[arg(long, value_name = "FILE.pub")]
    key: Option<PathBuf>,

    /// Name of a key or a group
    who: String,

    /// Files whose rules of lithos-keys.yaml are meant
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// Let WHO no longer read the secrets of FILEs, or of any file
///
/// WHO is taken out of lithos-keys.yaml and what is sealed to it out of the
/// files; no private key is needed. If it could still read one of FILEs, by a
/// group that it is in or as a required recipient, nothing is changed. The values must then be changed at their
/// services, since the repository's history stays: they are listed.
#[derive(Args)]
#[command(after_help = REVOKE_EXAMPLE)]
pub struct RevokeOptions {
    /// Name of a key or a group
    who: String,

    /// Files whose rules of lithos-keys.yaml are meant [default: all rules and
    /// groups, and the key itself]
    files: Vec<PathBuf>,
}

const EXAMPLE: &str = "\
Examples:
  lithos_crypt grant -i web1 web2 shop/web.yaml
  lithos_crypt grant -i web1 web3 --key web3.pub shop/web.yaml

lithos-keys.yaml:
  keys:
    web1: ssh-ed25519 AAAA… root@web1
    recovery: ssh-ed25519 AAAA… paper in the safe
  groups:
    prod: [web1, recovery]
  required-recipients: [recovery]   # of every file
  files:                            # the first pattern that matches counts
    \"shop/*.yaml\": { namespaces: [shop], recipients: [prod] }";

const REVOKE_EXAMPLE: &str = "\
Examples:
  lithos_crypt revoke web2 shop/web.yaml
  lithos_crypt revoke alice";

/// Adds the name, and tokens for the keys that come with it.
pub fn run_grant(options: GrantOptions) -> Result<(), Failure> {
    let keys = key_files::read_private_keys(&options.key_files)?;
    let mut sheet = Sheet::open(&options.files[0])?;
    if let Some(path) = &options.key {
        sheet.add_key(&options.who, &key_files::read_public_key(path)?)?;
    }
    sheet.current()?.keys_named(&options.who)?;
    for pattern in sheet.patterns_of(&options.files)? {
        sheet.add(&["files", &pattern, "recipients"], &options.who)?;
    }
    let touched = sheet.apply(&keys)?;
    let changed = touched.iter().filter(|secret| secret.is_changed);
    let line = |secret: &Touched| {
        format!(
            "{} can read {} in {}\n",
            options.who,
            secret.name,
            secret.path.display()
        )
    };
    table::out(&changed.map(line).collect::<String>())
}

/// Takes the name out, and the tokens of the keys that go with it.
pub fn run_revoke(options: RevokeOptions) -> Result<(), Failure> {
    let start = options
        .files
        .first()
        .cloned()
        .unwrap_or_else(|| PathBuf::from("."));
    let mut sheet = Sheet::open(&start)?;
    let who = &options.who;
    let is_key = sheet.old.key(who).is_some();
    sheet.old.keys_named(who)?;
    if options.files.is_empty() {
        for path in sheet.old.lists_with(who) {
            sheet.remove(&path.iter().map(String::as_str).collect::<Vec<_>>(), who)?;
        }
        sheet.change(|document| {
            document.without_text(if is_key { "keys" } else { "groups" }, who)
        })?;
    }
    for pattern in sheet.patterns_of(&options.files)? {
        sheet.remove(&["files", &pattern, "recipients"], who)?;
    }
    let mut still_reading = Vec::new();
    for file in &options.files {
        still_reading.extend(sheet.still_reading(who, file)?);
    }
    let touched = sheet.apply(&[])?;
    still_reading.iter().for_each(report::warning);
    if touched.is_empty() {
        report::note("no token was taken out");
        return Ok(());
    }
    rekey::values_to_change(&touched, &format!("the key of {who}"))
}

/// The recipients file, as it was and as it shall be.
struct Sheet {
    old: Recipients,
    original: String,
    document: Document,
}

impl Sheet {
    /// The one that counts for this file.
    fn open(file: &Path) -> Result<Sheet, Failure> {
        let path = file.to_owned();
        let old = Recipients::find(file)?.ok_or(Failure::NoRecipientsFile { path })?;
        let Surveyed { document, .. } = survey::read(&old.path)?;
        let original = document.text().to_owned();
        Ok(Sheet {
            old,
            original,
            document,
        })
    }

    fn current(&self) -> Result<Recipients, Failure> {
        Recipients::parse(
            self.old.path.clone(),
            self.document.text().as_bytes().to_vec(),
        )
    }

    fn change(
        &mut self,
        edit: impl FnOnce(&Document) -> Result<Document, EditError>,
    ) -> Result<(), Failure> {
        let edited = edit(&self.document);
        let path = self.old.path.clone();
        self.document = edited.map_err(|cause| Failure::Edit { path, cause })?;
        Ok(())
    }

    /// Lists a key under a name, unless it is there already.
    fn add_key(&mut self, name: &str, key: &PublicKey) -> Result<(), Failure> {
        let known = self.old.key(name).map(PublicKey::hash);
        if known == Some(key.hash()) {
            return Ok(());
        }
        let other = self.old.name_of(key.hash());
        let taken = self.old.keys_named(name).is_ok();
        if taken || other.is_some() {
            let reason = match other {
                Some(other) => format!("it is listed as {other} already"),
                None => "the name is another key's or a group's".to_owned(),
            };
            return Err(Failure::Refused {
                what: format!("list the key {} as {name}", key.hash()),
                reason,
            });
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "@._-".contains(c);
        let comment = if key.comment().chars().all(is_plain) {
            key.comment()
        } else {
            ""
        };
        let line = format!("{} {comment}", key.to_openssh());
        self.change(|document| document.with_text("keys", name, line.trim_end()))
    }

    fn add(&mut self, path: &[&str], who: &str) -> Result<(), Failure> {
        let mut names = self.current()?.list_at(path);
        if !names.iter().any(|name| name == who) {
            names.push(who.to_owned());
            self.change(|document| document.with_list(path, &names))?;
        }
        Ok(())
    }

    fn remove(&mut self, path: &[&str], who: &str) -> Result<(), Failure> {
        let mut names = self.current()?.list_at(path);
        if !names.iter().any(|name| name == who) {
            return Err(Failure::Refused {
                what: format!("revoke {who}"),
                reason: format!("{} does not name it; a group of it may be", path.join(".")),
            });
        }
        names.retain(|name| name != who);
        if names.is_empty() {
            return Err(Failure::Refused {
                what: format!("revoke {who}"),
                reason: format!("{} would name nobody", path.join(".")),
            });
        }
        self.change(|document| document.with_list(path, &names))
    }

    /// Who of WHO reads a file by other names even so. If all do, nothing would
    /// be revoked.
    fn still_reading(&self, who: &str, file: &Path) -> Result<Vec<String>, Failure> {
        let new = self.current()?;
        let keys = self.old.keys_named(who)?;
        let ways = keys
            .iter()
            .map(|key| (key, new.ways_to(file, key.hash()).join(" and ")));
        let left: Vec<_> = ways.filter(|(_, ways)| !ways.is_empty()).collect();
        match left.first() {
            Some((_, ways)) if left.len() == keys.len() => Err(Failure::StillReads {
                who: who.to_owned(),
                path: file.to_owned(),
                ways: ways.clone(),
            }),
            _ => Ok(left
                .iter()
                .map(|(key, ways)| {
                    let name = sealing::name_of(Some(&new), key.hash());
                    format!("{name} can still read `{}`, since {ways}", file.display())
                })
                .collect()),
        }
    }

    /// Whether no other recipients file is nearer to a file.
    fn counts_for(&self, file: &Path) -> Result<bool, Failure> {
        let nearest = Recipients::locate(file)?;
        Ok(nearest.is_some_and(|(path, _)| path == self.old.path))
    }

    /// The patterns that match these files, each once.
    fn patterns_of(&self, files: &[PathBuf]) -> Result<Vec<String>, Failure> {
        let mut patterns: Vec<String> = Vec::new();
        for file in files {
            if !self.counts_for(file)? {
                return Err(Failure::Refused {
                    what: format!("change who reads `{}`", file.display()),
                    reason: format!(
                        "`{}` does not count for it; name it by itself",
                        self.old.path.display()
                    ),
                });
            }
            let rule = self.old.rule(file).ok_or_else(|| Failure::Refused {
                what: format!("change who reads `{}`", file.display()),
                reason: format!("no pattern of `{}` matches it", self.old.path.display()),
            })?;
            if !patterns.contains(&rule.pattern) {
                patterns.push(rule.pattern.clone());
            }
        }
        Ok(patterns)
    }

    /// Writes the sheet, and the tokens that it adds or takes away.
    fn apply(&self, keys: &[PrivateKey]) -> Result<Vec<Touched>, Failure> {
        let new = self.current()?;
        let root = self.old.path.parent().unwrap_or(Path::new("/")).to_owned();
        let here = std::env::current_dir().unwrap_or_default();
        let as_named = |path: PathBuf| path.strip_prefix(&here).map(Path::to_owned).unwrap_or(path);
        let mut files = Vec::new();
        for file in reseal::files(&[root])? {
            if self.counts_for(&file)? {
                files.push(as_named(file));
            }
        }
        let others = [Other {
            path: &self.old.path,
            old: &self.original,
            new: self.document.text(),
        }];
        reseal::change_all(&files, &others, false, |path, entry| {
            let (before, after) = (self.old.keys_of_file(path), new.keys_of_file(path));
            let is_of = |keys: &[(ShortHash, &PublicKey)], hash: &ShortHash| {
                keys.iter().any(|(known, _)| known == hash)
            };
            let come = after.iter().filter(|(hash, _)| !is_of(&before, hash));
            let come: Vec<PublicKey> = come.map(|(_, key)| PublicKey::clone(key)).collect();
            if !come.is_empty() {
                return with_readers(entry, path, come, keys).map(Some);
            }
            without_readers(entry, path, |key| {
                let is_unlisted = self.old.name_of(*key).is_some() && new.name_of(*key).is_none();
                is_unlisted || is_of(&before, key) && !is_of(&after, key)
            })
        })
    }
}

/// What stands there, sealed to further keys.
fn with_readers(
    entry: &Entry<'_>,
    path: &Path,
    come: Vec<PublicKey>,
    keys: &[PrivateKey],
) -> Result<Texts, Failure> {
    let reseal = Reseal {
        old: keys.iter().map(PrivateKey::hash).collect(),
        new: come,
        keys,
        keep_old: true,
        prune: false,
    };
    let texts = reseal.texts(entry, path)?;
    texts.ok_or_else(|| Failure::Refused {
        what: format!("seal {} of `{}` anew", entry.name(), path.display()),
        reason: "the given key opens none of its tokens".to_owned(),
    })
}

/// What stands there, without what is sealed to keys that are gone; `None` if
/// nothing is.
fn without_readers(
    entry: &Entry<'_>,
    path: &Path,
    is_gone: impl Fn(&ShortHash) -> bool,
) -> Result<Option<Texts>, Failure> {
    let texts = versions::texts(entry);
    let is_left = |text: &String| {
        let token = text.parse::<Token>();
        token.map_or(true, |token| !is_gone(&token.label().key))
    };
    let left: Texts = texts.iter().filter(|text| is_left(text)).cloned().collect();
    if left.len() == texts.len() {
        return Ok(None);
    }
    if left.is_empty() {
        let (name, path) = (entry.name(), path.display());
        return Err(Failure::Refused {
            what: format!("take the last token from {name} of `{path}`"),
            reason: "nobody could read it any more; seal it to others first".to_owned(),
        });
    }
    Ok(Some(left))
}
