//! Routing netlink (rtnetlink(7)): links, addresses and routes, one request at
//! a time, each acknowledged by the kernel before the next.
//!
//! A socket stays in the network namespace that it was opened in, wherever its
//! process goes afterwards.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::{
    DecodeError, Emitable, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST,
    NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload, NetlinkSerializable,
    NlasIterator, parse_string, parse_u8, parse_u32,
};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::{
    BridgePortState, InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkHeader, LinkInfo,
    LinkMessage, State,
};
use netlink_packet_route::route::{
    RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
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

/// What is asked of the kernel.
///
/// The library's own enum knows every message that there is, each with its reader: that
/// would be a quarter of the program.
#[derive(Debug)]
pub enum Request {
    /// Of one link, by its name.
    GetLink(LinkMessage),
    /// To make one.
    NewLink(LinkMessage),
    /// To change one.
    SetLink(LinkMessage),
    /// To remove one.
    DelLink(LinkMessage),
    /// To give a link an address.
    NewAddress(AddressMessage),
    /// To make a route.
    NewRoute(RouteMessage),
}

impl Request {
    fn message(&self) -> &dyn Emitable {
        match self {
            Self::GetLink(link)
            | Self::NewLink(link)
            | Self::SetLink(link)
            | Self::DelLink(link) => link,
            Self::NewAddress(address) => address,
            Self::NewRoute(route) => route,
        }
    }
}

impl NetlinkSerializable for Request {
    fn message_type(&self) -> u16 {
        match self {
            Self::GetLink(_) => libc::RTM_GETLINK,
            Self::NewLink(_) => libc::RTM_NEWLINK,
            Self::SetLink(_) => libc::RTM_SETLINK,
            Self::DelLink(_) => libc::RTM_DELLINK,
            Self::NewAddress(_) => libc::RTM_NEWADDR,
            Self::NewRoute(_) => libc::RTM_NEWROUTE,
        }
    }

    fn buffer_len(&self) -> usize {
        self.message().buffer_len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        self.message().emit(buffer);
    }
}

/// What the kernel answers, if it is about a link.
pub struct Answer(pub Option<Link>);

impl NetlinkDeserializable for Answer {
    type Error = DecodeError;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        let is_link = header.message_type == libc::RTM_NEWLINK;
        is_link.then(|| Link::parse(payload)).transpose().map(Self)
    }
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
    pub fn request(&mut self, flags: u16, message: Request) -> io::Result<Vec<Answer>> {
        self.sequence += 1;
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        header.sequence_number = self.sequence;
        let mut request = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
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
        match self.request(0, Request::GetLink(named(name))) {
            Err(err) if err.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            Err(err) => Err(err),
            Ok(answers) => Ok(answers.into_iter().find_map(|Answer(link)| link)),
        }
    }

    /// Switches an interface on.
    pub fn set_up(&mut self, index: u32) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        self.request(0, Request::SetLink(message))?;
        Ok(())
    }

    /// Removes an interface; of a veth pair, both ends.
    pub fn delete(&mut self, index: u32) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        self.request(0, Request::DelLink(message))?;
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
        self.request(CREATE, Request::NewLink(message))?;
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
        self.request(CREATE, Request::NewAddress(message))?;
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
        self.request(CREATE, Request::NewRoute(message))?;
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

impl Link {
    /// From the kernel's description: rtnetlink(7) and `linux/if_link.h`.
    fn parse(message: &[u8]) -> Result<Self, DecodeError> {
        let header = LinkHeader::parse(message)?;
        let mut link = Link {
            index: header.index,
            up: header.flags.contains(LinkFlags::Up),
            ..Link::default()
        };
        for attribute in NlasIterator::new(&message[header.buffer_len()..]) {
            let attribute = attribute?;
            let value = attribute.value();
            match attribute.kind() {
                libc::IFLA_ADDRESS => link.mac = value.try_into().ok(),
                libc::IFLA_MASTER => link.master = Some(parse_u32(value)?),
                libc::IFLA_OPERSTATE => link.running = State::from(parse_u8(value)?) == State::Up,
                libc::IFLA_LINKINFO => link.learn(value)?,
                _ => {}
            }
        }
        Ok(link)
    }

    fn learn(&mut self, infos: &[u8]) -> Result<(), DecodeError> {
        // Told before the data of the port.
        let mut port_of_bridge = false;
        for info in NlasIterator::new(infos) {
            let info = info?;
            match info.kind() {
                libc::IFLA_INFO_KIND => self.kind = parse_string(info.value())?,
                libc::IFLA_INFO_SLAVE_KIND => {
                    port_of_bridge = parse_string(info.value())? == "bridge";
                }
                libc::IFLA_INFO_SLAVE_DATA if port_of_bridge => {
                    for part in NlasIterator::new(info.value()) {
                        let part = part?;
                        if part.kind() == IFLA_BRPORT_STATE {
                            let state = BridgePortState::from(parse_u8(part.value())?);
                            self.port_disabled = state == BridgePortState::Disabled;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Of `linux/if_link.h`; `libc` has it not.
const IFLA_BRPORT_STATE: u16 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    use netlink_packet_route::link::{
        BondPortState, InfoBondPort, InfoBridgePort, InfoPortData, InfoPortKind,
    };

    /// What is read of a link of these attributes, as the library writes them.
    fn read(attributes: Vec<LinkAttribute>) -> Link {
        let mut message = LinkMessage::default();
        message.header.index = 7;
        message.header.flags = LinkFlags::Up;
        message.attributes = attributes;
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        Link::parse(&bytes).unwrap()
    }

    #[test]
    fn reads_of_a_link_what_is_known_of_it() {
        let link = read(vec![
            LinkAttribute::IfName("li_755086_0005".to_owned()),
            LinkAttribute::Address(vec![2, 0, 0, 0, 0, 5]),
            LinkAttribute::OperState(State::Up),
            LinkAttribute::Controller(3),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Veth)]),
        ]);
        let expected = Link {
            index: 7,
            kind: "veth".to_owned(),
            mac: Some([2, 0, 0, 0, 0, 5]),
            master: Some(3),
            up: true,
            running: true,
            port_disabled: false,
        };
        assert_eq!(link, expected);
    }

    #[test]
    fn only_a_bridges_port_can_be_disabled() {
        let bridge = |state| {
            let port = InfoPortData::BridgePort(vec![InfoBridgePort::State(state)]);
            (InfoPortKind::Bridge, port)
        };
        // The same number, and the same byte in it.
        let bond = InfoBondPort::BondPortState(BondPortState::Active);
        let bond = (InfoPortKind::Bond, InfoPortData::BondPort(vec![bond]));
        for ((kind, data), disabled) in [
            (bridge(BridgePortState::Disabled), true),
            (bridge(BridgePortState::Forwarding), false),
            (bond, false),
        ] {
            let info = vec![LinkInfo::PortKind(kind), LinkInfo::PortData(data)];
            let link = read(vec![LinkAttribute::LinkInfo(info.clone())]);
            assert_eq!(link.port_disabled, disabled, "{info:?}");
        }
    }

    #[test]
    fn a_message_that_is_cut_off_is_an_error() {
        for length in [0, 15, 18] {
            assert!(Link::parse(&[1; 18][..length]).is_err(), "{length}");
        }
    }

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
