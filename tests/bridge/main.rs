//! Containers' networks on real bridges, in network namespaces of the test's
//! own. See also `src/bridge`.

mod ground;
mod killed;

use std::io::ErrorKind;
use std::net::{IpAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use lithos::bridge::{Attachment, BridgeError, HostLink, enter, host_end};
use lithos::resolve::plan::Network;

use ground::{Container, Host, host_reaches, on_br0};

/// A bridge's address and those of two containers.
const IPV4: [&str; 3] = ["10.1.0.1", "10.1.0.2", "10.1.0.3"];
const IPV6: [&str; 3] = ["fd00:1::1", "fd00:1::2", "fd00:1::3"];

/// A host with the bridge `br0`.
fn host_with_br0() -> Option<Host> {
    let mut host = Host::new()?;
    host.bridge("br0", &[(IPV4[0], 24), (IPV6[0], 64)]);
    Some(host)
}

#[test]
fn two_containers_and_the_bridge_talk_over_ipv4() {
    everyone_reaches_everyone(IPV4);
}

#[test]
fn two_containers_and_the_bridge_talk_over_ipv6() {
    everyone_reaches_everyone(IPV6);
}

fn everyone_reaches_everyone([bridge, one, two]: [&'static str; 3]) {
    let Some(host) = host_with_br0() else { return };
    let first = Container::attached(on_br0(one)).unwrap();
    let second = Container::attached(on_br0(two)).unwrap();
    let at_first = first.listen(one);
    let at_second = second.listen(two);
    let at_bridge = listen_on_host(bridge);
    assert!(first.reaches(&at_second));
    assert!(second.reaches(&at_first));
    assert!(host_reaches(&at_first));
    assert!(first.reaches(&at_bridge));
    assert!(second.reaches(&at_bridge));
    let [one, two] = [one, two].map(|address| host_end("br0", address.parse().unwrap()));
    let names = host.interfaces("li_");
    assert!(
        names.len() == 2 && names.contains(&one) && names.contains(&two),
        "{names:?}"
    );
}

fn listen_on_host(address: &str) -> TcpListener {
    // An IPv6 address of a bridge without ports is held back until it has one.
    let address: IpAddr = address.parse().unwrap();
    for _ in 0..500 {
        match TcpListener::bind((address, 8080)) {
            Err(err) if err.kind() == ErrorKind::AddrNotAvailable => {}
            outcome => return outcome.unwrap(),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the bridge never has the address {address}");
}

#[test]
fn a_restarted_container_is_reached_at_once_over_ipv4() {
    reached_at_once_after_a_restart(IPV4);
}

#[test]
fn a_restarted_container_is_reached_at_once_over_ipv6() {
    reached_at_once_after_a_restart(IPV6);
}

/// By a peer and by the host, which have the old Ethernet address in use.
fn reached_at_once_after_a_restart([_, one, two]: [&'static str; 3]) {
    let Some(_host) = host_with_br0() else { return };
    let peer = Container::attached(on_br0(two)).unwrap();
    for _ in 0..3 {
        let container = Container::attached(on_br0(one)).unwrap();
        let listener = container.listen(one);
        assert!(peer.reaches(&listener));
        assert!(host_reaches(&listener));
    }
}

#[test]
fn replaces_the_interface_of_a_namespace_that_someone_keeps() {
    let Some(host) = host_with_br0() else { return };
    let kept = Container::attached(on_br0(IPV4[1]))
        .unwrap()
        .listen(IPV4[1]);
    assert_eq!(host.interfaces("li_").len(), 1);
    let container = Container::attached(on_br0(IPV4[1])).unwrap();
    assert_eq!(host.interfaces("li_").len(), 1);
    assert!(host_reaches(&container.listen(IPV4[1])));
    drop(kept);
}

#[test]
fn sends_to_other_networks_through_the_gateway_alone() {
    let Some(mut host) = host_with_br0() else {
        return;
    };
    host.place_behind("192.0.2.1");
    let behind = listen_on_host("192.0.2.1");
    let gateway = Some(IPV4[0].parse().unwrap());
    let with = Container::attached(Attachment {
        gateway,
        ..on_br0(IPV4[1])
    })
    .unwrap();
    let without = Container::attached(on_br0(IPV4[2])).unwrap();
    assert!(with.reaches(&behind));
    let error = without
        .run(|| TcpStream::connect("192.0.2.1:8080"))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NetworkUnreachable);
}

#[test]
fn sends_to_other_ipv6_networks_through_the_gateway() {
    let Some(mut host) = host_with_br0() else {
        return;
    };
    host.bridge("br1", &[("2001:db8::1", 64)]);
    let gateway = Some(IPV6[0].parse().unwrap());
    let container = Container::attached(Attachment {
        gateway,
        ..on_br0(IPV6[1])
    })
    .unwrap();
    let _port = Container::attached(Attachment {
        bridge: "br1",
        ..on_br0("2001:db8::2")
    });
    assert!(container.reaches(&listen_on_host("2001:db8::1")));
}

#[test]
fn the_bridge_uses_its_port_by_the_time_the_container_is_attached() {
    let Some(mut host) = host_with_br0() else {
        return;
    };
    let name = host_end("br0", IPV4[1].parse().unwrap());
    let _container = Container::attached(on_br0(IPV4[1])).unwrap();
    let link = host.link(&name);
    assert!(link.running && !link.port_disabled, "{link:?}");
    assert_eq!(link.master, Some(host.link("br0").index));
}

#[test]
fn does_not_wait_for_a_bridge_that_is_off() {
    let Some(mut host) = Host::new() else { return };
    host.bridge_off("br0");
    let name = host_end("br0", IPV4[1].parse().unwrap());
    // It would wait for two seconds each time; a busy machine delays one, or another.
    let soon = (0..5).any(|_| {
        let start = Instant::now();
        let _container = Container::attached(on_br0(IPV4[1])).unwrap();
        start.elapsed() < Duration::from_secs(1)
    });
    assert!(soon);
    let _container = Container::attached(on_br0(IPV4[1])).unwrap();
    assert!(host.link(&name).port_disabled);
}

#[test]
fn refuses_a_bridge_that_is_not_there() {
    let Some(_host) = Host::new() else { return };
    let error = Container::attached(on_br0("10.1.0.2")).err().unwrap();
    let name = host_end("br0", "10.1.0.2".parse().unwrap());
    assert_eq!(
        error.to_string(),
        format!("cannot attach {name} to bridge br0: there is no such interface")
    );
    assert!(
        error
            .hint()
            .unwrap()
            .contains("ip link add br0 type bridge")
    );
}

#[test]
fn refuses_a_bridge_that_is_something_else() {
    let Some(mut host) = Host::new() else { return };
    host.bridge("br1", &[]);
    host.veth("br0", "br1");
    let error = Container::attached(on_br0("10.1.0.2")).err().unwrap();
    assert!(
        error
            .to_string()
            .ends_with("to bridge br0: that is no bridge but a veth"),
        "{error}"
    );
    assert!(host.interfaces("li_").is_empty());
}

#[test]
fn refuses_to_replace_an_interface_that_is_no_veth() {
    let Some(mut host) = host_with_br0() else {
        return;
    };
    let name = host_end("br0", IPV4[1].parse().unwrap());
    host.bridge(&name, &[]);
    let error = Container::attached(on_br0(IPV4[1])).err().unwrap();
    assert!(error.to_string().contains("the name is taken"), "{error}");
    assert_eq!(host.interfaces("li_"), [name]);
}

#[test]
fn refuses_to_replace_a_veth_of_another_bridge() {
    let Some(mut host) = host_with_br0() else {
        return;
    };
    host.bridge("br1", &[]);
    let name = host_end("br0", IPV4[1].parse().unwrap());
    host.veth(&name, "br1");
    let error = Container::attached(on_br0(IPV4[1])).err().unwrap();
    assert!(error.to_string().contains("the name is taken"), "{error}");
    assert_eq!(host.interfaces("li_"), [name]);
}

#[test]
fn leaves_nothing_when_the_address_or_the_route_is_refused() {
    let Some(host) = host_with_br0() else { return };
    let outside = Some("172.16.0.1".parse().unwrap());
    for (attachment, said) in [
        (
            Attachment {
                prefix: 33,
                ..on_br0(IPV4[1])
            },
            "cannot add address 10.1.0.2/33",
        ),
        (
            Attachment {
                prefix: 129,
                ..on_br0(IPV6[1])
            },
            "cannot add address fd00:1::2/129",
        ),
        (
            Attachment {
                gateway: outside,
                ..on_br0(IPV4[1])
            },
            "cannot add the default route to 172.16.0.1",
        ),
    ] {
        let container = Container::new(|| Ok::<_, BridgeError>(())).unwrap();
        let outcome = container.run(move || HostLink::open()?.leave()?.connect(&attachment));
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
        // Although the namespace is still there.
        assert_eq!(host.interfaces("li_"), [""; 0]);
    }
}

#[test]
fn an_ended_container_leaves_nothing() {
    let Some(host) = host_with_br0() else { return };
    drop(Container::attached(on_br0(IPV4[1])).unwrap());
    assert!(host.soon_has_no_interface("li_"));
}

#[test]
fn ports_below_1024_are_open_to_anyone_inside_and_to_nobody_else() {
    let Some(_host) = host_with_br0() else { return };
    let container = Container::attached(on_br0(IPV4[1])).unwrap();
    let bind = |address: &'static str| {
        move || {
            let user = rustix::process::Uid::from_raw(1000);
            rustix::thread::set_thread_res_uid(user, user, user).unwrap();
            TcpListener::bind((address, 80)).map(drop)
        }
    };
    container.run(bind(IPV4[1])).unwrap();
    let on_host = std::thread::spawn(bind(IPV4[0])).join().unwrap();
    assert_eq!(on_host.unwrap_err().kind(), ErrorKind::PermissionDenied);
}

#[test]
fn does_not_take_addresses_and_routes_from_its_neighbours() {
    let Some(_host) = host_with_br0() else { return };
    let container = Container::attached(on_br0(IPV6[1])).unwrap();
    let setting = "/proc/sys/net/ipv6/conf/eth0/accept_ra";
    let inside = container.run(move || std::fs::read_to_string(setting));
    assert_eq!(inside.unwrap(), "0\n");
}

#[test]
fn a_network_without_a_bridge_has_its_loopback_only() {
    let Some(host) = Host::new() else { return };
    let proc = std::fs::File::open("/proc").unwrap();
    let container = Container::new(move || enter(&Network::Loopback, proc)).unwrap();
    assert!(container.reaches(&container.listen("127.0.0.1")));
    let routes = container.run(|| std::fs::read_to_string("/proc/thread-self/net/dev"));
    assert!(!routes.unwrap().contains("eth0"));
    assert!(host.interfaces("li_").is_empty());
}

/// The plan's network on `br0`, with this script as its command.
fn with_command(script: String) -> Result<Container, BridgeError> {
    let proc = std::fs::File::open("/proc").unwrap();
    let network = Network::Bridged {
        bridge: "br0".to_owned(),
        address: IPV4[1].parse().unwrap(),
        prefix: 24,
        gateway: None,
        after_setup: vec!["/bin/sh".to_owned(), "-c".to_owned(), script],
    };
    Container::new(move || enter(&network, proc))
}

#[test]
fn the_command_runs_in_the_containers_network_and_on_the_hosts_files() {
    let Some(_host) = host_with_br0() else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("seen");
    let script = format!(
        "while read line; do echo $line; done </proc/net/dev >{}",
        file.display()
    );
    let _container = with_command(script).unwrap();
    let seen = std::fs::read_to_string(file).unwrap();
    assert!(seen.contains("eth0:") && !seen.contains("br0:"), "{seen}");
}

#[test]
fn a_failed_command_is_an_error_and_leaves_nothing() {
    let Some(host) = host_with_br0() else { return };
    let error = with_command("exit 7".to_owned()).err().unwrap();
    assert!(
        error
            .to_string()
            .ends_with("/bin/sh ended with exit status: 7"),
        "{error}"
    );
    assert!(host.soon_has_no_interface("li_"));
}
