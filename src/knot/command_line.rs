//! The knot's command line. Who encodes it also decodes it: here.
//!
//! ```text
//! lithos_knot --name <sandbox>/<process>.<n> --plan FD --report FD [--gate FD]
//!             --stdio FD [--cgroups FD] [--socket FD]…
//!             [--terminal FD [--replace N]…]
//! lithos_knot --join <sandbox>/<process>.<n> --plan FD --report FD --gate FD
//!             --knot FD --process FD [--terminal FD [--replace N]…]
//! ```
//!
//! People grep for `lithos_knot --name`; nothing in it is secret.

use std::os::fd::RawFd;

use clap::{Arg, ArgAction, Command};
use quick_error::quick_error;

use crate::name::{ContainerName, NameError};

/// What a knot is given. File descriptors are numbers here, since they cross an
/// exec; the knot takes ownership of them once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The container it is the init of.
    pub name: ContainerName,
    /// A sealed memfd with the plan as JSON.
    pub plan: RawFd,
    /// The record's report file, open for appending.
    pub report: RawFd,
    /// A pipe: a byte means that the record is complete, end of file means
    /// that the supervisor is gone. None: nothing to wait for.
    pub gate: Option<RawFd>,
    /// The sandbox's stdio log, open for appending.
    pub stdio: RawFd,
    /// A sealed memfd with the host's cgroup hierarchies as JSON. None: the knot
    /// finds them.
    pub cgroups: Option<RawFd>,
    /// The plan's sockets that are passed, in its order.
    pub sockets: Vec<RawFd>,
    /// A Unix socket: the master side of a terminal of the container's own is
    /// sent there.
    pub terminal: Option<RawFd>,
    /// Which of 0, 1 and 2 that terminal takes the place of in the process.
    pub replaced: Vec<RawFd>,
}

/// What a joiner is given, see `knot::join`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// The container that it enters.
    pub name: ContainerName,
    /// A sealed memfd with the command's plan as JSON.
    pub plan: RawFd,
    /// Where it appends what happens.
    pub report: RawFd,
    /// A pipe, as a knot's.
    pub gate: RawFd,
    /// A pidfd of the container's knot.
    pub knot: RawFd,
    /// A pidfd of the container's process.
    pub process: RawFd,
    /// As a knot's.
    pub terminal: Option<RawFd>,
    /// As a knot's.
    pub replaced: Vec<RawFd>,
}

quick_error! {
    /// Why a command line is not a knot's.
    #[derive(Debug, PartialEq, Eq)]
    pub enum LaunchError {
        /// An argument nobody knows.
        Unknown(argument: String) {
            display("unknown argument {:?}", argument)
        }
        /// An option without its value, or with one that is no descriptor.
        Value(option: &'static str) {
            display("{} needs the number of an open file descriptor", option)
        }
        /// A name that is none.
        Name(err: NameError) {
            display("--name: {}", err)
            from()
        }
        /// An option is missing.
        Missing(option: &'static str) {
            display("{} is missing", option)
        }
    }
}

/// What `--help` prints.
pub const HELP: &str = "\
The init of one lithos container. It is started by lithos_tree, lithos_cmd and
lithos_ctl, which hand it open file descriptors; there is no use in starting it
by hand.

Usage: lithos_knot --name SANDBOX/PROCESS.N --plan FD --report FD [--gate FD]
                   --stdio FD [--cgroups FD] [--socket FD]...
                   [--terminal FD [--replace N]...]
       lithos_knot --join SANDBOX/PROCESS.N --plan FD --report FD --gate FD
                   --knot FD --process FD [--terminal FD [--replace N]...]
       lithos_knot --verify --plan FD

  --name NAME    the container it is the init of
  --plan FD      a sealed memfd holding the container's plan
  --report FD    where to append what happens
  --gate FD      a pipe to wait on before the process is started
  --stdio FD     the sandbox's stdio log
  --cgroups FD   a sealed memfd holding where the host's cgroups are
  --socket FD    the plan's sockets, in its order
  --terminal FD  where to send the master of a terminal of the container's own
  --replace N    which of 0, 1 and 2 is that terminal in the process
  --join NAME    only run a command in this container, which runs
  --knot FD      a pidfd of its knot
  --process FD   a pidfd of its process
  --verify       only try whether secrets open, those of several plans in the
                 memfd; one line of JSON on stdout for each that does not
  --help         print this
  --version      print the version

Example: `pgrep -af 'lithos_knot --name shop/'` lists the containers of the
sandbox `shop`.

Exit codes: 0 the process has ended, or every secret opens; 1 failed, 2 wrong usage
";

/// The same as [`HELP`], for the man page and completions. The knot itself reads its
/// arguments without clap: it is started for each container, and by programs only.
pub fn command() -> Command {
    let mut paragraphs = HELP.trim_end().splitn(4, "\n\n");
    let mut next = || paragraphs.next().expect("four paragraphs, or more");
    let (about, usage, options, remarks) = (next(), next(), next(), next());
    let usage = usage.trim_start_matches("Usage: ");
    let command = Command::new("lithos_knot")
        .version(env!("CARGO_PKG_VERSION"))
        .about(about.split_once('.').map(|(first, _)| first))
        .long_about(about)
        .override_usage(usage)
        .after_help(remarks);
    options_of(options)
        .into_iter()
        // These two are clap's own.
        .filter(|option| !["help", "version"].contains(&option.get_id().as_str()))
        .fold(command, Command::arg)
}

/// The options of a paragraph of [`HELP`]: `  --name VALUE  what it is`, which may go on
/// in the next line.
fn options_of(paragraph: &'static str) -> Vec<Arg> {
    let mut options: Vec<Arg> = Vec::new();
    for line in paragraph.lines().map(str::trim) {
        let Some((syntax, help)) = line.strip_prefix("--").and_then(|l| l.split_once("  ")) else {
            let option = options.pop().expect("a line goes on from an option");
            let begun = option.get_help().map(ToString::to_string);
            options.push(option.help(format!("{} {line}", begun.unwrap_or_default())));
            continue;
        };
        let (name, value) = match syntax.split_once(' ') {
            Some((name, value)) => (name, Some(value)),
            None => (syntax, None),
        };
        let option = Arg::new(name).long(name).help(help.trim());
        options.push(match value {
            Some(value) => option.value_name(value),
            None => option.action(ArgAction::SetTrue),
        });
    }
    options
}

/// What a knot is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Print [`HELP`].
    Help,
    /// Print the version.
    Version,
    /// Try whether the secrets of a plan open.
    Verify {
        /// A sealed memfd with the plan as JSON.
        plan: RawFd,
    },
    /// Be a container's init.
    Launch(Launch),
    /// Run another command in a container.
    Join(Join),
}

impl Request {
    /// Reads the arguments after argument zero.
    pub fn from_args(args: impl IntoIterator<Item = String>) -> Result<Self, LaunchError> {
        let mut args = args.into_iter().peekable();
        match args.peek().map(String::as_str) {
            Some("--help" | "-h") => Ok(Self::Help),
            Some("--version" | "-V") => Ok(Self::Version),
            Some("--verify") => {
                let mut rest = args.skip(1);
                match rest.next().as_deref() {
                    Some("--plan") => {}
                    Some(other) => return Err(LaunchError::Unknown(other.to_owned())),
                    None => return Err(LaunchError::Missing("--plan")),
                }
                let plan = descriptor("--plan", rest.next())?;
                match rest.next() {
                    Some(more) => Err(LaunchError::Unknown(more)),
                    None => Ok(Self::Verify { plan }),
                }
            }
            Some("--join") => Join::from_args(args).map(Self::Join),
            _ => Launch::from_args(args).map(Self::Launch),
        }
    }

    /// The arguments that ask to verify a plan, argument zero included.
    pub fn verify_args(plan: RawFd) -> Vec<String> {
        ["lithos_knot", "--verify", "--plan", &plan.to_string()]
            .map(str::to_owned)
            .to_vec()
    }
}

impl Launch {
    /// The arguments, argument zero included.
    pub fn to_args(&self) -> Vec<String> {
        let mut args = vec![
            "lithos_knot".to_owned(),
            "--name".to_owned(),
            self.name.to_string(),
        ];
        let mut push = |option: &str, fd: RawFd| args.extend([option.to_owned(), fd.to_string()]);
        push("--plan", self.plan);
        push("--report", self.report);
        if let Some(gate) = self.gate {
            push("--gate", gate);
        }
        push("--stdio", self.stdio);
        if let Some(cgroups) = self.cgroups {
            push("--cgroups", cgroups);
        }
        for &socket in &self.sockets {
            push("--socket", socket);
        }
        if let Some(terminal) = self.terminal {
            push("--terminal", terminal);
        }
        for &number in &self.replaced {
            push("--replace", number);
        }
        args
    }

    /// Reads the arguments after argument zero.
    pub fn from_args(args: impl IntoIterator<Item = String>) -> Result<Self, LaunchError> {
        let mut args = args.into_iter();
        let (mut name, mut plan, mut report, mut gate, mut stdio) = (None, None, None, None, None);
        let (mut cgroups, mut sockets) = (None, Vec::new());
        let (mut terminal, mut replaced) = (None, Vec::new());
        while let Some(option) = args.next() {
            match option.as_str() {
                "--name" => {
                    name = Some(args.next().ok_or(LaunchError::Missing("--name"))?.parse()?);
                }
                "--plan" => plan = Some(descriptor("--plan", args.next())?),
                "--report" => report = Some(descriptor("--report", args.next())?),
                "--gate" => gate = Some(descriptor("--gate", args.next())?),
                "--stdio" => stdio = Some(descriptor("--stdio", args.next())?),
                "--cgroups" => cgroups = Some(descriptor("--cgroups", args.next())?),
                "--socket" => sockets.push(descriptor("--socket", args.next())?),
                "--terminal" => terminal = Some(descriptor("--terminal", args.next())?),
                "--replace" => replaced.push(descriptor("--replace", args.next())?),
                _ => return Err(LaunchError::Unknown(option)),
            }
        }
        Ok(Self {
            name: name.ok_or(LaunchError::Missing("--name"))?,
            plan: plan.ok_or(LaunchError::Missing("--plan"))?,
            report: report.ok_or(LaunchError::Missing("--report"))?,
            gate,
            stdio: stdio.ok_or(LaunchError::Missing("--stdio"))?,
            cgroups,
            sockets,
            terminal,
            replaced,
        })
    }
}

impl Join {
    /// The arguments, argument zero included.
    pub fn to_args(&self) -> Vec<String> {
        let name = self.name.to_string();
        let mut args = vec!["lithos_knot".to_owned(), "--join".to_owned(), name];
        let given = [
            ("--plan", self.plan),
            ("--report", self.report),
            ("--gate", self.gate),
            ("--knot", self.knot),
            ("--process", self.process),
        ];
        let terminal = self.terminal.map(|fd| ("--terminal", fd));
        let replaced = self.replaced.iter().map(|&number| ("--replace", number));
        for (option, fd) in given.into_iter().chain(terminal).chain(replaced) {
            args.extend([option.to_owned(), fd.to_string()]);
        }
        args
    }

    /// Reads the arguments after argument zero.
    pub fn from_args(args: impl IntoIterator<Item = String>) -> Result<Self, LaunchError> {
        const NEEDED: [&str; 5] = ["--plan", "--report", "--gate", "--knot", "--process"];
        let mut args = args.into_iter();
        let (mut name, mut given, mut terminal, mut replaced) = (None, [None; 5], None, Vec::new());
        while let Some(option) = args.next() {
            match (option.as_str(), NEEDED.iter().position(|it| *it == option)) {
                (_, Some(index)) => given[index] = Some(descriptor(NEEDED[index], args.next())?),
                ("--join", _) => {
                    name = Some(args.next().ok_or(LaunchError::Missing("--join"))?.parse()?);
                }
                ("--terminal", _) => terminal = Some(descriptor("--terminal", args.next())?),
                ("--replace", _) => replaced.push(descriptor("--replace", args.next())?),
                _ => return Err(LaunchError::Unknown(option)),
            }
        }
        let needed = |index: usize| given[index].ok_or(LaunchError::Missing(NEEDED[index]));
        Ok(Self {
            name: name.ok_or(LaunchError::Missing("--join"))?,
            plan: needed(0)?,
            report: needed(1)?,
            gate: needed(2)?,
            knot: needed(3)?,
            process: needed(4)?,
            terminal,
            replaced,
        })
    }
}

fn descriptor(option: &'static str, value: Option<String>) -> Result<RawFd, LaunchError> {
    let number = value
        .and_then(|text| text.parse().ok())
        .filter(|&fd: &RawFd| fd >= 0);
    number.ok_or(LaunchError::Value(option))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_definition_has_every_option_of_the_help() {
        let said: BTreeSet<&str> = HELP
            .split(|c: char| c.is_whitespace() || "[]".contains(c))
            .filter_map(|word| word.strip_prefix("--"))
            .collect();
        let mut command = command();
        command.build();
        let defined: BTreeSet<&str> = command.get_arguments().filter_map(Arg::get_long).collect();
        assert_eq!(defined, said);
        let verify = command.get_arguments().find(|arg| arg.get_id() == "verify");
        let help = verify.and_then(Arg::get_help).unwrap().to_string();
        assert!(help.ends_with("on stdout for each that does not"), "{help}");
    }

    #[test]
    fn survives_a_round_trip() {
        let launch = Launch {
            name: "shop/web.0".parse().unwrap(),
            plan: 3,
            report: 4,
            gate: Some(5),
            stdio: 6,
            cgroups: Some(10),
            sockets: vec![7, 9],
            terminal: Some(8),
            replaced: vec![0, 2],
        };
        assert_eq!(
            Launch::from_args(launch.to_args().into_iter().skip(1)),
            Ok(launch)
        );
    }

    #[test]
    fn a_joiners_survives_one_too_and_is_no_knots() {
        let join = Join {
            name: "shop/web.0".parse().unwrap(),
            plan: 3,
            report: 4,
            gate: 5,
            knot: 6,
            process: 7,
            terminal: Some(8),
            replaced: vec![0, 2],
        };
        let args: Vec<_> = join.to_args().into_iter().skip(1).collect();
        assert!(Launch::from_args(args.clone()).is_err());
        for missing in (1..13).step_by(2) {
            let mut fewer = args.clone();
            fewer.drain(missing - 1..=missing);
            assert!(Join::from_args(fewer).is_err(), "without {missing}");
        }
        assert_eq!(Request::from_args(args), Ok(Request::Join(join)));
    }

    #[test]
    fn begins_with_the_name_that_people_grep_for() {
        let name = "shop/web.0".parse().unwrap();
        let launch = Launch {
            name,
            plan: 3,
            report: 4,
            gate: None,
            stdio: 6,
            cgroups: None,
            sockets: vec![],
            terminal: None,
            replaced: vec![],
        };
        assert!(
            launch
                .to_args()
                .join(" ")
                .starts_with("lithos_knot --name shop/web.0 ")
        );
    }

    #[test]
    fn refuses_what_it_did_not_write() {
        for args in [
            &["--plan", "x"][..],
            &["--name", "a"],
            &["--what"],
            &["--name", "a/b.0"],
        ] {
            assert!(Launch::from_args(args.iter().map(|&a| a.to_owned())).is_err());
        }
    }
}
