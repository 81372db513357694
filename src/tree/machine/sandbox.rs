//! What the files of a sandbox ask for, and what is done while they are broken.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::{Broken, Container, Desired, Due, Sandbox, Step, Wanted};
use crate::name::{ContainerName, Name};
use crate::resolve::plan::Plan;
use crate::tree::backoff;

impl Sandbox {
    /// Nothing runs, nothing is wanted, and nothing is broken.
    pub(super) fn is_empty(&self) -> bool {
        self.containers.is_empty() && self.broken == Broken::None
    }

    /// Wants what the files ask for, as far as they were broken before.
    pub(super) fn apply(&mut self, desired: Desired, step: &mut Step<'_>) {
        let Some(mut desired) = desired else {
            return self.leave_alone(step);
        };
        let concerned = std::mem::take(&mut self.broken);
        desired.retain(|process, _| concerned.concerns(process));
        let mut wanted: BTreeMap<ContainerName, Rc<Plan>> = BTreeMap::new();
        let mut broken = BTreeSet::new();
        for (process, plans) in desired {
            match plans {
                Some(plans) => wanted.extend(plans.into_iter().map(|p| (p.name.clone(), p))),
                None => _ = broken.insert(process),
            }
        }
        self.containers.retain(|name, container| {
            let wish = wanted.remove(name);
            if concerned.concerns(&name.process) {
                container.wanted = match wish {
                    Some(plan) => Wanted::Plan(plan),
                    None if broken.contains(&name.process) => Wanted::Unknown,
                    None => Wanted::Nothing,
                };
            }
            !container.settle(step).is_gone()
        });
        for (name, plan) in wanted {
            let mut container = Container::new(plan);
            container.settle(step);
            self.containers.insert(name, container);
        }
        if !broken.is_empty() {
            self.broken = Broken::Some(broken);
        }
    }

    /// The files say nothing: what runs is left as it is.
    pub(super) fn leave_alone(&mut self, step: &mut Step<'_>) {
        for (name, container) in &mut self.containers {
            if self.broken.concerns(&name.process) {
                container.wanted = Wanted::Unknown;
                container.settle(step);
            }
        }
    }

    /// What cannot be started may have been repaired in its files, as a token
    /// that does not open is: they are read again soon.
    pub(super) fn doubt(&mut self, name: &ContainerName, step: &mut Step<'_>) {
        match &mut self.broken {
            Broken::All => {}
            Broken::Some(processes) => _ = processes.insert(name.process.clone()),
            Broken::None => {
                self.broken = Broken::Some(BTreeSet::from([name.process.clone()]));
                self.tries = 0;
                self.try_again(&name.sandbox, step);
            }
        }
    }

    /// Sets the timer after which broken files are read again.
    pub(super) fn try_again(&mut self, name: &Name, step: &mut Step<'_>) {
        if let Some(at) = self.retry.take() {
            step.timers.remove(&(at, Due::Files(name.clone())));
        }
        if self.broken != Broken::None {
            let at = step.now + backoff::retry(self.tries, step.jitter);
            step.timers.insert((at, Due::Files(name.clone())));
            self.retry = Some(at);
        }
    }
}

impl Broken {
    pub(super) fn concerns(&self, process: &Name) -> bool {
        match self {
            Self::None => false,
            Self::Some(processes) => processes.contains(process),
            Self::All => true,
        }
    }
}
