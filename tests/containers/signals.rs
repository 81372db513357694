//! Signals that come many at once or at a bad moment, and programs that are
//! replaced or missing when one comes.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::ground::Ground;
use crate::tree::{Tree, lives};

fn started_again(ground: &Ground) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lithos_tree"))
        .arg("-C")
        .arg(ground.path("master.yaml"))
        .output()
        .unwrap()
}

/// Waits until there are more refusals to reload than before the signal.
fn refuses_to_reload(tree: &Tree<'_>) {
    let count = || tree.log().matches("cannot reload").count();
    let before = count();
    tree.signal(Signal::SIGHUP);
    tree.wait("refusal", || (count() > before).then_some(()));
}

fn reload(tree: &Tree<'_>) {
    let count = || tree.log().matches("loaded; supervising").count();
    let before = count();
    tree.signal(Signal::SIGHUP);
    tree.wait("reload", || (count() > before).then_some(()));
}

#[test]
fn a_storm_of_reloads_changes_nothing_and_keeps_others_out() {
    let Some(ground) = Ground::new() else { return };
    ground.processes("web: { image: probe, config: /config/web.yaml, instances: 3 }");
    ground.container("arguments: [list=/bin, sleep]\nrestart-timeout: 0.05");
    let mut tree = ground.start();
    let names = ["shop/web.0", "shop/web.1", "shop/web.2"];
    let pids = || names.map(|name| (tree.knot(name), tree.process(name)));
    let before = pids();
    for number in 0..100 {
        tree.signal([Signal::SIGHUP, Signal::SIGQUIT][number % 2]);
        sleep(Duration::from_millis(3));
    }
    reload(&tree);
    assert_eq!(pids(), before);
    assert_eq!(ground.knots().len(), 3);
    let second = started_again(&ground);
    assert_eq!(second.status.code(), Some(1));
    let told = String::from_utf8(second.stderr).unwrap();
    let expected = format!("lithos_tree already runs with pid {}", tree.pid());
    assert!(told.contains(&expected), "{told}");
    kill(Pid::from_raw(before[0].1), Signal::SIGKILL).unwrap();
    tree.results(names[0], "list=/bin", 2);
    assert!(tree.stop().success());
    ground.expect_nothing_left();
}

#[test]
fn a_reload_does_not_interrupt_a_stop() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [ignore-term, list=/bin, sleep]\nkill-timeout: 1");
    let mut tree = ground.start();
    tree.result("shop/web.0", "list=/bin");
    let begin = Instant::now();
    tree.signal(Signal::SIGTERM);
    tree.wait_for_log(&["stopping every container"]);
    for _ in 0..20 {
        tree.signal(Signal::SIGHUP);
        sleep(Duration::from_millis(5));
    }
    assert!(tree.ended().success());
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert_eq!(tree.lines("shop/web.0", "list=/bin").len(), 1);
    ground.expect_nothing_left();
}

#[test]
fn a_stop_while_starting_leaves_nothing_behind() {
    let Some(ground) = Ground::new() else { return };
    ground.processes("web: { image: probe, config: /config/web.yaml, instances: 40 }");
    ground.container("arguments: [sleep]");
    let mut tree = ground.start();
    tree.wait("first start", || (!ground.knots().is_empty()).then_some(()));
    assert!(tree.stop().success());
    ground.expect_nothing_left();
    assert!(!ground.path("run/master.pid").exists());
}

/// Elsewhere it would find no records: everything would be started a second time.
#[test]
fn a_reload_refuses_to_move_the_records() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [list=/bin, sleep]\nrestart-timeout: 0.05");
    let mut tree = ground.start();
    tree.result("shop/web.0", "list=/bin");
    let knot = tree.knot("shop/web.0");
    let good = fs::read_to_string(ground.path("master.yaml")).unwrap();
    for (key, moved) in [
        ("runtime-dir", good.replace("/run\n", "/other\n")),
        ("state-dir", format!("{good}\nstate-dir: elsewhere\n")),
    ] {
        ground.write("master.yaml", &moved);
        refuses_to_reload(&tree);
        tree.wait_for_log(&[&format!("cannot move `{key}`")]);
        assert_eq!(ground.knots(), [knot]);
    }
    ground.write("master.yaml", good);
    reload(&tree);
    assert_eq!(ground.knots(), [knot]);
    assert!(tree.stop().success());
    ground.expect_nothing_left();
}

/// The programs, copied to where a test can replace them.
fn installed(ground: &Ground) -> PathBuf {
    let dir = ground.path("sbin");
    fs::create_dir_all(&dir).unwrap();
    for program in ["lithos_tree", "lithos_knot"] {
        install(&dir, program);
    }
    dir
}

/// As a package manager does: beside the old one, then in its place.
fn install(dir: &std::path::Path, program: &str) {
    let built = match program {
        "lithos_tree" => env!("CARGO_BIN_EXE_lithos_tree"),
        _ => env!("CARGO_BIN_EXE_lithos_knot"),
    };
    fs::copy(built, dir.join("new")).unwrap();
    fs::rename(dir.join("new"), dir.join(program)).unwrap();
}

#[test]
fn without_its_programs_it_does_not_reload_and_with_new_ones_it_does() {
    let Some(ground) = Ground::new() else { return };
    let dir = installed(&ground);
    ground.container("arguments: [list=/bin, sleep]\nrestart-timeout: 0.05");
    let mut tree = Tree::start_by(&ground, Command::new(dir.join("lithos_tree")));
    tree.result("shop/web.0", "list=/bin");
    let (knot, process) = (tree.knot("shop/web.0"), tree.process("shop/web.0"));
    for program in ["lithos_knot", "lithos_tree"] {
        fs::remove_file(dir.join(program)).unwrap();
        refuses_to_reload(&tree);
        fs::write(dir.join(program), "no program").unwrap();
        fs::set_permissions(dir.join(program), Permissions::from_mode(0o755)).unwrap();
        refuses_to_reload(&tree);
        assert!(lives(knot) && lives(process));
        install(&dir, program);
    }
    // The knot that the supervisor began with still starts containers.
    fs::remove_file(dir.join("lithos_knot")).unwrap();
    kill(Pid::from_raw(process), Signal::SIGKILL).unwrap();
    tree.results("shop/web.0", "list=/bin", 2);
    install(&dir, "lithos_knot");
    let kept = (tree.knot("shop/web.0"), tree.process("shop/web.0"));
    reload(&tree);
    let exe = fs::read_link(format!("/proc/{}/exe", tree.pid())).unwrap();
    assert_eq!(exe, dir.join("lithos_tree"));
    assert_eq!((tree.knot("shop/web.0"), tree.process("shop/web.0")), kept);
    assert!(tree.stop().success());
    ground.expect_nothing_left();
}
