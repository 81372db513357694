//! From files to plans: reading, facts and `resolve`, one sandbox at a time.
//!
//! The one way in which `lithos_check`, `lithos_tree` and the others get plans.
//! A broken file concerns only what it is about.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use crate::cause::Cause;
use crate::config::container::{Container, read_container, read_secrets_file};
use crate::config::file;
use crate::config::master::read_master;
use crate::config::process::{Kind, Process, read_processes};
use crate::config::sandbox::{Sandbox, read_sandbox};
use crate::config::secret::SecretMap;
use crate::config::units::LogLevel;
use crate::facts::Answers;
use crate::facts::image::open_in_image;
use crate::name::Name;
use crate::problem::{Place, Problem, Severity, Source, told};
use crate::resolve::conflicts::{self, Claimed, Conflict};
use crate::resolve::plan::Plan;
use crate::resolve::{self, Before, Doc, Documents, Template, paths};

pub use crate::resolve::paths::Home;

/// The problems of about so many documents are told of a sandbox.
const DOCUMENTS_TOLD: usize = 10;

/// What one sandbox's files come to.
#[derive(Debug)]
pub struct SandboxLoad {
    /// Which sandbox.
    pub name: Name,
    /// Its log; none if the sandbox config is broken.
    pub log: Option<(PathBuf, LogLevel)>,
    /// Where its process config belongs, and what was read in its place; none if
    /// either cannot be told.
    pub process_config: Option<(PathBuf, Arc<Source>)>,
    /// Its processes; none if the sandbox or process config is broken: then
    /// what runs is left alone.
    pub processes: Option<Vec<ProcessLoad>>,
    /// Every problem and warning, with what it is about.
    pub problems: Vec<Problem>,
}

/// What one process's entry comes to.
#[derive(Debug)]
pub struct ProcessLoad {
    /// Which process.
    pub name: Name,
    /// Supervised or run on demand; a broken entry counts as supervised.
    pub kind: Kind,
    /// One plan for each instance; none if there is an error about this process.
    pub plans: Option<Vec<Rc<Plan>>>,
    /// What the plans are made from; there with them.
    pub template: Option<Template>,
    /// The container config, if it could be read.
    pub container: Option<Arc<Source>>,
}

/// A container config as it was read, with its secrets file; every process
/// that names it shares it.
#[derive(Default)]
struct Read {
    container: Option<(Container, Arc<Source>)>,
    secrets: Option<(SecretMap, Arc<Source>)>,
    /// Without subjects.
    problems: Vec<Problem>,
}

/// What is read and looked at once for all processes of a sandbox.
#[derive(Default)]
struct Shared {
    /// By image and path in it.
    configs: HashMap<(PathBuf, PathBuf), Rc<Read>>,
    answers: Answers,
    /// What the processes so far come to.
    before: Before,
}

/// Reads the master config.
pub fn home(file: &Path) -> Result<Home, Vec<Problem>> {
    let absolute = std::path::absolute(file).map_err(|err| {
        let message = format!("cannot read {}: {}", file.display(), Cause(&err));
        vec![resolve::plain("", None, message)]
    })?;
    let source = file::read(&absolute).map_err(|problem| vec![problem])?;
    let (master, problems) = read_master(&source);
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    match master {
        Some(master) => Ok(Home::new(absolute, master, credentials)),
        None => Err(problems),
    }
}

/// The names of all sandbox configs, sorted; names that are none are problems.
pub fn sandbox_names(home: &Home) -> (Vec<Name>, Vec<Problem>) {
    let (mut names, mut problems) = (Vec::new(), Vec::new());
    let dir = &home.sandboxes_dir;
    let entries = std::fs::read_dir(dir).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.unwrap_or_else(|err| {
        let message = format!(
            "cannot list the sandboxes in {}: {}",
            dir.display(),
            Cause(&err)
        );
        let mut problem = resolve::plain("", None, message);
        problem.hint = Some(format!(
            "make the directory, or set `sandboxes-dir` in {}",
            home.file.display()
        ));
        problems.push(problem);
        Vec::new()
    });
    for path in entries.iter().map(std::fs::DirEntry::path) {
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        match stem.parse() {
            Ok(name) => names.push(name),
            Err(err) => {
                let message = format!("{} is no sandbox's config: {err}", path.display());
                problems.push(resolve::plain("", None, message));
            }
        }
    }
    names.sort();
    (names, problems)
}

/// Reads, checks and resolves everything, the rules between sandboxes included;
/// one sandbox may have an alternate process config.
pub fn all(home: &Home, alternate: Option<(&Name, &Path)>) -> (Vec<SandboxLoad>, Vec<Problem>) {
    let (names, problems) = sandbox_names(home);
    let load = |name| {
        let alternate = alternate.filter(|(asked, _)| *asked == name);
        sandbox(home, name, alternate.map(|(_, file)| file))
    };
    let mut loads: Vec<_> = names.iter().map(load).collect();
    refuse_conflicts(&mut loads);
    (loads, problems)
}

/// Applies the rules between processes and sandboxes: a process that claims
/// what one before it has loses its plans.
pub fn refuse_conflicts(loads: &mut [SandboxLoad]) {
    let all = |loads: &[SandboxLoad]| -> Vec<(usize, usize)> {
        let processes = loads
            .iter()
            .map(|load| load.processes.as_ref().map_or(0, Vec::len));
        let numbered = processes.enumerate();
        numbered
            .flat_map(|(load, count)| (0..count).map(move |n| (load, n)))
            .collect()
    };
    let order = all(loads);
    let processes = loads
        .iter()
        .flat_map(|load| load.processes.iter().flatten());
    let plans = processes.map(|process| process.plans.as_deref().unwrap_or_default());
    let found = conflicts::conflicts(plans);
    for conflict in &found {
        let (load, process) = order[conflict.process];
        let problem = conflict_problem(&loads[load], process, conflict);
        loads[load].problems.extend(problem);
    }
    for conflict in &found {
        let (load, process) = order[conflict.process];
        if let Some(processes) = &mut loads[load].processes {
            processes[process].plans = None;
            processes[process].template = None;
        }
    }
}

/// The problem, at what the process claims.
fn conflict_problem(load: &SandboxLoad, process: usize, conflict: &Conflict) -> Option<Problem> {
    let process = load.processes.as_ref()?.get(process)?;
    let name = process.name.as_str();
    let (source, place) = match conflict.claimed {
        Claimed::Address(instance) => {
            let steps = vec![name.into(), "ip-addresses".into(), instance.into()];
            let (_, source) = load.process_config.as_ref()?;
            (Some(source), Place::Value(steps))
        }
        Claimed::Socket(number) => {
            let place = process.template.as_ref()?.socket_place(number);
            (process.container.as_ref(), place)
        }
    };
    let subject = format!("{}/{name}", load.name);
    Some(Problem {
        place,
        ..resolve::plain(&subject, source, conflict.message.clone())
    })
}

/// Reads, checks and resolves one sandbox; `alternate` replaces its process config.
pub fn sandbox(home: &Home, name: &Name, alternate: Option<&Path>) -> SandboxLoad {
    let mut load = SandboxLoad {
        name: name.clone(),
        log: None,
        process_config: None,
        processes: None,
        problems: Vec::new(),
    };
    let Some((sandbox, source)) = load.sandbox_config(home) else {
        return load;
    };
    let level = sandbox.log_level.unwrap_or(home.master.log_level);
    load.log = Some((home.sandbox_log(name, &sandbox), level));
    let doc = Doc::new(&sandbox, &source);
    load.problems.extend(resolve::sandbox(name, doc));
    load.problems.extend(resolve::sandbox_log(home, name, doc));
    if load.problems.iter().any(|p| p.severity == Severity::Error) {
        return load;
    }
    let file = home.process_file(name, &sandbox);
    let read = load.keep(
        name.as_str(),
        file::read(alternate.unwrap_or(&file)).map_err(|problem| vec![problem]),
    );
    let Some(source) = read else { return load };
    load.process_config = Some((file, Arc::clone(&source)));
    let (processes, problems) = read_processes(&source);
    load.keep::<()>(name.as_str(), Err(problems));
    let mut shared = Shared::default();
    let processes = processes.map(|processes| {
        let loads = processes.iter().map(|(process_name, process)| {
            let process = process.as_ref().map(|process| Doc {
                value: process,
                source: &source,
                entry: Some(process_name.as_str()),
            });
            load.process(home, doc, process_name, process, &mut shared)
        });
        loads.collect()
    });
    load.processes = processes;
    load.problems = told(load.problems, DOCUMENTS_TOLD);
    load
}

impl SandboxLoad {
    fn sandbox_config(&mut self, home: &Home) -> Option<(Sandbox, Arc<Source>)> {
        let name = self.name.to_string();
        let read = file::read(&home.sandbox_file(&self.name));
        let source = self.keep(&name, read.map_err(|problem| vec![problem]))?;
        let (sandbox, problems) = read_sandbox(&source);
        self.keep::<()>(&name, Err(problems));
        Some((sandbox?, source))
    }

    /// Keeps problems, as being about `subject`.
    fn keep<T>(&mut self, subject: &str, result: Result<T, Vec<Problem>>) -> Option<T> {
        let problems = match result {
            Ok(value) => return Some(value),
            Err(problems) => problems,
        };
        self.problems
            .extend(problems.into_iter().map(|problem| Problem {
                subject: subject.to_owned(),
                ..problem
            }));
        None
    }

    fn process(
        &mut self,
        home: &Home,
        sandbox: Doc<'_, Sandbox>,
        name: &Name,
        process: Option<Doc<'_, Process>>,
        shared: &mut Shared,
    ) -> ProcessLoad {
        let mut load = ProcessLoad {
            name: name.clone(),
            kind: process.map_or(Kind::Daemon, |process| process.kind),
            plans: None,
            template: None,
            container: None,
        };
        let subject = format!("{}/{name}", self.name);
        let Some(process) = process else { return load };
        let image = resolve::image(sandbox, process, subject.clone());
        let Some(image) = self.keep(&subject, image) else {
            return load;
        };
        let key = (image, process.config.clone());
        let read = shared.configs.entry(key);
        let read = read.or_insert_with_key(|(image, config)| Rc::new(Read::new(image, config)));
        let read = Rc::clone(read);
        let placed = read.problems.iter().cloned();
        let placed = placed.map(|problem| asked_for_by(problem, process, name));
        self.keep::<()>(&subject, Err(placed.collect()));
        let Some((container, source)) = &read.container else {
            return load;
        };
        load.container = Some(Arc::clone(source));
        if !read.problems.is_empty() {
            return load;
        }
        let docs = Documents {
            home,
            sandbox_name: &self.name,
            sandbox,
            process_name: name,
            process,
            before: shared.before,
            container: Doc::new(container, source),
            secrets_file: read
                .secrets
                .as_ref()
                .map(|(map, source)| Doc::new(map, source)),
        };
        let facts = shared.answers.of(resolve::questions(&docs));
        let resolved = resolve::resolve(&docs, &facts);
        self.problems.extend(resolved.problems);
        load.plans = resolved.template.as_ref().map(Template::plans);
        if let Some(template) = &resolved.template {
            shared.before.add(template);
        }
        load.template = resolved.template;
        load
    }
}

/// A file that cannot be read has no lines to show: shows who asks for it.
fn asked_for_by(problem: Problem, process: Doc<'_, Process>, name: &Name) -> Problem {
    if problem.source.is_some() {
        return problem;
    }
    Problem {
        source: Some(Arc::clone(process.source)),
        place: Place::Value(vec![name.as_str().into(), "config".into()]),
        ..problem
    }
}

impl Read {
    /// Reads a container config, and its secrets file, beneath the image.
    fn new(image: &Path, config: &Path) -> Self {
        let mut read = Self::default();
        let Some(source) = read.source(image, config, false) else {
            return read;
        };
        let (container, problems) = read_container(&source);
        read.problems.extend(problems);
        let Some(container) = container else {
            return read;
        };
        let file = container.secret_environ_file.as_ref();
        let file = file.map(|file| paths::secrets_file(config, file));
        let unreadable = read.problems.len();
        let secrets = file.and_then(|file| read.source(image, &file, true));
        for problem in &mut read.problems[unreadable..] {
            if problem.source.is_none() {
                problem.source = Some(Arc::clone(&source));
                problem.place = Place::Value(vec!["secret-environ-file".into()]);
            }
        }
        read.container = Some((container, source));
        if let Some(source) = secrets {
            let (secrets, problems) = read_secrets_file(&source);
            read.problems.extend(problems);
            read.secrets = secrets.map(|secrets| (secrets, source));
        }
        read
    }

    fn source(&mut self, image: &Path, path: &Path, secret: bool) -> Option<Arc<Source>> {
        let shown = paths::in_image(image, path);
        let opened = open_in_image(image, path).map_err(|err| {
            let message = format!("cannot read {}: {err}", shown.display());
            resolve::plain("", None, message)
        });
        let read = opened.and_then(|fd| file::read_opened(fd, &shown, secret));
        read.map_err(|problem| self.problems.push(problem)).ok()
    }
}
