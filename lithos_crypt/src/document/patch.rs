//! Replacing ranges of a text.

use std::ops::Range;

/// These bytes become that text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Patch {
    pub range: Range<usize>,
    pub text: String,
}

impl Patch {
    pub fn replace(range: Range<usize>, text: impl Into<String>) -> Patch {
        let text = text.into();
        Patch { range, text }
    }

    pub fn insert(at: usize, text: impl Into<String>) -> Patch {
        Patch::replace(at..at, text)
    }

    pub fn delete(range: Range<usize>) -> Patch {
        Patch::replace(range, "")
    }
}

/// The text with all patches applied; `None` if they get in each other's way.
/// Deletions may overlap.
pub(super) fn apply(text: &str, mut patches: Vec<Patch>) -> Option<String> {
    patches.sort_by_key(|patch| (patch.range.start, patch.range.end));
    let mut result = String::with_capacity(text.len() + 256);
    let mut done = 0;
    for Patch { range, text: new } in patches {
        if range.start < done && !new.is_empty() {
            return None;
        }
        if range.start > done {
            result.push_str(text.get(done..range.start)?);
        }
        result.push_str(&new);
        done = done.max(range.end);
    }
    result.push_str(text.get(done..)?);
    Some(result)
}

/// The bytes of the line in which `at` stands, without its end.
pub(super) fn line_of(text: &str, at: usize) -> Range<usize> {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[at..]
        .find('\n')
        .map_or(text.len(), |length| at + length);
    start..end
}

/// Where the line after this one begins, or the text's end.
pub(super) fn next_line(text: &str, at: usize) -> usize {
    (line_of(text, at).end + 1).min(text.len())
}

/// How the text ends its lines.
pub(super) fn newline(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// Whether nothing but white space or a comment is there.
pub(super) fn is_blank_or_comment(text: &str) -> bool {
    let text = text.trim();
    text.is_empty() || text.starts_with('#')
}

/// What goes if one of these parts of brackets goes: up to its neighbour, or its
/// lines, with the comment after it. `None` if another's comment would go, or
/// would seem to be about a neighbour.
pub(super) fn part_of_brackets(
    text: &str,
    parts: &[Range<usize>],
    index: usize,
) -> Option<Range<usize>> {
    let part = &parts[index];
    let (range, between) = match parts.get(index + 1) {
        Some(next) => (part.start..next.start, part.end..next.start),
        None if index > 0 => {
            let end = parts[index - 1].end;
            (end..part.end, end..part.start)
        }
        None => (part.clone(), part.end..part.end),
    };
    let after = text[part.end..line_of(text, part.end).end].trim_start();
    let after = after.strip_prefix(':').unwrap_or(after).trim_start();
    let after = after.strip_prefix(',').unwrap_or(after).trim_start();
    if !text[between].contains('#') && !after.starts_with('#') {
        return Some(range);
    }
    let start = line_of(text, part.start).start;
    let has_lines = text[start..part.start].trim().is_empty() && is_blank_or_comment(after);
    has_lines.then(|| start..next_line(text, part.end))
}
