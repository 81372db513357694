//! `lithos_ctl`: sees and steers what a supervisor runs.
//!
//! Everything but `exec`, `logs` and `audit` is asked of the supervisor over its control
//! socket, see docs/control.md. The supervisor only does what is done at once; what takes
//! time, as a rolling restart, is done here, one step after the other. So a
//! `lithos_ctl` that is killed leaves nothing half-way in the supervisor.

pub mod audit;
pub mod error;
pub mod exec;
pub mod hold;
pub mod logs;
pub mod reload;
pub mod restart;
pub mod status;
pub mod supervisor;
pub mod waiting;

use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::error::CtlError;
use self::supervisor::Supervisor;
use crate::load::Home;
use crate::master_option::MasterOption;

/// Sees and steers what lithos_tree runs.
///
/// A NAME is SANDBOX, SANDBOX/PROCESS or SANDBOX/PROCESS.N.
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
    /// Show how things stand
    Status(status::Options),
    /// Restart daemons, one after the other
    Restart(restart::Options),
    /// Stop daemons, and hold them stopped until they are started
    Stop(hold::Options),
    /// Start daemons that were stopped
    Start(restart::StartOptions),
    /// Reload lithos_tree in place, and tell what came of it
    Reload(reload::Options),
    /// Show what the containers of a sandbox have written
    Logs(logs::Options),
    /// Execute a command inside a container
    Exec(exec::Options),
    /// Show which secrets were delivered to what, and when last
    Audit(audit::Options),
}

/// The program.
pub fn main() -> ExitCode {
    let Options { master, command } = Options::parse();
    if let Command::Exec(options) = &command {
        return exec::run(&master, options);
    }
    let home = match master.home(ExitCode::FAILURE) {
        Ok(home) => home,
        Err(failure) => return failure,
    };
    match run(&home, &command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(CtlError::Output(err)) if err.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(home: &Home, command: &Command) -> Result<(), CtlError> {
    let supervisor = Supervisor::of(home)?;
    match command {
        Command::Status(options) => status::run(&supervisor, options),
        Command::Restart(options) => restart::run(&supervisor, options),
        Command::Stop(options) => hold::run(&supervisor, options),
        Command::Start(options) => restart::start(&supervisor, options),
        Command::Reload(options) => reload::run(&supervisor, options),
        Command::Logs(options) => logs::run(home, options),
        Command::Audit(options) => audit::run(home, options),
        Command::Exec(_) => Ok(()),
    }
}
