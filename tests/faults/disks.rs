//! Disks without space.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use lithos::config_log::{self, Entry};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};

use crate::ground::Ground;
use crate::scene::{by_shell, kill_process, knots, reload, wait_for_other_knot, wait_for_web};
use crate::tree::Tree;

/// A small disk.
struct Disk(PathBuf);

impl Disk {
    fn mount(ground: &Ground, name: &str, options: &str) -> Self {
        let path = ground.directory(name, 0, 0o755);
        let options = std::ffi::CString::new(options).unwrap();
        mount(
            "test",
            &path,
            "tmpfs",
            MountFlags::empty(),
            options.as_c_str(),
        )
        .unwrap();
        Self(path)
    }

    /// Leaves neither a block nor an inode.
    fn fill(&self) {
        let mut filler = File::create(self.0.join("filler")).unwrap();
        while filler.write_all(&[0; 512]).is_ok() {}
        for number in 0.. {
            if File::create(self.0.join(format!("filler.{number}"))).is_err() {
                return;
            }
        }
    }

    fn empty(&self) {
        for entry in fs::read_dir(&self.0).unwrap().flatten() {
            if entry.file_name().to_string_lossy().starts_with("filler") {
                fs::remove_file(entry.path()).unwrap();
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

fn master(ground: &Ground, run: &Path, log: &Path) {
    let (run, log) = (run.display(), log.display());
    let text = format!(
        "runtime-dir: {run}\ndefault-log-dir: {log}\nconfig-log-dir: {log}/config\n\
         stdio-log-dir: {log}/stdio\ncgroup-name: null\nlog-level: debug\n"
    );
    ground.write("master.yaml", text);
}

#[test]
fn a_full_log_disk_stops_nothing() {
    let Some(ground) = Ground::new() else { return };
    let disk = Disk::mount(&ground, "disk", "size=64k,nr_inodes=24");
    master(&ground, &ground.path("run"), &disk.0);
    ground.container("arguments: [sleep]\nrestart-timeout: 0.05");
    ground.processes("web: { image: probe, config: /config/web.yaml, instances: 2 }");
    // Without --log-stderr.
    let start = || Tree::start_by(&ground, by_shell("exec \"$0\" \"$1\" \"$2\""));
    let tree = start();
    let before = wait_for_web(&tree, &ground, 2);
    disk.fill();
    kill_process(&tree, "shop/web.0");
    wait_for_other_knot(&tree, &ground, "shop/web.0", &before["shop/web.0"]);
    // As a rotation leaves it: now it cannot even be made.
    fs::remove_file(disk.0.join("stdio/shop.log")).unwrap();
    disk.fill();
    let before = knots(&ground);
    kill_process(&tree, "shop/web.0");
    wait_for_other_knot(&tree, &ground, "shop/web.0", &before["shop/web.0"]);
    let before = wait_for_web(&tree, &ground, 2);
    tree.abandon();
    let mut tree = start();
    tree.wait("pid file", || {
        let text = fs::read_to_string(ground.path("run/master.pid")).ok()?;
        (text.trim() == tree.pid().to_string()).then_some(())
    });
    assert_eq!(knots(&ground), before);
    assert!(tree.stop().success());
    ground.expect_nothing_left_but_mounts();
}

#[test]
fn a_full_runtime_directory_keeps_what_runs_and_starts_the_rest_when_there_is_space() {
    let Some(ground) = Ground::new() else { return };
    let disk = Disk::mount(&ground, "disk", "size=256k,nr_inodes=64");
    master(&ground, &disk.0, &ground.path("log"));
    ground.container("arguments: [sleep]\nrestart-timeout: 0.05\nrestart-timeout-max: 0.2");
    ground.processes("web: { image: probe, config: /config/web.yaml, instances: 2 }");
    let tree = ground.start();
    let before = wait_for_web(&tree, &ground, 2);
    disk.fill();
    kill_process(&tree, "shop/web.0");
    tree.wait_for_log(&["shop/web.0: cannot start: cannot write the record: no space left"]);
    reload(&tree);
    tree.abandon();
    let mut tree = ground.start();
    let starts = || tree.log().matches("found running, pid").count();
    tree.wait("adoption", || (starts() >= 2).then_some(()));
    assert_eq!(knots(&ground)["shop/web.1"], before["shop/web.1"]);
    disk.empty();
    tree.process("shop/web.0");
    let after = wait_for_web(&tree, &ground, 2);
    assert_eq!(after["shop/web.1"], before["shop/web.1"]);
    assert!(tree.stop().success());
    ground.expect_nothing_left_but_mounts();
    assert!(!disk.0.join("state").exists());
}

#[test]
fn a_line_of_the_config_log_is_written_whole_or_not_at_all() {
    let Some(ground) = Ground::new() else { return };
    let disk = Disk::mount(&ground, "disk", "size=16k");
    let shop = "shop".parse().unwrap();
    let entry = Entry {
        time: std::time::SystemTime::UNIX_EPOCH,
        config: serde_json::json!({ "web": { "image": "x".repeat(5000) } }),
    };
    let append = || config_log::append(&disk.0, &shop, &entry);
    let written = std::iter::repeat_with(append).take_while(Result::is_ok);
    assert_eq!(written.count(), 3);
    mount_remount(&disk.0, MountFlags::empty(), c"size=1m").unwrap();
    append().unwrap();
    let (entries, broken) = config_log::read(&disk.0, &shop).unwrap();
    assert_eq!((entries.len(), broken), (4, 0));
}

#[test]
fn lines_of_the_audit_log_are_written_whole_or_later() {
    let Some(ground) = Ground::new() else { return };
    let disk = Disk::mount(&ground, "disk", "size=16k");
    master(&ground, &ground.path("run"), &disk.0);
    let stdio = format!("stdio-log-dir: {}", ground.path("log").display());
    let text = fs::read_to_string(ground.path("master.yaml")).unwrap();
    let of_disk = format!("stdio-log-dir: {}/stdio", disk.0.display());
    ground.write("master.yaml", text.replace(&of_disk, &stdio));
    let token = ground.seal("alpha", "", "a secret");
    // More than the disk takes in one go.
    let secrets: String = (0..100).map(|n| format!("  S{n}: {token}\n")).collect();
    ground.container(&format!("arguments: [sleep]\nsecret-environ:\n{secrets}"));
    let mut tree = ground.start();
    tree.process("shop/web.0");
    let lines = |path: &Path| -> Vec<String> {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    };
    let (owed, log) = (ground.path("run/audit.owed"), disk.0.join("audit.log"));
    tree.wait("lines that wait", || {
        (lines(&owed).len() == 100).then_some(())
    });
    assert!(lines(&log).is_empty(), "{:?}", lines(&log));
    mount_remount(&disk.0, MountFlags::empty(), c"size=1m").unwrap();
    reload(&tree);
    tree.wait("all lines", || (lines(&log).len() == 100).then_some(()));
    for line in lines(&log) {
        serde_json::from_str::<serde_json::Value>(&line).unwrap();
    }
    assert!(tree.stop().success());
}
