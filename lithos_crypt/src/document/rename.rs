//! Another name for a secret, which stays where and what it is.

use saphyr_parser::ScalarStyle;

use super::edit::single;
use super::insert::{is_plain_name, quoted};
use super::outline::{Nodes, Step};
use super::replace::scalar;
use super::tree::Content;
use super::{Document, EditError, Section};

impl Document {
    /// The document with another name for this secret, every other byte as it was.
    ///
    /// # Errors
    ///
    /// [`EditError`], if that cannot be done without loss.
    pub fn renamed(&self, section: &Section, from: &str, to: &str) -> Result<Document, EditError> {
        self.refuse_twice(section)?;
        if !is_plain_name(to) {
            return Err(EditError::Name);
        }
        let mut entries = self.named(from);
        entries.retain(|entry| entry.section() == section);
        let entry = single(Some(&entries))?.ok_or_else(|| EditError::NoSecret {
            name: from.to_owned(),
        })?;
        if self.section_node(section).is_some_and(|node| node.anchored) {
            let line = entry.place().line;
            return Err(EditError::Alias { line });
        }
        let is_plain = matches!(&entry.key.content, Content::Scalar { style, .. } if *style == ScalarStyle::Plain);
        let written = if is_plain { quoted(to) } else { to.to_owned() };
        let edited = self.patched(vec![scalar(self.text(), entry.key, &written)?])?;
        edited.prove_renamed(self, section, from, to)?;
        Ok(edited)
    }

    /// Proves that the name is another, and that nothing else is different.
    fn prove_renamed(
        &self,
        old: &Document,
        section: &Section,
        from: &str,
        to: &str,
    ) -> Result<(), EditError> {
        let nothing = Nodes::new();
        let (before, after) = (old.outline(&nothing), self.outline(&nothing));
        let pairs = before.iter().zip(&after);
        let different: Vec<_> = pairs.filter(|(before, after)| before != after).collect();
        let is_name = matches!(
            different[..],
            [(Step::Scalar(before, a), Step::Scalar(after, b))]
                if *before == from && *after == to && a == b
        );
        let found = self.named(to);
        let found = found.iter().filter(|entry| entry.section() == section);
        let kept = is_name && before.len() == after.len() && found.count() == 1;
        kept.then_some(()).ok_or(EditError::NotKept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(name: &str, text: &str, section: &Section) -> Result<String, EditError> {
        let document = Document::parse(text.replace('<', "v2:a:b:c:").into()).unwrap();
        let renamed = document.renamed(section, "A", name)?;
        Ok(renamed.text().replace("v2:a:b:c:", "<"))
    }

    #[test]
    fn nothing_but_the_name_is_another() {
        for (before, after) in [
            ("A: <x # why\nB: <y\n", "NEW: <x # why\nB: <y\n"),
            ("{ 'A' : <x, B: <y }\n", "{ 'NEW' : <x, B: <y }\n"),
            (
                "# é\r\n\"A\":\r\n  value: <x # A\r\n  expires: 2030-01-01\r\n",
                "# é\r\n\"NEW\":\r\n  value: <x # A\r\n  expires: 2030-01-01\r\n",
            ),
        ] {
            assert_eq!(to("NEW", before, &Section::Whole).as_deref(), Ok(after));
        }
        let files = "secret-environ: { A: <x }\nsecret-files: { A: <y }\n";
        let renamed = "secret-environ: { A: <x }\nsecret-files: { NEW: <y }\n";
        assert_eq!(to("NEW", files, &Section::Files).as_deref(), Ok(renamed));
        let quoted = to("no", "A: <x\n", &Section::Whole);
        assert_eq!(quoted.as_deref(), Ok("\"no\": <x\n"));
    }

    #[test]
    fn what_would_lose_something_is_refused() {
        for (name, text) in [
            ("NEW", "&a A: <x\nB: *a\n"),
            ("NEW", "A: <x\nA: <y\n"),
            ("NEW", "B: <x\n"),
            ("B", "A: <x\nB: <y\n"),
            ("a b", "A: <x\n"),
            ("executable", "A: <x\n"),
        ] {
            to(name, text, &Section::Whole).unwrap_err();
        }
        let anchored = "secret-environ: &e { A: <x }\nsecret-files: *e\n";
        to("NEW", anchored, &Section::Environ).unwrap_err();
    }
}
