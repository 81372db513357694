//! `lithos_ctl exec`: a command inside a container that runs.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::master_option::MasterOption;
use crate::name::ContainerName;

/// What is executed, and where.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lithos_ctl exec shop/web.0 -- /bin/sh")]
pub struct Options {
    /// The container
    #[arg(value_name = "SANDBOX/PROCESS.N")]
    name: ContainerName,
    /// With the secrets of the container in the environment
    #[arg(long)]
    with_secrets: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Runs the command; its exit status is the command's.
pub fn run(_master: &MasterOption, options: &Options) -> ExitCode {
    let Options {
        name,
        with_secrets: _,
        command: _,
    } = options;
    eprintln!("error: cannot execute anything in {name}: not built yet");
    ExitCode::from(125)
}
