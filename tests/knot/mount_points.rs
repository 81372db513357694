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
            "cannot mount on /data: a symbolic link in a volume, or into one, is on the way"
        );
        assert!(hint.is_some());
    }
}

/// The container's own process could have put it there, in its last life.
#[test]
fn nor_is_one_within_a_volume() {
    needs_root!();
    let staged = || {
        let mut stage = Stage::new("echo ran");
        directory(&stage.host("volume"), 0o777, 1000);
        let host = json!({ "base": stage.host("volume"), "below": "" });
        stage.mount("/data", json!({ "persistent": { "host": host } }));
        stage.mount("/data/inner", tmpfs());
        stage
    };
    for link in ["/proc/sys", "/etc", "/data", "other", "."] {
        let stage = staged();
        symlink(link, stage.host("volume/inner")).unwrap();
        let (reason, _, _) = stage.run().failure();
        assert_eq!(
            reason,
            "cannot mount on /data/inner: a symbolic link in a volume, or into one, is on the way"
        );
    }
    let stage = staged();
    directory(&stage.host("volume/inner"), 0o755, 1000);
    assert_eq!(stage.run().good(), "ran\n");
}

/// Its own links are what the image's author wanted, as long as nobody else comes in between.
#[test]
fn nor_is_what_a_link_of_the_image_finds_in_a_volume() {
    needs_root!();
    let mut stage = Stage::new("echo ran");
    directory(&stage.host("volume"), 0o777, 1000);
    directory(&stage.host("volume/inner"), 0o755, 1000);
    symlink("/data", stage.image().join("link")).unwrap();
    let host = json!({ "base": stage.host("volume"), "below": "" });
    stage.mount("/data", json!({ "persistent": { "host": host } }));
    stage.mount("/link/inner", tmpfs());
    let (reason, _, _) = stage.run().failure();
    assert!(
        reason.contains("a symbolic link in a volume, or into one"),
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
