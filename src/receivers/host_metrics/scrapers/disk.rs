//! What disks do.

use procfs_core::DiskStats;

use super::{
    super::{
        config::DiskConfig,
        filter::{Filter, Named},
    },
    Fault, Host, Known, Scraper, Shape, Sheet, known,
};

pub(super) const KNOWN: &[Known] = &[
    known("system.disk.io", "Bytes that disks have read and written.", "By", Shape::Counter),
    known("system.disk.io_time", "Time in which disks were at work.", "s", Shape::Counter),
    known("system.disk.merged", "Operations that were merged into others.", "{operations}", Shape::Counter),
    known("system.disk.operation_time", "Time that operations took.", "s", Shape::Counter),
    known("system.disk.operations", "Operations of disks.", "{operations}", Shape::Counter),
    known("system.disk.pending_operations", "Operations that are under way.", "{operations}", Shape::Sum),
    known("system.disk.weighted_io_time", "Time at work times the length of the queue.", "s", Shape::Counter),
];

/// The kernel counts in these, whatever the disk does.
const SECTOR_BYTES: u64 = 512;

pub(super) struct Disk {
    filter: Filter,
}

impl Disk {
    pub(super) fn new(config: &DiskConfig) -> Self {
        Self { filter: Filter::new(&config.include, &config.exclude, Named::Devices) }
    }
}

impl Scraper for Disk {
    fn scrape(&mut self, host: &Host, sheet: &mut Sheet) -> Result<(), Fault> {
        let DiskStats(disks) = host.parse("/proc/diskstats")?;
        let seconds = |milliseconds: u64| milliseconds as f64 / 1e3;
        for disk in disks.iter().filter(|disk| self.filter.takes(&disk.name)) {
            let device = ("device", disk.name.as_str());
            let read = [device, ("direction", "read")];
            let write = [device, ("direction", "write")];
            sheet.int("system.disk.io", &read, disk.sectors_read.saturating_mul(SECTOR_BYTES));
            sheet.int("system.disk.io", &write, disk.sectors_written.saturating_mul(SECTOR_BYTES));
            sheet.int("system.disk.operations", &read, disk.reads);
            sheet.int("system.disk.operations", &write, disk.writes);
            sheet.int("system.disk.merged", &read, disk.merged);
            sheet.int("system.disk.merged", &write, disk.writes_merged);
            sheet.double("system.disk.operation_time", &read, seconds(disk.time_reading));
            sheet.double("system.disk.operation_time", &write, seconds(disk.time_writing));
            sheet.double("system.disk.io_time", &[device], seconds(disk.time_in_progress));
            sheet.double("system.disk.weighted_io_time", &[device], seconds(disk.weighted_time_in_progress));
            sheet.int("system.disk.pending_operations", &[device], disk.in_progress);
        }
        Ok(())
    }
}
