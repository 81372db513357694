//! Listening sockets across instances, generations and supervisors.

use std::collections::BTreeSet;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};

use nix::sys::signal::Signal;

use crate::descriptors::free_port;
use crate::ground::Ground;
use crate::tree::Tree;

const TWO: &str = "web: { image: probe, config: /config/web.yaml, instances: 2 }";

fn reload(tree: &Tree<'_>) {
    let count = || tree.log().matches("loaded; supervising").count();
    let before = count();
    tree.signal(Signal::SIGHUP);
    tree.wait("reload", || (count() > before).then_some(()));
}

/// Waits until both instances have answered at this address.
fn expect_both(tree: &Tree<'_>, address: SocketAddr) {
    let mut names = BTreeSet::new();
    tree.wait("answer of both instances", || {
        let mut answer = String::new();
        let mut client = TcpStream::connect(address).unwrap();
        client.read_to_string(&mut answer).unwrap();
        names.insert(answer.split(' ').next().unwrap().to_owned());
        (names.len() == 2).then_some(())
    });
}

/// How many sockets listen on the port, by the kernel's own list.
fn listening(port: u16) -> usize {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(std::fs::read_to_string);
    let tables = tables.map(Result::unwrap_or_default).concat();
    let lines = tables.lines().map(|line| line.split_whitespace());
    lines
        .filter(|words| {
            let words: Vec<_> = words.clone().take(4).collect();
            let local = words.get(1).copied().unwrap_or_default();
            local.ends_with(&format!(":{port:04X}")) && words.get(3) == Some(&"0A")
        })
        .count()
}

#[test]
fn an_ipv6_socket_as_standard_input_outlives_reload_and_crash_and_closes_with_its_last_user() {
    let Some(ground) = Ground::new() else { return };
    if TcpListener::bind("[::1]:0").is_err() {
        return; // This machine has no IPv6.
    }
    let port = free_port();
    let address = SocketAddr::new("::1".parse().unwrap(), port);
    ground.sandbox(&format!("allow-tcp-ports: [{port}]"));
    ground.processes(TWO);
    ground.container(&format!(
        "arguments: [report, serve=0]\ntcp-ports: {{ {port}: {{ fd: 0, host: '::1' }} }}"
    ));
    let mut tree = ground.start();
    tree.result("shop/web.0", "report");
    tree.result("shop/web.1", "report");
    expect_both(&tree, address);
    reload(&tree);
    expect_both(&tree, address);
    tree.signal(Signal::SIGKILL);
    tree.ended();
    std::mem::forget(tree);
    let mut tree = ground.start();
    tree.wait_for_log(&["shop/web.1: found running"]);
    expect_both(&tree, address);
    assert_eq!(listening(port), 1);
    ground.processes("web: { image: probe, config: /config/web.yaml, instances: 1 }");
    reload(&tree);
    tree.wait("end of one", || {
        ground.knot("shop/web.1").is_none().then_some(())
    });
    assert_eq!(listening(port), 1);
    ground.processes("{}");
    reload(&tree);
    tree.wait("closed port", || (listening(port) == 0).then_some(()));
    assert!(tree.stop().success());
    ground.expect_nothing_left();
}

#[test]
fn instances_share_a_socket_of_systemd_activation() {
    let Some(ground) = Ground::new() else { return };
    let port = free_port();
    ground.sandbox(&format!("allow-tcp-ports: [{port}]"));
    ground.processes(&format!(
        "web:\n  image: probe\n  config: /config/web.yaml\n  instances: 2\n  \
         variables: {{ port: '{port}' }}"
    ));
    ground.container(
        "arguments: [report, serve=3]\n\
         variables: { port: !TcpPort { activation: systemd } }",
    );
    let tree = ground.start();
    for name in ["shop/web.0", "shop/web.1"] {
        let report = tree.result(name, "report");
        assert_eq!(report["environ"]["LISTEN_FDNAMES"], "port");
    }
    expect_both(&tree, SocketAddr::from(([127, 0, 0, 1], port)));
    assert_eq!(listening(port), 1);
}

#[test]
fn with_reuse_port_each_instance_has_a_socket_of_its_own() {
    let Some(ground) = Ground::new() else { return };
    let port = free_port();
    ground.sandbox(&format!("allow-tcp-ports: [{port}]"));
    ground.processes(TWO);
    ground.container(&format!(
        "arguments: [report, serve=3]\n\
         tcp-ports: {{ {port}: {{ fd: 3, host: '127.0.0.1', reuse-port: true }} }}"
    ));
    let mut tree = ground.start();
    tree.result("shop/web.0", "report");
    tree.result("shop/web.1", "report");
    expect_both(&tree, SocketAddr::from(([127, 0, 0, 1], port)));
    assert_eq!(listening(port), 2);
    ground.processes("web: { image: probe, config: /config/web.yaml, instances: 1 }");
    reload(&tree);
    tree.wait("closed socket", || (listening(port) == 1).then_some(()));
    assert!(tree.stop().success());
    assert_eq!(listening(port), 0);
}
