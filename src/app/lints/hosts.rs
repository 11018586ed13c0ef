//! Hosts as configurations write them.

use std::net::IpAddr;

/// Returns the host of `host:port`, or of a URL.
pub(super) fn host_of(endpoint: &str) -> &str {
    let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if let Some(inner) = authority.strip_prefix('[') {
        return inner.split(']').next().unwrap_or_default();
    }
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

/// Whether every machine that can reach this one can reach the address.
pub(super) fn is_open(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.is_unspecified() || !is_private(address),
        Err(_) => host.is_empty(),
    }
}

/// Whether the way to a host leaves the networks that one keeps to oneself. Names are judged by how they look: what
/// has no dot, or ends as names of clusters and home networks do, is near.
pub(super) fn is_remote(host: &str) -> bool {
    const NEAR: [&str; 6] = [".local", ".internal", ".svc", ".localdomain", ".localhost", ".lan"];
    match host.parse::<IpAddr>() {
        Ok(address) => !is_private(address) && !address.is_unspecified(),
        Err(_) => host.contains('.') && !NEAR.iter().any(|end| host.ends_with(end)),
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let is_shared = address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64;
            address.is_loopback() || address.is_private() || address.is_link_local() || is_shared
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_found_in_every_form() {
        for (endpoint, host) in [
            ("localhost:4317", "localhost"),
            (":4317", ""),
            ("[::]:4317", "::"),
            ("https://user:pass@api.example.com:443/v1?x=a:b", "api.example.com"),
            ("http://[fe80::1]/x", "fe80::1"),
            ("example.com", "example.com"),
            ("", ""),
        ] {
            assert_eq!(host_of(endpoint), host, "{endpoint}");
        }
    }

    #[test]
    fn near_and_far_are_told_apart() {
        for host in
            ["localhost", "10.1.2.3", "192.168.0.1", "100.64.0.1", "::1", "fd00::1", "gateway", "a.b.svc"]
        {
            assert!(!is_remote(host), "{host}");
        }
        for host in ["example.com", "8.8.8.8", "2001:4860::8888", "api.honeycomb.io"] {
            assert!(is_remote(host), "{host}");
        }
        for host in ["", "0.0.0.0", "::", "8.8.8.8"] {
            assert!(is_open(host), "{host}");
        }
        for host in ["localhost", "127.0.0.1", "10.0.0.1", "pod-ip"] {
            assert!(!is_open(host), "{host}");
        }
    }
}
