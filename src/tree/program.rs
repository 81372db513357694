//! `lithos_tree`: its command line, and what it says when it cannot begin.

use std::process::ExitCode;

use clap::Parser;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use log::LevelFilter;

use crate::master_option::MasterOption;
use crate::tree::run::{TreeError, run};

/// Runs the containers that the configs ask for, and keeps them running.
///
/// SIGTERM, SIGINT: stop every container and exit. SIGUSR1: exit and leave them
/// running for the next supervisor. SIGHUP, SIGQUIT: reload in place.
#[derive(Debug, Parser)]
#[command(
    name = "lithos_tree",
    version,
    after_help = "Example:\n  lithos_tree --config /etc/lithos/master.yaml --log-stderr --log-level info\n\nExit codes: 0 done, 1 failed, 2 wrong usage"
)]
pub struct Options {
    #[command(flatten)]
    master: MasterOption,
    /// Log to stderr rather than to files
    #[arg(long)]
    log_stderr: bool,
    /// Log so much, whatever the configs say
    #[arg(long, value_name = "L", value_parser = levels())]
    log_level: Option<LevelFilter>,
}

fn levels() -> impl TypedValueParser<Value = LevelFilter> {
    let names = ["off", "error", "warn", "info", "debug", "trace"];
    PossibleValuesParser::new(names).map(|name| name.parse().expect("one of the names"))
}

/// The program.
pub fn main() -> ExitCode {
    let options = Options::parse();
    match run(
        &options.master.config,
        options.log_stderr,
        options.log_level,
    ) {
        Ok(()) => ExitCode::SUCCESS,
        Err(TreeError::Config(problems)) => {
            for problem in problems {
                eprintln!("{}", problem.render(false));
            }
            ExitCode::FAILURE
        }
        Err(err) => {
            eprintln!("error: {err}");
            ExitCode::FAILURE
        }
    }
}
