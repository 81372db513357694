//! What is counted, where the machine's actions are performed: in the record of
//! each container, and of those that are gone in [`Past`](super::Past).

use super::Tree;
use crate::name::ContainerName;

impl Tree {
    /// What was used in the container's cgroup, before that is removed.
    pub(super) fn count_usage(&mut self, name: &ContainerName) {
        if let Some(container) = self.containers.get_mut(name)
            && let Some(cgroup) = &container.record.plan.cgroup
        {
            let usage = self.meters.read(cgroup);
            container.record.tally.used(usage);
        }
    }

    /// The container is forgotten.
    pub(super) fn count_gone(&mut self, name: &ContainerName) {
        let Some(container) = self.containers.remove(name) else {
            return;
        };
        let same = |other: &ContainerName| {
            (&other.sandbox, &other.process) == (&name.sandbox, &name.process)
        };
        let last = !self.machine.containers().any(|(other, _)| same(other));
        self.past.gone(name, &container.record.tally, last);
    }
}
