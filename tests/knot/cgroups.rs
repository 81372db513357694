//! The container's cgroup. Which hierarchies there are depends on the machine;
//! where there is only v2, the same tests run on v2.

use std::fs;

use lithos::knot::cgroup;
use lithos::report::{End, Report};
use lithos::sys::memfd;
use rustix::process::Signal;
use serde_json::json;

use super::launcher::Stage;

fn limited(script: &str, name: &str) -> Stage {
    let mut stage = Stage::new(script);
    stage.plan["cgroup"] = json!({
        "parent": format!("lithos-test-{}", std::process::id()), "name": format!("shop:{name}.0"),
        "controllers": ["cpu", "memory", "pids"],
        "memory": 32 << 20, "cpu-shares": 2048, "pids": 20,
    });
    stage.mount("/sys/fs/cgroup", json!("cgroup-view"));
    stage
}

fn remove(stage: &Stage) {
    let cgroup = serde_json::from_value(stage.plan["cgroup"].clone()).unwrap();
    let all = cgroup::Hierarchies::find().unwrap();
    all.remove(&cgroup).unwrap();
    // It is the parent of other tests' cgroups, too, so it may stay for now.
    all.remove_parent(&cgroup.parent);
    assert!(cgroups_of(&cgroup.name).is_empty());
}

/// Every directory of this name two levels below a hierarchy.
fn cgroups_of(name: &str) -> Vec<std::path::PathBuf> {
    let hierarchies = fs::read_dir("/sys/fs/cgroup")
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    let tops = hierarchies.chain([std::path::PathBuf::from("/sys/fs/cgroup")]);
    let parent = format!("lithos-test-{}", std::process::id());
    tops.map(|top| top.join(&parent).join(name))
        .filter(|path| path.exists())
        .collect()
}

#[test]
fn the_process_sees_its_limits_and_cannot_change_them() {
    needs_root!();
    let script = "cd /sys/fs/cgroup; for f in pids.max pids/pids.max memory.max memory/memory.limit_in_bytes \
                  memory.high memory/memory.soft_limit_in_bytes cpu.max cpu*/cpu.cfs_quota_us; do \
                  [ -e $f ] && busybox cat $f && echo 99 > $f; done; busybox cut -d: -f3 /proc/self/cgroup | busybox sort -u";
    let mut stage = limited(script, "see");
    stage.plan["cgroup"]["memory-high"] = json!(16 << 20);
    stage.plan["cgroup"]["cpu"] = json!(1500);
    stage.plan["ids"]["uid"] = json!(0);
    let ended = stage.run();
    let printed = ended.printed();
    for limit in ["20\n", "33554432\n", "16777216\n", "150000"] {
        assert!(printed.contains(limit), "{limit}: {printed}");
    }
    assert_eq!(
        printed
            .lines()
            .filter(|line| line.contains("Read-only file system"))
            .count(),
        4,
        "{printed}"
    );
    // In a cgroup namespace its own cgroup is the root.
    assert!(printed.lines().any(|line| line == "/"), "{printed}");
    assert!(!printed.contains("lithos-test"), "{printed}");
    remove(&ended.stage);
}

#[test]
fn a_knot_goes_by_what_it_is_told_of_the_hierarchies_unless_that_is_over() {
    needs_root!();
    let found = serde_json::to_value(cgroup::Hierarchies::find().unwrap()).unwrap();
    let mut over = found.clone();
    for hierarchy in over.as_array_mut().unwrap() {
        hierarchy["base"] = json!("/no/such/directory");
    }
    // Ours is below what it is told, and nowhere else. On v2 that would need more.
    let mut below = found.clone();
    let inner = format!("lithos-test-{}-inner", std::process::id());
    let mut made = Vec::new();
    for hierarchy in below.as_array_mut().unwrap() {
        let base = std::path::Path::new(hierarchy["base"].as_str().unwrap()).join(&inner);
        if hierarchy["version"] == "one" && fs::create_dir(&base).is_ok() {
            hierarchy["base"] = json!(base);
            made.push(base);
        }
    }
    let mut cases = vec![(found, true), (over, true), (json!([]), true)];
    cases.extend((!made.is_empty()).then_some((below, false)));
    for (told, expected) in cases {
        let mut stage = limited(
            "busybox cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max",
            "told",
        );
        stage.cgroups = Some(memfd::sealed("cgroups", told.to_string().as_bytes()).unwrap());
        let ended = stage.run();
        assert!(ended.output.contains("20\n"), "{told}: {}", ended.output);
        assert_eq!(!cgroups_of("shop:told.0").is_empty(), expected, "{told}");
        remove(&ended.stage);
    }
    for base in made {
        let parent = base.join(format!("lithos-test-{}", std::process::id()));
        let _ = fs::remove_dir(parent.join("shop:told.0"));
        let _ = fs::remove_dir(parent);
        fs::remove_dir(base).unwrap();
    }
}

#[test]
fn a_fork_bomb_stops_at_the_limit_of_tasks() {
    needs_root!();
    let script = "i=0; while [ $i -lt 40 ]; do busybox sleep 5 & i=$((i+1)); done; echo all";
    let ended = limited(script, "forks").run();
    assert!(ended.output.contains("can't fork"), "{}", ended.output);
    remove(&ended.stage);
}

#[test]
fn memory_beyond_the_limit_kills_the_process_and_not_the_knot() {
    needs_root!();
    let mut stage = limited("", "memory");
    let script = "x=0123456789abcdef; while :; do x=$x$x; done";
    stage.plan["process"]["arguments"] = json!(["sh", "-c", script]);
    let ended = stage.run();
    assert_eq!((ended.end(), ended.status), (End::Signalled(9), Some(0)));
    let memory = ended.out_of_memory().expect("killed for memory");
    assert_eq!(memory.limit, Some(32 << 20));
    assert!(
        memory
            .peak
            .is_some_and(|peak| (30 << 20..=32 << 20).contains(&peak)),
        "{memory:?}"
    );
    assert!(memory.cgroup.ends_with("/shop:memory.0"), "{memory:?}");
    assert!(
        ended.output.contains("killed for memory: limit 32 MiB"),
        "{}",
        ended.output
    );
    remove(&ended.stage);
}

#[test]
fn each_end_in_a_kept_container_tells_of_its_own_lack_of_memory() {
    needs_root!();
    let script = "echo x >> /data/runs; n=$(busybox wc -l < /data/runs); x=0123456789abcdef; \
                  while [ $n = 2 ]; do x=$x$x; done; [ $n = 4 ] || exit 5; echo ready; exec busybox sleep 60";
    let mut stage = limited(script, "again");
    stage.plan["supervision"]["restart-process-only"] = json!(true);
    stage.plan["supervision"]["restart-timeout"] = json!({ "secs": 0, "nanos": 50_000_000 });
    let size = json!({ "tmpfs": { "size": 65536, "mode": 0o777 } });
    stage.mount("/data", size);
    let running = stage.start();
    running.await_output("ready");
    running.signal(Signal::TERM);
    let ended = running.wait();
    let told = ended.report.iter().filter_map(|line| match line {
        Report::Ended {
            end, out_of_memory, ..
        } => Some((*end, out_of_memory.is_some())),
        _ => None,
    });
    let expected = [
        (End::Exited(5), false),
        (End::Signalled(9), true),
        (End::Exited(5), false),
        (End::Signalled(15), false),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected, "{}", ended.output);
    remove(&ended.stage);
}

#[test]
fn others_killed_for_memory_are_told_of_where_the_process_ended_by_itself() {
    needs_root!();
    let script = "(x=0123456789abcdef; while :; do x=$x$x; done); exit 6";
    let ended = limited(script, "others").run();
    // v2 kills the whole cgroup, v1 the largest in it.
    let expected = if std::path::Path::new("/sys/fs/cgroup/memory").exists() {
        (
            End::Exited(6),
            "ended with exit status 6; others in it were killed for memory: limit 32 MiB",
        )
    } else {
        (End::Signalled(9), "was killed for memory: limit 32 MiB")
    };
    assert_eq!(ended.end(), expected.0);
    assert!(ended.output.contains(expected.1), "{}", ended.output);
    remove(&ended.stage);
}

#[test]
fn a_process_killed_by_someone_was_not_killed_for_memory() {
    needs_root!();
    let ended = limited("kill -9 $$", "killed").run();
    assert_eq!(
        (ended.end(), ended.out_of_memory()),
        (End::Signalled(9), None)
    );
    remove(&ended.stage);
}

#[test]
fn the_knot_is_not_in_the_containers_cgroup() {
    needs_root!();
    let running = limited("echo ready; busybox sleep 60", "inside").start();
    running.await_output("ready");
    let knot = running.pid.to_string();
    let found = cgroups_of("shop:inside.0");
    assert!(!found.is_empty());
    for path in found {
        let procs = fs::read_to_string(path.join("cgroup.procs")).unwrap();
        assert!(
            !procs.is_empty() && !procs.lines().any(|pid| pid == knot),
            "{procs}"
        );
    }
    running.signal(Signal::KILL);
    remove(&running.wait().stage);
}

#[test]
fn what_runs_in_a_cgroup_is_killed_before_it_is_removed() {
    needs_root!();
    let running = limited("echo ready; busybox sleep 60", "kill").start();
    running.await_output("ready");
    remove(&running.stage);
    assert_eq!(running.wait().end(), End::Signalled(9));
}

#[test]
fn a_controller_that_is_nowhere_is_an_error_with_a_hint() {
    needs_root!();
    let mut stage = limited("busybox true", "nowhere");
    stage.plan["cgroup"]["controllers"] = json!(["nothing"]);
    let (reason, hint, _) = stage.run().failure();
    assert_eq!(
        reason,
        "cannot use the cgroup controller nothing: no cgroup hierarchy has it"
    );
    assert!(hint.unwrap().contains("cgroup-controllers"));
}
