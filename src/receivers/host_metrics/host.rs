//! The files of a machine, which may be mounted below a folder.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use procfs_core::{ExplicitSystemInfo, FromRead, FromReadSI};

/// Why something could not be read.
pub(super) type Fault = String;

/// A machine.
pub(super) struct Host {
    root: PathBuf,
    info: ExplicitSystemInfo,
}

/// No file of the kernel that is read whole is larger, as far as it is not a table of connections.
const MOST_BYTES: u64 = 64 << 20;

impl Host {
    /// The machine whose root is this folder; empty for the one that this runs on.
    pub(super) fn new(root: &str) -> Self {
        let info = ExplicitSystemInfo {
            boot_time_secs: 0,
            ticks_per_second: rustix::param::clock_ticks_per_second(),
            page_size: rustix::param::page_size() as u64,
            is_little_endian: cfg!(target_endian = "little"),
        };
        let root = if root.is_empty() { "/" } else { root };
        Self { root: root.into(), info }
    }

    pub(super) fn page_size(&self) -> u64 {
        self.info.page_size
    }

    /// *Units*: ticks.
    pub(super) fn seconds(&self, ticks: u64) -> f64 {
        ticks as f64 / self.info.ticks_per_second as f64
    }

    /// Returns where a path of the machine stands. One that is below the root already stays.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        if self.root != Path::new("/") && Path::new(path).starts_with(&self.root) {
            return path.into();
        }
        self.root.join(path.trim_start_matches('/'))
    }

    pub(super) fn parse<T: FromRead>(&self, path: &str) -> Result<T, Fault> {
        let place = self.path(path);
        let file = File::open(&place).map_err(|problem| fault(&place, &problem))?;
        T::from_read(file.take(MOST_BYTES)).map_err(|problem| fault(&place, &problem))
    }

    pub(super) fn parse_with_info<T: FromReadSI>(&self, path: &str) -> Result<T, Fault> {
        let place = self.path(path);
        let file = File::open(&place).map_err(|problem| fault(&place, &problem))?;
        T::from_read(file.take(MOST_BYTES), &self.info).map_err(|problem| fault(&place, &problem))
    }

    pub(super) fn text(&self, path: &str) -> Result<String, Fault> {
        let place = self.path(path);
        let mut bytes = Vec::new();
        let read = File::open(&place).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes));
        read.map_err(|problem| fault(&place, &problem))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Reads a file that holds one number.
    pub(super) fn number(&self, path: &str) -> Result<u64, Fault> {
        let text = self.text(path)?;
        text.trim()
            .parse()
            .map_err(|_| format!("{} is no number: {:?}", self.path(path).display(), text.trim()))
    }

    /// Returns the names in a folder, in their order.
    pub(super) fn names(&self, path: &str) -> Result<Vec<String>, Fault> {
        let place = self.path(path);
        let entries = fs::read_dir(&place).map_err(|problem| fault(&place, &problem))?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> = names.collect();
        names.sort();
        Ok(names)
    }
}

fn fault(place: &Path, problem: &dyn std::fmt::Display) -> Fault {
    format!("{} can not be read: {problem}", place.display())
}
