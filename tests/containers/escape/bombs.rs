//! As much of everything as there is: memory, logs. (Forks and files are in
//! [`super::processes`] and [`super::files`], numbers in [`super::configs`].)

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::Signal;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use serde_json::{Value, json};

use crate::ground::{Ground, OWN_ROOT};

const WEB: &str = "web: { image: probe, config: /config/web.yaml }";

#[test]
fn a_memory_bomb_ends_at_the_limit_and_nobody_elses_process() {
    let Some(ground) = Ground::new() else { return };
    let parent = ground.root().file_name().unwrap().display().to_string();
    ground.master(&format!("cgroup-name: {parent}"));
    let deed = "try=memory:200";
    for (sandbox, lines) in [
        ("shop", "limits: { memory: 32Mi }"),
        ("rooted", &format!("{OWN_ROOT}\nlimits: {{ memory: 32Mi }}")),
        ("roomy", "limits: { memory: 1Gi }"),
    ] {
        ground.sandbox_named(sandbox, lines);
        ground.write(&format!("processes/{sandbox}.yaml"), WEB);
    }
    ground.container(&format!("arguments: ['{deed}', sleep]"));
    ground.sandbox_named("honest", "");
    ground.write(
        "processes/honest.yaml",
        "web: { image: probe, config: /config/honest.yaml }",
    );
    ground.container_named("honest", "arguments: [report, sleep]");
    let tree = ground.start();
    tree.result("honest/web.0", "report");
    let honest = tree.process("honest/web.0");
    for sandbox in ["shop", "rooted"] {
        // The bomb is the largest there, so it is what the kernel ends.
        let result = tree.result(&format!("{sandbox}/web.0"), deed);
        assert_eq!(result, json!({ "signal": 9 }), "{sandbox}");
    }
    assert_eq!(tree.process("honest/web.0"), honest);
    // The opposite: where there is room for it.
    assert_eq!(tree.result("roomy/web.0", deed), json!({ "done": true }));
}

/// A mount of this test, undone with it.
struct Mounted(std::path::PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

#[test]
fn a_flood_of_output_fills_the_file_system_of_the_log_and_nothing_else() {
    let Some(ground) = Ground::new() else { return };
    let volume = ground.directory("host/db", 1000, 0o755);
    let disk = Mounted(ground.directory("log/stdio", 0, 0o755));
    mount("test", &disk.0, "tmpfs", MountFlags::empty(), c"size=2m").unwrap();
    ground.sandbox(&format!("writable-paths: {{ /db: {} }}", volume.display()));
    ground.container(
        "arguments: ['do=flood:8', write=/data/after, sleep]\n\
         volumes: { /data: !Persistent /db }",
    );
    let mut tree = ground.start();
    tree.wait("the end of the flood", || {
        volume.join("after").exists().then_some(())
    });
    let log = fs::metadata(ground.path("log/stdio/shop.log"))
        .unwrap()
        .len();
    assert!((1 << 20..=2 << 20).contains(&log), "{log}");
    // The supervisor logs and works on, its own log being elsewhere.
    ground.processes(
        "web: { image: probe, config: /config/web.yaml }\n\
         new: { image: probe, config: /config/new.yaml }",
    );
    ground.container_named(
        "new",
        "arguments: [write=/data/new, sleep]\nvolumes: { /data: !Persistent /db }",
    );
    tree.signal(Signal::SIGHUP);
    tree.wait("a new container", || {
        volume.join("new").exists().then_some(())
    });
    assert!(tree.stop().success());
    // The opposite: where there is room, the flood is as large as it can be.
    drop(disk);
    fs::remove_file(volume.join("after")).unwrap();
    let tree = ground.start();
    tree.wait("the end of the flood", || {
        volume.join("after").exists().then_some(())
    });
    let log = fs::metadata(ground.path("log/stdio/shop.log"))
        .unwrap()
        .len();
    assert!(log >= 8 << 20, "{log}");
}

/// What the probe's deed comes to on the host, done by this user.
fn on_host(ground: &Ground, user: u32, deed: &str) -> Value {
    let output = Command::new(ground.path("images/probe/bin/probe"))
        .arg(format!("try={deed}"))
        .uid(user)
        .output();
    let line: Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
    line["result"].clone()
}

/// The kernel gives each user so many inotify instances, and counts those in a user
/// namespace for its owner as well.
#[test]
fn the_watchers_of_others_are_not_used_up() {
    let Some(ground) = Ground::new() else { return };
    let (held, one) = ("do=hold-watchers", "watchers:1");
    let zero = "allow-users: [0]\ndefault-user: 0\ndefault-group: 0";
    ground.container(&format!("arguments: ['{held}', sleep]\nfileno-limit: 2048"));
    ground.container_named("honest", &format!("arguments: ['try={one}', sleep]"));
    for (sandbox, lines) in [("user", ""), ("rooted", OWN_ROOT), ("zero", zero)] {
        ground.sandbox_named(sandbox, lines);
        ground.write(&format!("processes/{sandbox}.yaml"), WEB);
    }
    ground.processes("{}");
    let tree = ground.start();
    for sandbox in ["user", "rooted", "zero"] {
        let result = tree.result(&format!("{sandbox}/web.0"), held);
        assert!(result["done"].as_u64() > Some(1), "{result}");
    }
    assert_eq!(on_host(&ground, 0, one), json!({ "done": 1 }));
    assert_eq!(on_host(&ground, 1000, one), json!({ "done": 1 }));
    let honest = "web: { image: probe, config: /config/honest.yaml }";
    ground.processes(honest);
    tree.signal(Signal::SIGHUP);
    let result = tree.result("shop/web.0", &format!("try={one}"));
    assert_eq!(result, json!({ "done": 1 }), "the neighbours'");
    // The opposite: where it has no namespace of its own, they are its user's.
    ground.sandbox_named("user", "user-namespace: false");
    tree.signal(Signal::SIGHUP);
    tree.results("user/web.0", held, 2);
    assert_eq!(on_host(&ground, 1000, one), json!({ "errno": "EMFILE" }));
}
