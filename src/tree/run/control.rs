//! What the supervisor answers over its control socket.
//!
//! Everything here is done at once, or refused with nothing changed. What takes
//! time, as waiting for an end, is the asking program's business.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use ::log::{error, info};

use super::{Request, Tree, now};
use crate::cause::Cause;
use crate::control::answers::{Begun, Container, Flaw, Outcome, State, Status, Supervisor};
use crate::control::{self, Refused};
use crate::problem::Severity;
use crate::selection::Selection;
use crate::sys::socket;
use crate::tree::clients::{Answer, Protocol};
use crate::tree::machine::{Event, Phase, operator::Standing};

/// As many clients wait in the kernel's queue.
const BACKLOG: i32 = 64;

impl Tree {
    /// Takes clients from the control socket. Without it everything is supervised
    /// all the same.
    pub(super) fn listen(&mut self) {
        let path = self.loading.home().control_socket();
        let listening = socket::listen_at(&path, 0o600, BACKLOG).and_then(|socket| {
            self.clients
                .listen(&mut self.poll, socket, Protocol::Control)
        });
        if let Err(err) = listening {
            error!("cannot listen on {}: {}", path.display(), Cause(&err));
        }
    }

    /// Removes the control socket, while the pid file still keeps others out.
    pub(super) fn hang_up(&self) {
        let _ = fs::remove_file(self.loading.home().control_socket());
    }

    /// Answers a request; a reload is to follow its answer.
    pub(super) fn control(&mut self, request: &[u8]) -> (Answer, Option<Request>) {
        let (bytes, follows) = match control::read(request) {
            Err(refused) => (control::answer(Err::<(), _>(refused)), None),
            Ok(control::Request::Reload {}) => {
                let begun = self.begun();
                let follows = begun.is_ok().then_some(Request::Reload);
                (control::answer(begun), follows)
            }
            Ok(control::Request::Outcome {}) => (control::answer(Ok(self.outcome())), None),
            Ok(control::Request::Status { name }) => (control::answer(self.shown(name)), None),
            Ok(control::Request::Restart { name }) => (control::answer(self.restart(name)), None),
            Ok(control::Request::Hold { name }) => (control::answer(self.hold(name)), None),
            Ok(control::Request::Release { name }) => (control::answer(self.release(name)), None),
        };
        (Answer { bytes, last: false }, follows)
    }

    fn shown(&self, name: Option<Selection>) -> Result<Status, Refused> {
        if let Some(name) = &name {
            self.expect_known(name, "show")?;
        }
        Ok(self.stand(name))
    }

    /// What could not start again is not ended.
    fn restart(&mut self, name: Selection) -> Result<Status, Refused> {
        self.expect_known(&name, "restart")?;
        self.expect_not_stopping("restart", &name)?;
        let selection = Some(name.clone());
        let standings: BTreeMap<_, _> = self.machine.standings(&selection).collect();
        let broken = standings.iter().find(|(_, standing)| standing.broken);
        let broken = broken.map(|(name, _)| name.to_string());
        // Without any, what is known of it is that its files are broken.
        if let Some(broken) = broken.or_else(|| standings.is_empty().then(|| name.to_string())) {
            let error =
                format!("cannot restart {broken}: its files are broken, it could not start");
            return Err(Refused::hinted(error, "see `lithos_check`"));
        }
        if !standings
            .keys()
            .any(|container| !self.holds.covers(container))
        {
            let error = format!("cannot restart {name}: it is held");
            return Err(Refused::hinted(error, format!("`lithos_ctl start {name}`")));
        }
        info!("restarting {name}, as asked");
        self.feed(Event::Restart(name.clone()));
        Ok(self.stand(Some(name)))
    }

    fn hold(&mut self, name: Selection) -> Result<Status, Refused> {
        self.expect_known(&name, "hold")?;
        self.expect_not_stopping("hold", &name)?;
        let mut holds = self.holds.clone();
        holds.hold(name.clone());
        self.have_held(holds, "hold", &name)?;
        info!("{name} is held, as asked");
        Ok(self.stand(Some(name)))
    }

    fn release(&mut self, name: Selection) -> Result<Status, Refused> {
        if !self.holds.concern(&name) {
            self.expect_known(&name, "release")?;
        }
        self.expect_not_stopping("release", &name)?;
        let mut holds = self.holds.clone();
        holds.release(name.clone());
        self.have_held(holds, "release", &name)?;
        info!("{name} is released, as asked");
        Ok(self.stand(Some(name)))
    }

    /// In the file first: nothing is held that a next supervisor would start.
    fn have_held(
        &mut self,
        holds: super::Holds,
        verb: &str,
        name: &Selection,
    ) -> Result<(), Refused> {
        if holds != self.holds {
            let path = self.loading.home().holds_file();
            holds.write(&path).map_err(|err| {
                let (path, cause) = (path.display(), Cause(&err));
                Refused::new(format!(
                    "cannot {verb} {name}: cannot write {path}: {cause}"
                ))
            })?;
            self.holds = holds.clone();
            self.feed(Event::Held(holds));
        }
        Ok(())
    }

    fn begun(&self) -> Result<Begun, Refused> {
        if self.stopping {
            return Err(Refused::new(
                "cannot reload: lithos_tree is stopping everything",
            ));
        }
        Ok(Begun {
            generation: self.generation,
            refused_reloads: self.refused_reloads,
        })
    }

    fn outcome(&self) -> Outcome {
        let flaw = |problem: &crate::problem::Problem| Flaw {
            error: problem.severity == Severity::Error,
            text: problem.to_string(),
        };
        Outcome {
            generation: self.generation,
            refused_reloads: self.refused_reloads,
            refused: self.refused.clone(),
            problems: self.loading.problems().map(flaw).collect(),
            containers: self.machine.containers().count(),
        }
    }

    fn expect_known(&self, name: &Selection, verb: &str) -> Result<(), Refused> {
        let broken = self.machine.broken();
        let mut broken = broken.iter();
        let is_broken = broken.any(|broken| name.is_within(broken) || broken.is_within(name));
        let selection = Some(name.clone());
        if is_broken || self.machine.standings(&selection).next().is_some() {
            return Ok(());
        }
        let error = format!("cannot {verb} {name}: no daemon is called that");
        Err(Refused::hinted(error, "`lithos_ctl status` shows them all"))
    }

    fn expect_not_stopping(&self, verb: &str, name: &Selection) -> Result<(), Refused> {
        match self.stopping {
            true => {
                let error = format!("cannot {verb} {name}: lithos_tree is stopping everything");
                Err(Refused::new(error))
            }
            false => Ok(()),
        }
    }

    fn stand(&self, selection: Option<Selection>) -> Status {
        let now = now();
        let containers = self.machine.standings(&selection);
        let containers = containers.map(|(name, standing)| self.container(name, standing, now));
        let containers = containers.collect();
        let mut broken = self.machine.broken();
        broken.retain(|broken| {
            let asked = selection.as_ref();
            asked.is_none_or(|asked| asked.is_within(broken) || broken.is_within(asked))
        });
        Status {
            supervisor: Supervisor {
                pid: std::process::id(),
                generation: self.generation,
                stopping: self.stopping,
            },
            containers,
            broken,
            holds: self.holds.clone(),
        }
    }

    fn container(
        &self,
        name: &crate::name::ContainerName,
        standing: Standing,
        now: Duration,
    ) -> Container {
        let state = match standing.phase {
            Phase::Running => State::Running,
            Phase::Stopping(_) => State::Stopping,
            Phase::Held => State::Held,
            Phase::Resting(_) if standing.broken => State::Broken,
            Phase::Resting(_) => State::Resting,
        };
        let next_start = match standing.phase {
            Phase::Resting(at) => at,
            _ => None,
        };
        // Not every one has been started.
        let record = self.containers.get(name).map(|container| &container.record);
        let knot = record.and_then(|record| record.knot.as_ref());
        let history = record.map(|record| record.history).unwrap_or_default();
        let uptime = history.started.filter(|_| knot.is_some());
        Container {
            name: name.clone(),
            state,
            files_broken: standing.broken,
            knot_pid: knot.map(|knot| knot.pid),
            uptime_seconds: uptime.map(|started| now.saturating_sub(started).as_secs_f64()),
            next_start_seconds: next_start.map(|at| at.saturating_sub(now).as_secs_f64()),
            starts: history.starts,
            failures: history.failures,
            last_end: record.and_then(|record| Some(record.last_end.as_ref()?.into())),
        }
    }
}
