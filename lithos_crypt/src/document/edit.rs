//! Changing secrets in a document: ranges of its text are replaced, and the
//! result is parsed again to prove that it says what it should, and nothing
//! else has changed. What cannot be done so is refused.

use std::collections::{BTreeMap, HashMap};

use quick_error::quick_error;

use super::insert::Insertion;
use super::outline::{Hidden, Target};
use super::patch::{self, Patch};
use super::replace::{self, Slot};
use super::{Document, DocumentError, Entry, Node, Section};

/// A change to one secret.
#[derive(Debug, Clone)]
pub struct Change {
    /// Where the secret stands, or shall stand.
    pub section: Section,
    /// Its name.
    pub name: String,
    /// The tokens that shall stand there, in this order; none removes it.
    pub tokens: Vec<String>,
}

quick_error! {
    /// Why a document cannot be changed without losing something.
    #[derive(Debug, Clone, PartialEq, Eq)]
    #[allow(missing_docs)] // fields take no docs in quick-error: the variants' docs name them
    pub enum EditError {
        /// No such secret to remove.
        NoSecret { name: String } {
            display("there is no secret {}", name)
        }
        /// The name stands there twice.
        Duplicate { name: String, line: usize } {
            display("line {}: {} is there more than once", line, name)
        }
        /// A name that would need quoting in ways that differ between readers.
        Name {
            display("the name has other characters than letters, digits, `_`, `.`, `/` and `-`")
        }
        /// An alias or anchor: changing it changes other places too.
        Alias { line: usize } {
            display("line {}: an anchor or alias stands there, which would change other places too", line)
        }
        /// A text over several lines, or one of which its place is not certain.
        SeveralLines { line: usize } {
            display("line {}: the value is not written in one line", line)
        }
        /// Neither token, list nor map with a `value`.
        Shape { line: usize } {
            display("line {}: what stands there is no token, list of tokens or map with `value`", line)
        }
        /// The section is no map, or written in a way that cannot be added to.
        Layout { line: usize } {
            display("line {}: the way it is laid out cannot be kept", line)
        }
        /// The result would not be what was meant.
        NotKept {
            display("something else would change with it")
        }
        /// The result cannot be parsed.
        Result { cause: DocumentError } {
            display("the result could not be read: {}", cause)
            source(cause)
        }
    }
}

impl EditError {
    /// The one thing to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            EditError::NoSecret { .. } | EditError::Name => None,
            EditError::Duplicate { .. } => Some("remove all but one of them by hand"),
            EditError::Alias { .. } => Some("write the value out there, then try again"),
            _ => Some("write it as `NAME: TOKEN` in one line, then try again"),
        }
    }
}

/// The entries of a document by section and name.
pub(super) type Index<'a> = HashMap<Target, Vec<Entry<'a>>>;

impl Document {
    /// The document with these changes, every other byte as it was.
    ///
    /// # Errors
    ///
    /// [`EditError`], if any of them cannot be made without loss.
    pub fn edited(&self, changes: &[Change]) -> Result<Document, EditError> {
        let index = self.index();
        let (mut replaced, mut removed, mut added) = (Vec::new(), Vec::new(), Vec::new());
        let mut targets = HashMap::new();
        for change in changes {
            self.refuse_twice(&change.section)?;
            let target = (change.section.clone(), change.name.clone());
            let entry = single(index.get(&target))?;
            let hidden = match (entry, change.tokens.is_empty()) {
                (None, true) => {
                    return Err(EditError::NoSecret {
                        name: change.name.clone(),
                    });
                }
                // With a section it would be a config, and its secrets none any more.
                (None, false) if self.whole && change.section != Section::Whole => {
                    return Err(EditError::NotKept);
                }
                (None, false) => {
                    added.push(change);
                    Hidden::Entry
                }
                (Some(entry), true) => {
                    removed.push(entry);
                    Hidden::Entry
                }
                (Some(entry), false) => {
                    replaced.push((entry, change));
                    Hidden::Value
                }
            };
            targets.insert(target, hidden);
        }
        let mut patches = Vec::new();
        for (entry, change) in replaced {
            let slot = Slot::of(self, entry)?;
            patches.extend(replace::tokens(self.text(), &slot, &change.tokens)?);
        }
        patches.extend(self.removals(&removed)?);
        let edited = self.patched(patches)?.added(&added)?;
        edited.prove(self, &targets, changes)?;
        Ok(edited)
    }

    /// Refuses a section that is there more than once: who reads it may take either.
    pub(super) fn refuse_twice(&self, section: &Section) -> Result<(), EditError> {
        let mut node = self.root();
        for part in section.path() {
            let entries = node.and_then(Node::entries).unwrap_or_default().iter();
            let mut found = entries.filter(|(key, _)| key.is_key(part));
            node = found.next().map(|(_, value)| value);
            if let Some((second, _)) = found.next() {
                let (name, line) = (part.to_owned(), second.place.line);
                return Err(EditError::Duplicate { name, line });
            }
        }
        Ok(())
    }

    pub(super) fn index(&self) -> Index<'_> {
        let mut index = Index::new();
        for entry in self.entries() {
            let target = (entry.section().clone(), entry.name().to_owned());
            index.entry(target).or_default().push(entry);
        }
        index
    }

    pub(super) fn patched(&self, patches: Vec<Patch>) -> Result<Document, EditError> {
        let text = patch::apply(self.text(), patches).ok_or(EditError::NotKept)?;
        let parsed = Document::parse(text.into_bytes());
        let mut parsed = parsed.map_err(|cause| EditError::Result { cause })?;
        parsed.whole |= self.whole && !parsed.has_sections();
        Ok(parsed)
    }

    /// The document with further secrets, a section after the other.
    fn added(self, changes: &[&Change]) -> Result<Document, EditError> {
        let mut by_section = BTreeMap::<_, Vec<_>>::new();
        for change in changes {
            by_section.entry(&change.section).or_default().push(*change);
        }
        let mut document = self;
        for (section, changes) in by_section {
            let patches = Insertion::new(&document, section, &changes)?.patches()?;
            document = document.patched(patches)?;
            document.whole |= *section == Section::Whole;
        }
        Ok(document)
    }

    /// Proves that the changes were made, and nothing else.
    fn prove(
        &self,
        old: &Document,
        targets: &HashMap<Target, Hidden>,
        changes: &[Change],
    ) -> Result<(), EditError> {
        if old.outline_without(targets) != self.outline_without(targets) {
            return Err(EditError::NotKept);
        }
        let index = self.index();
        for change in changes {
            let found = index.get(&(change.section.clone(), change.name.clone()));
            let values = match found.map(Vec::as_slice) {
                None => Vec::new(),
                Some([entry]) => entry.values(),
                Some(_) => return Err(EditError::NotKept),
            };
            let texts = values.iter().map(|value| value.text);
            if !texts.eq(change.tokens.iter().map(|token| Some(&token[..]))) {
                return Err(EditError::NotKept);
            }
        }
        Ok(())
    }
}

pub(super) fn single<'a, 'b>(
    found: Option<&'b Vec<Entry<'a>>>,
) -> Result<Option<&'b Entry<'a>>, EditError> {
    match found.map(Vec::as_slice) {
        None | Some([]) => Ok(None),
        Some([entry]) => Ok(Some(entry)),
        Some([_, second, ..]) => Err(EditError::Duplicate {
            name: second.name().to_owned(),
            line: second.place().line,
        }),
    }
}
