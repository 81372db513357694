//! What a document says, without how it is written: to prove that an edit
//! changed what it should and nothing else.

use std::collections::{HashMap, HashSet};

use super::tree::{Content, Node, same_key};
use super::{Document, Section};

/// A secret's section and name.
pub(super) type Target = (Section, String);

/// How much of a secret is left out of an outline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hidden {
    /// The token or the list of them.
    Value,
    /// With its name and all extras.
    Entry,
}

/// One step through a document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    Scalar(&'a str, Option<&'a str>),
    List(Option<&'a str>),
    Map(Option<&'a str>),
    Alias,
    End,
}

/// Nodes by their address: equal nodes stand at several places.
pub(super) type Nodes = HashSet<*const Node>;

impl Document {
    /// Everything in the document but these secrets, and sections that have no
    /// others.
    pub(super) fn outline_without(&self, targets: &HashMap<Target, Hidden>) -> Vec<Step<'_>> {
        let mut hidden = Nodes::new();
        for entry in self.entries() {
            let target = (entry.section().clone(), entry.name().to_owned());
            match targets.get(&target) {
                Some(Hidden::Entry) => hidden.insert(entry.key),
                Some(Hidden::Value) => hidden.insert(entry.value_node()),
                None => false,
            };
        }
        let sections: HashSet<_> = targets.keys().map(|(section, _)| section).collect();
        for section in sections {
            self.hide_emptied(section, &mut hidden);
        }
        self.outline(&hidden)
    }

    /// Everything in the document but these nodes.
    pub(super) fn outline(&self, hidden: &Nodes) -> Vec<Step<'_>> {
        let mut steps = Vec::new();
        if let Some(root) = &self.root {
            walk(root, hidden, &mut steps);
        }
        steps
    }

    /// Hides the section, and what is around it, where nothing else is left.
    fn hide_emptied(&self, section: &Section, hidden: &mut Nodes) {
        let path = section.path();
        for length in (0..=path.len()).rev() {
            let mut node = self.root.as_ref();
            for key in &path[..length] {
                node = node.and_then(|node| node.get(key));
            }
            let Some(node) = node else { continue };
            let nothing_left = match node.entries() {
                Some(entries) => entries.iter().all(|entry| is_hidden(entry, hidden)),
                None => node.is_null(),
            };
            if !nothing_left {
                return;
            }
            hidden.insert(node);
        }
    }
}

/// Everything in this node.
pub(super) fn of(node: &Node) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    walk(node, &Nodes::new(), &mut steps);
    steps
}

/// Whether an entry of a map is hidden with its key. A section whose node is
/// hidden goes with its key; a secret whose value is hidden keeps its name.
fn is_hidden((key, value): &(Node, Node), hidden: &Nodes) -> bool {
    let is_section = key
        .scalar()
        .is_some_and(|key| SECTIONS.iter().any(|known| same_key(key, known)));
    hidden.contains(&std::ptr::from_ref(key))
        || is_section && hidden.contains(&std::ptr::from_ref(value))
}

/// Keys that are made for their first secret and may stay after the last.
const SECTIONS: [&str; 5] = [
    "secret-environ",
    "secret-files",
    "default-secrets",
    "environ",
    "files",
];

fn walk<'a>(node: &'a Node, hidden: &Nodes, steps: &mut Vec<Step<'a>>) {
    if hidden.contains(&std::ptr::from_ref(node)) {
        return;
    }
    let tag = node.tag.as_deref();
    match &node.content {
        Content::Scalar { value, .. } => return steps.push(Step::Scalar(value, tag)),
        Content::Alias => return steps.push(Step::Alias),
        Content::List { items, .. } => {
            steps.push(Step::List(tag));
            for item in items {
                walk(item, hidden, steps);
            }
        }
        Content::Map { entries, .. } => {
            steps.push(Step::Map(tag));
            for entry in entries.iter().filter(|entry| !is_hidden(entry, hidden)) {
                walk(&entry.0, hidden, steps);
                walk(&entry.1, hidden, steps);
            }
        }
    }
    steps.push(Step::End);
}
