//! What of the supervisor and the knot could be reached at all.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::Command;

use rustix::io::FdFlags;
use serde_json::Value;

use crate::ground::{Ground, OWN_ROOT};

const WITH_SECRET: &str = "arguments: [report, sleep]\nsecret-environ: { PASSWORD: '{}' }";

/// The sockets that a process has open, by inode.
fn sockets(pid: i32) -> BTreeSet<String> {
    let links = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let links = links.filter_map(|link| fs::read_link(link.path()).ok());
    links
        .filter_map(|target| {
            let text = target.to_str()?.strip_prefix("socket:[")?;
            Some(text.trim_end_matches(']').to_owned())
        })
        .collect()
}

/// The abstract names among these, by the kernel's own list.
fn abstract_names(sockets: &BTreeSet<String>) -> Vec<String> {
    let table = fs::read_to_string("/proc/net/unix").unwrap();
    let lines = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let named = lines.filter(|words| {
        let own = words.get(6).is_some_and(|inode| sockets.contains(*inode));
        own && words.get(7).is_some_and(|name| name.starts_with('@'))
    });
    named.map(|words| words[7].to_owned()).collect()
}

/// Those of them that listen on TCP.
fn listening(sockets: &BTreeSet<String>) -> usize {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
    let tables = tables.map(Result::unwrap_or_default).concat();
    let lines = tables
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .filter(|words| words.get(3) == Some(&"0A"))
        .filter(|words| words.get(9).is_some_and(|inode| sockets.contains(*inode)))
        .count()
}

fn own_pid() -> i32 {
    std::process::id().cast_signed()
}

/// containerd 2020-15257.
#[test]
fn neither_supervisor_nor_knot_has_an_abstract_socket() {
    let Some(ground) = Ground::new() else { return };
    ground.container(&WITH_SECRET.replace("{}", &ground.seal("alpha", "", "hunter2")));
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    for pid in [
        tree.pid(),
        tree.knot("shop/web.0"),
        tree.process("shop/web.0"),
    ] {
        assert_eq!(abstract_names(&sockets(pid)), Vec::<String>::new());
    }
    // The opposite: one that is there is found.
    let name = format!("lithos-test-{}", ground.root().display());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    assert!(abstract_names(&sockets(own_pid())).contains(&format!("@{name}")));
}

/// supervisord 2017-11610: nothing to talk to over the network.
#[test]
fn the_supervisor_listens_on_no_port() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [report, sleep]");
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    for pid in [tree.pid(), tree.knot("shop/web.0")] {
        assert_eq!(listening(&sockets(pid)), 0);
    }
    // The opposite: one that listens is found.
    let _listener = TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(listening(&sockets(own_pid())) > 0);
}

/// runc 2016-9962 and 2024-21626.
#[test]
fn no_descriptor_of_the_host_is_left_to_a_process() {
    let Some(ground) = Ground::new() else { return };
    let config = WITH_SECRET.replace("report", "do=descriptors");
    let config = config.replace("{}", &ground.seal("alpha", "", "hunter2"));
    for (sandbox, lines) in [("shop", ""), ("rooted", OWN_ROOT)] {
        ground.sandbox_named(sandbox, lines);
        let entry = "web: { image: probe, config: /config/web.yaml }";
        ground.write(&format!("processes/{sandbox}.yaml"), entry);
    }
    ground.container(&config);
    let tree = ground.start();
    for sandbox in ["shop", "rooted"] {
        let result = tree.result(&format!("{sandbox}/web.0"), "do=descriptors");
        assert_eq!(result["done"], "", "{sandbox}");
    }
    // The opposite: one that is left is found.
    let host = File::open(ground.path("host")).unwrap();
    rustix::io::fcntl_setfd(&host, FdFlags::empty()).unwrap();
    let mut probe = Command::new(ground.path("images/probe/bin/probe"));
    let output = probe.arg("do=descriptors").output().unwrap();
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = line["result"]["done"].as_str().unwrap();
    assert!(
        found.contains(&ground.path("host").display().to_string()),
        "{found}"
    );
}

/// What the knot keeps while the process lives leads to no directory and to no key
/// of the host.
#[test]
fn the_knot_keeps_no_directory_and_no_key_of_the_host() {
    let Some(ground) = Ground::new() else { return };
    ground.container(&WITH_SECRET.replace("{}", &ground.seal("alpha", "", "hunter2")));
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    let kept = |pid: i32| -> Vec<String> {
        let links = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
        let open = links.filter(|link| {
            let key =
                fs::read_link(link.path()).is_ok_and(|to| to.starts_with(ground.path("keys")));
            let directory = fs::metadata(link.path()).is_ok_and(|what| what.is_dir());
            key || directory
        });
        open.filter_map(|link| Some(fs::read_link(link.path()).ok()?.display().to_string()))
            .collect()
    };
    assert_eq!(kept(tree.knot("shop/web.0")), Vec::<String>::new());
    // The opposite: the test's own is found.
    let _host = File::open(ground.path("host")).unwrap();
    let own = kept(own_pid());
    assert!(
        own.contains(&ground.path("host").display().to_string()),
        "{own:?}"
    );
}

/// Keyrings are no namespace. Also where seccomp does not keep him, and as the
/// very user of the supervisor, a process has a session keyring of its own.
#[test]
fn the_session_keyring_of_the_supervisor_is_not_searched() {
    let Some(ground) = Ground::new() else { return };
    let key = format!("lithos-test-{}", std::process::id());
    let on_host = |verb: &str| -> Value {
        let mut probe = Command::new(ground.path("images/probe/bin/probe"));
        let output = probe.arg(format!("do={verb}:{key}")).output().unwrap();
        let mut line: Value = serde_json::from_slice(&output.stdout).unwrap();
        line["result"].take()
    };
    assert_eq!(on_host("add-key-to-user")["done"], "done");
    ground.sandbox("allow-users: [0]\ndefault-user: 0\nuser-namespace: false\nseccomp: unconfined");
    let deed = format!("do=request-key:{key}");
    ground.container(&format!("arguments: ['{deed}', sleep]"));
    let tree = ground.start();
    assert_eq!(tree.result("shop/web.0", &deed)["errno"], "ENOKEY");
    // The opposite: on the host, where the session is the supervisor's, it is found.
    assert_eq!(on_host("request-key")["done"], "done");
    assert_eq!(on_host("revoke-key")["done"], "done");
}
