//! Containers where there is only cgroup v2. The machine is booted once, and
//! `cgroup_v2.sh` in it prints what has passed; each test looks for its own.

use std::path::Path;
use std::sync::OnceLock;

use crate::{boot, needs_vm, programs};

fn passed(name: &str) {
    static CONSOLE: OnceLock<String> = OnceLock::new();
    let console = CONSOLE.get_or_init(|| {
        let programs = programs();
        let mut files: Vec<&Path> = programs.iter().map(AsRef::as_ref).collect();
        files.push(Path::new("/bin/busybox"));
        let output = boot(&[], include_str!("cgroup_v2.sh"), &files);
        let console = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&console).into_owned()
    });
    let line = format!("PASSED {name}");
    assert!(
        console.lines().any(|found| found == line),
        "not {name}:\n{console}"
    );
}

#[test]
fn cgroup_v2_has_every_limit_that_was_asked_for() {
    needs_vm!();
    passed("limits_are_set");
}

#[test]
fn cgroup_v2_is_shown_in_the_container_as_its_own_and_read_only() {
    needs_vm!();
    passed("own_cgroup_is_shown_read_only");
}

#[test]
fn cgroup_v2_is_not_charged_for_the_knot() {
    needs_vm!();
    passed("knot_is_not_charged");
}

#[test]
fn cgroup_v2_stops_a_fork_bomb_at_its_limit_of_tasks() {
    needs_vm!();
    passed("fork_bomb_stops_at_its_limit");
}

#[test]
fn cgroup_v2_slows_down_above_memory_high() {
    needs_vm!();
    passed("memory_is_taken_back_above_high");
}

#[test]
fn cgroup_v2_limits_processor_time() {
    needs_vm!();
    passed("processor_time_is_limited");
}

#[test]
fn cgroup_v2_out_of_memory_is_told_with_cgroup_limit_and_peak() {
    needs_vm!();
    passed("out_of_memory_is_told");
}

#[test]
fn cgroup_v2_is_removed_with_everything_in_it_killed() {
    needs_vm!();
    passed("stop_leaves_nothing");
}

#[test]
fn cgroup_v2_of_a_delegated_subtree_is_not_left() {
    needs_vm!();
    passed("delegated_subtree_is_not_left");
}
