//! From files to plans: reading, facts and `resolve`, one sandbox at a time.
//!
//! The one way in which `lithos_check`, `lithos_tree` and the others get plans.
//! A broken file concerns only what it is about.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use crate::cause::Cause;
use crate::config::container::{Container, read_container_in_part, read_secrets_file};
use crate::config::file;
use crate::config::master::read_master;
use crate::config::process::{Kind, Process, read_processes};
use crate::config::sandbox::{Sandbox, read_sandbox_in_part};
use crate::config::secret::SecretMap;
use crate::config::units::LogLevel;
use crate::facts::Answers;
use crate::facts::image::open_in_image;
use crate::name::Name;
use crate::problem::{Place, Problem, Severity, Source, told};
use crate::resolve::conflicts::{self, Claimed, Conflict};
use crate::resolve::plan::Plan;
use crate::resolve::{self, Before, Doc, Documents, Spot, Template, paths};

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
    match load.sandbox_config(home) {
        Ok((sandbox, source)) => load.process_config(home, Doc::new(&sandbox, &source), alternate),
        Err(broken) => load.problems_beyond(home, &broken, alternate),
    }
    load.problems = told(load.problems, DOCUMENTS_TOLD);
    load
}

impl SandboxLoad {
    fn sandbox_config(&mut self, home: &Home) -> Result<(Sandbox, Arc<Source>), Box<Broken>> {
        let name = self.name.clone();
        let read = file::read(&home.sandbox_file(&name));
        let read = self.keep(name.as_str(), read.map_err(|problem| vec![problem]));
        let source = read.ok_or_else(Box::<Broken>::default)?;
        let (sandbox, problems) = read_sandbox_in_part(&source);
        let whole = sandbox.is_some() && problems.is_empty();
        let sandbox = sandbox.unwrap_or_default();
        self.keep::<()>(name.as_str(), Err(problems));
        if !whole {
            return Err(Broken { sandbox, whole }.into());
        }
        let level = sandbox.log_level.unwrap_or(home.master.log_level);
        self.log = Some((home.sandbox_log(&name, &sandbox), level));
        let doc = Doc::new(&sandbox, &source);
        self.problems.extend(resolve::sandbox(&name, doc));
        self.problems.extend(resolve::sandbox_log(home, &name, doc));
        let mut problems = self.problems.iter();
        match problems.any(|p| p.severity == Severity::Error) {
            true => Err(Broken { sandbox, whole }.into()),
            false => Ok((sandbox, source)),
        }
    }

    fn process_config(&mut self, home: &Home, sandbox: Doc<'_, Sandbox>, alternate: Option<&Path>) {
        let name = self.name.clone();
        let file = home.process_file(&name, &sandbox);
        let read = file::read(alternate.unwrap_or(&file));
        let read = self.keep(name.as_str(), read.map_err(|problem| vec![problem]));
        let Some(source) = read else { return };
        self.process_config = Some((file, Arc::clone(&source)));
        let (processes, problems) = read_processes(&source);
        self.keep::<()>(name.as_str(), Err(problems));
        let mut shared = Shared::default();
        self.processes = processes.map(|processes| {
            let loads = processes.iter().map(|(name, process)| {
                let process = process.as_ref().map(|it| entry(it, name, &source));
                self.process(home, sandbox, name, process, &mut shared)
            });
            loads.collect()
        });
    }

    /// Keeps the problems of what a broken sandbox config leads to. Nothing of it
    /// is to be started.
    fn problems_beyond(&mut self, home: &Home, broken: &Broken, alternate: Option<&Path>) {
        let name = self.name.clone();
        let file = home.process_file(&name, &broken.sandbox);
        let source = match file::read(alternate.unwrap_or(&file)) {
            Ok(source) => source,
            Err(problem) => {
                if alternate.is_some() || broken.knows_process_file() {
                    self.keep::<()>(name.as_str(), Err(vec![problem]));
                }
                return;
            }
        };
        let (processes, problems) = read_processes(&source);
        self.keep::<()>(name.as_str(), Err(problems));
        if !broken.knows_images() {
            return;
        }
        let mut shared = Shared::default();
        for (name, process) in processes.iter().flatten() {
            let Some(process) = process else { continue };
            let process = entry(process, name, &source);
            let (dir, levels) = (&broken.sandbox.image_dir, broken.sandbox.image_dir_levels);
            if let Some(image) = paths::image(dir, levels, &process.image) {
                let read = self.container_config(image, process, name, &mut shared);
                self.keep::<()>(&format!("{}/{name}", self.name), Err(read.alone()));
            }
        }
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
        let read = self.container_config(image, process, name, shared);
        let Some((container, source)) = &read.container else {
            return load;
        };
        load.container = Some(Arc::clone(source));
        if !read.problems.is_empty() {
            self.keep::<()>(&subject, Err(read.alone()));
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
            secrets_file: read.secrets_doc(),
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

    /// The container config of a process, whose problems are kept.
    fn container_config(
        &mut self,
        image: PathBuf,
        process: Doc<'_, Process>,
        name: &Name,
        shared: &mut Shared,
    ) -> Rc<Read> {
        let key = (image, process.config.clone());
        let read = shared.configs.entry(key);
        let read = read.or_insert_with_key(|(image, config)| Rc::new(Read::new(image, config)));
        let placed = read.problems.iter().cloned();
        let placed = placed.map(|problem| asked_for_at(process.at(&["config"]), problem));
        self.keep::<()>(&format!("{}/{name}", self.name), Err(placed.collect()));
        Rc::clone(read)
    }
}

/// A sandbox config with errors, as far as it can be told.
#[derive(Default)]
struct Broken {
    sandbox: Sandbox,
    /// Every key of it could be read.
    whole: bool,
}

impl Broken {
    fn knows_process_file(&self) -> bool {
        self.whole || self.sandbox.config_file.is_some()
    }

    fn knows_images(&self) -> bool {
        self.whole || self.sandbox.image_dir != Sandbox::default().image_dir
    }
}

/// One entry of a process config.
fn entry<'a>(process: &'a Process, name: &'a Name, source: &'a Arc<Source>) -> Doc<'a, Process> {
    Doc {
        value: process,
        source,
        entry: Some(name.as_str()),
    }
}

/// A file that cannot be read has no lines to show: shows who asks for it.
pub(crate) fn asked_for_at(spot: Spot, problem: Problem) -> Problem {
    match problem.source {
        Some(_) => problem,
        None => spot.placed(problem),
    }
}

impl Read {
    /// Reads a container config, and its secrets file, beneath the image.
    fn new(image: &Path, config: &Path) -> Self {
        let mut read = Self::default();
        let source = match source(image, config, false) {
            Ok(source) => source,
            Err(problem) => {
                read.problems.push(problem);
                return read;
            }
        };
        let (container, problems) = read_container_in_part(&source);
        let whole = problems.is_empty();
        read.problems.extend(problems);
        let Some(container) = container else {
            return read;
        };
        read.secrets_file(image, config, Doc::new(&container, &source));
        read.container = whole.then_some((container, source));
        read
    }

    fn secrets_file(&mut self, image: &Path, config: &Path, container: Doc<'_, Container>) {
        let Some(file) = &container.secret_environ_file else {
            return;
        };
        match source(image, &paths::secrets_file(config, file), true) {
            Ok(source) => {
                let (secrets, problems) = read_secrets_file(&source);
                self.problems.extend(problems);
                self.secrets = secrets.map(|secrets| (secrets, source));
            }
            Err(problem) => {
                let spot = container.at(&["secret-environ-file"]);
                self.problems.push(asked_for_at(spot, problem));
            }
        }
    }

    fn secrets_doc(&self) -> Option<Doc<'_, SecretMap>> {
        let (map, source) = self.secrets.as_ref()?;
        Some(Doc::new(map, source))
    }

    /// What breaks the rules of the container config alone.
    fn alone(&self) -> Vec<Problem> {
        let container = self.container.iter();
        let docs = container.map(|(container, source)| Doc::new(container, source));
        docs.flat_map(|doc| resolve::container_alone(doc, self.secrets_doc()))
            .collect()
    }
}

fn source(image: &Path, path: &Path, secret: bool) -> Result<Arc<Source>, Problem> {
    let shown = paths::in_image(image, path);
    let fd = open_in_image(image, path).map_err(|err| {
        let message = format!("cannot read {}: {err}", shown.display());
        resolve::plain("", None, message)
    })?;
    file::read_opened(fd, &shown, secret)
}
