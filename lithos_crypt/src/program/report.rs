//! What the program says to people, on standard error.
//!
//! One line `error: cannot …: …`, then possibly one line `hint: …`. Colours
//! on a terminal only.

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
    // If standard error is closed, there is nowhere left to say so.
    let mut stderr = std::io::stderr();
    let _ = match colour(kind).filter(|_| has_colours()) {
        Some(colour) => writeln!(stderr, "\x1b[{colour}m{kind}\x1b[0m: {text}"),
        None => writeln!(stderr, "{kind}: {text}"),
    };
}

fn colour(kind: &str) -> Option<&'static str> {
    match kind {
        "error" => Some("1;31"),
        "warning" => Some("1;33"),
        "hint" => Some("1;36"),
        _ => None,
    }
}

/// On a terminal that has them, unless the user wants none (no-color.org).
fn has_colours() -> bool {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    std::io::stderr().is_terminal()
        && set("NO_COLOR").is_none()
        && set("TERM").is_some_and(|term| term != "dumb")
}
