//! What `check` finds wrong with secrets, by their labels alone.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::recipients::Recipients;
use super::{report, sealing, types};
use crate::Day;
use crate::document::{Document, Entry, Place, Value};
use crate::{Namespace, PublicKey, ShortHash, Token};

/// One thing that is wrong.
pub struct Finding {
    /// A word for programs.
    pub kind: &'static str,
    pub path: PathBuf,
    pub place: Place,
    pub name: String,
    pub message: String,
    /// Worth saying, and no reason to refuse.
    pub is_warning: bool,
}

impl Finding {
    /// As it is printed.
    pub fn line(&self) -> String {
        let Place { line, column } = self.place;
        let kind = if self.is_warning { "warning" } else { "error" };
        let kind = report::painted(kind, &std::io::stdout());
        let path = self.path.display();
        format!(
            "{path}:{line}:{column}: {kind}: {}: {}\n",
            self.name, self.message
        )
    }

    pub fn json(&self) -> serde_json::Value {
        json!({
            "kind": self.kind, "file": self.path.to_string_lossy(), "line": self.place.line,
            "column": self.place.column, "name": self.name, "message": self.message,
            "warning": self.is_warning,
        })
    }
}

/// What a file's secrets are held to.
#[derive(Default)]
pub struct Standard<'a> {
    /// For names.
    pub recipients: Option<&'a Recipients>,
    /// Every key that may be there; any, if none is known.
    known: Option<HashSet<ShortHash>>,
    /// Every key that must be there.
    must: Vec<ShortHash>,
    /// Every namespace that may be there; any, if none is known.
    pub namespaces: Option<Vec<Namespace>>,
}

impl<'a> Standard<'a> {
    /// What the recipients file says of a file; keys and namespaces that are
    /// given count instead of its own.
    pub fn of(
        file: &Path,
        recipients: Option<&'a Recipients>,
        keys: &[PublicKey],
        namespaces: &[Namespace],
    ) -> Standard<'a> {
        let mut standard = Standard {
            recipients,
            ..Default::default()
        };
        if let Some(listed) = recipients {
            let rule = listed.rule(file);
            let names = listed.recipients_of(rule);
            let keys = names.iter().filter_map(|name| listed.key(name));
            standard.must = keys.map(PublicKey::hash).collect();
            standard.known = Some(listed.keys().map(PublicKey::hash).collect());
            let namespaces = rule.map(|rule| rule.namespaces.clone());
            standard.namespaces = namespaces.filter(|namespaces| !namespaces.is_empty());
        }
        if !keys.is_empty() {
            standard.must = keys.iter().map(PublicKey::hash).collect();
            standard.known = Some(standard.must.iter().copied().collect());
        }
        if !namespaces.is_empty() {
            standard.namespaces = Some(namespaces.to_vec());
        }
        standard
    }
}

/// Looks at the secrets of one file.
pub struct Examiner<'a> {
    pub path: &'a Path,
    pub standard: Standard<'a>,
    pub today: Day,
    pub found: Vec<Finding>,
    hashes: Option<HashSet<ShortHash>>,
}

impl<'a> Examiner<'a> {
    pub fn new(path: &'a Path, standard: Standard<'a>, today: Day) -> Examiner<'a> {
        let hashes = standard.namespaces.as_ref();
        let hashes = hashes.map(|names| names.iter().map(Namespace::hash).collect());
        Examiner {
            path,
            standard,
            today,
            found: Vec::new(),
            hashes,
        }
    }

    /// Notes that something is wrong.
    pub fn find(&mut self, kind: &'static str, entry: &Entry<'_>, place: Place, message: String) {
        self.found.push(Finding {
            kind,
            path: self.path.to_owned(),
            place,
            name: entry.name().to_owned(),
            message,
            is_warning: matches!(kind, "guessable" | "values-differ"),
        });
    }

    /// Examines the sections, in which secrets could be overlooked.
    pub fn sections(&mut self, document: &Document) {
        for (name, place, message) in document.unsound_sections() {
            self.found.push(Finding {
                kind: "section",
                path: self.path.to_owned(),
                place,
                name: name.to_owned(),
                message: message.to_owned(),
                is_warning: false,
            });
        }
    }

    /// Examines all secrets; the tokens of each, for further examination.
    pub fn examine(&mut self, entries: &[Entry<'_>]) -> Vec<Vec<Token>> {
        self.repetitions(entries);
        entries
            .iter()
            .map(|entry| self.examine_one(entry))
            .collect()
    }

    fn repetitions(&mut self, entries: &[Entry<'_>]) {
        let mut seen = HashMap::new();
        for entry in entries {
            let first = *seen
                .entry((entry.section(), entry.name()))
                .or_insert(entry.place());
            if first != entry.place() {
                let Place { line, column } = first;
                let message = format!("it is there twice, first in line {line}, column {column}");
                self.find("duplicate", entry, entry.place(), message);
            }
            for place in entry.repeated_keys() {
                let message = "a key of its map is there twice".to_owned();
                self.find("duplicate", entry, place, message);
            }
        }
    }

    fn examine_one(&mut self, entry: &Entry<'_>) -> Vec<Token> {
        let (mut tokens, mut texts) = (Vec::new(), HashSet::new());
        let values = entry.values();
        if values.is_empty() {
            self.find(
                "empty",
                entry,
                entry.place(),
                "its list has no token".to_owned(),
            );
        }
        for value in &values {
            if let Some(text) = value.text.filter(|text| !texts.insert(*text)) {
                let kind = if value.is_like_a_token() {
                    "duplicate"
                } else {
                    "plaintext"
                };
                let _ = text; // may be a plaintext
                self.find(
                    kind,
                    entry,
                    value.place,
                    "the same is in the list twice".to_owned(),
                );
            }
            if let Some(token) = self.token(entry, value) {
                self.label(entry, value, &token);
                tokens.push(token);
            }
        }
        self.expiry(entry);
        if let Err(message) = types::of_entry(entry) {
            self.find("malformed", entry, entry.place(), message);
        }
        if !tokens.is_empty() {
            self.readers(entry, &tokens);
        }
        tokens
    }

    fn token(&mut self, entry: &Entry<'_>, value: &Value<'_>) -> Option<Token> {
        let (kind, message) = match value.text {
            None => ("malformed", "there is no token".to_owned()),
            Some(text) if value.is_like_a_token() || text.starts_with("v2:") => {
                match text.parse() {
                    Ok(token) => return Some(token),
                    Err(cause) => ("malformed", format!("not a token: {cause}")),
                }
            }
            Some(_) => (
                "plaintext",
                "a plaintext stands where a token belongs".to_owned(),
            ),
        };
        self.find(kind, entry, value.place, message);
        None
    }

    fn label(&mut self, entry: &Entry<'_>, value: &Value<'_>, token: &Token) {
        let label = token.label();
        let name = sealing::name_of(self.standard.recipients, label.key);
        let is_known = self
            .standard
            .known
            .as_ref()
            .is_none_or(|known| known.contains(&label.key));
        if !is_known {
            let message = format!("it is sealed to the unknown key {}", label.key);
            self.find("unknown-key", entry, value.place, message);
        } else if !self.standard.must.is_empty() && !self.standard.must.contains(&label.key) {
            let message = format!("it is still sealed to {name}, which is no recipient");
            self.find("stale-key", entry, value.place, message);
        }
        if self
            .hashes
            .as_ref()
            .is_some_and(|allowed| !allowed.contains(&label.namespace))
        {
            let namespace = sealing::namespace_of(self.standard.recipients, label.namespace);
            let message = format!("it is for the namespace {namespace}, which is not allowed here");
            self.find("namespace", entry, value.place, message);
        }
    }

    fn readers(&mut self, entry: &Entry<'_>, tokens: &[Token]) {
        let sealed_to: BTreeSet<_> = tokens.iter().map(|token| token.label().key).collect();
        let missing = self
            .standard
            .must
            .iter()
            .filter(|key| !sealed_to.contains(key));
        let names = missing.map(|key| sealing::name_of(self.standard.recipients, *key));
        let names: Vec<_> = names.collect();
        if !names.is_empty() {
            let message = format!("it is not sealed to {}", names.join(", "));
            self.find("too-few-recipients", entry, entry.place(), message);
        }
        // The first token that opens counts, so each key's first.
        let mut first = HashMap::new();
        for label in tokens.iter().map(Token::label) {
            first
                .entry((label.key, label.namespace))
                .or_insert(label.secret);
        }
        let mut values = HashMap::<_, HashSet<_>>::new();
        for ((_, namespace), secret) in first {
            values.entry(namespace).or_default().insert(secret);
        }
        if values.values().any(|values| values.len() > 1) {
            let message = "its recipients have different values".to_owned();
            self.find("values-differ", entry, entry.place(), message);
        }
    }

    fn expiry(&mut self, entry: &Entry<'_>) {
        let Some(text) = entry.extra("expires") else {
            return;
        };
        match Day::parse(text) {
            Some(day) if day >= self.today => {}
            Some(_) => {
                let message = format!("it has expired on {text}");
                self.find("expired", entry, entry.place(), message);
            }
            None => {
                let message = "its `expires` is no day such as 2027-01-31".to_owned();
                self.find("malformed", entry, entry.place(), message);
            }
        }
    }
}
