//! One supervisor, a container for each attacker, and the same deeds on the host.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;

use nix::sched::{CloneFlags, unshare};
use rustix::fs::{CWD, FileType, Mode, XattrFlags, chmod, makedev, mknodat, setxattr};
use rustix::mount::{MountPropagationFlags, mount_change};
use serde_json::Value;

use super::{ALL, ATTACKERS, Place};
use crate::descriptors::free_port;
use crate::ground::{Ground, OWN_ROOT};
use crate::tree::Tree;

/// What an accomplice on the host answers on an abstract socket.
pub const ANSWER: &str = "from the host";

/// Every capability that the sandbox `loose` needs for some opposite.
const CAPABILITIES: &str = "CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, KILL, SETGID, SETUID, \
    NET_ADMIN, NET_RAW, SYS_MODULE, SYS_RAWIO, SYS_CHROOT, SYS_PTRACE, SYS_PACCT, SYS_ADMIN, \
    SYS_BOOT, SYS_NICE, SYS_TIME, MKNOD, SYSLOG, PERFMON, BPF";

/// What the unfiltered attacker has of it: what means anything in his namespace.
const CAPABILITIES_INSIDE: &str = "CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, KILL, SETGID, \
    SETUID, SYS_CHROOT, SYS_PTRACE, SYS_ADMIN";

/// What came of each deed, by who did it.
pub struct Seen(BTreeMap<String, BTreeMap<String, Value>>);

impl Seen {
    /// What an attacker's deed came to.
    pub fn in_container(&self, sandbox: &str, deed: &str) -> &Value {
        let deeds = self.0.get(sandbox);
        let result = deeds.and_then(|deeds| deeds.get(deed));
        result.unwrap_or(super::nothing())
    }

    /// What an opposite came to.
    pub fn opposite(&self, place: Place, deed: &str) -> &Value {
        self.in_container(name(place), deed)
    }
}

fn name(place: Place) -> &'static str {
    match place {
        Place::Loose => "loose",
        Place::Root => "root of the host",
        Place::Ordinary => "user of the host",
    }
}

/// The scene, run once for all tests; none without root.
pub fn seen() -> Option<&'static Seen> {
    static SEEN: OnceLock<Result<Seen, String>> = OnceLock::new();
    if !Ground::possible() {
        return None;
    }
    let seen = SEEN.get_or_init(|| {
        // Once only, also when it fails: each try takes its time.
        catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            text.unwrap_or_else(|| "the scene panicked".to_owned())
        })
    });
    match seen {
        Ok(seen) => Some(seen),
        Err(why) => panic!("the scene failed: {why}"),
    }
}

fn run() -> Seen {
    let ground = Ground::new().expect("it is possible");
    let words = Words::new(&ground);
    listen(&words.abstract_name);
    let _segment = Segment::new(&ground, words.key);
    dress_image(&ground);
    let parent = ground.root().file_name().unwrap().display();
    ground.master(&format!("cgroup-name: {parent}"));
    for sandbox in ATTACKERS.into_iter().chain(["loose"]) {
        lay_sandbox(&ground, sandbox, &words);
    }
    fs::remove_file(ground.path("sandboxes/shop.yaml")).unwrap();
    let mut seen = BTreeMap::new();
    let tree = ground.start();
    for place in [Place::Root, Place::Ordinary] {
        let deeds = deeds_of_opposites(place);
        seen.insert(
            name(place).to_owned(),
            on_host(&ground, place, &deeds, &words),
        );
    }
    for sandbox in ATTACKERS.into_iter().chain(["loose"]) {
        seen.insert(sandbox.to_owned(), in_container(&tree, sandbox, &words));
    }
    Seen(seen)
}

/// What differs from run to run, and from the host to a container.
struct Words {
    abstract_name: String,
    port: u16,
    key: u32,
    image: String,
}

impl Words {
    fn new(ground: &Ground) -> Self {
        Self {
            abstract_name: format!("lithos-test-{}", ground.root().display()),
            port: free_port(),
            key: 0x6c69_0000 | (std::process::id() & 0xffff),
            image: ground.path("images/probe").display().to_string(),
        }
    }

    fn fill(&self, deed: &str, image: &str, volume: &str) -> String {
        deed.replace("{abstract}", &self.abstract_name)
            .replace("{port}", &self.port.to_string())
            .replace("{key}", &self.key.to_string())
            .replace("{image}", image)
            .replace("{volume}", volume)
    }

    fn inside(&self, deed: &str) -> String {
        self.fill(deed, "", "/data")
    }
}

fn deeds(of: impl Fn(&super::Attempt) -> Option<&'static str>) -> Vec<&'static str> {
    let mut seen = BTreeSet::new();
    let deeds = ALL.into_iter().flatten().filter_map(of);
    deeds.filter(|deed| seen.insert(*deed)).collect()
}

fn deeds_of_attacker(number: usize) -> Vec<&'static str> {
    deeds(|attempt| attempt.fails.0[number].map(|_| attempt.deed))
}

fn deeds_of_opposites(place: Place) -> Vec<&'static str> {
    deeds(|attempt| {
        let (there, deed, _) = attempt.opposite();
        (there == place).then_some(deed)
    })
}

fn deeds_of(sandbox: &str) -> Vec<&'static str> {
    match ATTACKERS.iter().position(|attacker| *attacker == sandbox) {
        Some(number) => deeds_of_attacker(number),
        None => deeds_of_opposites(Place::Loose),
    }
}

/// Files that are worth attacking.
fn dress_image(ground: &Ground) {
    let path = |name: &str| ground.path(&format!("images/probe/{name}"));
    for (name, mode) in [("setuid", 0o4755), ("capable", 0o755)] {
        fs::copy(path("bin/probe"), path(&format!("bin/{name}"))).unwrap();
        chmod(path(&format!("bin/{name}")), Mode::from_raw_mode(mode)).unwrap();
    }
    // struct vfs_cap_data, version 2, effective: NET_RAW (13) permitted.
    let words = [0x0200_0001_u32, 1 << 13, 0, 0, 0];
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let flags = XattrFlags::empty();
    setxattr(path("bin/capable"), "security.capability", &bytes, flags).unwrap();
    for open in ["open/anybodys", "open/removable"] {
        ground.write(&format!("images/probe/{open}"), "");
    }
    for open in ["open", "open/anybodys"] {
        fs::set_permissions(path(open), fs::Permissions::from_mode(0o777)).unwrap();
    }
}

fn lay_sandbox(ground: &Ground, name: &str, words: &Words) {
    let (owner, ids) = match name {
        "user" => (1000, ""),
        "rooted" | "unfiltered" => (50_000, OWN_ROOT),
        _ => (0, "allow-users: [0]\ndefault-user: 0\ndefault-group: 0"),
    };
    let volume = lay_volume(ground, name, owner);
    let loosened = match name {
        "unfiltered" => {
            format!("seccomp: unconfined\nlandlock: off\ncapabilities: [{CAPABILITIES_INSIDE}]")
        }
        "loose" => format!(
            "seccomp: unconfined\nlandlock: off\nuser-namespace: false\n\
             no-new-privileges: false\nallow-exec-volumes: true\ncapabilities: [{CAPABILITIES}]"
        ),
        _ => String::new(),
    };
    ground.sandbox_named(
        name,
        &format!(
            "{ids}\n{loosened}\nwritable-paths: {{ /db: {} }}",
            volume.display()
        ),
    );
    ground.write(
        &format!("processes/{name}.yaml"),
        format!("attacker: {{ image: probe, config: /config/{name}.yaml }}"),
    );
    let deeds: Vec<_> = deeds_of(name)
        .into_iter()
        .map(|deed| serde_json::to_string(&format!("try={}", words.inside(deed))).unwrap())
        .collect();
    let (files, pids) = if name == "loose" {
        (8192, 400)
    } else {
        (1024, 40)
    };
    ground.container_named(
        name,
        &format!(
            "arguments: [{}, sleep]\nfileno-limit: {files}\npids-limit: {pids}\n\
             volumes: {{ /data: !Persistent /db, /tmp: !Tmpfs {{ size: 8Mi }}, /state: !Statedir {{}} }}",
            deeds.join(", ")
        ),
    );
}

/// A volume with what is to everybody the null device, wherever device nodes mean
/// anything.
fn lay_volume(ground: &Ground, name: &str, owner: u32) -> PathBuf {
    let volume = ground.directory(&format!("host/{name}"), owner, 0o777);
    let (node, mode) = (volume.join("null"), Mode::from_raw_mode(0o666));
    mknodat(CWD, &node, FileType::CharacterDevice, mode, makedev(1, 3)).unwrap();
    chmod(&node, mode).unwrap();
    volume
}

fn in_container(tree: &Tree<'_>, sandbox: &str, words: &Words) -> BTreeMap<String, Value> {
    let container = format!("{sandbox}/attacker.0");
    let deeds = deeds_of(sandbox);
    let result = |deed: &str| tree.result(&container, &format!("try={}", words.inside(deed)));
    deeds
        .iter()
        .map(|deed| ((*deed).to_owned(), result(deed)))
        .collect()
}

/// On the host, by root or an ordinary user, in a mount namespace of its own so
/// that what succeeds stays without consequences.
fn on_host(
    ground: &Ground,
    place: Place,
    deeds: &[&str],
    words: &Words,
) -> BTreeMap<String, Value> {
    let volume = lay_volume(ground, name(place), 1000).display().to_string();
    let mut command = Command::new(Path::new(&words.image).join("bin/probe"));
    for deed in deeds {
        command.arg(format!("try={}", words.fill(deed, &words.image, &volume)));
    }
    if place == Place::Ordinary {
        command.uid(1000).gid(1000);
    }
    command.stdin(Stdio::null()).stderr(Stdio::null());
    let output = in_own_mounts(move || command.output().unwrap());
    let lines = output.stdout.lines().map(Result::unwrap);
    let results = lines.map(|line| serde_json::from_str::<Value>(&line).unwrap()["result"].take());
    deeds
        .iter()
        .map(|deed| (*deed).to_owned())
        .zip(results)
        .collect()
}

/// In a thread that has its own copy of the host's mounts and host name.
pub fn in_own_mounts<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS).unwrap();
        let flags = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", flags).unwrap();
        act()
    });
    thread.join().unwrap()
}

/// An accomplice, who answers whoever reaches the abstract socket.
fn listen(name: &str) {
    let address = SocketAddr::from_abstract_name(name).unwrap();
    let listener = UnixListener::bind_addr(&address).unwrap();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let _ = { client }.write_all(ANSWER.as_bytes());
        }
    });
}

/// A System V shared memory segment of the host, that everybody may use.
struct Segment {
    probe: PathBuf,
    key: u32,
}

impl Segment {
    fn new(ground: &Ground, key: u32) -> Self {
        let probe = ground.path("images/probe/bin/probe");
        let segment = Self { probe, key };
        segment.ask("make-shared-memory");
        segment
    }

    fn ask(&self, verb: &str) {
        let deed = format!("do={verb}:{}", self.key);
        let output = Command::new(&self.probe).arg(deed).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(told.contains("\"done\""), "{verb}: {told}");
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        self.ask("remove-shared-memory");
    }
}
