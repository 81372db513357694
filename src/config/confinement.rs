//! The keys of a sandbox config that loosen the confinement of its containers,
//! each on its own; without any of them it is the default one.
//!
//! No container config has any of them: what an image asks for must not open
//! what keeps it in.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::reader::{Map, Value};
use super::values::{boolean, integer, list, word};
use crate::confinement::capability::Capability;
use crate::confinement::rlimit::Resource;
use crate::confinement::seccomp;

/// How the containers of a sandbox are confined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confinement {
    /// What a process may do beyond its user, whoever that is.
    pub capabilities: BTreeSet<Capability>,
    /// The system calls it may make.
    pub seccomp: Seccomp,
    /// Whether no program that it executes can have more rights than it has.
    pub no_new_privileges: bool,
    /// Whether programs on `!Readonly` and `!Persistent` volumes may be executed.
    pub allow_exec_volumes: bool,
    /// Resource limits besides those that containers have anyway; none: unlimited.
    pub rlimits: BTreeMap<Resource, Option<u64>>,
    /// Whether Landlock is used as far as the kernel has it.
    pub landlock: bool,
}

impl Default for Confinement {
    fn default() -> Self {
        Self {
            capabilities: BTreeSet::new(),
            seccomp: Seccomp::Default,
            no_new_privileges: true,
            allow_exec_volumes: false,
            rlimits: BTreeMap::new(),
            landlock: true,
        }
    }
}

/// The system calls that a process may make.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seccomp {
    /// Those of the default profile.
    #[default]
    Default,
    /// All.
    Unconfined,
    /// Those of the default profile, and these, whatever their arguments.
    Allow(BTreeSet<String>),
}

/// Reads the keys out of a sandbox config.
pub(super) fn confinement(map: &mut Map<'_>) -> Confinement {
    let default = Confinement::default();
    Confinement {
        capabilities: map.or("capabilities", default.capabilities, capabilities),
        seccomp: map.or("seccomp", default.seccomp, seccomp),
        no_new_privileges: map.or("no-new-privileges", default.no_new_privileges, boolean),
        allow_exec_volumes: map.or("allow-exec-volumes", default.allow_exec_volumes, boolean),
        rlimits: map.or("rlimits", default.rlimits, rlimits),
        landlock: map.or(
            "landlock",
            default.landlock,
            word(&[("auto", true), ("off", false)]),
        ),
    }
}

fn capabilities(value: &Value<'_>) -> Option<BTreeSet<Capability>> {
    let read = list("a list of capabilities", |item| {
        match item
            .scalar("the name of a capability")?
            .parse::<Capability>()
        {
            Ok(capability) => Some(capability),
            Err(error) => item.refuse(error.to_string(), None),
        }
    })(value)?;
    Some(read.into_iter().collect())
}

fn seccomp(value: &Value<'_>) -> Option<Seccomp> {
    if value.is_map() {
        let mut map = value.map("a mapping with `allow`")?;
        let allow = map.required("allow", system_calls);
        map.finish();
        return Some(Seccomp::Allow(allow?));
    }
    match value.scalar("`default`, `unconfined` or { allow: [system call…] }")? {
        "default" => Some(Seccomp::Default),
        "unconfined" => Some(Seccomp::Unconfined),
        _ => value.refuse(
            "expected `default`, `unconfined` or { allow: [system call…] }",
            None,
        ),
    }
}

fn system_calls(value: &Value<'_>) -> Option<BTreeSet<String>> {
    let read = list("a list of system calls", |item| {
        let name = item.scalar("the name of a system call")?;
        match seccomp::check_name(name) {
            Ok(()) => Some(name.to_owned()),
            Err(error) => item.refuse(error.to_string(), None),
        }
    })(value)?;
    Some(read.into_iter().collect())
}

fn rlimits(value: &Value<'_>) -> Option<BTreeMap<Resource, Option<u64>>> {
    let entries = value.entries("a mapping of resource to limit")?;
    let read: Vec<_> = entries
        .iter()
        .map(|(name, value)| {
            let resource = resource(name, value)?;
            Some((resource, limit(resource, value)?))
        })
        .collect();
    read.into_iter().collect()
}

fn resource(name: &str, value: &Value<'_>) -> Option<Resource> {
    if name == "nofile" {
        return value.refuse_key(
            "open files are limited elsewhere",
            Some("set `limits: { fileno }` here and `fileno-limit` in the container config"),
        );
    }
    match name.parse() {
        Ok(resource) => Some(resource),
        Err(error) => value.refuse_key(error.to_string(), None),
    }
}

/// Within what the kernel takes for this resource.
fn limit(resource: Resource, value: &Value<'_>) -> Option<Option<u64>> {
    let (least, most) = resource.bounds();
    match value.scalar("an integer or `unlimited`")? {
        "unlimited" if most == u64::MAX => Some(None),
        "unlimited" => value.refuse(format!("this must be at most {most}"), None),
        _ => integer(least, most)(value).map(Some),
    }
}
