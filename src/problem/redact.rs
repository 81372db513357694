//! What of a line may be shown.
//!
//! No value below a `secret-*` key and no value of a secrets file: it should
//! have been a token, and may be a plaintext that someone forgot to seal. In
//! doubt nothing is shown but `…`: after a syntax error nobody knows what
//! belongs to what, so nothing is shown from the first such key on.

use std::ops::Range;

use super::place;
use super::{Place, Source, Step};

/// A line, or what may be shown of it, and the part of it that the problem is
/// about, in bytes.
pub(super) struct Shown {
    pub text: String,
    pub mark: Range<usize>,
}

/// The most characters of a line that are shown on either side of the place.
const WINDOW: usize = 100;
/// How deep a value may be for what is around it to be looked for; none of our keys is
/// as deep, and the text is read again for each level.
const MOST_AROUND: usize = 8;

pub(super) fn line(source: &Source, place: &Place, position: (usize, usize)) -> Shown {
    let (line, column) = position;
    let raw = source.text.split('\n').nth(line - 1).unwrap_or_default();
    let raw = raw.trim_end();
    match may_be_shown(source, place, position, raw) {
        true => window(raw, column, place),
        false => redacted(source, raw, place),
    }
}

fn steps(place: &Place) -> &[Step] {
    match place {
        Place::Key(steps) | Place::SecondKey(steps) | Place::Value(steps) => steps,
        Place::Whole | Place::Position { .. } => &[],
    }
}

fn may_be_shown(source: &Source, place: &Place, position: (usize, usize), raw: &str) -> bool {
    let steps = steps(place);
    if source.secret || below_secret(steps).is_some() || mentions_secret(raw) {
        return false;
    }
    // A secret may be written anywhere and be referred to by an alias.
    if source.text.contains('&') && source.text.contains('*') && mentions_secret(&source.text) {
        return false;
    }
    if !source.text.lines().take(position.0).any(mentions_secret) {
        return true;
    }
    let is_position = matches!(place, Place::Position { .. });
    if is_position || steps.len() > MOST_AROUND || may_belong_to_secret(source, place, position.0) {
        return false;
    }
    // Nothing of a secret that began on a line above is on this one, if it
    // begins with the value that the problem is about, or with a key around it.
    let first = raw.len() - after_indentation(raw).len();
    let first = raw[..first].chars().count() + 1;
    let begins = |at: (usize, usize)| at == (position.0, first);
    let around = (1..=steps.len()).filter_map(|n| place::key(&source.text, &steps[..n], 0));
    begins(position) || around.into_iter().any(begins)
}

/// Whether this is a key of the document in a line that may have been meant to stand below
/// a secret key: one further up has nothing, and the line after it is not indented.
fn may_belong_to_secret(source: &Source, place: &Place, line: usize) -> bool {
    if !matches!(place, Place::Key(steps) | Place::SecondKey(steps) if steps.len() == 1) {
        return false;
    }
    let is_blank = |line: &&str| line.trim().is_empty() || line.trim_start().starts_with('#');
    let lines: Vec<_> = source.text.lines().take(line).collect();
    let mut lines = lines.into_iter().filter(|line| !is_blank(line)).peekable();
    while let Some(line) = lines.next() {
        let indented = |next: &&str| next.starts_with([' ', '\t']);
        if has_nothing(line) && lines.peek().is_some_and(|next| !indented(next)) {
            return true;
        }
    }
    false
}

/// Whether this is a secret key of the document without a value.
fn has_nothing(line: &str) -> bool {
    line.split_once(':').is_some_and(|(key, value)| {
        let value = value.split(" #").next().unwrap_or_default().trim();
        is_secret(key.trim_end()) && matches!(value, "" | "~" | "null")
    })
}

/// The number of the first step that is a secret key.
fn below_secret(steps: &[Step]) -> Option<usize> {
    let secret = |step: &Step| matches!(step, Step::Key(key) if is_secret(key));
    steps.iter().position(secret)
}

fn after_indentation(line: &str) -> &str {
    let mut rest = line.trim_start();
    while let Some(item) = rest.strip_prefix("- ") {
        rest = item.trim_start();
    }
    rest
}

fn mentions_secret(line: &str) -> bool {
    let within = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    line.split(|c| !within(c)).any(is_secret)
}

/// Whether values below `key` are secret: it is like `secret-environ`, however
/// misspelt, or speaks of secrets and is not one of the keys that do so
/// harmlessly.
pub(crate) fn is_secret(key: &str) -> bool {
    const HARMLESS: [&str; 4] = [
        "no-default-secrets",
        "secrets-namespaces",
        "extra-secrets-namespaces",
        "allow-extra-secrets-namespaces",
    ];
    const SECRET: [&str; 2] = ["secret-environ", "secret-environ-file"];
    if key.len() < 6 {
        return false;
    }
    let key = key.replace('_', "-").to_lowercase();
    let close = |secret: &&str| {
        key.len().abs_diff(secret.len()) <= 4 && strsim::osa_distance(&key, secret) <= 4
    };
    !HARMLESS.contains(&key.as_str()) && (key.contains("secret") || SECRET.iter().any(close))
}

/// Whether the value of the secret `key` is the path of a file, or of several.
pub(crate) fn is_secret_path(key: &str) -> bool {
    let key = key.replace('_', "-");
    matches!(key.as_str(), "secret-environ-file" | "secrets-private-key")
}

/// The line without any value: its indentation, its key if it is surely one,
/// and `…`.
fn redacted(source: &Source, raw: &str, place: &Place) -> Shown {
    let rest = after_indentation(raw);
    let indentation = raw[..raw.len() - rest.len()].replace('\t', " ");
    let start = indentation.len();
    let Some(key) = sure_key(source, rest, steps(place)) else {
        return Shown {
            text: format!("{indentation}…"),
            mark: start..start + '…'.len_utf8(),
        };
    };
    let value = start + key.len() + 2;
    let mark = match place {
        Place::Key(_) | Place::SecondKey(_) => start..start + key.len(),
        _ => value..value + '…'.len_utf8(),
    };
    Shown {
        text: format!("{indentation}{key}: …"),
        mark,
    }
}

/// The key that `rest` begins with, if it is one of ours, or one that leads to
/// the problem and looks like a variable's name rather than like a value.
fn sure_key<'a>(source: &Source, rest: &'a str, steps: &[Step]) -> Option<&'a str> {
    const OURS: [&str; 6] = [
        "secret-environ",
        "secret-environ-file",
        "secret-files",
        "secret-templates",
        "default-secrets",
        "secrets-private-key",
    ];
    let (key, value) = rest.split_once(':')?;
    if !(value.is_empty() || value.starts_with([' ', '\t'])) {
        return None;
    }
    let outside = match below_secret(steps) {
        _ if source.secret => 0,
        None if steps.len() == 1 => 0,
        Some(secret) => secret + 1,
        None => steps.len(),
    };
    let leads = |steps: &[Step]| steps.iter().any(|step| *step == Step::from(key));
    let variable = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let ours = OURS.contains(&key.replace('_', "-").as_str());
    (ours && !source.secret
        || leads(&steps[..outside])
        || leads(steps) && key.chars().all(variable))
    .then_some(key)
}

/// The line, cut where it is very long, with the key or value marked.
fn window(raw: &str, column: usize, place: &Place) -> Shown {
    let skipped = column.saturating_sub(1 + WINDOW);
    let ahead: String = raw.chars().skip(column - 1).collect();
    let marked = marked(&ahead, raw, place).min(WINDOW);
    let before: String = raw.chars().take(column - 1).skip(skipped).collect();
    let after: String = ahead.chars().take(WINDOW).collect();
    let start = before.len() + if skipped > 0 { '…'.len_utf8() } else { 0 };
    let cut_before = if skipped > 0 { "…" } else { "" };
    let cut_after = if ahead.chars().nth(WINDOW).is_some() {
        "…"
    } else {
        ""
    };
    let end = after
        .char_indices()
        .nth(marked)
        .map_or(after.len(), |(at, _)| at);
    Shown {
        mark: start..start + end,
        text: format!("{cut_before}{before}{after}{cut_after}"),
    }
}

/// How many characters of `ahead` the problem is about.
fn marked(ahead: &str, raw: &str, place: &Place) -> usize {
    let key = match place {
        Place::Key(steps) | Place::SecondKey(steps) => match steps.last() {
            Some(Step::Key(key)) => Some(key),
            _ => None,
        },
        _ => None,
    };
    if let Some(key) = key.filter(|key| ahead.starts_with(key.as_str())) {
        return key.chars().count();
    }
    if matches!(place, Place::Position { .. }) {
        return 1;
    }
    let end = ahead.find(" #").unwrap_or(ahead.len());
    let flow = raw.len() != ahead.len() && raw[..raw.len() - ahead.len()].contains(['[', '{']);
    let end = match flow {
        true => ahead[..end].find([',', ']', '}']).unwrap_or(end),
        false => end,
    };
    ahead[..end].trim_end().chars().count().max(1)
}
