//! The container's own init: builds the container, opens the secrets, runs the
//! process, reports its end.
//!
//! It runs as pid 1 of the container's pid namespace, in the host's user
//! namespace, and needs no YAML: the plan comes in a sealed memfd. It never
//! reads a private key, and never holds a plaintext: it hands descriptors of
//! the key files to the process that is about to execute the program.
//!
//! Begin with `contain`; it reads as the procedure.

pub mod cgroup;
mod child;
pub mod command_line;
pub mod confine;
mod environment;
mod executable;
mod failure;
mod filesystem;
mod gate;
mod join;
mod life;
mod notice;
mod owner;
mod process;
mod secrets;
mod signals;
mod sockets;
mod terminal;
mod transform;
mod verify;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, set_dumpable_behavior, umask};
use serde::de::DeserializeOwned;

use crate::bridge;
use crate::cause::Cause;
use crate::config::process::Kind;
use crate::report::End;
use crate::resolve::plan::{Cgroup, Plan};
use crate::sys::{descriptor, memfd, mount};

use cgroup::{Hierarchies, Placement};
use command_line::{Launch, Request};
use confine::Confinement;
use failure::{Attempt, Failure};
use gate::Gate;
use notice::Notices;
use owner::Owner;
use process::Start;
use secrets::KeyFiles;
use signals::{Sender, Signals};
use terminal::{Request as TerminalRequest, Terminal};

/// What `lithos_knot` does with the arguments after argument zero.
pub fn run(arguments: impl IntoIterator<Item = String>) -> ExitCode {
    match Request::from_args(arguments) {
        Ok(Request::Help) => {
            print!("{}", command_line::HELP);
            ExitCode::SUCCESS
        }
        Ok(Request::Version) => {
            println!("lithos_knot {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Ok(Request::Verify { plan }) => verify::run(plan),
        Ok(Request::Launch(launch)) => launched(launch),
        Ok(Request::Join(join)) => join::run(join),
        Err(err) => misused(&err),
    }
}

/// Started by hand, most likely.
fn misused(fault: &dyn std::fmt::Display) -> ExitCode {
    eprintln!(
        "error: {fault}\nhint: lithos_knot is started by lithos_tree, lithos_cmd and lithos_ctl, with open file descriptors"
    );
    ExitCode::from(2)
}

fn not_open(err: &std::io::Error) -> ExitCode {
    misused(&format!(
        "a file descriptor named is not open: {}",
        Cause(err)
    ))
}

fn launched(launch: Launch) -> ExitCode {
    let given = match Given::adopt(&launch) {
        Ok(given) => given,
        Err(err) => return not_open(&err),
    };
    let mut notices = Notices::new(launch.name, given.report, given.stdio);
    let outcome = Signals::block(Sender::Outside)
        .cannot("block", "the signals")
        .and_then(|signals| contain(given.container, &signals, &mut notices));
    notices.conclude(outcome)
}

/// The descriptors of a [`Launch`].
struct Given {
    report: OwnedFd,
    stdio: OwnedFd,
    container: Container,
}

/// What a container is made of. The sockets stay open, under the numbers of the
/// command line, for as long as the knot lives: a supervisor that lost them
/// takes them back from here.
struct Container {
    plan: OwnedFd,
    gate: Option<OwnedFd>,
    cgroups: Option<OwnedFd>,
    sockets: Vec<OwnedFd>,
    terminal: Option<TerminalRequest>,
}

impl Given {
    fn adopt(launch: &Launch) -> io::Result<Self> {
        let mut numbers = vec![launch.plan, launch.report, launch.stdio];
        numbers.extend(launch.gate);
        numbers.extend(launch.cgroups);
        numbers.extend(launch.terminal);
        numbers.extend(&launch.sockets);
        let mut owned = descriptor::adopt_inherited(&numbers)?.into_iter();
        let mut next = || owned.next().expect("as many as numbers");
        let (plan, report, stdio) = (next(), next(), next());
        let gate = launch.gate.map(|_| next());
        let cgroups = launch.cgroups.map(|_| next());
        let terminal = launch.terminal.map(|_| TerminalRequest {
            socket: next(),
            replaced: launch.replaced.clone(),
        });
        let sockets = owned.collect();
        let container = Container {
            plan,
            gate,
            cgroups,
            sockets,
            terminal,
        };
        Ok(Self {
            report,
            stdio,
            container,
        })
    }
}

/// Builds the container, runs its process, and waits for its end.
fn contain(given: Container, signals: &Signals, notices: &mut Notices) -> Result<(), Failure> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).cannot("close", "the memory to others")?;
    let plan: Plan = read_sealed(given.plan)?;
    if plan.passed_sockets().count() != given.sockets.len() {
        return Err(Failure::Launch(
            "it has another number of sockets than were passed",
        ));
    }
    umask(Mode::from_raw_mode(0o022));
    nix::unistd::sethostname(&plan.hostname).cannot("set the host name", &plan.hostname)?;
    let keys = KeyFiles::open(&plan.secrets)?;
    let cgroup = match &plan.cgroup {
        Some(wanted) => place(wanted, given.cgroups)?,
        None => Placement::Nowhere,
    };
    let memlock = process::set_limits(&plan)?;
    let host_proc = mount::open_directory(Path::new("/proc")).cannot("open", "/proc")?;
    bridge::enter(&plan.network, host_proc).map_err(Failure::Network)?;
    let sockets = sockets::complete(&plan, given.sockets)?;
    let (proc, secret_files) = filesystem::enter(&plan, &cgroup)?;
    let owner = Owner::draw(&plan.ids).cannot("draw", "a user id for the knot")?;
    let terminal = given.terminal.map(|wanted| Terminal::make(wanted, owner));
    let terminal = terminal.transpose()?;
    match gate::pass(given.gate.as_ref(), signals).cannot("wait for", "the supervisor")? {
        Gate::Open => {}
        Gate::SupervisorGone => return Ok(()),
        Gate::Stopped(signal) => {
            notices.ended(End::Signalled(signal), None, None);
            return Ok(());
        }
    }
    // The gate stays in a command's hands, for as long as its caller lives.
    let caller = given.gate.filter(|_| plan.kind == Kind::Command);
    let stdio = notices.stdio()?;
    let start = Start {
        plan: &plan,
        owner,
        confinement: confine(&plan, &stdio)?,
        keys,
        secret_files,
        stdio,
        sockets: &sockets,
        terminal,
        proc,
        cgroup,
        memlock,
        joined: None,
    };
    match plan.kind {
        Kind::Daemon if plan.supervision.restart_process_only => {
            life::again_and_again(start, signals, notices)
        }
        _ => life::once(start, caller, signals, notices),
    }
}

/// Makes the cgroup where the supervisor has `told` that the hierarchies are. If that fails,
/// they may be elsewhere by now, and are looked for.
fn place(wanted: &Cgroup, told: Option<OwnedFd>) -> Result<Placement, Failure> {
    let told = told.and_then(|told| read_sealed(told).ok());
    if let Some(Ok(made)) = told.map(|told| cgroup::make(wanted, told)) {
        return Ok(made);
    }
    let found = Hierarchies::find().cannot("find", "the cgroup hierarchies")?;
    cgroup::make(wanted, found)
}

/// The confinement of processes in the container that this process is in.
fn confine(plan: &Plan, stdio: &OwnedFd) -> Result<Confinement, Failure> {
    let root = mount::open_directory(Path::new("/")).cannot("open", "/")?;
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let reopen = match plan.stdio.interactive {
        true => vec![stdin.as_fd(), stdout.as_fd(), stderr.as_fd()],
        false => vec![stdio.as_fd()],
    };
    Confinement::prepare(plan, root.as_fd(), reopen)
}

/// A plan, parts of some, or what else the supervisor hands over.
fn read_sealed<T: DeserializeOwned>(given: OwnedFd) -> Result<T, Failure> {
    let bytes = memfd::read_sealed(given).cannot("read", "the plan")?;
    serde_json::from_slice(&bytes).map_err(Failure::Plan)
}
