//! The frames that tell the neighbours of an address its new Ethernet address,
//! unasked, so that none goes on sending to the old one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An Ethernet address.
type Mac = [u8; 6];

/// All nodes of the link, as an IPv6 and as an Ethernet address (RFC 2464, 7).
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: Mac = [0x33, 0x33, 0, 0, 0, 1];
/// The next header number of ICMPv6.
const ICMPV6: u8 = 58;

/// The frame that announces `address` at `mac`.
pub fn frame(mac: Mac, address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => arp_announcement(mac, address),
        IpAddr::V6(address) => neighbour_advertisement(mac, address),
    }
}

/// An ARP announcement (RFC 5227, 3): a broadcast request for one's own address.
fn arp_announcement(mac: Mac, address: Ipv4Addr) -> Vec<u8> {
    let mut frame = ethernet([0xff; 6], mac, 0x0806);
    // Ethernet, IPv4, lengths of their addresses, request.
    frame.extend([0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(mac);
    frame.extend(address.octets());
    frame.extend([0; 6]);
    frame.extend(address.octets());
    frame
}

/// An unsolicited neighbour advertisement (RFC 4861, 4.4 and 7.2.6) that
/// overrides what the neighbours have.
fn neighbour_advertisement(mac: Mac, address: Ipv6Addr) -> Vec<u8> {
    const OVERRIDE: u8 = 0x20;
    // Type, code, checksum (below), flags.
    let mut message = vec![136, 0, 0, 0, OVERRIDE, 0, 0, 0];
    message.extend(address.octets());
    // Option: target link-layer address, one unit of 8 bytes.
    message.extend([2, 1]);
    message.extend(mac);
    let sum = checksum(address, ALL_NODES, &message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());

    let mut frame = ethernet(ALL_NODES_MAC, mac, 0x86dd);
    frame.extend([0x60, 0, 0, 0]);
    frame.extend((message.len() as u16).to_be_bytes());
    // A hop limit of 255 proves that no router has passed it on.
    frame.extend([ICMPV6, 255]);
    frame.extend(address.octets());
    frame.extend(ALL_NODES.octets());
    frame.extend(message);
    frame
}

fn ethernet(to: Mac, from: Mac, protocol: u16) -> Vec<u8> {
    [&to[..], &from, &protocol.to_be_bytes()].concat()
}

/// The checksum of ICMPv6 (RFC 4443, 2.3) over a pseudo header and `message`,
/// which has an even length.
fn checksum(from: Ipv6Addr, to: Ipv6Addr, message: &[u8]) -> u16 {
    let words = |bytes: &[u8]| -> u32 {
        let pairs = bytes.chunks_exact(2);
        pairs
            .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
            .sum()
    };
    let mut sum = words(&from.octets()) + words(&to.octets()) + words(message);
    sum += message.len() as u32 + u32::from(ICMPV6);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = [2, 0, 0, 0, 0, 9];

    #[test]
    fn an_arp_announcement_asks_everyone_for_its_own_address() {
        let frame = frame(MAC, "10.0.0.5".parse().unwrap());
        assert_eq!(frame.len(), 42);
        assert_eq!(frame[..6], [0xff; 6]);
        assert_eq!(frame[28..32], [10, 0, 0, 5]);
        assert_eq!(frame[38..42], [10, 0, 0, 5]);
    }

    #[test]
    fn a_neighbour_advertisement_has_a_checksum_that_adds_up() {
        let address: Ipv6Addr = "fd00::5".parse().unwrap();
        let frame = frame(MAC, address.into());
        assert_eq!(frame.len(), 86);
        assert_eq!(checksum(address, ALL_NODES, &frame[54..]), 0);
    }
}
