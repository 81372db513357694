//! What the supervisor tells a service manager, and what it takes from one. The
//! test plays systemd's part of sd_notify(3); `tests/vm` has the real one.

use std::io::{BufRead, BufReader, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rustix::fs::fstat;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::ground::Ground;
use crate::tree::Tree;

/// Longer than anything takes here, on a machine that is busy besides.
const PATIENCE: Duration = Duration::from_secs(20);

/// The socket that `NOTIFY_SOCKET` names, and what came there.
struct Manager {
    socket: UnixDatagram,
    told: Vec<String>,
}

impl Manager {
    fn new(ground: &Ground) -> Self {
        let socket = UnixDatagram::bind(ground.path("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            socket,
            told: Vec::new(),
        }
    }

    /// Starts a supervisor with such lines of shell before.
    fn start<'a>(&self, ground: &'a Ground, before: &str) -> Tree<'a> {
        let mut command = Command::new("bash");
        command
            .arg("-c")
            .arg(format!("{before}\nexec \"$@\""))
            .arg("bash");
        command.arg(env!("CARGO_BIN_EXE_lithos_tree"));
        command.env("NOTIFY_SOCKET", ground.path("notify"));
        Tree::start_by(ground, command)
    }

    /// Receives until there is a message with all of these lines.
    fn expect(&mut self, lines: &[String]) -> (String, Option<OwnedFd>) {
        let began = Instant::now();
        loop {
            let late = began.elapsed() > PATIENCE;
            assert!(!late, "no {lines:?}; but {:#?}", self.told);
            let mut text = [0; 4096];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut buffers = [IoSliceMut::new(&mut text)];
            let flags = RecvFlags::CMSG_CLOEXEC;
            let got = recvmsg(&self.socket, &mut buffers, &mut control, flags)
                .unwrap_or_else(|err| panic!("no {lines:?}: {err}; but {:#?}", self.told));
            let length = got.bytes;
            let passed = control.drain().find_map(|message| match message {
                RecvAncillaryMessage::ScmRights(mut passed) => passed.next(),
                _ => None,
            });
            let message = String::from_utf8(text[..length].to_vec()).unwrap();
            self.told.push(message.clone());
            if lines.iter().all(|line| message.lines().any(|l| l == line)) {
                return (message, passed);
            }
        }
    }
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|&line| line.to_owned()).collect()
}

fn store(what: &str, port: u16) -> Vec<String> {
    vec![format!("{what}=1"), format!("FDNAME=shop/127.0.0.1/{port}")]
}

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn serve(ground: &Ground, ports: &[u16]) {
    let list = ports
        .iter()
        .map(u16::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    ground.sandbox(&format!("allow-tcp-ports: [{list}]"));
    let sockets = ports
        .iter()
        .zip(3..)
        .map(|(port, fd)| format!("  {port}: {{ fd: {fd}, host: 127.0.0.1 }}\n"));
    let sockets = sockets.collect::<String>();
    let key = if ports.is_empty() { "" } else { "tcp-ports:\n" };
    let last = if ports.is_empty() { "sleep" } else { "serve=3" };
    ground.container(&format!(
        "arguments: [list=/bin, {last}]\nrestart-timeout: 0.05\n{key}{sockets}"
    ));
}

#[test]
fn the_service_manager_is_told_of_everything_it_asks_for() {
    let Some(ground) = Ground::new() else { return };
    let mut manager = Manager::new(&ground);
    let (probe, port) = listener();
    drop(probe);
    serve(&ground, &[port]);
    let mut tree = manager.start(&ground, "export WATCHDOG_USEC=400000 WATCHDOG_PID=$$");
    manager.expect(&lines(&["READY=1", "STATUS=supervising 1 containers"]));
    let (_, socket) = manager.expect(&store("FDSTORE", port));
    let address = rustix::net::getsockname(socket.unwrap()).unwrap();
    let expected = SocketAddr::from(([127, 0, 0, 1], port));
    assert_eq!(SocketAddr::try_from(address).unwrap(), expected);
    let mut proofs = || manager.expect(&lines(&["WATCHDOG=1"]));
    proofs();
    let began = Instant::now();
    (0..5).for_each(|_| drop(proofs()));
    // Each at half of 0.4 s, so five need a second.
    assert!(
        began.elapsed() > Duration::from_millis(900),
        "{:?}",
        began.elapsed()
    );
    // A reload: from the old program to the new one.
    serve(&ground, &[]);
    tree.signal(Signal::SIGHUP);
    let (message, _) = manager.expect(&lines(&["RELOADING=1"]));
    let time = message
        .lines()
        .find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    assert!(time.unwrap().parse::<u64>().unwrap() > 0);
    manager.expect(&lines(&["READY=1", "STATUS=supervising 1 containers"]));
    manager.expect(&store("FDSTOREREMOVE", port));
    manager.expect(&lines(&["WATCHDOG=1"]));
    // A reload that fails ends as well.
    ground.write("master.yaml", "nonsense: true");
    tree.signal(Signal::SIGHUP);
    manager.expect(&lines(&["RELOADING=1"]));
    let failed = "STATUS=supervising 1 containers; the last reload failed";
    manager.expect(&lines(&["READY=1", failed]));
    tree.signal(Signal::SIGTERM);
    manager.expect(&lines(&["STOPPING=1"]));
    assert!(tree.ended().success());
}

#[test]
fn sockets_from_the_store_are_used_if_they_are_what_they_should_be() {
    let Some(ground) = Ground::new() else { return };
    let mut manager = Manager::new(&ground);
    let ((good, wanted), (elsewhere, _), (stale, gone)) = (listener(), listener(), listener());
    let (probe, moved) = listener();
    drop(probe);
    serve(&ground, &[wanted, moved]);
    // Waits in the backlog of the very socket that is handed over.
    let early = TcpStream::connect(("127.0.0.1", wanted)).unwrap();
    let passed = [
        (good.as_fd(), format!("shop/127.0.0.1/{wanted}")),
        (elsewhere.as_fd(), format!("shop/127.0.0.1/{moved}")),
        (stale.as_fd(), format!("shop/127.0.0.1/{gone}")),
        (ground_file(&ground).as_fd(), "stored".to_owned()),
    ]
    .map(|(fd, name)| (fd.try_clone_to_owned().unwrap(), name));
    let mut before = String::from("export LISTEN_PID=$$ LISTEN_FDS=4\n");
    for (number, (fd, _)) in passed.iter().enumerate() {
        // Out of the way of 3 to 6 first.
        fcntl_setfd(fd, FdFlags::empty()).unwrap();
        before += &format!("exec {}<&{}\n", 50 + number, fd.as_raw_fd());
    }
    for number in 0..passed.len() {
        before += &format!("exec {}<&{}\n", 3 + number, 50 + number);
    }
    let names = passed.each_ref().map(|(_, name)| name.as_str()).join(":");
    before += &format!("export LISTEN_FDNAMES={names}\n");
    let mut tree = manager.start(&ground, &before);
    let given_up = fstat(&stale).unwrap().st_ino;
    drop(passed);
    drop((good, elsewhere, stale));
    let mut answer = String::new();
    early.set_read_timeout(Some(PATIENCE)).unwrap();
    BufReader::new(early).read_line(&mut answer).unwrap();
    assert!(answer.starts_with("shop/web.0 "), "{answer}");
    manager.expect(&lines(&["READY=1"]));
    for given_up in [
        "stored",
        &format!("shop/127.0.0.1/{moved}"),
        &format!("shop/127.0.0.1/{gone}"),
    ] {
        let expected = format!("FDSTOREREMOVE=1\nFDNAME={given_up}\n");
        assert!(
            manager.told.contains(&expected),
            "no {expected}: {:#?}",
            manager.told
        );
    }
    let kept = format!("FDSTOREREMOVE=1\nFDNAME=shop/127.0.0.1/{wanted}\n");
    assert!(!manager.told.contains(&kept), "{:#?}", manager.told);
    assert!(TcpStream::connect(("127.0.0.1", moved)).is_ok());
    // By its inode: another test may listen on its port by now.
    let held = std::fs::read_dir(format!("/proc/{}/fd", tree.pid())).unwrap();
    let held = held.filter_map(|fd| std::fs::read_link(fd.unwrap().path()).ok());
    let given_up = format!("socket:[{given_up}]");
    assert!(
        held.into_iter()
            .all(|link| link.as_os_str() != given_up.as_str())
    );
    // The numbers mean something else after a reload.
    tree.signal(Signal::SIGHUP);
    manager.expect(&lines(&["READY=1"]));
    assert!(TcpStream::connect(("127.0.0.1", wanted)).is_ok());
    assert!(tree.stop().success());
}

fn ground_file(ground: &Ground) -> std::fs::File {
    std::fs::File::open(ground.path("master.yaml")).unwrap()
}
