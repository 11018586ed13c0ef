//! Ports for programs that cannot listen on port 0 and say which one they got.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the range from which Linux takes ports of outgoing connections (32768–60999), so that none
/// of those lands on a port between its choice here and its use.
const FIRST: u32 = 15_000;
const N_PORTS: u32 = 17_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Returns a port of 127.0.0.1 that is free for TCP and UDP.
///
/// No port is returned twice in 17,000 calls of a process; processes start their search apart from
/// each other.
///
/// *Panics* when all ports of the range are taken.
pub fn free_port() -> u16 {
    let start = std::process::id().wrapping_mul(101);
    for _ in 0..N_PORTS {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + start.wrapping_add(step) % N_PORTS;
        let port = u16::try_from(port).expect("the range ends below 65,536");
        let address = (Ipv4Addr::LOCALHOST, port);
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return port;
        }
    }
    panic!("no port of 127.0.0.1 is free between {FIRST} and {}", FIRST + N_PORTS);
}
