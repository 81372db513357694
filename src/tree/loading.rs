//! From files to what is wanted, with every problem logged where it belongs.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use ::log::{Level, warn};
use lithos_crypt::Day;

use super::log::{self, about};
use super::machine::Desired;
use crate::config::process::Kind;
use crate::config_log::{self, Entry};
use crate::load::{self, Home, SandboxLoad};
use crate::name::Name;
use crate::problem::{Problem, Severity, Source};
use crate::resolve;

/// What the files asked for when they were read last.
#[derive(Debug)]
pub struct Loading {
    home: Home,
    loads: Vec<SandboxLoad>,
    /// Problems that are about no sandbox.
    problems: Vec<Problem>,
    config_log_failed: bool,
}

impl Loading {
    /// Nothing is read yet.
    pub fn new(home: Home) -> Self {
        Self {
            home,
            loads: Vec::new(),
            problems: Vec::new(),
            config_log_failed: false,
        }
    }

    /// The master config.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// How many sandboxes are configured.
    pub fn sandboxes(&self) -> usize {
        self.loads.len()
    }

    /// How many secrets are past their last day, by sandbox and process, where
    /// there are any; of commands, too.
    pub fn expired(&self, today: Day) -> BTreeMap<(Name, Name), usize> {
        let mut expired = BTreeMap::new();
        for load in &self.loads {
            for process in load.processes.iter().flatten() {
                let template = process.template.as_ref();
                let count = template.map_or(0, |of| of.secrets().count_expired(today));
                if count > 0 {
                    expired.insert((load.name.clone(), process.name.clone()), count);
                }
            }
        }
        expired
    }

    /// What was wrong in the files when they were read last.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        let loads = self.loads.iter().flat_map(|load| &load.problems);
        self.problems.iter().chain(loads)
    }

    /// Reads every sandbox.
    pub fn everything(&mut self) -> Result<Vec<(Name, Desired)>, Vec<Problem>> {
        let (loads, problems) = load::all(&self.home, None);
        listed(loads.is_empty(), &problems)?;
        for problem in &problems {
            ::log::log!(level(problem), "{problem}");
        }
        (self.loads, self.problems) = (loads, problems);
        for load in &self.loads {
            log_problems(load, Severity::Warning);
        }
        let loaded = self.loads.iter().filter_map(loaded).collect::<Vec<_>>();
        for (sandbox, config) in &loaded {
            self.log_config(sandbox, config);
        }
        let desired = |load: &SandboxLoad| (load.name.clone(), desired(load));
        Ok(self.loads.iter().map(desired).collect())
    }

    /// Reads one sandbox again, because something in it was broken. What the
    /// others have, they keep.
    pub fn again(&mut self, name: &Name) -> Desired {
        let text = |load: &SandboxLoad| loaded(load).map(|(_, source)| source.text.clone());
        let index = self.loads.iter().position(|load| load.name == *name);
        let before = index.and_then(|index| text(&self.loads.remove(index)));
        self.loads.push(load::sandbox(&self.home, name, None));
        load::refuse_conflicts(&mut self.loads);
        let (_, config) = self.loads.last().and_then(loaded).unzip();
        if let Some(config) = config.filter(|config| before.as_ref() != Some(&config.text)) {
            self.log_config(name, &config);
        }
        let load = self.loads.last()?;
        // Warnings were told the first time.
        log_problems(load, Severity::Error);
        desired(load)
    }
}

impl Loading {
    /// Notes in the config log that the process config was loaded.
    fn log_config(&mut self, sandbox: &Name, config: &Source) {
        let Some(dir) = &self.home.master.config_log_dir else {
            return;
        };
        let entry = serde_yaml::from_str(&config.text).map(|config| Entry {
            time: SystemTime::now(),
            config,
        });
        let written = entry
            .map_err(io::Error::other)
            .and_then(|entry| config_log::append(dir, sandbox, &entry));
        if let (Err(err), false) = (written, self.config_log_failed) {
            self.config_log_failed = true;
            warn!("cannot write the config log in {}: {err}", dir.display());
        }
    }
}

/// The process config, if it could be loaded.
fn loaded(load: &SandboxLoad) -> Option<(Name, Arc<Source>)> {
    load.processes.as_ref()?;
    let (_, source) = load.process_config.as_ref()?;
    Some((load.name.clone(), Arc::clone(source)))
}

/// Whether a reload would find its way: the master config reads, the sandboxes
/// can be listed, and what runs is recorded where it was. Elsewhere no record
/// would be found, and everything started a second time.
pub fn rehearse(now: &Home) -> Result<(), Vec<Problem>> {
    let next = load::home(&now.file)?;
    for (key, old, new) in [
        ("runtime-dir", &now.runtime_dir, &next.runtime_dir),
        ("state-dir", &now.state_dir, &next.state_dir),
    ] {
        if old != new {
            return Err(vec![moved(key, old)]);
        }
    }
    let (names, problems) = load::sandbox_names(&next);
    listed(names.is_empty(), &problems)
}

fn moved(key: &str, old: &Path) -> Problem {
    let message = format!(
        "cannot move `{key}` from {} while containers are recorded there",
        old.display()
    );
    let hint = "stop lithos_tree with SIGTERM, and start it anew".to_owned();
    Problem {
        hint: Some(hint),
        ..resolve::plain("", None, message)
    }
}

/// A directory of sandboxes that cannot be read is not an empty one: that
/// would stop everything.
fn listed(none: bool, problems: &[Problem]) -> Result<(), Vec<Problem>> {
    match none && problems.iter().any(|p| p.severity == Severity::Error) {
        true => Err(problems.to_vec()),
        false => Ok(()),
    }
}

fn desired(load: &SandboxLoad) -> Desired {
    let processes = load.processes.as_ref()?;
    let daemons = processes.iter().filter(|p| p.kind == Kind::Daemon);
    let entries = daemons.map(|process| {
        let plans = process.plans.as_ref();
        (process.name.clone(), plans.cloned())
    });
    Some(entries.collect::<BTreeMap<_, _>>())
}

fn log_problems(load: &SandboxLoad, least: Severity) {
    if let Some((file, level)) = &load.log {
        log::sandbox(&load.name, file, *level);
    }
    for problem in load.problems.iter().filter(|p| p.severity >= least) {
        ::log::log!(target: &about(&load.name), level(problem), "{problem}");
    }
}

fn level(problem: &Problem) -> Level {
    match problem.severity {
        Severity::Warning => Level::Warn,
        Severity::Error => Level::Error,
    }
}
