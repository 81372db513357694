//! The knot, out of the reach of the process whose init it is; and what it keeps
//! while the process lives.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::descriptors::free_port;
use crate::ground::{Ground, OWN_ROOT};
use crate::tree::{Tree, command_line, read};

/// What is below `/proc/PID` that shows or changes a process and is not for everyone.
const READ: [&str; 16] = [
    "auxv",
    "environ",
    "exe",
    "io",
    "maps",
    "mem",
    "numa_maps",
    "pagemap",
    "personality",
    "smaps",
    "smaps_rollup",
    "stack",
    "syscall",
    "timers",
    "timerslack_ns",
    "task/1/mem",
];
const LISTED: [&str; 6] = ["cwd", "fd", "fdinfo", "map_files", "root", "task/1/fd"];
const WRITTEN: [&str; 14] = [
    "attr/exec",
    "clear_refs",
    "comm",
    "coredump_filter",
    "exe",
    "gid_map",
    "mem",
    "oom_score_adj",
    "sched",
    "setgroups",
    "task/1/comm",
    "timens_offsets",
    "timerslack_ns",
    "uid_map",
];

/// A file that this kernel does not have is out of reach, too.
fn out_of_reach(ground: &Ground, sandbox: &str) {
    let _ = fs::remove_file(ground.path("log/stdio/shop.log"));
    ground.sandbox(sandbox);
    let all = |verb: &str, names: &[&str]| -> Vec<String> {
        names
            .iter()
            .map(|name| format!("{verb}=/proc/1/{name}"))
            .collect()
    };
    let actions = [
        all("read", &READ),
        all("list", &LISTED),
        all("write", &WRITTEN),
    ]
    .concat();
    ground.container(&format!(
        "arguments: [read=/proc/self/environ, {}, sleep]",
        actions.join(", ")
    ));
    let mut tree = ground.start();
    for action in &actions {
        let result = tree.result("shop/web.0", action);
        assert!(result["error"].is_string(), "{action}: {result}");
    }
    // The same attempt on a process of its own succeeds.
    let own = tree.result("shop/web.0", "read=/proc/self/environ");
    assert!(own.is_string(), "{own}");
    tree.stop();
}

#[test]
fn nothing_of_the_knot_can_be_read_or_written_from_inside() {
    let Some(ground) = Ground::new() else { return };
    out_of_reach(&ground, "");
}

#[test]
fn nor_by_the_root_of_the_containers_own_user_namespace() {
    let Some(ground) = Ground::new() else { return };
    out_of_reach(&ground, OWN_ROOT);
}

/// A container with all that a start opens: a secret, a socket, a cgroup, a log.
fn lay_all(ground: &Ground, lines: &str) {
    let port = free_port();
    let slice = format!("{}.slice", ground.root().file_name().unwrap().display());
    ground.master(&format!("cgroup-name: {slice}"));
    ground.sandbox(&format!("allow-tcp-ports: [{port}]"));
    ground.container(&format!(
        "arguments: [report, sleep]\ntcp-ports: {{ {port}: {{ fd: 3 }} }}\n\
         secret-environ: {{ PASSWORD: '{}' }}\n{lines}",
        ground.seal("alpha", "", "hunter2")
    ));
}

/// How many descriptors of each kind a process has.
fn descriptors(pid: i32) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten() {
        // One that is closed meanwhile is not counted.
        let Ok(target) = fs::read_link(entry.path()) else {
            continue;
        };
        let target = target.display().to_string();
        let kind = match target.rsplit('/').next().unwrap() {
            _ if target.starts_with("socket:") => "socket",
            _ if target.starts_with("pipe:") => "pipe",
            _ if target.contains("shop:web.0") => "cgroup",
            "alpha" => "key file",
            last => last,
        };
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
    kinds
}

/// How many cgroups the container has.
fn hierarchies(ground: &Ground) -> usize {
    let slice = format!("{}.slice", ground.root().file_name().unwrap().display());
    let top = std::path::PathBuf::from("/sys/fs/cgroup");
    let below = fs::read_dir(&top).unwrap().flatten();
    let all = below.map(|entry| entry.path()).chain([top.clone()]);
    let cgroups = all.map(|place| place.join(&slice).join("shop:web.0"));
    // `cpu` may be a link to `cpu,cpuacct`.
    let real: BTreeSet<_> = cgroups.flat_map(fs::canonicalize).collect();
    real.len()
}

fn settled(ground: &Ground, tree: &Tree<'_>, expected: &[(&str, usize)]) {
    tree.result("shop/web.0", "report");
    let knot = tree.knot("shop/web.0");
    let expected: BTreeMap<_, _> = expected
        .iter()
        .map(|(kind, n)| ((*kind).to_owned(), *n))
        .collect();
    // The process reports before the knot has let go.
    let cgroups = |kinds: &mut BTreeMap<String, usize>| kinds.remove("cgroup").unwrap_or_default();
    let found = tree.wait(
        &format!("only {expected:?} open, but {:?}", descriptors(knot)),
        || {
            let mut found = descriptors(knot);
            let cgroups = cgroups(&mut found);
            if expected.contains_key("key file") {
                // If this kernel has Landlock at all.
                found.remove("anon_inode:[landlock-ruleset]");
            }
            (found == expected).then_some(cgroups)
        },
    );
    // One in each hierarchy, to see what was killed for memory.
    assert_eq!(found, hierarchies(ground), "of cgroups");
}

#[test]
fn a_knot_that_waits_holds_no_descriptor_that_it_does_not_need() {
    let Some(ground) = Ground::new() else { return };
    lay_all(&ground, "");
    let tree = ground.start();
    // 0, 1 and 2; what it waits with; where it tells the end, in its record and in
    // the log; and the socket, for a supervisor that lost it.
    let needed = [
        ("null", 3),
        ("anon_inode:[signalfd]", 1),
        ("report", 1),
        ("shop.log", 1),
        ("socket", 1),
    ];
    settled(&ground, &tree, &needed);
}

#[test]
fn a_knot_that_starts_again_keeps_what_a_start_needs() {
    let Some(ground) = Ground::new() else { return };
    lay_all(&ground, "restart-process-only: true");
    let tree = ground.start();
    // Besides: the log for the process, the key file unread, the procfs, and what
    // Landlock will allow, if this kernel has it.
    let needed = [
        ("null", 3),
        ("anon_inode:[signalfd]", 1),
        ("report", 1),
        ("shop.log", 2),
        ("socket", 1),
        ("key file", 1),
        ("proc", 1),
    ];
    settled(&ground, &tree, &needed);
}

fn status(pid: i32, key: &str) -> String {
    let status = String::from_utf8(read(pid, "status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .unwrap();
    line.trim_start_matches(':').trim().to_owned()
}

#[test]
fn a_knot_that_waits_has_no_capability_but_to_signal() {
    let Some(ground) = Ground::new() else { return };
    // Of capabilities(7): CAP_KILL is 5, SETGID 6, SETUID 7, SETFCAP 31.
    for (lines, expected) in [
        ("", 1 << 5),
        ("restart-process-only: true", 0x8000_00e0_u64),
    ] {
        let _ = fs::remove_file(ground.path("log/stdio/shop.log"));
        lay_all(&ground, lines);
        let mut tree = ground.start();
        tree.result("shop/web.0", "report");
        let knot = tree.knot("shop/web.0");
        let expected = format!("{expected:016x}");
        tree.wait("capabilities given up", || {
            (status(knot, "CapPrm") == expected).then_some(())
        });
        assert_eq!(status(knot, "CapEff"), expected);
        for none in ["CapInh", "CapBnd", "CapAmb"] {
            assert_eq!(status(knot, none), "0000000000000000", "{none}");
        }
        tree.stop();
    }
}

/// The names of abstract Unix sockets that a process has open.
fn abstract_sockets(pid: i32) -> Vec<String> {
    let table = fs::read_to_string("/proc/net/unix").unwrap();
    let links = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let own: Vec<_> = links
        .filter_map(|link| fs::read_link(link.path()).ok())
        .collect();
    let mut found = Vec::new();
    for line in table.lines().skip(1) {
        let fields: Vec<_> = line.split_whitespace().collect();
        if let [.., inode, name] = fields.as_slice()
            && name.starts_with('@')
            && own
                .iter()
                .any(|link| link.to_string_lossy() == format!("socket:[{inode}]"))
        {
            found.push((*name).to_owned());
        }
    }
    found
}

#[test]
fn no_abstract_unix_socket_is_open_anywhere() {
    let Some(ground) = Ground::new() else { return };
    lay_all(&ground, "");
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    for pid in [
        tree.pid(),
        tree.knot("shop/web.0"),
        tree.process("shop/web.0"),
    ] {
        assert_eq!(abstract_sockets(pid), [""; 0], "{}", command_line(pid));
    }
    // One of this process is found.
    use std::os::linux::net::SocketAddrExt;
    let name = format!("lithos-test-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
    let own = abstract_sockets(std::process::id().cast_signed());
    assert!(own.contains(&format!("@{name}")), "{own:?}");
}
