//! Containers and processes beside each other: of one user id, of one sandbox, of
//! one socket.

use std::fs::File;
use std::io::{IoSlice, Read};
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::{Value, json};

use crate::descriptors::free_port;
use crate::ground::{Ground, OWN_ROOT};
use crate::tree::Tree;

const SECRET: &str = "PASSWORD=hunter2";

/// What user 1000 of the host gets out of a deed.
fn ordinary(ground: &Ground, deed: &str) -> Value {
    let output = Command::new(ground.path("images/probe/bin/probe"))
        .arg(format!("try={deed}"))
        .uid(1000)
        .gid(1000)
        .output()
        .unwrap();
    let mut line: Value = serde_json::from_slice(&output.stdout).unwrap();
    line["result"].take()
}

/// A process of user 1000 on the host, ended with the test.
struct Bystander(Child);

impl Bystander {
    fn new(ground: &Ground) -> Self {
        let mut command = Command::new(ground.path("images/probe/bin/probe"));
        let (name, value) = SECRET.split_once('=').unwrap();
        let command = command.arg("sleep").env(name, value).uid(1000).gid(1000);
        Self(command.stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Lets user 1000's container, and his mapped root's, do these deeds.
fn attack<'a>(ground: &'a Ground, deeds: &[String]) -> Tree<'a> {
    let deeds: Vec<_> = deeds.iter().map(|deed| format!("'try={deed}'")).collect();
    let config = format!("arguments: [{}, sleep]", deeds.join(", "));
    for (sandbox, lines) in [("plain", ""), ("rooted", OWN_ROOT)] {
        ground.sandbox_named(sandbox, lines);
        ground.container_named(sandbox, &config);
        ground.write(
            &format!("processes/{sandbox}.yaml"),
            format!("web: {{ image: probe, config: /config/{sandbox}.yaml }}"),
        );
    }
    ground.processes("{}");
    ground.start()
}

fn expect(tree: &Tree<'_>, deed: &str, errno: &str) {
    for sandbox in ["plain", "rooted"] {
        let result = tree.result(&format!("{sandbox}/web.0"), &format!("try={deed}"));
        assert_eq!(result, json!({ "errno": errno }), "{sandbox}: {deed}");
    }
}

#[test]
fn a_process_of_the_same_user_on_the_host_is_out_of_reach() {
    let Some(ground) = Ground::new() else { return };
    let bystander = Bystander::new(&ground);
    let pid = bystander.0.id();
    let deeds = ["environment-of", "signal", "kill", "trace", "read-memory"];
    let deeds = deeds.map(|verb| format!("{verb}:{pid}"));
    let tree = attack(&ground, &deeds);
    expect(&tree, &deeds[0], "ENOENT");
    expect(&tree, &deeds[1], "ESRCH");
    expect(&tree, &deeds[2], "ESRCH");
    expect(&tree, &deeds[3], "EPERM");
    expect(&tree, &deeds[4], "EPERM");
    // The opposite: to the same user on the host it is open.
    let got = ordinary(&ground, &deeds[0]);
    assert!(
        got["done"]
            .as_str()
            .is_some_and(|text| text.contains(SECRET)),
        "{got}"
    );
    for deed in [&deeds[1], &deeds[3], &deeds[4]] {
        assert!(!ordinary(&ground, deed)["done"].is_null(), "{deed}");
    }
}

/// The other way round: his user namespace keeps the container's process from
/// whoever has its id on the host.
#[test]
fn a_process_of_the_same_user_on_the_host_reaches_no_container() {
    let Some(ground) = Ground::new() else { return };
    for (sandbox, lines) in [("shop", ""), ("open", "user-namespace: false")] {
        ground.sandbox_named(sandbox, lines);
        let entry = "web: { image: probe, config: /config/web.yaml }";
        ground.write(&format!("processes/{sandbox}.yaml"), entry);
    }
    ground.container("arguments: [report, sleep]\nenviron: { PASSWORD: hunter2 }");
    let tree = ground.start();
    let pid = |container: &str| {
        tree.result(container, "report");
        tree.process(container)
    };
    let (closed, open) = (pid("shop/web.0"), pid("open/web.0"));
    for (verb, errno) in [
        ("environment-of", "EACCES"),
        ("links", "EACCES"),
        ("trace", "EPERM"),
        ("read-memory", "EPERM"),
        ("take-descriptor", "EPERM"),
    ] {
        let deed = |pid: i32| match verb {
            "links" => format!("links:/proc/{pid}/fd"),
            _ => format!("{verb}:{pid}"),
        };
        let result = ordinary(&ground, &deed(closed));
        assert_eq!(result, json!({ "errno": errno }), "{verb}");
        // The opposite: without the namespace he may.
        let result = ordinary(&ground, &deed(open));
        assert!(!result["done"].is_null(), "{verb}: {result}");
    }
}

#[test]
fn a_neighbouring_container_of_the_same_user_is_out_of_reach() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [report, sleep]\nenviron: { PASSWORD: hunter2 }");
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    let (knot, victim) = (tree.knot("shop/web.0"), tree.process("shop/web.0"));
    let mut deeds = Vec::new();
    for pid in [knot, victim] {
        deeds.extend(["kill", "signal", "environment-of"].map(|verb| format!("{verb}:{pid}")));
    }
    let list: Vec<_> = deeds.iter().map(|deed| format!("'try={deed}'")).collect();
    ground.processes(
        "web: { image: probe, config: /config/web.yaml }\n\
         evil: { image: probe, config: /config/evil.yaml }",
    );
    ground.container_named("evil", &format!("arguments: [{}, sleep]", list.join(", ")));
    tree.signal(Signal::SIGHUP);
    for deed in &deeds {
        let result = tree.result("shop/evil.0", &format!("try={deed}"));
        let errno = if deed.starts_with("environ") {
            "ENOENT"
        } else {
            "ESRCH"
        };
        assert_eq!(result, json!({ "errno": errno }), "{deed}");
    }
    assert_eq!(tree.process("shop/web.0"), victim, "it was ended");
    // The opposite: in sight, the same user may end it.
    let result = ordinary(&ground, &format!("kill:{victim}"));
    assert_eq!(result, json!({ "done": "done" }));
}

/// Killing everybody in sight ends nobody else: SIGKILL to -1.
#[test]
fn killing_everybody_ends_nobody_outside() {
    let Some(ground) = Ground::new() else { return };
    let mut bystander = Bystander::new(&ground);
    ground.processes(
        "web: { image: probe, config: /config/web.yaml }\n\
         evil: { image: probe, config: /config/evil.yaml }",
    );
    ground.container("arguments: [report, sleep]");
    ground.container_named("evil", "arguments: [report, 'do=kill:-1', report, sleep]");
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    let victim = tree.process("shop/web.0");
    let knot = tree.knot("shop/evil.0");
    tree.result("shop/evil.0", "do=kill:-1");
    tree.results("shop/evil.0", "report", 2);
    assert_eq!(tree.process("shop/web.0"), victim);
    assert_eq!(tree.knot("shop/evil.0"), knot, "its own knot was ended");
    assert!(bystander.0.try_wait().unwrap().is_none());
    // The opposite: a signal of his does end a process of his.
    kill(
        Pid::from_raw(bystander.0.id().cast_signed()),
        Signal::SIGKILL,
    )
    .unwrap();
    assert!(!bystander.0.wait().unwrap().success());
}

/// An accomplice outside passes a descriptor of a directory of the host: Landlock
/// holds for what is beneath it too.
#[test]
fn nothing_is_read_through_a_passed_descriptor_of_the_host() {
    let Some(ground) = Ground::new() else { return };
    let volume = ground.directory("host/db", 1000, 0o777);
    ground.write("host/files/secret", "hunter2");
    let listener = UnixListener::bind(volume.join("socket")).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(volume.join("socket"), open).unwrap();
    let directory = File::open(ground.path("host/files")).unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            let fds = [directory.as_fd()];
            assert!(ancillary.push(SendAncillaryMessage::ScmRights(&fds)));
            let byte = [IoSlice::new(b"!")];
            sendmsg(&client, &byte, &mut ancillary, SendFlags::empty()).unwrap();
        }
    });
    let deed = "try=read-through-passed:/data/socket";
    let paths = format!("writable-paths: {{ /db: {} }}", volume.display());
    for (sandbox, lines) in [
        ("shop", ""),
        ("rooted", OWN_ROOT),
        ("open", "landlock: off"),
    ] {
        ground.sandbox_named(sandbox, &format!("{paths}\n{lines}"));
        let entry = "web: { image: probe, config: /config/web.yaml }";
        ground.write(&format!("processes/{sandbox}.yaml"), entry);
    }
    ground.container(&format!(
        "arguments: ['{deed}', sleep]\nvolumes: {{ /data: !Persistent /db }}"
    ));
    let tree = ground.start();
    for sandbox in ["shop", "rooted"] {
        let result = tree.result(&format!("{sandbox}/web.0"), deed);
        assert_eq!(result, json!({ "errno": "EACCES" }), "{sandbox}");
    }
    // The opposite.
    assert_eq!(
        tree.result("open/web.0", deed),
        json!({ "done": "hunter2" })
    );
}

/// Where neither Landlock nor seccomp, nor even a user namespace, stands before it: what
/// keeps user 0 from the knot is that it has another user.
#[test]
fn the_user_of_a_container_is_not_that_of_its_knot() {
    let Some(ground) = Ground::new() else { return };
    let verbs = [
        "signal",
        "starve",
        "renice",
        "slow-disk",
        "schedule",
        "trace",
    ];
    let deeds = verbs.map(|verb| format!("try={verb}:1"));
    for lines in ["", "user-namespace: false"] {
        let _ = std::fs::remove_file(ground.path("log/stdio/shop.log"));
        ground.sandbox(&format!(
            "allow-users: [0]\ndefault-user: 0\ndefault-group: 0\n\
             seccomp: unconfined\nlandlock: off\n{lines}"
        ));
        ground.container(&format!("arguments: ['{}', sleep]", deeds.join("', '")));
        let tree = ground.start();
        for deed in &deeds {
            let result = tree.result("shop/web.0", deed);
            assert_eq!(result, json!({ "errno": "EPERM" }), "{lines}: {deed}");
        }
    }
}

/// Whoever shares a socket can shut it down for all of its sandbox: the next start
/// finds out and gets a new one.
#[test]
fn a_shared_socket_that_somebody_shut_down_is_bound_anew() {
    let Some(ground) = Ground::new() else { return };
    let port = free_port();
    ground.sandbox(&format!("allow-tcp-ports: [{port}]"));
    ground.processes(
        "web: { image: probe, config: /config/web.yaml }\n\
         evil: { image: probe, config: /config/evil.yaml }",
    );
    let socket = format!("tcp-ports: {{ {port}: {{ fd: 3, host: 127.0.0.1 }} }}");
    ground.container(&format!(
        "arguments: [report, serve=3]\nrestart-timeout: 0.1\n{socket}"
    ));
    ground.container_named("evil", &format!("arguments: [report, sleep]\n{socket}"));
    let tree = ground.start();
    let answers = || {
        let mut answer = String::new();
        let client = TcpStream::connect(("127.0.0.1", port));
        let read = client.and_then(|mut client| client.read_to_string(&mut answer));
        (read.is_ok() && answer.starts_with("shop/web.0")).then_some(())
    };
    tree.result("shop/web.0", "report");
    tree.wait("an answer", answers);
    let text = format!("arguments: ['do=shut-down:3', report, sleep]\n{socket}");
    ground.container_named("evil", &text);
    tree.signal(Signal::SIGHUP);
    let result = tree.result("shop/evil.0", "do=shut-down:3");
    assert_eq!(result, json!({ "done": "done" }));
    // The opposite: without a new start, nobody answers.
    assert!(
        TcpStream::connect(("127.0.0.1", port)).is_err(),
        "it did nothing"
    );
    kill(Pid::from_raw(tree.process("shop/web.0")), Signal::SIGKILL).unwrap();
    tree.wait("an answer on a new socket", answers);
}

/// User 0 owns the log that he writes to, and can make a set-user-id program of it; but
/// no accomplice outside gets there.
#[test]
fn a_log_made_a_program_of_roots_is_out_of_reach() {
    let Some(ground) = Ground::new() else { return };
    let deed = "do=set-id-of-output";
    ground.sandbox("allow-users: [0]\ndefault-user: 0\ndefault-group: 0");
    ground.container(&format!("arguments: ['{deed}', sleep]"));
    let tree = ground.start();
    assert_eq!(tree.result("shop/web.0", deed), json!({ "done": "done" }));
    let log = ground.path("log/stdio/shop.log");
    let mode = std::fs::metadata(&log).unwrap().permissions().mode();
    // What the probe writes after it takes the set-user-id bit away again.
    assert_eq!(mode & 0o777, 0o777);
    let reach = format!("open-to-write:{}", log.display());
    assert_eq!(ordinary(&ground, &reach), json!({ "errno": "EACCES" }));
    // The opposite: where its directory is open to everybody.
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(ground.path("log/stdio"), open).unwrap();
    assert_eq!(ordinary(&ground, &reach), json!({ "done": "done" }));
}
