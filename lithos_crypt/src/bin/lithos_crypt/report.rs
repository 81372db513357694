//! What the program says to people, on standard error.
//!
//! One line `error: cannot …: …`, then possibly one line `hint: …`. No
//! colours, so nothing changes where there is no terminal.

use std::io::Write;

use crate::failure::Failure;

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
    let _ = writeln!(std::io::stderr(), "{kind}: {text}");
}
