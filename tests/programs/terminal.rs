//! `lithos_cmd` on a terminal: a real shell in a container, and a
//! pseudo-terminal in place of the host's.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Termios, Winsize, tcgetattr, tcsetwinsize};

use crate::cmd::{ground_with, lithos_cmd};
use crate::exec::{exec, ground_with_busybox};
use crate::ground::Ground;
use crate::tree::{children, read, wait_or};

/// The host's terminal, with `lithos_cmd` on it.
struct Session {
    master: OwnedFd,
    slave: OwnedFd,
    child: Child,
    shown: Arc<Mutex<String>>,
}

impl Session {
    /// Starts the command `job`; `piped`: stdout is a pipe.
    fn start(ground: &Ground, piped: bool) -> Self {
        Self::of(&lithos_cmd(ground, &["shop", "job"]), piped)
    }

    /// Starts this program.
    fn of(program: &std::process::Command, piped: bool) -> Self {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        unlockpt(&master).unwrap();
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let slave = ioctl_tiocgptpeer(&master, flags).unwrap();
        resize(&master, 33, 101);
        let end = || Stdio::from(slave.try_clone().unwrap());
        // As a login does: a session of its own, with this as its terminal.
        let mut command = std::process::Command::new("setsid");
        command
            .arg("--ctty")
            .arg(program.get_program())
            .args(program.get_args());
        command.stdin(end()).stderr(end());
        command.stdout(if piped { Stdio::piped() } else { end() });
        let child = command.spawn().unwrap();
        let shown = Arc::new(Mutex::new(String::new()));
        let (mut from, to) = (File::from(master.try_clone().unwrap()), Arc::clone(&shown));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                to.lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Self {
            master,
            slave,
            child,
            shown,
        }
    }

    fn type_in(&self, keys: &str) {
        let mut master = File::from(self.master.try_clone().unwrap());
        master.write_all(keys.as_bytes()).unwrap();
    }

    fn shown(&self) -> String {
        self.shown.lock().unwrap().clone()
    }

    fn expect(&self, text: &str) {
        let seen = wait_or(|| self.shown().contains(text).then_some(()));
        assert!(seen.is_some(), "no {text:?} in {:?}", self.shown());
    }

    /// The knots that hold a file of the command's record.
    fn knots(&self) -> Vec<i32> {
        children(self.child.id().cast_signed())
    }

    fn mode(&self) -> Termios {
        tcgetattr(&self.slave).unwrap()
    }

    fn is_raw(&self) -> bool {
        !self.mode().local_modes.contains(LocalModes::ICANON)
    }

    fn ended(&mut self) -> ExitStatus {
        wait_or(|| self.child.try_wait().unwrap()).expect("lithos_cmd does not end")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn resize(terminal: impl AsFd, rows: u16, columns: u16) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(terminal, size).unwrap();
}

fn shell() -> Option<Ground> {
    ground_with("export PS1='at-the-prompt> '; exec sh -i", "")
}

#[test]
fn a_shell_runs_on_a_terminal_of_the_containers_own() {
    let Some(ground) = shell() else { return };
    let mut session = Session::start(&ground, false);
    session.expect("at-the-prompt> ");
    session.type_in("tty; for n in 0 1 2; do readlink /proc/self/fd/$n; done; echo /dev/pts/*\r");
    session
        .expect("/dev/pts/0\r\n/dev/pts/0\r\n/dev/pts/0\r\n/dev/pts/0\r\n/dev/pts/0 /dev/pts/ptmx");
    session.type_in("exit 7\r");
    assert_eq!(session.ended().code(), Some(7));
    ground.expect_nothing_left();
}

#[test]
fn no_process_of_the_container_has_the_hosts_terminal() {
    let Some(ground) = shell() else { return };
    let session = Session::start(&ground, false);
    session.expect("at-the-prompt> ");
    let host = rustix::fs::fstat(&session.slave).unwrap();
    let (knot, mut looked) = (ground.knots()[0], 0);
    for pid in [vec![knot], children(knot)].concat() {
        for entry in std::fs::read_dir(format!("/proc/{pid}/fd"))
            .unwrap()
            .flatten()
        {
            let found = std::fs::metadata(entry.path()).unwrap();
            assert_ne!(
                (found.dev(), found.ino()),
                (host.st_dev, host.st_ino),
                "{entry:?}"
            );
            looked += 1;
        }
    }
    assert!(looked > 5);
}

#[test]
fn ctrl_c_and_ctrl_z_reach_the_job_and_not_the_shell() {
    let Some(ground) = shell() else { return };
    let mut session = Session::start(&ground, false);
    session.expect("at-the-prompt> ");
    session.type_in("sleep 1717\r");
    wait_or(|| find_sleep("1717").then_some(())).expect("the first job");
    session.type_in("\x03");
    session.type_in("echo interrupted with $?\r");
    session.expect("interrupted with 130");
    session.type_in("sleep 2000\r");
    wait_or(|| find_sleep("2000").then_some(())).expect("the second job");
    session.type_in("\x1a");
    session.expect("Stopped");
    session.type_in("jobs; kill %1; exit 3\r");
    // A stopped job makes some shells ask once more.
    session.type_in("exit 3\r");
    assert_eq!(session.ended().code(), Some(3));
}

#[test]
fn the_size_of_the_terminal_is_known_and_follows() {
    let Some(ground) = shell() else { return };
    let session = Session::start(&ground, false);
    session.expect("at-the-prompt> ");
    session.type_in("stty size\r");
    session.expect("33 101");
    resize(&session.master, 22, 55);
    session.type_in("sleep 0.2; stty size\r");
    session.expect("22 55");
}

#[test]
fn the_terminal_is_raw_meanwhile_and_restored_at_every_end() {
    let Some(ground) = shell() else { return };
    type End = (&'static str, fn(&Session));
    let ends: [End; 4] = [
        ("exit", |session| session.type_in("exit\r")),
        ("SIGHUP", |session| {
            kill(
                Pid::from_raw(session.child.id().cast_signed()),
                Signal::SIGHUP,
            )
            .unwrap();
        }),
        ("end of input", |session| session.type_in("\x04")),
        ("a knot killed", |session| {
            let knots = session.knots();
            kill(Pid::from_raw(knots[0]), Signal::SIGKILL).unwrap();
        }),
    ];
    for (what, end) in ends {
        let mut session = Session::start(&ground, false);
        session.expect("at-the-prompt> ");
        assert!(session.is_raw(), "{what}");
        end(&session);
        session.ended();
        assert!(!session.is_raw(), "{what}");
        assert!(
            session.mode().local_modes.contains(LocalModes::ECHO),
            "{what}"
        );
    }
    ground.expect_nothing_left();
}

#[test]
fn is_given_back_if_the_command_cannot_start() {
    let Some(ground) = ground_with("", "") else {
        return;
    };
    let script = ground.write("images/probe/bin/script", "\x7fELF, or so it says");
    std::fs::set_permissions(script, PermissionsExt::from_mode(0o755)).unwrap();
    ground.container_named(
        "job",
        "kind: Command\ninteractive: true\nexecutable: /bin/script",
    );
    let mut session = Session::start(&ground, false);
    assert_eq!(session.ended().code(), Some(126));
    session.expect("/bin/script");
    assert!(!session.is_raw());
}

#[test]
fn only_what_is_a_terminal_is_replaced() {
    let Some(ground) = ground_with(
        "echo out; tty; test -t 1 || echo a pipe; test -t 2 && echo tty >&2",
        "",
    ) else {
        return;
    };
    let mut session = Session::start(&ground, true);
    let mut piped = String::new();
    let mut stdout = session.child.stdout.take().unwrap();
    stdout.read_to_string(&mut piped).unwrap();
    assert_eq!(piped, "out\n/dev/pts/0\na pipe\n");
    session.expect("tty\r\n");
    assert_eq!(session.ended().code(), Some(0));
}

#[test]
fn all_that_is_printed_is_shown_until_the_last_byte() {
    let Some(ground) = ground_with("seq 1 20000; printf the-end", "") else {
        return;
    };
    for _ in 0..3 {
        let mut session = Session::start(&ground, false);
        assert_eq!(session.ended().code(), Some(0));
        session.expect("the-end");
        let lines = session.shown().lines().count();
        assert_eq!(lines, 20001);
    }
}

#[test]
fn a_shell_executed_in_a_container_has_a_terminal_of_the_containers_own() {
    let Some(ground) = ground_with_busybox("environ: { PATH: /bin }") else {
        return;
    };
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    let script = "export PS1='at-the-prompt> '; exec busybox sh -i";
    let args = ["shop/web.0", "--", "busybox", "sh", "-c", script];
    let mut session = Session::of(&exec(&ground, &args), false);
    session.expect("at-the-prompt> ");
    assert!(session.is_raw());
    session
        .type_in("for n in 0 1 2; do busybox readlink /proc/self/fd/$n; done; busybox stty size\r");
    session.expect("/dev/pts/0\r\n/dev/pts/0\r\n/dev/pts/0\r\n33 101");
    session.type_in("busybox stat -c 'it is %u:%g %a' $(busybox tty)\r");
    session.expect("it is 1000:5 620");
    session.type_in("busybox sleep 3000\r");
    wait_or(|| find_sleep("3000").then_some(())).expect("the job");
    session.type_in("\x03");
    session.type_in("echo interrupted with $?\r");
    session.expect("interrupted with 130");
    session.type_in("exit 7\r");
    assert_eq!(session.ended().code(), Some(7));
    assert!(!session.is_raw());
}

/// The container's process leads a session and has no terminal: whichever it opens is its
/// own from then on, if it is not another session's.
#[test]
fn no_process_takes_the_terminal_of_a_command_before_it_is_executed() {
    let root = "allow-users: [0]\ndefault-user: 0\ndefault-group: 0";
    for (lines, user) in [("", 1000), (root, 0), ("user-namespace: false", 1000)] {
        let Some(ground) = ground_with_busybox("environ: { PATH: /bin }") else {
            return;
        };
        ground.sandbox(lines);
        ground.container(
            "environ: { PATH: /bin }\narguments: [report, 'do=seize-terminal:/dev/pts/0']",
        );
        let tree = ground.start();
        tree.result("shop/web.0", "report");
        let script = "busybox stat -c 'it is of %u' $(busybox tty)";
        for _ in 0..20 {
            let args = ["shop/web.0", "--", "busybox", "sh", "-c", script];
            let mut session = Session::of(&exec(&ground, &args), false);
            let status = session.ended();
            assert!(status.success(), "{lines}: {}", session.shown());
            session.expect(&format!("it is of {user}"));
        }
    }
}

/// The state of a process, as a letter: `T` is stopped.
fn state(pid: i32) -> String {
    let stat = String::from_utf8_lossy(&read(pid, "stat")).into_owned();
    let (_, rest) = stat.rsplit_once(") ").unwrap_or_default();
    rest.chars().take(1).collect()
}

/// Stops the program on the terminal, and continues it.
fn pauses(mut session: Session) {
    session.expect("ready");
    let own = session.child.id().cast_signed();
    let knot = session.knots()[0];
    let command = wait_or(|| children(knot).first().copied()).unwrap();
    assert!(session.is_raw());
    kill(Pid::from_raw(own), Signal::SIGTSTP).unwrap();
    for pid in [own, command] {
        assert!(
            wait_or(|| (state(pid) == "T").then_some(())).is_some(),
            "{pid}"
        );
    }
    assert!(!session.is_raw());
    kill(Pid::from_raw(own), Signal::SIGCONT).unwrap();
    for pid in [own, command] {
        assert!(
            wait_or(|| (state(pid) != "T").then_some(())).is_some(),
            "{pid}"
        );
    }
    assert!(wait_or(|| session.is_raw().then_some(())).is_some());
    session.type_in("go on\r");
    session.expect("got go on");
    assert_eq!(session.ended().code(), Some(4));
    assert!(!session.is_raw());
}

const PAUSED: &str = "echo ready; read line; echo got $line; exit 4";

#[test]
fn a_command_pauses_with_its_caller_and_goes_on() {
    let Some(ground) = ground_with(PAUSED, "") else {
        return;
    };
    pauses(Session::start(&ground, false));
    ground.expect_nothing_left();
}

#[test]
fn so_does_one_executed_in_a_container_which_goes_on_meanwhile() {
    let Some(ground) = ground_with_busybox("environ: { PATH: /bin }") else {
        return;
    };
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    let args = ["shop/web.0", "--", "busybox", "sh", "-c", PAUSED];
    pauses(Session::of(&exec(&ground, &args), false));
    assert_ne!(state(tree.process("shop/web.0")), "T");
}

/// Whether some process sleeps for so long. Only then is it in the foreground: what is
/// typed to interrupt it before goes to the shell.
fn find_sleep(seconds: &str) -> bool {
    let line = format!("sleep\0{seconds}\0");
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        std::fs::read(entry.path().join("cmdline"))
            .is_ok_and(|found| found.ends_with(line.as_bytes()))
    })
}
