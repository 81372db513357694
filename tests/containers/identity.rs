//! User and group ids, id maps, capabilities, namespaces.

use serde_json::{Value, json};

use crate::ground::{Ground, OWN_ROOT};
use crate::tree::read;

/// All four ids of a kind: real, effective, saved, file system.
fn four(id: u32) -> Value {
    json!(format!("{id} {id} {id} {id}"))
}

fn host_ids(pid: i32, kind: &str) -> Value {
    let status = String::from_utf8(read(pid, "status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(kind))
        .unwrap();
    json!(line.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn runs_as_the_default_user_of_the_sandbox_with_every_id_mapped_to_itself() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [report, sleep]");
    let tree = ground.start();
    let report = tree.result("shop/web.0", "report");
    assert_eq!(report["status"]["Uid"], four(1000));
    assert_eq!(report["status"]["Gid"], four(1000));
    assert_eq!(report["status"]["Groups"], "");
    assert_eq!(report["uid_map"], json!([[0, 0, 4294967295u32]]));
    assert_eq!(report["gid_map"], json!([[0, 0, 4294967295u32]]));
    assert_eq!(host_ids(tree.process("shop/web.0"), "Uid:"), four(1000));
}

#[test]
fn runs_as_the_user_and_group_that_the_container_names() {
    let Some(ground) = Ground::new() else { return };
    ground.container("user-id: 33\ngroup-id: 44\narguments: [report, sleep]");
    let tree = ground.start();
    let report = tree.result("shop/web.0", "report");
    assert_eq!(report["status"]["Uid"], four(33));
    assert_eq!(report["status"]["Gid"], four(44));
}

#[test]
fn a_root_by_the_map_of_the_sandbox_is_an_ordinary_user_outside() {
    let Some(ground) = Ground::new() else { return };
    ground.sandbox(OWN_ROOT);
    ground.container("arguments: [report, sleep]");
    let tree = ground.start();
    let report = tree.result("shop/web.0", "report");
    assert_eq!(report["status"]["Uid"], four(0));
    assert_eq!(report["status"]["Gid"], four(0));
    assert_eq!(report["uid_map"], json!([[0, 50000, 1000]]));
    assert_eq!(report["gid_map"], json!([[0, 60000, 1000]]));
    let process = tree.process("shop/web.0");
    assert_eq!(host_ids(process, "Uid:"), four(50000));
    assert_eq!(host_ids(process, "Gid:"), four(60000));
}

#[test]
fn runs_with_the_map_of_the_container() {
    let Some(ground) = Ground::new() else { return };
    ground.container(
        "uid-map:\n- { inside: 0, outside: 50000, count: 10 }\n- { inside: 20, outside: 60020, count: 1 }\n\
         gid-map: [{ inside: 5, outside: 50005, count: 1 }]\nuser-id: 20\ngroup-id: 5\n\
         arguments: [report, sleep]",
    );
    let tree = ground.start();
    let report = tree.result("shop/web.0", "report");
    assert_eq!(report["status"]["Uid"], four(20));
    assert_eq!(report["status"]["Gid"], four(5));
    assert_eq!(report["uid_map"], json!([[0, 50000, 10], [20, 60020, 1]]));
    assert_eq!(report["gid_map"], json!([[5, 50005, 1]]));
    let process = tree.process("shop/web.0");
    assert_eq!(host_ids(process, "Uid:"), four(60020));
    assert_eq!(host_ids(process, "Gid:"), four(50005));
}

#[test]
fn has_no_capability_and_cannot_become_root() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [report, become=0, become=1001, sleep]");
    let tree = ground.start();
    let report = tree.result("shop/web.0", "report");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(report["status"][set], "0000000000000000", "{set}");
    }
    for action in ["become=0", "become=1001"] {
        assert!(
            tree.result("shop/web.0", action)["error"].is_string(),
            "{action}"
        );
    }
}

#[test]
fn has_namespaces_of_its_own_but_for_the_network() {
    let Some(ground) = Ground::new() else { return };
    ground.processes("web: { image: probe, config: /config/web.yaml, instances: 2 }");
    ground.container("arguments: [report, sleep]");
    let tree = ground.start();
    let one = &tree.result("shop/web.0", "report")["namespaces"];
    let other = &tree.result("shop/web.1", "report")["namespaces"];
    let host = |kind: &str| {
        let link = std::fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
        json!(link.display().to_string())
    };
    for kind in ["cgroup", "ipc", "mnt", "pid", "user", "uts"] {
        assert_ne!(one[kind], host(kind), "{kind}");
        assert_ne!(one[kind], other[kind], "{kind}");
    }
    assert_eq!(one["net"], host("net"));
}

#[test]
fn stays_in_the_user_namespace_of_the_host_where_the_sandbox_says_so() {
    let Some(ground) = Ground::new() else { return };
    ground.sandbox("user-namespace: false");
    ground.container("arguments: [report, sleep]");
    let tree = ground.start();
    let report = tree.result("shop/web.0", "report");
    let host = std::fs::read_link("/proc/self/ns/user").unwrap();
    assert_eq!(
        report["namespaces"]["user"],
        json!(host.display().to_string())
    );
    assert_eq!(report["status"]["Uid"], four(1000));
    assert_eq!(report["status"]["CapEff"], "0000000000000000");
}

#[test]
fn sees_no_process_but_those_of_its_container() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [report, sleep]");
    let tree = ground.start();
    let report = tree.result("shop/web.0", "report");
    let processes = report["processes"].as_object().unwrap();
    assert_eq!(processes.len(), 2, "{processes:?}");
    assert!(
        processes["1"]
            .as_str()
            .unwrap()
            .starts_with("lithos_knot --name shop/web.0")
    );
    assert_eq!(report["hostname"], "web.0");
}
