//! Irreversible: each runs in a forked child, against the kernel.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::process::Command;
use std::sync::LazyLock;

use super::*;
use crate::sys::forked::{as_root, in_child};

fn root() -> BorrowedFd<'static> {
    static ROOT: LazyLock<File> = LazyLock::new(|| File::open("/").unwrap());
    ROOT.as_fd()
}

fn rules<'a>(read: &[&Path], write: &[&Path], bind: Bind) -> Rules<'a> {
    let owned = |paths: &[&Path]| paths.iter().map(|path| path.to_path_buf()).collect();
    Rules {
        root: root(),
        read: owned(read),
        execute: owned(read),
        write: owned(write),
        reopen: Vec::new(),
        bind,
    }
}

/// What `act` returns in a child restricted to `rules` as by a kernel with `abi`.
fn restricted_as(abi: u32, rules: &Rules<'_>, act: impl FnOnce() -> String) -> String {
    let bind = rules.bind.ports().is_some();
    confined(&Prepared::at(rules, Level { abi, bind }).unwrap(), act)
}

fn restricted(rules: &Rules<'_>, act: impl FnOnce() -> String) -> String {
    confined(&Prepared::new(rules).unwrap(), act)
}

fn confined(prepared: &Prepared, act: impl FnOnce() -> String) -> String {
    in_child(|| {
        rustix::thread::set_no_new_privs(true).unwrap();
        prepared.restrict_self().unwrap();
        act()
    })
}

/// Whether this kernel has an ABI; says so if it has not.
fn kernel_has(abi: u32) -> bool {
    let has = sys::landlock::abi().unwrap_or(0) >= abi;
    if !has {
        assert!(
            std::env::var_os("LITHOS_TEST_ROOT").is_none(),
            "no landlock ABI {abi}"
        );
        eprintln!("SKIP: this kernel has no landlock ABI {abi}");
    }
    has
}

fn kind<T>(result: io::Result<T>) -> String {
    match result {
        Ok(_) => "done".to_owned(),
        Err(err) => format!("{:?}", err.kind()),
    }
}

fn refused(kinds: impl IntoIterator<Item = String>) -> bool {
    let denied = format!("{:?}", ErrorKind::PermissionDenied);
    kinds.into_iter().all(|kind| kind == denied)
}

#[test]
fn files_are_read_and_written_only_where_the_rules_say() {
    if !kernel_has(3) {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let [open, shut] = ["open", "shut"].map(|name| {
        let path = scratch.path().join(name);
        fs::create_dir(&path).unwrap();
        fs::write(path.join("file"), "text").unwrap();
        path
    });
    let rules = rules(&[Path::new("/usr")], &[&open], Bind::Any);
    let report = restricted(&rules, || {
        let shut = [
            kind(fs::read(shut.join("file"))),
            kind(fs::write(shut.join("file"), "other")),
            kind(fs::write(shut.join("new"), "other")),
            kind(fs::remove_file(shut.join("file"))),
            kind(fs::read_dir(&shut)),
            kind(File::create("/usr/lithos-test")),
            kind(fs::read_dir("/etc")),
        ];
        let open = [
            kind(fs::write(open.join("new"), "other")),
            kind(fs::create_dir(open.join("below"))),
            kind(fs::rename(open.join("new"), open.join("below/new"))),
            kind(fs::read(open.join("below/new"))),
            kind(fs::remove_file(open.join("below/new"))),
            kind(fs::read_dir("/usr")),
        ];
        let done = open.iter().all(|kind| kind == "done");
        format!("{} {done}", refused(shut))
    });
    assert_eq!(report, "true true");
}

#[test]
fn no_program_outside_is_executed_by_way_of_a_magic_link() {
    if !kernel_has(2) {
        return;
    }
    // As a start would whose path was pointed at the knot after it was checked.
    let scratch = tempfile::tempdir().unwrap();
    let link = scratch.path().join("program");
    std::os::unix::fs::symlink("/proc/self/exe", &link).unwrap();
    let list = || kind(Command::new(&link).arg("--list").output());
    let proc = Path::new("/proc");
    let inside = [scratch.path(), proc];
    assert_eq!(
        restricted(&rules(&inside, &inside, Bind::Any), list),
        format!("{:?}", ErrorKind::PermissionDenied)
    );
    let everything = [Path::new("/")];
    assert_eq!(
        restricted(&rules(&everything, &inside, Bind::Any), list),
        "done"
    );
}

#[test]
fn programs_are_executed_only_where_the_rules_say() {
    if !kernel_has(2) {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let program = scratch.path().join("true");
    fs::copy("/usr/bin/true", &program).unwrap();
    let run = || {
        let elsewhere = kind(Command::new(&program).status());
        format!(
            "{} {elsewhere}",
            kind(Command::new("/usr/bin/true").status())
        )
    };
    let rules = rules(&["/", "/usr"].map(Path::new), &[scratch.path()], Bind::Any);
    let narrow = Rules {
        execute: ["/usr", "/lib", "/lib64"].map(PathBuf::from).into(),
        ..rules
    };
    assert_eq!(restricted(&narrow, run), "done PermissionDenied");
    assert_eq!(in_child(run), "done done");
}

#[test]
fn makes_no_device_nodes_even_where_it_may_write() {
    if !kernel_has(2) || !as_root() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let node = || {
        let path = scratch.path().join("null");
        let null = rustix::fs::makedev(1, 3);
        let made = rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            FileType::CharacterDevice,
            Mode::RUSR,
            null,
        );
        kind(made.map_err(io::Error::from))
    };
    let rules = rules(&[], &[scratch.path()], Bind::Any);
    assert_eq!(restricted(&rules, node), "PermissionDenied");
    assert_eq!(in_child(node), "done");
}

#[test]
fn an_open_file_is_opened_again_only_by_a_rule() {
    if !kernel_has(3) {
        return;
    }
    let mut log = tempfile::tempfile().unwrap();
    let (_end, pipe) = io::pipe().unwrap();
    let mut rules = rules(&[Path::new("/proc")], &[], Bind::Any);
    let reopen = || {
        let again = |fd: &dyn std::os::fd::AsRawFd| {
            let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
            let file = OpenOptions::new().write(true).truncate(true).open(path);
            file.and_then(|mut file| file.write_all(b"written again"))
        };
        format!("{} {}", kind(again(&log)), kind(again(&pipe)))
    };
    assert_eq!(restricted(&rules, reopen), "PermissionDenied done");
    rules.reopen = vec![log.as_fd(), pipe.as_fd()];
    assert_eq!(restricted(&rules, reopen), "done done");
    let mut text = String::new();
    log.read_to_string(&mut text).unwrap();
    assert_eq!(text, "written again");
}

/// Two ports that nobody uses.
fn free_ports() -> [u16; 2] {
    let listeners = [0, 0].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

#[test]
fn binds_only_the_ports_of_the_rules_and_those_the_kernel_chooses() {
    if !kernel_has(4) {
        return;
    }
    let [one, other] = free_ports();
    let bind = || {
        let bind = |port| kind(TcpListener::bind(("127.0.0.1", port)));
        format!("{} {} {}", bind(one), bind(other), bind(0))
    };
    let some = rules(&[], &[], Bind::Ports(vec![one..=one]));
    assert_eq!(restricted(&some, bind), "done PermissionDenied done");
    let none = rules(&[], &[], Bind::Ports(Vec::new()));
    let refused = "PermissionDenied PermissionDenied done";
    assert_eq!(restricted(&none, bind), refused);
    for all in [Bind::Any, Bind::Ports(vec![300..=u16::MAX, 1..=400])] {
        assert!(!Level::of_kernel(&all).tcp_bind());
        let all = rules(&[], &[], all);
        assert_eq!(restricted(&all, bind), "done done done");
    }
    assert_eq!(restricted_as(3, &some, bind), "done done done");
}

#[test]
fn multipath_tcp_would_bind_past_the_rules() {
    // Why the seccomp profile refuses the protocol. If this ever fails, the
    // kernel has closed the gap.
    let Ok(_) = multipath_listener(0) else {
        eprintln!("SKIP: this kernel has no multipath TCP");
        return;
    };
    if !kernel_has(4) {
        return;
    }
    let [port, _] = free_ports();
    let none = rules(&[], &[], Bind::Ports(Vec::new()));
    let report = restricted(&none, || kind(multipath_listener(port)));
    assert_eq!(report, "done");
}

fn multipath_listener(port: u16) -> io::Result<()> {
    use rustix::net::{AddressFamily, SocketType, bind, ipproto, listen, socket};
    let socket = socket(
        AddressFamily::INET,
        SocketType::STREAM,
        Some(ipproto::MPTCP),
    )?;
    bind(
        &socket,
        &std::net::SocketAddrV4::new([127, 0, 0, 1].into(), port),
    )?;
    Ok(listen(&socket, 1)?)
}

#[test]
fn signals_and_abstract_sockets_stay_inside() {
    if !kernel_has(6) {
        return;
    }
    let address = format!("lithos-landlock-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(address).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    let reach = || {
        let signal = rustix::process::test_kill_process(rustix::process::getppid().unwrap());
        let own = rustix::process::test_kill_process(rustix::process::getpid());
        format!(
            "{} {} {}",
            kind(UnixStream::connect_addr(&address)),
            kind(signal.map_err(io::Error::from)),
            kind(own.map_err(io::Error::from))
        )
    };
    let rules = rules(&[], &[], Bind::Any);
    assert_eq!(
        restricted(&rules, reach),
        "PermissionDenied PermissionDenied done"
    );
    assert_eq!(restricted_as(5, &rules, reach), "done done done");
    assert_eq!(in_child(reach), "done done done");
}

#[test]
fn renames_across_directories_with_every_abi_that_is_used() {
    if !kernel_has(2) {
        return;
    }
    for abi in 2..=sys::landlock::abi().unwrap() {
        let scratch = tempfile::tempdir().unwrap();
        let rules = rules(&[], &[scratch.path()], Bind::Any);
        let [from, to] = ["a/file", "b/file"].map(|name| scratch.path().join(name));
        for path in [&from, &to] {
            fs::create_dir(path.parent().unwrap()).unwrap();
        }
        fs::write(&from, "text").unwrap();
        let report = restricted_as(abi, &rules, || kind(fs::rename(&from, &to)));
        assert_eq!(report, "done", "ABI {abi}");
    }
}

#[test]
fn a_path_that_cannot_be_opened_is_an_error() {
    if !kernel_has(2) {
        return;
    }
    let rules = rules(&["/", "/does-not-exist"].map(Path::new), &[], Bind::Any);
    assert_eq!(
        Prepared::new(&rules).unwrap_err().to_string(),
        "cannot open /does-not-exist: no such file or directory"
    );
}

#[test]
fn links_lead_nowhere_outside_the_root() {
    if !kernel_has(2) {
        return;
    }
    let image = tempfile::tempdir().unwrap();
    let at = |name: &str| image.path().join(name);
    fs::create_dir_all(at("usr")).unwrap();
    std::os::unix::fs::symlink("/usr", at("absolute")).unwrap();
    std::os::unix::fs::symlink("../../../../usr", at("relative")).unwrap();
    std::os::unix::fs::symlink("/proc/self/root", at("magic")).unwrap();
    let root = File::open(image.path()).unwrap();
    let rules = |path: &str| Rules {
        root: root.as_fd(),
        ..rules(&[Path::new(path)], &[], Bind::Any)
    };
    for link in ["/absolute", "/relative"] {
        let report = restricted(&rules(link), || kind(fs::read_dir("/usr")));
        assert_eq!(report, "PermissionDenied", "{link}");
    }
    assert!(Prepared::new(&rules("/magic")).is_err());
    let host = Rules {
        root: self::root(),
        ..rules("/usr")
    };
    assert_eq!(restricted(&host, || kind(fs::read_dir("/usr"))), "done");
}

#[test]
fn restricts_a_child_to_what_only_its_parent_can_reach() {
    if !kernel_has(2) || !as_root() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let rules = rules(&[scratch.path()], &[], Bind::Any);
    let prepared = Prepared::new(&rules).unwrap();
    let report = in_child(|| {
        nix::unistd::setresuid(1000.into(), 1000.into(), 1000.into()).unwrap();
        let unreachable = kind(fs::read_dir(scratch.path()));
        rustix::thread::set_no_new_privs(true).unwrap();
        format!("{unreachable} {}", prepared.restrict_self().is_ok())
    });
    assert_eq!(report, "PermissionDenied true");
}

#[test]
fn an_old_kernel_restricts_nothing_and_says_so() {
    let rules = rules(&[], &[], Bind::Any);
    for abi in [0, 1] {
        let report = restricted_as(abi, &rules, || kind(fs::read_dir("/")));
        assert_eq!(report, "done");
        let level = Prepared::at(&rules, Level { abi, bind: true })
            .unwrap()
            .level;
        assert!(!level.files() && !level.tcp_bind() && !level.scoped());
    }
}

#[test]
fn without_no_new_privs_and_capability_it_is_an_error() {
    if !kernel_has(2) {
        return;
    }
    let prepared = Prepared::new(&rules(&[Path::new("/")], &[], Bind::Any)).unwrap();
    let report = in_child(|| {
        if rustix::process::geteuid().is_root() {
            rustix::thread::set_capabilities(
                None,
                rustix::thread::CapabilitySets {
                    effective: rustix::thread::CapabilitySet::empty(),
                    permitted: rustix::thread::CapabilitySet::empty(),
                    inheritable: rustix::thread::CapabilitySet::empty(),
                },
            )
            .unwrap();
        }
        format!("{}", prepared.restrict_self().is_err())
    });
    assert_eq!(report, "true");
}

#[test]
fn the_level_says_what_is_held_and_what_is_not() {
    let level = |abi, bind| Level { abi, bind }.to_string();
    assert_eq!(
        level(7, true),
        "landlock ABI 7: files, tcp bind, signals, abstract sockets"
    );
    assert_eq!(
        level(9, false),
        "landlock ABI 9: files, signals, abstract sockets"
    );
    assert_eq!(
        level(4, true),
        "landlock ABI 4: files, tcp bind (not in this kernel: signals, abstract sockets)"
    );
    assert_eq!(
        level(2, true),
        "landlock ABI 2: files (not in this kernel: tcp bind, signals, abstract sockets)"
    );
    assert_eq!(
        level(1, true),
        "landlock ABI 1: not used, it forbids renames"
    );
    assert_eq!(level(0, true), "landlock: not in this kernel");
}
