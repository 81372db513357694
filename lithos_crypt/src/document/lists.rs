//! Changing lists of names and maps of names to texts, as `lithos-keys.yaml`
//! has them, with the same care as secrets.

use super::insert::Insertion;
use super::outline::Nodes;
use super::patch::Patch;
use super::replace::{self, Slot};
use super::tree::{Content, Node};
use super::{Change, Document, EditError, Section};

impl Document {
    /// The document with this list at this path of keys; an empty one too.
    pub(crate) fn with_list(&self, path: &[&str], items: &[String]) -> Result<Document, EditError> {
        let (key, node, flow) = self.at(path).ok_or(EditError::Layout { line: 1 })?;
        let patches = match &node.content {
            Content::List { .. } if items.is_empty() => {
                return Err(EditError::Layout {
                    line: node.place.line,
                });
            }
            _ => replace::tokens(self.text(), &Slot { key, node, flow }, items)?,
        };
        let edited = self.patched(patches)?;
        edited.prove_at(self, path)?;
        let (_, node, _) = edited.at(path).ok_or(EditError::NotKept)?;
        let Content::List { items: found, .. } = &node.content else {
            return Err(EditError::NotKept);
        };
        let found = found.iter().map(Node::scalar);
        if !found.eq(items.iter().map(|item| Some(&item[..]))) {
            return Err(EditError::NotKept);
        }
        Ok(edited)
    }

    /// The document with a text under a new name in a map.
    pub(crate) fn with_text(
        &self,
        map: &str,
        name: &str,
        text: &str,
    ) -> Result<Document, EditError> {
        let change = Change {
            section: Section::Whole,
            name: name.to_owned(),
            tokens: vec![text.to_owned()],
        };
        let changes = [&change];
        let patches = Insertion::at(self, vec![map], &changes)?.patches()?;
        let edited = self.patched(patches)?;
        let found = edited
            .at(&[map, name])
            .and_then(|(_, node, _)| node.scalar());
        if found != Some(text) || edited.outline_but(&[map, name]) != self.outline_but(&[map, name])
        {
            return Err(EditError::NotKept);
        }
        Ok(edited)
    }

    /// The document without a name in a map.
    pub(crate) fn without_text(&self, map: &str, name: &str) -> Result<Document, EditError> {
        let absent = || EditError::NoSecret {
            name: name.to_owned(),
        };
        let (_, node, _) = self.at(&[map]).ok_or_else(absent)?;
        let Content::Map { entries, flow } = &node.content else {
            return Err(absent());
        };
        let index = entries
            .iter()
            .position(|(key, _)| key.scalar() == Some(name));
        let patch: Patch = self.removal(
            entries,
            index.ok_or_else(absent)?,
            *flow,
            entries.len() == 1,
        )?;
        let edited = self.patched(vec![patch])?;
        if edited.outline_but(&[map, name]) != self.outline_but(&[map, name]) {
            return Err(EditError::NotKept);
        }
        Ok(edited)
    }

    /// The key and node at a path of keys, and whether it is in brackets.
    fn at(&self, path: &[&str]) -> Option<(&Node, &Node, bool)> {
        let (mut found, mut node, mut flow) = (None, self.root()?, false);
        for key in path {
            let Content::Map {
                entries,
                flow: in_brackets,
            } = &node.content
            else {
                return None;
            };
            let mut entries = entries.iter();
            let (key, value) = entries.find(|(name, _)| name.scalar() == Some(key))?;
            flow |= in_brackets;
            (found, node) = (Some(key), value);
        }
        Some((found?, node, flow))
    }

    fn prove_at(&self, old: &Document, path: &[&str]) -> Result<(), EditError> {
        let outline = |document: &Document| {
            let node = document
                .at(path)
                .map(|(_, node, _)| std::ptr::from_ref(node));
            format!(
                "{:?}",
                document.outline(&node.into_iter().collect::<Nodes>())
            )
        };
        if outline(self) == outline(old) {
            Ok(())
        } else {
            Err(EditError::NotKept)
        }
    }

    /// The outline without a key and what is under it, nor the map around it
    /// if that has nothing else.
    fn outline_but(&self, path: &[&str; 2]) -> String {
        let mut hidden = Nodes::new();
        if let Some((key, node, _)) = self.at(path) {
            hidden.extend([std::ptr::from_ref(key), std::ptr::from_ref(node)]);
        }
        if let Some((key, node, _)) = self.at(&path[..1]) {
            let nothing_else = node
                .entries()
                .is_none_or(|entries| entries.iter().all(|(key, _)| key.scalar() == Some(path[1])));
            if nothing_else {
                hidden.extend([std::ptr::from_ref(key), std::ptr::from_ref(node)]);
            }
        }
        format!("{:?}", self.outline(&hidden))
    }
}
