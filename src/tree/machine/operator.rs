//! What an operator asks of the machine: holds, restarts, and how things stand.

use super::{Broken, Container, Machine, Phase, Step, Wanted};
use crate::name::ContainerName;
use crate::selection::Selection;
use crate::tree::holds::Holds;

/// How things stand with one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What is the case.
    pub phase: Phase,
    /// Whether its files are broken, so that it would not be started.
    pub broken: bool,
}

impl Machine {
    /// How things stand with the daemons of this selection.
    pub fn standings(
        &self,
        selection: &Option<Selection>,
    ) -> impl Iterator<Item = (&ContainerName, Standing)> {
        let sandboxes = self.sandboxes.iter().filter(move |(name, _)| {
            let asked = selection.as_ref().map(Selection::sandbox);
            asked.is_none_or(|asked| asked == *name)
        });
        let all = sandboxes.flat_map(|(_, sandbox)| &sandbox.containers);
        let selected = all.filter(move |(name, _)| {
            let asked = selection.as_ref();
            asked.is_none_or(|selection| selection.covers(name))
        });
        selected.map(|(name, container)| (name, container.standing()))
    }

    /// Sandboxes and processes whose files are broken, or may be.
    pub fn broken(&self) -> Vec<Selection> {
        let mut broken = Vec::new();
        for (name, sandbox) in &self.sandboxes {
            match &sandbox.broken {
                Broken::None => {}
                Broken::Some(processes) => broken.extend(
                    processes
                        .iter()
                        .map(|process| Selection::Process(name.clone(), process.clone())),
                ),
                Broken::All => broken.push(Selection::Sandbox(name.clone())),
            }
        }
        broken
    }

    /// Settles everything with what is held now; what was held `before` and is no
    /// longer starts at once.
    pub(super) fn held(&mut self, before: &Holds, step: &mut Step<'_>) {
        for sandbox in self.sandboxes.values_mut() {
            sandbox.containers.retain(|name, container| {
                container.hurried |= before.covers(name) && !step.holds.covers(name);
                !container.settle(step).is_gone()
            });
        }
    }

    /// What is held or has broken files is left as it is: nothing would start it.
    pub(super) fn restart(&mut self, selection: &Selection, step: &mut Step<'_>) {
        let Some(sandbox) = self.sandboxes.get_mut(selection.sandbox()) else {
            return;
        };
        for (name, container) in &mut sandbox.containers {
            let is_wanted = matches!(container.wanted, Wanted::Plan(_));
            if is_wanted && selection.covers(name) && !step.holds.covers(name) {
                container.restart(step);
            }
        }
    }
}

impl Container {
    fn standing(&self) -> Standing {
        Standing {
            phase: self.phase,
            broken: self.wanted == Wanted::Unknown,
        }
    }

    fn restart(&mut self, step: &mut Step<'_>) {
        match self.phase {
            Phase::Running => {
                self.hurried = true;
                self.end(step);
            }
            Phase::Stopping(_) => self.hurried = true,
            Phase::Resting(_) | Phase::Held => {
                self.hurry(step);
                self.settle(step);
            }
        }
    }

    /// The next start waits for nothing; earlier failures are forgiven.
    pub(super) fn hurry(&mut self, step: &mut Step<'_>) {
        self.rest(step);
        self.hurried = true;
        self.history.failures = 0;
    }
}
