//! The private key files: whose they are, and what is known of what opens.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use lithos_crypt::ShortHash;

use super::entries::entries;
use crate::facts::{Facts, KeyFile, Kind, PublicHalf, Seen};
use crate::resolve::problems::{Problems, Spot};
use crate::resolve::{Documents, paths};

/// The private key files that matter, expanded; none if there is no secret.
pub(in crate::resolve) fn key_files(docs: &Documents<'_>) -> BTreeSet<PathBuf> {
    match entries(docs).is_empty() {
        true => BTreeSet::new(),
        false => expanded(docs).into_iter().collect(),
    }
}

/// All of them, whether there is a secret or not.
pub(super) fn expanded(docs: &Documents<'_>) -> Vec<PathBuf> {
    let files = docs.sandbox.value.secrets_private_key.iter();
    files.map(|file| docs.home.key_file(file)).collect()
}

/// Checks the key files; the hashes of their public keys, if all are known and
/// none of the files can be read: what is in a file counts, not what lies beside
/// it, and whoever can read it opens the tokens.
pub(super) fn check_keys(
    docs: &Documents<'_>,
    facts: &Facts,
    problems: &mut Problems,
) -> Option<Vec<ShortHash>> {
    let written = &docs.sandbox.value.secrets_private_key;
    let mut hashes = Some(Vec::new());
    for (number, file) in written.iter().enumerate() {
        let path = docs.home.key_file(file);
        let Some(key) = facts.key_files.get(&path) else {
            continue;
        };
        let spot = docs.sandbox.at(&["secrets-private-key"]);
        let spot = if written.len() == 1 {
            spot
        } else {
            spot.item(number)
        };
        if let PublicHalf::Broken(why) = &key.public {
            let public = paths::public_key(&path);
            let message = format!("cannot read the public key {}: {why}", public.display());
            problems.warning(spot.clone(), message);
        }
        check_key(&path, key, file != &path, spot, problems);
        hashes = match (hashes, &key.public) {
            (Some(known), PublicHalf::Hashes(more)) if !key.readable => {
                Some([known, more.clone()].concat())
            }
            _ => None,
        };
    }
    hashes
}

/// Refuses a private key file that others can read or write.
fn check_key(path: &Path, key: &KeyFile, credential: bool, spot: Spot, problems: &mut Problems) {
    let shown = path.display();
    match &key.seen {
        Seen::Found(found) if found.kind != Kind::File => {
            problems.error(
                spot,
                format!("the private key {shown} is not a regular file"),
            );
        }
        Seen::Found(found) if found.uid != 0 => problems
            .error(
                spot,
                format!("the private key {shown} is owned by user {}", found.uid),
            )
            .hint(format!("chown root {shown}")),
        Seen::Found(found) if found.mode & !0o600 != 0 => problems
            .error(
                spot,
                format!(
                    "the private key {shown} has mode {:04o}, beyond 0600",
                    found.mode
                ),
            )
            .hint(format!("chmod 0600 {shown}")),
        Seen::Found(_) if key.readable => {}
        Seen::Found(_) | Seen::Unknown(_) => {
            let message = format!("cannot read the private key {shown}: only labels are checked");
            problems.warning(spot, message);
        }
        Seen::Missing if credential || key.public != PublicHalf::Missing => {
            let message = format!("the private key {shown} is not here: only labels are checked");
            problems.warning(spot, message);
        }
        seen => problems
            .error(
                spot,
                format!("cannot use the private key {shown}: {}", seen.why()),
            )
            .hint("make one with `ssh-keygen -t ed25519 -N '' -f FILE`"),
    }
}
