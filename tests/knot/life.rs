//! From the gate to the end: signals, ends, and the knot while it waits.

use std::fs;

use lithos::report::{End, Report};
use rustix::process::Signal;
use serde_json::json;

use super::launcher::Stage;

const FOREVER: &str = "echo ready; while :; do busybox sleep 0.05; done";

#[test]
fn tells_how_the_process_ended() {
    needs_root!();
    for (script, end, line) in [
        ("exit 0", End::Exited(0), "ended with exit status 0"),
        ("exit 77", End::Exited(77), "ended with exit status 77"),
        ("kill -9 $$", End::Signalled(9), "was killed by signal 9"),
        ("kill -15 $$", End::Signalled(15), "was killed by signal 15"),
    ] {
        let ended = Stage::new(script).run();
        assert_eq!(ended.end(), end);
        assert_eq!(ended.status, Some(0));
        let lines: Vec<_> = ended.output.lines().collect();
        assert!(
            lines[0].ends_with("Z lithos: shop/web.0 started"),
            "{lines:?}"
        );
        assert!(
            lines[1].ends_with(&format!("Z lithos: shop/web.0 {line}")),
            "{lines:?}"
        );
    }
}

#[test]
fn sigterm_and_sigint_end_the_process_and_it_is_told() {
    needs_root!();
    for signal in [Signal::TERM, Signal::INT] {
        let running = Stage::new(FOREVER).start();
        running.await_output("ready");
        running.signal(signal);
        assert_eq!(running.wait().end(), End::Signalled(15));
    }
}

#[test]
fn other_signals_are_passed_on() {
    needs_root!();
    let script =
        format!("trap 'echo usr1' USR1; trap 'echo hup' HUP; trap 'exit 3' TERM; {FOREVER}");
    let running = Stage::new(&script).start();
    running.await_output("ready");
    running.signal(Signal::USR1);
    running.await_output("usr1");
    running.signal(Signal::HUP);
    running.await_output("hup");
    running.signal(Signal::TERM);
    assert_eq!(running.wait().end(), End::Exited(3));
}

#[test]
fn signals_from_inside_do_not_concern_the_knot() {
    needs_root!();
    let script = "for s in TERM INT HUP KILL STOP USR1; do kill -$s 1 && echo sent; done; busybox sleep 0.2; exit 4";
    let mut stage = Stage::new(script);
    // Without it nobody may send the knot any.
    stage.plan["ids"]["user-namespace"] = json!(false);
    stage.plan["confinement"] = json!({
        "capabilities": ["KILL"], "seccomp": "default", "no-new-privileges": true,
    });
    let ended = stage.run();
    assert_eq!(ended.end(), End::Exited(4), "{}", ended.output);
    assert!(
        ended.printed().contains("sent"),
        "the test tests nothing: {}",
        ended.output
    );
}

#[test]
fn the_process_waits_for_the_gate() {
    needs_root!();
    let mut stage = Stage::new("echo ran");
    stage.gated = true;
    let mut running = stage.start();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(running.output(), "");
    assert_eq!(running.report(), []);
    running.open_gate();
    assert_eq!(running.wait().good(), "ran\n");
}

#[test]
fn without_a_supervisor_nothing_is_started() {
    needs_root!();
    let mut stage = Stage::new("echo ran");
    stage.gated = true;
    let mut running = stage.start();
    drop(running.gate.take());
    let ended = running.wait();
    assert_eq!(
        (ended.status, ended.output.as_str(), ended.report.len()),
        (Some(0), "", 0)
    );
}

#[test]
fn sigterm_before_the_gate_opens_ends_the_knot() {
    needs_root!();
    let mut stage = Stage::new("echo ran");
    stage.gated = true;
    let running = stage.start();
    // A signal sent before the knot collects them is lost on a pid 1.
    std::thread::sleep(std::time::Duration::from_millis(300));
    running.signal(Signal::TERM);
    let ended = running.wait();
    assert_eq!(ended.status, Some(0));
    let [
        Report::Ended {
            end: End::Signalled(15),
            ..
        },
    ] = ended.report.as_slice()
    else {
        panic!("{:?}", ended.report);
    };
    assert!(!ended.output.contains("ran"));
}

#[test]
fn orphans_are_buried() {
    needs_root!();
    let script = "(busybox sleep 0.1 &); (busybox true &); busybox sleep 0.5; busybox grep -l '(zombie)' /proc/[0-9]*/status; \
                  busybox ps -o stat | busybox grep -c Z";
    let printed = Stage::new(script).run().printed();
    assert_eq!(printed, "0\n");
}

#[test]
fn with_the_process_everything_in_the_container_ends() {
    needs_root!();
    let ended = Stage::new("busybox setsid busybox sleep 987654 & exit 0").run();
    ended.good();
    assert!(!somewhere("987654"));
}

#[test]
fn with_the_knot_everything_in_the_container_ends() {
    needs_root!();
    let running = Stage::new("busybox setsid busybox sleep 876543 & echo ready; wait").start();
    running.await_output("ready");
    running.signal(Signal::KILL);
    assert_eq!(running.wait().status, None);
    assert!(!somewhere("876543"));
}

/// Whether some process of the machine has this in its command line.
fn somewhere(argument: &str) -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        line.split(|&byte| byte == 0)
            .any(|word| word == argument.as_bytes())
    })
}

#[test]
fn the_waiting_knot_keeps_two_files_and_one_capability() {
    needs_root!();
    let running = Stage::new(FOREVER).start();
    running.await_output("ready");
    let proc = std::path::PathBuf::from(format!("/proc/{}", running.pid));
    // The process may be faster than the knot is in settling down.
    while !fs::read_to_string(proc.join("status"))
        .unwrap()
        .contains("CapPrm:\t0000000000000020")
    {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let links = fs::read_dir(proc.join("fd")).unwrap().flatten();
    let links = links.map(|entry| fs::read_link(entry.path()).unwrap().display().to_string());
    let mut files: Vec<_> = links
        .map(|link| link.rsplit('/').next().unwrap().to_owned())
        .collect();
    files.sort();
    assert_eq!(
        files,
        [
            "anon_inode:[signalfd]",
            "null",
            "null",
            "null",
            "report",
            "stdio"
        ]
    );
    let status = fs::read_to_string(proc.join("status")).unwrap();
    for (set, value) in [
        ("CapPrm", "20"),
        ("CapEff", "20"),
        ("CapBnd", "0"),
        ("CapInh", "0"),
        ("CapAmb", "0"),
    ] {
        assert!(
            status.contains(&format!("{set}:\t{value:0>16}")),
            "{set} {status}"
        );
    }
    assert_eq!(fs::read(proc.join("environ")).unwrap(), b"");
    let limits = fs::read_to_string(proc.join("limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    assert!(
        core.unwrap()
            .split_whitespace()
            .eq(["Max", "core", "file", "size", "1", "1", "bytes"])
    );
    let line = String::from_utf8(fs::read(proc.join("cmdline")).unwrap()).unwrap();
    assert!(line.starts_with("lithos_knot\0--name\0shop/web.0\0"));
    running.signal(Signal::KILL);
    running.wait();
}

#[test]
fn the_knot_is_out_of_reach_for_the_process() {
    needs_root!();
    let files = "mem environ maps exe cwd root fd/0 fd/1 fd/2 fd/4 fd/5 fd/6 task/1/mem";
    let script =
        format!("cd /proc/1; for f in {files}; do busybox cat $f; busybox readlink $f; done");
    for uid in [0, 1000] {
        let mut stage = Stage::new(&script);
        stage.plan["ids"]["uid"] = json!(uid);
        let printed = stage.run().printed();
        // Which numbers are open changes while the knot settles down to wait.
        let closed =
            |line: &str| line.contains("'fd/") && line.ends_with("No such file or directory");
        let denied = |line: &str| line.ends_with("Permission denied") || closed(line);
        assert!(
            printed.lines().count() >= files.split(' ').count(),
            "{printed}"
        );
        assert!(printed.lines().all(denied), "{printed}");
    }
}

fn restarting(script: &str) -> Stage {
    let mut stage = Stage::new(script);
    stage.plan["supervision"]["restart-process-only"] = json!(true);
    stage.plan["supervision"]["restart-timeout"] = json!({ "secs": 0, "nanos": 50_000_000 });
    stage
}

#[test]
fn a_process_is_started_again_in_the_kept_container() {
    needs_root!();
    for user_namespace in [true, false] {
        let mut stage = restarting("echo x >> /data/runs; busybox wc -l < /data/runs; kill -9 $$");
        stage.mount(
            "/data",
            json!({ "tmpfs": { "size": 65536, "mode": 0o777 } }),
        );
        stage.plan["ids"]["user-namespace"] = json!(user_namespace);
        let running = stage.start();
        running.await_output("1\n");
        let [_, user, ..] = running.users();
        running.await_output("\n4\n");
        assert_eq!(running.users()[1..3], [user, user]);
        let status = fs::read_to_string(format!("/proc/{}/status", running.pid)).unwrap();
        // KILL, SETGID, SETUID, SETFCAP; and SYS_ADMIN.
        let kept = if user_namespace {
            "00000000800000e0"
        } else {
            "00000000802000e0"
        };
        assert!(status.contains(&format!("CapPrm:\t{kept}")), "{status}");
        running.signal(Signal::TERM);
        let ended = running.wait();
        assert_eq!(ended.status, Some(0));
        let ends = ended
            .report
            .iter()
            .filter(|line| matches!(line, Report::Ended { .. }))
            .count();
        assert!(ends >= 4, "{:?}", ended.report);
    }
}

#[test]
fn a_process_that_was_told_to_stop_is_not_started_again() {
    needs_root!();
    let running = restarting(FOREVER).start();
    running.await_output("ready");
    running.signal(Signal::TERM);
    assert_eq!(running.wait().end(), End::Signalled(15));
}

#[test]
fn the_waiting_knot_keeps_the_sockets_for_a_later_supervisor() {
    needs_root!();
    let mut stage = Stage::new(FOREVER);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    stage.plan["sockets"] = json!([{
        "fd": 3, "address": listener.local_addr().unwrap(), "backlog": 128,
        "reuse-addr": true, "reuse-port": false, "non-block": false, "external": false,
    }]);
    stage.sockets.push(listener.into());
    let number = std::os::fd::AsRawFd::as_raw_fd(&stage.sockets[0]);
    let inode = rustix::fs::fstat(&stage.sockets[0]).unwrap().st_ino;
    let running = stage.start();
    running.await_output("ready");
    let link = fs::read_link(format!("/proc/{}/fd/{number}", running.pid)).unwrap();
    assert_eq!(link.to_str().unwrap(), format!("socket:[{inode}]"));
    running.signal(Signal::KILL);
    running.wait();
}
