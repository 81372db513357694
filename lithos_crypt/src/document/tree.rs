//! A YAML document as a tree that knows the place of each of its bytes.
//!
//! The parser's events come with positions; this makes nodes of them and
//! judges nothing. A document of any size or depth ends in an error or a tree,
//! never in an exhausted stack.

use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::DocumentError;

/// Documents nested deeper are refused.
const DEPTH: usize = 64;

/// A line and a column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// A node and where it stands.
#[derive(Debug)]
pub(crate) struct Node {
    /// The bytes from its first property or character to its end; that of a
    /// block collection is the end of its last child.
    pub range: Range<usize>,
    pub place: Place,
    /// It has an anchor, so it may stand for other nodes too.
    pub anchored: bool,
    pub tag: Option<String>,
    pub content: Content,
}

#[derive(Debug)]
pub(crate) enum Content {
    Scalar {
        value: String,
        style: ScalarStyle,
    },
    List {
        items: Vec<Node>,
        flow: bool,
    },
    Map {
        entries: Vec<(Node, Node)>,
        flow: bool,
    },
    Alias,
}

impl Node {
    /// The text of a scalar.
    pub fn scalar(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar { value, .. } => Some(value),
            _ => None,
        }
    }

    /// The entries of a map, if it is one.
    pub fn entries(&self) -> Option<&[(Node, Node)]> {
        match &self.content {
            Content::Map { entries, .. } => Some(entries),
            _ => None,
        }
    }

    /// Whether it is this key, in either spelling.
    pub fn is_key(&self, key: &str) -> bool {
        self.scalar().is_some_and(|name| same_key(name, key))
    }

    /// Every value under a key; a sound map has one at most.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Node> {
        let entries = self.entries().unwrap_or_default().iter();
        let found = entries.filter(move |(name, _)| name.is_key(key));
        found.map(|(_, value)| value)
    }

    /// The first value under a key, in kebab-case or snake_case.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let mut entries = self.entries()?.iter();
        entries
            .find(|(name, _)| name.is_key(key))
            .map(|(_, value)| value)
    }

    /// Nothing, as YAML writes it. With a tag it is something, if only the tag.
    pub fn is_null(&self) -> bool {
        self.tag.is_none()
            && matches!(&self.content, Content::Scalar { value, style: ScalarStyle::Plain }
                if matches!(&value[..], "" | "~" | "null"))
    }
}

/// Whether a key is this one, which is given in kebab-case.
pub(super) fn same_key(found: &str, kebab: &str) -> bool {
    found.len() == kebab.len()
        && found
            .bytes()
            .zip(kebab.bytes())
            .all(|(found, kebab)| found == kebab || (found == b'_' && kebab == b'-'))
}

/// Parses a text; `None` if there is nothing in it but comments.
pub(super) fn parse(text: &str) -> Result<Option<Node>, DocumentError> {
    let bytes = ByteOffsets::new(text);
    let mut builder = Builder {
        text,
        bytes,
        open: Vec::new(),
        root: None,
    };
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| DocumentError::Syntax {
            line: error.marker().line(),
            column: error.marker().col() + 1,
        })?;
        if matches!(event, Event::DocumentStart(_)) {
            documents += 1;
            if documents > 1 {
                let line = span.start.line();
                return Err(DocumentError::SeveralDocuments { line });
            }
        }
        builder.take(event, span)?;
    }
    Ok(builder.root)
}

/// A collection that is still open.
struct Open {
    node: Node,
    /// The key of a map that waits for its value.
    key: Option<Node>,
}

struct Builder<'a> {
    text: &'a str,
    bytes: ByteOffsets,
    open: Vec<Open>,
    root: Option<Node>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), DocumentError> {
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                let value = value.into_owned();
                let content = Content::Scalar { value, style };
                let node = self.node(span, anchor, tag.map(|tag| tag.to_string()), content);
                self.place(node);
            }
            Event::Alias(_) => {
                let node = self.node(span, 0, None, Content::Alias);
                self.place(node);
            }
            Event::SequenceStart(anchor, tag) => {
                let flow = self.is_flow(span);
                let items = Vec::new();
                let content = Content::List { items, flow };
                self.start(span, anchor, tag.map(|tag| tag.to_string()), content)?;
            }
            Event::MappingStart(anchor, tag) => {
                let flow = self.is_flow(span);
                let entries = Vec::new();
                let content = Content::Map { entries, flow };
                self.start(span, anchor, tag.map(|tag| tag.to_string()), content)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            _ => {}
        }
        Ok(())
    }

    fn node(&self, span: Span, anchor: usize, tag: Option<String>, content: Content) -> Node {
        let start = self.bytes.of(span.start.index());
        let slice = &self.text[start..self.bytes.of(span.end.index()).max(start)];
        let quoted = match &content {
            Content::Scalar { style, .. } => quoted_length(slice, *style),
            _ => None,
        };
        Node {
            range: start..start + quoted.unwrap_or(slice.trim_end().len()),
            place: Place {
                line: span.start.line(),
                column: span.start.col() + 1,
            },
            anchored: anchor != 0,
            tag,
            content,
        }
    }

    /// Whether the collection that starts here is written in brackets.
    fn is_flow(&self, span: Span) -> bool {
        span.start.index() != span.end.index()
            && self.text[..self.bytes.of(span.end.index())]
                .trim_end()
                .ends_with(['[', '{'])
    }

    fn start(
        &mut self,
        span: Span,
        anchor: usize,
        tag: Option<String>,
        content: Content,
    ) -> Result<(), DocumentError> {
        if self.open.len() == DEPTH {
            return Err(DocumentError::TooDeep {
                line: span.start.line(),
            });
        }
        let node = self.node(span, anchor, tag, content);
        self.open.push(Open { node, key: None });
        Ok(())
    }

    fn end(&mut self, span: Span) {
        let Some(Open { mut node, .. }) = self.open.pop() else {
            return;
        };
        node.range.end = match &node.content {
            Content::List { flow: true, .. } | Content::Map { flow: true, .. } => {
                self.bytes.of(span.end.index())
            }
            Content::List { items, .. } => items.last().map_or(node.range.end, |n| n.range.end),
            Content::Map { entries, .. } => {
                entries.last().map_or(node.range.end, |(key, value)| {
                    key.range.end.max(value.range.end)
                })
            }
            _ => node.range.end,
        };
        self.place(node);
    }

    /// Puts a finished node where it belongs.
    fn place(&mut self, node: Node) {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut open.node.content {
            Content::List { items, .. } => items.push(node),
            Content::Map { entries, .. } => match open.key.take() {
                None => open.key = Some(node),
                Some(key) => entries.push((key, node)),
            },
            _ => {}
        }
    }
}

/// Up to the closing quote: the parser takes a comment after it for a part.
fn quoted_length(slice: &str, style: ScalarStyle) -> Option<usize> {
    let (quote, escape) = match style {
        ScalarStyle::DoubleQuoted => ('"', '\\'),
        ScalarStyle::SingleQuoted => ('\'', '\''),
        _ => return None,
    };
    let open = slice.find(quote)? + 1;
    let mut rest = slice[open..].char_indices().peekable();
    while let Some((at, found)) = rest.next() {
        let is_pair =
            found == escape && (escape != quote || rest.peek().is_some_and(|(_, c)| *c == quote));
        if is_pair {
            rest.next();
        } else if found == quote {
            return Some(open + at + 1);
        }
    }
    None
}

/// From the parser's offsets, which count characters, to bytes.
struct ByteOffsets {
    /// None if every character is one byte.
    of_characters: Option<Vec<usize>>,
    length: usize,
}

impl ByteOffsets {
    fn new(text: &str) -> ByteOffsets {
        let several = !text.is_ascii();
        ByteOffsets {
            of_characters: several.then(|| text.char_indices().map(|(at, _)| at).collect()),
            length: text.len(),
        }
    }

    fn of(&self, character: usize) -> usize {
        let found = match &self.of_characters {
            None => Some(character),
            Some(offsets) => offsets.get(character).copied(),
        };
        found.unwrap_or(self.length).min(self.length)
    }
}
