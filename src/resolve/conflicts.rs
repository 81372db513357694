//! Rules about several processes at once: one address belongs to one sandbox,
//! and means one socket.
//!
//! The first, in the order given, keeps what two of them claim: then a sandbox
//! that is added cannot take another one down.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use super::plan::{Network, Plan, Socket};
use super::ports::overlap;

/// Two processes that cannot both run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The process that cannot: its number in the order given.
    pub process: usize,
    /// What it claims in vain.
    pub claimed: Claimed,
    /// What is wrong: lower case, no full stop.
    pub message: String,
}

/// What a process claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// The address of its instance of this number.
    Address(usize),
    /// The socket of this number in its plans.
    Socket(usize),
}

/// What is claimed, for the whole host.
struct Claim<'a> {
    process: usize,
    plan: &'a Plan,
    socket: &'a Socket,
}

/// Finds the processes that cannot run because of one before them. Each is
/// given as the plans of its instances.
pub fn conflicts<'a>(processes: impl IntoIterator<Item = &'a [Rc<Plan>]>) -> Vec<Conflict> {
    let mut by_port: BTreeMap<u16, Vec<Claim<'a>>> = BTreeMap::new();
    let mut addresses: BTreeMap<(&str, IpAddr), &Plan> = BTreeMap::new();
    let mut found = Vec::new();
    for (process, plans) in processes.into_iter().enumerate() {
        for (instance, plan) in plans.iter().enumerate() {
            if let Network::Bridged {
                bridge, address, ..
            } = &plan.network
                && let Some(other) = addresses.insert((bridge, *address), plan)
            {
                let message = format!("{address} on `{bridge}` is the address of {}", other.name);
                addresses.insert((bridge, *address), other);
                found.push(Conflict {
                    process,
                    claimed: Claimed::Address(instance),
                    message,
                });
            }
        }
        // Sockets are the same in all instances.
        let Some(plan) = plans.first() else { continue };
        let sockets = plan.sockets.iter().enumerate();
        for (number, socket) in sockets.filter(|(_, socket)| on_host(plan, socket)) {
            let claims = by_port.entry(socket.address.port()).or_default();
            let claim = Claim {
                process,
                plan,
                socket,
            };
            let clash = claims.iter().find_map(|other| clash(&claim, other));
            match clash {
                Some(message) => found.push(Conflict {
                    process,
                    claimed: Claimed::Socket(number),
                    message,
                }),
                None => claims.push(claim),
            }
        }
    }
    found
}

fn on_host(plan: &Plan, socket: &Socket) -> bool {
    socket.external || plan.network == Network::Host
}

fn clash(claim: &Claim<'_>, other: &Claim<'_>) -> Option<String> {
    let (ours, theirs): (SocketAddr, _) = (claim.socket.address, other.socket.address);
    if claim.process == other.process || !overlap(ours, theirs) {
        return None;
    }
    let (name, other_name) = (&claim.plan.name, &other.plan.name);
    let owner = format!("{}/{}", other_name.sandbox, other_name.process);
    if name.sandbox != other_name.sandbox {
        Some(format!(
            "{ours} belongs to another sandbox: {owner} listens at {theirs}"
        ))
    } else if ours != theirs {
        Some(format!(
            "{ours} cannot be bound: {owner} listens at {theirs}"
        ))
    } else if !same_options(claim.socket, other.socket) {
        Some(format!(
            "{ours} has other options in {owner}, which shares the socket"
        ))
    } else if claim.socket.reuse_port && claim.plan.ids.host_uid != other.plan.ids.host_uid {
        // socket(7), SO_REUSEPORT: only with the same effective user.
        Some(format!(
            "{ours} cannot be bound a second time by another user than that of {owner}"
        ))
    } else {
        None
    }
}

/// Whether one socket can be both.
fn same_options(a: &Socket, b: &Socket) -> bool {
    let options = |s: &Socket| (s.backlog, s.reuse_addr, s.reuse_port, s.non_block);
    options(a) == options(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::fixture::{Fixture, port};

    fn web(sandbox: &str, process: &str, key: &str) -> Fixture {
        let mut f = Fixture::new();
        f.sandbox_name = sandbox.parse().unwrap();
        f.process_name = process.parse().unwrap();
        f.container.tcp_ports.insert(key.into(), port(3));
        f
    }

    fn messages(fixtures: &[Fixture]) -> Vec<(usize, String)> {
        let shared = |f: &Fixture| f.plans().into_iter().map(Rc::new).collect();
        let plans: Vec<Vec<_>> = fixtures.iter().map(shared).collect();
        let found = conflicts(plans.iter().map(Vec::as_slice));
        found.into_iter().map(|c| (c.process, c.message)).collect()
    }

    #[test]
    fn processes_of_one_sandbox_share_a_socket() {
        let (a, mut b) = (web("shop", "a", "8000"), web("shop", "b", "8000"));
        b.container.tcp_ports.get_mut("8000").unwrap().fd = 7;
        assert_eq!(messages(&[a, b]), []);
    }

    #[test]
    fn refuses_an_address_of_another_sandbox() {
        let found = messages(&[web("shop", "a", "8000"), web("blog", "b", "8000")]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, 1);
        assert!(
            found[0].1.contains("belongs to another sandbox: shop/a"),
            "{found:?}"
        );
    }

    #[test]
    fn refuses_one_address_with_other_options() {
        let (a, mut b) = (web("shop", "a", "8000"), web("shop", "b", "8000"));
        b.container
            .tcp_ports
            .get_mut("8000")
            .unwrap()
            .listen_backlog = 7;
        assert!(
            messages(&[a, b])[0]
                .1
                .contains("has other options in shop/a")
        );
    }

    #[test]
    fn refuses_one_address_for_several_users_with_a_socket_each() {
        let (mut a, mut b) = (web("shop", "a", "8000"), web("shop", "b", "8000"));
        b.container.user_id = Some(1001);
        assert_eq!(messages(&[a, b]), []);
        (a, b) = (web("shop", "a", "8000"), web("shop", "b", "8000"));
        b.container.user_id = Some(1001);
        for f in [&mut a, &mut b] {
            f.container.tcp_ports.get_mut("8000").unwrap().reuse_port = true;
        }
        assert!(
            messages(&[a, b])[0]
                .1
                .contains("by another user than that of shop/a")
        );
    }

    #[test]
    fn refuses_addresses_of_which_one_holds_the_other() {
        let (a, mut b) = (web("shop", "a", "8000"), web("shop", "b", "8000"));
        let host = "127.0.0.1".parse().unwrap();
        b.container.tcp_ports.get_mut("8000").unwrap().host = host;
        assert!(
            messages(&[a, b])[0]
                .1
                .contains("cannot be bound: shop/a listens at")
        );
    }

    #[test]
    fn refuses_one_address_twice_on_a_bridge() {
        let (a, mut b) = (Fixture::bridged(), Fixture::bridged());
        b.sandbox_name = "blog".parse().unwrap();
        let found = messages(&[a, b]);
        assert_eq!(
            found,
            [(1, "10.0.0.5 on `br0` is the address of shop/web.0".into())]
        );
    }

    #[test]
    fn ports_inside_bridged_networks_never_clash() {
        let (mut a, mut b) = (Fixture::bridged(), Fixture::bridged());
        b.sandbox_name = "blog".parse().unwrap();
        b.process.ip_addresses = vec!["10.0.0.6".parse().unwrap()];
        for f in [&mut a, &mut b] {
            f.container.tcp_ports.insert("80".into(), port(3));
        }
        assert_eq!(messages(&[a, b]), []);
    }
}
