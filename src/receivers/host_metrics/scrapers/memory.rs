//! What memory is used for.

use procfs_core::Meminfo;

use super::{Fault, Host, Known, Scraper, Shape, Sheet, known, rare};

pub(super) const KNOWN: &[Known] = &[
    rare(
        "system.linux.memory.available",
        "Memory that applications can get without swapping.",
        "By",
        Shape::Sum,
    ),
    rare("system.linux.memory.dirty", "Memory that waits to be written to disks.", "By", Shape::Sum),
    rare("system.memory.limit", "Memory of the machine.", "By", Shape::Sum),
    rare("system.memory.linux.hugepages.limit", "Huge pages that there are.", "{page}", Shape::Sum),
    rare("system.memory.linux.hugepages.page_size", "Size of a huge page.", "By", Shape::Sum),
    rare(
        "system.memory.linux.hugepages.reserved",
        "Huge pages that are promised and not taken.",
        "{page}",
        Shape::Sum,
    ),
    rare("system.memory.linux.hugepages.surplus", "Huge pages beyond the pool.", "{page}", Shape::Sum),
    rare("system.memory.linux.hugepages.usage", "Huge pages by state.", "{page}", Shape::Sum),
    rare("system.memory.linux.hugepages.utilization", "Share of huge pages by state.", "1", Shape::Gauge),
    rare("system.memory.linux.shared", "Memory that is shared, that of tmpfs included.", "By", Shape::Sum),
    rare("system.memory.page_size", "Size of a page.", "By", Shape::Gauge),
    known("system.memory.usage", "Memory by what it is used for.", "By", Shape::Sum),
    rare("system.memory.utilization", "Share of memory by what it is used for.", "1", Shape::Gauge),
];

pub(super) struct Memory;

impl Scraper for Memory {
    fn scrape(&mut self, host: &Host, sheet: &mut Sheet) -> Result<(), Fault> {
        let info: Meminfo = host.parse("/proc/meminfo")?;
        let (total, reclaimable) = (info.mem_total, info.s_reclaimable.unwrap_or(0));
        let cached = info.cached + reclaimable;
        let available = info.mem_available.unwrap_or(info.mem_free + info.buffers + cached);
        let states = [
            ("used", total.saturating_sub(available)),
            ("free", info.mem_free),
            ("buffered", info.buffers),
            ("cached", cached),
            ("slab_reclaimable", reclaimable),
            ("slab_unreclaimable", info.s_unreclaim.unwrap_or(0)),
        ];
        for (state, bytes) in states {
            sheet.int("system.memory.usage", &[("state", state)], bytes);
            if total > 0 {
                let share = bytes as f64 / total as f64;
                sheet.double("system.memory.utilization", &[("state", state)], share);
            }
        }
        sheet.int("system.memory.limit", &[], total);
        sheet.int("system.memory.page_size", &[], host.page_size());
        sheet.int("system.linux.memory.available", &[], available);
        sheet.int("system.linux.memory.dirty", &[], info.dirty);
        sheet.int("system.memory.linux.shared", &[], info.shmem.unwrap_or(0));
        huge_pages(&info, sheet);
        Ok(())
    }
}

fn huge_pages(info: &Meminfo, sheet: &mut Sheet) {
    let (Some(total), Some(free)) = (info.hugepages_total, info.hugepages_free) else { return };
    sheet.int("system.memory.linux.hugepages.limit", &[], total);
    sheet.int("system.memory.linux.hugepages.page_size", &[], info.hugepagesize.unwrap_or(0));
    sheet.int("system.memory.linux.hugepages.reserved", &[], info.hugepages_rsvd.unwrap_or(0));
    sheet.int("system.memory.linux.hugepages.surplus", &[], info.hugepages_surp.unwrap_or(0));
    for (state, pages) in [("free", free), ("used", total.saturating_sub(free))] {
        let attributes = [("system.memory.linux.hugepages.state", state)];
        sheet.int("system.memory.linux.hugepages.usage", &attributes, pages);
        if total > 0 {
            let share = pages as f64 / total as f64;
            sheet.double("system.memory.linux.hugepages.utilization", &attributes, share);
        }
    }
}
