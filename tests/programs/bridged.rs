//! Containers of a real supervisor on a bridge. Everything, the supervisor
//! included, is in a network namespace of the test's own.

use std::fs::{self, File};
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::ground::Ground;
use crate::network::Host;
use crate::tree::{Tree, wait_or};

/// Shorter than the second after which TCP sends its first packet again.
const AT_ONCE: Duration = Duration::from_millis(900);

/// A bridge's network, its address, and those of two containers.
struct Addresses {
    network: &'static str,
    prefix: u8,
    bridge: &'static str,
    containers: [&'static str; 2],
    any: &'static str,
}

const IPV4: Addresses = Addresses {
    network: "10.1.0.0/24",
    prefix: 24,
    bridge: "10.1.0.1",
    containers: ["10.1.0.2", "10.1.0.3"],
    any: "0.0.0.0",
};

const IPV6: Addresses = Addresses {
    network: "fd00:1::/64",
    prefix: 64,
    bridge: "fd00:1::1",
    containers: ["fd00:1::2", "fd00:1::3"],
    any: "::",
};

/// A host with the bridge `br0`, and two containers on it that listen on port 80.
fn lay(addresses: &Addresses, lines: &str) -> Option<(Ground, Host)> {
    let ground = Ground::new()?;
    let mut host = Host::new()?;
    host.bridge("br0", &[(addresses.bridge, addresses.prefix)]);
    ground.sandbox(&format!(
        "bridged-network:\n  bridge: br0\n  network: {}\n  default-gateway: {}\n  {lines}",
        addresses.network, addresses.bridge
    ));
    let [one, two] = addresses.containers;
    ground.processes(&format!(
        "web: {{ image: probe, config: /config/web.yaml, instances: 2, \
         ip-addresses: ['{one}', '{two}'] }}"
    ));
    ground.container(&format!(
        "arguments: [report, serve=3]\nrestart-timeout: 0.1\n\
         tcp-ports: {{ 80: {{ fd: 3, host: '{}' }} }}",
        addresses.any
    ));
    Some((ground, host))
}

/// Who answers at port 80 of this address, asked from here.
fn ask(address: &str) -> std::io::Result<String> {
    let address = SocketAddr::new(address.parse().unwrap(), 80);
    let mut stream = TcpStream::connect_timeout(&address, AT_ONCE)?;
    stream.set_read_timeout(Some(AT_ONCE))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (name, _) = answer.split_once(' ').unwrap_or_default();
    Ok(name.to_owned())
}

/// The same, asked from within the network namespace of a container.
fn ask_from(process: i32, address: &str) -> std::io::Result<String> {
    let namespace = File::open(format!("/proc/{process}/ns/net"))?;
    let address = address.to_owned();
    let asked = thread::spawn(move || {
        setns(namespace, CloneFlags::CLONE_NEWNET)?;
        ask(&address)
    });
    asked.join().unwrap()
}

/// Each container reaches the other and is reached by the host.
fn expect_everyone_talks(tree: &Tree<'_>, addresses: &Addresses) {
    let [one, two] = addresses.containers;
    let [first, second] = ["shop/web.0", "shop/web.1"].map(|name| tree.process(name));
    assert_eq!(ask_from(first, two).unwrap(), "shop/web.1");
    assert_eq!(ask_from(second, one).unwrap(), "shop/web.0");
    assert_eq!(ask(one).unwrap(), "shop/web.0");
    assert_eq!(ask(two).unwrap(), "shop/web.1");
}

fn talk_through_a_restart(addresses: &Addresses) {
    let Some((ground, host)) = lay(addresses, "") else {
        return;
    };
    let mut tree = ground.start();
    for name in ["shop/web.0", "shop/web.1"] {
        tree.result(name, "report");
    }
    expect_everyone_talks(&tree, addresses);
    assert_eq!(host.interfaces("li_").len(), 2);
    let knot = tree.knot("shop/web.0");
    kill(Pid::from_raw(knot), Signal::SIGKILL).unwrap();
    tree.results("shop/web.0", "report", 2);
    assert_ne!(tree.knot("shop/web.0"), knot);
    expect_everyone_talks(&tree, addresses);
    assert_eq!(host.interfaces("li_").len(), 2);
    assert!(tree.stop().success());
    assert!(host.soon_has_no_interface("li_"));
    ground.expect_nothing_left();
}

#[test]
fn two_containers_talk_over_ipv4_through_a_restart() {
    talk_through_a_restart(&IPV4);
}

#[test]
fn two_containers_talk_over_ipv6_through_a_restart() {
    talk_through_a_restart(&IPV6);
}

#[test]
fn a_port_of_a_bridged_container_is_not_open_on_the_host() {
    let Some((ground, _host)) = lay(&IPV4, "") else {
        return;
    };
    let tree = ground.start();
    tree.result("shop/web.1", "report");
    let refused = ask("127.0.0.1").unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn an_external_port_is_bound_on_the_host_and_passed_in() {
    let Some((ground, _host)) = lay(&IPV4, "") else {
        return;
    };
    ground.sandbox(&format!(
        "{}\nallow-tcp-ports: [80]",
        "bridged-network: { bridge: br0, network: 10.1.0.0/24 }"
    ));
    ground.container(
        "arguments: [report, serve=4]\n\
         tcp-ports: { 81: { fd: 3 }, 80: { fd: 4, host: 10.1.0.1, external: true } }",
    );
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    assert!(ask("10.1.0.1").unwrap().starts_with("shop/web."));
    let refused = ask(IPV4.containers[0]).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn a_start_that_fails_half_way_leaves_no_interface() {
    let Some((ground, host)) = lay(&IPV4, "after-setup-command: [/bin/false]") else {
        return;
    };
    let mut tree = ground.start();
    tree.wait_for_log(&["cannot finish the network: after-setup-command /bin/false"]);
    assert!(tree.stop().success());
    assert!(host.soon_has_no_interface("li_"));
    ground.expect_nothing_left();
}

#[test]
fn a_knot_killed_while_it_sets_up_leaves_no_interface() {
    let Some((ground, host)) = lay(&IPV4, "after-setup-command: [/bin/sleep, '30']") else {
        return;
    };
    ground.container("arguments: [report, serve=3]\nrestart-timeout: 600");
    let mut tree = ground.start();
    let knots = ["shop/web.0", "shop/web.1"].map(|name| tree.knot(name));
    tree.wait("two interfaces", || {
        (host.interfaces("li_").len() == 2).then_some(())
    });
    for knot in knots {
        kill(Pid::from_raw(knot), Signal::SIGKILL).unwrap();
    }
    assert!(host.soon_has_no_interface("li_"));
    assert!(tree.stop().success());
    ground.expect_nothing_left();
}

#[test]
fn a_supervisor_killed_while_knots_set_up_leaves_none_to_come() {
    let Some((ground, host)) = lay(&IPV4, "") else {
        return;
    };
    // Killed at many moments of the start: what was not recorded is gone, what
    // was is found by the next one, and nothing is there twice.
    for delay in (0..40).step_by(4) {
        let mut tree = ground.start();
        thread::sleep(Duration::from_millis(delay));
        tree.signal(Signal::SIGKILL);
        tree.ended();
        std::mem::forget(tree);
        let next = ground.start();
        // Else the others' containers answer before it can be told to stop.
        next.listens();
        for name in ["shop/web.0", "shop/web.1"] {
            next.process(name);
        }
        let settled = wait_or(|| {
            let knots = ground.knots().len();
            (knots == 2 && host.interfaces("li_").len() == 2).then_some(())
        });
        assert!(settled.is_some(), "{:?}", host.interfaces("li_"));
        let deadline = Instant::now() + Duration::from_secs(10);
        while ask(IPV4.containers[0]).is_err() {
            assert!(Instant::now() < deadline, "nobody answers");
        }
        let mut next = next;
        assert!(next.stop().success());
        assert!(host.soon_has_no_interface("li_"));
        ground.expect_nothing_left();
        let _ = fs::remove_file(ground.path("log/stdio/shop.log"));
    }
}
