//! The command lines of all programs: what each program reads, what its `--help`
//! prints, and what its man page and its completions are made of.
//!
//! Each program defines its own; here they are gathered, and nothing is added.

use clap::{Command, CommandFactory};

use crate::{check, clean, cmd, ctl, knot, ps, switch, tree};

/// Every program, in the order of their names.
pub fn commands() -> Vec<Command> {
    vec![
        check::Options::command(),
        clean::Options::command(),
        cmd::Options::command(),
        lithos_crypt::program::command(),
        ctl::Options::command(),
        knot::command_line::command(),
        ps::Options::command(),
        switch::Options::command(),
        tree::program::Options::command(),
    ]
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_definition_of_a_command_line_is_sound() {
        for command in super::commands() {
            command.debug_assert();
        }
    }
}
