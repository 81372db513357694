//! `lithos_ctl exec` into a container whose processes mean harm.

use std::process::Stdio;

use crate::exec::exec;
use crate::ground::{Ground, OWN_ROOT};

/// So often a command is executed under the eyes of the container's process.
const TIMES: usize = 200;

/// Without these the other processes of a container cannot be looked into at all.
const LOOSE: &str = "landlock: off\nseccomp: unconfined\n";

fn nothing_can_be_pried_into(sandbox: &str) {
    let Some(ground) = Ground::new() else { return };
    ground.sandbox(&format!("{LOOSE}{sandbox}"));
    ground.container(&format!(
        "arguments: [report, pry=/tmp/stop, sleep]\nvolumes: {{ /tmp: !Tmpfs {{ size: 1Mi }} }}\n\
         secret-environ: {{ PASSWORD: {} }}",
        ground.seal("alpha", "", "a secret")
    ));
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    let probe = ["--with-secrets", "shop/web.0", "--", "/bin/probe"];
    let run = |action: &str| {
        let mut command = exec(&ground, &[&probe[..], &[action]].concat());
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
        let status = status.unwrap();
        assert!(status.success(), "{action}: {status}");
    };
    for _ in 0..TIMES {
        run("report");
    }
    run("write=/tmp/stop");
    let found = tree.result("shop/web.0", "pry=/tmp/stop");
    // The attempts work where they may, and were made in time.
    for way in [
        "exe",
        "open exe",
        "cwd",
        "root",
        "fd",
        "maps",
        "environ",
        "mem",
        "take a descriptor",
        "trace",
    ] {
        assert!(found["usual"][way].as_u64() > Some(0), "{way}: {found}");
    }
    assert!(found["seen"].as_u64() > Some(0), "{found}");
    assert_eq!(found["foreign"], serde_json::json!({}), "{found}");
}

#[test]
fn nobody_of_the_same_user_looks_into_a_command_before_it_is_executed() {
    nothing_can_be_pried_into("");
}

#[test]
fn nor_does_the_root_of_the_container() {
    nothing_can_be_pried_into(&format!("{OWN_ROOT}\ncapabilities: [SYS_PTRACE, KILL]"));
}

#[test]
fn nor_does_anybody_without_a_user_namespace() {
    nothing_can_be_pried_into("user-namespace: false");
}
