//! Listening sockets: `tcp-ports`, and what is handed over the way systemd does.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::plan::{Network, Socket};
use super::problems::{Problems, Spot};
use super::variables::{self, EnvText, Values};
use super::{Documents, limits};
use crate::config::container::{Container, TcpPort, Variable};

/// What `LISTEN_FDS` counts from.
const FIRST_FD: u32 = 3;

/// What tells a process about its sockets; reserved when there are such.
pub(super) const LISTEN: [&str; 3] = ["LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID"];

/// The names of the variables for systemd activation, in the order of their
/// file descriptors.
fn activations(container: &Container) -> impl Iterator<Item = (u32, &String)> {
    let activated = container.variables.iter().filter(|(_, variable)| {
        let systemd_activation = true;
        **variable == Variable::TcpPort { systemd_activation }
    });
    (FIRST_FD..).zip(activated.map(|(name, _)| name))
}

/// Whether `LISTEN_FDS` and the others will be set.
pub(super) fn activates(container: &Container) -> bool {
    activations(container).next().is_some()
}

/// What `LISTEN_FDS` and the others will be.
pub(super) fn environ(container: &Container) -> Vec<(&'static str, EnvText)> {
    let names: Vec<_> = activations(container)
        .map(|(_, name)| name.as_str())
        .collect();
    if names.is_empty() {
        return Vec::new();
    }
    vec![
        (LISTEN[0], EnvText::fixed(names.len().to_string())),
        (LISTEN[1], EnvText::fixed(names.join(":"))),
        (LISTEN[2], EnvText::Pid),
    ]
}

/// The sockets of a process, the same for all its instances, each with its key in
/// `tcp-ports` or `variables`.
pub(super) fn sockets(
    docs: &Documents<'_>,
    values: &Values<'_>,
    networks: &[Network],
    problems: &mut Problems,
) -> Vec<(Socket, String)> {
    let mut sockets = Vec::new();
    for (key, asked) in &docs.container.tcp_ports {
        // A text that cannot be replaced is a problem already.
        let Ok(text) = values.port(key) else { continue };
        let spot = docs.container.at(&["tcp-ports", key]).key();
        let Some(port) = variables::port(&text) else {
            if !values.has_gap(key) {
                problems.error(spot, format!("`{key}` is no port: 1–65535"));
            }
            continue;
        };
        let limit = limits::fileno(docs);
        if u64::from(asked.fd) >= limit {
            let spot = docs.container.at(&["tcp-ports", key, "fd"]);
            let message = format!(
                "fd {} is not below the {limit} open files allowed",
                asked.fd
            );
            problems.error(spot, message);
        }
        if asked.external || docs.sandbox.bridged_network.is_none() {
            variables::port_allowed(docs, port, spot, problems);
        } else {
            reachable(docs, key, asked, networks, problems);
        }
        add(docs, key, socket(asked, port, None), &mut sockets, problems);
    }
    for (fd, name) in activations(&docs.container) {
        if let Some(port) = values.get(name).and_then(variables::port) {
            let socket = socket(&activated(fd), port, Some(name.clone()));
            add(docs, name, socket, &mut sockets, problems);
        }
    }
    sockets.sort();
    sockets
}

fn activated(fd: u32) -> TcpPort {
    TcpPort {
        fd,
        host: Ipv4Addr::UNSPECIFIED.into(),
        listen_backlog: 128,
        reuse_addr: true,
        reuse_port: false,
        set_non_block: false,
        external: false,
    }
}

fn socket(asked: &TcpPort, port: u16, activation: Option<String>) -> Socket {
    Socket {
        fd: asked.fd,
        address: SocketAddr::new(asked.host, port),
        backlog: asked.listen_backlog,
        reuse_addr: asked.reuse_addr,
        reuse_port: asked.reuse_port,
        non_block: asked.set_non_block,
        external: asked.external,
        activation,
    }
}

fn add(
    docs: &Documents<'_>,
    key: &str,
    socket: Socket,
    sockets: &mut Vec<(Socket, String)>,
    problems: &mut Problems,
) {
    let spot = docs.container.at(&[section(&socket), key]).key();
    let clash = sockets
        .iter()
        .map(|(other, _)| other)
        .find(|other| other.external == socket.external && overlap(other.address, socket.address));
    if let Some(other) = clash {
        let message = format!(
            "{} is bound already, as fd {} of this container ({})",
            socket.address, other.fd, other.address
        );
        problems.error(spot.clone(), message);
    }
    leave_to_metrics(docs, &socket, spot, problems);
    sockets.push((socket, key.to_owned()));
}

/// The section of the container config that asks for it.
pub(super) fn section(socket: &Socket) -> &'static str {
    match socket.activation {
        Some(_) => "variables",
        None => "tcp-ports",
    }
}

/// Refuses the address at which the supervisor itself listens on the host.
fn leave_to_metrics(docs: &Documents<'_>, socket: &Socket, spot: Spot, problems: &mut Problems) {
    let on_host = socket.external || docs.sandbox.bridged_network.is_none();
    let Some(metrics) = docs.home.master.metrics_listen else {
        return;
    };
    if on_host && overlap(socket.address, metrics) {
        let message = format!(
            "{} cannot be bound: the supervisor listens at {metrics} for its metrics",
            socket.address
        );
        let hint = format!(
            "change the port, or `metrics-listen` in {}",
            docs.home.file.display()
        );
        problems.error(spot, message).hint(hint);
    }
}

/// Whether two sockets cannot listen at these addresses at the same time.
/// A socket at `::` takes IPv4 connections too, others of IPv6 do not.
pub(super) fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let holds = |wide: SocketAddr, other: SocketAddr| {
        let every_address = wide.is_ipv6() || other.is_ipv4();
        wide.ip().is_unspecified() && every_address
    };
    a.port() == b.port() && (a.ip() == b.ip() || holds(a, b) || holds(b, a))
}

/// Refuses an address that no container of this process has.
fn reachable(
    docs: &Documents<'_>,
    key: &str,
    asked: &TcpPort,
    networks: &[Network],
    problems: &mut Problems,
) {
    let here = |network: &Network| match network {
        Network::Bridged { address, .. } => *address == asked.host,
        Network::Host | Network::Loopback => false,
    };
    let host: IpAddr = asked.host;
    if !host.is_unspecified() && !host.is_loopback() && !networks.iter().all(here) {
        problems
            .error(
                docs.container.at(&["tcp-ports", key, "host"]),
                format!("{host} is no address of this container in its bridged network"),
            )
            .hint("use `host: 0.0.0.0`, or `external: true` for an address of the host");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::units::Range;
    use crate::resolve::fixture::{Fixture, port};
    use crate::resolve::plan::EnvValue;

    #[test]
    fn refuses_a_port_outside_allow_tcp_ports() {
        let mut f = Fixture::new();
        f.container.tcp_ports.insert("22".into(), port(3));
        f.refused("port 22 is not among the `allow-tcp-ports` of the sandbox (8000-8999)");
        f.sandbox.allow_tcp_ports.clear();
        f.refused("(none are allowed)");
    }

    #[test]
    fn refuses_what_is_no_port() {
        for key in ["0", "65536", "http", "-1", "+80", "080", "", "8000 "] {
            let mut f = Fixture::new();
            f.sandbox.allow_tcp_ports = vec![Range {
                first: 0,
                last: 100_000,
            }];
            f.container.tcp_ports.insert(key.into(), port(3));
            f.refused("is no port: 1–65535");
        }
    }

    #[test]
    fn refuses_an_fd_beyond_the_sandboxs_ceiling() {
        let mut f = Fixture::new();
        f.container.tcp_ports.insert("8000".into(), port(100));
        f.plan();
        f.sandbox.limits.fileno = 100;
        f.refused("fd 100 is not below the 100 open files allowed");
    }

    #[test]
    fn refuses_one_address_twice_in_a_container() {
        let mut f = Fixture::new();
        f.variable(
            "port",
            Variable::TcpPort {
                systemd_activation: false,
            },
            "8000",
        );
        f.container.tcp_ports.insert("8000".into(), port(3));
        f.container.tcp_ports.insert("@{ port }".into(), port(4));
        f.refused("0.0.0.0:8000 is bound already, as fd 3");
        let mut f = Fixture::new();
        f.variable(
            "a",
            Variable::TcpPort {
                systemd_activation: true,
            },
            "8000",
        );
        f.container.tcp_ports.insert("8000".into(), port(4));
        f.refused("is bound already");
    }

    #[test]
    fn an_unspecified_address_holds_others() {
        let overlap = |a: &str, b: &str| {
            let (a, b) = (a.parse().unwrap(), b.parse().unwrap());
            assert_eq!(overlap(a, b), overlap(b, a));
            overlap(a, b)
        };
        assert!(overlap("0.0.0.0:80", "127.0.0.1:80"));
        assert!(overlap("[::]:80", "[::1]:80"));
        assert!(overlap("[::]:80", "0.0.0.0:80"));
        assert!(overlap("[::]:80", "127.0.0.1:80"));
        assert!(!overlap("0.0.0.0:80", "[::1]:80"));
        assert!(!overlap("0.0.0.0:80", "0.0.0.0:81"));
        assert!(!overlap("127.0.0.1:80", "127.0.0.2:80"));
    }

    #[test]
    fn refuses_the_address_of_the_metrics() {
        let mut f = Fixture::new();
        f.container.tcp_ports.insert("8000".into(), port(3));
        f.home.master.metrics_listen = "127.0.0.1:8001".parse().ok();
        f.plan();
        f.home.master.metrics_listen = "127.0.0.1:8000".parse().ok();
        f.refused("0.0.0.0:8000 cannot be bound: the supervisor listens at 127.0.0.1:8000 for");
        f.container.tcp_ports.clear();
        let systemd_activation = true;
        f.variable("web", Variable::TcpPort { systemd_activation }, "8000");
        f.refused("for its metrics");
    }

    #[test]
    fn in_a_bridged_network_only_external_ports_can_be_that_of_the_metrics() {
        let mut f = Fixture::bridged();
        f.home.master.metrics_listen = "127.0.0.1:8000".parse().ok();
        f.container.tcp_ports.insert("8000".into(), port(3));
        f.plan();
        f.container.tcp_ports.get_mut("8000").unwrap().external = true;
        f.refused("the supervisor listens at 127.0.0.1:8000 for its metrics");
    }

    #[test]
    fn activation_hands_over_from_fd_3_in_name_order() {
        let mut f = Fixture::new();
        f.variable(
            "web",
            Variable::TcpPort {
                systemd_activation: true,
            },
            "8000",
        );
        f.variable(
            "admin",
            Variable::TcpPort {
                systemd_activation: true,
            },
            "8001",
        );
        f.container.tcp_ports.insert("8002".into(), port(5));
        let plan = f.plan();
        let fds: Vec<_> = plan
            .sockets
            .iter()
            .map(|s| (s.fd, s.address.port()))
            .collect();
        assert_eq!(fds, [(3, 8001), (4, 8000), (5, 8002)]);
        assert_eq!(
            plan.process.environ["LISTEN_FDS"],
            EnvValue::Text("2".into())
        );
        assert_eq!(
            plan.process.environ["LISTEN_FDNAMES"],
            EnvValue::Text("admin:web".into())
        );
        assert_eq!(plan.process.environ["LISTEN_PID"], EnvValue::Pid);
    }

    #[test]
    fn in_a_bridged_network_only_external_ports_must_be_allowed() {
        let mut f = Fixture::bridged();
        f.container.tcp_ports.insert("80".into(), port(3));
        f.plan();
        f.container.tcp_ports.get_mut("80").unwrap().external = true;
        f.refused("port 80 is not among the `allow-tcp-ports`");
    }

    #[test]
    fn in_a_bridged_network_refuses_an_address_of_another() {
        let mut f = Fixture::bridged();
        let mut asked = port(3);
        asked.host = "10.0.0.9".parse().unwrap();
        f.container.tcp_ports.insert("80".into(), asked);
        f.refused("10.0.0.9 is no address of this container");
    }
}
