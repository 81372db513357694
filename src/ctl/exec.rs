//! `lithos_ctl exec`: a command inside a container that runs.
//!
//! 1. Find the container by its record, and pin its knot and its process; no
//!    supervisor is needed.
//! 2. Make the command's plan out of the container's, and launch a joiner with it,
//!    which runs the command through the code of every start (`knot::join`).
//! 3. Stand in for it as `lithos_cmd` does ([`crate::foreground`]), and end as the
//!    command did.
//!
//! The joiner holds one end of a pipe of which we hold the other: if we are
//! killed, the command ends too.

use std::io;
use std::os::fd::OwnedFd;
use std::process::ExitCode;

use quick_error::quick_error;

use crate::audit::log::Log;
use crate::audit::{self, Occasion, Outcome};
use crate::cause::Cause;
use crate::foreground::{self, ForegroundError, OUR_FAILURE};
use crate::load::Home;
use crate::master_option::MasterOption;
use crate::name::ContainerName;
use crate::report::Report;
use crate::resolve::plan::Plan;
use crate::sys::memfd;
use crate::tree::heritage::Program;
use crate::tree::launch::{LaunchError, Launcher};
use crate::tree::records::{Records, RecordsError};
use crate::tree::running::{NotRunning, Running};

/// What is executed, and where.
///
/// It is one more process of the container, confined as its own process is, with
/// a terminal of the container's own in place of ours. Its exit status is the
/// command's; 128 + n if signal n ended it, 125 if it could not be run, 126 if it
/// cannot be executed, 127 if there is no such program. Signals are passed on.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lithos_ctl exec shop/web.0 -- /bin/sh")]
pub struct Options {
    /// The container
    #[arg(value_name = "SANDBOX/PROCESS.N")]
    name: ContainerName,
    /// With the secrets of the container in the environment: a convenience, and no
    /// boundary, since whoever may do this may read them anyway
    #[arg(long)]
    with_secrets: bool,
    /// The command and its arguments; a name is looked for in the container's PATH
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

quick_error! {
    /// Why a command was not executed.
    #[derive(Debug)]
    enum ExecError {
        Records(err: RecordsError) {
            display("{}", err)
            from()
        }
        Container(err: NotRunning) {
            display("{}", err)
            from()
        }
        Launch(err: LaunchError) {
            display("{}", err)
            from()
        }
        Foreground(err: ForegroundError) {
            display("{}", err)
            from()
        }
        Program(err: io::Error) {
            display("cannot find lithos_ctl: {}", Cause(err))
            from()
        }
        /// The joiner was killed, and the command with it.
        Joiner {
            display("cannot tell how the command ended: its joiner was killed")
        }
    }
}

/// Runs the command; its exit status is the command's.
pub fn run(master: &MasterOption, options: &Options) -> ExitCode {
    let home = match master.home(ExitCode::from(OUR_FAILURE)) {
        Ok(home) => home,
        Err(failure) => return failure,
    };
    let status = execute(&home, options).unwrap_or_else(|error| {
        eprintln!("error: {error}");
        OUR_FAILURE
    });
    ExitCode::from(status)
}

fn execute(home: &Home, options: &Options) -> Result<u8, ExecError> {
    let records = Records::look(&home.state_dir)?;
    let running = Running::find(&records, &options.name)?;
    let plan = running
        .plan
        .with_command(&options.command, options.with_secrets)
        .expect("there is a command");
    let launcher = Launcher::open(Program::of_this_process()?.dir())?;
    let signals = foreground::block_signals()?;
    let mut told = None;
    let audit = Audited::new(Log::of(home), &plan);
    foreground::attend_interactive(&signals, |standard| {
        let (launched, report) = launcher.join(&running, &plan, standard)?;
        told = Some(report);
        audit.note(Outcome::Intended);
        Ok::<_, ExecError>(launched)
    })?;
    let reports = told.and_then(all_of).unwrap_or_default();
    audit.note(match reports.first() {
        Some(Report::Started { time, opened, .. }) => {
            let time = *time;
            Outcome::Delivered { time, opened }
        }
        Some(Report::Failed { refused, .. }) => Outcome::Failed(refused),
        Some(Report::Ended { .. }) => Outcome::Failed(&[]),
        None => Outcome::Unknown,
    });
    foreground::status(reports.into_iter().last()).ok_or(ExecError::Joiner)
}

/// All that the joiner has told.
fn all_of(report: OwnedFd) -> Option<Vec<Report>> {
    let lines = memfd::read(report).ok()?;
    Some(Report::all(&lines))
}

/// The secrets that the command is given. There is no record of it that could tell
/// others, so it is noted before, and again after.
struct Audited<'a> {
    log: Log,
    plan: &'a Plan,
    start: String,
}

impl<'a> Audited<'a> {
    fn new(log: Log, plan: &'a Plan) -> Self {
        let start = audit::new_start();
        Self { log, plan, start }
    }

    fn note(&self, outcome: Outcome<'_>) {
        let entries = audit::lines(self.plan, &self.start, Occasion::Exec, outcome);
        if !entries.is_empty()
            && let Err(err) = self.log.write(&entries)
        {
            eprintln!("warning: {err}");
        }
    }
}
