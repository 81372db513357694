//! `edit`: a file's secrets in the user's editor.

use std::collections::HashSet;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::editor::Scratch;
use super::failure::Failure;
use super::plaintexts::{self, Found, Shown};
use super::sealing::{SealTo, Sealer};
use super::{doubts, key_files, report, rewrite, sealing, survey, table, types, versions};
use crate::document::{Change, Document, EditError, Section};
use crate::{Label, Namespace, PrivateKey, PublicKey, ShortHash, Token};

/// Edit the secrets of FILE with $VISUAL or $EDITOR
///
/// The editor shows the plaintexts in a file in memory (tmpfs), which is gone
/// with its end. Only values that were changed get new tokens, each key for the
/// namespaces that it had; new ones are sealed as `set` does. A value that is
/// there as it was, under one other name, is renamed: tokens, extras and comments
/// stay. What is removed goes with its extras, with a warning. Without `-i`
/// nothing is opened: placeholders stand for values, and new values can be put
/// there or added, for namespaces that `-n` or lithos-keys.yaml names.
///
/// vim, nano and emacs are told to keep no undo, swap and backup files; of
/// other editors you must know where they keep them. Memory may be swapped out.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub struct Options {
    /// Private key to open with; several may be given
    #[arg(short = 'i', long = "identity", value_name = "KEY")]
    identities: Vec<PathBuf>,

    #[command(flatten)]
    seal_to: SealTo,

    /// Put the plaintexts on a disk if there is no tmpfs
    #[arg(long)]
    on_disk: bool,

    /// YAML file
    file: PathBuf,
}

const EXAMPLE: &str = "\
Example:
  EDITOR=nano lithos_crypt edit -i me config/web.yaml";

/// Shows, waits, and seals what was changed.
pub fn run(options: Options) -> Result<(), Failure> {
    let file = &options.file;
    let surveyed = survey::read(file)?;
    rewrite::refuse_hard_links(file)?;
    let keys = key_files::read_private_keys(&options.identities)?;
    let entries = surveyed.document.entries();
    let shown: Vec<_> = entries
        .iter()
        .map(|entry| Shown::of(entry, &keys))
        .collect();
    let text = plaintexts::render(&file.display().to_string(), &shown);
    let text = text.ok_or_else(|| Failure::Refused {
        what: format!("edit `{}`", file.display()),
        reason: "a name is there twice, or cannot be written plainly; see `check`".to_owned(),
    })?;
    let is_secrets_file = !surveyed.document.has_sections();
    let found = edited(&text, is_secrets_file, options.on_disk)?;
    let renames = renames(&shown, &found);
    let changes = changes(&options, &shown, &found, &renames, &keys)?;
    if renames.is_empty() && changes.is_empty() {
        report::note("nothing was changed");
        return Ok(());
    }
    rewrite::change(file, |document| {
        put(document, file, &shown, &renames, &changes)
    })?;
    print(&shown, &renames, &changes)
}

/// What the user makes of the text. One that cannot be read can be edited again.
fn edited(text: &str, is_secrets_file: bool, on_disk: bool) -> Result<Vec<Found>, Failure> {
    let mut scratch = Scratch::new("secrets.yaml", on_disk)?;
    scratch.write(text.as_bytes())?;
    loop {
        let bytes = scratch.edit()?;
        match plaintexts::parse(&bytes, is_secrets_file) {
            Ok(found) => return Ok(found),
            Err(reason) => {
                let failure = Failure::Refused {
                    what: "read what was edited".to_owned(),
                    reason,
                };
                if !again(&failure) {
                    return Err(failure);
                }
            }
        }
    }
}

fn again(failure: &Failure) -> bool {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return false;
    }
    report::failure(failure);
    let mut stderr = std::io::stderr();
    let _ = write!(stderr, "edit it again? [Y/n] "); // unseen, it is answered with no
    let mut answer = String::new();
    let read = stdin.read_line(&mut answer);
    read.is_ok_and(|length| length > 0) && !answer.trim().eq_ignore_ascii_case("n")
}

/// A secret that has another name, and is the same.
struct Rename<'a> {
    old: &'a Shown,
    new: &'a Found,
}

/// What is gone from a section and has come there under one other name. Of
/// several with one value it cannot be told which is which.
fn renames<'a>(shown: &'a [Shown], found: &'a [Found]) -> Vec<Rename<'a>> {
    let come: Vec<_> = found
        .iter()
        .filter(|new| old_of(shown, new).is_none())
        .collect();
    let gone: Vec<_> = gone(shown, found).collect();
    let is_alike = |old: &Shown, new: &Found| old.section == new.section && old.text == new.text;
    let rename = |old: &&'a Shown| {
        let mut alike = come.iter().filter(|new| is_alike(old, new));
        let new = alike.next().filter(|_| alike.next().is_none())?;
        let olds = gone.iter().filter(|other| is_alike(other, new));
        (olds.count() == 1).then_some(Rename { old, new })
    };
    gone.iter().filter_map(rename).collect()
}

/// What must change in the file besides; sealed, so no plaintext is held any longer.
fn changes(
    options: &Options,
    shown: &[Shown],
    found: &[Found],
    renames: &[Rename<'_>],
    keys: &[PrivateKey],
) -> Result<Vec<Change>, Failure> {
    let mut changes = Vec::new();
    let mut sealer = None;
    for new in found {
        let old = old_of(shown, new);
        let is_renamed = renames.iter().any(|rename| std::ptr::eq(rename.new, new));
        if is_renamed || old.is_some_and(|old| old.text == new.text) {
            continue;
        }
        if plaintexts::is_placeholder(&new.text) {
            return Err(Failure::Refused {
                what: format!("seal {}", new.name),
                reason: "a placeholder stands there, which is no value".to_owned(),
            });
        }
        let sealer = match &mut sealer {
            Some(sealer) => sealer,
            empty => empty.insert(sealer_for(options, keys)?),
        };
        changes.push(sealed(options, old, new, sealer)?);
    }
    let is_renamed = |old: &&Shown| renames.iter().any(|rename| std::ptr::eq(rename.old, *old));
    let removed = gone(shown, found).filter(|old| !is_renamed(old));
    changes.extend(removed.map(removal));
    Ok(changes)
}

fn sealed(
    options: &Options,
    old: Option<&Shown>,
    new: &Found,
    sealer: &Sealer,
) -> Result<Change, Failure> {
    if sealer.recipients.is_none() && options.seal_to.key_files.is_empty() {
        refuse_to_lose_readers(old, sealer)?;
    }
    let kind = old.and_then(|old| old.kind);
    // What was typed is not thrown away for it.
    types::warn(kind, &new.name, new.text.as_bytes());
    doubts::warn(new.text.as_bytes(), true);
    Ok(Change {
        section: new.section.clone(),
        name: new.name.clone(),
        tokens: seal(new, old, sealer, &options.file)?,
    })
}

/// Says what goes unseen with it: the editor shows values alone.
fn removal(old: &Shown) -> Change {
    if old.has_extras {
        report::warning(format_args!(
            "{} is removed with what stands beside its value",
            old.name
        ));
        report::hint("to rename a secret and keep that, change nothing but its name");
    }
    Change {
        section: old.section.clone(),
        name: old.name.clone(),
        tokens: Vec::new(),
    }
}

/// What was shown and is not there any more.
fn gone<'a>(shown: &'a [Shown], found: &[Found]) -> impl Iterator<Item = &'a Shown> {
    shown.iter().filter(|old| {
        let mut found = found.iter();
        !found.any(|new| is_same(old, &new.section, &new.name))
    })
}

fn old_of<'a>(shown: &'a [Shown], new: &Found) -> Option<&'a Shown> {
    shown
        .iter()
        .find(|old| is_same(old, &new.section, &new.name))
}

fn is_same(shown: &Shown, section: &Section, name: &str) -> bool {
    shown.name == name && shown.section == *section
}

/// As given or listed; else whoever edits is the one who reads.
fn sealer_for(options: &Options, keys: &[PrivateKey]) -> Result<Sealer, Failure> {
    match options.seal_to.sealer(&options.file) {
        Err(Failure::NoKeys { .. }) if !keys.is_empty() => Ok(Sealer {
            keys: keys.iter().map(PrivateKey::public).collect(),
            namespace: options.seal_to.namespace.clone().unwrap_or_default(),
            recipients: None,
        }),
        sealer => sealer,
    }
}

/// With only the editor's own keys to seal to, others must not lose a secret.
fn refuse_to_lose_readers(old: Option<&Shown>, sealer: &Sealer) -> Result<(), Failure> {
    let mut labels = old.map(Shown::labels).unwrap_or_default().into_iter();
    let stranger = labels.find(|label| sealer.keys.iter().all(|key| key.hash() != label.key));
    match (old, stranger) {
        (Some(old), Some(label)) => Err(Failure::Refused {
            what: format!("seal {} anew", old.name),
            reason: format!(
                "it is sealed to the key {} too; name all its public keys with `-k`",
                label.key
            ),
        }),
        _ => Ok(()),
    }
}

/// For each key the namespaces that it had; all of them for a key that had none.
fn seal(
    new: &Found,
    old: Option<&Shown>,
    sealer: &Sealer,
    file: &Path,
) -> Result<Vec<String>, Failure> {
    let labels = old.map(Shown::labels).unwrap_or_default();
    let mut hashes: Vec<_> = labels.iter().map(|label| label.namespace).collect();
    if hashes.is_empty() {
        hashes.push(sealer.namespace.hash());
    }
    let mut seen = HashSet::new();
    hashes.retain(|hash| seen.insert(*hash));
    let mut tokens = Vec::new();
    for hash in hashes {
        let keys = keys_for(hash, &sealer.keys, &labels);
        if keys.is_empty() {
            continue;
        }
        let known = known_namespaces(old, sealer, file);
        let namespace = known.iter().find(|known| known.hash() == hash);
        let namespace = namespace.ok_or_else(|| Failure::UnknownNamespace {
            name: new.name.clone(),
            namespace: hash,
        })?;
        tokens.extend(sealing::seal(&keys, namespace, new.text.as_bytes())?);
    }
    Ok(tokens.iter().map(Token::to_string).collect())
}

/// Those that are known by more than their hashes: of opened tokens, for the file,
/// and the empty one.
fn known_namespaces(old: Option<&Shown>, sealer: &Sealer, file: &Path) -> Vec<Namespace> {
    let opened = old.map_or(&[][..], |old| &old.namespaces);
    let listed = sealer.recipients.as_ref();
    let rule = listed.and_then(|listed| listed.rule(file));
    let listed = rule.map_or(&[][..], |rule| &rule.namespaces);
    let others = [sealer.namespace.clone(), Namespace::default()];
    [opened, listed, &others].concat()
}

/// The keys that had a namespace, and those that had none at all.
fn keys_for(namespace: ShortHash, keys: &[PublicKey], labels: &[Label]) -> Vec<PublicKey> {
    let keys = keys.iter().filter(|key| {
        let had = labels.iter().filter(|label| label.key == key.hash());
        let had: Vec<_> = had.map(|label| label.namespace).collect();
        had.is_empty() || had.contains(&namespace)
    });
    keys.cloned().collect()
}

/// The document with the changes, unless somebody else changed the same secrets.
fn put(
    document: Document,
    path: &Path,
    shown: &[Shown],
    renames: &[Rename<'_>],
    changes: &[Change],
) -> Result<Document, Failure> {
    let changed = changes.iter().map(|change| (&change.section, &change.name));
    let renamed = renames
        .iter()
        .flat_map(|Rename { old, new }| [(&old.section, &old.name), (&new.section, &new.name)]);
    for (section, name) in changed.chain(renamed) {
        let entries = document.named(name);
        let now = entries.iter().find(|now| now.section() == section);
        let then = shown.iter().find(|old| is_same(old, section, name));
        if now.map(versions::texts).as_ref() != then.map(|then| &then.tokens) {
            let path = path.to_owned();
            return Err(Failure::Meanwhile { path });
        }
    }
    edit(&document, renames, changes).map_err(|cause| Failure::Edit {
        path: path.to_owned(),
        cause,
    })
}

fn edit(
    document: &Document,
    renames: &[Rename<'_>],
    changes: &[Change],
) -> Result<Document, EditError> {
    let mut edited = document.edited(changes)?;
    for Rename { old, new } in renames {
        edited = edited.renamed(&old.section, &old.name, &new.name)?;
    }
    Ok(edited)
}

fn print(shown: &[Shown], renames: &[Rename<'_>], changes: &[Change]) -> Result<(), Failure> {
    let renamed =
        |Rename { old, new }: &Rename<'_>| format!("renamed {} to {}\n", old.name, new.name);
    let changed = |change: &Change| {
        let was = shown
            .iter()
            .any(|old| is_same(old, &change.section, &change.name));
        let what = match (was, change.tokens.is_empty()) {
            (_, true) => "removed",
            (true, false) => "changed",
            (false, false) => "added",
        };
        format!("{what} {}\n", change.name)
    };
    let lines = renames.iter().map(renamed);
    table::out(&lines.chain(changes.iter().map(changed)).collect::<String>())
}
