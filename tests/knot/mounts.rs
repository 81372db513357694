//! The container's file system, as its process sees it.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use serde_json::json;

use super::launcher::{Stage, directory, program};

#[test]
fn the_root_is_the_image_and_cannot_be_written() {
    needs_root!();
    let mut stage = Stage::new("busybox ls /; busybox touch /x /tmp/x /etc/x");
    stage.plan["ids"]["uid"] = json!(0);
    let ended = stage.run();
    assert!(
        ended
            .printed()
            .starts_with("bin\ndata\ndata2\ndev\netc\nproc\nsys\ntmp\n")
    );
    for path in ["/x", "/tmp/x", "/etc/x"] {
        let refusal = format!("touch: {path}: Read-only file system");
        assert!(ended.printed().contains(&refusal), "{}", ended.output);
    }
}

#[test]
fn nothing_of_the_hosts_mounts_remains() {
    needs_root!();
    let mut stage = Stage::new("busybox cat /proc/self/mountinfo");
    directory(&stage.host("volume"), 0o777, 0);
    let base = stage.host("volume");
    stage.mount(
        "/data",
        json!({ "persistent": { "host": { "base": base, "below": "" } } }),
    );
    let printed = stage.run().good();
    let mut points = Vec::new();
    for line in printed.lines() {
        let fields: Vec<_> = line.split(' ').collect();
        let (point, options) = (fields[4], fields[5]);
        assert!(options.contains("nosuid"), "{line}");
        assert!(
            options.contains("nodev") || point.starts_with("/dev"),
            "{line}"
        );
        assert!(
            !line.contains("shared:") && !line.contains("master:"),
            "{line}"
        );
        points.push(point);
    }
    // What hides or freezes parts of /proc and /sys depends on the kernel.
    points.retain(|point| !point.starts_with("/proc/") && !point.starts_with("/sys/"));
    assert_eq!(
        points,
        [
            "/", "/proc", "/sys", "/dev", "/dev/pts", "/dev/shm", "/data"
        ]
    );
    assert!(
        printed
            .lines()
            .next()
            .unwrap()
            .contains("/image / ro,nosuid,nodev")
    );
}

#[test]
fn a_readonly_volume_cannot_be_written_nor_executed_from() {
    needs_root!();
    let script = "busybox cat /data/file; echo x > /data/file; /data/busybox true; echo $?";
    let mut stage = Stage::new(script);
    directory(&stage.host("volume/deep"), 0o777, 1000);
    fs::write(stage.host("volume/deep/file"), "from the host\n").unwrap();
    let busybox = fs::read("/bin/busybox").unwrap();
    program(&stage.host("volume/deep/busybox"), &busybox, 0o755);
    let base = stage.host("volume");
    stage.mount(
        "/data",
        json!({ "readonly": { "base": base, "below": "deep" } }),
    );
    let printed = stage.run().good();
    assert!(printed.starts_with("from the host\n"), "{printed}");
    assert!(printed.contains("Read-only file system"), "{printed}");
    assert!(printed.contains("Permission denied\n126"), "{printed}");
}

#[test]
fn a_file_is_mounted_on_a_file_only() {
    needs_root!();
    let stage = |target: &str| {
        let mut stage = Stage::new("busybox cat /etc/conf");
        fs::write(stage.image().join("etc/conf"), "the image's\n").unwrap();
        directory(&stage.host("volume"), 0o755, 0);
        fs::write(stage.host("volume/conf"), "the host's\n").unwrap();
        let base = stage.host("volume");
        stage.mount(
            target,
            json!({ "readonly": { "base": base, "below": "conf" } }),
        );
        stage
    };
    assert_eq!(stage("/etc/conf").run().good(), "the host's\n");
    let (reason, hint, status) = stage("/data").run().failure();
    assert_eq!(reason, "cannot mount on /data: is a directory");
    assert!(hint.unwrap().contains("a file on a file"));
    assert_eq!(status, 125);
}

#[test]
fn a_persistent_volume_keeps_what_is_written() {
    needs_root!();
    let mut stage = Stage::new(
        "echo kept > /data/file; busybox cp /bin/busybox /data/; /data/busybox true; echo $?",
    );
    directory(&stage.host("volume"), 0o777, 0);
    let base = stage.host("volume");
    stage.mount(
        "/data",
        json!({ "persistent": { "host": { "base": base, "below": "" } } }),
    );
    let ended = stage.run();
    assert!(ended.good().ends_with("Permission denied\n126\n"));
    let file = ended.stage.host("volume/file");
    assert_eq!(fs::read_to_string(&file).unwrap(), "kept\n");
    assert_eq!(fs::metadata(file).unwrap().uid(), 1000);
}

fn persistent(stage: &mut Stage, below: &str, make: bool) {
    directory(&stage.host("volume"), 0o755, 0);
    let host = json!({ "base": stage.host("volume"), "below": below });
    let mut what = json!({ "host": host });
    if make {
        what["make"] = json!({ "mode": 0o1770, "uid": 1000, "gid": 1234 });
    }
    stage.mount("/data", json!({ "persistent": what }));
}

#[test]
fn a_missing_persistent_directory_is_made_with_its_owner() {
    needs_root!();
    let mut stage = Stage::new("echo x > /data/file");
    persistent(&mut stage, "a/b", true);
    stage.plan["ids"]["gid"] = json!(1234);
    let ended = stage.run();
    ended.good();
    for path in ["volume/a", "volume/a/b"] {
        let made = fs::metadata(ended.stage.host(path)).unwrap();
        assert_eq!(
            (made.mode() & 0o7777, made.uid(), made.gid()),
            (0o1770, 1000, 1234)
        );
    }
    let base = fs::metadata(ended.stage.host("volume")).unwrap();
    assert_eq!((base.mode() & 0o7777, base.uid()), (0o755, 0));
    assert_eq!(fs::read_dir(ended.stage.host("volume")).unwrap().count(), 1);
}

#[test]
fn a_persistent_directory_that_is_there_keeps_its_owner() {
    needs_root!();
    let mut stage = Stage::new("busybox true");
    directory(&stage.host("volume/a"), 0o700, 4321);
    persistent(&mut stage, "a", true);
    let ended = stage.run();
    ended.good();
    let kept = fs::metadata(ended.stage.host("volume/a")).unwrap();
    assert_eq!((kept.mode() & 0o7777, kept.uid()), (0o700, 4321));
}

#[test]
fn a_missing_persistent_directory_is_an_error_with_a_hint() {
    needs_root!();
    let mut stage = Stage::new("busybox true");
    persistent(&mut stage, "a/b", false);
    let path = stage.host("volume/a/b");
    let (reason, hint, _) = stage.run().failure();
    let expected = format!(
        "cannot open {} on the host for the volume /data: no such file or directory",
        path.display()
    );
    assert_eq!(reason, expected);
    assert!(hint.unwrap().contains("mkdir: true"));
}

#[test]
fn a_volume_never_leads_out_of_its_base() {
    needs_root!();
    for (make, link) in [(false, "../outside"), (true, "../outside"), (true, "/tmp")] {
        for below in ["link", "link/made"] {
            let mut stage = Stage::new("busybox ls /data");
            directory(&stage.host("outside"), 0o777, 0);
            directory(&stage.host("volume"), 0o755, 0);
            symlink(link, stage.host("volume/link")).unwrap();
            persistent(&mut stage, below, make);
            let ended = stage.run();
            let (reason, _, _) = ended.failure();
            assert!(
                reason.ends_with("it leads out of the sandbox's directory"),
                "{reason}"
            );
            assert_eq!(
                fs::read_dir(ended.stage.host("outside")).unwrap().count(),
                0
            );
        }
    }
}

#[test]
fn a_volume_may_follow_a_symlink_that_stays_beneath_its_base() {
    needs_root!();
    let mut stage = Stage::new("busybox ls /data");
    directory(&stage.host("volume/real"), 0o755, 0);
    fs::write(stage.host("volume/real/file"), "").unwrap();
    symlink("real", stage.host("volume/link")).unwrap();
    persistent(&mut stage, "link", false);
    assert_eq!(stage.run().good(), "file\n");
}

#[test]
fn refuses_to_mount_what_is_neither_directory_nor_file() {
    needs_root!();
    let mut stage = Stage::new("busybox true");
    directory(&stage.host("volume"), 0o755, 0);
    let fifo = nix::unistd::mkfifo(&stage.host("volume/fifo"), nix::sys::stat::Mode::S_IRWXU);
    fifo.unwrap();
    persistent(&mut stage, "fifo", false);
    let (reason, _, _) = stage.run().failure();
    assert!(
        reason.ends_with("it is neither a directory nor a regular file"),
        "{reason}"
    );
}

#[test]
fn a_tmpfs_has_its_size_and_mode_and_may_hold_programs() {
    needs_root!();
    let script = "busybox stat -c %a /data; busybox cp /bin/busybox /data/; /data/busybox echo ran; \
                  busybox dd if=/dev/zero of=/data/big bs=1M count=20 2>&1 | busybox grep -o 'No space'";
    let mut stage = Stage::new(script);
    stage.mount(
        "/data",
        json!({ "tmpfs": { "size": 8 << 20, "mode": 0o1777 } }),
    );
    assert_eq!(stage.run().good(), "1777\nran\nNo space\n");
}

#[test]
fn statedirs_are_parts_of_one_small_tmpfs() {
    needs_root!();
    let script = "busybox stat -c '%a %u %g' /data /data2; echo x > /data/one; busybox ls /data /data2; \
                  busybox dd if=/dev/zero of=/data/big bs=1M count=20 2>&1 | busybox grep -o 'No space'; \
                  busybox cp /bin/busybox /data2/b 2>/dev/null; /data2/b true; echo $?";
    let mut stage = Stage::new(script);
    let owner = |mode: u32, id: u32| json!({ "mode": mode, "uid": id, "gid": id });
    stage.mount(
        "/data",
        json!({ "statedir": { "below": "a/b", "owner": owner(0o700, 1000) } }),
    );
    stage.mount(
        "/data2",
        json!({ "statedir": { "below": "", "owner": owner(0o777, 7) } }),
    );
    let printed = stage.run().good();
    let expected = "700 1000 1000\n777 7 7\n/data:\none\n\n/data2:\na\nNo space\n";
    assert!(printed.starts_with(expected), "{printed}");
    assert!(printed.ends_with("Permission denied\n126\n"), "{printed}");
}

#[test]
fn a_volume_may_lie_on_a_volume_mounted_before() {
    needs_root!();
    let mut stage = Stage::new("echo x > /data/inner/file; busybox find /data");
    directory(&stage.host("volume/inner"), 0o777, 0);
    persistent(&mut stage, "", false);
    stage.mount(
        "/data/inner",
        json!({ "tmpfs": { "size": 1 << 20, "mode": 0o777 } }),
    );
    let ended = stage.run();
    assert_eq!(ended.good(), "/data\n/data/inner\n/data/inner/file\n");
    assert_eq!(
        fs::read_dir(ended.stage.host("volume/inner"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn a_symlink_in_the_image_never_leads_a_mount_to_the_host() {
    needs_root!();
    for link in [
        "/etc",
        "../../../../../../../../../../etc",
        "/proc/1/root/etc",
        "/proc/self/cwd",
    ] {
        let mut stage = Stage::new("busybox ls /etc");
        symlink(link, stage.image().join("link")).unwrap();
        directory(&stage.host("volume"), 0o755, 0);
        fs::write(stage.host("volume/mounted"), "").unwrap();
        let base = stage.host("volume");
        stage.mount(
            "/link",
            json!({ "readonly": { "base": base, "below": "" } }),
        );
        let ended = stage.run();
        match link.contains("/proc") {
            false => assert_eq!(ended.good(), "mounted\n"),
            true => assert!(ended.failure().0.starts_with("cannot mount on /link: ")),
        }
        assert!(!std::path::Path::new("/etc/mounted").exists());
    }
}

#[test]
fn a_missing_mount_point_is_an_error_with_a_hint() {
    needs_root!();
    let mut stage = Stage::new("busybox true");
    stage.mount(
        "/nowhere",
        json!({ "tmpfs": { "size": 4096, "mode": 0o777 } }),
    );
    let (reason, hint, status) = stage.run().failure();
    assert_eq!(
        reason,
        "cannot mount on /nowhere: no such file or directory"
    );
    assert_eq!(hint.as_deref(), Some("make the mount point in the image"));
    assert_eq!(status, 125);
}

#[test]
fn a_directory_is_not_mounted_on_a_file() {
    needs_root!();
    let mut stage = Stage::new("busybox true");
    stage.mount(
        "/bin/busybox",
        json!({ "tmpfs": { "size": 4096, "mode": 0o777 } }),
    );
    let (reason, _, _) = stage.run().failure();
    assert_eq!(reason, "cannot mount on /bin/busybox: not a directory");
}

#[test]
fn a_missing_image_is_an_error() {
    needs_root!();
    let mut stage = Stage::new("busybox true");
    stage.plan["image"] = json!("/nowhere/image");
    let (reason, _, status) = stage.run().failure();
    assert_eq!(
        reason,
        "cannot open the image /nowhere/image: no such file or directory"
    );
    assert_eq!(status, 125);
}

#[test]
fn generated_files_are_mounted_over_regular_files() {
    needs_root!();
    let script = "busybox cat /etc/hosts; busybox ls /etc; echo x > /etc/hosts";
    let mut stage = Stage::new(script);
    stage.plan["ids"]["uid"] = json!(0);
    fs::write(stage.image().join("etc/hosts"), "the image's\n").unwrap();
    symlink("hosts", stage.image().join("etc/resolv.conf")).unwrap();
    fs::write(stage.host("hosts"), "127.0.0.1 localhost").unwrap();
    let copy = stage.host("hosts");
    stage.plan["files"] = json!([
        { "target": "/etc/hosts", "insist": false, "copy": copy, "append": "10.0.0.1 db\n" },
        { "target": "/etc/resolv.conf", "insist": false, "append": "left alone, a symlink" },
        { "target": "/etc/missing", "insist": false, "append": "left alone, missing" },
    ]);
    let ended = stage.run();
    let printed = ended.printed();
    let expected = "127.0.0.1 localhost\n10.0.0.1 db\nhosts\nresolv.conf\n";
    assert!(printed.starts_with(expected), "{printed}");
    assert!(printed.contains("Read-only file system"), "{printed}");
    let image = fs::read_to_string(ended.stage.image().join("etc/hosts")).unwrap();
    assert_eq!(image, "the image's\n");
}

#[test]
fn a_generated_file_that_insists_needs_its_target() {
    needs_root!();
    let mut stage = Stage::new("busybox true");
    stage.plan["files"] = json!([{ "target": "/etc/resolv.conf", "insist": true }]);
    let (reason, hint, _) = stage.run().failure();
    assert_eq!(
        reason,
        "cannot mount on /etc/resolv.conf: there is no such regular file"
    );
    assert!(hint.unwrap().contains("make an empty file"));
}

#[test]
fn a_host_file_that_cannot_be_copied_is_an_error() {
    needs_root!();
    let mut stage = Stage::new("busybox true");
    fs::write(stage.image().join("etc/hosts"), "").unwrap();
    stage.plan["files"] = json!([{ "target": "/etc/hosts", "insist": false, "copy": "/nowhere" }]);
    let (reason, _, _) = stage.run().failure();
    assert_eq!(
        reason,
        "cannot copy from the host the file /nowhere: no such file or directory"
    );
}

#[test]
fn proc_and_sys_hide_and_freeze_what_is_the_machines() {
    needs_root!();
    let hidden = "/proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats \
        /proc/sched_debug /proc/scsi /proc/timer_list /proc/timer_stats /sys/firmware";
    let frozen = "/proc/sys/kernel/hostname /sys/kernel/profiling";
    let script = format!(
        "for f in {hidden}; do [ -d $f ] && busybox ls $f; [ -f $f ] && busybox cat $f; done; \
         for f in {frozen}; do echo h > $f; done"
    );
    let there = |path: &&str| fs::read(path).is_ok_and(|content| !content.is_empty());
    assert!(
        hidden.split_whitespace().any(|path| there(&path)),
        "the test tests nothing"
    );
    let mut stage = Stage::new(&script);
    stage.plan["ids"]["uid"] = json!(0);
    let printed = stage.run().printed();
    assert_eq!(printed.lines().count(), 2, "{printed}");
    assert!(
        printed
            .lines()
            .all(|line| line.contains("Read-only file system")),
        "{printed}"
    );
}

#[test]
fn proc_is_of_the_containers_own_pid_namespace() {
    needs_root!();
    let printed = Stage::new("echo /proc/[0-9]*; busybox cat /proc/1/comm")
        .run()
        .good();
    assert_eq!(printed, "/proc/1 /proc/2\nlithos_knot\n");
}

#[test]
fn dev_holds_the_usual_devices_and_no_other() {
    needs_root!();
    let script = "busybox ls /dev /dev/pts; busybox head -c 3 /dev/zero | busybox wc -c; \
        echo x > /dev/null; echo x > /dev/shm/x && echo shm; echo x > /dev/x; \
        echo x > /dev/full; busybox readlink /dev/ptmx; busybox readlink /dev/fd; busybox stat -c %a /dev/null /dev/shm; \
        exec 3<>/dev/ptmx && busybox ls /dev/pts";
    let stage = Stage::new(script);
    let printed = stage.run().good();
    let listed = "/dev:\nfd\nfull\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n\n/dev/pts:\nptmx\n3\nshm\n";
    assert!(printed.starts_with(listed), "{printed}");
    assert!(
        printed.contains("/dev/x: Read-only file system"),
        "{printed}"
    );
    assert!(printed.contains("No space left on device"), "{printed}");
    assert!(
        printed.ends_with("pts/ptmx\n/proc/self/fd\n666\n1777\n0\nptmx\n"),
        "{printed}"
    );
}

#[test]
fn a_prepared_dev_gets_its_own_pts() {
    needs_root!();
    let mut stage = Stage::new("busybox ls /dev /dev/pts");
    let dev = stage.host("dev");
    for part in ["pts", "shm"] {
        directory(&dev.join(part), 0o755, 0);
    }
    let null = dev.join("null");
    let mode = nix::sys::stat::Mode::from_bits_truncate(0o666);
    let device = nix::sys::stat::makedev(1, 3);
    nix::sys::stat::mknod(&null, nix::sys::stat::SFlag::S_IFCHR, mode, device).unwrap();
    fs::set_permissions(&null, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    stage.plan["mounts"][2]["what"] = json!({ "host-dev": dev });
    assert_eq!(
        stage.run().good(),
        "/dev:\nnull\npts\nshm\n\n/dev/pts:\nptmx\n"
    );
}

#[test]
fn a_false_null_device_is_refused() {
    needs_root!();
    let mut stage = Stage::new("busybox true");
    let dev = stage.host("dev");
    for part in ["pts", "shm"] {
        directory(&dev.join(part), 0o755, 0);
    }
    fs::write(dev.join("null"), "").unwrap();
    fs::set_permissions(
        dev.join("null"),
        std::os::unix::fs::PermissionsExt::from_mode(0o666),
    )
    .unwrap();
    stage.plan["mounts"][2]["what"] = json!({ "host-dev": dev });
    let (reason, _, _) = stage.run().failure();
    assert!(reason.contains("/dev/null in the container"), "{reason}");
}
