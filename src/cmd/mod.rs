//! `lithos_cmd`: runs a command of a sandbox in the foreground.
//!
//! 1. Load everything as the supervisor does, and take this command's plan, with
//!    the arguments of the command line after the config's.
//! 2. Write its record, and launch its knot.
//! 3. Pass signals on, and what is typed and printed if a terminal is part of it
//!    ([`crate::foreground`]), until the knot has ended.
//! 4. Remove the cgroup and the record, and end as the command did: its own
//!    status, 128 + n for signal n, 125 for our own failure, 126 not executable,
//!    127 not found.
//!
//! It needs no supervisor, and a supervisor leaves it alone. The knot holds one
//! end of a pipe of which we hold the other: if we are killed, the container
//! ends too, and whoever comes next removes the record ([`crate::tree::commands`]).

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;

use clap::Parser;
use nix::sys::signalfd::SignalFd;
use quick_error::quick_error;
use rustix::fs::Mode;
use rustix::process::umask;

use crate::audit::log::Log;
use crate::cause::Cause;
use crate::config::process::Kind;
use crate::foreground::{self, ForegroundError, OUR_FAILURE};
use crate::load::{self, Home, SandboxLoad};
use crate::master_option::MasterOption;
use crate::name::{ContainerName, Name};
use crate::problem::{Problem, Severity, in_colour};
use crate::resolve::Template;
use crate::resolve::plan::Plan;
use crate::sys::pidfd;
use crate::tree::backoff::History;
use crate::tree::commands::{discard, discard_stale};
use crate::tree::heritage::Program;
use crate::tree::launch::{LaunchError, Launcher};
use crate::tree::records::{Found, Knot, Record, Records, RecordsError};
use crate::tree::sockets::Sockets;

/// Runs a command of a sandbox in the foreground.
///
/// Signals are passed on. It works with and without lithos_tree.
#[derive(Debug, Parser)]
#[command(
    name = "lithos_cmd",
    version,
    after_help = "Example: lithos_cmd shop migrate --to 42\n\n\
        Exit codes: the command's own, 128 + n if signal n ended it; 125 if it could not be \
        run, 126 if its program cannot be executed, 127 if there is no such program; 2 wrong usage"
)]
pub struct Options {
    #[command(flatten)]
    master: MasterOption,
    /// The sandbox
    sandbox: Name,
    /// The process in its process config, of the kind `Command`
    name: Name,
    /// More arguments for it, after those of its config
    #[arg(
        value_name = "ARG",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    args: Vec<String>,
}

quick_error! {
    /// Why a command was not run.
    #[derive(Debug)]
    pub enum CmdError {
        /// The configs have problems, which are shown one by one; the status
        /// if all that is wrong is the program to be executed.
        Problems(problems: Vec<Problem>, status: Option<u8>) {
            display("cannot run the command: its configuration has problems")
            from(problems: Vec<Problem>) -> (problems, None)
        }
        /// There is no such sandbox.
        Sandbox(sandbox: Name, dir: PathBuf) {
            display("cannot run a command of {}: there is no such sandbox in {}", sandbox, dir.display())
        }
        /// There is no such command.
        Unknown(sandbox: Name, name: Name, commands: Vec<String>) {
            display("cannot run {}: the sandbox {} has no such process\nhint: its commands are: {}",
                name, sandbox, if commands.is_empty() { "none".to_owned() } else { commands.join(", ") })
        }
        /// It is a daemon.
        Daemon(sandbox: Name, name: Name) {
            display("cannot run {}/{}: it is a daemon\nhint: `kind: Command` in the process config makes it a command", sandbox, name)
        }
        /// No record can be kept.
        Records(err: RecordsError) {
            display("{}", err)
            source(err)
            from()
        }
        /// There is no container.
        Launch(err: LaunchError) {
            display("{}", err)
            source(err)
            from()
        }
        /// Nobody can attend to it.
        Foreground(err: ForegroundError) {
            display("{}", err)
            source(err)
            from()
        }
        /// A system call.
        System(what: &'static str, err: io::Error) {
            display("cannot {}: {}", what, Cause(err))
            source(err)
        }
        /// The knot was killed.
        Knot(name: ContainerName) {
            display("cannot tell how {} ended: its knot was killed", name)
        }
    }
}

fn system<T>(what: &'static str, result: Result<T, impl Into<io::Error>>) -> Result<T, CmdError> {
    result.map_err(|err| CmdError::System(what, err.into()))
}

/// The program.
pub fn main() -> ExitCode {
    let options = Options::parse_from(verbatim(std::env::args_os()));
    let home = match options.master.home(ExitCode::from(OUR_FAILURE)) {
        Ok(home) => home,
        Err(failure) => return failure,
    };
    match run(&home, &options) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            let mut status = OUR_FAILURE;
            if let CmdError::Problems(problems, known) = &error {
                show(problems);
                status = known.unwrap_or(status);
            }
            eprintln!("error: {error}");
            ExitCode::from(status)
        }
    }
}

/// Everything after NAME is the command's, whatever it looks like: says so to
/// the reader of the command line.
fn verbatim(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut read = Vec::new();
    let (mut positional, mut value) = (0, true);
    for arg in args {
        if positional == 2 {
            read.push("--".into());
            positional += 1;
        }
        if positional < 2 {
            let option = arg.as_encoded_bytes().starts_with(b"-") && !value;
            if !option && !value {
                positional += 1;
            }
            // The first is our own name.
            let separate = ["-C", "--config", "--master"];
            value = option && separate.iter().any(|name| arg == *name);
        }
        read.push(arg);
    }
    read
}

fn show(problems: &[Problem]) {
    let colour = in_colour(&io::stderr());
    for problem in problems {
        eprintln!("{}\n", problem.render(colour));
    }
}

fn run(home: &Home, options: &Options) -> Result<u8, CmdError> {
    let plan = plan(home, options)?;
    umask(Mode::from_raw_mode(0o022));
    let made = std::fs::create_dir_all(&home.mount_dir);
    system("make the mount directory", made)?;
    let records = Records::open(&home.state_dir)?;
    let audit = Log::of(home);
    discard_stale(&records, &audit);
    let program = system("find lithos_cmd", Program::of_this_process())?;
    let launcher = Launcher::open(program.dir())?;
    let signals = foreground::block_signals()?;
    let name = plan.name.clone();
    let mut record = records.intent(Rc::new(plan), History::default(), None);
    record.caller = Some(system("note which process this is", own_note())?);
    let ended = attend(launcher, &records, &mut record, &signals);
    let report = records.last_report(&name);
    discard(&records, &audit, &name, Some(record));
    ended?;
    foreground::status(report).ok_or(CmdError::Knot(name))
}

/// The command's plan, with the arguments of the command line.
fn plan(home: &Home, options: &Options) -> Result<Plan, CmdError> {
    let (loads, problems) = load::all(home, None);
    let found = loads.into_iter().find(|load| load.name == options.sandbox);
    let Some(mut load) = found else {
        show(&problems);
        let dir = home.sandboxes_dir.clone();
        return Err(CmdError::Sandbox(options.sandbox.clone(), dir));
    };
    let template = template(&mut load, options)?;
    let Some(mut plan) = template.command(std::process::id()) else {
        let (sandbox, name) = (options.sandbox.clone(), options.name.clone());
        return Err(CmdError::Daemon(sandbox, name));
    };
    plan.process.arguments.extend(options.args.iter().cloned());
    Ok(plan)
}

fn template(load: &mut SandboxLoad, options: &Options) -> Result<Template, CmdError> {
    let subject = format!("{}/{}", options.sandbox, options.name);
    let mut problems = std::mem::take(&mut load.problems);
    problems.retain(|problem| {
        problem.severity == Severity::Error
            && (problem.subject == subject || problem.subject == options.sandbox.as_str())
    });
    let Some(processes) = load.processes.take() else {
        return Err(problems.into());
    };
    let commands = processes.iter().filter(|p| p.kind == Kind::Command);
    let commands = commands.map(|process| process.name.to_string()).collect();
    let wanted = processes.into_iter().find(|p| p.name == options.name);
    let (sandbox, name) = (options.sandbox.clone(), options.name.clone());
    match wanted {
        None => Err(CmdError::Unknown(sandbox, name, commands)),
        Some(process) => match process.template {
            Some(template) if process.plans.is_some() => Ok(template),
            _ => {
                let status = match &problems[..] {
                    [only] => only.status,
                    _ => None,
                };
                Err(CmdError::Problems(problems, status))
            }
        },
    }
}

fn own_note() -> io::Result<Knot> {
    let own = std::process::id().cast_signed();
    Knot::note(own, pidfd::open(own)?, Vec::new())
}

/// Launches the knot and attends to it until it has ended.
fn attend(
    launcher: Launcher,
    records: &Records,
    record: &mut Record,
    signals: &SignalFd,
) -> Result<(), CmdError> {
    let plan = Rc::clone(&record.plan);
    let mut sockets = shared_sockets(records, &plan)?;
    if !plan.stdio.interactive {
        let launched = launcher.prepare(records, &mut sockets, record, None)?;
        // While the knot builds the container.
        drop(launcher);
        return Ok(foreground::attend(launched, signals)?);
    }
    foreground::attend_interactive(signals, |standard| {
        Ok(launcher.prepare(records, &mut sockets, record, Some(standard))?)
    })
}

/// With the sockets that the sandbox's containers have already.
fn shared_sockets(records: &Records, plan: &Plan) -> Result<Sockets, CmdError> {
    let mut sockets = Sockets::default();
    if plan.passed_sockets().next().is_none() {
        return Ok(sockets);
    }
    for name in records.names()? {
        if name.sandbox != plan.name.sandbox {
            continue;
        }
        let Found::Record(record) = records.read(name)? else {
            continue;
        };
        if let (Some(knot), Some(pidfd)) = (&record.knot, record.pin()?) {
            let knot = Some((knot, pidfd.as_fd()));
            sockets.take_back(&record.plan, knot);
        }
    }
    Ok(sockets)
}
