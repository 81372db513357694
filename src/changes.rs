//! What a reload would do: the plans that are wanted against those that run.
//!
//! The supervisor decides in [`crate::tree`]; this only foretells it, for
//! `lithos_switch --dry-run` and `lithos_check --diff`. Both compare whole plans,
//! so they cannot disagree about whether a container is left alone.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::config::process::Kind;
use crate::load::SandboxLoad;
use crate::name::ContainerName;
use crate::resolve::difference::{Change, difference};
use crate::resolve::plan::Plan;

/// What a reload would do to one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "fate")]
pub enum Fate {
    /// It does not run yet.
    Start,
    /// Its plan changed: SIGTERM, and a new start.
    Restart {
        /// In which fields, never empty.
        changes: Vec<Change>,
    },
    /// It is no longer wanted.
    Stop,
    /// Its plan is the same.
    Keep,
    /// Its files are broken, so it is left as it is.
    Leave,
}

/// One container and what a reload would do to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Foretold {
    /// Which container.
    pub name: ContainerName,
    /// What would become of it.
    #[serde(flatten)]
    pub fate: Fate,
}

impl fmt::Display for Foretold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fate {
            Fate::Start => write!(f, "start    {}", self.name),
            Fate::Stop => write!(f, "stop     {}", self.name),
            Fate::Keep => write!(f, "keep     {}", self.name),
            Fate::Leave => write!(f, "leave    {} (its files are broken)", self.name),
            Fate::Restart { changes } => {
                write!(f, "restart  {}", self.name)?;
                changes
                    .iter()
                    .try_for_each(|change| write!(f, "\n           {change}"))
            }
        }
    }
}

/// What a reload would do to every container, by name.
///
/// `loads` are all sandboxes: what runs in another one is to stop. `running` are
/// the plans of the containers that run now.
pub fn foretell(loads: &[SandboxLoad], running: &[Plan]) -> Vec<Foretold> {
    let mut fates = BTreeMap::new();
    let running: BTreeMap<_, _> = running.iter().map(|plan| (&plan.name, plan)).collect();
    for &name in running.keys() {
        let load = loads.iter().find(|load| load.name == name.sandbox);
        fates.insert(
            name.clone(),
            if load.is_some_and(|load| is_broken(load, name)) {
                Fate::Leave
            } else {
                Fate::Stop
            },
        );
    }
    let processes = loads.iter().flat_map(|load| &load.processes).flatten();
    let daemons = processes.filter(|process| process.kind == Kind::Daemon);
    for plan in daemons
        .filter_map(|process| process.plans.as_ref())
        .flatten()
    {
        let fate = match running.get(&plan.name) {
            None => Fate::Start,
            Some(old) if **old == **plan => Fate::Keep,
            Some(old) => Fate::Restart {
                changes: difference(old, plan),
            },
        };
        fates.insert(plan.name.clone(), fate);
    }
    fates
        .into_iter()
        .map(|(name, fate)| Foretold { name, fate })
        .collect()
}

fn is_broken(load: &SandboxLoad, name: &ContainerName) -> bool {
    load.processes.as_ref().is_none_or(|processes| {
        processes
            .iter()
            .any(|process| process.name == name.process && process.plans.is_none())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    use crate::load::ProcessLoad;
    use crate::resolve::difference::example_plan;

    fn plan(name: &str, fileno: u64) -> Plan {
        example_plan(|plan| {
            plan["name"] = name.into();
            plan["limits"]["fileno"] = fileno.into();
        })
    }

    fn process(name: &str, plans: Option<Vec<Plan>>) -> ProcessLoad {
        ProcessLoad {
            name: name.parse().unwrap(),
            kind: Kind::Daemon,
            plans: plans.map(|plans| plans.into_iter().map(Rc::new).collect()),
            template: None,
            container: None,
        }
    }

    fn shown(processes: Option<Vec<ProcessLoad>>, running: &[Plan]) -> Vec<String> {
        let name = "shop".parse().unwrap();
        let load = SandboxLoad {
            name,
            log: None,
            process_config: None,
            processes,
            problems: Vec::new(),
        };
        foretell(&[load], running)
            .iter()
            .map(Foretold::to_string)
            .collect()
    }

    #[test]
    fn starts_what_does_not_run_and_stops_what_is_not_wanted() {
        let wanted = Some(vec![process("web", Some(vec![plan("shop/web.0", 1)]))]);
        let shown = shown(wanted, &[plan("shop/old.0", 1)]);
        assert_eq!(shown, ["stop     shop/old.0", "start    shop/web.0"]);
    }

    #[test]
    fn restarts_a_changed_plan_and_says_why_and_keeps_an_equal_one() {
        let plans = vec![plan("shop/web.0", 2), plan("shop/web.1", 1)];
        let running = [plan("shop/web.0", 1), plan("shop/web.1", 1)];
        let shown = shown(Some(vec![process("web", Some(plans))]), &running);
        let why = "restart  shop/web.0\n           limits.fileno: 1 → 2";
        assert_eq!(shown, [why, "keep     shop/web.1"]);
    }

    #[test]
    fn leaves_alone_what_has_broken_files() {
        let running = [plan("shop/web.0", 1), plan("shop/old.0", 1)];
        let leave = "leave    shop/web.0 (its files are broken)";
        let one = shown(Some(vec![process("web", None)]), &running);
        assert_eq!(one, ["stop     shop/old.0", leave]);
        assert!(shown(None, &running).contains(&leave.to_owned()));
    }
}
