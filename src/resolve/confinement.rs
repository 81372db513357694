//! What keeps a process in besides namespaces, mounts and ids: the default, and
//! what the sandbox loosens of it, each told as a warning.

use super::Documents;
use super::plan::{self, Landlock, Network};
use super::problems::{Doc, Problems};
use crate::config::confinement::Seccomp;
use crate::config::sandbox::Sandbox;
use crate::config::units::Range;
use crate::confinement::capability::{Capability, meaning, refused_calls};
use crate::confinement::landlock::Bind;
use crate::confinement::rlimit::Resource;

/// The rules of a sandbox config alone.
pub(super) fn sandbox(sandbox: Doc<'_, Sandbox>, problems: &mut Problems) {
    for &capability in &sandbox.confinement.capabilities {
        self::capability(sandbox, capability, problems);
    }
    for (key, warning) in loosened(&sandbox) {
        problems.warning(sandbox.at(key), warning);
    }
}

/// Refuses a capability that would grant nothing, and warns of others.
fn capability(sandbox: Doc<'_, Sandbox>, capability: Capability, problems: &mut Problems) {
    let spot = sandbox.at(&["capabilities"]);
    if let Err(why) = means(&sandbox, capability) {
        problems
            .error(
                spot,
                format!("the capability {capability} means nothing here: {why}"),
            )
            .hint(format!("leave {capability} out of `capabilities`"));
        return;
    }
    let refused = still_refused(capability, &sandbox.confinement.seccomp);
    let told = problems.warning(
        spot,
        format!("`capabilities` grants {capability} to every container"),
    );
    match refused.first() {
        Some(call) => told.hint(format!(
            "the default seccomp profile refuses what it is for; `seccomp: {{ allow: [{call}] }}` opens a call"
        )),
        None => told.none(),
    }
}

/// Whether a capability does anything for the containers of a sandbox.
fn means(sandbox: &Sandbox, capability: Capability) -> Result<(), &'static str> {
    // A network that the knot makes belongs to the host's user namespace too,
    // but all of its ports are open to everyone in it: this one keeps a promise.
    let own_network = sandbox.bridged_network.is_some() && capability.name() == "NET_BIND_SERVICE";
    meaning(capability, sandbox.user_namespace, own_network)
}

/// The calls that a capability is for and that seccomp refuses all the same.
fn still_refused(capability: Capability, seccomp: &Seccomp) -> Vec<&'static str> {
    let calls = refused_calls(capability).iter().copied();
    match seccomp {
        Seccomp::Default => calls.collect(),
        Seccomp::Unconfined => Vec::new(),
        Seccomp::Allow(allowed) if calls.clone().any(|call| allowed.contains(call)) => Vec::new(),
        Seccomp::Allow(_) => calls.collect(),
    }
}

/// Every other loosening: its key, and what comes of it.
fn loosened(sandbox: &Sandbox) -> Vec<(&'static [&'static str], String)> {
    let confinement = &sandbox.confinement;
    let mut found: Vec<(&'static [&'static str], String)> = Vec::new();
    match &confinement.seccomp {
        Seccomp::Default => {}
        Seccomp::Unconfined => found.push((
            &["seccomp"],
            "`seccomp: unconfined` leaves every system call to every container".to_owned(),
        )),
        Seccomp::Allow(calls) => {
            let calls: Vec<_> = calls.iter().map(String::as_str).collect();
            let text = format!("`seccomp` allows more calls: {}", calls.join(", "));
            found.extend((!calls.is_empty()).then_some((&["seccomp"][..], text)));
        }
    }
    if !confinement.no_new_privileges {
        let text =
            "`no-new-privileges: false`: a program may have more rights than who executes it";
        found.push((&["no-new-privileges"], text.to_owned()));
    }
    if confinement.allow_exec_volumes {
        let text = "`allow-exec-volumes`: a container can execute what was written to a volume";
        found.push((&["allow-exec-volumes"], text.to_owned()));
    }
    if !confinement.landlock {
        let text = "`landlock: off`: files and ports are kept by mounts and ids alone";
        found.push((&["landlock"], text.to_owned()));
    }
    let limits = confinement.rlimits.iter();
    found.extend(limits.filter_map(|(&resource, &limit)| {
        Some((&["rlimits"][..], of_limit(resource, limit)?.to_owned()))
    }));
    found
}

/// What a resource limit opens, if it does.
fn of_limit(resource: Resource, limit: Option<u64>) -> Option<&'static str> {
    match (resource.name(), limit) {
        ("core", Some(0..=1)) => None,
        ("core", _) => Some("`rlimits: { core }`: core files hold a process's secrets"),
        ("nice" | "rtprio", Some(1..)) => {
            Some("`rlimits`: a container may take precedence over the host's own processes")
        }
        _ => None,
    }
}

/// What the plans of a sandbox say of it.
pub(super) fn confinement(docs: &Documents<'_>) -> plan::Confinement {
    let asked = &docs.sandbox.confinement;
    plan::Confinement {
        capabilities: asked.capabilities.clone(),
        seccomp: asked.seccomp.clone(),
        no_new_privileges: asked.no_new_privileges,
        exec_volumes: asked.allow_exec_volumes,
        landlock: asked.landlock.then(Landlock::default),
    }
}

/// The TCP ports that a process may bind by itself: in the host's network those
/// of its sandbox.
pub(super) fn bind(allowed: &[Range], network: &Network) -> Bind {
    if *network != Network::Host {
        return Bind::Any;
    }
    let ports = allowed.iter().filter_map(|range| {
        let (first, last) = (range.first.try_into(), range.last.try_into());
        Some(first.ok()?..=last.ok()?)
    });
    Bind::Ports(ports.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::fixture::Fixture;

    fn granted(fixture: &mut Fixture, name: &str) {
        let capability = name.parse().unwrap();
        fixture.sandbox.confinement.capabilities = [capability].into();
    }

    fn warnings(fixture: &Fixture) -> Vec<String> {
        let problems = fixture.sandbox_problems().into_iter();
        problems.map(|problem| problem.message).collect()
    }

    #[test]
    fn nothing_is_open_unless_someone_opens_it() {
        let plan = Fixture::new().plan();
        let confinement = plan.confinement.unwrap();
        let ports = vec![8000..=8999];
        let expected = plan::Confinement {
            no_new_privileges: true,
            landlock: Some(Landlock {
                bind: Bind::Ports(ports),
            }),
            ..plan::Confinement::default()
        };
        assert_eq!(confinement, expected);
        assert!(plan.limits.others.is_empty());
        assert_eq!(warnings(&Fixture::new()), [""; 0]);
    }

    #[test]
    fn refuses_a_capability_that_means_nothing() {
        let mut f = Fixture::new();
        granted(&mut f, "NET_BIND_SERVICE");
        f.sandbox_refused(
            "the capability NET_BIND_SERVICE means nothing here: the network belongs to the host's user namespace",
        );
        granted(&mut f, "SYS_TIME");
        f.sandbox_refused("the capability SYS_TIME means nothing here: the clock is the host's");
        f.sandbox.user_namespace = false;
        assert!(warnings(&f).contains(&"`capabilities` grants SYS_TIME to every container".into()));
    }

    #[test]
    fn on_a_bridge_only_the_capability_to_bind_means_something() {
        let mut f = Fixture::bridged();
        granted(&mut f, "NET_BIND_SERVICE");
        let granted_to = &f.plan().confinement.unwrap().capabilities;
        assert_eq!(granted_to.len(), 1);
        granted(&mut f, "NET_ADMIN");
        f.sandbox_refused("the capability NET_ADMIN means nothing here");
    }

    #[test]
    fn tells_of_a_capability_whose_calls_are_refused_all_the_same() {
        let hints = |seccomp| {
            let mut f = Fixture::new();
            granted(&mut f, "SYS_CHROOT");
            f.sandbox.confinement.seccomp = seccomp;
            let problems = f.sandbox_problems().into_iter();
            problems.filter_map(|problem| problem.hint).count()
        };
        assert_eq!(hints(Seccomp::Default), 1);
        assert_eq!(hints(Seccomp::Allow(["ptrace".to_owned()].into())), 1);
        assert_eq!(hints(Seccomp::Allow(["chroot".to_owned()].into())), 0);
        assert_eq!(hints(Seccomp::Unconfined), 0);
    }

    #[test]
    fn warns_of_every_loosening() {
        type Loosen = fn(&mut Fixture);
        let cases: [(Loosen, &str); 8] = [
            (|f| granted(f, "SYS_CHROOT"), "`capabilities` grants"),
            (
                |f| f.sandbox.confinement.seccomp = Seccomp::Unconfined,
                "`seccomp: unconfined`",
            ),
            (
                |f| f.sandbox.confinement.seccomp = Seccomp::Allow(["ptrace".to_owned()].into()),
                "`seccomp` allows more calls: ptrace",
            ),
            (
                |f| f.sandbox.confinement.no_new_privileges = false,
                "`no-new-privileges: false`",
            ),
            (
                |f| f.sandbox.confinement.allow_exec_volumes = true,
                "`allow-exec-volumes`",
            ),
            (
                |f| f.sandbox.confinement.landlock = false,
                "`landlock: off`",
            ),
            (
                |f| f.sandbox.confinement.rlimits = [(Resource::CORE, None)].into(),
                "core files hold",
            ),
            (
                |f| f.sandbox.user_namespace = false,
                "run in the host's user namespace",
            ),
        ];
        for (loosen, expected) in cases {
            let mut f = Fixture::new();
            loosen(&mut f);
            let told = warnings(&f);
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].contains(expected), "{told:?}");
            f.plan();
        }
    }

    #[test]
    fn in_a_network_of_its_own_any_port_may_be_bound() {
        let plan = Fixture::bridged().plan();
        assert_eq!(plan.confinement.unwrap().landlock.unwrap().bind, Bind::Any);
    }
}
