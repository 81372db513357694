//! From text to a tree of YAML values, within bounds.
//!
//! The text may come from an image that nobody trusts: aliases that multiply
//! (a "YAML bomb"), deep nesting and what makes the parser slow are refused
//! before they cost anything. A message of the parser is passed on only if it is
//! known to be a fixed text, since others hold parts of the document.

use std::cell::Cell;
use std::fmt;

use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IgnoredAny, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};

use crate::problem::place::position_of;

/// The most that the tree of one document may weigh, in bytes, after aliases
/// are followed: several times what a file of the largest size has in it, unless that
/// is little but commas.
const MAX_WEIGHT: usize = 8 << 20;
/// What a value weighs besides its text.
const NODE_WEIGHT: usize = 32;
/// How deep lists and mappings may be nested.
const MAX_DEPTH: usize = 64;
/// The parser looks at every open bracket for every token, so brackets times
/// bytes bounds its time: this many take about a second.
const MAX_BRACKETS_TIMES_BYTES: usize = 1 << 29;
/// Likewise for directives, which no config needs.
const MAX_DIRECTIVES: usize = 8;

/// A value, with its tag and the order of its keys.
#[derive(Clone, PartialEq)]
pub enum Node {
    /// Nothing, `null` or `~`.
    Null,
    /// Something bare that YAML takes for a number or a truth value, as written.
    Plain(String),
    /// Any other text.
    Text(String),
    /// A list.
    Sequence(Vec<Node>),
    /// A mapping; keys as written, duplicates still there.
    Mapping(Vec<(String, Node)>),
    /// `!Tag value`.
    Tagged(String, Box<Node>),
}

/// Why a text is no tree, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong; holds nothing of the document.
    pub message: String,
    /// The one thing to do, if there is one.
    pub hint: Option<&'static str>,
    /// Line and column, from 1.
    pub position: Option<(usize, usize)>,
}

impl Fault {
    fn new(message: impl Into<String>, hint: Option<&'static str>) -> Self {
        Self {
            message: message.into(),
            hint,
            position: None,
        }
    }
}

/// Reads the one document in `text`; an empty text is [`Node::Null`].
pub fn parse(text: &str) -> Result<Node, Fault> {
    refuse_what_the_parser_cannot_bear(text)?;
    let budget = Budget::default();
    let first = |seed: Build| {
        let mut documents = serde_yaml::Deserializer::from_str(text);
        let first = documents.next();
        let node = first.map_or(Ok(Node::Null), |first| seed.deserialize(first))?;
        Ok((node, documents.next()))
    };
    let fault = |error| budget.fault(text, error);
    let shape = Build::new(&budget, None);
    let (shape, second) = first(shape).map_err(fault)?;
    if let Some(second) = second {
        IgnoredAny::deserialize(second).map_err(fault)?;
        return Err(Fault {
            position: second_document(text, &budget),
            ..Fault::new("more than one YAML document in one file", None)
        });
    }
    // Numbers are told from text by the first reading and kept as they are
    // written, `0o755` or `1.10`, by a second one.
    budget.left.set(MAX_WEIGHT);
    let (node, _) = first(Build::new(&budget, Some(&shape))).map_err(fault)?;
    Ok(node)
}

/// Where the second document begins: it is refused there, with nothing left to spend.
fn second_document(text: &str, budget: &Budget) -> Option<(usize, usize)> {
    budget.left.set(0);
    let second = serde_yaml::Deserializer::from_str(text).nth(1)?;
    let refused = Build::new(budget, None).deserialize(second).err()?;
    Some(position_of(text, refused.location()?.index()))
}

fn refuse_what_the_parser_cannot_bear(text: &str) -> Result<(), Fault> {
    let strange = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
    if let Some(index) = text.find(|c| strange(c) || matches!(c, '\u{fffe}' | '\u{ffff}')) {
        return Err(Fault {
            position: Some(position_of(text, index)),
            ..Fault::new("a control character is not allowed", None)
        });
    }
    let bytes = text.as_bytes();
    let opening = |pair: &&[u8]| matches!(pair[0], b'[' | b'{') && !matches!(pair[1], b']' | b'}');
    let brackets = bytes.windows(2).filter(opening).count();
    if brackets.saturating_mul(bytes.len()) > MAX_BRACKETS_TIMES_BYTES {
        let hint = "write lists and mappings in lines, `- a` and `a: 1`";
        let fault = "too many `[` and `{` for so large a file";
        return Err(Fault::new(fault, Some(hint)));
    }
    if text.lines().filter(|line| line.starts_with('%')).count() > MAX_DIRECTIVES {
        return Err(Fault::new("too many lines that begin with `%`", None));
    }
    Ok(())
}

/// What is left to spend on a tree, and what went wrong if it was refused here.
struct Budget {
    left: Cell<usize>,
    refusal: Cell<Option<Refusal>>,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            left: Cell::new(MAX_WEIGHT),
            refusal: Cell::new(None),
        }
    }
}

#[derive(Clone, Copy)]
enum Refusal {
    Weight,
    Depth,
    Key,
    Nul,
}

impl Budget {
    fn spend(&self, text: usize) -> Result<(), Refusal> {
        let left = self.left.get().checked_sub(NODE_WEIGHT + text);
        self.left.set(left.ok_or(Refusal::Weight)?);
        Ok(())
    }

    fn text(&self, text: &str) -> Result<String, Refusal> {
        self.spend(text.len())?;
        match text.contains('\0') {
            true => Err(Refusal::Nul),
            false => Ok(text.to_owned()),
        }
    }

    fn refuse<E: serde::de::Error>(&self, refusal: Refusal) -> E {
        self.refusal.set(Some(refusal));
        E::custom("refused")
    }

    fn fault(&self, text: &str, error: serde_yaml::Error) -> Fault {
        let too_much = "it grows beyond bounds when its aliases are followed";
        let fault = match self.refusal.get() {
            Some(Refusal::Weight) if !text.contains('*') => {
                Fault::new("it has too many values", None)
            }
            Some(Refusal::Weight) => Fault::new(too_much, None),
            Some(Refusal::Depth) => {
                Fault::new(format!("nested deeper than {MAX_DEPTH} levels"), None)
            }
            Some(Refusal::Key) => Fault::new("a key must be a text or a number", None),
            Some(Refusal::Nul) => Fault::new("a text cannot hold the character NUL", None),
            None => match error.to_string() {
                message if message == "repetition limit exceeded" => Fault::new(too_much, None),
                message => syntax(&message),
            },
        };
        Fault {
            position: error.location().map(|at| position_of(text, at.index())),
            ..fault
        }
    }
}

/// The parser's own messages that are fixed texts, and what to do about them.
const SYNTAX: [(&str, Option<&str>); 22] = [
    (
        "block sequence entries are not allowed in this context",
        None,
    ),
    (
        "could not find expected ':'",
        Some("a key is followed by `: ` and its value"),
    ),
    (
        "did not find expected ',' or ']'",
        Some("a list in brackets is `[a, b]`"),
    ),
    (
        "did not find expected ',' or '}'",
        Some("a mapping in braces is `{ a: 1, b: 2 }`"),
    ),
    (
        "did not find expected '-' indicator",
        Some("check the indentation of this list"),
    ),
    (
        "did not find expected <document start>",
        Some("check the indentation"),
    ),
    (
        "did not find expected alphabetic or numeric character",
        None,
    ),
    ("did not find expected comment or line break", None),
    (
        "did not find expected key",
        Some("check the indentation, and that quotes are closed"),
    ),
    ("did not find expected node content", None),
    ("did not find expected whitespace or line break", None),
    (
        "found a tab character that violates indentation",
        Some("indent with spaces"),
    ),
    (
        "found a tab character where an indentation space is expected",
        Some("indent with spaces"),
    ),
    (
        "found character that cannot start any token",
        Some("indent with spaces, and quote texts that begin with @, ` or %"),
    ),
    ("found undefined tag handle", None),
    ("found unexpected ':'", None),
    ("found unexpected document indicator", None),
    (
        "found unexpected end of stream",
        Some("a quote or a bracket is not closed"),
    ),
    (
        "found unknown escape character",
        Some("in single quotes a `\\` is a `\\`"),
    ),
    ("mapping keys are not allowed in this context", None),
    (
        "mapping values are not allowed in this context",
        Some("check the indentation, and quote texts that hold `: `"),
    ),
    ("unknown anchor", Some("quote texts that begin with `*`")),
];

fn syntax(message: &str) -> Fault {
    let known = SYNTAX.iter().find(|(known, _)| message.starts_with(known));
    match known {
        Some((known, hint)) => Fault::new(format!("not YAML: {known}"), *hint),
        None => Fault::new("not YAML", None),
    }
}

/// Builds the tree. Without `shape`, what looks like a number is a placeholder;
/// with the shape that came of this, it is read as written.
#[derive(Clone, Copy)]
struct Build<'a> {
    budget: &'a Budget,
    shape: Option<&'a Node>,
    depth: usize,
}

impl<'a> Build<'a> {
    fn new(budget: &'a Budget, shape: Option<&'a Node>) -> Self {
        Self {
            budget,
            shape,
            depth: 0,
        }
    }

    fn inner<E: serde::de::Error>(self, shape: Option<&'a Node>) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(self.budget.refuse(Refusal::Depth));
        }
        Ok(Self {
            shape,
            depth: self.depth + 1,
            ..self
        })
    }

    fn leaf<E: serde::de::Error>(self, node: Node) -> Result<Node, E> {
        self.budget.spend(0).map_err(|r| self.budget.refuse(r))?;
        Ok(node)
    }
}

impl<'de> DeserializeSeed<'de> for Build<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        match self.shape {
            Some(Node::Plain(_)) => AsWritten(self.budget)
                .deserialize(deserializer)
                .map(Node::Plain),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Build<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Node, E> {
        self.leaf(Node::Null)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Node, E> {
        self.leaf(Node::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Node, E> {
        self.leaf(Node::Plain(String::new()))
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Node, E> {
        self.leaf(Node::Plain(String::new()))
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Node, E> {
        self.leaf(Node::Plain(String::new()))
    }

    fn visit_i128<E: serde::de::Error>(self, _: i128) -> Result<Node, E> {
        self.leaf(Node::Plain(String::new()))
    }

    fn visit_u128<E: serde::de::Error>(self, _: u128) -> Result<Node, E> {
        self.leaf(Node::Plain(String::new()))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Node, E> {
        self.leaf(Node::Plain(String::new()))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Node, E> {
        let text = self.budget.text(text);
        text.map(Node::Text)
            .map_err(|refusal| self.budget.refuse(refusal))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        self.leaf::<A::Error>(Node::Null)?;
        let shapes = match self.shape {
            Some(Node::Sequence(shapes)) => shapes.as_slice(),
            _ => &[],
        };
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(self.inner(shapes.get(items.len()))?)? {
            items.push(item);
        }
        Ok(Node::Sequence(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        self.leaf::<A::Error>(Node::Null)?;
        let shapes = match self.shape {
            Some(Node::Mapping(shapes)) => shapes.as_slice(),
            _ => &[],
        };
        let mut entries = Vec::new();
        while let Some(key) = access.next_key_seed(Key(self.budget))? {
            let shape = shapes.get(entries.len()).map(|(_, shape)| shape);
            entries.push((key, access.next_value_seed(self.inner(shape)?)?));
        }
        Ok(Node::Mapping(entries))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<Node, A::Error> {
        let (tag, value) = access.variant_seed(AsWritten(self.budget))?;
        let shape = match self.shape {
            Some(Node::Tagged(_, shape)) => Some(&**shape),
            _ => None,
        };
        let value = value.newtype_variant_seed(self.inner(shape)?)?;
        Ok(Node::Tagged(tag, Box::new(value)))
    }
}

/// A scalar's text, whatever it looks like.
struct AsWritten<'a>(&'a Budget);

impl<'de> DeserializeSeed<'de> for AsWritten<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for AsWritten<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<String, E> {
        self.0.text(text).map_err(|refusal| self.0.refuse(refusal))
    }
}

/// A key: a scalar's text.
struct Key<'a>(&'a Budget);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        let key = AsWritten(self.0).deserialize(deserializer);
        key.inspect_err(|error| {
            if self.0.refusal.get().is_none() && error.to_string().contains("a text") {
                self.0.refusal.set(Some(Refusal::Key));
            }
        })
    }
}
