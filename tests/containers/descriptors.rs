//! Open file descriptors and listening sockets.

use std::collections::BTreeSet;
use std::io::Read;
use std::net::{TcpListener, TcpStream};

use serde_json::json;

use crate::ground::Ground;

/// A port that nobody has at the moment.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn has_no_descriptor_but_the_three_and_the_declared_sockets() {
    let Some(ground) = Ground::new() else { return };
    let (first, second) = (free_port(), free_port());
    ground.sandbox(&format!("allow-tcp-ports: [{first}, {second}]"));
    ground.container(&format!(
        "arguments: [report, sleep]\nsecret-environ: {{ PASSWORD: '{}' }}\n\
         tcp-ports:\n  {first}: {{ fd: 3, host: 127.0.0.1 }}\n  {second}: {{ fd: 9 }}",
        ground.seal("alpha", "", "hunter2")
    ));
    let tree = ground.start();
    let mut descriptors = tree.result("shop/web.0", "report")["descriptors"].clone();
    for log in ["1", "2"] {
        let path = descriptors.as_object_mut().unwrap().remove(log).unwrap();
        assert!(
            path.as_str().unwrap().ends_with("shop.log"),
            "{log} is {path}"
        );
    }
    assert_eq!(
        descriptors,
        json!({
            "0": "/dev/null",
            "3": format!("listens 127.0.0.1:{first}"),
            "9": format!("listens 0.0.0.0:{second}"),
        })
    );
}

#[test]
fn standard_input_can_be_the_socket() {
    let Some(ground) = Ground::new() else { return };
    let port = free_port();
    ground.sandbox(&format!("allow-tcp-ports: [{port}]"));
    ground.container(&format!(
        "arguments: [report, sleep]\ntcp-ports: {{ {port}: {{ fd: 0, host: '127.0.0.1' }} }}"
    ));
    let tree = ground.start();
    let report = tree.result("shop/web.0", "report");
    assert_eq!(
        report["descriptors"]["0"],
        format!("listens 127.0.0.1:{port}")
    );
}

#[test]
fn instances_share_one_port_and_both_answer() {
    let Some(ground) = Ground::new() else { return };
    let port = free_port();
    ground.sandbox(&format!("allow-tcp-ports: [{port}]"));
    ground.processes("web: { image: probe, config: /config/web.yaml, instances: 2 }");
    ground.container(&format!(
        "arguments: [report, serve=3]\ntcp-ports: {{ {port}: {{ fd: 3, host: '127.0.0.1' }} }}"
    ));
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    tree.result("shop/web.1", "report");
    let mut names = BTreeSet::new();
    tree.wait("answer of both instances", || {
        let mut answer = String::new();
        let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        client.read_to_string(&mut answer).unwrap();
        names.insert(answer.split(' ').next().unwrap().to_owned());
        (names.len() == 2).then_some(())
    });
    assert_eq!(names, ["shop/web.0", "shop/web.1"].map(String::from).into());
}

#[test]
fn sockets_of_systemd_activation_come_in_name_order_from_3_on() {
    let Some(ground) = Ground::new() else { return };
    let (first, second) = (free_port(), free_port());
    ground.sandbox(&format!("allow-tcp-ports: [{first}, {second}]"));
    ground.processes(&format!(
        "web:\n  image: probe\n  config: /config/web.yaml\n  \
         variables: {{ zebra: '{first}', ape: '{second}' }}"
    ));
    ground.container(
        "arguments: [report, sleep]\nvariables:\n  zebra: !TcpPort {activation: systemd}\n  \
         ape: !TcpPort {activation: systemd}",
    );
    let tree = ground.start();
    let report = tree.result("shop/web.0", "report");
    assert_eq!(
        report["descriptors"]["3"],
        format!("listens 0.0.0.0:{second}")
    );
    assert_eq!(
        report["descriptors"]["4"],
        format!("listens 0.0.0.0:{first}")
    );
    assert_eq!(report["environ"]["LISTEN_FDS"], "2");
    assert_eq!(report["environ"]["LISTEN_FDNAMES"], "ape:zebra");
    let pid = report["status"]["Pid"].as_str();
    assert_eq!(report["environ"]["LISTEN_PID"].as_str(), pid);
}

#[test]
fn a_port_that_is_taken_is_an_error_that_names_it_and_is_tried_again() {
    let Some(ground) = Ground::new() else { return };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    ground.sandbox(&format!("allow-tcp-ports: [{port}]"));
    ground.container(&format!(
        "arguments: [report, sleep]\nrestart-timeout: 0.1\nrestart-timeout-max: 0.3\n\
         tcp-ports: {{ {port}: {{ fd: 3, host: '127.0.0.1', reuse-addr: false }} }}"
    ));
    let tree = ground.start();
    tree.wait_for_log(&[
        "shop/web",
        &format!("127.0.0.1:{port}"),
        "address already in use",
    ]);
    drop(taken);
    tree.result("shop/web.0", "report");
}
