//! Whatever a sandbox loosens, `lithos_ctl exec` and `lithos_cmd` confine as a start
//! does: not by what the kernel tells of it alone, but by what comes of attempts.
//!
//! What Landlock holds can be read nowhere, so the attempts are the proof; each has
//! a sandbox here that lets it succeed.

use std::collections::BTreeMap;
use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::alike::comparable;
use crate::cmd::lithos_cmd;
use crate::exec::exec;
use crate::ground::{Ground, OWN_ROOT};
use crate::tree::wait_or;

/// What is attempted, the sandbox in which it succeeds, and one in which it does not.
/// `{port}` is none that the sandbox allows, `{abstract}` a socket of the host.
const ATTEMPTS: [(&str, &str, &str); 15] = [
    // By Landlock.
    ("listen:{port}", "no-landlock", "closed"),
    ("abstract:{abstract}", "no-landlock", "closed"),
    ("mount-in-user-namespace:/shared", "open", "no-seccomp"),
    ("make-device:/tmp/device", "none", "closed"),
    // By seccomp.
    ("trace-child", "one-call", "closed"),
    ("bpf", "host-ids", "closed"),
    ("unshare:user", "no-seccomp", "closed"),
    ("enter-as-x32", "none", "closed"),
    // By capabilities and ids.
    ("chroot:/work", "capable", "no-seccomp"),
    ("become:7", "host-ids", "no-seccomp"),
    ("ambient-capability", "host-ids", "no-seccomp"),
    ("signal:1", "host-ids", "open"),
    // By the rest.
    ("new-privileges", "new-privileges", "closed"),
    ("larger-core", "limits", "closed"),
    ("copy-and-execute:/data/program", "volumes", "closed"),
];

/// A sandbox for each loosening, and for several at a time.
fn sandboxes() -> BTreeMap<&'static str, String> {
    let capable = "capabilities: [SYS_CHROOT]\nseccomp: { allow: [chroot] }";
    let open = "landlock: off\nseccomp: unconfined\nno-new-privileges: false\n\
                allow-exec-volumes: true\nrlimits: { core: unlimited, memlock: 2Mi }";
    let host_ids = format!(
        "{open}\nuser-namespace: false\n\
         capabilities: [CHOWN, KILL, NET_RAW, SETUID, SYS_ADMIN, SYS_CHROOT, BPF]"
    );
    let own_root = format!("{OWN_ROOT}\n{open}\ncapabilities: [SYS_CHROOT]");
    let limits = "rlimits: { core: 2Mi, nproc: 900, memlock: 1Mi, stack: 16Mi, as: unlimited }";
    let lines = [
        ("closed", ""),
        ("no-landlock", "landlock: off"),
        ("no-seccomp", "seccomp: unconfined"),
        ("one-call", "seccomp: { allow: [ptrace] }"),
        ("capable", capable),
        ("new-privileges", "no-new-privileges: false"),
        ("volumes", "allow-exec-volumes: true"),
        ("limits", limits),
        ("open", open),
        ("host-ids", &host_ids),
        ("own-root", &own_root),
    ];
    lines.map(|(name, lines)| (name, lines.to_owned())).into()
}

/// The sandboxes, each with the same program as a daemon and as a command, and what
/// an attempt of [`ATTEMPTS`] is to the probe.
fn lay(ground: &Ground, sandboxes: &BTreeMap<&str, String>) -> impl Fn(&str) -> String {
    let name = format!("lithos-test-loosened-{}", std::process::id());
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap());
    let listener = listener.unwrap();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = port.local_addr().unwrap().port();
    let deed = move |attempt: &str| {
        let filled = attempt.replace("{port}", &port.to_string());
        format!("try={}", filled.replace("{abstract}", &name))
    };
    let deeds = ATTEMPTS.map(|(attempt, ..)| json!(deed(attempt)).to_string());
    for (kind, last) in [("Daemon", ", sleep"), ("Command", "")] {
        ground.container_named(
            kind,
            &format!(
                "kind: {kind}\narguments: [report, {}{last}]\nenviron: {{ LANG: C }}\n\
                 volumes: {{ /data: !Persistent /db, /tmp: !Tmpfs {{ size: 1Mi }} }}",
                deeds.join(", ")
            ),
        );
    }
    fs::remove_file(ground.path("sandboxes/shop.yaml")).unwrap();
    for (name, lines) in sandboxes {
        let owner = if lines.contains(OWN_ROOT) {
            50_000
        } else {
            1000
        };
        let volume = ground.directory(&format!("host/{name}"), owner, 0o755);
        let paths = format!("writable-paths: {{ /db: {} }}", volume.display());
        ground.sandbox_named(name, &format!("{lines}\n{paths}"));
        let process =
            |kind| format!("{{ kind: {kind}, image: probe, config: /config/{kind}.yaml }}");
        let (web, job) = (process("Daemon"), process("Command"));
        let file = format!("processes/{name}.yaml");
        ground.write(&file, format!("web: {web}\njob: {job}"));
    }
    deed
}

/// What each attempt came to, by its name here; and the report.
type Found = BTreeMap<String, Value>;

fn found<'a>(lines: impl Iterator<Item = &'a str>, deed: impl Fn(&str) -> String) -> Found {
    let lines: Vec<Value> = lines.flat_map(serde_json::from_str).collect();
    let actions = ATTEMPTS.map(|(attempt, ..)| (attempt, deed(attempt)));
    let all = [("report", "report".to_owned())].into_iter().chain(actions);
    let result = |(attempt, action): (&str, String)| {
        let line = lines.iter().find(|line| line["action"] == action);
        (
            attempt.to_owned(),
            line.expect("an answer")["result"].clone(),
        )
    };
    all.map(result).collect()
}

/// What is left of a command's report that is the same in another container.
fn of_any_container(report: &Value) -> Value {
    let mut report = report.clone();
    let all = report.as_object_mut().unwrap();
    for key in ["namespaces", "hostname"] {
        all.remove(key);
    }
    for name in ["LITHOS_NAME", "LITHOS_CONFIG"] {
        all["environ"].as_object_mut().unwrap().remove(name);
    }
    report
}

#[test]
fn what_is_executed_is_confined_as_its_process_in_every_loosened_sandbox() {
    let Some(ground) = Ground::new() else { return };
    let sandboxes = sandboxes();
    let deed = lay(&ground, &sandboxes);
    let log = |sandbox: &str| {
        fs::read_to_string(ground.path(&format!("log/stdio/{sandbox}.log"))).unwrap_or_default()
    };
    let of = |sandbox: &str, process: &str| {
        let log = log(sandbox);
        let prefix = format!("\"probe\":\"{sandbox}/{process}");
        let mut found = found(log.lines().filter(|line| line.contains(&prefix)), &deed);
        let report = found.get_mut("report").unwrap();
        *report = comparable(report.take());
        found
    };
    let tree = ground.start();
    let last = deed(ATTEMPTS[ATTEMPTS.len() - 1].0);
    let mut starts = BTreeMap::new();
    for sandbox in sandboxes.keys() {
        let web = format!("{sandbox}/web.0");
        tree.result(&web, &last);
        let start = of(sandbox, "web");
        let executed = executed(&ground, &web, &deed);
        assert_eq!(executed, start, "executed in {sandbox}");
        let status = lithos_cmd(&ground, &[sandbox, "job"]).status();
        assert!(status.unwrap().success(), "{}", log(sandbox));
        wait_or(|| log(sandbox).contains("cmd.job").then_some(())).unwrap();
        let mut command = of(sandbox, "cmd.job");
        let mut start_of_any = start.clone();
        for found in [&mut command, &mut start_of_any] {
            let report = of_any_container(&found["report"]);
            found.insert("report".to_owned(), report);
        }
        assert_eq!(command, start_of_any, "a command of {sandbox}");
        starts.insert(*sandbox, start);
    }
    drop(tree);
    expect_that_each_attempt_tests(&starts);
}

/// The report and the attempts of a command executed in the container.
fn executed(ground: &Ground, container: &str, deed: impl Fn(&str) -> String) -> Found {
    let deeds = ATTEMPTS.map(|(attempt, ..)| deed(attempt));
    let mut args = vec!["--with-secrets", container, "--", "/bin/probe", "report"];
    args.extend(deeds.iter().map(String::as_str));
    let output = exec(ground, &args).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let mut found = found(said.lines(), &deed);
    let report = found.get_mut("report").unwrap();
    *report = comparable(report.take());
    found
}

/// Each attempt succeeds where it is to, and fails elsewhere: what is alike is alike
/// in something.
fn expect_that_each_attempt_tests(starts: &BTreeMap<&str, Found>) {
    for (attempt, succeeds, fails) in ATTEMPTS {
        let done = |sandbox: &str| !starts[sandbox][attempt]["done"].is_null();
        let told = format!(
            "{attempt}: {:?}",
            starts
                .iter()
                .map(|(s, f)| (s, &f[attempt]))
                .collect::<Vec<_>>()
        );
        assert!(succeeds == "none" || done(succeeds), "{told}");
        assert!(!done(fails), "{told}");
    }
}
