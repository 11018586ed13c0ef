//! How many processes there are, by what they do.

use std::collections::BTreeMap;

use procfs_core::{KernelStats, process::Stat};

use super::{Fault, Host, Known, Scraper, Shape, Sheet, known};

pub(super) const KNOWN: &[Known] = &[
    known("system.processes.count", "Processes by state.", "{processes}", Shape::Sum),
    known(
        "system.processes.created",
        "Processes that were started since the machine was.",
        "{processes}",
        Shape::Counter,
    ),
];

pub(super) struct Processes;

fn status_of(state: char) -> &'static str {
    match state {
        'D' | 'U' => "blocked",
        'I' => "idle",
        'L' => "locked",
        'R' => "running",
        'S' => "sleeping",
        'T' | 't' => "stopped",
        'W' => "paging",
        'Z' => "zombies",
        _ => "unknown",
    }
}

impl Scraper for Processes {
    fn scrape(&mut self, host: &Host, sheet: &mut Sheet) -> Result<(), Fault> {
        let stats: KernelStats = host.parse_with_info("/proc/stat")?;
        sheet.int("system.processes.created", &[], stats.processes);
        if !sheet.wants(&["system.processes.count"]) {
            return Ok(());
        }
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        let mut all = 0;
        for id in host.names("/proc")?.iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) {
            all += 1;
            // One that has ended meanwhile is none any more.
            if let Ok(stat) = host.parse::<Stat>(&format!("/proc/{id}/stat")) {
                *counts.entry(status_of(stat.state)).or_default() += 1;
            }
        }
        // The kernel's own count is of one moment; what runs or waits for a disk changes while processes are read.
        counts.insert("blocked", stats.procs_blocked.unwrap_or(0).into());
        counts.insert("running", stats.procs_running.unwrap_or(0).into());
        let told: u64 = counts.values().sum();
        if all > told {
            counts.insert("unknown", all - told);
        }
        for (status, count) in counts {
            sheet.int("system.processes.count", &[("status", status)], count);
        }
        Ok(())
    }
}
