//! Versions of secrets, compared by their labels.

use std::collections::{BTreeMap, BTreeSet};

use super::survey::Surveyed;
use crate::document::{Document, Entry, Section};
use crate::{Label, Token};

/// What stands under a name.
pub type Texts = Vec<String>;

/// The texts of an entry. What is no token may be a plaintext: compare it, and
/// never show it.
pub fn texts(entry: &Entry<'_>) -> Texts {
    entry
        .values()
        .iter()
        .map(|value| value.text.unwrap_or_default().to_owned())
        .collect()
}

/// Every secret of some files.
pub type Snapshot = BTreeMap<(String, Section, String), Texts>;

/// What is in these files now; one file alone has no name.
pub fn snapshot(files: &[Surveyed], alone: bool) -> Snapshot {
    let mut found = Snapshot::new();
    for Surveyed { path, document } in files {
        let file = if alone {
            String::new()
        } else {
            path.display().to_string()
        };
        for entry in document.entries() {
            let key = (
                file.clone(),
                entry.section().clone(),
                entry.name().to_owned(),
            );
            found.entry(key).or_default().extend(texts(&entry));
        }
    }
    found
}

/// The secret of this name and section in an old version; in another section
/// only if it is nowhere else.
pub fn in_version(document: &Document, section: Option<&Section>, name: &str) -> Option<Texts> {
    let found = document.named(name);
    let same = found.iter().find(|entry| Some(entry.section()) == section);
    let only = || found.first().filter(|_| found.len() == 1);
    same.or_else(only).map(texts)
}

/// Which columns differ; `None` if nothing does.
pub fn changed(old: &Texts, new: &Texts) -> Option<String> {
    if old == new {
        return None;
    }
    let labels = |texts: &Texts| -> Option<Vec<Label>> {
        texts
            .iter()
            .map(|text| Some(text.parse::<Token>().ok()?.label()))
            .collect()
    };
    let (Some(old), Some(new)) = (labels(old), labels(new)) else {
        return Some("not a token".to_owned());
    };
    let differ = |column: fn(&Label) -> crate::ShortHash| {
        let of = |labels: &[Label]| labels.iter().map(column).collect::<BTreeSet<_>>();
        of(&old) != of(&new)
    };
    let columns = [
        ("key", differ(|label| label.key)),
        ("namespace", differ(|label| label.namespace)),
        ("value", differ(|label| label.secret)),
    ];
    let columns: Vec<_> = columns
        .iter()
        .filter(|(_, differ)| *differ)
        .map(|(name, _)| *name)
        .collect();
    Some(if columns.is_empty() {
        "re-sealed".to_owned()
    } else {
        columns.join(", ")
    })
}
