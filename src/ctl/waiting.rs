//! Waiting until a daemon has become what it was to be.

use std::thread::sleep;
use std::time::Duration;

use super::error::CtlError;
use super::supervisor::Supervisor;
use crate::control::Request;
use crate::control::answers::{Container, State, Status};
use crate::name::ContainerName;
use crate::selection::Selection;

/// The time between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a daemon must have run.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Settle {
    /// Wait until each has run so long
    #[arg(long = "settle", value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    pub time: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds")?;
    match (0.0..=86_400.0).contains(&seconds) {
        true => Ok(Duration::from_secs_f64(seconds)),
        false => Err("not between 0 and 86400 seconds".to_owned()),
    }
}

/// A daemon that is to run anew.
#[derive(Debug)]
pub struct Awaited {
    name: ContainerName,
    /// How often it had been started before.
    starts: u64,
    /// The process that was seen since that start.
    seen: Option<(u64, i32)>,
}

impl Awaited {
    /// As it is before its next start.
    pub fn new(container: &Container) -> Self {
        Self {
            name: container.name.clone(),
            starts: container.starts,
            seen: None,
        }
    }

    /// Which.
    pub fn name(&self) -> &ContainerName {
        &self.name
    }

    /// Waits until it has been started and has run so long.
    ///
    /// # Errors
    ///
    /// It ended before, or cannot start.
    pub fn wait(
        mut self,
        supervisor: &Supervisor,
        settle: Settle,
        verb: &'static str,
    ) -> Result<Running, CtlError> {
        loop {
            let failed = |why: String| CtlError::Failed(verb, self.name.to_string(), why);
            let Some(container) = look(supervisor, &self.name)? else {
                return Err(failed("the files ask for it no more".to_owned()));
            };
            if let Some(why) = self.failure(&container) {
                return Err(CtlError::Failed(verb, self.name.to_string(), why));
            }
            let process = supervisor.process_of(&container);
            if let Some(running) = self.settled(&container, process, settle.time, verb)? {
                return Ok(running);
            }
            sleep(PAUSE);
        }
    }

    fn failure(&self, container: &Container) -> Option<String> {
        match container.state {
            State::Held => return Some("it was stopped meanwhile".to_owned()),
            State::Broken => return Some("its files are broken, see `lithos_check`".to_owned()),
            State::Running | State::Stopping | State::Resting => {}
        }
        let resting = container.state == State::Resting;
        // An end that it was told, by a reload say, is followed by another start.
        let end = container.last_end.as_ref().filter(|end| !end.told)?;
        let ends = container.starts.saturating_sub(u64::from(!resting));
        (ends > self.starts).then(|| end.text.clone())
    }

    fn settled(
        &mut self,
        container: &Container,
        process: Option<i32>,
        time: Duration,
        verb: &'static str,
    ) -> Result<Option<Running>, CtlError> {
        let running = container.state == State::Running && container.starts > self.starts;
        let process = process.filter(|_| running);
        // With `restart-process-only` the container goes on, and its process does not.
        let (starts, before) = self.seen.unzip();
        if starts == Some(container.starts) && running && before != process {
            let why = "its process ended".to_owned();
            return Err(CtlError::Failed(verb, self.name.to_string(), why));
        }
        if let Some(pid) = process {
            self.seen = Some((container.starts, pid));
        }
        let long_enough = container
            .uptime_seconds
            .is_some_and(|uptime| uptime >= time.as_secs_f64());
        let name = self.name.clone();
        Ok(process
            .filter(|_| long_enough)
            .map(|pid| Running { name, pid }))
    }
}

/// A daemon that runs.
#[derive(Debug)]
pub struct Running {
    /// Which.
    pub name: ContainerName,
    /// Its process.
    pub pid: i32,
}

/// Waits until a daemon that was held has ended.
pub fn until_held(supervisor: &Supervisor, name: &ContainerName) -> Result<(), CtlError> {
    loop {
        match look(supervisor, name)?.map(|container| container.state) {
            None | Some(State::Held) => return Ok(()),
            Some(State::Stopping) => {}
            Some(State::Running | State::Resting | State::Broken) => {
                let why = "it was started meanwhile".to_owned();
                return Err(CtlError::Failed("stop", name.to_string(), why));
            }
        }
        sleep(PAUSE);
    }
}

/// How things stand with what was named.
pub fn status(supervisor: &Supervisor, name: Option<&Selection>) -> Result<Status, CtlError> {
    let name = name.cloned();
    supervisor.ask(&Request::Status { name })
}

/// How things stand with one daemon, if it is still there.
fn look(supervisor: &Supervisor, name: &ContainerName) -> Result<Option<Container>, CtlError> {
    // Its process would be known when it is not.
    let process = Selection::Container(name.clone()).parent();
    let status = match status(supervisor, process.as_ref()) {
        Err(CtlError::Refused(..)) => return Ok(None),
        other => other?,
    };
    let mut containers = status.containers.into_iter();
    Ok(containers.find(|container| container.name == *name))
}
