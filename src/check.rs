//! `lithos_check`: reads everything as the supervisor would, and says what is
//! wrong, or what would run.
//!
//! 1. Read the command line; a mistake in it ends with status 2.
//! 2. With `--check-container`, apply the rules of those documents alone.
//! 3. Else read the master config, the sandboxes and their processes, and
//!    resolve them, through [`crate::load`] as the supervisor does.
//! 4. Let `lithos_knot --verify` open the secrets, where this user may read the
//!    private keys ([`verify`]).
//! 5. Print every problem, and the plans if they were asked for ([`explain`]).
//!
//! It starts nothing, writes no file and never holds a plaintext.

pub mod explain;
pub mod verify;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use serde_json::json;

use crate::cause::Cause;
use crate::changes::{self, Foretold};
use crate::config::container::{Container, read_container_in_part, read_secrets_file};
use crate::config::file;
use crate::config::secret::SecretMap;
use crate::load::{self, Home, ProcessLoad, SandboxLoad};
use crate::master_option::MasterOption;
use crate::name::{Name, NameError};
use crate::problem::{Problem, Severity, Source, in_colour};
use crate::resolve::{self, Doc, paths};
use crate::tree::records;

/// Checks the configs of lithos, and says what would run.
#[derive(Debug, Parser)]
#[command(
    name = "lithos_check",
    version,
    after_help = "Example: lithos_check --explain shop/web\n\nExit codes: 0 nothing is wrong, 1 there are problems, each is listed, 2 wrong usage"
)]
pub struct Options {
    #[command(flatten)]
    master: MasterOption,
    /// List what is fine, too
    #[arg(short, long)]
    verbose: bool,
    /// Check this sandbox only
    #[arg(long, value_name = "NAME")]
    sandbox: Option<Name>,
    /// Use this process config in place of the sandbox's own
    #[arg(long, value_name = "FILE", requires = "sandbox")]
    alternate_config: Option<PathBuf>,
    /// Check container configs alone, away from any server
    #[arg(
        long,
        value_name = "FILE",
        num_args = 1..,
        conflicts_with_all = ["config", "sandbox", "alternate_config", "explain"]
    )]
    check_container: Vec<PathBuf>,
    /// Print what would run: all of it, one sandbox, or one process
    #[arg(long, value_name = "SANDBOX[/PROCESS]", num_args = 0..=1)]
    explain: Option<Option<Which>>,
    /// Say what a reload would start, stop and restart, and why
    #[arg(long, conflicts_with = "check_container")]
    diff: bool,
    /// Print the problems, the plans of --explain and the changes of --diff as JSON
    #[arg(long)]
    json: bool,
}

/// A sandbox, or one process of it.
#[derive(Debug, Clone)]
struct Which {
    sandbox: Name,
    process: Option<Name>,
}

impl std::str::FromStr for Which {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (sandbox, process) = match text.split_once('/') {
            Some((sandbox, process)) => (sandbox, Some(process.parse()?)),
            None => (text, None),
        };
        Ok(Self {
            sandbox: sandbox.parse()?,
            process,
        })
    }
}

/// Everything that was found out.
#[derive(Default)]
struct Findings {
    sandboxes: Vec<SandboxLoad>,
    /// Container configs checked alone.
    files: Vec<PathBuf>,
    /// In the order in which they are shown.
    problems: Vec<Problem>,
    /// What a reload would do, if it was asked for.
    foretold: Vec<Foretold>,
}

/// The program.
pub fn main() -> ExitCode {
    let options = Options::parse();
    let findings = match options.check_container.is_empty() {
        true => check(&options),
        false => check_containers(&options.check_container),
    };
    match show(&options, &findings) {
        // Whoever closed the other end has seen enough.
        Err(err) if err.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("error: cannot write the result: {}", Cause(&err));
            ExitCode::FAILURE
        }
        _ => match findings.errors() {
            0 => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        },
    }
}

fn check(options: &Options) -> Findings {
    let mut findings = Findings::default();
    let home = match load::home(&options.master.config) {
        Ok(home) => home,
        Err(problems) => {
            findings.problems = problems;
            return findings;
        }
    };
    // All are read even if one is asked for: addresses belong to one sandbox.
    let alternate = options
        .sandbox
        .as_ref()
        .zip(options.alternate_config.as_deref());
    let (mut loads, problems) = load::all(&home, alternate);
    let explained = options.explain.iter().flatten().map(|which| &which.sandbox);
    for asked in options.sandbox.iter().chain(explained) {
        if loads.iter().all(|load| load.name != *asked) {
            let message = format!(
                "there is no sandbox `{asked}` in {}",
                home.sandboxes_dir.display()
            );
            findings
                .problems
                .push(resolve::plain(asked.as_str(), None, message));
        }
    }
    findings.problems.extend(problems);
    loads.retain(|load| {
        options
            .sandbox
            .as_ref()
            .is_none_or(|asked| *asked == load.name)
    });
    for load in &mut loads {
        verify::sandbox(load);
        findings.problems.append(&mut load.problems);
    }
    findings.sandboxes = loads;
    findings.refuse_unknown_process(options);
    if options.diff {
        findings.foretell(&home, options.sandbox.as_ref());
    }
    findings
}

/// Applies the rules of each container config alone. A secrets file lies beside
/// it, as it does in the image.
fn check_containers(files: &[PathBuf]) -> Findings {
    let mut findings = Findings::default();
    for file in files {
        let problems = check_container(file).unwrap_or_else(|problem| vec![problem]);
        findings.problems.extend(problems);
        findings.files.push(file.clone());
    }
    findings
}

fn check_container(path: &Path) -> Result<Vec<Problem>, Problem> {
    let source = file::read(path)?;
    let (container, mut problems) = read_container_in_part(&source);
    let whole = problems.is_empty();
    let Some(container) = container else {
        return Ok(problems);
    };
    let container = Doc::new(&container, &source);
    let secrets = secrets_beside(path, container, &mut problems);
    let secrets = secrets.as_ref().map(|(map, source)| Doc::new(map, source));
    if whole {
        problems.extend(resolve::container_alone(container, secrets));
    }
    Ok(problems)
}

fn secrets_beside(
    path: &Path,
    container: Doc<'_, Container>,
    problems: &mut Vec<Problem>,
) -> Option<(SecretMap, Arc<Source>)> {
    let file = container.secret_environ_file.as_deref();
    // An absolute path is one inside the image, and where that is nobody knows.
    let file = file.filter(|file| file.is_relative())?;
    let read = file::read_secret(&paths::secrets_file(path, file)).map_err(|problem| {
        let spot = container.at(&["secret-environ-file"]);
        problems.push(load::asked_for_at(spot, problem));
    });
    let source = read.ok()?;
    let (secrets, more) = read_secrets_file(&source);
    problems.extend(more);
    Some((secrets?, source))
}

impl Findings {
    fn errors(&self) -> usize {
        let errors = self
            .problems
            .iter()
            .filter(|p| p.severity == Severity::Error);
        errors.count()
    }

    fn foretell(&mut self, home: &Home, sandbox: Option<&Name>) {
        match records::running(&home.state_dir) {
            Ok(running) => {
                self.foretold = changes::foretell(&self.sandboxes, &running);
                self.foretold
                    .retain(|line| sandbox.is_none_or(|asked| *asked == line.name.sandbox));
            }
            Err(err) => {
                let message = format!("cannot tell what runs: {err}");
                self.problems.push(resolve::plain("", None, message));
            }
        }
    }

    fn refuse_unknown_process(&mut self, options: &Options) {
        let Some(Some(Which {
            sandbox,
            process: Some(process),
        })) = &options.explain
        else {
            return;
        };
        let load = self.sandboxes.iter().find(|load| load.name == *sandbox);
        let processes = load.and_then(|load| load.processes.as_ref());
        if processes.is_some_and(|all| all.iter().all(|one| one.name != *process)) {
            let message = format!("there is no process `{process}` in the sandbox `{sandbox}`");
            self.problems
                .push(resolve::plain(sandbox.as_str(), None, message));
        }
    }

    /// `2 sandboxes, 5 processes, 9 containers: no problems`.
    fn summary(&self) -> String {
        let processes: Vec<_> = self
            .sandboxes
            .iter()
            .flat_map(|s| &s.processes)
            .flatten()
            .collect();
        let containers = processes.iter().flat_map(|process| &process.plans);
        let containers = containers.map(Vec::len).sum();
        let what = match self.files.len() {
            0 => format!(
                "{}, {}, {}",
                count(self.sandboxes.len(), "sandbox", "sandboxes"),
                count(processes.len(), "process", "processes"),
                count(containers, "container", "containers")
            ),
            files => count(files, "container config", "container configs"),
        };
        let errors = self.errors();
        let problems = match errors {
            0 => "no problems".to_owned(),
            _ => count(errors, "problem", "problems"),
        };
        match self.problems.len() - errors {
            0 => format!("{what}: {problems}"),
            warnings => format!(
                "{what}: {problems}, {}",
                count(warnings, "warning", "warnings")
            ),
        }
    }
}

fn count(number: usize, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

fn show(options: &Options, findings: &Findings) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    if options.json {
        return writeln!(out, "{}", to_json(options, findings)).and_then(|()| out.flush());
    }
    for process in explained(options, findings) {
        let plans = process.plans.as_deref().unwrap_or_default();
        let template = process.template.as_ref();
        let origins = template.map(|template| template.origins().clone());
        explain::process(&mut out, plans, &origins.unwrap_or_default())?;
    }
    for line in &findings.foretold {
        writeln!(out, "{line}")?;
    }
    if options.verbose {
        for fine in fine(findings) {
            writeln!(out, "{fine}: fine")?;
        }
    }
    out.flush()?;
    let mut err = io::stderr().lock();
    let colour = in_colour(&err);
    for problem in &findings.problems {
        writeln!(err, "{}\n", problem.render(colour))?;
    }
    drop(err);
    writeln!(out, "{}", findings.summary())?;
    out.flush()
}

/// The processes that are to be explained, and have plans.
fn explained<'a>(
    options: &'a Options,
    findings: &'a Findings,
) -> impl Iterator<Item = &'a ProcessLoad> {
    let asked = move |sandbox: &Name, process: &Name| match &options.explain {
        None => false,
        Some(None) => true,
        Some(Some(which)) => {
            which.sandbox == *sandbox && which.process.as_ref().is_none_or(|name| name == process)
        }
    };
    findings.sandboxes.iter().flat_map(move |sandbox| {
        let processes = sandbox.processes.iter().flatten();
        processes
            .filter(move |process| asked(&sandbox.name, &process.name))
            .filter(|process| process.plans.is_some())
    })
}

/// What has plans, or was read without a problem.
fn fine(findings: &Findings) -> Vec<String> {
    let wrong = |path: &Path| {
        let sources = findings.problems.iter().filter_map(|p| p.source.as_ref());
        sources.into_iter().any(|source| source.path == path)
    };
    let files = findings.files.iter().filter(|path| !wrong(path));
    let mut fine: Vec<_> = files.map(|path| path.display().to_string()).collect();
    for sandbox in &findings.sandboxes {
        for process in sandbox.processes.iter().flatten() {
            if let Some(plans) = &process.plans {
                let containers = count(plans.len(), "container", "containers");
                fine.push(format!("{}/{} ({containers})", sandbox.name, process.name));
            }
        }
    }
    fine
}

fn to_json(options: &Options, findings: &Findings) -> serde_json::Value {
    let problems = findings.problems.iter().map(|problem| {
        let position = problem.position();
        json!({
            "severity": match problem.severity {
                Severity::Warning => "warning",
                Severity::Error => "error",
            },
            "file": problem.source.as_ref().map(|source| &source.path),
            "line": position.map(|(line, _)| line),
            "column": position.map(|(_, column)| column),
            "subject": problem.subject,
            "message": problem.message,
            "hint": problem.hint,
        })
    });
    let mut result = json!({
        "summary": findings.summary(),
        "problems": problems.collect::<Vec<_>>(),
    });
    if options.explain.is_some() {
        let plans: Vec<_> = explained(options, findings)
            .filter_map(|process| process.plans.as_ref())
            .flatten()
            .collect();
        result["plans"] = json!(plans);
    }
    if options.diff {
        result["changes"] = json!(findings.foretold);
    }
    result
}
