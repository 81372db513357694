//! Other tokens in the place of those that are there.

use std::ops::Range;

use saphyr_parser::ScalarStyle;

use super::patch::{Patch, is_blank_or_comment, line_of, newline, next_line, part_of_brackets};
use super::tree::{Content, Node};
use super::{Document, EditError, Entry};

/// The place in a document that holds a secret's tokens.
pub(super) struct Slot<'a> {
    /// The key before it.
    pub key: &'a Node,
    pub node: &'a Node,
    /// It is inside of brackets.
    pub flow: bool,
}

impl<'a> Slot<'a> {
    /// The slot of an entry, if changing it changes nothing else.
    pub fn of(document: &'a Document, entry: &Entry<'a>) -> Result<Slot<'a>, EditError> {
        let line = entry.place().line;
        let section = document.section_node(entry.section());
        let section = section.ok_or(EditError::Layout { line })?;
        let flow = |node: &Node| matches!(node.content, Content::Map { flow: true, .. });
        if section.anchored || entry.node.anchored || entry.key.anchored {
            return Err(EditError::Alias { line });
        }
        match entry.node.entries() {
            None => Ok(Slot {
                key: entry.key,
                node: entry.node,
                flow: flow(section),
            }),
            Some(extras) => {
                let mut extras = extras.iter();
                let value = extras.find(|(key, _)| key.scalar() == Some("value"));
                let (key, node) = value.ok_or(EditError::Shape { line })?;
                let flow = flow(section) || flow(entry.node);
                Ok(Slot { key, node, flow })
            }
        }
    }
}

/// Puts these tokens there, and keeps those that are there already.
pub(super) fn tokens(text: &str, slot: &Slot, new: &[String]) -> Result<Vec<Patch>, EditError> {
    let line = slot.node.place.line;
    if slot.node.anchored {
        return Err(EditError::Alias { line });
    }
    match &slot.node.content {
        Content::Alias => Err(EditError::Alias { line }),
        Content::Map { .. } => Err(EditError::Shape { line }),
        Content::Scalar { .. } if slot.node.is_null() => null(text, slot, new),
        Content::Scalar { .. } => match new {
            [token] => Ok(vec![scalar(text, slot.node, token)?]),
            _ => scalar_to_list(text, slot, new),
        },
        Content::List { items, .. } if items.is_empty() => {
            let range = slot.node.range.clone();
            Ok(vec![Patch::replace(range, flow_list(new))])
        }
        Content::List { items, flow } => list(text, items, *flow, new),
    }
}

/// Another text in the place of a scalar, in the quotes that it has.
pub(super) fn scalar(text: &str, node: &Node, token: &str) -> Result<Patch, EditError> {
    let line = node.place.line;
    let Content::Scalar { value, style } = &node.content else {
        return Err(EditError::Shape { line });
    };
    if node.anchored {
        return Err(EditError::Alias { line });
    }
    let (range, slice) = (&node.range, &text[node.range.clone()]);
    let several_lines = EditError::SeveralLines { line };
    if slice.contains('\n') {
        return Err(several_lines);
    }
    let inner = match style {
        ScalarStyle::Plain if slice.ends_with(&value[..]) => range.end - value.len()..range.end,
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
            let quote = if *style == ScalarStyle::SingleQuoted {
                '\''
            } else {
                '"'
            };
            let open = slice.find(quote).filter(|_| slice.ends_with(quote));
            let open = open.filter(|open| open + 1 < slice.len());
            range.start + open.ok_or(several_lines)? + 1..range.end - 1
        }
        _ => return Err(several_lines),
    };
    Ok(Patch::replace(inner, token))
}

/// Tokens where there is only a key.
fn null(text: &str, slot: &Slot, new: &[String]) -> Result<Vec<Patch>, EditError> {
    let line = slot.node.place.line;
    if !slot.node.range.is_empty() {
        let range = slot.node.range.clone();
        return Ok(vec![Patch::replace(range, one_line(new))]);
    }
    let end = slot.key.range.end;
    let colon = text[end..].trim_start_matches([' ', '\t']);
    if !colon.starts_with(':') {
        return Err(EditError::Layout { line });
    }
    let after = text.len() - colon.len() + 1;
    Ok(vec![Patch::insert(after, format!(" {}", one_line(new)))])
}

fn one_line(tokens: &[String]) -> String {
    match tokens {
        [token] => token.clone(),
        _ => flow_list(tokens),
    }
}

fn flow_list(tokens: &[String]) -> String {
    format!("[{}]", tokens.join(", "))
}

/// A list in the place of a lone token: a token a line, where lines count.
fn scalar_to_list(text: &str, slot: &Slot, new: &[String]) -> Result<Vec<Patch>, EditError> {
    let node = slot.node;
    // Proves that it stands in one line and has no tag.
    scalar(text, node, "")?;
    if node.tag.is_some() {
        return Err(EditError::Layout {
            line: node.place.line,
        });
    }
    if slot.flow {
        return Ok(vec![Patch::replace(node.range.clone(), flow_list(new))]);
    }
    let blanks = text[..node.range.start].trim_end_matches([' ', '\t']).len();
    let indent = &text[line_of(text, slot.key.range.start).start..slot.key.range.start];
    if !indent.bytes().all(|byte| byte == b' ') {
        return Ok(vec![Patch::replace(node.range.clone(), flow_list(new))]);
    }
    let lines = block_items(new, indent, newline(text));
    Ok(vec![Patch::replace(blanks..node.range.end, lines)])
}

/// List items below a key with this indentation, each with a newline before.
pub(super) fn block_items(tokens: &[String], indent: &str, newline: &str) -> String {
    let items = tokens
        .iter()
        .map(|token| format!("{newline}{indent}  - {token}"));
    items.collect()
}

/// Changes a list so that it holds `new`.
fn list(text: &str, items: &[Node], flow: bool, new: &[String]) -> Result<Vec<Patch>, EditError> {
    let line = items[0].place.line;
    let shape = EditError::Shape { line };
    let old: Option<Vec<&str>> = items.iter().map(Node::scalar).collect();
    let old = old.ok_or(shape)?;
    let mut patches = Vec::new();
    let kept = subsequence(&old, new);
    if let Some(kept) = kept {
        let gone = (0..items.len()).filter(|index| !kept.contains(index));
        for index in gone {
            patches.push(Patch::delete(item_range(text, items, index, flow)?));
        }
        return Ok(patches);
    }
    let more = new.len().saturating_sub(old.len());
    let at_end = new.len() > old.len() && old.iter().zip(new).all(|(old, new)| old == new);
    let first = if at_end { 0 } else { more };
    for (index, (item, token)) in items.iter().zip(&new[first..]).enumerate() {
        if old[index] != token {
            patches.push(scalar(text, item, token)?);
        }
    }
    for index in new.len()..items.len() {
        patches.push(Patch::delete(item_range(text, items, index, flow)?));
    }
    let further = if at_end {
        &new[old.len()..]
    } else {
        &new[..more]
    };
    if !further.is_empty() {
        patches.push(further_items(text, items, flow, further, at_end)?);
    }
    Ok(patches)
}

/// The indices of `old` that make up `new`, if it is a part of it.
fn subsequence(old: &[&str], new: &[String]) -> Option<Vec<usize>> {
    let mut indices = 0..old.len();
    new.iter()
        .map(|token| indices.by_ref().find(|index| old[*index] == token))
        .collect()
}

/// What goes if an item goes.
fn item_range(
    text: &str,
    items: &[Node],
    index: usize,
    flow: bool,
) -> Result<Range<usize>, EditError> {
    let item = &items[index];
    if flow {
        let ranges: Vec<_> = items.iter().map(|item| item.range.clone()).collect();
        let line = item.place.line;
        return part_of_brackets(text, &ranges, index).ok_or(EditError::Layout { line });
    }
    dash_before(text, item)?;
    let line = line_of(text, item.range.start);
    if item.range.end > line.end || !is_blank_or_comment(&text[item.range.end..line.end]) {
        return Err(EditError::SeveralLines {
            line: item.place.line,
        });
    }
    Ok(line.start..next_line(text, item.range.end))
}

/// What stands before an item in its line: white space and a dash.
fn dash_before<'a>(text: &'a str, item: &Node) -> Result<&'a str, EditError> {
    let before = &text[line_of(text, item.range.start).start..item.range.start];
    if before.trim() == "-" {
        Ok(before)
    } else {
        Err(EditError::Layout {
            line: item.place.line,
        })
    }
}

/// More items, before the first or after the last.
fn further_items(
    text: &str,
    items: &[Node],
    flow: bool,
    tokens: &[String],
    at_end: bool,
) -> Result<Patch, EditError> {
    let (first, last) = (&items[0], &items[items.len() - 1]);
    if flow {
        let tokens = tokens.join(", ");
        return Ok(if at_end {
            Patch::insert(last.range.end, format!(", {tokens}"))
        } else {
            Patch::insert(first.range.start, format!("{tokens}, "))
        });
    }
    let (before, newline) = (dash_before(text, first)?, newline(text));
    if !at_end {
        let lines: String = tokens
            .iter()
            .map(|token| format!("{before}{token}{newline}"))
            .collect();
        return Ok(Patch::insert(line_of(text, first.range.start).start, lines));
    }
    // In front of the line's end, which the file may lack.
    let line = line_of(text, last.range.end);
    let end = line.start + text[line].trim_end_matches('\r').len();
    let lines: String = tokens
        .iter()
        .map(|token| format!("{newline}{before}{token}"))
        .collect();
    Ok(Patch::insert(end, lines))
}
