//! Secrets: which tokens a container may have opened, judged by their labels.
//!
//! Nothing here opens a token or reads a private key, and no message holds a
//! text that was given for one: it may be a plaintext that someone forgot to
//! seal.

mod entries;
mod keys;

use std::collections::BTreeSet;

use lithos_crypt::{Namespace, ShortHash, Token};

pub(super) use entries::{Entry, entries, origins};
pub use entries::{Origin, Origins};
pub(super) use keys::key_files;

use super::plan::{Ids, Secrets};
use super::problems::{Doc, Problems};
use super::{Documents, delivery, environment, ports};
use crate::config::container::Container;
use crate::config::sandbox::Sandbox;
use crate::config::secret::{SecretMap, Transform};
use crate::facts::Facts;
use entries::{defaults, own};
use keys::{check_keys, expanded};

/// The rules of a container config and its secrets file alone: names, and
/// whether the tokens are such.
pub(super) fn alone(
    container: Doc<'_, Container>,
    secrets_file: Option<Doc<'_, SecretMap>>,
    problems: &mut Problems,
) {
    let entries = own(container, secrets_file);
    check_tokens(&entries, problems);
    check_variables(container, &entries, problems);
    if let Some(file) = secrets_file {
        check_filed_names(container, file, problems);
    }
}

/// The same of a sandbox config.
pub(super) fn sandbox(sandbox: Doc<'_, Sandbox>, problems: &mut Problems) {
    let entries = defaults(sandbox);
    check_tokens(&entries, problems);
    refuse_twice(&entries, problems);
}

/// Refuses what is no token, and the names that are ours.
fn check_tokens(entries: &[Entry<'_>], problems: &mut Problems) {
    for entry in entries {
        for name in entry.variables() {
            environment::check_name(name, entry.spot.clone().key(), problems);
        }
        for (number, text) in entry.sealed.tokens.iter().enumerate() {
            if let Err(err) = text.parse::<Token>() {
                let message = format!("this is no token that can be read: {err}");
                problems
                    .error(entry.token(number), message)
                    .hint("seal the value with `lithos_crypt encrypt`");
            }
        }
    }
}

/// Refuses variables of a `dotenv` that are used or reserved already. (A secret's
/// own name is checked where it is read.)
fn check_variables(container: Doc<'_, Container>, entries: &[Entry<'_>], problems: &mut Problems) {
    let activated = ports::activates(&container);
    for entry in entries {
        let Some(Transform::Dotenv(names)) = &entry.sealed.transform else {
            continue;
        };
        for name in names {
            if container.environ.contains_key(name) {
                let message = format!("its variable `{name}` stands in `environ` too");
                problems.error(entry.spot.clone(), message);
            } else if activated && ports::LISTEN.contains(&name.as_str()) {
                let message = format!("its variable `{name}` is set by systemd activation");
                problems.error(entry.spot.clone(), message);
            }
        }
    }
    refuse_twice(entries, problems);
}

/// Refuses a variable that comes from two secrets.
fn refuse_twice(entries: &[Entry<'_>], problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for entry in entries {
        for name in entry.variables() {
            if !seen.insert(name) {
                let message = format!("the variable `{name}` comes from another secret, too");
                problems.error(entry.spot.clone().key(), message);
            }
        }
    }
}

/// Refuses names that the container config uses or reserves already. (Those of
/// its own `secret-environ` are checked where it is read.)
fn check_filed_names(
    container: Doc<'_, Container>,
    file: Doc<'_, SecretMap>,
    problems: &mut Problems,
) {
    let activated = ports::activates(&container);
    for name in file.value.0.keys() {
        let spot = file.at(&[name]).key();
        if container.environ.contains_key(name) {
            problems
                .error(
                    spot,
                    format!("`{name}` stands in `environ` of {} too", container.file()),
                )
                .hint("keep one of the two");
        } else if activated && ports::LISTEN.contains(&name.as_str()) {
            problems.error(
                spot,
                format!(
                    "`{name}` is set by systemd activation, which {} asks for",
                    container.file()
                ),
            );
        }
    }
}

/// The secrets of a process.
pub(super) fn secrets(
    docs: &Documents<'_>,
    ids: Option<&Ids>,
    facts: &Facts,
    problems: &mut Problems,
) -> Secrets {
    let namespaces = namespaces(docs, problems);
    let entries = entries(docs);
    let files = delivery::files(docs, &entries, ids, problems);
    if entries.is_empty() {
        return Secrets {
            files,
            ..Secrets::default()
        };
    }
    if docs.sandbox.secrets_private_key.is_empty() {
        problems
            .error(
                entries[0].spot.clone().key(),
                "there are secrets, but the sandbox has no `secrets-private-key`",
            )
            .hint(format!(
                "add `secrets-private-key` to {}",
                docs.sandbox.file()
            ));
        return Secrets::default();
    }
    let keys = check_keys(docs, facts, problems);
    for entry in &entries {
        check_labels(entry, keys.as_deref(), &namespaces, problems);
        warn_if_expired(entry, facts, problems);
    }
    let environ = entries.iter().filter(|entry| entry.file.is_none());
    Secrets {
        key_files: expanded(docs),
        namespaces: namespaces.iter().map(|n| n.as_str().to_owned()).collect(),
        environ: environ
            .map(|entry| (entry.name.to_owned(), entry.planned()))
            .collect(),
        files,
    }
}

/// It is delivered all the same: an outage would be worse.
fn warn_if_expired(entry: &Entry<'_>, facts: &Facts, problems: &mut Problems) {
    if let Some(day) = entry.sealed.expires.filter(|day| *day < facts.today) {
        let name = entry.name;
        let message = format!("the secret `{name}` has expired: its last day was {day}");
        problems
            .warning(entry.spot.clone().key(), message)
            .hint("make a new value, seal it, and let the old one be forgotten");
    }
}

/// The sandbox's namespaces, and those that the process adds.
fn namespaces(docs: &Documents<'_>, problems: &mut Problems) -> Vec<Namespace> {
    let sandbox = docs.sandbox;
    let mut namespaces = sandbox.secrets_namespaces.clone();
    for (number, extra) in docs.process.extra_secrets_namespaces.iter().enumerate() {
        if namespaces.contains(extra) {
            continue;
        }
        if !sandbox.allow_extra_secrets_namespaces.contains(extra) {
            problems
                .error(
                    docs.process.at(&["extra-secrets-namespaces"]).item(number),
                    format!(
                        "the namespace `{extra}` is not among the \
                         `allow-extra-secrets-namespaces` of the sandbox ({})",
                        list(&sandbox.allow_extra_secrets_namespaces)
                    ),
                )
                .hint(format!(
                    "add it to `allow-extra-secrets-namespaces` in {}",
                    sandbox.file()
                ));
        }
        namespaces.push(extra.clone());
    }
    namespaces
}

fn list(namespaces: &[Namespace]) -> String {
    match namespaces {
        [] => "none are allowed".to_owned(),
        some => some
            .iter()
            .map(|n| format!("`{n}`"))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

/// Refuses a variable none of whose tokens can be opened, as far as labels
/// tell. Tokens that cannot be read are a problem already.
fn check_labels(
    entry: &Entry<'_>,
    keys: Option<&[ShortHash]>,
    namespaces: &[Namespace],
    problems: &mut Problems,
) {
    let texts = entry.sealed.tokens.iter();
    let tokens: Vec<_> = texts
        .filter_map(|text| text.parse::<Token>().ok())
        .collect();
    let check = |token: &Token| {
        let own = [token.label().key];
        token.check(keys.unwrap_or(&own), namespaces)
    };
    let refused: Vec<_> = tokens
        .iter()
        .filter_map(|token| Some((token.label(), check(token).err()?)))
        .collect();
    if tokens.is_empty() || refused.len() < tokens.len() {
        return;
    }
    let reasons: Vec<_> = match &refused[..] {
        [(_, one)] => vec![one.to_string()],
        several => several
            .iter()
            .map(|(label, err)| format!("{label}: {err}"))
            .collect(),
    };
    problems.error(
        entry.spot.clone(),
        format!(
            "no token for `{}` can be opened: {}",
            entry.name,
            reasons.join("; ")
        ),
    );
}

#[cfg(test)]
mod tests;
