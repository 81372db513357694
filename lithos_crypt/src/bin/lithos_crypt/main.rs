//! `lithos_crypt`: seals secrets into tokens and opens them.
//!
//! A command is one module with its options and one `run`. All that a command
//! says to people goes through `report`, all values and tokens that it reads
//! through `input`. Standard output carries the result and nothing else.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage.
#![forbid(unsafe_code)]

mod check_key;
mod command_line;
mod decrypt;
mod encrypt;
mod failure;
mod input;
mod key_files;
mod memory;
mod report;

use std::process::ExitCode;

fn main() -> ExitCode {
    let command = match command_line::read() {
        Ok(command) => command,
        Err(exit_code) => return exit_code,
    };
    memory::keep_private();
    match command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report::failure(&failure);
            ExitCode::FAILURE
        }
    }
}
