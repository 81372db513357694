//! Reloading in place: what is equal is left alone, what is broken stops
//! nothing, and no connection is refused.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::ground::Ground;
use crate::tree::{Tree, lives};

/// Asks for a reload and waits until it is done.
fn reload(tree: &Tree<'_>, signal: Signal) {
    let count = |log: String| log.matches("loaded; supervising").count();
    let before = count(tree.log());
    tree.signal(signal);
    tree.wait("reload", || (count(tree.log()) > before).then_some(()));
}

#[test]
fn leaves_equal_containers_untouched_and_goes_on_supervising_them() {
    let Some(ground) = Ground::new() else { return };
    ground.processes("web: { image: probe, config: /config/web.yaml, instances: 2 }");
    ground.container("arguments: [list=/bin, sleep]\nrestart-timeout: 0.05");
    let mut tree = ground.start();
    let names = ["shop/web.0", "shop/web.1"];
    for name in names {
        tree.result(name, "list=/bin");
    }
    let pids = names.map(|name| (tree.knot(name), tree.process(name)));
    for signal in [Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGHUP] {
        reload(&tree, signal);
        let now = names.map(|name| (tree.knot(name), tree.process(name)));
        assert_eq!(now, pids);
    }
    kill(Pid::from_raw(pids[0].1), Signal::SIGKILL).unwrap();
    tree.results(names[0], "list=/bin", 2);
    assert_eq!(tree.lines(names[1], "list=/bin").len(), 1);
    assert!(tree.stop().success());
    ground.expect_nothing_left();
}

#[test]
fn restarts_what_changed_starts_what_is_new_and_stops_what_is_gone() {
    let Some(ground) = Ground::new() else { return };
    let entry = "{ image: probe, config: /config/web.yaml }";
    ground.container("arguments: [list=/bin, sleep]\nrestart-timeout: 0.05");
    ground.container_named("changed", "arguments: [list=/bin, sleep]");
    ground.processes(&format!(
        "same: {entry}\ngone: {entry}\n\
         changed: {{ image: probe, config: /config/changed.yaml }}"
    ));
    let tree = ground.start();
    let names = ["shop/same.0", "shop/gone.0", "shop/changed.0"];
    let [same, gone, changed] = names.map(|name| {
        tree.result(name, "list=/bin");
        tree.knot(name)
    });
    ground.container_named("changed", "arguments: [list=/data, sleep]");
    ground.processes(&format!(
        "same: {entry}\nnew: {entry}\n\
         changed: {{ image: probe, config: /config/changed.yaml }}"
    ));
    reload(&tree, Signal::SIGHUP);
    tree.result("shop/new.0", "list=/bin");
    tree.result("shop/changed.0", "list=/data");
    tree.wait("end of what is gone", || (!lives(gone)).then_some(()));
    assert_eq!(tree.knot("shop/same.0"), same);
    assert!(!lives(changed));
    tree.wait("removal of its state", || {
        (!ground.path("run/state/shop/gone.0").exists()).then_some(())
    });
}

#[test]
fn stops_a_sandbox_that_is_gone_and_forgets_a_former_cgroup() {
    let Some(ground) = Ground::new() else { return };
    let root = ground.root().file_name().unwrap().display().to_string();
    let slices = ["old", "new"].map(|name| format!("{root}-{name}.slice"));
    let cgroups = |slice: &str| {
        let hierarchies = fs::read_dir("/sys/fs/cgroup").unwrap().flatten();
        let mut places: Vec<_> = hierarchies.map(|h| h.path().join(slice)).collect();
        places.push(format!("/sys/fs/cgroup/{slice}").into());
        places.retain(|place| place.exists());
        places
    };
    ground.master(&format!("cgroup-name: {}", slices[0]));
    ground.container("arguments: [list=/bin, sleep]\nrestart-timeout: 0.05");
    ground.sandbox_named("other", "");
    ground.write(
        "processes/other.yaml",
        "one: { image: probe, config: /config/web.yaml }",
    );
    let mut tree = ground.start();
    tree.result("shop/web.0", "list=/bin");
    tree.result("other/one.0", "list=/bin");
    let (kept, gone) = (tree.knot("shop/web.0"), tree.knot("other/one.0"));
    fs::remove_file(ground.path("sandboxes/other.yaml")).unwrap();
    reload(&tree, Signal::SIGHUP);
    tree.wait("end of what is gone", || {
        (!lives(gone) && !ground.path("run/state/other").exists()).then_some(())
    });
    assert_eq!(tree.knot("shop/web.0"), kept);
    for place in cgroups(&slices[0]) {
        assert!(!place.join("other:one.0").exists(), "{}", place.display());
    }
    assert!(!cgroups(&slices[0]).is_empty());
    ground.master(&format!("cgroup-name: {}", slices[1]));
    reload(&tree, Signal::SIGHUP);
    tree.results("shop/web.0", "list=/bin", 2);
    assert!(!lives(kept) && !cgroups(&slices[1]).is_empty());
    assert_eq!(cgroups(&slices[0]), Vec::<std::path::PathBuf>::new());
    assert!(tree.stop().success());
    assert_eq!(cgroups(&slices[1]), Vec::<std::path::PathBuf>::new());
    ground.expect_nothing_left();
}

#[test]
fn broken_files_stop_nothing() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [list=/bin, sleep]\nrestart-timeout: 0.05");
    let tree = ground.start();
    tree.result("shop/web.0", "list=/bin");
    let knot = tree.knot("shop/web.0");
    let files = [
        "processes/shop.yaml",
        "sandboxes/shop.yaml",
        "images/probe/config/web.yaml",
    ];
    for file in files {
        let good = fs::read(ground.path(file)).unwrap();
        fs::write(ground.path(file), "x: [").unwrap();
        reload(&tree, Signal::SIGHUP);
        assert!(lives(knot), "{file}");
        let log = tree.log();
        let told = |line: &str| line.contains(" ERROR ") && line.contains(file);
        assert!(log.lines().any(told), "{log}");
        fs::write(ground.path(file), good).unwrap();
    }
    reload(&tree, Signal::SIGHUP);
    assert_eq!(tree.knot("shop/web.0"), knot);
}

#[test]
fn a_broken_master_config_or_a_missing_directory_keeps_the_supervisor_as_it_is() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [list=/bin, sleep]\nrestart-timeout: 0.05");
    let tree = ground.start();
    tree.result("shop/web.0", "list=/bin");
    let knot = tree.knot("shop/web.0");
    let good = fs::read(ground.path("master.yaml")).unwrap();
    for bad in ["x: [", "sandboxes-dir: /nonexistent"] {
        ground.write("master.yaml", bad);
        let before = tree.log().matches("cannot reload").count();
        tree.signal(Signal::SIGHUP);
        tree.wait("refusal", || {
            (tree.log().matches("cannot reload").count() > before).then_some(())
        });
        assert!(lives(knot) && lives(tree.pid()));
    }
    fs::write(ground.path("master.yaml"), good).unwrap();
    kill(Pid::from_raw(tree.process("shop/web.0")), Signal::SIGKILL).unwrap();
    tree.results("shop/web.0", "list=/bin", 2);
}

#[test]
fn what_was_broken_starts_once_it_is_right_without_a_reload() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [list=/bin, sleep]");
    ground.processes(
        "web: { image: probe, config: /config/web.yaml }\n\
         late: { image: late, config: /config/web.yaml }",
    );
    let tree = ground.start();
    tree.result("shop/web.0", "list=/bin");
    let knot = tree.knot("shop/web.0");
    tree.wait_for_log(&["shop/late", "ERROR"]);
    fs::rename(ground.path("images/probe"), ground.path("images/late")).unwrap();
    tree.result("shop/late.0", "list=/bin");
    assert_eq!(tree.knot("shop/web.0"), knot);
}

/// Whether both instances run with this argument and will not be stopped.
fn settled(ground: &Ground, argument: &str) -> bool {
    (0..2).all(|number| {
        let record = ground.path(&format!("run/state/shop/web.{number}/record.json"));
        let record = fs::read(record).unwrap_or_default();
        let record: serde_json::Value = serde_json::from_slice(&record).unwrap_or_default();
        record["plan"]["process"]["arguments"][0] == argument
            && record["knot"].is_object()
            && record["stopping"].is_null()
    })
}

#[test]
fn refuses_no_connection_while_reloading_restarting_and_recovering() {
    let Some(ground) = Ground::new() else { return };
    let probe = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = probe.local_addr().unwrap().port();
    drop(probe);
    ground.sandbox(&format!("allow-tcp-ports: [{port}]"));
    let container = |argument: &str| {
        ground.container(&format!(
            "arguments: [list={argument}, serve=3]\nrestart-timeout: 0.05\n\
             tcp-ports: {{ {port}: {{ fd: 3, host: 127.0.0.1 }} }}"
        ));
    };
    container("/bin");
    ground.processes("web: { image: probe, config: /config/web.yaml, instances: 2 }");
    let mut tree = ground.start();
    let names = ["shop/web.0", "shop/web.1"];
    for name in names {
        tree.result(name, "list=/bin");
    }
    let (stop, connected) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut next = thread::scope(|scope| {
        let client = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                TcpStream::connect(("127.0.0.1", port))?;
                connected.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_millis(1));
            }
            std::io::Result::Ok(())
        });
        for number in 0..10 {
            container(["/data", "/bin"][number % 2]);
            reload(&tree, [Signal::SIGHUP, Signal::SIGQUIT][number % 2]);
        }
        tree.wait("two that run", || {
            settled(&ground, "list=/bin").then_some(())
        });
        tree.signal(Signal::SIGKILL);
        tree.ended();
        sleep(Duration::from_millis(200));
        // A second one, since dropping the first kills what it left.
        let next = ground.start();
        let pid = next.pid().to_string();
        next.wait("new supervisor", || {
            let file = fs::read_to_string(ground.path("run/master.pid"));
            (file.ok()?.trim() == pid).then_some(())
        });
        container("/data");
        reload(&next, Signal::SIGHUP);
        next.wait("two that run", || {
            settled(&ground, "list=/data").then_some(())
        });
        stop.store(true, Ordering::Relaxed);
        client.join().unwrap().expect("a connection was refused");
        next
    });
    assert!(connected.into_inner() > 100);
    assert!(next.stop().success());
    ground.expect_nothing_left();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}
