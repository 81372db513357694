//! A network, and which addresses lie in it.

use std::net::IpAddr;

/// A network in CIDR notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpNetwork {
    /// The network's address.
    pub address: IpAddr,
    /// The prefix length in bits.
    pub prefix: u8,
}

impl IpNetwork {
    /// Whether `address` lies in the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        let shift = |bits: u128, width: u32| {
            bits.checked_shr(width - u32::from(self.prefix))
                .unwrap_or(0)
        };
        match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                shift(a.to_bits().into(), 32) == shift(b.to_bits().into(), 32)
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => shift(a.to_bits(), 128) == shift(b.to_bits(), 128),
            _ => false,
        }
    }

    /// Whether `address` lies in the network and may be a host's: it is neither
    /// the network's own nor its broadcast address, where the network is large
    /// enough to have them (RFC 3021, RFC 6164).
    pub fn has_host(&self, address: IpAddr) -> bool {
        let reserved = match (self.address, address) {
            (IpAddr::V4(_), IpAddr::V4(address)) if self.prefix < 31 => {
                let host = address.to_bits() << self.prefix;
                host == 0 || host == u32::MAX << self.prefix
            }
            (IpAddr::V6(network), IpAddr::V6(address)) if self.prefix < 127 => address == network,
            _ => false,
        };
        self.contains(address) && !reserved
    }
}
