//! The four kinds of volumes.

use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use crate::ground::Ground;

/// The options of what is mounted at `target`, of a report.
pub fn options(report: &Value, target: &str) -> Vec<String> {
    let mounts = report["mounts"].as_array().unwrap();
    let mount = mounts.iter().find(|mount| mount["target"] == target);
    let mount = mount.unwrap_or_else(|| panic!("nothing is mounted at {target}: {mounts:?}"));
    serde_json::from_value(mount["options"].clone()).unwrap()
}

fn expect_options(report: &Value, target: &str, expected: &[&str]) {
    let options = options(report, target);
    for option in expected {
        assert!(
            options.iter().any(|o| o == option),
            "{target} is not {option}: {options:?}"
        );
    }
}

#[test]
fn a_readonly_volume_can_be_read_and_not_written() {
    let Some(ground) = Ground::new() else { return };
    ground.directory("host/shared/sub", 1000, 0o755);
    ground.write("host/shared/sub/page", "a page");
    ground.sandbox(&format!(
        "readonly-paths: {{ /shared: {} }}",
        ground.path("host/shared").display()
    ));
    ground.container(
        "volumes: { /data: !Readonly /shared/sub }\n\
         arguments: [report, read=/data/page, write=/data/page, write=/data/new, remount=/data, unmount=/data, sleep]",
    );
    let tree = ground.start();
    let report = tree.result("shop/web.0", "report");
    expect_options(&report, "/data", &["ro", "nosuid", "nodev", "noexec"]);
    assert_eq!(tree.result("shop/web.0", "read=/data/page"), "a page");
    for action in [
        "write=/data/page",
        "write=/data/new",
        "remount=/data",
        "unmount=/data",
    ] {
        assert!(
            tree.result("shop/web.0", action)["error"].is_string(),
            "{action}"
        );
    }
}

#[test]
fn a_persistent_volume_keeps_what_is_written() {
    let Some(ground) = Ground::new() else { return };
    ground.directory("host/db", 1000, 0o755);
    ground.sandbox(&format!(
        "writable-paths: {{ /db: {} }}",
        ground.path("host/db").display()
    ));
    ground.container(
        "volumes: { /data: !Persistent /db }\nrestart-timeout: 0.1\nrestart-timeout-max: 0.3\n\
         arguments: [report, write=/data/file, read=/data/file, exit=1]",
    );
    let tree = ground.start();
    let reads = tree.results("shop/web.0", "read=/data/file", 2);
    assert_eq!(reads[1], "the probe was here\n".repeat(2));
    let report = tree.result("shop/web.0", "report");
    expect_options(&report, "/data", &["rw", "nosuid", "nodev", "noexec"]);
    assert_eq!(
        fs::metadata(ground.path("host/db/file")).unwrap().uid(),
        1000
    );
}

#[test]
fn a_persistent_volume_is_made_with_the_mapped_owner_and_only_what_is_made_is_chowned() {
    let Some(ground) = Ground::new() else { return };
    ground.directory("host/db", 0, 0o711);
    ground.sandbox(&format!(
        "writable-paths: {{ /db: {} }}\nuid-map: [{{ inside: 0, outside: 50000, count: 1000 }}]\n\
         gid-map: [{{ inside: 0, outside: 60000, count: 1000 }}]\nallow-users: [0-999]\n\
         allow-groups: [0-999]\ndefault-user: 7\ndefault-group: 8",
        ground.path("host/db").display()
    ));
    ground.container(
        "volumes: { /data: !Persistent { path: /db/shop, mkdir: true, mode: 0o750, user: 7, group: 8 } }\n\
         arguments: [write=/data/file, list=/, sleep]",
    );
    let tree = ground.start();
    assert_eq!(tree.result("shop/web.0", "write=/data/file"), "done");
    let made = fs::metadata(ground.path("host/db/shop")).unwrap();
    assert_eq!(
        (made.uid(), made.gid(), made.mode() & 0o7777),
        (50007, 60008, 0o750)
    );
    let base = fs::metadata(ground.path("host/db")).unwrap();
    assert_eq!(
        (base.uid(), base.gid(), base.mode() & 0o7777),
        (0, 0, 0o711)
    );
    let inside = &tree.result("shop/web.0", "list=/")["data"];
    assert_eq!((&inside["uid"], &inside["gid"]), (&json!(7), &json!(8)));
}

#[test]
fn a_tmpfs_has_its_size_and_mode_and_is_new_in_each_container() {
    let Some(ground) = Ground::new() else { return };
    ground.container(
        "volumes: { /tmp: !Tmpfs { size: 1Mi, mode: 0o1777 } }\nrestart-timeout: 0.1\nrestart-timeout-max: 0.3\n\
         arguments: [report, list=/, list=/tmp, fill=/tmp/big, exit=1]",
    );
    let tree = ground.start();
    let report = tree.result("shop/web.0", "report");
    expect_options(&report, "/tmp", &["rw", "nosuid", "nodev"]);
    assert_eq!(tree.result("shop/web.0", "list=/")["tmp"]["mode"], "41777");
    for listing in tree.results("shop/web.0", "list=/tmp", 2) {
        assert_eq!(listing, json!({}));
    }
    assert_eq!(
        tree.result("shop/web.0", "fill=/tmp/big")["full-after"],
        1 << 20
    );
}

#[test]
fn a_tmpfs_can_hold_executables_as_noexec_is_for_the_others() {
    let Some(ground) = Ground::new() else { return };
    ground.container("volumes: { /tmp: !Tmpfs { size: 1Mi } }\narguments: [report, sleep]");
    let tree = ground.start();
    let report = tree.result("shop/web.0", "report");
    assert!(!options(&report, "/tmp").contains(&"noexec".to_owned()));
}

#[test]
fn directories_of_the_statedir_are_parts_of_one_small_tmpfs() {
    let Some(ground) = Ground::new() else { return };
    ground.container(
        "volumes:\n  /state: !Statedir { path: /, mode: 0o755 }\n  \
         /data: !Statedir { path: /run, mode: 0o700, user: 1000, group: 1000 }\n\
         arguments: [report, list=/state, write=/data/pid, write=/state/no, fill=/data/big, sleep]",
    );
    let tree = ground.start();
    let report = tree.result("shop/web.0", "report");
    for target in ["/state", "/data"] {
        expect_options(&report, target, &["rw", "nosuid", "nodev", "noexec"]);
    }
    assert_eq!(tree.result("shop/web.0", "write=/data/pid"), "done");
    assert!(tree.result("shop/web.0", "write=/state/no")["error"].is_string());
    let run = tree.result("shop/web.0", "list=/state")["run"].clone();
    assert_eq!(
        (&run["mode"], &run["uid"], &run["gid"]),
        (&json!("40700"), &json!(1000), &json!(1000))
    );
    let full = tree.result("shop/web.0", "fill=/data/big")["full-after"]
        .as_u64()
        .unwrap();
    assert!((15 << 20..=16 << 20).contains(&full), "{full}");
}

#[test]
fn volumes_are_mounted_shortest_first() {
    let Some(ground) = Ground::new() else { return };
    ground.directory("host/outer/inner", 0, 0o755);
    ground.directory("host/inner", 0, 0o755);
    ground.write("host/inner/which", "the inner one");
    ground.sandbox(&format!(
        "readonly-paths: {{ /o: {}, /i: {} }}",
        ground.path("host/outer").display(),
        ground.path("host/inner").display()
    ));
    ground.container(
        "volumes: { /data/inner: !Readonly /i, /data: !Readonly /o }\n\
         arguments: [read=/data/inner/which, sleep]",
    );
    let tree = ground.start();
    assert_eq!(
        tree.result("shop/web.0", "read=/data/inner/which"),
        "the inner one"
    );
}

#[test]
fn a_volume_whose_path_is_a_symlink_out_is_refused() {
    let Some(ground) = Ground::new() else { return };
    ground.directory("host/db", 0, 0o755);
    ground.directory("host/other", 0, 0o777);
    symlink("../other", ground.path("host/db/escape")).unwrap();
    symlink(ground.path("host/other"), ground.path("host/db/absolute")).unwrap();
    ground.sandbox(&format!(
        "writable-paths: {{ /db: {} }}",
        ground.path("host/db").display()
    ));
    for link in ["escape", "absolute"] {
        ground.container(&format!(
            "volumes: {{ /data: !Persistent /db/{link} }}\narguments: [write=/data/file, sleep]"
        ));
        let mut tree = ground.start();
        tree.wait_for_log(&["shop/web", link]);
        tree.stop();
        assert!(!ground.path("host/other/file").exists());
    }
}
