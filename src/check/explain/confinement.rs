//! What keeps a process in: capabilities, system calls, Landlock, limits.

use super::Row;
use crate::config::confinement::Seccomp;
use crate::confinement::landlock::{Bind, Level};
use crate::confinement::rlimit::Resource;
use crate::resolve::plan::{Confinement, Plan};

/// The rows about it. Landlock's level is that of the kernel which runs this.
pub(super) fn rows(plan: &Plan) -> Vec<Row> {
    let Some(confinement) = &plan.confinement else {
        return vec![(
            "privileges",
            "as in a record of an older release".to_owned(),
        )];
    };
    vec![
        ("privileges", privileges(plan, confinement)),
        ("capabilities", capabilities(confinement)),
        ("seccomp", seccomp(&confinement.seccomp)),
        ("landlock", landlock(confinement)),
    ]
}

fn privileges(plan: &Plan, confinement: &Confinement) -> String {
    let text = match (confinement.no_new_privileges, plan.allows_set_id()) {
        (true, _) => "no new ones",
        (false, true) => "new ones by set-user-id programs of the image",
        (false, false) => "new ones, but set-user-id programs of the image do not work",
    };
    text.to_owned()
}

fn capabilities(confinement: &Confinement) -> String {
    let names = confinement.capabilities.iter().map(ToString::to_string);
    match confinement.capabilities.is_empty() {
        true => "none".to_owned(),
        false => names.collect::<Vec<_>>().join(", "),
    }
}

fn seccomp(seccomp: &Seccomp) -> String {
    match seccomp {
        Seccomp::Default => "the default profile".to_owned(),
        Seccomp::Unconfined => "none: all system calls".to_owned(),
        Seccomp::Allow(calls) => {
            let calls: Vec<_> = calls.iter().map(String::as_str).collect();
            format!("the default profile, and {}", calls.join(", "))
        }
    }
}

fn landlock(confinement: &Confinement) -> String {
    let Some(landlock) = &confinement.landlock else {
        return "off".to_owned();
    };
    let level = Level::of_kernel(&landlock.bind);
    let Bind::Ports(ranges) = &landlock.bind else {
        return format!("auto: {level} here");
    };
    let ports = ranges
        .iter()
        .map(|range| match range.start() == range.end() {
            true => format!(", {}", range.start()),
            false => format!(", {}-{}", range.start(), range.end()),
        });
    let ports = ports.collect::<String>();
    format!("auto: {level} here; TCP ports to bind: 0{ports}")
}

/// The resource limits but that of open files.
pub(super) fn limits(plan: &Plan) -> Vec<Row> {
    let others = &plan.limits.others;
    let core = (Resource::CORE, Some(1));
    let core = (!others.contains_key(&Resource::CORE)).then_some(core);
    let others = others.iter().map(|(&resource, &limit)| (resource, limit));
    let rows = core.into_iter().chain(others).map(|(resource, limit)| {
        let limit = limit.map_or("unlimited".to_owned(), |limit| limit.to_string());
        let name = resource.name().to_uppercase();
        ("limit", format!("RLIMIT_{name} {limit}"))
    });
    rows.collect()
}
