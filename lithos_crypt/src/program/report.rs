//! What the program says to people, on standard error; and in which colours, on
//! a terminal only.
//!
//! One line `error: cannot …: …`, then possibly one line `hint: …`.

use std::io::{IsTerminal, Write};

use super::failure::Failure;

/// Reports why a command failed.
pub fn failure(failure: &Failure) {
    say("error", failure);
    if let Some(text) = failure.hint() {
        hint(text);
    }
}

/// Reports a wrong command line.
pub fn usage(cause: &str, what_to_do: &str) {
    say(
        "error",
        format_args!("cannot understand the command line: {cause}"),
    );
    hint(what_to_do);
}

/// Something done otherwise than could be thought.
pub fn note(text: impl std::fmt::Display) {
    say("note", text);
}

/// Something done that may be a mistake.
pub fn warning(text: impl std::fmt::Display) {
    say("warning", text);
}

/// The one thing to do about what was said before.
pub fn hint(text: impl std::fmt::Display) {
    say("hint", text);
}

fn say(kind: &str, text: impl std::fmt::Display) {
    let mut stderr = std::io::stderr();
    let kind = painted(kind, &stderr);
    // If standard error is closed, there is nowhere left to say so.
    let _ = writeln!(stderr, "{kind}: {text}");
}

/// A word in its colour, where what it is written to has colours.
pub fn painted(word: &str, to: &impl IsTerminal) -> String {
    match colour(word).filter(|_| has_colours(to)) {
        Some(colour) => format!("\x1b[{colour}m{word}\x1b[0m"),
        None => word.to_owned(),
    }
}

fn colour(word: &str) -> Option<&'static str> {
    match word {
        "error" | "-" => Some("1;31"),
        "warning" | "~" => Some("1;33"),
        "hint" => Some("1;36"),
        "+" => Some("1;32"),
        _ => None,
    }
}

/// On a terminal that has them, unless the user wants none (no-color.org).
fn has_colours(to: &impl IsTerminal) -> bool {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    to.is_terminal() && set("NO_COLOR").is_none() && set("TERM").is_some_and(|term| term != "dumb")
}
