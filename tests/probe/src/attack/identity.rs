//! More rights than one has: ids, capabilities, limits.

use std::io::{self, Write};
use std::process::Command;

use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};
use serde_json::Value;

use super::{Outcome, done, number, text};

pub fn perform(verb: &str, object: &str) -> Outcome {
    let result = match verb {
        "become-group" => become_group(object),
        "other-groups" => done(nix::unistd::setgroups(&[nix::unistd::Gid::from_raw(0)])),
        "all-capabilities" => all_capabilities(),
        "capability-sets" => text(capability_sets().join(" ")),
        "ambient-capability" => done(rustix::thread::configure_capability_in_ambient_set(
            CapabilitySet::NET_RAW,
            true,
        )),
        "user-of-program" => program(object, "effective-user"),
        "rights-of-program" => program(object, "permitted-set"),
        "effective-user" => text(rustix::process::geteuid().as_raw().to_string()),
        "permitted-set" => text(capability_sets()[1].clone()),
        "new-privileges" => new_privileges(),
        "more-files" => set(Resource::Nofile, 4096),
        "larger-core" => set(Resource::Core, 1 << 20),
        "priority" => done(rustix::process::setpriority_process(None, -5)),
        "map-ids" => map_ids(object, "0 0 1\n"),
        "map-ids-anew" => map_ids_anew(object),
        _ => return None,
    };
    Some(result)
}

fn become_group(object: &str) -> io::Result<Value> {
    let gid = rustix::process::Gid::from_raw(number(object)?);
    done(rustix::thread::set_thread_gid(gid))
}

fn all_capabilities() -> io::Result<Value> {
    let all = CapabilitySet::SYS_ADMIN | CapabilitySet::SYS_PTRACE | CapabilitySet::DAC_OVERRIDE;
    let sets = CapabilitySets {
        effective: all,
        permitted: all,
        inheritable: CapabilitySet::empty(),
    };
    done(rustix::thread::set_capabilities(None, sets))
}

/// Inheritable, permitted, effective, bounding and ambient set, as the kernel
/// shows them.
fn capability_sets() -> Vec<String> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let sets = status.lines().filter_map(|line| line.strip_prefix("Cap"));
    let sets = sets.filter_map(|line| line.split_whitespace().nth(1));
    sets.map(str::to_owned).collect()
}

/// What a program says of itself that asks for more rights by its file's mode or
/// attributes.
fn program(path: &str, about: &str) -> io::Result<Value> {
    let output = Command::new(path).arg(format!("do={about}")).output()?;
    let line: Value = serde_json::from_slice(&output.stdout)?;
    Ok(line["result"]["done"].clone())
}

/// Whether executing a program could give more.
fn new_privileges() -> io::Result<Value> {
    match rustix::thread::no_new_privs()? {
        true => Err(io::Error::from_raw_os_error(nix::libc::EPERM)),
        false => text("possible"),
    }
}

/// Sets both soft and hard limit, which is lowering where there is more already.
fn set(resource: Resource, to: u64) -> io::Result<Value> {
    let limit = Rlimit {
        current: Some(to),
        maximum: Some(to),
    };
    done(setrlimit(resource, limit))
}

/// Maps root in, which only a namespace without a map takes.
fn map_ids(path: &str, map: &str) -> io::Result<Value> {
    let mut file = std::fs::OpenOptions::new().write(true).open(path)?;
    done(file.write_all(map.as_bytes()))
}

fn map_ids_anew(path: &str) -> io::Result<Value> {
    let map = format!("0 {} 1\n", rustix::process::geteuid().as_raw());
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER)?;
    map_ids(path, &map)
}
