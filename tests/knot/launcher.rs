//! Starts a knot as `lithos_tree` does, with a plan made by hand.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lithos::knot::command_line::Launch;
use lithos::report::{End, OutOfMemory, Report};
use lithos::sys::clone::{Side, fork};
use lithos::sys::memfd;
use serde_json::{Value, json};

/// The longest that anything in these tests may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ends a test early where there is no root.
macro_rules! needs_root {
    () => {
        if !crate::launcher::root() {
            return;
        }
    };
}

pub fn root() -> bool {
    if rustix::process::geteuid().is_root() {
        return true;
    }
    let must = std::env::var_os("LITHOS_TEST_ROOT").is_some_and(|value| value == "1");
    assert!(!must, "LITHOS_TEST_ROOT=1, and this is not root");
    println!("SKIP: containers can be made by root only");
    false
}

/// Held while files are written that are to be executed, and while a child has
/// not yet executed: else it could hold them open for writing ("text file busy").
pub static EXEC: Mutex<()> = Mutex::new(());

/// Writes a file of an image.
pub fn program(path: &Path, content: &[u8], mode: u32) {
    let _lock = EXEC.lock();
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A scratch directory with an image in it, and the plan of a container.
pub struct Stage {
    pub dir: PathBuf,
    pub plan: Value,
    pub sockets: Vec<OwnedFd>,
    /// Where the knot is told that the hierarchies are; none: it is not told.
    pub cgroups: Option<OwnedFd>,
    pub gated: bool,
}

impl Stage {
    /// A container that runs `script` in busybox's shell as user 1000.
    pub fn new(script: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("knot-{}-{count}", std::process::id());
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let image = dir.join("image");
        for path in ["bin", "proc", "sys", "dev", "etc", "tmp", "data", "data2"] {
            fs::create_dir_all(image.join(path)).unwrap();
        }
        fs::create_dir(dir.join("mnt")).unwrap();
        program(
            &image.join("bin/busybox"),
            &fs::read("/bin/busybox").unwrap(),
            0o755,
        );
        let plan = plan(&dir, script);
        Self {
            dir,
            plan,
            sockets: Vec::new(),
            cgroups: None,
            gated: false,
        }
    }

    pub fn image(&self) -> PathBuf {
        self.dir.join("image")
    }

    /// A file or directory on the host, for volumes.
    pub fn host(&self, path: &str) -> PathBuf {
        self.dir.join(path)
    }

    pub fn mount(&mut self, target: &str, what: Value) {
        let mounts = self.plan["mounts"].as_array_mut().unwrap();
        mounts.push(json!({ "target": target, "what": what }));
    }

    pub fn start(self) -> Running {
        let append = |name: &str| {
            let path = self.dir.join(name);
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .unwrap()
        };
        let plan = memfd::sealed("plan", self.plan.to_string().as_bytes()).unwrap();
        let (report, stdio) = (append("report"), append("stdio"));
        let (gate, opener) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let launch = Launch {
            name: "shop/web.0".parse().unwrap(),
            plan: plan.as_raw_fd(),
            report: report.as_raw_fd(),
            gate: self.gated.then_some(gate.as_raw_fd()),
            stdio: stdio.as_raw_fd(),
            cgroups: self.cgroups.as_ref().map(AsRawFd::as_raw_fd),
            sockets: self.sockets.iter().map(AsRawFd::as_raw_fd).collect(),
            terminal: None,
            replaced: Vec::new(),
        };
        let (pid, pidfd) = execute(&launch.to_args(), &launch, stdio.as_raw_fd());
        Running {
            pid,
            pidfd: Leash(pidfd),
            gate: Some(opener),
            stage: self,
        }
    }

    /// Runs the container to its end.
    pub fn run(self) -> Ended {
        self.start().wait()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A knot's pidfd; a test that fails leaves no container behind.
pub struct Leash(pub OwnedFd);

impl Drop for Leash {
    fn drop(&mut self) {
        // It has mostly ended already.
        let _ = rustix::process::pidfd_send_signal(&self.0, rustix::process::Signal::KILL);
    }
}

/// A knot that runs.
pub struct Running {
    pub pid: i32,
    pub pidfd: Leash,
    pub gate: Option<OwnedFd>,
    pub stage: Stage,
}

impl Running {
    pub fn open_gate(&mut self) {
        File::from(self.gate.take().unwrap())
            .write_all(b"!")
            .unwrap();
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::pidfd_send_signal(&self.pidfd.0, signal).unwrap();
    }

    pub fn output(&self) -> String {
        fs::read_to_string(self.stage.dir.join("stdio")).unwrap()
    }

    /// The knot's user ids: real, effective, saved, and that of files.
    pub fn users(&self) -> [u32; 4] {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
        let ids = line.unwrap().split_whitespace().map(|id| id.parse());
        let ids: Vec<_> = ids.map(Result::unwrap).collect();
        ids.try_into().unwrap()
    }

    /// Waits until the container has printed `text`.
    pub fn await_output(&self, text: &str) {
        let start = Instant::now();
        while !self.output().contains(text) {
            assert!(
                start.elapsed() < PATIENCE,
                "no {text:?} in {:?}, report: {:?}",
                self.output(),
                self.report()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn report(&self) -> Vec<Report> {
        let text = fs::read_to_string(self.stage.dir.join("report")).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    pub fn wait(self) -> Ended {
        let mut fds = [rustix::event::PollFd::new(
            &self.pidfd.0,
            rustix::event::PollFlags::IN,
        )];
        let timeout = rustix::event::Timespec {
            tv_sec: PATIENCE.as_secs() as i64,
            tv_nsec: 0,
        };
        let ready = rustix::event::poll(&mut fds, Some(&timeout)).unwrap();
        if ready == 0 {
            self.signal(rustix::process::Signal::KILL);
            panic!("the container did not end; it printed {:?}", self.output());
        }
        let pid = rustix::process::Pid::from_raw(self.pid).unwrap();
        let (_, status) =
            rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty())
                .unwrap()
                .unwrap();
        Ended {
            status: status.exit_status(),
            output: self.output(),
            report: self.report(),
            stage: self.stage,
        }
    }
}

/// A knot that has ended.
pub struct Ended {
    /// The knot's own exit status; none: killed.
    pub status: Option<i32>,
    pub output: String,
    pub report: Vec<Report>,
    pub stage: Stage,
}

impl Ended {
    /// What the process printed: all but the knot's own lines.
    pub fn printed(&self) -> String {
        let lines = self
            .output
            .lines()
            .filter(|line| !line.contains("Z lithos: shop/web.0 "));
        lines.map(|line| format!("{line}\n")).collect()
    }

    /// How the process ended; its start failed: panics with the reason.
    pub fn end(&self) -> End {
        match self.report.as_slice() {
            [Report::Started { .. }, Report::Ended { end, .. }] => *end,
            other => panic!("{other:?}, output: {}", self.output),
        }
    }

    /// What was killed for memory in the container.
    pub fn out_of_memory(&self) -> Option<OutOfMemory> {
        match self.report.last() {
            Some(Report::Ended { out_of_memory, .. }) => out_of_memory.clone(),
            other => panic!("{other:?}, output: {}", self.output),
        }
    }

    /// What the process printed, having ended well.
    pub fn good(&self) -> String {
        assert_eq!(self.end(), End::Exited(0), "{}", self.output);
        assert_eq!(self.status, Some(0));
        self.printed()
    }

    /// Reason, hint and status of a start that failed.
    pub fn failure(&self) -> (String, Option<String>, u8) {
        assert_eq!(self.status, Some(1), "{:?} {}", self.report, self.output);
        match self.report.as_slice() {
            [
                Report::Failed {
                    reason,
                    hint,
                    status,
                    ..
                },
            ] => (reason.clone(), hint.clone(), *status),
            other => panic!("{other:?}, output: {}", self.output),
        }
    }
}

fn plan(dir: &Path, script: &str) -> Value {
    let everyone = json!([{ "inside": 0, "outside": 0, "count": 4_294_967_295u32 }]);
    json!({
        "name": "shop/web.0",
        "kind": "Daemon",
        "image": dir.join("image"),
        "config": "/config/main.yaml",
        "mount-dir": dir.join("mnt"),
        "hostname": "web.0",
        "mounts": [
            { "target": "/proc", "what": "proc" },
            { "target": "/sys", "what": "sys" },
            { "target": "/dev", "what": "private-dev" },
        ],
        "ids": {
            "user-namespace": true, "uid-map": everyone, "gid-map": everyone,
            "uid": 1000, "gid": 1000, "host-uid": 1000, "host-gid": 1000,
        },
        "process": {
            "executable": "/bin/busybox",
            "arguments": ["sh", "-c", script],
            "environ": { "TERM": { "text": "dumb" }, "PATH": { "text": "/bin" } },
            "workdir": "/",
        },
        "limits": { "fileno": 1024 },
        "stdio": { "log": dir.join("stdio") },
        "supervision": {
            "restart-timeout": { "secs": 1, "nanos": 0 },
            "kill-timeout": { "secs": 5, "nanos": 0 },
        },
    })
}

/// The supervisor's side: new namespaces, then the exec.
fn execute(args: &[String], launch: &Launch, stdio: RawFd) -> (i32, OwnedFd) {
    let binary = CString::new(env!("CARGO_BIN_EXE_lithos_knot")).unwrap();
    let args: Vec<CString> = args
        .iter()
        .map(|arg| CString::new(arg.as_str()).unwrap())
        .collect();
    let mut argv: Vec<*const libc::c_char> = args.iter().map(|arg| arg.as_ptr()).collect();
    argv.push(std::ptr::null());
    let envp = [std::ptr::null::<libc::c_char>()];
    let null = File::open("/dev/null").unwrap();
    let mut passed = vec![launch.plan, launch.report, launch.stdio];
    passed.extend(launch.gate);
    passed.extend(launch.cgroups);
    passed.extend(&launch.sockets);
    let flags = libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
    let _lock = EXEC.lock();
    let (executed, exec) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    // SAFETY: the child makes system calls only, with what was laid out before.
    match unsafe { fork(flags, None) }.unwrap() {
        Side::Parent { pid, pidfd } => {
            drop(exec);
            // Ends with the exec, which closes the other end.
            File::from(executed).read_to_end(&mut Vec::new()).unwrap();
            (pid, pidfd)
        }
        // SAFETY: as above; every pointer was made before and is still there.
        Side::Child => unsafe {
            libc::dup2(null.as_raw_fd(), 0);
            libc::dup2(stdio, 1);
            libc::dup2(stdio, 2);
            for fd in passed {
                libc::fcntl(fd, libc::F_SETFD, 0);
            }
            libc::setsid();
            libc::execve(binary.as_ptr(), argv.as_ptr(), envp.as_ptr());
            libc::_exit(99)
        },
    }
}

/// Makes a directory with this mode and owner.
pub fn directory(path: &Path, mode: u32, owner: u32) {
    fs::create_dir_all(path).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    std::os::unix::fs::chown(path, Some(owner), Some(owner)).unwrap();
}
