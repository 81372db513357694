//! Ids, capabilities and namespaces of the process.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::json;

use super::launcher::{Stage, directory};

#[test]
fn runs_a_static_program_as_the_declared_user() {
    needs_root!();
    let stage = Stage::new("busybox id; busybox pwd; busybox hostname; echo $$; umask");
    let ended = stage.run();
    assert_eq!(ended.good(), "uid=1000 gid=1000\n/\nweb.0\n2\n0022\n");
}

#[test]
fn ids_are_mapped_as_declared() {
    needs_root!();
    let mut stage = Stage::new(
        "busybox id -u; busybox id -g; busybox awk '{print $1, $2, $3}' /proc/self/uid_map /proc/self/gid_map; echo x > /data/file",
    );
    directory(&stage.host("volume"), 0o777, 0);
    let base = stage.host("volume");
    stage.mount(
        "/data",
        json!({ "persistent": { "host": { "base": base, "below": "" } } }),
    );
    stage.plan["ids"] = json!({
        "user-namespace": true,
        "uid-map": [{ "inside": 0, "outside": 100_000, "count": 1000 }, { "inside": 5000, "outside": 7, "count": 1 }],
        "gid-map": [{ "inside": 0, "outside": 200_000, "count": 10 }],
        "uid": 33, "gid": 5, "host-uid": 100_033, "host-gid": 200_005,
    });
    let ended = stage.run();
    assert_eq!(
        ended.good(),
        "33\n5\n0 100000 1000\n5000 7 1\n0 200000 10\n"
    );
    let file = fs::metadata(ended.stage.host("volume/file")).unwrap();
    assert_eq!((file.uid(), file.gid()), (100_033, 200_005));
}

#[test]
fn an_id_that_is_not_mapped_is_an_error() {
    needs_root!();
    let mut stage = Stage::new("busybox true");
    stage.plan["ids"]["uid-map"] = json!([{ "inside": 0, "outside": 100_000, "count": 10 }]);
    let (reason, _, status) = stage.run().failure();
    assert_eq!(reason, "cannot become the user 1000: invalid argument");
    assert_eq!(status, 125);
}

const STATUS: &str = "busybox grep -E '^(Cap|NoNewPrivs|Groups|SigBlk|SigIgn)' /proc/self/status; \
                      busybox cat /proc/self/oom_score_adj";

#[test]
fn no_process_has_a_capability_or_can_gain_one() {
    needs_root!();
    for (uid, user_namespace) in [(0, true), (1000, true), (0, false), (1000, false)] {
        let mut stage = Stage::new(STATUS);
        stage.plan["ids"]["uid"] = json!(uid);
        stage.plan["ids"]["user-namespace"] = json!(user_namespace);
        let printed = stage.run().good();
        let fields: Vec<_> = printed
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .collect();
        for set in [
            "CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:", "SigBlk:", "SigIgn:",
        ] {
            assert!(
                fields.contains(&vec![set, "0000000000000000"]),
                "{set} {printed}"
            );
        }
        assert!(
            fields.contains(&vec!["NoNewPrivs:", "1"]) && fields.contains(&vec!["Groups:"]),
            "{printed}"
        );
        assert_eq!(fields.last().unwrap(), &["0"]);
    }
}

#[test]
fn every_namespace_is_the_containers_own() {
    needs_root!();
    let own = ["mnt", "pid", "ipc", "uts", "cgroup", "user"];
    let script = format!(
        "for n in {}; do busybox readlink /proc/self/ns/$n; done",
        own.join(" ")
    );
    let printed = Stage::new(&script).run().good();
    assert_eq!(printed.lines().count(), own.len());
    for (name, line) in own.iter().zip(printed.lines()) {
        let host = fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        assert_ne!(host.to_str().unwrap(), line, "{name}");
    }
}

#[test]
fn without_a_user_namespace_it_is_the_hosts() {
    needs_root!();
    let mut stage = Stage::new("busybox readlink /proc/self/ns/user; busybox id -u");
    stage.plan["ids"]["user-namespace"] = json!(false);
    let host = fs::read_link("/proc/self/ns/user").unwrap();
    assert_eq!(stage.run().good(), format!("{}\n1000\n", host.display()));
}

#[test]
fn a_knot_has_a_user_of_its_own_which_no_name_tells() {
    needs_root!();
    for user_namespace in [true, false] {
        let start = || {
            let mut stage = Stage::new("echo ready; exec busybox sleep 600");
            stage.plan["ids"]["user-namespace"] = json!(user_namespace);
            let running = stage.start();
            running.await_output("ready");
            running
        };
        let (one, other) = (start(), start());
        let [real, effective, saved, of_files] = one.users();
        assert!(real >= 0xff00_0000, "{real}");
        assert_eq!([effective, saved, of_files], [real, real, 0]);
        assert_ne!(other.users()[0], real);
    }
}

#[test]
fn the_process_leads_its_own_session() {
    needs_root!();
    // Field 6 of stat(5) is the session.
    assert_eq!(
        Stage::new("busybox cut -d' ' -f6 /proc/$$/stat")
            .run()
            .good(),
        "2\n"
    );
}

#[test]
fn the_working_directory_is_entered_with_the_processs_own_ids() {
    needs_root!();
    let stage = |workdir: &str| {
        let mut stage = Stage::new("busybox pwd");
        directory(&stage.image().join("closed"), 0o700, 0);
        stage.plan["process"]["workdir"] = json!(workdir);
        stage
    };
    assert_eq!(stage("/tmp").run().good(), "/tmp\n");
    let (reason, _, _) = stage("/closed").run().failure();
    assert_eq!(
        reason,
        "cannot enter the workdir /closed: permission denied"
    );
    let (reason, _, _) = stage("/bin/busybox").run().failure();
    assert_eq!(
        reason,
        "cannot open the workdir /bin/busybox: not a directory"
    );
    let (reason, _, _) = stage("/proc/self/fd/4").run().failure();
    assert!(
        reason.starts_with("cannot open the workdir /proc/self/fd/4: "),
        "{reason}"
    );
}

#[test]
fn a_network_of_its_own_has_loopback_up() {
    needs_root!();
    // The listener's input stays open: at its end it would hang up on who has not sent yet.
    let script = "busybox ip -o link show up; busybox sleep 1 | busybox nc -l -p 80 & \
                  until echo reached | busybox nc -w 1 127.0.0.1 80 2>/dev/null; do busybox sleep 0.05; done; wait";
    let mut stage = Stage::new(script);
    stage.plan["network"] = json!("loopback");
    let printed = stage.run().good();
    assert!(printed.starts_with("1: lo: <LOOPBACK,UP"), "{printed}");
    assert_eq!(printed.lines().count(), 2, "{printed}");
    assert!(printed.ends_with("reached\n"), "{printed}");
}
