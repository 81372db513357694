//! `lithos_pages`: writes the man pages and the completions of every program, from
//! the same definitions as `--help`.
//!
//! It is part of installing lithos, see `scripts/install`, and not installed. What it
//! writes is laid out as below `/usr/share`.

mod completions;
mod man;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

/// Writes the man pages and shell completions of lithos.
#[derive(Debug, Parser)]
#[command(
    name = "lithos_pages",
    version,
    after_help = "Example: lithos_pages /usr/local/share\n\nExit codes: 0 done, 1 failed, 2 wrong usage"
)]
struct Options {
    /// Where to: `man`, `bash-completion`, `zsh` and `fish` are made there
    directory: PathBuf,
}

fn main() -> ExitCode {
    let Options { directory } = Options::parse();
    match write(&directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: cannot write to {}: {error}", directory.display());
            ExitCode::FAILURE
        }
    }
}

fn write(share: &Path) -> io::Result<()> {
    let commands = lithos::programs::commands();
    for command in &commands {
        man::write(command, &commands, &share.join("man"))?;
        completions::write(command, share)?;
    }
    Ok(())
}
