//! How full file systems are.

use std::collections::BTreeSet;

use procfs_core::process::MountInfos;

use super::{
    super::{
        config::FilesystemConfig,
        filter::{Filter, Named},
    },
    Fault, Host, Known, Scraper, Shape, Sheet, known, rare,
};

pub(super) const KNOWN: &[Known] = &[
    known("system.filesystem.inodes.usage", "Inodes by state.", "{inodes}", Shape::Sum),
    known("system.filesystem.usage", "Space by state.", "By", Shape::Sum),
    rare("system.filesystem.utilization", "Share of the space that is used.", "1", Shape::Gauge),
];

pub(super) struct FileSystems {
    has_virtual: bool,
    devices: Filter,
    types: Filter,
    mount_points: Filter,
}

impl FileSystems {
    pub(super) fn new(config: &FilesystemConfig) -> Self {
        Self {
            has_virtual: config.include_virtual_filesystems,
            devices: Filter::new(&config.include_devices, &config.exclude_devices, Named::Devices),
            types: Filter::new(&config.include_fs_types, &config.exclude_fs_types, Named::FsTypes),
            mount_points: Filter::new(
                &config.include_mount_points,
                &config.exclude_mount_points,
                Named::MountPoints,
            ),
        }
    }
}

impl Scraper for FileSystems {
    fn scrape(&mut self, host: &Host, sheet: &mut Sheet) -> Result<(), Fault> {
        // The first process sees the machine; where that can not be read, this one's view is told.
        let MountInfos(mounts) =
            host.parse("/proc/1/mountinfo").or_else(|_| host.parse("/proc/self/mountinfo"))?;
        let real = real_types(host)?;
        let mut seen = BTreeSet::new();
        let mut faults = Vec::new();
        for mount in mounts {
            let device = device_of(host, mount.mount_source.as_deref().unwrap_or("none"));
            let is_real = device != "none" && real.contains(&mount.fs_type);
            let mount_point = unescaped(&mount.mount_point.to_string_lossy());
            let is_taken = (is_real || self.has_virtual)
                && self.devices.takes(&device)
                && self.types.takes(&mount.fs_type)
                && self.mount_points.takes(&mount_point);
            if !is_taken || !seen.insert((mount_point.clone(), device.clone())) {
                continue;
            }
            let mode = ["rw", "ro"].into_iter().find(|mode| mount.mount_options.contains_key(*mode));
            let attributes = [
                ("device", device.as_str()),
                ("mode", mode.unwrap_or("unknown")),
                ("mountpoint", mount_point.as_str()),
                ("type", mount.fs_type.as_str()),
            ];
            match rustix::fs::statvfs(host.path(&mount_point)) {
                Ok(usage) => tell(&usage, &attributes, sheet),
                Err(problem) => faults.push(format!("{mount_point}: {problem}")),
            }
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(format!("usage can not be read of {}", faults.join(", ")))
        }
    }
}

fn tell(usage: &rustix::fs::StatVfs, attributes: &[(&str, &str); 4], sheet: &mut Sheet) {
    let with = |state: &'static str| {
        let mut all = attributes.to_vec();
        all.push(("state", state));
        all
    };
    let bytes = |blocks: u64| blocks.saturating_mul(usage.f_frsize);
    let used = bytes(usage.f_blocks.saturating_sub(usage.f_bfree));
    let free = bytes(usage.f_bavail);
    let reserved = bytes(usage.f_blocks).saturating_sub(used).saturating_sub(free);
    for (state, bytes) in [("used", used), ("free", free), ("reserved", reserved)] {
        sheet.int("system.filesystem.usage", &with(state), bytes);
    }
    let share = if used + free > 0 { used as f64 / (used + free) as f64 } else { 0.0 };
    sheet.double("system.filesystem.utilization", attributes, share);
    let inodes_used = usage.f_files.saturating_sub(usage.f_ffree);
    for (state, inodes) in [("used", inodes_used), ("free", usage.f_ffree)] {
        sheet.int("system.filesystem.inodes.usage", &with(state), inodes);
    }
}

/// Types of file systems that are on a device.
fn real_types(host: &Host) -> Result<BTreeSet<String>, Fault> {
    let text = host.text("/proc/filesystems")?;
    let is_real = |line: &&str| !line.starts_with("nodev") || line.contains("zfs");
    let name = |line: &str| line.split_whitespace().last().map(str::to_owned);
    Ok(text.lines().filter(is_real).filter_map(name).collect())
}

/// Names of the mapper are links to devices that other tools tell of.
fn device_of(host: &Host, source: &str) -> String {
    if !source.starts_with("/dev/mapper/") {
        return unescaped(source);
    }
    let found = std::fs::canonicalize(host.path(source)).ok();
    found.and_then(|path| path.to_str().map(str::to_owned)).unwrap_or_else(|| source.to_owned())
}

/// Reads what the kernel writes for spaces and the like: three octal digits behind a backslash.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = (byte == b'\\').then(|| after.get(..3)).flatten();
        let code = code.and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(code) => {
                bytes.push(code);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
