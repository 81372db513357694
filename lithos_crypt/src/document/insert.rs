//! New secrets in a section, which may have to be made; and secrets removed.

use saphyr_parser::ScalarStyle;

use super::patch::{Patch, is_blank_or_comment, line_of, newline, next_line, part_of_brackets};
use super::replace::block_items;
use super::tree::{Content, Node};
use super::{Change, Document, EditError, Entry, Section};

/// Secrets to be added to one section.
pub(super) struct Insertion<'a> {
    text: &'a str,
    /// The deepest node on the way to the section, with its key.
    node: Option<(Option<&'a Node>, &'a Node)>,
    /// The keys that are missing from there on.
    missing: Vec<&'a str>,
    changes: &'a [&'a Change],
    /// The whole is no map within braces, or one that is empty.
    is_of_lines: bool,
}

impl<'a> Insertion<'a> {
    pub fn new(
        document: &'a Document,
        section: &'a Section,
        changes: &'a [&'a Change],
    ) -> Result<Insertion<'a>, EditError> {
        Insertion::at(document, section.path(), changes)
    }

    /// The same at any path of keys.
    pub fn at(
        document: &'a Document,
        path: Vec<&'a str>,
        changes: &'a [&'a Change],
    ) -> Result<Insertion<'a>, EditError> {
        let mut missing = path;
        let mut node = document.root.as_ref().map(|root| (None, root));
        while let (Some((_, parent)), Some(key)) = (node, missing.first()) {
            let mut entries = parent.entries().unwrap_or_default().iter();
            let found = entries.find(|(_, value)| {
                parent
                    .get(key)
                    .is_some_and(|wanted| std::ptr::eq(wanted, value))
            });
            let Some((key, value)) = found else { break };
            node = Some((Some(key), value));
            missing.remove(0);
        }
        if changes.iter().any(|change| !is_plain_name(&change.name)) {
            return Err(EditError::Name);
        }
        let text = document.text();
        let is_of_lines = document.root.as_ref().is_none_or(|root| {
            !matches!(&root.content, Content::Map { flow: true, entries } if !entries.is_empty())
        });
        Ok(Insertion {
            is_of_lines,
            text,
            node,
            missing,
            changes,
        })
    }

    pub fn patches(&self) -> Result<Vec<Patch>, EditError> {
        let Some((key, node)) = self.node else {
            return Ok(vec![self.at_the_end()]);
        };
        let line = node.place.line;
        if node.anchored {
            return Err(EditError::Alias { line });
        }
        match &node.content {
            Content::Alias => Err(EditError::Alias { line }),
            Content::Map {
                flow: true,
                entries,
            } => self.to_flow(node, entries),
            Content::Map { entries, .. } => self.to_block(entries),
            Content::Scalar {
                style: ScalarStyle::Plain,
                ..
            } if node.is_null() => self.to_null(key, node),
            _ => Err(EditError::Layout { line }),
        }
    }

    /// In a document that has nothing but comments.
    fn at_the_end(&self) -> Patch {
        let newline = newline(self.text);
        let lines = self.block("");
        let lines = &lines[newline.len()..];
        let open = !self.text.is_empty() && !self.text.ends_with('\n');
        let before = if open { newline } else { "" };
        Patch::insert(self.text.len(), format!("{before}{lines}{newline}"))
    }

    /// After the last entry of a map of lines.
    fn to_block(&self, entries: &[(Node, Node)]) -> Result<Vec<Patch>, EditError> {
        let (first, _) = &entries[0];
        let line = first.place.line;
        let indent = &self.text[line_of(self.text, first.range.start).start..first.range.start];
        let indent = indent.trim_start_matches('\u{feff}');
        if !indent.bytes().all(|byte| byte == b' ') {
            return Err(EditError::Layout { line });
        }
        let (key, value) = &entries[entries.len() - 1];
        Ok(vec![
            self.lines_after(key.range.end.max(value.range.end), indent),
        ])
    }

    /// After the line in which `at` stands, whether it has an end or not.
    fn lines_after(&self, at: usize, indent: &str) -> Patch {
        let line = line_of(self.text, at);
        let end = line.start + self.text[line].trim_end_matches('\r').len();
        Patch::insert(end, self.block(indent))
    }

    fn to_flow(&self, node: &Node, entries: &[(Node, Node)]) -> Result<Vec<Patch>, EditError> {
        let line = node.place.line;
        if let Some((key, value)) = entries.last() {
            let at = key.range.end.max(value.range.end);
            return Ok(vec![Patch::insert(at, format!(", {}", self.flow()))]);
        }
        if let Some(indent) = self.indent_alone(node) {
            // As `removals` leaves it: there is no layout to keep.
            let skipped = newline(self.text).len() + indent.len();
            let lines = &self.block(indent)[skipped..];
            return Ok(vec![Patch::replace(node.range.clone(), lines)]);
        }
        let slice = &self.text[node.range.clone()];
        let open = slice.rfind('{').filter(|_| !slice.contains('#'));
        let open = open.ok_or(EditError::Layout { line })?;
        let range = node.range.start + open..node.range.end;
        Ok(vec![Patch::replace(
            range,
            format!("{{ {} }}", self.flow()),
        )])
    }

    /// The indent of a node that has its lines for itself, in a document of lines.
    fn indent_alone(&self, node: &Node) -> Option<&'a str> {
        let line = line_of(self.text, node.range.start);
        let indent = &self.text[line.start..node.range.start];
        let rest = &self.text[node.range.end..line.end.max(node.range.end)];
        let is_alone = indent.bytes().all(|byte| byte == b' ') && rest.trim().is_empty();
        (self.is_of_lines && is_alone).then_some(indent)
    }

    /// Below a key that has nothing yet.
    fn to_null(&self, key: Option<&Node>, node: &Node) -> Result<Vec<Patch>, EditError> {
        let line = node.place.line;
        let Some(key) = key else {
            return Ok(vec![Patch::delete(node.range.clone()), self.at_the_end()]);
        };
        let start = line_of(self.text, key.range.start);
        let indent = &self.text[start.start..key.range.start];
        let rest = self.text[key.range.end.max(node.range.end)..start.end].trim_start();
        let rest = rest.strip_prefix(':').unwrap_or(rest);
        if !indent.bytes().all(|byte| byte == b' ') || !is_blank_or_comment(rest) {
            return Err(EditError::Layout { line });
        }
        let lines = self.lines_after(key.range.end, &format!("{indent}  "));
        Ok(vec![Patch::delete(node.range.clone()), lines])
    }

    /// The missing keys and the secrets, a newline before each.
    fn block(&self, indent: &str) -> String {
        let newline = newline(self.text);
        let (mut lines, mut indent) = (String::new(), indent.to_owned());
        for key in &self.missing {
            lines += &format!("{newline}{indent}{key}:");
            indent += "  ";
        }
        for change in self.changes {
            lines += &format!("{newline}{indent}{}:", quoted(&change.name));
            match &change.tokens[..] {
                [token] => lines += &format!(" {token}"),
                tokens => lines += &block_items(tokens, &indent, newline),
            }
        }
        lines
    }

    fn flow(&self) -> String {
        let entry = |change: &&Change| match &change.tokens[..] {
            [token] => format!("{}: {token}", quoted(&change.name)),
            tokens => format!("{}: [{}]", quoted(&change.name), tokens.join(", ")),
        };
        let entries: Vec<_> = self.changes.iter().map(entry).collect();
        let wrap = |inner, key: &&str| format!("{key}: {{ {inner} }}");
        self.missing.iter().rev().fold(entries.join(", "), wrap)
    }
}

/// Whether every reader of YAML takes the name for the same text.
pub(super) fn is_plain_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./-".contains(&byte);
    !name.is_empty() && name.bytes().all(plain)
}

/// The name, quoted where a reader could take it for something else.
pub(super) fn quoted(name: &str) -> String {
    let words = [
        "null", "true", "false", "yes", "no", "on", "off", "y", "n", "value",
    ];
    let doubtful = !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '/')
        || words.contains(&&name.to_ascii_lowercase()[..]);
    if doubtful {
        format!("\"{name}\"")
    } else {
        name.to_owned()
    }
}

impl Document {
    /// Takes these secrets out, with their lines.
    pub(super) fn removals(&self, removed: &[&Entry]) -> Result<Vec<Patch>, EditError> {
        let mut patches = Vec::new();
        let gone: std::collections::HashSet<*const Node> = removed
            .iter()
            .map(|entry| std::ptr::from_ref(entry.key))
            .collect();
        let sections: std::collections::BTreeSet<_> =
            removed.iter().map(|entry| entry.section()).collect();
        for section in sections {
            let Some(node) = self.section_node(section) else {
                continue;
            };
            let Content::Map { entries, flow } = &node.content else {
                continue;
            };
            if node.anchored {
                return Err(EditError::Alias {
                    line: node.place.line,
                });
            }
            let is_gone = |(key, _): &(Node, Node)| gone.contains(&std::ptr::from_ref(key));
            let empties = entries.iter().all(is_gone);
            for (index, entry) in entries.iter().enumerate() {
                if is_gone(entry) {
                    patches.push(self.removal(entries, index, *flow, empties)?);
                }
            }
        }
        Ok(patches)
    }

    pub(super) fn removal(
        &self,
        entries: &[(Node, Node)],
        index: usize,
        flow: bool,
        empties: bool,
    ) -> Result<Patch, EditError> {
        let (key, value) = &entries[index];
        let end = |(key, value): &(Node, Node)| key.range.end.max(value.range.end);
        if key.anchored || value.anchored {
            return Err(EditError::Alias {
                line: key.place.line,
            });
        }
        if flow {
            let range = |entry: &(Node, Node)| entry.0.range.start..end(entry);
            let ranges: Vec<_> = entries.iter().map(range).collect();
            let line = key.place.line;
            let range = part_of_brackets(self.text(), &ranges, index);
            return Ok(Patch::delete(range.ok_or(EditError::Layout { line })?));
        }
        let line = line_of(self.text(), key.range.start);
        let last = line_of(self.text(), end(&entries[index]));
        let before = self.text()[line.start..key.range.start].trim_start_matches('\u{feff}');
        let after = &self.text()[end(&entries[index])..last.end];
        let colon = if value.range.is_empty() {
            after.trim_start().trim_start_matches(':')
        } else {
            after
        };
        if !before.bytes().all(|byte| byte == b' ') || !is_blank_or_comment(colon) {
            return Err(EditError::Layout {
                line: key.place.line,
            });
        }
        if empties && index == 0 {
            let colon = after.len() - colon.len();
            return Ok(Patch::replace(
                key.range.start..end(&entries[index]) + colon,
                "{}",
            ));
        }
        Ok(Patch::delete(
            key.range.start - before.len()..next_line(self.text(), last.start),
        ))
    }
}
