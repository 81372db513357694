//! What `lithos_ctl exec` executes has all that a start gives a process, and no more.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::exec::{exec, first_line, shell, started, text};
use crate::ground::{Ground, OWN_ROOT};
use crate::network::Host;
use crate::tree::children;

/// What the probe reports of itself, executed in `shop/web.0` by a caller of whom
/// nothing must be seen in there.
pub fn report(ground: &Ground, options: &[&str]) -> Value {
    let args = [options, &["shop/web.0", "--", "/bin/probe", "report"]].concat();
    let program = exec(ground, &args);
    let strange = "cd /etc && umask 077 && ulimit -S -s 1234 && ulimit -S -c 77 && trap '' USR1 && \
                   echo 500 > /proc/self/oom_score_adj && exec 9</etc/passwd && exec \"$@\"";
    let output = Command::new("sh")
        .args(["-c", strange, "sh"])
        .arg(program.get_program())
        .args(program.get_args())
        .env("STRANGE", "yes")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let line: Value = serde_json::from_slice(&output.stdout).expect("a report");
    line["result"].clone()
}

/// What differs between two processes that are alike in all that matters here.
const OF_EACH: [&str; 15] = [
    "Name",
    "Pid",
    "Tgid",
    "PPid",
    "NSpid",
    "NStgid",
    "NSpgid",
    "NSsid",
    "SigQ",
    "State",
    "Threads",
    "HugetlbPages",
    "CoreDumping",
    "voluntary_ctxt_switches",
    "nonvoluntary_ctxt_switches",
];

/// All that a start and an exec must have in common.
pub fn comparable(mut report: Value) -> Value {
    let numbers = |descriptors: &Value| -> BTreeSet<String> {
        descriptors.as_object().unwrap().keys().cloned().collect()
    };
    report["descriptors"] = json!(numbers(&report["descriptors"]));
    let all = report.as_object_mut().unwrap();
    for key in ["arguments", "session", "processes"] {
        all.remove(key);
    }
    let status = all["status"].as_object_mut().unwrap();
    status.retain(|key, _| {
        let memory = key.starts_with("Vm") || key.starts_with("Rss");
        !memory && !OF_EACH.contains(&key.as_str())
    });
    report
}

/// Fails if the two differ.
fn expect_alike(ground: &Ground) {
    let tree = ground.start();
    let (start, exec) = (started(&tree), report(ground, &["--with-secrets"]));
    for found in [&start, &exec] {
        assert!(found["status"]["CapBnd"].is_string());
        assert!(found["limits"]["Max open files"].is_array());
        assert!(found["cgroups"].as_str().unwrap().contains(":/"));
    }
    let (start, exec) = (comparable(start), comparable(exec));
    for (key, value) in start.as_object().unwrap() {
        assert_eq!(*value, exec[key], "{key}");
    }
    assert_eq!(start, exec);
}

#[test]
fn has_all_that_a_start_has() {
    let Some(ground) = Ground::new() else { return };
    ground.container(&format!(
        "arguments: [report, sleep]\nenviron: {{ LANG: C }}\nworkdir: /work\nfileno-limit: 77\n\
         secret-environ: {{ PASSWORD: {} }}",
        ground.seal("alpha", "", "a secret")
    ));
    expect_alike(&ground);
}

#[test]
fn has_all_that_a_start_has_in_a_sandbox_with_a_root_of_its_own() {
    let Some(ground) = Ground::new() else { return };
    ground.sandbox(OWN_ROOT);
    ground.container("arguments: [report, sleep]");
    expect_alike(&ground);
}

#[test]
fn has_all_that_a_start_has_without_a_user_namespace() {
    let Some(ground) = Ground::new() else { return };
    ground.sandbox("user-namespace: false");
    ground.container("arguments: [report, sleep]");
    expect_alike(&ground);
}

#[test]
fn has_all_that_a_start_has_under_limits() {
    let Some(ground) = Ground::new() else { return };
    let parent = format!("lithos-test-exec-{}", std::process::id());
    ground.master(&format!(
        "cgroup-name: {parent}\ncgroup-controllers: [memory, pids, cpu]"
    ));
    fs::copy("/bin/busybox", ground.path("images/probe/bin/busybox")).unwrap();
    ground.container("arguments: [report, sleep]\nmemory-limit: 64Mi");
    expect_alike(&ground);
    let tree = ground.start();
    tree.results("shop/web.0", "report", 2);
    let mut child = shell(&ground, "echo ready; sleep 1000");
    let ready = first_line(&mut child);
    assert_eq!(ready, "ready\n");
    let in_cgroup = |pid: i32| {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        text.lines().filter(|line| line.contains(&parent)).count()
    };
    let process = tree.process("shop/web.0");
    let executed = children(children(child.id().cast_signed())[0])[0];
    assert!(in_cgroup(process) > 0);
    assert_eq!(in_cgroup(executed), in_cgroup(process));
    // What is around it is none of the container's business.
    assert_eq!(in_cgroup(child.id().cast_signed()), 0);
    kill(Pid::from_raw(executed), Signal::SIGKILL).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(137));
    drop(tree);
    let hierarchies = lithos::knot::cgroup::Hierarchies::find().unwrap();
    hierarchies.remove_parent(&parent);
}

#[test]
fn has_all_that_a_start_has_on_a_bridge() {
    let Some(ground) = Ground::new() else { return };
    let Some(mut host) = Host::new() else { return };
    host.bridge("br0", &[("10.1.0.1", 24)]);
    ground.sandbox("bridged-network: { bridge: br0, network: 10.1.0.0/24 }");
    ground.processes("web: { image: probe, config: /config/web.yaml, ip-addresses: [10.1.0.2] }");
    ground.container("arguments: [report, sleep]");
    expect_alike(&ground);
}
