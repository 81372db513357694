//! Volumes with traps in them, laid by whoever can write them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::ground::Ground;
use crate::tree::files_below;

/// A volume of user 1000, and a directory that is not his to reach.
fn stage(ground: &Ground) -> (PathBuf, PathBuf) {
    let volume = ground.directory("host/db", 1000, 0o755);
    let victim = ground.directory("host/victim", 1000, 0o777);
    ground.sandbox(&format!("writable-paths: {{ /db: {} }}", volume.display()));
    (volume, victim)
}

/// `honest` runs, `shop/web` is refused for this reason.
fn expect_refused(ground: &Ground, needles: &[&str]) {
    ground.processes(
        "web: { image: probe, config: /config/web.yaml }\n\
         honest: { image: probe, config: /config/honest.yaml }",
    );
    ground.container_named("honest", "arguments: [report, sleep]");
    let tree = ground.start();
    tree.result("shop/honest.0", "report");
    tree.wait_for_log(&[&["shop/web"], needles].concat());
    assert!(tree.lines("shop/web.0", "report").is_empty());
}

#[test]
fn a_volume_path_that_a_container_made_a_symlink_out_is_refused() {
    let Some(ground) = Ground::new() else { return };
    let (volume, victim) = stage(&ground);
    ground.write("host/victim/secret", "hunter2");
    symlink(&victim, volume.join("link")).unwrap();
    // The opposite: by name it leads there.
    assert!(volume.join("link/secret").exists());
    ground.container("arguments: [report, sleep]\nvolumes: { /data: !Persistent /db/link }");
    expect_refused(&ground, &["leads out of"]);
}

/// runc 2024-45310: directories made on the host through a link.
#[test]
fn no_directory_is_made_through_a_symlink_of_a_volume() {
    let Some(ground) = Ground::new() else { return };
    let (volume, victim) = stage(&ground);
    symlink(&victim, volume.join("link")).unwrap();
    ground.container(
        "arguments: [report, sleep]\n\
         volumes: { /data: !Persistent { path: /db/link/new, mkdir: true } }",
    );
    expect_refused(&ground, &["leads out of"]);
    assert_eq!(files_below(&victim), Vec::<String>::new());
    // The opposite: by name it is made there.
    fs::create_dir_all(volume.join("link/new")).unwrap();
    assert_eq!(files_below(&victim), ["new"]);
}

/// The same link, put there between the check and the start: what the knot opens
/// is opened beneath the sandbox's directory again. The link flips all the time.
#[test]
fn no_directory_is_made_through_a_symlink_that_comes_and_goes() {
    let Some(ground) = Ground::new() else { return };
    let (volume, victim) = stage(&ground);
    ground.container(
        "arguments: [report, sleep]\nrestart-timeout: 0.05\nrestart-timeout-max: 0.05\n\
         volumes: { /data: !Persistent { path: /db/flip/new, mkdir: true } }",
    );
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (flip, spare) = (volume.join("flip"), volume.join("spare"));
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                symlink(&victim, &spare).unwrap();
                let _ = fs::rename(&spare, &flip);
                let _ = fs::remove_file(&spare);
                let _ = fs::remove_file(&flip);
                let _ = fs::create_dir(&flip);
                let _ = fs::remove_dir_all(&flip);
            }
        });
        let tree = ground.start();
        let tried = || tree.log().matches("shop/web").count() >= 10;
        let started = || !tree.lines("shop/web.0", "report").is_empty();
        tree.wait("ten lines about it, or a start", || {
            (tried() || started()).then_some(())
        });
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(files_below(&victim), Vec::<String>::new());
}

/// Nomad 2026-6959 and 2026-8052: output led into a file of the host.
#[test]
fn an_output_file_that_is_a_symlink_out_is_not_written() {
    let Some(ground) = Ground::new() else { return };
    let (volume, victim) = stage(&ground);
    fs::write(victim.join("file"), "as it was\n").unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    fs::set_permissions(victim.join("file"), open).unwrap();
    symlink(victim.join("file"), volume.join("log")).unwrap();
    ground.container(
        "arguments: [report, sleep]\nstdout-stderr-file: /data/log\n\
         volumes: { /data: !Persistent /db }",
    );
    expect_refused(&ground, &["/data/log"]);
    assert_eq!(fs::read(victim.join("file")).unwrap(), b"as it was\n");
    // The opposite: by name it is that file.
    assert_eq!(fs::read(volume.join("log")).unwrap(), b"as it was\n");
}

/// Nomad's logs are FIFOs; ours must never wait for the other end of one.
#[test]
fn an_output_file_that_is_a_fifo_is_refused_and_nobody_waits() {
    let Some(ground) = Ground::new() else { return };
    let (volume, _) = stage(&ground);
    let fifo = volume.join("log");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    nix::unistd::chown(&fifo, Some(1000.into()), Some(1000.into())).unwrap();
    ground.container(
        "arguments: [report, sleep]\nstdout-stderr-file: /data/log\n\
         volumes: { /data: !Persistent /db }",
    );
    expect_refused(&ground, &["/data/log"]);
}

/// A hard link of a file that is not his, put where lithos writes for him.
#[test]
fn a_file_of_the_image_gets_no_second_name_in_a_volume() {
    let Some(ground) = Ground::new() else { return };
    let (volume, _) = stage(&ground);
    ground.container(
        "arguments: ['try=make-link:/data/probe', sleep]\nvolumes: { /data: !Persistent /db }",
    );
    let tree = ground.start();
    let result = tree.result("shop/web.0", "try=make-link:/data/probe");
    assert!(
        ["EXDEV", "EPERM"]
            .iter()
            .any(|errno| result["errno"] == *errno),
        "{result}"
    );
    // The opposite: on the host both are one file system.
    fs::hard_link(ground.path("images/probe/bin/probe"), volume.join("probe")).unwrap();
}
