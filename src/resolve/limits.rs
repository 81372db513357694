//! The sandbox's ceilings, and what a container gets.

use std::fmt;
use std::time::Duration;

use super::Documents;
use super::plan;
use super::problems::{Doc, Problems, Spot};
use crate::config::container::{Container, Volume};
use crate::config::master::Controller;
use crate::config::process::Kind;
use crate::config::sandbox::Sandbox;
use crate::facts::Facts;

/// The rules of a sandbox config alone.
pub(super) fn sandbox(sandbox: Doc<'_, Sandbox>, problems: &mut Problems) {
    if sandbox.limits.memory.is_none() {
        problems
            .warning(
                sandbox.at(&["limits"]),
                "`limits` has no ceiling for `memory`: one container can use up all of the host's",
            )
            .hint(format!(
                "add `limits: {{ memory: 1Gi }}` to {}",
                sandbox.file()
            ));
    }
}

/// Refuses what is above a ceiling.
pub(super) fn check(docs: &Documents<'_>, problems: &mut Problems) {
    let (container, limits) = (docs.container, &docs.sandbox.limits);
    let mut ceilings = Ceilings { docs, problems };
    ceilings.of(
        "memory-limit",
        "memory",
        container.memory_limit,
        limits.memory,
    );
    ceilings.of("cpu-limit", "cpu", container.cpu_limit, limits.cpu);
    ceilings.of(
        "pids-limit",
        "pids",
        container.pids_limit,
        Some(limits.pids),
    );
    ceilings.of(
        "cpu-shares",
        "cpu-shares",
        container.cpu_shares,
        Some(limits.cpu_shares),
    );
    ceilings.of(
        "fileno-limit",
        "fileno",
        container.fileno_limit,
        Some(limits.fileno),
    );
    let volumes = container.at(&["volumes"]).key();
    let what = "the bytes of all `!Tmpfs` volumes together";
    ceilings.of_all(volumes, what, "tmpfs", all_tmpfs(docs), limits.tmpfs);
    let timeout = container.kill_timeout.map(Seconds);
    ceilings.of(
        "kill-timeout",
        "kill-timeout",
        timeout,
        Some(Seconds(limits.kill_timeout)),
    );
    let spot = docs.process.at(&["instances"]);
    let (asked, allowed) = (docs.process.instances, limits.instances);
    ceilings.at(spot.clone(), "instances", "instances", asked, allowed);
    let all = asked as usize + docs.before.containers;
    if asked <= allowed && docs.process.kind == Kind::Daemon {
        let what = "the number of containers of all processes up to this one";
        ceilings.of_all(spot, what, "instances", all, allowed as usize);
    }
    if let (Some(high), Some(limit)) = (container.memory_high, memory(docs))
        && high > limit
    {
        problems
            .error(
                container.at(&["memory-high"]),
                format!("`memory-high` is {high}, above the container's limit of {limit}"),
            )
            .hint("memory is taken back from `memory-high` on, so it lies below `memory-limit`");
    }
    warn_of_no_effect(docs, problems);
}

/// The size of a tmpfs volume.
pub(super) fn tmpfs(docs: &Documents<'_>, size: Option<u64>) -> u64 {
    let usual = match docs.sandbox.limits.tmpfs {
        // The kernel takes a size of 0 for no bound at all.
        0 => Container::TMPFS_SIZE,
        allowed => Container::TMPFS_SIZE.min(allowed),
    };
    size.unwrap_or(usual)
}

/// Of all of them, but for those that are too large by themselves.
fn all_tmpfs(docs: &Documents<'_>) -> u64 {
    let sizes = docs
        .container
        .volumes
        .values()
        .filter_map(|volume| match volume {
            Volume::Tmpfs { size, .. } => Some(tmpfs(docs, *size)),
            _ => None,
        });
    let sizes = sizes.filter(|size| *size <= docs.sandbox.limits.tmpfs);
    sizes.fold(0, u64::saturating_add)
}

/// A limit that the master config leaves no means for is worth knowing of.
fn warn_of_no_effect(docs: &Documents<'_>, problems: &mut Problems) {
    let (container, cgroup) = (docs.container, cgroup(docs));
    for (key, controller, given) in [
        ("memory-limit", "memory", container.memory_limit.is_some()),
        ("memory-high", "memory", container.memory_high.is_some()),
        ("cpu-limit", "cpu", container.cpu_limit.is_some()),
        ("cpu-shares", "cpu", container.cpu_shares.is_some()),
        ("pids-limit", "pids", container.pids_limit.is_some()),
    ] {
        let cause = match &cgroup {
            None => "`cgroup-name: null` turns cgroups off",
            Some(cgroup) if cgroup.controllers.iter().any(|name| name == controller) => continue,
            Some(_) => "`cgroup-controllers` leaves out what it needs",
        };
        if given {
            let message = format!("`{key}` has no effect: {cause} in the master config");
            problems.warning(container.at(&[key]), message);
        }
    }
}

/// A duration as it is shown: with its unit.
#[derive(PartialEq, PartialOrd)]
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

struct Ceilings<'a, 'd> {
    docs: &'a Documents<'d>,
    problems: &'a mut Problems,
}

impl Ceilings<'_, '_> {
    /// Of a `key` of the container config, by the sandbox's `limit`.
    fn of<T>(&mut self, key: &'static str, limit: &str, asked: Option<T>, allowed: Option<T>)
    where
        T: PartialOrd + fmt::Display,
    {
        if let (Some(asked), Some(allowed)) = (asked, allowed) {
            let spot = self.docs.container.at(&[key]);
            self.at(spot, key, limit, asked, allowed);
        }
    }

    fn at<T>(&mut self, spot: Spot, key: &str, limit: &str, asked: T, allowed: T)
    where
        T: PartialOrd + fmt::Display,
    {
        if asked > allowed {
            self.problems
                .error(
                    spot,
                    format!("`{key}` is {asked}, above the sandbox's ceiling of {allowed}"),
                )
                .hint(format!(
                    "lower `{key}`, or raise `limits: {{ {limit} }}` in {}",
                    self.docs.sandbox.file()
                ));
        }
    }

    /// Of what several have together.
    fn of_all<T>(&mut self, spot: Spot, what: &str, limit: &str, all: T, allowed: T)
    where
        T: PartialOrd + fmt::Display,
    {
        if all > allowed {
            let message = format!("{what} is {all}, above the sandbox's ceiling of {allowed}");
            let hint = format!(
                "raise `limits: {{ {limit} }}` in {}",
                self.docs.sandbox.file()
            );
            self.problems.error(spot, message).hint(hint);
        }
    }
}

/// Refuses more open files than the kernel allows anyone.
pub(super) fn check_kernel(docs: &Documents<'_>, facts: &Facts, problems: &mut Problems) {
    let (asked, most) = (fileno(docs), facts.open_files_max);
    if let Some(most) = most.filter(|&most| asked > most) {
        problems
            .error(
                docs.container.at(&["fileno-limit"]),
                format!("`fileno-limit` is {asked}, above the {most} that this kernel allows"),
            )
            .hint("lower it, or raise the sysctl fs.nr_open");
    }
}

/// The limit of memory; none: no limit.
fn memory(docs: &Documents<'_>) -> Option<u64> {
    docs.container.memory_limit.or(docs.sandbox.limits.memory)
}

/// RLIMIT_NOFILE.
pub(super) fn fileno(docs: &Documents<'_>) -> u64 {
    let usual = Container::FILENO_LIMIT.min(docs.sandbox.limits.fileno);
    docs.container.fileno_limit.unwrap_or(usual)
}

/// Time between SIGTERM and SIGKILL.
pub(super) fn kill_timeout(docs: &Documents<'_>) -> Duration {
    let usual = Container::KILL_TIMEOUT.min(docs.sandbox.limits.kill_timeout);
    docs.container.kill_timeout.unwrap_or(usual)
}

/// The cgroup, but for its own name; none: cgroups are off.
pub(super) fn cgroup(docs: &Documents<'_>) -> Option<plan::Cgroup> {
    let master = &docs.home.master;
    let limits = &docs.sandbox.limits;
    let usual_shares = Container::CPU_SHARES.min(limits.cpu_shares);
    Some(plan::Cgroup {
        parent: master.cgroup_name.clone()?,
        name: String::new(),
        controllers: controllers(&master.cgroup_controllers),
        memory: memory(docs),
        memory_high: docs.container.memory_high,
        cpu_shares: docs.container.cpu_shares.unwrap_or(usual_shares),
        cpu: docs.container.cpu_limit.or(limits.cpu),
        pids: docs.container.pids_limit.unwrap_or(limits.pids),
    })
}

fn controllers(named: &[Controller]) -> Vec<String> {
    let default = [Controller::Cpu, Controller::Memory, Controller::Pids];
    let named = if named.is_empty() { &default } else { named };
    let names = named.iter().map(|controller| match controller {
        Controller::Cpu => "cpu",
        Controller::Memory => "memory",
        Controller::Pids => "pids",
        Controller::Name => "name",
        Controller::Cpuacct => "cpuacct",
        Controller::Io => "blkio",
    });
    names.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::config::container::{ContainerKind, Volume};
    use crate::config::master::Controller;
    use crate::config::process::Kind;
    use crate::config::units::Cores;
    use crate::resolve::fixture::Fixture;

    #[test]
    fn refuses_what_is_above_a_ceiling() {
        let mut f = Fixture::new();
        f.sandbox.limits.memory = Some(100);
        f.sandbox.limits.cpu_shares = 2048;
        f.sandbox.limits.fileno = 2048;
        f.sandbox.limits.instances = 2;
        f.container.memory_limit = Some(101);
        f.refused("`memory-limit` is 101, above the sandbox's ceiling of 100");
        f.container.memory_limit = Some(100);
        f.container.cpu_shares = Some(2049);
        f.refused("`cpu-shares` is 2049");
        f.container.cpu_shares = Some(2048);
        f.sandbox.limits.cpu = Some(Cores(1500));
        f.container.cpu_limit = Some(Cores(1501));
        f.refused("`cpu-limit` is 1.501, above the sandbox's ceiling of 1.5");
        f.container.cpu_limit = Some(Cores(1500));
        f.sandbox.limits.pids = 50;
        f.container.pids_limit = Some(51);
        f.refused("`pids-limit` is 51, above the sandbox's ceiling of 50");
        f.container.pids_limit = Some(50);
        f.container.fileno_limit = Some(2049);
        f.refused("`fileno-limit` is 2049");
        f.container.fileno_limit = Some(2048);
        f.container.kill_timeout = Some(Duration::from_secs(301));
        f.refused("`kill-timeout` is 301s");
        f.container.kill_timeout = Some(Duration::from_secs(300));
        f.process.instances = 3;
        f.refused("`instances` is 3, above the sandbox's ceiling of 2");
        f.process.instances = 2;
        f.plan();
    }

    #[test]
    fn what_several_have_together_is_bounded_too() {
        let mut f = Fixture::new();
        f.sandbox.limits.instances = 5;
        (f.process.instances, f.before.containers) = (2, 4);
        f.refused("of all processes up to this one is 6, above the sandbox's ceiling of 5");
        f.before.containers = 3;
        f.plan();
        // A command is none that stays.
        (f.process.kind, f.container.kind) = (Kind::Command, ContainerKind::Command);
        f.before.containers = 5;
        f.plan();
        let mut f = Fixture::new();
        f.sandbox.limits.tmpfs = 1000;
        for (target, size) in [("/a", Some(500)), ("/b", Some(501))] {
            let volume = Volume::Tmpfs { size, mode: 0o777 };
            f.container.volumes.insert(target.into(), volume);
        }
        f.refused("all `!Tmpfs` volumes together is 1001, above the sandbox's ceiling of 1000");
        f.sandbox.limits.tmpfs = 1001;
        f.plan();
    }

    #[test]
    fn refuses_more_open_files_than_the_kernel_allows() {
        let mut f = Fixture::new();
        f.facts.open_files_max = Some(5000);
        f.container.fileno_limit = Some(5001);
        f.refused("`fileno-limit` is 5001, above the 5000 that this kernel allows");
        f.container.fileno_limit = Some(5000);
        f.plan();
    }

    #[test]
    fn the_ceiling_bounds_the_default() {
        let mut f = Fixture::new();
        f.sandbox.limits.memory = Some(100);
        f.sandbox.limits.pids = 77;
        f.sandbox.limits.cpu = Some(Cores(2000));
        f.sandbox.limits.cpu_shares = 512;
        f.sandbox.limits.fileno = 256;
        f.sandbox.limits.kill_timeout = Duration::from_secs(2);
        let plan = f.plan();
        let cgroup = plan.cgroup.unwrap();
        assert_eq!((cgroup.memory, cgroup.pids), (Some(100), 77));
        assert_eq!((cgroup.cpu_shares, plan.limits.fileno), (512, 256));
        assert_eq!((cgroup.cpu, cgroup.memory_high), (Some(Cores(2000)), None));
        assert_eq!(plan.supervision.kill_timeout, Duration::from_secs(2));
    }

    #[test]
    fn a_container_gets_the_limits_it_asks_for() {
        let mut f = Fixture::new();
        f.container.memory_limit = Some(1000);
        f.container.memory_high = Some(1000);
        f.container.cpu_limit = Some(Cores(250));
        f.container.pids_limit = Some(9);
        let cgroup = f.plan().cgroup.unwrap();
        assert_eq!(
            (cgroup.memory, cgroup.memory_high),
            (Some(1000), Some(1000))
        );
        assert_eq!((cgroup.cpu, cgroup.pids), (Some(Cores(250)), 9));
    }

    #[test]
    fn refuses_memory_high_above_the_limit_of_memory() {
        let mut f = Fixture::new();
        f.container.memory_high = Some(1001);
        f.container.memory_limit = Some(1000);
        f.refused("`memory-high` is 1001, above the container's limit of 1000");
        f.container.memory_limit = None;
        f.sandbox.limits.memory = Some(999);
        f.refused("`memory-high` is 1001, above the container's limit of 999");
        f.sandbox.limits.memory = None;
        f.plan();
    }

    #[test]
    fn warns_of_a_limit_without_the_means_for_it() {
        let warned = |change: fn(&mut Fixture)| {
            let mut f = Fixture::new();
            f.container.pids_limit = Some(9);
            change(&mut f);
            let problems = f
                .resolve()
                .problems
                .into_iter()
                .map(|problem| problem.message);
            let of_it = problems.filter(|message| message.contains("`pids-limit` has no effect"));
            of_it.count()
        };
        assert_eq!(warned(|_| {}), 0);
        assert_eq!(warned(|f| f.home.master.cgroup_name = None), 1);
        assert_eq!(
            warned(|f| f.home.master.cgroup_controllers = vec![Controller::Cpu]),
            1
        );
    }

    #[test]
    fn without_a_cgroup_name_cgroups_are_off() {
        let mut f = Fixture::new();
        f.home.master.cgroup_name = None;
        assert_eq!(f.plan().cgroup, None);
    }

    #[test]
    fn an_empty_list_of_controllers_means_the_default() {
        let mut f = Fixture::new();
        f.home.master.cgroup_controllers.clear();
        assert_eq!(
            f.plan().cgroup.unwrap().controllers,
            ["cpu", "memory", "pids"]
        );
    }

    #[test]
    fn warns_where_memory_has_no_ceiling() {
        let mut f = Fixture::new();
        f.sandbox.limits.memory = None;
        assert!(
            f.sandbox_problems()
                .iter()
                .any(|p| p.message.contains("no ceiling"))
        );
    }
}
