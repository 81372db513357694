//! The program `lithos_crypt`: seals secrets into tokens and opens them.
//!
//! A command is one module with its options and one `run`. All that a command
//! says to people goes through `report`, all values and tokens that it reads
//! through `input`. Standard output carries the result and nothing else.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage; `exec` has those of its program.

mod bundle;
mod check;
mod check_key;
mod command_line;
mod decrypt;
mod diff;
mod doubts;
mod edit;
mod editor;
mod encrypt;
mod exec;
mod failure;
mod findings;
mod firstboot;
mod get;
mod git;
mod git_setup;
mod history;
mod input;
mod inspect;
mod key_files;
mod keygen;
mod leftovers;
mod ls;
mod memory;
mod merge;
mod paths;
mod plaintexts;
mod progress;
mod recipients;
mod rekey;
mod report;
mod reseal;
mod rewrite;
mod rm;
mod rollback;
mod sealing;
mod sections;
mod set;
mod share;
mod survey;
mod table;
mod textconv;
mod types;
mod versions;
mod who_can_read;

use std::process::ExitCode;

pub use command_line::command;
pub(crate) use rewrite::read_bounded as read_config;

/// Runs the program.
pub fn main() -> ExitCode {
    let command = match command_line::read() {
        Ok(command) => command,
        Err(exit_code) => return exit_code,
    };
    memory::keep_private();
    match command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report::failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}
