//! Which addresses may be connected to.
//!
//! A URL that somebody could change, or a name that somebody else resolves, must not make this process reach what
//! only it can: the metadata service of a cloud, a database on the same machine. So every address is checked after
//! the name is resolved, and what is connected to is the address that was checked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;

use crate::http::{AddressGuard, AddressRefused};

/// A range of addresses. IPv4 is kept as IPv6 maps it, so that `::ffff:10.0.0.1` is `10.0.0.1`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) struct Network {
    first: u128,
    /// How many bits at the front are the network's.
    length: u32,
}

impl Network {
    /// Reads `10.0.0.0/8`, `fd00::/8` or a single address.
    pub(in super::super) fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().ok()?;
        let (bits, before) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let length = length.unwrap_or(bits);
        (length <= bits).then(|| Self { first: number(address), length: before + length })
    }

    const fn v4(a: u8, b: u8, c: u8, d: u8, length: u32) -> Self {
        Self { first: Ipv4Addr::new(a, b, c, d).to_ipv6_mapped().to_bits(), length: 96 + length }
    }

    const fn v6(first: u16, second: u16, length: u32) -> Self {
        Self { first: Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0).to_bits(), length }
    }

    fn contains(self, address: IpAddr) -> bool {
        let different = number(address) ^ self.first;
        self.length == 0 || different.leading_zeros() >= self.length
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Ranges that a company uses for itself. An operator who writes such an address means it.
const PRIVATE: [Network; 5] = [
    Network::v4(10, 0, 0, 0, 8),
    Network::v4(172, 16, 0, 0, 12),
    Network::v4(192, 168, 0, 0, 16),
    Network::v4(100, 64, 0, 0, 10),
    Network::v6(0xfc00, 0, 7),
];

const LOOPBACK: [Network; 2] = [Network::v4(127, 0, 0, 0, 8), Network { first: 1, length: 128 }];

/// What is no public address either: this network, link-local with the metadata of clouds, protocol assignments,
/// examples, measurements, multicast and what is reserved; in IPv6 unspecified, link-local, site-local, multicast,
/// examples, and forms that hide an IPv4 address (NAT64, 6to4, Teredo, compatible).
///
/// *Source*: IANA's registries of special-purpose addresses.
const NEVER: [Network; 20] = [
    Network::v4(0, 0, 0, 0, 8),
    Network::v4(169, 254, 0, 0, 16),
    Network::v4(192, 0, 0, 0, 24),
    Network::v4(192, 0, 2, 0, 24),
    Network::v4(192, 88, 99, 0, 24),
    Network::v4(198, 18, 0, 0, 15),
    Network::v4(198, 51, 100, 0, 24),
    Network::v4(203, 0, 113, 0, 24),
    Network::v4(224, 0, 0, 0, 4),
    Network::v4(240, 0, 0, 0, 4),
    Network::v6(0, 0, 96),
    Network::v6(0x64, 0xff9b, 32),
    Network::v6(0x100, 0, 64),
    Network::v6(0x2001, 0, 32),
    Network::v6(0x2001, 0xdb8, 32),
    Network::v6(0x2002, 0, 16),
    Network::v6(0xfe80, 0, 10),
    Network::v6(0xfec0, 0, 10),
    Network::v6(0xff00, 0, 8),
    Network::v6(0x3fff, 0, 20),
];

/// Decides which addresses a destination may have.
#[derive(Clone, Debug)]
pub(in super::super) struct Guard {
    /// Names may resolve to private addresses: an Alertmanager stands in the same cluster.
    trusts_private_names: bool,
    allowed: Vec<Network>,
    /// Without TLS nothing goes to a public address.
    is_plaintext: bool,
}

impl Guard {
    pub(in super::super) const fn new(trusts_private_names: bool, allowed: Vec<Network>) -> Self {
        Self { trusts_private_names, allowed, is_plaintext: false }
    }

    /// Returns the guard of connections with or without TLS.
    pub(super) fn for_scheme(&self, is_plaintext: bool) -> Self {
        Self { is_plaintext, ..self.clone() }
    }

    /// Checks what can be known of a URL without resolving its name: an address in it, and whether plaintext can be
    /// right. An operator who writes a private or loopback address, or `localhost`, means it.
    ///
    /// # Errors
    /// When no connection to it would be allowed.
    pub(in super::super) fn check_written(&self, uri: &Uri) -> Result<(), AddressRefused> {
        let guard = self.for_scheme(uri.scheme_str() == Some("http"));
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        if let Ok(address) = host.parse::<IpAddr>() {
            let is_meant = LOOPBACK.iter().chain(&PRIVATE).any(|network| network.contains(address));
            return if is_meant { Ok(()) } else { guard.check(host, address) };
        }
        let may_be_private = guard.trusts_private_names || !guard.allowed.is_empty() || is_localhost(host);
        if guard.is_plaintext && !may_be_private {
            let reason =
                "http is not encrypted; write https, or list the network of the host in allow_private";
            return Err(AddressRefused { host: host.to_owned(), reason });
        }
        Ok(())
    }
}

fn is_localhost(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost")
}

impl AddressGuard for Guard {
    fn check(&self, host: &str, address: IpAddr) -> Result<(), AddressRefused> {
        let is_in = |networks: &[Network]| networks.iter().any(|network| network.contains(address));
        let refused = |reason| Err(AddressRefused { host: host.to_owned(), reason });
        if is_in(&self.allowed) {
            return Ok(());
        }
        if is_in(&LOOPBACK) {
            let reason = "it leads to this machine; list 127.0.0.0/8 in allow_private if that is meant";
            return if is_localhost(host) { Ok(()) } else { refused(reason) };
        }
        if is_in(&PRIVATE) {
            let reason = "it leads to a private address; list its network in allow_private if that is meant";
            return if self.trusts_private_names { Ok(()) } else { refused(reason) };
        }
        if is_in(&NEVER) {
            let reason =
                "it leads to an address that no service has: link-local, metadata, multicast or reserved";
            return refused(reason);
        }
        if self.is_plaintext {
            return refused("it is public and http is not encrypted; write https");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(guard: &Guard, address: &str) -> bool {
        guard.check("host.example", address.parse().unwrap()).is_ok()
    }

    #[test]
    fn a_name_that_leads_inside_is_refused_whatever_form_the_address_has() {
        let guard = Guard::new(false, Vec::new());
        for address in [
            "127.0.0.1",
            "127.8.8.8",
            "::1",
            "10.1.2.3",
            "172.31.255.255",
            "192.168.0.1",
            "100.64.0.1",
            "100.127.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "fd00::1",
            "fc00::1",
            "fe80::1",
            "ff02::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "::7f00:1",
            "198.18.0.1",
            "fd00:ec2::254",
        ] {
            assert!(!check(&guard, address), "{address}");
        }
        for address in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1", "::ffff:8.8.8.8", "11.0.0.1"]
        {
            assert!(check(&guard, address), "{address}");
        }
    }

    #[test]
    fn an_alertmanager_may_be_private_and_is_never_link_local() {
        let guard = Guard::new(true, Vec::new());
        assert!(check(&guard, "10.96.0.17") && check(&guard, "fd00::17"));
        assert!(!check(&guard, "169.254.169.254") && !check(&guard, "127.0.0.1"));
    }

    #[test]
    fn what_is_allowed_is_allowed_and_no_more() {
        let guard = Guard::new(false, vec![Network::parse("10.1.0.0/16").unwrap()]);
        assert!(check(&guard, "10.1.255.255") && check(&guard, "::ffff:10.1.0.1"));
        assert!(!check(&guard, "10.2.0.1") && !check(&guard, "127.0.0.1"));
        assert_eq!(
            [Network::parse("10.0.0.0/33"), Network::parse("10.0.0/8"), Network::parse("x")],
            [None; 3]
        );
    }

    #[test]
    fn an_address_that_is_written_is_meant_except_metadata_and_plaintext_to_the_world() {
        let guard = Guard::new(false, Vec::new());
        let written = |url: &str| guard.check_written(&url.parse().unwrap()).is_ok();
        assert!(
            written("http://127.0.0.1:9093/") && written("http://10.0.0.1/") && written("http://[::1]:1/")
        );
        assert!(written("http://localhost:1/") && written("https://hooks.example.com/"));
        assert!(!written("http://169.254.169.254/latest") && !written("http://[::ffff:169.254.169.254]/"));
        assert!(
            !written("http://hooks.example.com/")
                && !written("http://8.8.8.8/")
                && written("https://8.8.8.8/")
        );
    }

    #[test]
    fn plaintext_goes_to_no_public_address() {
        let guard = Guard::new(true, Vec::new()).for_scheme(true);
        assert!(check(&guard, "10.0.0.1") && !check(&guard, "8.8.8.8"));
    }
}
