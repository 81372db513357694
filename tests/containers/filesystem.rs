//! The root and what is mounted on it.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::ground::{Ground, OWN_ROOT};
use crate::volumes::options;

fn targets(report: &Value) -> BTreeSet<&str> {
    let mounts = report["mounts"].as_array().unwrap().iter();
    mounts
        .map(|mount| mount["target"].as_str().unwrap())
        .collect()
}

#[test]
fn exactly_the_declared_is_mounted() {
    let Some(ground) = Ground::new() else { return };
    ground.directory("host/db", 1000, 0o755);
    ground.sandbox(&format!(
        "writable-paths: {{ /db: {} }}",
        ground.path("host/db").display()
    ));
    ground.container(
        "volumes: { /data: !Persistent /db, /tmp: !Tmpfs { size: 1Mi } }\n\
         resolv-conf: { mount: false }\nhosts-file: { mount: false }\narguments: [report, sleep]",
    );
    let tree = ground.start();
    let report = tree.result("shop/web.0", "report");
    // What covers parts of /proc and /sys differs from kernel to kernel.
    let (covers, mounts): (BTreeSet<_>, BTreeSet<_>) = targets(&report)
        .into_iter()
        .partition(|target| target.starts_with("/proc/") || target.starts_with("/sys/"));
    let expected = [
        "/", "/data", "/dev", "/dev/pts", "/dev/shm", "/proc", "/sys", "/tmp",
    ];
    assert_eq!(mounts, expected.into());
    for cover in covers {
        assert!(
            options(&report, cover).contains(&"ro".to_owned()),
            "{cover} can be written"
        );
    }
    for mount in report["mounts"].as_array().unwrap() {
        assert_eq!(mount["propagation"], serde_json::json!([]), "{mount}");
        assert!(
            mount["options"]
                .as_array()
                .unwrap()
                .iter()
                .any(|o| o == "nosuid"),
            "{mount}"
        );
    }
}

#[test]
fn the_image_cannot_be_written_by_whoever_owns_its_files() {
    let Some(ground) = Ground::new() else { return };
    ground.directory("images/probe/data", 1000, 0o777);
    ground.container(
        "arguments: [report, write=/data/file, write=/bin/probe, remount=/, unmount=/proc, sleep]",
    );
    let tree = ground.start();
    let report = tree.result("shop/web.0", "report");
    assert!(options(&report, "/").contains(&"ro".to_owned()));
    for action in [
        "write=/data/file",
        "write=/bin/probe",
        "remount=/",
        "unmount=/proc",
    ] {
        assert!(
            tree.result("shop/web.0", action)["error"].is_string(),
            "{action}"
        );
    }
}

#[test]
fn a_root_of_a_user_namespace_cannot_undo_a_mount_either() {
    let Some(ground) = Ground::new() else { return };
    ground.sandbox(OWN_ROOT);
    ground.container("arguments: [unmount=/proc, unmount=/sys, remount=/, write=/proc/sys/kernel/hostname, sleep]");
    let tree = ground.start();
    for action in [
        "unmount=/proc",
        "unmount=/sys",
        "remount=/",
        "write=/proc/sys/kernel/hostname",
    ] {
        assert!(
            tree.result("shop/web.0", action)["error"].is_string(),
            "{action}"
        );
    }
}

#[test]
fn sees_the_files_of_the_image_and_none_of_the_host() {
    let Some(ground) = Ground::new() else { return };
    ground.container(&format!(
        "arguments: [list=/, 'read={}', list=/.., sleep]",
        ground.path("master.yaml").display()
    ));
    let tree = ground.start();
    let listing = tree.result("shop/web.0", "list=/");
    let names: Vec<_> = listing.as_object().unwrap().keys().collect();
    let image = [
        "bin", "config", "data", "dev", "etc", "proc", "secrets", "shared", "state", "sys", "tmp",
        "work",
    ];
    assert_eq!(names, image);
    let up = tree.result("shop/web.0", "list=/..");
    assert_eq!(up.as_object().unwrap().keys().collect::<Vec<_>>(), image);
    let host = format!("read={}", ground.path("master.yaml").display());
    assert!(tree.result("shop/web.0", &host)["error"].is_string());
}

#[test]
fn the_private_dev_has_the_usual_devices_and_no_other() {
    let Some(ground) = Ground::new() else { return };
    ground.container(
        "arguments: [list=/dev, write=/dev/null, write=/dev/shm/x, write=/dev/x, sleep]",
    );
    let tree = ground.start();
    let listing = tree.result("shop/web.0", "list=/dev");
    let names: BTreeSet<_> = listing
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let expected = [
        "null", "zero", "full", "random", "urandom", "tty", "pts", "ptmx", "shm", "fd", "stdin",
        "stdout", "stderr",
    ];
    assert_eq!(names, expected.into());
    assert_eq!(tree.result("shop/web.0", "write=/dev/null"), "done");
    assert_eq!(tree.result("shop/web.0", "write=/dev/shm/x"), "done");
    assert!(tree.result("shop/web.0", "write=/dev/x")["error"].is_string());
}

#[test]
fn kernel_settings_cannot_be_written() {
    let Some(ground) = Ground::new() else { return };
    ground.container(
        "arguments: [report, write=/proc/sys/kernel/core_pattern, write=/proc/sysrq-trigger, \
         write=/sys/kernel/mm/transparent_hugepage/enabled, sleep]",
    );
    let tree = ground.start();
    let report = tree.result("shop/web.0", "report");
    assert!(options(&report, "/sys").contains(&"ro".to_owned()));
    for action in [
        "write=/proc/sys/kernel/core_pattern",
        "write=/proc/sysrq-trigger",
        "write=/sys/kernel/mm/transparent_hugepage/enabled",
    ] {
        assert!(
            tree.result("shop/web.0", action)["error"].is_string(),
            "{action}"
        );
    }
}

#[test]
fn a_mount_point_that_is_a_symlink_stays_inside_the_image() {
    let Some(ground) = Ground::new() else { return };
    ground.directory("host/db", 1000, 0o755);
    ground.directory("host/victim", 0, 0o777);
    ground.sandbox(&format!(
        "writable-paths: {{ /db: {} }}",
        ground.path("host/db").display()
    ));
    symlink(ground.path("host/victim"), ground.path("images/probe/trap")).unwrap();
    ground.container("volumes: { /trap: !Persistent /db }\narguments: [write=/trap/file, sleep]");
    let tree = ground.start();
    // Resolved inside the image it does not exist.
    tree.wait_for_log(&["shop/web", "/trap"]);
    assert_eq!(
        std::fs::read_dir(ground.path("host/victim"))
            .unwrap()
            .count(),
        0
    );
}
