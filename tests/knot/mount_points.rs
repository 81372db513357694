//! Mount points that lead elsewhere than they are named.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use super::launcher::{Stage, directory};

fn tmpfs() -> serde_json::Value {
    json!({ "tmpfs": { "size": 65536, "mode": 0o755 } })
}

#[test]
fn a_symlink_to_what_the_kernel_shows_is_no_mount_point() {
    needs_root!();
    for link in ["/proc", "/proc/sys", "/sys/fs", "../sys"] {
        let mut stage = Stage::new("echo ran");
        fs::remove_dir(stage.image().join("data")).unwrap();
        symlink(link, stage.image().join("data")).unwrap();
        stage.mount("/data", tmpfs());
        let (reason, hint, _) = stage.run().failure();
        assert_eq!(
            reason,
            "cannot mount on /data: a symbolic link leads into /proc or /sys"
        );
        assert!(hint.is_some());
    }
}

/// The container's own process could have put it there, in its last life.
#[test]
fn nor_is_one_within_a_volume() {
    needs_root!();
    let mut stage = Stage::new("echo ran");
    directory(&stage.host("volume"), 0o777, 1000);
    symlink("/proc/sys", stage.host("volume/inner")).unwrap();
    let host = json!({ "base": stage.host("volume"), "below": "" });
    stage.mount("/data", json!({ "persistent": { "host": host } }));
    stage.mount("/data/inner", tmpfs());
    let (reason, _, _) = stage.run().failure();
    assert!(
        reason.starts_with("cannot mount on /data/inner: "),
        "{reason}"
    );
}

#[test]
fn a_symlink_within_the_image_is_one() {
    needs_root!();
    let mut stage = Stage::new("busybox stat -f -c %T /data2");
    fs::remove_dir(stage.image().join("data")).unwrap();
    symlink("/data2", stage.image().join("data")).unwrap();
    stage.mount("/data", tmpfs());
    assert_eq!(stage.run().good(), "tmpfs\n");
}
