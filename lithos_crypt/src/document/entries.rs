//! Finding the secrets of a document.

use std::collections::HashSet;
use std::fmt;

use super::Document;
use super::tree::{Content, Node, Place, same_key};

/// Where in a document a secret stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// `secret-environ` of a container config.
    Environ,
    /// `secret-files` of a container config.
    Files,
    /// `default-secrets` of a sandbox config, or a map in it.
    Defaults(Option<String>),
    /// The top level of a file that holds nothing else.
    Whole,
}

impl Section {
    /// The keys that lead there.
    pub fn path(&self) -> Vec<&str> {
        match self {
            Section::Environ => vec!["secret-environ"],
            Section::Files => vec!["secret-files"],
            Section::Defaults(None) => vec!["default-secrets"],
            Section::Defaults(Some(part)) => vec!["default-secrets", part],
            Section::Whole => Vec::new(),
        }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Section::Whole => f.write_str("the top level"),
            _ => f.write_str(&self.path().join(".")),
        }
    }
}

/// One secret: its name and what stands under it.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    section: Section,
    name: &'a str,
    pub(super) key: &'a Node,
    pub(super) node: &'a Node,
}

/// What stands where a token belongs.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    /// The text, if it is one and not a collection, an alias or nothing.
    /// It may be a plaintext in the wrong place: never show it unparsed.
    pub text: Option<&'a str>,
    /// Where it stands.
    pub place: Place,
}

impl Value<'_> {
    /// Whether it begins as a token of any version does.
    pub fn is_like_a_token(&self) -> bool {
        let text = self.text.unwrap_or_default();
        let digits = text.strip_prefix('v').unwrap_or_default();
        let after = digits.trim_start_matches(|c: char| c.is_ascii_digit());
        after.len() < digits.len() && after.matches(':').count() == 4 && after.starts_with(':')
    }
}

impl<'a> Entry<'a> {
    /// The secret's name: a variable's, or a file's path.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The section it stands in.
    pub fn section(&self) -> &Section {
        &self.section
    }

    /// Where its name stands.
    pub fn place(&self) -> Place {
        self.key.place
    }

    /// Every value where a token belongs; empty for an empty list.
    pub fn values(&self) -> Vec<Value<'a>> {
        let node = self.value_node();
        let items = match &node.content {
            Content::List { items, .. } => &items[..],
            _ => std::slice::from_ref(node),
        };
        let value = |node: &'a Node| Value {
            text: node.scalar().filter(|_| !node.is_null()),
            place: node.place,
        };
        items.iter().map(value).collect()
    }

    /// The bytes that values take up in the document's text, each with the
    /// text that stands there.
    pub(crate) fn ranges(&self) -> Vec<(std::ops::Range<usize>, Option<&'a str>)> {
        let node = self.value_node();
        let items = match &node.content {
            Content::List { items, .. } => &items[..],
            _ => std::slice::from_ref(node),
        };
        let items = items.iter().filter(|item| !item.is_null());
        items
            .map(|item| (item.range.clone(), item.scalar()))
            .collect()
    }

    /// The text of one of the extras that may stand beside `value`, such as
    /// `expires`.
    pub fn extra(&self, key: &str) -> Option<&'a str> {
        self.node.get(key)?.scalar()
    }

    /// Where keys of its map stand that are there before: who reads it may take
    /// either.
    pub fn repeated_keys(&self) -> Vec<Place> {
        let keys = self.node.entries().unwrap_or_default().iter();
        let mut seen = HashSet::new();
        let repeated = keys.filter_map(|(key, _)| Some((key.scalar()?, key.place)));
        let repeated = repeated.filter(|(name, _)| !seen.insert(name.replace('_', "-")));
        repeated.map(|(_, place)| place).collect()
    }

    /// Whether anything stands beside `value`.
    pub fn has_extras(&self) -> bool {
        let mut extras = self.node.entries().unwrap_or_default().iter();
        extras.any(|(key, _)| !key.is_key("value"))
    }

    /// The node that holds the token or the list of them.
    pub(super) fn value_node(&self) -> &'a Node {
        match self.node.get("value") {
            Some(value) => value,
            None => self.node,
        }
    }

    /// Whether it is delivered as an environment variable.
    pub fn is_variable(&self) -> bool {
        match &self.section {
            Section::Files => false,
            Section::Defaults(Some(part)) => !part.ends_with("files"),
            _ => !self.name.starts_with('/'),
        }
    }
}

/// Of a section.
const NO_MAP: &str = "it is no map of names and tokens";

impl Document {
    /// Every secret, in the order of the file's sections.
    pub fn entries(&self) -> Vec<Entry<'_>> {
        if self.whole {
            return of_map(self.root.as_ref(), &Section::Whole);
        }
        let section = |key| self.root.iter().flat_map(move |root| root.all(key));
        let mut found = Vec::new();
        for (key, of) in [
            ("secret-environ", Section::Environ),
            ("secret-files", Section::Files),
        ] {
            found.extend(section(key).flat_map(|node| of_map(Some(node), &of)));
        }
        for node in section("default-secrets") {
            let (parts, direct) = split_defaults(Some(node));
            found.extend(direct);
            for (name, part) in parts {
                let section = Section::Defaults(Some(name.to_owned()));
                found.extend(of_map(Some(part), &section));
            }
        }
        found
    }

    /// Sections that hide what stands in them: their names, where they are, and
    /// what is wrong.
    pub fn unsound_sections(&self) -> Vec<(&'static str, Place, &'static str)> {
        let is_sound = |node: &Node| node.is_null() || node.entries().is_some();
        let mut found = Vec::new();
        if self.whole {
            let root = self.root.iter().filter(|root| !is_sound(root));
            found.extend(root.map(|root| ("-", root.place, NO_MAP)));
            return found;
        }
        for key in ["secret-environ", "secret-files", "default-secrets"] {
            let nodes = self.root.iter().flat_map(|root| root.all(key));
            for (index, node) in nodes.enumerate() {
                if index > 0 {
                    found.push((key, node.place, "the section is there twice"));
                }
                if !is_sound(node) {
                    found.push((key, node.place, NO_MAP));
                }
            }
        }
        found
    }

    /// Every secret of this name.
    pub fn named(&self, name: &str) -> Vec<Entry<'_>> {
        let mut entries = self.entries();
        entries.retain(|entry| entry.name == name);
        entries
    }

    /// The node of a section, whose keys may be in snake_case.
    pub(super) fn section_node(&self, section: &Section) -> Option<&Node> {
        let mut node = self.root.as_ref()?;
        for key in section.path() {
            node = node.get(key)?;
        }
        Some(node)
    }
}

/// `default-secrets` holds secrets, or maps of them.
fn split_defaults(node: Option<&Node>) -> (Vec<(&str, &Node)>, Vec<Entry<'_>>) {
    let mut parts = Vec::new();
    let mut direct = of_map(node, &Section::Defaults(None));
    direct.retain(|entry| {
        let known = ["environ", "files", "secret-environ", "secret-files"];
        let is_part = known.iter().any(|key| same_key(entry.name, key))
            && entry.node.entries().is_some()
            && entry.node.get("value").is_none();
        if is_part {
            parts.push((entry.name, entry.node));
        }
        !is_part
    });
    (parts, direct)
}

/// The secrets of a map.
pub(super) fn of_map<'a>(map: Option<&'a Node>, section: &Section) -> Vec<Entry<'a>> {
    let entries = map.and_then(Node::entries).unwrap_or_default();
    let entry = |(key, node): &'a (Node, Node)| {
        Some(Entry {
            section: section.clone(),
            name: key.scalar()?,
            key,
            node,
        })
    };
    entries.iter().filter_map(entry).collect()
}
