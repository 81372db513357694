//! Typed values out of a tree, gathering every problem on the way.
//!
//! A reading function takes a [`Value`] and returns `None` once it has told the
//! problem; the document then comes to nothing, but the rest of it is still
//! read, so that all problems are told in one run. A message never holds a
//! value of the document: the line that is shown does, unless it is secret.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use super::node::{self, Node};
use super::way::Way;
use crate::problem::{
    Place, Problem, Severity, Source, Step, is_secret, is_secret_path, legible, most_told,
};

/// Reads a document with `build`; none if there is any problem.
pub(super) fn whole<T>(
    source: &Arc<Source>,
    build: impl FnOnce(&Value<'_>) -> Option<T>,
) -> (Option<T>, Vec<Problem>) {
    let (built, problems) = document(source, |root| {
        root.refuse_duplicates();
        build(root)
    });
    (built.filter(|_| problems.is_empty()), problems)
}

/// Reads a document with `build`, which must leave out what has a problem.
pub(super) fn document<T>(
    source: &Arc<Source>,
    build: impl FnOnce(&Value<'_>) -> Option<T>,
) -> (Option<T>, Vec<Problem>) {
    let problems = Problems::new(source);
    let tree = match node::parse(&source.text) {
        Ok(Node::Null) => Node::Mapping(Vec::new()),
        Ok(tree) => tree,
        Err(fault) => {
            let place = fault
                .position
                .map_or(Place::Whole, |(line, column)| Place::Position {
                    line,
                    column,
                });
            problems.tell(place, fault.message, fault.hint);
            return (None, problems.finish());
        }
    };
    let root = Value {
        node: &tree,
        way: Way::default(),
        optional: false,
        problems: &problems,
    };
    let built = build(&root);
    let told = problems.finish();
    (built, told)
}

/// Where the problems of one document go.
pub(super) struct Problems {
    source: Arc<Source>,
    list: RefCell<Vec<Problem>>,
    dropped: Cell<usize>,
}

impl Problems {
    fn new(source: &Arc<Source>) -> Self {
        Self {
            source: source.clone(),
            list: RefCell::default(),
            dropped: Cell::new(0),
        }
    }

    fn tell(&self, place: Place, message: String, hint: Option<&str>) {
        if self.is_full() {
            self.dropped.set(self.dropped.get() + 1);
            return;
        }
        self.list.borrow_mut().push(Problem {
            severity: Severity::Error,
            source: Some(self.source.clone()),
            place,
            subject: String::new(),
            message,
            hint: hint.map(str::to_owned),
            status: None,
        });
    }

    /// Whether no more are told.
    fn is_full(&self) -> bool {
        self.list.borrow().len() == most_told(&self.source)
    }

    /// How many there are so far.
    fn count(&self) -> usize {
        self.list.borrow().len() + self.dropped.get()
    }

    fn finish(self) -> Vec<Problem> {
        let mut list = self.list.into_inner();
        if let dropped @ 1.. = self.dropped.get() {
            list.push(Problem {
                severity: Severity::Error,
                source: Some(self.source),
                place: Place::Whole,
                subject: String::new(),
                message: format!("{dropped} more problems in this file are not shown"),
                hint: None,
                status: None,
            });
        }
        list
    }
}

/// A value of the document, and the way to it.
#[derive(Clone)]
pub(super) struct Value<'a> {
    node: &'a Node,
    way: Way,
    /// It is that of a key that can be left out.
    optional: bool,
    problems: &'a Problems,
}

impl<'a> Value<'a> {
    /// Tells a problem with the value.
    pub fn refuse<T>(&self, message: impl Into<String>, hint: Option<&str>) -> Option<T> {
        let place = Place::Value(self.way.steps());
        self.problems.tell(place, message.into(), hint);
        None
    }

    /// Tells a problem with the value's key.
    pub fn refuse_key<T>(&self, message: impl Into<String>, hint: Option<&str>) -> Option<T> {
        let place = Place::Key(self.way.steps());
        self.problems.tell(place, message.into(), hint);
        None
    }

    /// Tells that the value's key is given twice, in the same spelling.
    pub fn refuse_second(&self, message: &str) {
        let place = Place::SecondKey(self.way.steps());
        self.problems.tell(place, message.to_owned(), None);
    }

    /// Whether problems have been told since there were `before`.
    pub fn problems_since(&self, before: usize) -> bool {
        self.problems.count() > before
    }

    /// How many problems have been told so far, in the whole document.
    pub fn problem_count(&self) -> usize {
        self.problems.count()
    }

    /// Tells that the value is of another kind.
    pub fn expected<T>(&self, what: &str) -> Option<T> {
        let (found, hint) = match self.node {
            Node::Null => (
                "nothing",
                self.optional
                    .then_some("leave the key out to get its default"),
            ),
            Node::Plain(_) => ("a number or truth value", Some("write a text in quotes")),
            Node::Text(_) => ("a text", None),
            Node::Sequence(_) => ("a list", None),
            Node::Mapping(_) => ("a mapping", None),
            Node::Tagged(..) => ("a value with a tag", None),
        };
        let hint = hint.filter(|_| !matches!(self.node, Node::Plain(_)) || what.contains("text"));
        self.refuse(format!("expected {what}, found {found}"), hint)
    }

    /// Whether nothing is written.
    pub fn is_null(&self) -> bool {
        *self.node == Node::Null
    }

    /// Whether it is a list.
    pub fn is_list(&self) -> bool {
        matches!(self.node, Node::Sequence(_))
    }

    /// Whether it is a mapping.
    pub fn is_map(&self) -> bool {
        matches!(self.node, Node::Mapping(_))
    }

    /// How many items or entries it has.
    pub fn length(&self) -> usize {
        match self.node {
            Node::Sequence(items) => items.len(),
            Node::Mapping(entries) => entries.len(),
            _ => 0,
        }
    }

    /// A scalar as written.
    pub fn scalar(&self, what: &str) -> Option<&'a str> {
        match self.node {
            Node::Plain(text) | Node::Text(text) => Some(text),
            _ => self.expected(what),
        }
    }

    /// A scalar that YAML takes for a text.
    pub fn text(&self, what: &str) -> Option<&'a str> {
        match self.node {
            Node::Text(text) => Some(text),
            _ => self.expected(what),
        }
    }

    /// A scalar that YAML takes for a number or truth value, as written.
    pub fn plain(&self, what: &str) -> Option<&'a str> {
        match self.node {
            Node::Plain(text) => Some(text),
            _ => self.expected(what),
        }
    }

    /// The tag without its `!`, and the value it stands before.
    pub fn tagged(&self) -> Option<(&'a str, Value<'a>)> {
        match self.node {
            Node::Tagged(tag, inner) => Some((
                tag,
                Value {
                    node: inner,
                    ..self.clone()
                },
            )),
            _ => None,
        }
    }

    /// The items of a list; nothing written is an empty list.
    pub fn items(&self, what: &str) -> Option<Vec<Value<'a>>> {
        match self.node {
            Node::Null => Some(Vec::new()),
            Node::Sequence(items) => {
                let items = items.iter().enumerate();
                Some(items.map(|(n, node)| self.inner(n.into(), node)).collect())
            }
            Node::Plain(_) | Node::Text(_) => {
                let hint = Some("a list is written in brackets: [ … ]");
                self.refuse(format!("expected {what}, found a single value"), hint)
            }
            _ => self.expected(what),
        }
    }

    /// The entries of a mapping; nothing written is an empty mapping.
    pub fn entries(&self, what: &str) -> Option<Vec<(&'a str, Value<'a>)>> {
        match self.node {
            Node::Null => Some(Vec::new()),
            Node::Mapping(entries) => {
                let entry = |(key, node): &'a (String, Node)| {
                    (key.as_str(), self.inner(key.as_str().into(), node))
                };
                Some(entries.iter().map(entry).collect())
            }
            _ => self.expected(what),
        }
    }

    /// Like [`Self::entries`], of a value whose problems have been told already.
    pub fn entries_again(&self) -> Vec<(&'a str, Value<'a>)> {
        match self.is_map() {
            true => self.entries("a mapping").unwrap_or_default(),
            false => Vec::new(),
        }
    }

    /// A mapping with keys of ours.
    pub fn map(&self, what: &str) -> Option<Map<'a>> {
        let entries = self.entries(what)?;
        Some(Map {
            value: self.clone(),
            entries: entries
                .into_iter()
                .map(|(_, value)| (value, false))
                .collect(),
            known: Vec::new(),
        })
    }

    fn inner(&self, step: Step, node: &'a Node) -> Value<'a> {
        Value {
            node,
            way: self.way.step(step),
            optional: false,
            problems: self.problems,
        }
    }

    /// Refuses a key that is written twice, anywhere below.
    pub fn refuse_duplicates(&self) {
        match self.node {
            Node::Mapping(entries) => {
                let mut times = HashMap::new();
                for (key, node) in entries {
                    let value = self.inner(key.as_str().into(), node);
                    let times = times.entry(key).or_insert(0);
                    *times += 1;
                    if *times == 2 {
                        value.refuse_second("a key is given twice");
                    }
                    value.refuse_duplicates();
                }
            }
            Node::Sequence(items) => {
                for (n, node) in items.iter().enumerate() {
                    self.inner(n.into(), node).refuse_duplicates();
                }
            }
            Node::Tagged(_, node) => Value {
                node,
                ..self.clone()
            }
            .refuse_duplicates(),
            Node::Null | Node::Plain(_) | Node::Text(_) => {}
        }
    }
}

/// A mapping with keys of ours, in kebab-case or snake_case.
pub(super) struct Map<'a> {
    value: Value<'a>,
    /// Whether each was asked for.
    entries: Vec<(Value<'a>, bool)>,
    known: Vec<&'static str>,
}

impl<'a> Map<'a> {
    /// The value of a key, if it is given.
    pub fn get(&mut self, key: &'static str) -> Option<Value<'a>> {
        self.get_by(key, &[])
    }

    /// The value of a key that has other names too.
    pub fn get_by(&mut self, key: &'static str, others: &[&str]) -> Option<Value<'a>> {
        self.known.push(key);
        let mut found: Option<Value<'a>> = None;
        for (value, asked) in &mut self.entries {
            let Some(Step::Key(written)) = value.way.last() else {
                continue;
            };
            let spelt = written.replace('_', "-");
            if spelt != key && !others.contains(&spelt.as_str()) {
                continue;
            }
            *asked = true;
            match &found {
                None => found = Some(value.clone()),
                // the very same spelling twice has been refused already
                Some(first) if first.way.last() == value.way.last() => {}
                Some(_) => {
                    let hint = match others {
                        [] => "kebab-case and snake_case are the same key".to_owned(),
                        _ => format!("`{}` is the same key", others.join("`, `")),
                    };
                    value.refuse_key::<()>(format!("`{key}` is given twice"), Some(&hint));
                }
            }
        }
        found
    }

    /// The value of a key that has been read already.
    pub fn find(&self, key: &str) -> Option<Value<'a>> {
        let named = |value: &Value<'_>| match value.way.last() {
            Some(Step::Key(written)) => written.replace('_', "-") == key,
            _ => false,
        };
        let (value, _) = self.entries.iter().find(|(value, _)| named(value))?;
        Some(value.clone())
    }

    /// What `read` makes of a key's value, if the key is given.
    pub fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Value<'a>) -> Option<T>,
    ) -> Option<T> {
        let value = self.get(key)?;
        read(&Value {
            optional: true,
            ..value
        })
    }

    /// What `read` makes of a key's value, or the default.
    pub fn or<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Value<'a>) -> Option<T>,
    ) -> T {
        self.optional(key, read).unwrap_or(default)
    }

    /// What `read` makes of a key's value, or none where it is `null`.
    pub fn nullable<T>(
        &mut self,
        key: &'static str,
        default: Option<T>,
        read: impl FnOnce(&Value<'a>) -> Option<T>,
    ) -> Option<T> {
        match self.get(key) {
            Some(value) if value.is_null() => None,
            Some(value) => read(&value),
            None => default,
        }
    }

    /// What `read` makes of a key's value; a missing key is a problem.
    pub fn required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Value<'a>) -> Option<T>,
    ) -> Option<T> {
        match self.get(key) {
            Some(value) => read(&value),
            None => self.value.refuse(format!("`{key}` is missing"), None),
        }
    }

    /// Refuses the keys that nobody asked for, without their names, which may be
    /// secrets: `{hunter2}` is a mapping.
    pub fn finish_unnamed(self) {
        for (value, asked) in &self.entries {
            let (false, Some(Step::Key(written))) = (asked, value.way.last()) else {
                continue;
            };
            let known = closest(written, self.known.iter().copied());
            let hint = known.map(|known| format!("did you mean `{known}`?"));
            let message = format!("unknown key; known are {}", self.known.join(", "));
            value.refuse_key::<()>(message, hint.as_deref());
        }
    }

    /// Whether a key for secrets has something else than its mapping, so that the
    /// keys beside it may be what was meant to stand below it.
    fn has_broken_secrets(&self) -> bool {
        self.entries.iter().any(|(value, _)| {
            let Some(Step::Key(key)) = value.way.last() else {
                return false;
            };
            is_secret(key) && !is_secret_path(key) && !value.is_map()
        })
    }

    /// Refuses the keys that nobody asked for.
    pub fn finish(self) {
        if self.entries.iter().all(|(_, asked)| *asked) {
            return;
        }
        if self.has_broken_secrets() {
            return self.finish_unnamed();
        }
        for (value, asked) in &self.entries {
            let (false, Some(Step::Key(written))) = (asked, value.way.last()) else {
                continue;
            };
            // looking for the closest key takes time, so not for what is not told
            let message = match value.problems.is_full() {
                true => String::new(),
                false => unknown("key", written, self.known.iter().copied()),
            };
            value.refuse_key::<()>(message, None);
        }
    }
}

/// `unknown key `memroy-limit`, did you mean `memory-limit`?`
pub(crate) fn unknown(
    what: &str,
    written: &str,
    known: impl Iterator<Item = &'static str>,
) -> String {
    let question =
        closest(written, known).map_or(String::new(), |known| format!(", did you mean `{known}`?"));
    format!("unknown {what} `{}`{question}", legible(written, 64))
}

/// The word that was probably meant.
pub(super) fn closest(
    written: &str,
    known: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    let plain = |word: &str| -> String {
        let letters = word.chars();
        letters
            .map(|c| {
                if c == '_' {
                    '-'
                } else {
                    c.to_ascii_lowercase()
                }
            })
            .collect()
    };
    let spelt = plain(written);
    known
        .filter(|_| written.len() < 64)
        .map(|word| (strsim::osa_distance(&spelt, &plain(word)), word))
        .filter(|(distance, word)| *distance <= 1 + word.len() / 4)
        .min()
        .map(|(_, word)| word)
}
