//! A running supervisor, and what can be seen of its containers from outside.

use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::ground::Ground;

/// Longer than anything takes here, on a machine that is busy besides.
const PATIENCE: Duration = Duration::from_secs(60);

/// The real `lithos_tree` in the foreground, its log on stderr in `log/tree`.
pub struct Tree<'a> {
    ground: &'a Ground,
    child: Child,
}

impl<'a> Tree<'a> {
    /// Starts it over this ground.
    pub fn start(ground: &'a Ground) -> Self {
        Self::start_by(ground, Command::new(env!("CARGO_BIN_EXE_lithos_tree")))
    }

    /// Starts it by a command that goes on with the arguments given to it.
    pub fn start_by(ground: &'a Ground, command: Command) -> Self {
        Self::start_with(ground, command, &["--log-stderr", "--log-level", "debug"])
    }

    /// Starts it with these arguments after the config.
    pub fn start_with(ground: &'a Ground, mut command: Command, args: &[&str]) -> Self {
        let log = File::options()
            .create(true)
            .append(true)
            .open(ground.path("log/tree"))
            .unwrap();
        // So that a core file would be written, if anything let it.
        let (_, hard) = getrlimit(Resource::RLIMIT_CORE).unwrap();
        setrlimit(Resource::RLIMIT_CORE, hard, hard).unwrap();
        let child = command
            .arg("--config")
            .arg(ground.path("master.yaml"))
            .args(args)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { ground, child }
    }

    /// Its pid.
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// The result of the container's first action of this name.
    pub fn result(&self, container: &str, action: &str) -> Value {
        self.results(container, action, 1).remove(0)
    }

    /// The results of this action, once the container has done it so often.
    pub fn results(&self, container: &str, action: &str, count: usize) -> Vec<Value> {
        let lines = self.wait(&format!("{count} times {action} of {container}"), || {
            let lines = self.lines(container, action);
            (lines.len() >= count).then_some(lines)
        });
        lines
            .into_iter()
            .map(|mut line| line["result"].take())
            .collect()
    }

    /// What the container's probe has said of this action so far.
    pub fn lines(&self, container: &str, action: &str) -> Vec<Value> {
        let (sandbox, _) = container.split_once('/').unwrap();
        let path = self.ground.path(&format!("log/stdio/{sandbox}.log"));
        let text = fs::read_to_string(path).unwrap_or_default();
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines
            .filter(|line| line["probe"] == container && line["action"] == action)
            .collect()
    }

    /// Everything that the supervisor has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.ground.path("log/tree")).unwrap_or_default()
    }

    /// Waits until the log holds all of these.
    pub fn wait_for_log(&self, needles: &[&str]) -> String {
        self.wait(&format!("{needles:?} in the log"), || {
            let log = self.log();
            needles
                .iter()
                .all(|needle| log.contains(needle))
                .then_some(log)
        })
    }

    /// Waits for something to be there.
    pub fn wait<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        wait_or(look).unwrap_or_else(|| {
            let log = self.log();
            let stdio = fs::read_to_string(self.ground.path("log/stdio/shop.log"));
            panic!(
                "no {what}; log:\n{log}\nstdio:\n{}",
                stdio.unwrap_or_default()
            )
        })
    }

    /// Waits until the supervisor listens, which it does not yet when it has just been
    /// started, nor is it prepared for a signal.
    pub fn listens(&self) {
        let connect = || UnixStream::connect(self.ground.path("run/control.sock"));
        self.wait("answer to a connection", || connect().ok());
    }

    /// The pid of the container's knot, once there is one.
    pub fn knot(&self, container: &str) -> i32 {
        self.wait(&format!("knot of {container}"), || {
            self.ground.knot(container)
        })
    }

    /// The pid, on the host, of the container's process, once the probe runs.
    pub fn process(&self, container: &str) -> i32 {
        self.wait(&format!("process of {container}"), || {
            // Each time anew: the knot may be one that is about to be replaced.
            let knot = self.ground.knot(container)?;
            let child = children(knot).into_iter().next()?;
            let exe = fs::read_link(format!("/proc/{child}/exe")).ok()?;
            (!exe.ends_with("lithos_knot")).then_some(child)
        })
    }

    /// Sends a signal to the supervisor.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// SIGKILL, which leaves the containers without a supervisor.
    pub fn abandon(mut self) {
        self.signal(Signal::SIGKILL);
        self.ended();
        // Dropped, it would kill what it leaves.
        std::mem::forget(self);
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.ended()
    }

    /// Waits for the end.
    pub fn ended(&mut self) -> ExitStatus {
        let child = &mut self.child;
        wait_or(|| child.try_wait().unwrap()).expect("the supervisor does not end")
    }
}

impl Drop for Tree<'_> {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.signal(Signal::SIGTERM);
            if wait_or(|| self.child.try_wait().unwrap()).is_none() {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
        }
        for knot in self.ground.knots() {
            let _ = kill(Pid::from_raw(knot), Signal::SIGKILL);
        }
    }
}

impl Ground {
    /// The pid of this container's knot.
    pub fn knot(&self, container: &str) -> Option<i32> {
        let line = format!("lithos_knot\0--name\0{container}\0");
        let knots = self.knots().into_iter();
        knots
            .into_iter()
            .find(|pid| read(*pid, "cmdline").starts_with(line.as_bytes()))
    }

    /// The knots of this ground, whosever children they are: those that have
    /// a file of it open.
    pub fn knots(&self) -> Vec<i32> {
        let knots = pids()
            .into_iter()
            .filter(|&pid| read(pid, "cmdline").starts_with(b"lithos_knot\0"));
        knots.filter(|&pid| self.has_open(pid)).collect()
    }

    /// Every process that has a file of this ground open, or as its root.
    pub fn processes_of(&self) -> Vec<i32> {
        pids()
            .into_iter()
            .filter(|&pid| self.has_open(pid))
            .collect()
    }

    fn has_open(&self, pid: i32) -> bool {
        let exe = fs::read_link(format!("/proc/{pid}/exe"));
        // This program, and its children that have not yet executed another.
        if exe.as_ref().ok() == std::env::current_exe().ok().as_ref() {
            return false;
        }
        let links = fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten()
            .flatten();
        let links = links.filter_map(|link| fs::read_link(link.path()).ok());
        links
            .chain(exe)
            .any(|target| target.starts_with(self.root()))
    }

    /// Fails if anything of the containers is left behind.
    pub fn expect_nothing_left(&self) {
        self.expect_nothing_left_but_mounts();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let root = self.root().display().to_string();
        assert!(!mounts.contains(&root), "a mount is left");
    }

    /// The same, for a test that has mounted something itself.
    pub fn expect_nothing_left_but_mounts(&self) {
        let left = self.processes_of();
        let lines: Vec<_> = left.iter().map(|pid| command_line(*pid)).collect();
        assert!(left.is_empty(), "processes are left: {lines:?}");
        let state = self.path("run/state");
        assert_eq!(files_below(&state), Vec::<String>::new(), "state is left");
    }
}

/// The relative paths of everything below a directory.
pub fn files_below(directory: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next).into_iter().flatten().flatten() {
            if entry.file_type().unwrap().is_dir() {
                left.push(entry.path());
            }
            found.push(
                entry
                    .path()
                    .strip_prefix(directory)
                    .unwrap()
                    .display()
                    .to_string(),
            );
        }
    }
    found
}

/// A file of `/proc/PID`; empty if it cannot be read.
pub fn read(pid: i32, name: &str) -> Vec<u8> {
    fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default()
}

/// The command line as text.
pub fn command_line(pid: i32) -> String {
    String::from_utf8_lossy(&read(pid, "cmdline")).replace('\0', " ")
}

/// Whether a process of this pid is there and no zombie.
pub fn lives(pid: i32) -> bool {
    let stat = read(pid, "stat");
    let stat = String::from_utf8_lossy(&stat);
    stat.rsplit(") ")
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

/// The children of a process.
pub fn children(parent: i32) -> Vec<i32> {
    let is_child = |pid: &i32| {
        let stat = String::from_utf8_lossy(&read(*pid, "stat")).into_owned();
        let rest = stat.rsplit(") ").next().unwrap_or_default();
        rest.split(' ').nth(1).and_then(|ppid| ppid.parse().ok()) == Some(parent)
    };
    pids().into_iter().filter(is_child).collect()
}

fn pids() -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// What `look` finds, or none when patience ends.
pub fn wait_or<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() > end {
            return None;
        }
        sleep(Duration::from_millis(10));
    }
}
