//! `lithos_ctl`: sees and steers what a supervisor runs.
//!
//! Everything but `exec` and `logs` is asked of the supervisor over its control
//! socket, see docs/control.md. The supervisor only does what is done at once; what takes
//! time, as a rolling restart, is done here, one step after the other. So a
//! `lithos_ctl` that is killed leaves nothing half-way in the supervisor.

pub mod exec;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::master_option::MasterOption;

/// Sees and steers what lithos_tree runs.
#[derive(Debug, Parser)]
#[command(
    name = "lithos_ctl",
    version,
    after_help = "Example: lithos_ctl restart --settle 5 shop/web\n\nExit codes: 0 done, 1 failed, 2 wrong usage"
)]
pub struct Options {
    #[command(flatten)]
    master: MasterOption,
    #[command(subcommand)]
    command: Command,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
enum Command {
    /// Execute a command inside a container
    Exec(exec::Options),
}

/// The program.
pub fn main() -> ExitCode {
    let Options { master, command } = Options::parse();
    match &command {
        Command::Exec(options) => exec::run(&master, options),
    }
}
