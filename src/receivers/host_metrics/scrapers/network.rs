//! What interfaces carry, and connections by state.

use std::collections::BTreeMap;

use procfs_core::net::{InterfaceDeviceStatus, TcpNetEntries, TcpState};

use super::{
    super::{
        config::NetworkConfig,
        filter::{Filter, Named},
    },
    Fault, Host, Known, Scraper, Shape, Sheet, known, rare,
};

pub(super) const KNOWN: &[Known] = &[
    known("system.network.connections", "Connections by state.", "{connections}", Shape::Sum),
    rare(
        "system.network.conntrack.count",
        "Entries of the table of tracked connections.",
        "{entries}",
        Shape::Sum,
    ),
    rare(
        "system.network.conntrack.max",
        "Room in the table of tracked connections.",
        "{entries}",
        Shape::Sum,
    ),
    known("system.network.dropped", "Packets that were dropped.", "{packets}", Shape::Counter),
    known("system.network.errors", "Packets that had errors.", "{errors}", Shape::Counter),
    known("system.network.io", "Bytes that were received and sent.", "By", Shape::Counter),
    known("system.network.packets", "Packets that were received and sent.", "{packets}", Shape::Counter),
];

pub(super) struct Network {
    filter: Filter,
}

impl Network {
    pub(super) fn new(config: &NetworkConfig) -> Self {
        Self { filter: Filter::new(&config.include, &config.exclude, Named::Interfaces) }
    }
}

/// All are told, also those that no connection is in.
const STATES: [&str; 12] = [
    "CLOSE_WAIT",
    "CLOSE",
    "CLOSING",
    "DELETE",
    "ESTABLISHED",
    "FIN_WAIT_1",
    "FIN_WAIT_2",
    "LAST_ACK",
    "LISTEN",
    "SYN_SENT",
    "SYN_RECV",
    "TIME_WAIT",
];

fn name_of(state: &TcpState) -> &'static str {
    match state {
        TcpState::Established => "ESTABLISHED",
        TcpState::SynSent => "SYN_SENT",
        TcpState::SynRecv | TcpState::NewSynRecv => "SYN_RECV",
        TcpState::FinWait1 => "FIN_WAIT_1",
        TcpState::FinWait2 => "FIN_WAIT_2",
        TcpState::TimeWait => "TIME_WAIT",
        TcpState::Close => "CLOSE",
        TcpState::CloseWait => "CLOSE_WAIT",
        TcpState::LastAck => "LAST_ACK",
        TcpState::Listen => "LISTEN",
        TcpState::Closing => "CLOSING",
    }
}

impl Scraper for Network {
    fn scrape(&mut self, host: &Host, sheet: &mut Sheet) -> Result<(), Fault> {
        let InterfaceDeviceStatus(interfaces) = host.parse("/proc/net/dev")?;
        let interfaces: BTreeMap<_, _> = interfaces.into_iter().collect();
        for (name, it) in interfaces.iter().filter(|(name, _)| self.filter.takes(name)) {
            let directions = [
                ("transmit", [it.sent_packets, it.sent_drop, it.sent_errs, it.sent_bytes]),
                ("receive", [it.recv_packets, it.recv_drop, it.recv_errs, it.recv_bytes]),
            ];
            for (direction, [packets, dropped, errors, bytes]) in directions {
                let attributes = [("device", name.as_str()), ("direction", direction)];
                sheet.int("system.network.packets", &attributes, packets);
                sheet.int("system.network.dropped", &attributes, dropped);
                sheet.int("system.network.errors", &attributes, errors);
                sheet.int("system.network.io", &attributes, bytes);
            }
        }
        if sheet.wants(&["system.network.connections"]) {
            connections(host, sheet)?;
        }
        if sheet.wants(&["system.network.conntrack.count", "system.network.conntrack.max"]) {
            let number = |name: &str| host.number(&format!("/proc/sys/net/netfilter/nf_conntrack_{name}"));
            sheet.int("system.network.conntrack.count", &[], number("count")?);
            sheet.int("system.network.conntrack.max", &[], number("max")?);
        }
        Ok(())
    }
}

fn connections(host: &Host, sheet: &mut Sheet) -> Result<(), Fault> {
    let mut counts: BTreeMap<&str, u64> = STATES.iter().map(|state| (*state, 0)).collect();
    let TcpNetEntries(mut entries) = host.parse_with_info("/proc/net/tcp")?;
    // A kernel without the newer protocol has no such file.
    if let Ok(TcpNetEntries(newer)) = host.parse_with_info("/proc/net/tcp6") {
        entries.extend(newer);
    }
    for entry in &entries {
        *counts.entry(name_of(&entry.state)).or_default() += 1;
    }
    for (state, count) in counts {
        sheet.int("system.network.connections", &[("protocol", "tcp"), ("state", state)], count);
    }
    Ok(())
}
