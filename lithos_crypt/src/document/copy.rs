//! Secrets of another document, with what is said of them there: extras, tags
//! and comments.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use super::edit::single;
use super::outline::{self, Hidden};
use super::patch::{Patch, line_of};
use super::tree::{Content, Node};
use super::{Change, Document, EditError, Entry};

impl Document {
    /// What is said of a secret beside its tokens. Something of it may be a
    /// plaintext in the wrong place: compare it, and never show it.
    pub fn remarks(&self, entry: &Entry<'_>) -> BTreeSet<String> {
        let value = entry.value_node();
        let extras = entry.node.entries().unwrap_or_default().iter();
        let extras = extras.filter(|(_, node)| !std::ptr::eq(node, value));
        let extras =
            extras.map(|(key, node)| format!("{:?}", [outline::of(key), outline::of(node)]));
        let items = match &value.content {
            Content::List { items, .. } => &items[..],
            _ => &[],
        };
        let tagged = [entry.node, value].into_iter().chain(items);
        let tags = tagged.filter_map(|node| node.tag.clone());
        extras.chain(tags).chain(self.comments(entry)).collect()
    }

    /// The comments in the lines of a secret.
    fn comments(&self, entry: &Entry<'_>) -> Vec<String> {
        let lines = self.lines(entry);
        let (mut scalars, mut at, mut rest) = (Vec::new(), lines.start, String::new());
        scalar_ranges(entry.key, &mut scalars);
        scalar_ranges(entry.node, &mut scalars);
        for scalar in scalars {
            rest += self.text.get(at..scalar.start).unwrap_or_default();
            at = scalar.end;
        }
        rest += self.text.get(at..lines.end).unwrap_or_default();
        let comment = |line: &str| Some(line[line.find('#')?..].trim().to_owned());
        rest.lines().filter_map(comment).collect()
    }

    /// The bytes of a secret from its name on; with the rest of the line, if its
    /// section is one of lines.
    fn lines(&self, entry: &Entry<'_>) -> Range<usize> {
        let end = entry.key.range.end.max(entry.node.range.end);
        let end = if self.is_in_braces(entry) {
            end
        } else {
            let line = line_of(&self.text, end);
            line.start + self.text[line].trim_end().len()
        };
        entry.key.range.start..end
    }

    fn is_in_braces(&self, entry: &Entry<'_>) -> bool {
        let section = self.section_node(entry.section());
        section.is_some_and(|node| matches!(node.content, Content::Map { flow: true, .. }))
    }

    /// Whether the line above a secret is a comment, which may be about it.
    pub fn has_comment_above(&self, entry: &Entry<'_>) -> bool {
        let line = line_of(&self.text, entry.key.range.start);
        let above = self.text[..line.start].lines().next_back();
        above.is_some_and(|line| line.trim_start().starts_with('#'))
    }

    /// The document with these secrets of another one, which it lacks: as they
    /// are written there, if anything is said of them.
    ///
    /// # Errors
    ///
    /// [`EditError`], if that cannot be done without loss.
    pub fn with_copies(
        &self,
        source: &Document,
        entries: &[Entry<'_>],
    ) -> Result<Document, EditError> {
        let changes: Vec<_> = entries.iter().map(change_to).collect();
        let bare = self.edited(&changes)?;
        let index = bare.index();
        let mut patches = Vec::new();
        for entry in entries {
            if source.remarks(entry).is_empty() {
                continue;
            }
            let target = (entry.section().clone(), entry.name().to_owned());
            let there = single(index.get(&target))?.ok_or(EditError::NotKept)?;
            let text = source.written(entry, &bare, there)?;
            patches.push(Patch::replace(bare.lines(there), text));
        }
        let copied = bare.patched(patches)?;
        copied.prove_copies(self, source, entries)?;
        Ok(copied)
    }

    /// The text of a secret, if it means the same where `there` stands.
    fn written(
        &self,
        entry: &Entry<'_>,
        other: &Document,
        there: &Entry<'_>,
    ) -> Result<&str, EditError> {
        let lines = self.lines(entry);
        let (text, line) = (&self.text[lines], entry.place().line);
        let is_alone = !text.contains('\n') && self.comments(entry).is_empty();
        let is_alike = !other.is_in_braces(there)
            && !self.is_in_braces(entry)
            && entry.place().column == there.place().column;
        if is_alone || is_alike {
            Ok(text)
        } else {
            Err(EditError::Layout { line })
        }
    }

    /// Proves that the copies are there, and that nothing else is different.
    fn prove_copies(
        &self,
        old: &Document,
        source: &Document,
        entries: &[Entry<'_>],
    ) -> Result<(), EditError> {
        let target = |entry: &Entry<'_>| (entry.section().clone(), entry.name().to_owned());
        let targets = entries.iter().map(|entry| (target(entry), Hidden::Entry));
        let targets: HashMap<_, _> = targets.collect();
        if self.outline_without(&targets) != old.outline_without(&targets) {
            return Err(EditError::NotKept);
        }
        let index = self.index();
        for entry in entries {
            let copy = single(index.get(&target(entry)))?.ok_or(EditError::NotKept)?;
            let is_same =
                texts(copy).eq(texts(entry)) && self.remarks(copy) == source.remarks(entry);
            if !is_same {
                return Err(EditError::NotKept);
            }
        }
        Ok(())
    }
}

fn texts<'a>(entry: &Entry<'a>) -> impl Iterator<Item = Option<&'a str>> {
    entry.values().into_iter().map(|value| value.text)
}

/// That the secret's tokens are there, and nothing else.
fn change_to(entry: &Entry<'_>) -> Change {
    Change {
        section: entry.section().clone(),
        name: entry.name().to_owned(),
        tokens: texts(entry).flatten().map(str::to_owned).collect(),
    }
}

/// Where the texts of a node stand, in their order.
fn scalar_ranges(node: &Node, ranges: &mut Vec<Range<usize>>) {
    match &node.content {
        Content::Scalar { .. } => ranges.push(node.range.clone()),
        Content::Alias => {}
        Content::List { items, .. } => {
            items.iter().for_each(|item| scalar_ranges(item, ranges));
        }
        Content::Map { entries, .. } => {
            for (key, value) in entries {
                scalar_ranges(key, ranges);
                scalar_ranges(value, ranges);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document::parse(text.replace('<', "v2:a:b:c:").into()).unwrap()
    }

    fn copied(to: &str, from: &str) -> Result<String, EditError> {
        let (to, from) = (document(to), document(from));
        let edited = to.with_copies(&from, &from.named("B"))?;
        Ok(edited.text().replace("v2:a:b:c:", "<"))
    }

    #[test]
    fn all_that_is_said_of_a_secret_comes_along() {
        for (to, from, result) in [
            ("A: <x\n", "B: <y\n", "A: <x\nB: <y\n"),
            ("A: <x\n", "B: <y # why\n", "A: <x\nB: <y # why\n"),
            (
                "A: <x\ntail: <z",
                "B: { value: '<y', type: text } # why\nC: <z\n",
                "A: <x\ntail: <z\nB: { value: '<y', type: text } # why",
            ),
            (
                "A: <x\n",
                "B:\n  value:\n    - <y # Ada\n    - <z # Ben\n  type: text\n",
                "A: <x\nB:\n  value:\n    - <y # Ada\n    - <z # Ben\n  type: text\n",
            ),
            (
                "{ A: <x }\n",
                "B: { value: <y, type: text }\n",
                "{ A: <x, B: { value: <y, type: text } }\n",
            ),
            (
                "executable: /x\n",
                "secret-files:\n  B: { value: <y, mode: 0o440 } # why\n",
                "executable: /x\nsecret-files:\n  B: { value: <y, mode: 0o440 } # why\n",
            ),
            ("A: <x\n", "B: !t <y\n", "A: <x\nB: !t <y\n"),
        ] {
            assert_eq!(copied(to, from).as_deref(), Ok(result));
        }
    }

    #[test]
    fn what_would_lose_something_is_refused() {
        for (to, from) in [
            ("{ A: <x }\n", "B: <y # why\n"),
            (
                "secret-environ:\n    A: <x\n",
                "secret-environ:\n  B:\n    value: <y\n    type: text\n",
            ),
            ("A: <x\nB: <x\nB: <x\n", "B: { value: <y, type: text }\n"),
            ("A: <x\n", "B: <y\n\"B\": { value: <y, type: text }\n"),
        ] {
            copied(to, from).unwrap_err();
        }
    }

    #[test]
    fn a_comment_is_one_outside_of_texts_alone() {
        let remarks = |text: &str| {
            let document = document(text);
            let found = document.remarks(&document.named("A")[0]);
            found.into_iter().collect::<Vec<_>>()
        };
        for (text, expected) in [
            ("A: <x # why\n# not\nB: <y # not\n", &["# why"][..]),
            ("A: '<x # y' # why\n", &["# why"]),
            ("A: [<x, # one\n  <y] # two\n", &["# one", "# two"]),
            ("A:\n  - <x # one\n  - <y#no\n", &["# one"]),
            ("{ A: <x, B: <y } # not\n", &[]),
            ("A: <x\r\n", &[]),
        ] {
            assert_eq!(remarks(text), expected, "{text}");
        }
        assert_eq!(
            remarks("A: { value: <x, description: \"a # b\" }\n").len(),
            1
        );
        assert_eq!(remarks("A: { value: <x, variables: [A, B] }\n").len(), 1);
        assert_eq!(
            remarks("A:\n  value: <x\n  description: |\n    # a\n    b\n").len(),
            1
        );
    }
}
