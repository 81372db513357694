//! Results on standard output: aligned columns, or JSON.

use std::io::{self, Write};

use super::failure::Failure;

/// Prints rows under a heading, in columns as wide as they need to be. Nothing
/// at all if there are no rows.
pub fn print(heading: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    let heading = heading.iter().map(|text| (*text).to_owned()).collect();
    let mut lines = vec![&heading];
    lines.extend(rows);
    let width = |column: usize| lines.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<_> = (0..heading.len())
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in lines {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line += &format!("{cell:width$}  ");
        }
        text += line.trim_end();
        text.push('\n');
    }
    out(&text)
}

/// Prints one JSON value.
pub fn json(value: &serde_json::Value) -> Result<(), Failure> {
    out(&format!("{value:#}\n"))
}

/// Prints text as it is.
pub fn out(text: &str) -> Result<(), Failure> {
    bytes(text.as_bytes())
}

/// Prints bytes as they are.
pub fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    written.map_err(|cause| Failure::Write { cause })
}
