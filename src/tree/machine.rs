//! The supervisor's decisions: (state, event, now) → (state, actions).
//!
//! Pure: it reads no clock, draws no random number, and touches no process or
//! file. What is wanted of a container and what is the case are two fields;
//! `settle` closes the gap between them and is the only place that
//! does, whatever the event was.
//!
//! Promised after each step: a container is started only while nothing of it
//! runs, never before its time, and none that is wanted is without a process,
//! a timer, or a timer of its sandbox's files.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backoff::History;
use super::holds::Holds;
use crate::name::{ContainerName, Name};
use crate::report::End;
use crate::resolve::plan::{Plan, Supervision};
use crate::selection::Selection;

/// The most starts in one step, so that a signal never waits behind hundreds.
const STARTS_PER_STEP: usize = 16;

/// What a sandbox's files ask for: process → its plans. `None` stands for
/// files that are broken; what they are about is left as it is.
pub type Desired = Option<BTreeMap<Name, Option<Vec<Rc<Plan>>>>>;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A container's record was found at start.
    Found {
        /// The plan it was started with last.
        plan: Rc<Plan>,
        /// Its history.
        history: History,
        /// Whether it runs.
        state: Found,
    },
    /// A sandbox's files were read, because someone asked for it.
    Loaded(Name, Desired),
    /// A sandbox's files were read again, because something in them was broken.
    Retried(Name, Desired),
    /// A container ended, or could not be started.
    Ended(ContainerName, Ending),
    /// The process of a container that is kept was started again inside, so often.
    StartedInside(ContainerName, u64),
    /// What an operator holds, from now on.
    Held(Holds),
    /// An operator wants these to end and to start anew.
    Restart(Selection),
    /// Time has passed.
    Timer,
    /// Everything shall stop.
    Stop,
}

/// What was found of a container whose record was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// No process.
    Resting,
    /// Its knot.
    Running,
    /// Its knot, which was sent SIGTERM at this time.
    Stopping(Duration),
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// Its process did.
    Ended(End),
    /// It could not be started.
    Failed {
        /// `cannot <verb> <object>: <cause>`.
        reason: String,
        /// The one thing to do, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
    /// Its knot was killed and told nothing.
    Unknown,
}

impl Ending {
    /// Whether it is a failure, unless it came after our own SIGTERM.
    pub fn is_failure(&self, supervision: &Supervision) -> bool {
        match self {
            Self::Ended(End::Exited(status)) => !supervision.normal_exit_codes.contains(status),
            Self::Ended(End::Signalled(signal)) => *signal != TERM,
            Self::Failed { .. } | Self::Unknown => true,
        }
    }
}

/// The number of SIGTERM, on every Linux.
const TERM: i32 = 15;

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start it; nothing of it runs. If that fails, say [`Event::Ended`].
    Start(Rc<Plan>, History),
    /// Ask its knot to end.
    Terminate(ContainerName),
    /// Kill its knot.
    Kill(ContainerName),
    /// It ended and will be started again: keep its history.
    Rest(ContainerName, History),
    /// It runs on: keep its history.
    Keep(ContainerName, History),
    /// It is held: keep a record of it.
    Hold(Rc<Plan>, History),
    /// It ended for good: remove what is left of it.
    Remove(ContainerName),
    /// Read the sandbox's files again and say [`Event::Retried`].
    Reload(Name),
    /// Nothing is left: exit.
    Exit,
}

/// What is the case with one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing runs; it is started at this time, or when its files resolve.
    Resting(Option<Duration>),
    /// Its knot runs.
    Running,
    /// Its knot was sent SIGTERM and is killed at this time; none: it was.
    Stopping(Option<Duration>),
    /// Nothing runs, and nothing is started: an operator holds it.
    Held,
}

/// What is wanted of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    /// Its files are broken: leave alone what runs, start nothing.
    Unknown,
    /// That it runs, just so.
    Plan(Rc<Plan>),
    /// That it is gone.
    Nothing,
}

#[derive(Debug)]
struct Container {
    wanted: Wanted,
    phase: Phase,
    /// The plan that runs, ran last, or is the next to run.
    plan: Rc<Plan>,
    history: History,
    /// An operator wants it to start without waiting for its time.
    hurried: bool,
}

/// Which processes of a sandbox have files that are broken, or may be.
#[derive(Debug, Default, PartialEq, Eq)]
enum Broken {
    #[default]
    None,
    Some(BTreeSet<Name>),
    /// The sandbox's or its process config.
    All,
}

#[derive(Debug, Default)]
struct Sandbox {
    containers: BTreeMap<ContainerName, Container>,
    broken: Broken,
    /// How often broken files were read again.
    tries: u32,
    /// When they are read again.
    retry: Option<Duration>,
}

/// What a timer is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Container(ContainerName),
    Files(Name),
}

type Timers = BTreeSet<(Duration, Due)>;

/// All that the supervisor knows.
#[derive(Debug, Default)]
pub struct Machine {
    sandboxes: BTreeMap<Name, Sandbox>,
    timers: Timers,
    holds: Holds,
    stopping: bool,
}

/// What every step needs from outside.
struct Step<'a> {
    now: Duration,
    jitter: f64,
    timers: &'a mut Timers,
    holds: &'a Holds,
    actions: Vec<Action>,
}

impl Machine {
    /// When the next timer is due.
    pub fn next_timer(&self) -> Option<Duration> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Every container, and what is the case with it.
    pub fn containers(&self) -> impl Iterator<Item = (&ContainerName, Phase)> {
        let all = self.sandboxes.values().flat_map(|s| &s.containers);
        all.map(|(name, container)| (name, container.phase))
    }

    /// Takes `event` into account. `now` is the monotonic clock; `jitter` is a
    /// fresh random number between -1 and 1.
    pub fn step(&mut self, event: Event, now: Duration, jitter: f64) -> Vec<Action> {
        let mut timers = std::mem::take(&mut self.timers);
        let before = std::mem::take(&mut self.holds);
        let (holds, before) = match &event {
            Event::Held(now) => (now.clone(), before),
            _ => (before, Holds::default()),
        };
        let mut step = Step {
            now,
            jitter,
            timers: &mut timers,
            holds: &holds,
            actions: Vec::new(),
        };
        match event {
            Event::Found {
                plan,
                history,
                state,
            } => self.found(plan, history, state, &mut step),
            Event::Loaded(name, desired) => self.loaded(name, desired, &mut step),
            Event::Retried(name, desired) => self.retried(name, desired, &mut step),
            Event::Ended(name, ending) => self.ended(&name, &ending, &mut step),
            Event::StartedInside(name, times) => self.started_inside(name, times, &mut step),
            Event::Held(_) => self.held(&before, &mut step),
            Event::Restart(selection) => self.restart(&selection, &mut step),
            Event::Timer => self.timer(&mut step),
            Event::Stop => self.stop(&mut step),
        }
        let mut actions = step.actions;
        self.timers = timers;
        self.holds = holds;
        if self.stopping && self.sandboxes.is_empty() {
            actions.push(Action::Exit);
        }
        actions
    }

    fn found(&mut self, plan: Rc<Plan>, history: History, state: Found, step: &mut Step<'_>) {
        let name = plan.name.clone();
        let phase = match state {
            Found::Resting => Phase::Resting(None),
            Found::Running => Phase::Running,
            Found::Stopping(since) => {
                let at = since.saturating_add(plan.supervision.kill_timeout);
                step.timers.insert((at, Due::Container(name.clone())));
                Phase::Stopping(Some(at))
            }
        };
        let container = Container {
            wanted: Wanted::Unknown,
            phase,
            plan,
            history,
            hurried: false,
        };
        let sandbox = self.sandboxes.entry(name.sandbox.clone()).or_default();
        sandbox.containers.insert(name, container);
    }

    fn loaded(&mut self, name: Name, desired: Desired, step: &mut Step<'_>) {
        if self.stopping {
            return;
        }
        let sandbox = self.sandboxes.entry(name.clone()).or_default();
        sandbox.tries = 0;
        sandbox.broken = Broken::All;
        sandbox.apply(desired, step);
        sandbox.try_again(&name, step);
        self.forget_if_empty(&name);
    }

    fn retried(&mut self, name: Name, desired: Desired, step: &mut Step<'_>) {
        if self.stopping {
            return;
        }
        let Some(sandbox) = self.sandboxes.get_mut(&name) else {
            return;
        };
        sandbox.tries = sandbox.tries.saturating_add(1);
        sandbox.apply(desired, step);
        sandbox.try_again(&name, step);
        self.forget_if_empty(&name);
    }

    fn ended(&mut self, name: &ContainerName, ending: &Ending, step: &mut Step<'_>) {
        let Some(sandbox) = self.sandboxes.get_mut(&name.sandbox) else {
            return;
        };
        let Some(container) = sandbox.containers.get_mut(name) else {
            return;
        };
        let supervision = &container.plan.supervision;
        let failed = match container.phase {
            Phase::Resting(_) | Phase::Held => return,
            Phase::Running => ending.is_failure(supervision),
            Phase::Stopping(kill_at) => {
                step.cancel(kill_at, name);
                false
            }
        };
        container.history.ended(failed, step.now, supervision);
        container.phase = Phase::Resting(None);
        if container.wanted != Wanted::Nothing {
            let rest = Action::Rest(name.clone(), container.history);
            step.actions.push(rest);
        }
        if container.settle(step).is_gone() {
            sandbox.containers.remove(name);
            self.forget_if_empty(&name.sandbox);
        } else if matches!(ending, Ending::Failed { .. }) {
            sandbox.doubt(name, step);
        }
    }

    fn started_inside(&mut self, name: ContainerName, times: u64, step: &mut Step<'_>) {
        let sandbox = self.sandboxes.get_mut(&name.sandbox);
        if let Some(container) = sandbox.and_then(|s| s.containers.get_mut(&name)) {
            container.history.starts += times;
            container.history.started = Some(step.now);
            step.actions.push(Action::Keep(name, container.history));
        }
    }

    fn timer(&mut self, step: &mut Step<'_>) {
        let mut starts = 0;
        while starts < STARTS_PER_STEP {
            match step.timers.first() {
                Some((at, _)) if *at <= step.now => {}
                _ => break,
            }
            let Some((_, due)) = step.timers.pop_first() else {
                break;
            };
            match due {
                Due::Files(name) => {
                    if let Some(sandbox) = self.sandboxes.get_mut(&name) {
                        sandbox.retry = None;
                    }
                    step.actions.push(Action::Reload(name));
                }
                Due::Container(name) => {
                    let sandbox = self.sandboxes.get_mut(&name.sandbox);
                    if let Some(container) = sandbox.and_then(|s| s.containers.get_mut(&name)) {
                        starts += usize::from(container.due(step));
                    }
                }
            }
        }
    }

    fn stop(&mut self, step: &mut Step<'_>) {
        self.stopping = true;
        self.sandboxes.retain(|name, sandbox| {
            sandbox.broken = Broken::All;
            sandbox.apply(Some(BTreeMap::new()), step);
            sandbox.try_again(name, step);
            !sandbox.is_empty()
        });
    }

    fn forget_if_empty(&mut self, name: &Name) {
        if self.sandboxes.get(name).is_some_and(Sandbox::is_empty) {
            self.sandboxes.remove(name);
        }
    }
}

/// Whether a container is to be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Settled {
    Stays,
    Gone,
}

impl Settled {
    fn is_gone(self) -> bool {
        self == Self::Gone
    }
}

impl Step<'_> {
    fn cancel(&mut self, at: Option<Duration>, name: &ContainerName) {
        if let Some(at) = at {
            self.timers.remove(&(at, Due::Container(name.clone())));
        }
    }

    fn arm(&mut self, at: Duration, name: &ContainerName) -> Option<Duration> {
        self.timers.insert((at, Due::Container(name.clone())));
        Some(at)
    }
}

impl Container {
    fn new(plan: Rc<Plan>) -> Self {
        Self {
            wanted: Wanted::Plan(plan.clone()),
            phase: Phase::Resting(None),
            plan,
            history: History::default(),
            hurried: false,
        }
    }

    /// Makes the next move from what is the case towards what is wanted.
    fn settle(&mut self, step: &mut Step<'_>) -> Settled {
        let held = step.holds.covers(&self.plan.name);
        if let Wanted::Plan(plan) = &self.wanted
            && *plan == self.plan
        {
            // Its secrets may be sealed anew, which matters to the next start only.
            self.plan = plan.clone();
        }
        match (self.phase, &self.wanted) {
            (Phase::Stopping(_), _) => {}
            (Phase::Running, Wanted::Unknown) if !held => {}
            (Phase::Running, Wanted::Plan(plan)) if !held && *plan == self.plan => {}
            (Phase::Running, _) => self.end(step),
            (Phase::Resting(_) | Phase::Held, Wanted::Nothing) => {
                self.rest(step);
                step.actions.push(Action::Remove(self.plan.name.clone()));
                return Settled::Gone;
            }
            (Phase::Held, _) if held => {}
            (Phase::Resting(_), _) if held => {
                self.rest(step);
                self.phase = Phase::Held;
                let hold = Action::Hold(self.plan.clone(), self.history);
                step.actions.push(hold);
            }
            (Phase::Held, _) => {
                self.hurry(step);
                return self.settle(step);
            }
            (Phase::Resting(_), Wanted::Unknown) => self.rest(step),
            (Phase::Resting(Some(_)), Wanted::Plan(plan)) if *plan == self.plan => {}
            (Phase::Resting(_), Wanted::Plan(plan)) => {
                let plan = plan.clone();
                self.rest(step);
                if plan != self.plan {
                    self.history.failures = 0;
                    self.plan = plan;
                }
                let next = self.history.next_start(&self.plan.supervision, step.jitter);
                let next = if self.hurried { step.now } else { next };
                self.phase = Phase::Resting(step.arm(next, &self.plan.name));
            }
        }
        Settled::Stays
    }

    /// Tells it to end.
    fn end(&mut self, step: &mut Step<'_>) {
        let name = &self.plan.name;
        let at = step.now.saturating_add(self.plan.supervision.kill_timeout);
        self.phase = Phase::Stopping(step.arm(at, name));
        step.actions.push(Action::Terminate(name.clone()));
    }

    /// Has it rest until something else is decided.
    fn rest(&mut self, step: &mut Step<'_>) {
        if let Phase::Resting(at) = self.phase {
            step.cancel(at, &self.plan.name);
        }
        self.phase = Phase::Resting(None);
    }

    /// Its timer, which is no longer set, is due; says whether it is started.
    fn due(&mut self, step: &mut Step<'_>) -> bool {
        match self.phase {
            Phase::Resting(Some(_)) => {
                self.history.started = Some(step.now);
                self.history.starts += 1;
                self.phase = Phase::Running;
                self.hurried = false;
                let start = Action::Start(self.plan.clone(), self.history);
                step.actions.push(start);
                true
            }
            Phase::Stopping(Some(_)) => {
                self.phase = Phase::Stopping(None);
                step.actions.push(Action::Kill(self.plan.name.clone()));
                false
            }
            Phase::Running | Phase::Held | Phase::Resting(None) | Phase::Stopping(None) => false,
        }
    }
}

pub mod operator;
#[cfg(test)]
mod operator_tests;
#[cfg(test)]
mod random;
mod sandbox;
#[cfg(test)]
pub mod tests;
