//! Routing netlink (rtnetlink(7)): links, addresses and routes, one request at
//! a time, each acknowledged by the kernel before the next.
//!
//! A socket stays in the network namespace that it was opened in, wherever its
//! process goes afterwards.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::{
    BridgePortState, InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoVeth, LinkAttribute,
    LinkFlags, LinkInfo, LinkMessage, State,
};
use netlink_packet_route::route::{
    RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// Flags of a request that makes something, and fails if it is there.
pub const CREATE: u16 = NLM_F_CREATE | NLM_F_EXCL;
/// The loopback interface has this index in every network namespace.
pub const LOOPBACK: u32 = 1;

/// A routing netlink socket, close-on-exec.
pub struct Netlink {
    socket: Socket,
    sequence: u32,
}

/// What is known of a network interface.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Link {
    /// Its number in its network namespace.
    pub index: u32,
    /// `veth`, `bridge`, …; empty for a physical one or the loopback.
    pub kind: String,
    /// The Ethernet address, if it has one.
    pub mac: Option<[u8; 6]>,
    /// The index of the bridge it is a port of.
    pub master: Option<u32>,
    /// It was switched on.
    pub up: bool,
    /// It is able to send: on, and the other end too.
    pub running: bool,
    /// It is the port of a bridge, which does not use it (yet).
    pub port_disabled: bool,
}

impl Netlink {
    /// Opens a socket in the caller's network namespace.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// Sends one request and waits until the kernel has acknowledged it. The
    /// answers that came before the acknowledgement, or the kernel's error.
    pub fn request(
        &mut self,
        flags: u16,
        message: RouteNetlinkMessage,
    ) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.sequence += 1;
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        header.sequence_number = self.sequence;
        let mut request = NetlinkMessage::new(header, NetlinkPayload::from(message));
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;

        let mut answers = Vec::new();
        loop {
            let (datagram, _) = self.socket.recv_from_full()?;
            let mut rest = &datagram[..];
            while !rest.is_empty() {
                let answer = NetlinkMessage::deserialize(rest).map_err(io::Error::other)?;
                let length = (answer.header.length as usize).next_multiple_of(4);
                rest = rest.get(length..).unwrap_or_default();
                if answer.header.sequence_number != self.sequence {
                    continue;
                }
                match answer.payload {
                    NetlinkPayload::Error(outcome) if outcome.code.is_none() => return Ok(answers),
                    NetlinkPayload::Error(outcome) => return Err(outcome.to_io()),
                    NetlinkPayload::InnerMessage(answer) => answers.push(answer),
                    _ => {}
                }
            }
        }
    }

    /// The interface of this name; none if there is none.
    pub fn link(&mut self, name: &str) -> io::Result<Option<Link>> {
        match self.request(0, RouteNetlinkMessage::GetLink(named(name))) {
            Err(err) if err.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            Err(err) => Err(err),
            Ok(answers) => Ok(answers.into_iter().find_map(|answer| match answer {
                RouteNetlinkMessage::NewLink(link) => Some(Link::from(link)),
                _ => None,
            })),
        }
    }

    /// Switches an interface on.
    pub fn set_up(&mut self, index: u32) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        self.request(0, RouteNetlinkMessage::SetLink(message))?;
        Ok(())
    }

    /// Removes an interface; of a veth pair, both ends.
    pub fn delete(&mut self, index: u32) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        self.request(0, RouteNetlinkMessage::DelLink(message))?;
        Ok(())
    }

    /// Makes a veth pair in one step: `name` here, switched on and a port of the
    /// bridge of index `master`, and `peer` in the network namespace of the
    /// thread `peer_thread`, by its id as the caller sees it. (The peer cannot
    /// be switched on in that step: the kernel links the two at its end.)
    pub fn add_veth(
        &mut self,
        name: &str,
        master: u32,
        peer: &str,
        peer_thread: u32,
    ) -> io::Result<()> {
        let mut other = named(peer);
        other.attributes.push(LinkAttribute::NetNsPid(peer_thread));
        let mut message = named(name);
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        message.attributes.push(LinkAttribute::Controller(master));
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(other))),
        ]));
        self.request(CREATE, RouteNetlinkMessage::NewLink(message))?;
        Ok(())
    }

    /// Gives an interface an address, to be used at once: without waiting
    /// whether another host has it (duplicate address detection, RFC 4862).
    pub fn add_address(&mut self, index: u32, address: IpAddr, prefix: u8) -> io::Result<()> {
        let mut message = AddressMessage::default();
        message.header.index = index;
        message.header.family = family(address);
        message.header.prefix_len = prefix;
        message.attributes.push(AddressAttribute::Address(address));
        message.attributes.push(AddressAttribute::Local(address));
        match address {
            IpAddr::V4(address) => {
                let broadcast = broadcast(address, prefix).map(AddressAttribute::Broadcast);
                message.attributes.extend(broadcast);
            }
            IpAddr::V6(_) => message.header.flags = AddressHeaderFlags::Nodad,
        }
        self.request(CREATE, RouteNetlinkMessage::NewAddress(message))?;
        Ok(())
    }

    /// Sends what no other route is for to `gateway`, out of this interface.
    pub fn add_default_route(&mut self, index: u32, gateway: IpAddr) -> io::Result<()> {
        let mut message = RouteMessage::default();
        message.header.address_family = family(gateway);
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.header.protocol = RouteProtocol::Static;
        message.header.scope = RouteScope::Universe;
        message.header.kind = RouteType::Unicast;
        message
            .attributes
            .push(RouteAttribute::Gateway(gateway.into()));
        message.attributes.push(RouteAttribute::Oif(index));
        self.request(CREATE, RouteNetlinkMessage::NewRoute(message))?;
        Ok(())
    }
}

fn named(name: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message
        .attributes
        .push(LinkAttribute::IfName(name.to_owned()));
    message
}

fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

/// The broadcast address; a network of one or two addresses has none (RFC 3021).
fn broadcast(address: Ipv4Addr, prefix: u8) -> Option<Ipv4Addr> {
    let hosts = u32::MAX
        .checked_shr(prefix.into())
        .filter(|&hosts| hosts > 1)?;
    Some(Ipv4Addr::from_bits(address.to_bits() | hosts))
}

impl From<LinkMessage> for Link {
    fn from(message: LinkMessage) -> Self {
        let mut link = Link {
            index: message.header.index,
            up: message.header.flags.contains(LinkFlags::Up),
            ..Link::default()
        };
        for attribute in message.attributes {
            match attribute {
                LinkAttribute::Address(bytes) => link.mac = bytes.try_into().ok(),
                LinkAttribute::Controller(master) => link.master = Some(master),
                LinkAttribute::OperState(state) => link.running = state == State::Up,
                LinkAttribute::LinkInfo(infos) => infos.iter().for_each(|info| link.learn(info)),
                _ => {}
            }
        }
        link
    }
}

impl Link {
    fn learn(&mut self, info: &LinkInfo) {
        match info {
            LinkInfo::Kind(kind) => self.kind = kind.to_string(),
            LinkInfo::PortData(InfoPortData::BridgePort(port)) => {
                self.port_disabled =
                    port.contains(&InfoBridgePort::State(BridgePortState::Disabled));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_loopback_and_its_index() {
        let link = Netlink::open().unwrap().link("lo").unwrap().unwrap();
        assert_eq!((link.index, link.kind.as_str()), (LOOPBACK, ""));
    }

    #[test]
    fn finds_no_interface_that_is_not_there() {
        assert_eq!(Netlink::open().unwrap().link("no_such_link").unwrap(), None);
    }

    #[test]
    fn only_networks_with_hosts_have_a_broadcast_address() {
        let of = |prefix| broadcast([10, 1, 2, 3].into(), prefix);
        assert_eq!(of(24), Some([10, 1, 2, 255].into()));
        assert_eq!(of(30), Some([10, 1, 2, 3].into()));
        assert_eq!(of(0), Some([255, 255, 255, 255].into()));
        assert_eq!([of(31), of(32), of(33)], [None; 3]);
    }
}
