//! A container's own network namespace, attached to a bridge of the host.
//!
//! One procedure, [`enter`], in the knot, so that the supervisor never waits
//! for it: open a netlink socket while still in the host's network namespace
//! ([`HostLink`]), leave for a new one ([`OwnNetwork`]), and from there connect
//! the two by a veth pair. The types keep the order: whatever configures a
//! network namespace needs an [`OwnNetwork`], so it cannot be the host's.
//!
//! The pair is made in one step, and dies with the namespace. A step that fails
//! after it removes the pair. Nothing here deletes an interface that is not a
//! veth of that bridge, or reads a config; see [`crate::resolve::plan::Network`].

mod after_setup;
mod announce;
mod error;

use std::io::{self, Write};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use lithos_crypt::ShortHash;
use nix::sched::{CloneFlags, unshare};
use rustix::fs::OFlags;

use crate::resolve::plan::Network;
use crate::sys::netlink::{LOOPBACK, Link, Netlink};
use crate::sys::packet::send_frame;
use crate::sys::procfs;

pub use after_setup::{LIMIT, after_setup};
use error::During;
pub use error::{BridgeError, Fault, Step};

/// The container's end of the pair.
pub const INTERFACE: &str = "eth0";

/// How long to wait for the kernel to switch the pair through, which it does on
/// its own, mostly within a millisecond.
const SETTLE: Duration = Duration::from_secs(2);

/// Settings of a container's network namespace, below `/proc/sys`. The
/// namespace belongs to the host's user namespace, so that no capability of
/// the process counts in it: ports below 1024 are opened to it in this way. And
/// the plan alone gives addresses and routes, not the neighbours.
const SETTINGS: [(&str, &str); 2] = [
    ("net/ipv4/ip_unprivileged_port_start", "0"),
    ("net/ipv6/conf/default/accept_ra", "0"),
];

/// How a container is attached to a bridge: [`Network::Bridged`] without its
/// command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attachment<'a> {
    /// The bridge's interface name.
    pub bridge: &'a str,
    /// The container's address.
    pub address: IpAddr,
    /// The network's prefix length.
    pub prefix: u8,
    /// The default route.
    pub gateway: Option<IpAddr>,
}

/// Puts this thread into the network of the plan; `proc` is the directory of
/// any mounted procfs. For [`Network::Host`] there is nothing to do.
pub fn enter(network: &Network, proc: impl AsFd) -> Result<(), BridgeError> {
    match network {
        Network::Host => Ok(()),
        Network::Loopback => {
            let mut own = HostLink::open()?.leave()?;
            own.configure(proc)?;
            own.loopback_up()
        }
        Network::Bridged {
            bridge,
            address,
            prefix,
            gateway,
            after_setup: command,
        } => {
            let own = HostLink::open()?.leave()?;
            own.configure(proc)?;
            own.connect(&Attachment {
                bridge,
                address: *address,
                prefix: *prefix,
                gateway: *gateway,
            })?;
            after_setup(command, LIMIT)
        }
    }
}

/// The name of the host's end of the pair: `li_`, 6 hex digits of a hash of
/// bridge and address, `_`, and the last two bytes of the address in hex.
///
/// The hash is the beginning of `printf '<bridge> <address>' | b2sum -l48`.
pub fn host_end(bridge: &str, address: IpAddr) -> String {
    let [a, b, c, ..] = ShortHash::of(format!("{bridge} {address}").as_bytes()).to_bytes();
    let [.., y, z] = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    };
    format!("li_{a:02x}{b:02x}{c:02x}_{y:02x}{z:02x}")
}

/// A netlink socket in the host's network namespace, where it stays.
pub struct HostLink(Netlink);

impl HostLink {
    /// To be called in the host's network namespace.
    pub fn open() -> Result<Self, BridgeError> {
        Ok(Self(Netlink::open().map_err(BridgeError::Open)?))
    }

    /// Moves this thread, and what it will start, into a new network namespace.
    pub fn leave(self) -> Result<OwnNetwork, BridgeError> {
        unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| BridgeError::Unshare(errno.into()))?;
        let own = Netlink::open().map_err(BridgeError::Open)?;
        Ok(OwnNetwork { host: self.0, own })
    }
}

/// A network namespace that is this thread's own, with nothing in it yet.
pub struct OwnNetwork {
    host: Netlink,
    own: Netlink,
}

impl OwnNetwork {
    /// Makes the namespace's settings, through the directory of any mounted
    /// procfs. To be called before an interface is made, which copies them.
    pub fn configure(&self, proc: impl AsFd) -> Result<(), BridgeError> {
        for (name, value) in SETTINGS {
            match write_setting(&proc, name, value) {
                // A kernel without IPv6 has no such file.
                Err(err) if err.kind() == io::ErrorKind::NotFound && name.contains("ipv6") => {}
                outcome => outcome.map_err(|source| BridgeError::Setting { name, source })?,
            }
        }
        Ok(())
    }

    /// Switches the loopback interface on.
    pub fn loopback_up(&mut self) -> Result<(), BridgeError> {
        self.own.set_up(LOOPBACK).map_err(BridgeError::Loopback)
    }

    /// Attaches the namespace to a bridge of the host. When it returns, the
    /// address can be used, and the neighbours have been told where it is.
    ///
    /// After an error nothing of it is left. The host's network is out of reach
    /// afterwards in any case.
    pub fn connect(mut self, to: &Attachment<'_>) -> Result<(), BridgeError> {
        self.loopback_up()?;
        let host_end = host_end(to.bridge, to.address);
        self.attach(to, &host_end)
            .map_err(|fault| BridgeError::Attach {
                bridge: to.bridge.to_owned(),
                host_end,
                fault,
            })
    }

    fn attach(&mut self, to: &Attachment<'_>, host_end: &str) -> Result<(), Fault> {
        let bridge = self.bridge(to.bridge)?;
        self.remove_stale(host_end, bridge.index)?;
        let thread = rustix::thread::gettid().as_raw_nonzero().get() as u32;
        self.host
            .add_veth(host_end, bridge.index, INTERFACE, thread)
            .during(Step::Create)?;
        self.furnish(to)
            .and_then(|own| {
                self.settle(host_end, bridge.up)
                    .and_then(|()| announce(&own, to.address))
                    .during(Step::Announce)
            })
            .inspect_err(|_| {
                // Else it goes with the namespace, a moment later.
                if let Ok(Some(link)) = self.host.link(host_end) {
                    let _ = self.host.delete(link.index);
                }
            })
    }

    fn bridge(&mut self, name: &str) -> Result<Link, Fault> {
        match self.host.link(name).during(Step::Find)? {
            None => Err(Fault::Missing),
            Some(link) if link.kind == "bridge" => Ok(link),
            Some(link) => Err(Fault::NotBridge(link.kind)),
        }
    }

    /// A namespace outlives its processes for a moment, or for as long as
    /// someone holds a socket of it; and its pair with it.
    fn remove_stale(&mut self, host_end: &str, bridge: u32) -> Result<(), Fault> {
        let Some(link) = self.host.link(host_end).during(Step::Find)? else {
            return Ok(());
        };
        if link.kind != "veth" || link.master.is_some_and(|master| master != bridge) {
            return Err(Fault::Taken);
        }
        match self.host.delete(link.index) {
            // It went by itself.
            Err(err) if err.raw_os_error() == Some(libc::ENODEV) => Ok(()),
            outcome => outcome.during(Step::Remove),
        }
    }

    /// Gives the container's end, which it returns, its address and route.
    fn furnish(&mut self, to: &Attachment<'_>) -> Result<Link, Fault> {
        let found = self.own.link(INTERFACE).during(Step::Create)?;
        let link = found.ok_or_else(gone).during(Step::Create)?;
        self.own.set_up(link.index).during(Step::Create)?;
        self.own
            .add_address(link.index, to.address, to.prefix)
            .during(Step::Address(to.address, to.prefix))?;
        if let Some(gateway) = to.gateway {
            self.own
                .add_default_route(link.index, gateway)
                .during(Step::Route(gateway))?;
        }
        Ok(link)
    }

    /// Waits until both ends carry frames and the bridge uses its port: what is
    /// sent before that is lost. A bridge that is off, or one that holds its
    /// ports back for a spanning tree, is not waited for.
    fn settle(&mut self, host_end: &str, bridge_up: bool) -> io::Result<()> {
        let deadline = Instant::now() + SETTLE;
        loop {
            let outer = self.host.link(host_end)?.ok_or_else(gone)?;
            let inner = self.own.link(INTERFACE)?.ok_or_else(gone)?;
            let through = outer.running && inner.running && !(bridge_up && outer.port_disabled);
            if through || Instant::now() >= deadline {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Somebody has removed the pair meanwhile.
fn gone() -> io::Error {
    io::Error::from_raw_os_error(libc::ENODEV)
}

fn announce(own: &Link, address: IpAddr) -> io::Result<()> {
    let mac = own.mac.ok_or_else(gone)?;
    send_frame(own.index, &announce::frame(mac, address))
}

fn write_setting(proc: impl AsFd, name: &str, value: &str) -> io::Result<()> {
    let mut file = procfs::open(proc, format!("sys/{name}"), OFlags::WRONLY)?;
    file.write_all(value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_host_end_is_named_by_what_b2sum_says() {
        // printf 'br0 10.0.0.5' | b2sum -l48
        assert_eq!(
            host_end("br0", "10.0.0.5".parse().unwrap()),
            "li_755086_0005"
        );
        // printf 'br0 fd00::1:2a' | b2sum -l48
        assert_eq!(
            host_end("br0", "fd00::1:2a".parse().unwrap()),
            "li_97ed8a_002a"
        );
    }

    proptest! {
        #[test]
        fn the_host_end_fits_an_interface_name(bridge in ".{0,20}", address: IpAddr) {
            let name = host_end(&bridge, address);
            prop_assert_eq!(name.len(), 14);
            let hex = |text: &str| text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
            prop_assert!(name.starts_with("li_") && hex(&name[3..9]));
            prop_assert!(&name[9..10] == "_" && hex(&name[10..]));
        }

        #[test]
        fn the_host_end_shows_the_last_two_bytes(bridge in "[a-z0-9]{1,15}", net: u16, host: u16) {
            let address = u32::from(net) << 16 | u32::from(host);
            let name = host_end(&bridge, IpAddr::V4(address.into()));
            prop_assert_eq!(&name[10..], format!("{host:04x}"));
        }

        #[test]
        fn other_bridges_and_networks_have_other_host_ends(a: u16, b: u16, host: u16) {
            // 24 bits can collide by chance; two of these at once do not.
            let ends = |net: u16| ["br0", "br1"].map(|bridge| {
                host_end(bridge, IpAddr::V4((u32::from(net) << 16 | u32::from(host)).into()))
            });
            prop_assert_ne!(&ends(a)[0], &ends(a)[1]);
            prop_assert!(a == b || ends(a) != ends(b));
        }
    }
}
