//! Lines of a log, as they are shown.

use std::io::{self, Write};

use crate::name::ContainerName;
use crate::problem::legible;
use crate::selection::Selection;

/// As much of a line is held; a longer one is shown in pieces.
const LONGEST: usize = 64 * 1024;

/// How lines are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// What could steer the terminal is escaped.
    Terminal,
    /// As they are.
    Raw,
    /// `{"sandbox":"shop","line":"…"}`
    Json,
}

/// Lines that are cut out of what is read.
#[derive(Debug)]
pub struct Lines {
    name: Selection,
    manner: Manner,
    line: Vec<u8>,
}

impl Lines {
    /// Of what was named.
    pub fn new(name: Selection, manner: Manner) -> Self {
        let line = Vec::new();
        Self { name, manner, line }
    }

    /// Shows the lines that are whole.
    pub fn show(&mut self, bytes: &[u8], out: &mut impl Write) -> io::Result<()> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.line.len() >= LONGEST {
                self.end_of_line(out)?;
            }
        }
        Ok(())
    }

    /// Shows what is left without an end of line.
    pub fn finish(&mut self, out: &mut impl Write) -> io::Result<()> {
        match self.line.is_empty() {
            true => Ok(()),
            false => self.end_of_line(out),
        }
    }

    fn end_of_line(&mut self, out: &mut impl Write) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        if teller(&line).is_some_and(|name| !self.name.covers(&name)) {
            return Ok(());
        }
        if self.manner == Manner::Raw {
            return out.write_all(&line);
        }
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        match self.manner {
            Manner::Json => {
                let line = String::from_utf8_lossy(line);
                let sandbox = self.name.sandbox();
                let json = serde_json::json!({ "sandbox": sandbox, "line": line });
                writeln!(out, "{json}")
            }
            _ => writeln!(out, "{}", escaped(line)),
        }
    }
}

/// Whose knot tells of a start or an end in this line, if one does.
fn teller(line: &[u8]) -> Option<ContainerName> {
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let time = words.next()?;
    let is_time = humantime::parse_rfc3339(time).is_ok();
    let ours = is_time && words.next()? == "lithos:";
    ours.then(|| words.next()?.parse().ok()).flatten()
}

/// Text that does nothing to a terminal; tabs stay.
fn escaped(line: &[u8]) -> String {
    let mut escaped = String::new();
    for chunk in line.utf8_chunks() {
        for (index, part) in chunk.valid().split('\t').enumerate() {
            if index > 0 {
                escaped.push('\t');
            }
            escaped += &legible(part, usize::MAX);
        }
        for byte in chunk.invalid() {
            escaped += &format!("\\x{byte:02x}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str, manner: Manner, pieces: &[&[u8]]) -> String {
        let mut lines = Lines::new(name.parse().unwrap(), manner);
        let mut out = Vec::new();
        for piece in pieces {
            lines.show(piece, &mut out).unwrap();
        }
        lines.finish(&mut out).unwrap();
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn nothing_steers_a_terminal() {
        let hostile = b"a\tb\x1b[2J\x07\r\x9b31m\xff \xc2\x9b \xe2\x80\xae\n";
        let shown = shown("shop", Manner::Terminal, &[hostile]);
        assert_eq!(
            shown,
            "a\tb\\u{1b}[2J\\u{7}\\r\\x9b31m\\xff \\u{9b} \\u{202e}\n"
        );
    }

    #[test]
    fn elsewhere_every_byte_is_as_it_was() {
        let hostile = b"a\x1b[2J\xff\nno end";
        assert_eq!(
            shown("shop", Manner::Raw, &[hostile]).as_bytes(),
            String::from_utf8_lossy(hostile).as_bytes()
        );
    }

    #[test]
    fn a_line_in_json_is_one_line() {
        let shown = shown("shop/web", Manner::Json, &[b"a\x1b", b"\"\nb"]);
        let lines: Vec<serde_json::Value> = shown
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines[0]["line"], "a\x1b\"");
        assert_eq!(
            lines[1],
            serde_json::json!({ "sandbox": "shop", "line": "b" })
        );
    }

    #[test]
    fn what_knots_of_others_tell_is_left_out() {
        let log: &[u8] = b"2026-11-23T10:00:00Z lithos: shop/web.0 started\n\
            2026-11-23T10:00:00Z lithos: shop/db.0 started\n\
            of its own\n\
            2026-11-23T10:00:00Z lithos: of its own\n";
        for (name, count) in [("shop", 4), ("shop/web", 3), ("shop/web.1", 2)] {
            let shown = shown(name, Manner::Raw, &[log]);
            assert_eq!(shown.lines().count(), count, "{name}: {shown}");
        }
    }

    #[test]
    fn a_line_without_end_is_shown_in_pieces() {
        let mut lines = Lines::new("shop".parse().unwrap(), Manner::Terminal);
        let mut out = Vec::new();
        for _ in 0..100 {
            lines.show(&[b'x'; 10_000], &mut out).unwrap();
            assert!(lines.line.len() < LONGEST + 10_000);
        }
        assert!(out.len() > 900_000);
    }
}
