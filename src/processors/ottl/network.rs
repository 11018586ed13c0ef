//! Networks of addresses: `10.0.0.0/8`.

use core::net::{IpAddr, Ipv6Addr};

/// A network; one of IPv4 that is written as IPv6 is one of IPv4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// Reads `10.0.0.0/8`; none for what is no network.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        // One spelling of each number.
        let bits = bits.parse().ok().filter(|number: &u32| number.to_string() == bits)?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        if bits > width {
            return None;
        }
        let plain = address.to_canonical();
        let narrowed = if plain.is_ipv4() && width == 128 { bits.checked_sub(96) } else { Some(bits) };
        Some(match narrowed {
            Some(bits) => Self { address: plain, bits },
            None => Self { address, bits },
        })
    }

    pub(super) fn holds(&self, address: IpAddr) -> bool {
        let number = |address: Ipv6Addr| u128::from(address);
        let (ours, theirs, width) = match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                (u128::from(ours.to_bits()), u128::from(theirs.to_bits()), 32)
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => (number(ours), number(theirs), 128),
            _ => return false,
        };
        let rest = width - self.bits;
        rest == 128 || ours >> rest == theirs >> rest
    }
}
