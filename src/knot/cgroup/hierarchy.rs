//! Which cgroup hierarchies there are, and how each is told its limits.

use std::io;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::units::Cores;
use crate::knot::failure::Failure;
use crate::resolve::plan::Cgroup;
use crate::sys::procfs;

/// The version of a hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Version {
    /// One of several, with some controllers.
    One,
    /// The one hierarchy of v2.
    Two,
}

/// A mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Hierarchy {
    /// Its version.
    pub version: Version,
    /// Where our part of it begins.
    pub base: PathBuf,
    /// Where it is mounted.
    mounted: PathBuf,
    /// The controllers it has, by their names in v1; then those in use.
    controllers: Vec<String>,
}

/// Every mounted hierarchy.
pub fn all() -> io::Result<Vec<Hierarchy>> {
    all_for(&procfs::text("/proc/self/cgroup")?)
}

/// Every mounted hierarchy, as a process with this `/proc/PID/cgroup` uses them.
pub fn all_for(own: &str) -> io::Result<Vec<Hierarchy>> {
    let mut all = mounted(&procfs::lines_with("/proc/self/mountinfo", " - cgroup")?);
    for hierarchy in all.iter_mut().filter(|one| one.version == Version::Two) {
        hierarchy.base = delegated(&hierarchy.mounted, own).unwrap_or(hierarchy.mounted.clone());
        let controllers = procfs::text(hierarchy.base.join("cgroup.controllers"))?;
        let names = controllers.split_whitespace();
        hierarchy.controllers = names
            .map(|name| if name == "io" { "blkio" } else { name }.to_owned())
            .collect();
    }
    Ok(all)
}

/// The hierarchies that have the `controllers`, each with those to be used of it: v2
/// where it has the controllers. `name` and `cpuacct` mean nothing on v2. On
/// v1 `cpuacct` belongs to `cpu`, even where it is mounted by itself: v2's `cpu`
/// accounts, too.
pub fn choose(all: Vec<Hierarchy>, controllers: &[String]) -> Result<Vec<Hierarchy>, Failure> {
    let (two, one): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.version == Version::Two);
    let mut chosen: Vec<Hierarchy> = Vec::new();
    let named = |name: &str| controllers.iter().any(|controller| controller == name);
    let any = |all: &[Hierarchy], name: &str| all.iter().any(|one| one.has(name));
    let separate = named("cpu") && !named("cpuacct") && !any(&two, "cpu") && any(&one, "cpuacct");
    let accounting = separate.then(|| "cpuacct".to_owned());
    for controller in controllers.iter().chain(&accounting) {
        let has = |hierarchy: &&Hierarchy| hierarchy.has(controller);
        let found = two.iter().find(has).or_else(|| one.iter().find(has));
        let Some(found) = found else {
            if matches!(controller.as_str(), "name" | "cpuacct") && !two.is_empty() {
                continue;
            }
            return Err(Failure::Kind {
                action: "use the cgroup controller",
                object: controller.clone(),
                fault: "no cgroup hierarchy has it",
                hint: "leave it out of `cgroup-controllers` in the master config",
            });
        };
        match chosen
            .iter_mut()
            .find(|other| other.mounted == found.mounted)
        {
            Some(other) => other.controllers.push(controller.clone()),
            None => chosen.push(Hierarchy {
                controllers: vec![controller.clone()],
                ..found.clone()
            }),
        }
    }
    Ok(chosen)
}

/// The cgroup mounts of a `mountinfo`: proc_pid_mountinfo(5).
fn mounted(mountinfo: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else {
            continue;
        };
        let (left, right): (Vec<_>, Vec<_>) =
            (left.split(' ').collect(), right.split(' ').collect());
        let (Some(&point), [kind, _, options]) = (left.get(4), right.as_slice()) else {
            continue;
        };
        let version = match *kind {
            "cgroup" => Version::One,
            "cgroup2" => Version::Two,
            _ => continue,
        };
        let controllers = options
            .split(',')
            .map(|option| match option.starts_with("name=") {
                true => "name".to_owned(),
                false => option.to_owned(),
            });
        let controllers = controllers.collect();
        let mounted = PathBuf::from(point);
        if version == Version::Two && found.iter().any(|other| other.version == version) {
            continue;
        }
        found.push(Hierarchy {
            version,
            base: mounted.clone(),
            mounted,
            controllers,
        });
    }
    found
}

/// The subtree that the service manager has delegated, which it marks with an
/// extended attribute, if we are in one: systemd's CGROUP_DELEGATION.md.
fn delegated(mounted: &Path, own: &str) -> Option<PathBuf> {
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let own = Path::new(own);
    if !own
        .components()
        .all(|component| matches!(component, Component::Normal(_)))
    {
        return None;
    }
    let marked = |path: &Path| {
        ["trusted.delegate", "user.delegate"].iter().any(|name| {
            let mut value = [0; 8];
            let length = rustix::fs::getxattr(path, *name, &mut value);
            length.is_ok_and(|length| &value[..length] == b"1")
        })
    };
    own.ancestors()
        .map(|path| mounted.join(path))
        .find(|path| marked(path))
}

/// A file of a cgroup and what is written to it.
pub type Limit = (&'static str, String);

impl Hierarchy {
    /// Whether it has the controller, by its name in v1.
    pub fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|own| own == controller)
    }

    /// Its name, as the directory it is mounted on has it.
    pub fn name(&self) -> String {
        let name = self.mounted.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Lets the children of `path` have the controllers; v1 always does.
    pub fn delegate(&self, path: &Path) -> io::Result<()> {
        if self.version == Version::One {
            return Ok(());
        }
        let wanted = self
            .controllers
            .iter()
            .map(|name| format!("+{} ", in_two(name)));
        let wanted = wanted.collect::<String>();
        super::write(&path.join("cgroup.subtree_control"), wanted.trim_end())
    }

    /// Which files are to be written, in this order.
    pub fn limits(&self, cgroup: &Cgroup) -> Vec<Limit> {
        let mut limits = Vec::new();
        for controller in &self.controllers {
            match (controller.as_str(), self.version) {
                ("memory", Version::One) => limits.extend(memory_in_one(cgroup)),
                ("memory", Version::Two) => limits.extend(memory_in_two(cgroup)),
                ("cpu", Version::One) => limits.extend(cpu_in_one(cgroup)),
                ("cpu", Version::Two) => limits.extend(cpu_in_two(cgroup)),
                ("pids", _) => limits.push(("pids.max", cgroup.pids.to_string())),
                _ => {}
            }
        }
        limits
    }
}

/// Swap is included in the limit: v1 limits the sum of both.
fn memory_in_one(cgroup: &Cgroup) -> Vec<Limit> {
    let mut limits = Vec::new();
    if let Some(memory) = cgroup.memory {
        limits.push(("memory.limit_in_bytes", memory.to_string()));
        limits.push(("memory.memsw.limit_in_bytes", memory.to_string()));
    }
    // The nearest that v1 has: it acts only once the host is short of memory.
    if let Some(high) = cgroup.memory_high {
        limits.push(("memory.soft_limit_in_bytes", high.to_string()));
    }
    limits
}

/// Swap is included in the limit: v2 limits it by itself, so there is none.
fn memory_in_two(cgroup: &Cgroup) -> Vec<Limit> {
    let mut limits = vec![("memory.oom.group", "1".to_owned())];
    if let Some(memory) = cgroup.memory {
        limits.push(("memory.max", memory.to_string()));
        limits.push(("memory.swap.max", "0".to_owned()));
    }
    if let Some(high) = cgroup.memory_high {
        limits.push(("memory.high", high.to_string()));
    }
    limits
}

fn cpu_in_one(cgroup: &Cgroup) -> Vec<Limit> {
    let shares = cgroup.cpu_shares.clamp(2, 262_144);
    let mut limits = vec![("cpu.shares", shares.to_string())];
    if let Some(cpu) = cgroup.cpu {
        limits.push(("cpu.cfs_period_us", PERIOD.to_string()));
        limits.push(("cpu.cfs_quota_us", quota(cpu).to_string()));
    }
    limits
}

fn cpu_in_two(cgroup: &Cgroup) -> Vec<Limit> {
    let mut limits = vec![("cpu.weight", weight(cgroup.cpu_shares).to_string())];
    if let Some(cpu) = cgroup.cpu {
        limits.push(("cpu.max", format!("{} {PERIOD}", quota(cpu))));
    }
    limits
}

/// In how many microseconds the time of [`quota`] may be used; the kernel's own.
const PERIOD: u64 = 100_000;

/// Microseconds of each period.
fn quota(cpu: Cores) -> u64 {
    cpu.0.saturating_mul(PERIOD / 1000)
}

fn in_two(controller: &str) -> &str {
    if controller == "blkio" {
        "io"
    } else {
        controller
    }
}

/// v1's shares, of which 1024 are usual, as v2's weight, of which 100 are.
fn weight(shares: u64) -> u64 {
    (shares.saturating_mul(100) / 1024).clamp(1, 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
23 1 0:21 / /sys rw - sysfs sysfs rw
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:7 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

    fn chosen(two: &[&str], controllers: &[&str]) -> Result<Vec<(String, Vec<String>)>, Failure> {
        let own = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        let mut all = mounted(HYBRID);
        all[3].controllers = own(two);
        let chosen = choose(all, &own(controllers))?;
        Ok(chosen
            .into_iter()
            .map(|one| (one.name(), one.controllers))
            .collect())
    }

    #[test]
    fn takes_v2_where_it_has_the_controllers() {
        let found = chosen(&["cpu", "memory", "pids"], &["cpu", "memory", "pids"]).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, "unified");
    }

    #[test]
    fn takes_v1_for_what_v2_has_not() {
        let found = chosen(&["pids"], &["cpu", "memory", "pids", "cpuacct", "name"]).unwrap();
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["cpu,cpuacct", "memory", "unified", "systemd"]);
        assert_eq!(found[0].1, ["cpu", "cpuacct"]);
    }

    #[test]
    fn accounts_processor_time_on_v1_wherever_its_controller_is() {
        let separate = "\
32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu
33 31 0:30 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
";
        let cpu = ["cpu".to_owned()];
        let names = |all| -> Vec<_> {
            let chosen = choose(all, &cpu).unwrap().into_iter();
            chosen.map(|one| one.name()).collect()
        };
        let mut all = mounted(separate);
        all[2].controllers = Vec::new();
        assert_eq!(names(all.clone()), ["cpu", "cpuacct"]);
        all[2].controllers = cpu.to_vec();
        assert_eq!(names(all), ["unified"]);
        let mut together = mounted(HYBRID);
        together[3].controllers = Vec::new();
        assert_eq!(names(together), ["cpu,cpuacct"]);
    }

    #[test]
    fn refuses_a_controller_that_is_nowhere() {
        let err = chosen(&[], &["pids"]).unwrap_err();
        assert_eq!(
            err.to_string(),
            "cannot use the cgroup controller pids: no cgroup hierarchy has it"
        );
    }

    fn limits(version: Version) -> Vec<String> {
        let cgroup = serde_json::from_value(serde_json::json!({
            "parent": "lithos.slice", "name": "shop:web.0", "controllers": [],
            "memory": 1000, "memory-high": 900, "cpu-shares": 512, "cpu": 1500, "pids": 7,
        }));
        let mut hierarchy = mounted(HYBRID).remove(3);
        hierarchy.version = version;
        hierarchy.controllers = ["cpu", "memory", "pids"].map(str::to_owned).to_vec();
        let limits = hierarchy.limits(&cgroup.unwrap()).into_iter();
        limits
            .map(|(file, value)| format!("{file}={value}"))
            .collect()
    }

    #[test]
    fn writes_the_files_of_v1() {
        let expected = [
            "cpu.shares=512",
            "cpu.cfs_period_us=100000",
            "cpu.cfs_quota_us=150000",
            "memory.limit_in_bytes=1000",
            "memory.memsw.limit_in_bytes=1000",
            "memory.soft_limit_in_bytes=900",
            "pids.max=7",
        ];
        assert_eq!(limits(Version::One), expected);
    }

    #[test]
    fn writes_the_files_of_v2() {
        let expected = [
            "cpu.weight=50",
            "cpu.max=150000 100000",
            "memory.oom.group=1",
            "memory.max=1000",
            "memory.swap.max=0",
            "memory.high=900",
            "pids.max=7",
        ];
        assert_eq!(limits(Version::Two), expected);
    }

    #[test]
    fn converts_shares_to_weights() {
        for (shares, expected) in [(1024, 100), (2, 1), (0, 1), (2048, 200), (u64::MAX, 10_000)] {
            assert_eq!(weight(shares), expected);
        }
    }
}
