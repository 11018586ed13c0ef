//! What goes to swap and comes back.

use procfs_core::VmStat;

use super::{Fault, Host, Known, Scraper, Shape, Sheet, known, rare};

pub(super) const KNOWN: &[Known] = &[
    known("system.paging.faults", "Page faults.", "{faults}", Shape::Counter),
    known("system.paging.operations", "Pages that were read and written.", "{operations}", Shape::Counter),
    known("system.paging.usage", "Swap by state.", "By", Shape::Sum),
    rare("system.paging.utilization", "Share of swap by state.", "1", Shape::Gauge),
];

pub(super) struct Paging;

impl Scraper for Paging {
    fn scrape(&mut self, host: &Host, sheet: &mut Sheet) -> Result<(), Fault> {
        for line in host.text("/proc/swaps")?.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let number = |place: usize| fields.get(place).and_then(|text| text.parse::<u64>().ok());
            let (Some(device), Some(size), Some(used)) = (fields.first(), number(2), number(3)) else {
                return Err(format!("/proc/swaps is not understood: {line:?}"));
            };
            for (state, kilobytes) in [("used", used), ("free", size.saturating_sub(used))] {
                let attributes = [("device", *device), ("state", state)];
                sheet.int("system.paging.usage", &attributes, kilobytes.saturating_mul(1024));
                if size > 0 {
                    sheet.double("system.paging.utilization", &attributes, kilobytes as f64 / size as f64);
                }
            }
        }
        let VmStat(counts) = host.parse("/proc/vmstat")?;
        let count = |name: &str| counts.get(name).and_then(|count| u64::try_from(*count).ok()).unwrap_or(0);
        let operations = [
            ("page_in", "major", "pswpin"),
            ("page_out", "major", "pswpout"),
            ("page_in", "minor", "pgpgin"),
            ("page_out", "minor", "pgpgout"),
        ];
        for (direction, kind, name) in operations {
            let attributes = [("direction", direction), ("type", kind)];
            sheet.int("system.paging.operations", &attributes, count(name));
        }
        let major = count("pgmajfault");
        sheet.int("system.paging.faults", &[("type", "major")], major);
        sheet.int("system.paging.faults", &[("type", "minor")], count("pgfault").saturating_sub(major));
        Ok(())
    }
}
