//! Images whose files are traps for whoever builds a container of them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, chmod, makedev, mknodat};
use rustix::mount::mount_bind;

use super::scene::in_own_mounts;
use crate::ground::Ground;
use crate::tree::files_below;

/// A directory of the host that nobody may touch.
fn victim(ground: &Ground) -> std::path::PathBuf {
    let victim = ground.directory("host/victim", 0, 0o777);
    fs::write(victim.join("file"), "as it was").unwrap();
    victim
}

fn expect_untouched(victim: &Path) {
    assert_eq!(files_below(victim), ["file"]);
    assert_eq!(fs::read(victim.join("file")).unwrap(), b"as it was");
}

/// Replaces a directory or file of an image.
fn replace(ground: &Ground, name: &str, target: &Path) {
    let path = ground.path(name);
    let _ = fs::remove_dir(&path);
    let _ = fs::remove_file(&path);
    symlink(target, path).unwrap();
}

/// The link leads to the host by its absolute path, which the image has too: so
/// there is a place to mount on, the wrong one by name and the right one by root.
#[test]
fn a_symlinked_mount_point_leads_a_volume_into_the_image_and_not_to_the_host() {
    let Some(ground) = Ground::new() else { return };
    let victim = victim(&ground);
    let volume = ground.directory("host/db", 1000, 0o755);
    let inside = format!("images/probe{}", victim.display());
    fs::create_dir_all(ground.path(&inside)).unwrap();
    replace(&ground, "images/probe/trap", &victim);
    ground.sandbox(&format!("writable-paths: {{ /db: {} }}", volume.display()));
    ground.container(
        "volumes: { /trap: !Persistent /db }\narguments: [write=/trap/new, report, sleep]",
    );
    let tree = ground.start();
    assert_eq!(tree.result("shop/web.0", "write=/trap/new"), "done");
    expect_untouched(&victim);
    assert!(volume.join("new").exists());
    drop(tree);
    // The opposite: whoever mounts by name mounts over the host's directory.
    let (trap, db) = (ground.path("images/probe/trap"), volume);
    let seen = victim.clone();
    in_own_mounts(move || {
        mount_bind(&db, &trap).unwrap();
        assert!(seen.join("new").exists(), "the trap is none");
    });
}

/// crun 2019-18837 and runc 2025-52565 (`/dev`), runc 2019-19921, 2023-27561 and
/// 2025-52881 (`/proc`).
#[test]
fn an_image_whose_dev_proc_or_sys_is_a_symlink_is_refused() {
    let Some(ground) = Ground::new() else { return };
    let victim = victim(&ground);
    let mut processes = "honest: { image: probe, config: /config/web.yaml }\n".to_owned();
    for name in ["dev", "proc", "sys"] {
        for (kind, target) in [("out", victim.clone()), ("in", "/data".into())] {
            let image = format!("{name}-{kind}");
            ground.image(&image);
            let config = "executable: /bin/probe\narguments: [report, sleep]\n";
            ground.write(&format!("images/{image}/config/web.yaml"), config);
            let link = format!("images/{image}/{name}");
            replace(&ground, &link, &target);
            processes += &format!("{image}: {{ image: {image}, config: /config/web.yaml }}\n");
            if kind == "out" {
                // The opposite: by name it leads to the host.
                assert_eq!(fs::canonicalize(ground.path(&link)).unwrap(), victim);
            }
        }
    }
    ground.processes(&processes);
    ground.container("arguments: [report, sleep]");
    let tree = ground.start();
    tree.result("shop/honest.0", "report");
    for name in ["dev", "proc", "sys"] {
        // Looked up in the image, the first leads nowhere.
        for (kind, reason) in [
            (
                "out",
                format!("the image has no directory /{name} to mount on"),
            ),
            (
                "in",
                format!("/{name} of the image is a symbolic link, not a directory"),
            ),
        ] {
            tree.wait_for_log(&[&format!("shop/{name}-{kind}: {reason}")]);
            assert_eq!(ground.knot(&format!("shop/{name}-{kind}.0")), None);
        }
    }
    expect_untouched(&victim);
}

/// runc 2025-31133: masks are of the kernel's making, none is the image's
/// `/dev/null`.
#[test]
fn a_false_null_device_of_the_image_is_covered_and_masks_nothing() {
    let Some(ground) = Ground::new() else { return };
    let victim = victim(&ground);
    let null = "images/probe/dev/null";
    replace(&ground, null, &victim.join("file"));
    ground.container(
        "arguments: [write=/dev/null, 'try=some-of:/proc/interrupts', \
         'try=some-of:/proc/timer_list', report, sleep]",
    );
    let tree = ground.start();
    let report = tree.result("shop/web.0", "report");
    assert_eq!(report["descriptors"]["0"], "/dev/null");
    assert_eq!(tree.result("shop/web.0", "write=/dev/null"), "done");
    for path in ["/proc/interrupts", "/proc/timer_list"] {
        let result = tree.result("shop/web.0", &format!("try=some-of:{path}"));
        assert_eq!(result["done"], "nothing", "{path}");
    }
    expect_untouched(&victim);
    // The opposite: by name it is the file of the host.
    let by_name = fs::read(ground.path(null)).unwrap();
    assert_eq!(by_name, b"as it was");
}

/// The same in a `devfs-dir`, which is the maintainer's, and may be wrong.
#[test]
fn a_false_null_device_of_a_prepared_dev_is_refused() {
    let Some(ground) = Ground::new() else { return };
    for directory in ["pts", "shm"] {
        ground.directory(&format!("dev/{directory}"), 0, 0o755);
    }
    let make = |name: &str, minor: u32| {
        let (kind, mode) = (FileType::CharacterDevice, Mode::from_raw_mode(0o666));
        let path = ground.path(&format!("dev/{name}"));
        mknodat(CWD, &path, kind, mode, makedev(1, minor)).unwrap();
        chmod(&path, mode).unwrap(); // whatever the umask is
    };
    for (name, minor) in [("zero", 5), ("full", 7), ("random", 8), ("urandom", 9)] {
        make(name, minor);
    }
    // Which is the one that never ends.
    make("null", 5);
    ground.master(&format!("devfs-dir: {}", ground.path("dev").display()));
    ground.container("arguments: [report, sleep]\nrestart-timeout: 0.1\nrestart-timeout-max: 0.1");
    let tree = ground.start();
    tree.wait_for_log(&["shop/web.0", "it is not the null device"]);
    assert!(tree.lines("shop/web.0", "report").is_empty());
    // The opposite: a true one, in its place by the next start.
    fs::remove_file(ground.path("dev/null")).unwrap();
    make("null", 3);
    tree.result("shop/web.0", "report");
}

#[test]
fn a_symlinked_resolv_conf_is_left_alone_and_leads_nothing_to_the_host() {
    let Some(ground) = Ground::new() else { return };
    let victim = victim(&ground);
    ground.processes(
        "web: { image: probe, config: /config/web.yaml }\n\
         insisting: { image: probe, config: /config/insisting.yaml }",
    );
    for name in ["resolv.conf", "hosts"] {
        replace(
            &ground,
            &format!("images/probe/etc/{name}"),
            &victim.join("file"),
        );
    }
    ground.container("arguments: [report, sleep]");
    ground.container_named(
        "insisting",
        "arguments: [report, sleep]\nresolv-conf: { mount: true }",
    );
    let tree = ground.start();
    let report = tree.result("shop/web.0", "report");
    assert!(!report["mounts"].to_string().contains("resolv.conf"));
    tree.wait_for_log(&["shop/insisting", "/etc/resolv.conf"]);
    assert_eq!(ground.knot("shop/insisting.0"), None);
    expect_untouched(&victim);
}

/// runc 2024-21626: a working directory through a descriptor that leads out. All
/// that could be open is tried.
#[test]
fn a_working_directory_through_a_descriptor_or_the_knot_is_refused() {
    let Some(ground) = Ground::new() else { return };
    let mut workdirs: Vec<_> = (3..24).map(|fd| format!("/proc/self/fd/{fd}")).collect();
    workdirs.extend(["/proc/1/cwd", "/proc/1/root"].map(str::to_owned));
    let mut processes = String::new();
    for (number, workdir) in workdirs.iter().enumerate() {
        let lines = format!("workdir: {workdir}\narguments: [report, sleep]");
        ground.container_named(&format!("w{number}"), &lines);
        processes += &format!("w{number}: {{ image: probe, config: /config/w{number}.yaml }}\n");
    }
    ground.container("arguments: [report, sleep]");
    ground.processes(&(processes + "web: { image: probe, config: /config/web.yaml }\n"));
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    for (number, workdir) in workdirs.iter().enumerate() {
        let container = format!("shop/w{number}.0");
        let needle = format!("workdir {workdir}");
        tree.wait(&format!("refusal of {workdir}"), || {
            let log = tree.log();
            let told = |line: &str| line.contains(&container[..container.len() - 2]);
            let refused = |line: &&str| {
                told(line) && (line.contains(&needle) || line.contains("cannot work in"))
            };
            log.lines().find(refused).map(str::to_owned)
        });
        assert!(
            tree.lines(&container, "report").is_empty(),
            "{workdir} is entered"
        );
    }
    // The opposite: where a descriptor is open, it is a way.
    let host = fs::File::open(ground.path("host")).unwrap();
    let way = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&host));
    ground.write("host/marker", "");
    let mut probe = std::process::Command::new(ground.path("images/probe/bin/probe"));
    let output = probe.arg("list=.").current_dir(way).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("marker"));
}

/// runc 2021-43784: lengths that wrap round where a plan is packed into 16 bits.
#[test]
fn a_mount_point_longer_than_any_path_is_refused_whole() {
    let Some(ground) = Ground::new() else { return };
    ground.processes(
        "web: { image: probe, config: /config/web.yaml }\n\
         long: { image: probe, config: /config/long.yaml }",
    );
    ground.container("arguments: [report, sleep]");
    let long = format!("/data{}", "/.".repeat(35_000)).replace("/.", "/x");
    ground.container_named(
        "long",
        &format!("arguments: [report, sleep]\nvolumes:\n  ? {long}\n  : !Tmpfs {{}}"),
    );
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    tree.wait_for_log(&["shop/long"]);
    assert_eq!(ground.knot("shop/long.0"), None);
    assert!(tree.lines("shop/long.0", "report").is_empty());
}
