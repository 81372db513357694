//! The default confinement, and each line of a sandbox config that opens it: what
//! is refused without the line succeeds with it.

use std::fs::{self, Permissions};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{SocketAddr, UnixListener};

use serde_json::{Value, json};

use crate::ground::{Ground, OWN_ROOT};
use crate::volumes::options;

/// What comes of `actions` in a container of a sandbox with these lines.
fn results(ground: &Ground, sandbox: &str, container: &str, actions: &[&str]) -> Vec<Value> {
    let _ = fs::remove_file(ground.path("log/stdio/shop.log"));
    ground.sandbox(sandbox);
    ground.container(&format!(
        "{container}\narguments: [{}, sleep]",
        actions.join(", ")
    ));
    let mut tree = ground.start();
    let of = |action: &&str| tree.result("shop/web.0", action);
    let results = actions.iter().map(of).collect();
    assert!(tree.stop().success());
    results
}

fn result(ground: &Ground, sandbox: &str, action: &str) -> Value {
    results(ground, sandbox, "", &[action]).remove(0)
}

fn done(result: &Value) -> bool {
    result == "done"
}

/// Whether it failed for this reason.
fn failed(result: &Value, reason: &str) -> bool {
    result["error"]
        .as_str()
        .is_some_and(|error| error.contains(reason))
}

const NOT_PERMITTED: &str = "Operation not permitted";
const DENIED: &str = "Permission denied";
const NO_CAPABILITY: &str = "0000000000000000";
const SETS: [&str; 5] = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];

#[test]
fn everything_is_closed_by_default() {
    let Some(ground) = Ground::new() else { return };
    for sandbox in ["", OWN_ROOT] {
        let report = result(&ground, sandbox, "report");
        let status = &report["status"];
        for set in SETS {
            assert_eq!(status[set], NO_CAPABILITY, "{set}");
        }
        assert_eq!(
            (&status["Seccomp"], &status["NoNewPrivs"]),
            (&json!("2"), &json!("1"))
        );
        assert_eq!(status["Seccomp_filters"], "1");
        assert_eq!(report["limits"]["Max core file size"], json!(["1", "1"]));
        assert_eq!(
            report["session"],
            status["Pid"].as_str().unwrap().parse::<i32>().unwrap()
        );
        let root = options(&report, "/");
        for option in ["ro", "nosuid", "nodev"] {
            assert!(root.iter().any(|o| o == option), "{root:?}");
        }
    }
}

#[test]
fn a_system_call_is_refused_until_the_sandbox_allows_it() {
    let Some(ground) = Ground::new() else { return };
    let refused = result(&ground, "", "grab=0");
    assert!(failed(&refused, NOT_PERMITTED), "{refused}");
    let other = result(&ground, "seccomp: { allow: [ptrace] }", "grab=0");
    assert!(failed(&other, NOT_PERMITTED), "{other}");
    assert!(done(&result(
        &ground,
        "seccomp: { allow: [pidfd_getfd] }",
        "grab=0"
    )));
    let free = results(&ground, "seccomp: unconfined", "", &["grab=0", "report"]);
    assert!(done(&free[0]));
    assert_eq!(free[1]["status"]["Seccomp"], "0");
}

#[test]
fn a_capability_is_missing_until_the_sandbox_grants_it() {
    let Some(ground) = Ground::new() else { return };
    let allowed = "seccomp: { allow: [chroot] }";
    for ids in ["", OWN_ROOT] {
        let without = result(&ground, &format!("{ids}\n{allowed}"), "chroot=/tmp");
        assert!(failed(&without, NOT_PERMITTED), "{without}");
        let unusable = format!("{ids}\ncapabilities: [SYS_CHROOT]");
        let unusable = result(&ground, &unusable, "chroot=/tmp");
        assert!(failed(&unusable, NOT_PERMITTED), "{unusable}");
        let granted = format!("{ids}\n{allowed}\ncapabilities: [SYS_CHROOT]");
        let granted = results(
            &ground,
            &granted,
            "",
            &["report", "output=/bin/probe", "chroot=/tmp"],
        );
        assert!(done(&granted[2]), "{}", granted[2]);
        // The programs that it executes have it, too.
        for report in &granted[..2] {
            for set in SETS {
                assert_eq!(report["status"][set], "0000000000040000", "{set}");
            }
        }
    }
}

#[test]
fn a_set_user_id_program_works_only_where_the_sandbox_lets_it() {
    let Some(ground) = Ground::new() else { return };
    let program = ground.path("images/probe/bin/set-id");
    fs::copy(ground.path("images/probe/bin/probe"), &program).unwrap();
    chown(&program, Some(50000), Some(60000)).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o6755)).unwrap();
    let user = OWN_ROOT.replace("default-user: 0", "default-user: 5");
    let open = format!("{user}\nno-new-privileges: false");
    let uid = |sandbox: &str| {
        let results = results(&ground, sandbox, "", &["report", "output=/bin/set-id"]);
        let [own, other] = [&results[0], &results[1]].map(|report| report["status"].clone());
        (own["NoNewPrivs"].clone(), other["Uid"].clone())
    };
    assert_eq!(uid(&user), (json!("1"), json!("5 5 5 5")));
    assert_eq!(uid(&open), (json!("0"), json!("5 0 0 0")));
    // Where each id is itself, that would be the root of the host.
    assert_eq!(
        uid("no-new-privileges: false"),
        (json!("0"), json!("1000 1000 1000 1000"))
    );
}

#[test]
fn programs_on_volumes_are_executed_only_where_the_sandbox_lets_them() {
    let Some(ground) = Ground::new() else { return };
    ground.directory("host/db", 1000, 0o755);
    fs::copy(
        ground.path("images/probe/bin/probe"),
        ground.path("host/db/probe"),
    )
    .unwrap();
    let paths = format!(
        "readonly-paths: {{ /ro: {0} }}\nwritable-paths: {{ /rw: {0} }}",
        ground.path("host/db").display()
    );
    let volumes = "volumes: { /data: !Persistent /rw, /shared: !Readonly /ro, /state: !Statedir { path: / } }";
    let run = |lines: &str| {
        let actions = ["execute=/data/probe", "execute=/shared/probe", "report"];
        results(&ground, &format!("{paths}\n{lines}"), volumes, &actions)
    };
    let closed = run("");
    assert!(
        failed(&closed[0], DENIED) && failed(&closed[1], DENIED),
        "{closed:?}"
    );
    let open = run("allow-exec-volumes: true");
    assert_eq!(open[..2], ["exit status: 0", "exit status: 0"]);
    for (target, noexec) in [("/data", false), ("/shared", false), ("/state", true)] {
        let options = options(&open[2], target);
        let has = |option: &str| options.iter().any(|o| o == option);
        assert!(has("nosuid") && has("nodev"), "{options:?}");
        assert_eq!(has("noexec"), noexec, "{target}: {options:?}");
    }
}

#[test]
fn resource_limits_are_those_of_the_sandbox() {
    let Some(ground) = Ground::new() else { return };
    let lines = "rlimits: { nproc: 77, memlock: 1Mi, core: 1Mi, stack: 16Mi, fsize: unlimited }";
    let report = result(&ground, lines, "report");
    for (name, value) in [
        ("Max processes", "77"),
        ("Max locked memory", "1048576"),
        ("Max core file size", "1048576"),
        ("Max stack size", "16777216"),
        ("Max file size", "unlimited"),
        ("Max open files", "1024"),
    ] {
        assert_eq!(report["limits"][name], json!([value, value]), "{name}");
    }
}

#[test]
fn in_the_hosts_network_only_the_sandboxs_ports_are_bound() {
    let Some(ground) = Ground::new() else { return };
    // Taken here for a moment, so that it is free most likely.
    let free = || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let (allowed, other) = (free(), free());
    let ports = format!("allow-tcp-ports: [{allowed}]");
    let actions = [
        format!("bind={allowed}"),
        format!("bind={other}"),
        "bind=0".to_owned(),
    ];
    let actions = actions.each_ref().map(String::as_str);
    let closed = results(&ground, &ports, "", &actions);
    assert!(done(&closed[0]) && done(&closed[2]), "{closed:?}");
    assert!(failed(&closed[1], DENIED), "{closed:?}");
    let open = results(&ground, &format!("{ports}\nlandlock: off"), "", &actions);
    assert!(open.iter().all(done), "{open:?}");
}

#[test]
fn an_abstract_socket_of_the_host_is_out_of_reach() {
    let Some(ground) = Ground::new() else { return };
    let name = format!("lithos-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    let action = format!("connect={name}");
    let closed = result(&ground, "", &action);
    assert!(failed(&closed, NOT_PERMITTED), "{closed}");
    assert!(done(&result(&ground, "landlock: off", &action)));
}

#[test]
fn how_far_landlock_goes_is_logged_and_reported() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [report, sleep]");
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    tree.wait_for_log(&["landlock ABI"]);
    let log = || fs::read_to_string(ground.path("log/stdio/shop.log")).unwrap_or_default();
    tree.wait("the start's line", || {
        log().contains("started, landlock ABI").then_some(())
    });
    let reports = crate::tree::files_below(&ground.path("run/state"));
    let texts = reports
        .iter()
        .map(|file| fs::read_to_string(ground.path("run/state").join(file)));
    let texts: Vec<_> = texts.filter_map(Result::ok).collect();
    assert!(
        texts
            .iter()
            .any(|text| text.contains(r#""landlock":{"abi":"#)),
        "{texts:?}"
    );
}

#[test]
fn the_process_restarted_in_a_kept_container_is_confined_the_same() {
    restarted_in("user-namespace: true");
}

#[test]
fn so_is_one_in_the_hosts_user_namespace() {
    restarted_in("user-namespace: false");
}

fn restarted_in(user_namespace: &str) {
    let Some(ground) = Ground::new() else { return };
    ground.sandbox(&format!(
        "{user_namespace}\nseccomp: {{ allow: [chroot] }}\ncapabilities: [SYS_CHROOT]"
    ));
    ground.container(
        "restart-process-only: true\nrestart-timeout: 0.1\nrestart-timeout-max: 0.3\n\
         arguments: [report, grab=0, chroot=/tmp, exit=1]",
    );
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    let knot = tree.knot("shop/web.0");
    let reports = tree.results("shop/web.0", "report", 2);
    assert_eq!(tree.knot("shop/web.0"), knot, "it was not kept");
    for name in ["Seccomp", "NoNewPrivs", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(
            reports[0]["status"][name], reports[1]["status"][name],
            "{name}"
        );
    }
    assert_eq!(reports[1]["status"]["Seccomp"], "2");
    assert!(failed(
        &tree.results("shop/web.0", "grab=0", 2)[1],
        NOT_PERMITTED
    ));
    assert!(done(&tree.results("shop/web.0", "chroot=/tmp", 2)[1]));
}
