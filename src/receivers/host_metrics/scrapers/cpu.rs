//! How long each processor did what.

use std::collections::BTreeSet;

use procfs_core::{CpuInfo, CpuTime, KernelStats};

use super::{Fault, Host, Known, Scraper, Shape, Sheet, known, rare};

pub(super) const KNOWN: &[Known] = &[
    rare("system.cpu.frequency", "Current frequency of each processor.", "Hz", Shape::Gauge),
    rare("system.cpu.logical.count", "Logical processors.", "{cpu}", Shape::Sum),
    rare("system.cpu.physical.count", "Physical processors.", "{cpu}", Shape::Sum),
    known("system.cpu.time", "Time that each logical processor spent in each state.", "s", Shape::Counter),
    rare(
        "system.cpu.utilization",
        "Share of the time since the last collection that each logical processor spent in each state.",
        "1",
        Shape::Gauge,
    ),
];

/// Remembers the last collection, for shares.
#[derive(Default)]
pub(super) struct Cpu {
    before: Vec<(String, CpuTime)>,
}

const STATES: [&str; 8] = ["user", "system", "idle", "interrupt", "nice", "softirq", "steal", "wait"];

/// *Units*: ticks, in the order of [`STATES`].
fn ticks(time: &CpuTime) -> [u64; 8] {
    let or_none = |ticks: Option<u64>| ticks.unwrap_or(0);
    [
        time.user,
        time.system,
        time.idle,
        or_none(time.irq),
        time.nice,
        or_none(time.softirq),
        or_none(time.steal),
        or_none(time.iowait),
    ]
}

impl Scraper for Cpu {
    fn scrape(&mut self, host: &Host, sheet: &mut Sheet) -> Result<(), Fault> {
        let stats: KernelStats = host.parse_with_info("/proc/stat")?;
        // The parser forgets the names, and processors that are offline leave gaps.
        let text = host.text("/proc/stat")?;
        let names = text.lines().filter_map(|line| line.split(' ').next());
        let names = names.filter(|name| name.starts_with("cpu") && *name != "cpu").map(str::to_owned);
        let now: Vec<(String, CpuTime)> = names.zip(stats.cpu_time).collect();
        for (name, time) in &now {
            for (state, ticks) in STATES.iter().zip(ticks(time)) {
                sheet.double("system.cpu.time", &[("cpu", name), ("state", state)], host.seconds(ticks));
            }
            let before = self.before.iter().find(|(known, _)| known == name);
            if let Some((_, before)) = before {
                share(name, &ticks(before), &ticks(time), sheet);
            }
        }
        sheet.int("system.cpu.logical.count", &[], now.len() as u64);
        self.before = now;
        if sheet.wants(&["system.cpu.frequency", "system.cpu.physical.count"]) {
            of_info(&host.parse("/proc/cpuinfo")?, sheet);
        }
        Ok(())
    }
}

fn share(cpu: &str, before: &[u64; 8], now: &[u64; 8], sheet: &mut Sheet) {
    let elapsed = now.iter().sum::<u64>() as f64 - before.iter().sum::<u64>() as f64;
    for ((state, now), before) in STATES.iter().zip(now).zip(before) {
        // What waits may fall; the kernel says so itself.
        let share = if elapsed > 0.0 { (*now as f64 - *before as f64) / elapsed } else { 0.0 };
        sheet.double("system.cpu.utilization", &[("cpu", cpu), ("state", state)], share);
    }
}

fn of_info(info: &CpuInfo, sheet: &mut Sheet) {
    let mut cores = BTreeSet::new();
    for place in 0..info.num_cores() {
        let field = |name: &str| info.get_field(place, name).map(str::to_owned);
        let number = field("processor").unwrap_or_else(|| place.to_string());
        if let Some(frequency) = field("cpu MHz").and_then(|text| text.trim().parse::<f64>().ok()) {
            let name = format!("cpu{}", number.trim());
            sheet.double("system.cpu.frequency", &[("cpu", &name)], frequency * 1e6);
        }
        // Where it is not said what shares a core, nothing does.
        let core = field("core id").map_or((None, number), |core| (field("physical id"), core));
        cores.insert(core);
    }
    sheet.int("system.cpu.physical.count", &[], cores.len() as u64);
}
