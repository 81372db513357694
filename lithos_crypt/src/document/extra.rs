//! What is said of a secret beside its tokens, such as its `type`: put there, while
//! every other byte stays as it is.

use std::collections::HashMap;

use super::edit::single;
use super::insert::Insertion;
use super::outline::Hidden;
use super::patch::{Patch, line_of, newline};
use super::replace::{Slot, block_items, scalar};
use super::tree::Content;
use super::{Change, Document, EditError, Entry, Section};

impl Document {
    /// The document with `key: text` beside the tokens of this secret, which
    /// becomes a map for it if it is none.
    ///
    /// # Errors
    ///
    /// [`EditError`], if that cannot be done without loss.
    pub fn with_extra(
        self,
        section: &Section,
        name: &str,
        key: &str,
        text: &str,
    ) -> Result<Document, EditError> {
        let mut entries = self.named(name);
        entries.retain(|entry| entry.section() == section);
        let entry = single(Some(&entries))?.ok_or_else(|| EditError::NoSecret {
            name: name.to_owned(),
        })?;
        if entry.extra(key) == Some(text) {
            return Ok(self);
        }
        let patches = self.extra_patches(entry, key, text)?;
        let edited = self.patched(patches)?;
        edited.prove_extra(entry, key, text, &self)?;
        Ok(edited)
    }

    fn extra_patches(
        &self,
        entry: &Entry<'_>,
        key: &str,
        text: &str,
    ) -> Result<Vec<Patch>, EditError> {
        let slot = Slot::of(self, entry)?;
        if entry.node.entries().is_none() {
            return Ok(vec![self.to_map(entry, &slot, key, text)?]);
        }
        if let Some(node) = entry.node.get(key) {
            return Ok(vec![scalar(self.text(), node, text)?]);
        }
        let mut path = entry.section().path();
        path.push(entry.name());
        let change = Change {
            section: entry.section().clone(),
            name: key.to_owned(),
            tokens: vec![text.to_owned()],
        };
        Insertion::at(self, path, &[&change])?.patches()
    }

    /// A map in the place of a token, or of a list of them.
    fn to_map(
        &self,
        entry: &Entry<'_>,
        slot: &Slot<'_>,
        key: &str,
        text: &str,
    ) -> Result<Patch, EditError> {
        let (node, line) = (slot.node, slot.node.place.line);
        let layout = EditError::Layout { line };
        if node.tag.is_some() || node.is_null() {
            return Err(layout);
        }
        let slice = &self.text()[node.range.clone()];
        if !matches!(node.content, Content::List { flow: false, .. }) {
            if slice.contains('\n') {
                return Err(EditError::SeveralLines { line });
            }
            let map = format!("{{ value: {slice}, {key}: {text} }}");
            return Ok(Patch::replace(node.range.clone(), map));
        }
        self.list_to_map(entry, slot, key, text).ok_or(layout)
    }

    /// The same, of a list with a line for each token.
    fn list_to_map(
        &self,
        entry: &Entry<'_>,
        slot: &Slot<'_>,
        key: &str,
        text: &str,
    ) -> Option<Patch> {
        let start = line_of(self.text(), slot.key.range.start).start;
        let indent = &self.text()[start..slot.key.range.start];
        let values = entry.values();
        let tokens = values.iter().map(|value| value.text.map(str::to_owned));
        let tokens = tokens.collect::<Option<Vec<_>>>()?;
        let (last, _) = entry.ranges().pop()?;
        let range = slot.key.range.end..last.end;
        // A comment has its place between the lines.
        let has_comment = self.text()[range.clone()].contains('#');
        if has_comment || !indent.bytes().all(|byte| byte == b' ') {
            return None;
        }
        let (newline, indent) = (newline(self.text()), format!("{indent}  "));
        let items = block_items(&tokens, &indent, newline);
        let map = format!(":{newline}{indent}value:{items}{newline}{indent}{key}: {text}");
        Some(Patch::replace(range, map))
    }

    /// Proves that this extra is there, and that nothing else is different.
    fn prove_extra(
        &self,
        old_entry: &Entry<'_>,
        key: &str,
        text: &str,
        old: &Document,
    ) -> Result<(), EditError> {
        let (section, name) = (old_entry.section().clone(), old_entry.name().to_owned());
        let target = HashMap::from([((section.clone(), name.clone()), Hidden::Entry)]);
        let mut entries = self.named(&name);
        entries.retain(|entry| *entry.section() == section);
        let [entry] = &entries[..] else {
            return Err(EditError::NotKept);
        };
        let texts = |entry: &Entry<'_>| -> Vec<_> {
            let values = entry.values().into_iter();
            values.map(|value| value.text.map(str::to_owned)).collect()
        };
        let others = |entry: &Entry<'_>| -> Vec<_> {
            let extras = entry.node.entries().unwrap_or_default().iter();
            let extras = extras.filter_map(|(name, _)| name.scalar());
            let extras = extras.filter(|name| ![key, "value"].contains(name));
            let text_of = |name: &str| entry.extra(name).map(str::to_owned);
            extras
                .map(|name| (name.to_owned(), text_of(name)))
                .collect()
        };
        let kept = self.outline_without(&target) == old.outline_without(&target)
            && texts(entry) == texts(old_entry)
            && others(entry) == others(old_entry)
            && entry.extra(key) == Some(text);
        kept.then_some(()).ok_or(EditError::NotKept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_type(text: &str, section: Section) -> Result<String, EditError> {
        let document = Document::parse(text.replace('<', "v2:a:b:c:").into()).unwrap();
        let edited = document.with_extra(&section, "A", "type", "text")?;
        Ok(edited.text().replace("v2:a:b:c:", "<"))
    }

    #[test]
    fn a_token_or_a_list_becomes_a_map_and_all_else_stays() {
        for (before, after) in [
            ("A: <x # why\n", "A: { value: <x, type: text } # why\n"),
            (
                "A: '<x'\nB: <y\n",
                "A: { value: '<x', type: text }\nB: <y\n",
            ),
            ("A: [<x, <y]\n", "A: { value: [<x, <y], type: text }\n"),
            (
                "A:\n  - <x\n  - <y\n# end\nB: <z\n",
                "A:\n  value:\n    - <x\n    - <y\n  type: text\n# end\nB: <z\n",
            ),
            (
                "A:\n- <x\n- <y\n",
                "A:\n  value:\n    - <x\n    - <y\n  type: text\n",
            ),
        ] {
            assert_eq!(with_type(before, Section::Whole).as_deref(), Ok(after));
        }
        let environ = "secret-environ: { A: <x, B: <y }\n";
        let typed = "secret-environ: { A: { value: <x, type: text }, B: <y }\n";
        assert_eq!(with_type(environ, Section::Environ).as_deref(), Ok(typed));
    }

    #[test]
    fn a_map_has_it_added_or_changed() {
        for (before, after) in [
            ("A: { value: <x }\n", "A: { value: <x, type: text }\n"),
            (
                "A: { type: binary, value: <x, expires: 2027-01-31 }\n",
                "A: { type: text, value: <x, expires: 2027-01-31 }\n",
            ),
            (
                "A:\n  value: <x # why\n  description: d\nB: <y\n",
                "A:\n  value: <x # why\n  description: d\n  type: text\nB: <y\n",
            ),
            (
                "A: { value: <x, type: text }\n",
                "A: { value: <x, type: text }\n",
            ),
        ] {
            assert_eq!(with_type(before, Section::Whole).as_deref(), Ok(after));
        }
    }

    #[test]
    fn what_would_lose_something_is_refused() {
        for text in [
            "A:\n  - <x # mine\n  - <y\n",
            "A: &a <x\nB: *a\n",
            "A: !t <x\n",
            "A: >-\n  <x\n",
            "A: <x\nA: <y\n",
            "B: <x\n",
        ] {
            with_type(text, Section::Whole).unwrap_err();
        }
    }
}
