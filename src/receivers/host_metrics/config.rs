//! The collector's keys.

use component::{Checks, Config};
use config::{Duration, NotSupported, NotSupportedKeys, Section};
use serde::Deserialize;

use super::{
    filter::{MatchConfig, Named},
    scrapers,
    sheet::Toggles,
};

/// Settings of `host_metrics`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct HostMetricsConfig {
    pub(super) collection_interval: Duration,
    pub(super) initial_delay: Duration,
    /// How long a collection may take; 0 for as long as the interval.
    pub(super) timeout: Duration,
    /// Where the root of the machine is mounted; empty for the one that this runs on.
    pub(super) root_path: String,
    pub(super) scrapers: Scrapers,
}

/// What is collected.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Scrapers {
    pub(super) cpu: Section<PlainConfig>,
    pub(super) load: Section<LoadConfig>,
    pub(super) memory: Section<PlainConfig>,
    pub(super) paging: Section<PlainConfig>,
    pub(super) disk: Section<DiskConfig>,
    pub(super) filesystem: Section<FilesystemConfig>,
    pub(super) network: Section<NetworkConfig>,
    pub(super) processes: Section<PlainConfig>,
    pub(super) system: Section<PlainConfig>,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PlainConfig {
    pub(super) metrics: Toggles,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LoadConfig {
    pub(super) cpu_average: bool,
    pub(super) metrics: Toggles,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DiskConfig {
    pub(super) include: MatchConfig,
    pub(super) exclude: MatchConfig,
    pub(super) metrics: Toggles,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NetworkConfig {
    pub(super) include: MatchConfig,
    pub(super) exclude: MatchConfig,
    pub(super) metrics: Toggles,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FilesystemConfig {
    pub(super) include_virtual_filesystems: bool,
    pub(super) include_devices: MatchConfig,
    pub(super) exclude_devices: MatchConfig,
    pub(super) include_fs_types: MatchConfig,
    pub(super) exclude_fs_types: MatchConfig,
    pub(super) include_mount_points: MatchConfig,
    pub(super) exclude_mount_points: MatchConfig,
    pub(super) metrics: Toggles,
}

impl Default for HostMetricsConfig {
    fn default() -> Self {
        Self {
            collection_interval: Duration::from_secs(60),
            initial_delay: Duration::from_secs(1),
            timeout: Duration::from_secs(0),
            root_path: String::new(),
            scrapers: Scrapers::default(),
        }
    }
}

const ONE_BY_ONE: &str = "processes are counted and not told one by one";

impl Config for HostMetricsConfig {
    const NOT_SUPPORTED: NotSupportedKeys = &[
        ("", &[NotSupported::new("metadata_collection_interval", "no entities are told", "remove it")]),
        (
            "scrapers",
            &[
                NotSupported::new("process", ONE_BY_ONE, "remove it, or write `processes`"),
                NotSupported::new(
                    "nfs",
                    "what NFS does is not read",
                    "remove it; `filesystem` tells how full mounts are",
                ),
            ],
        ),
    ];

    fn validate(&self, checks: &mut Checks) {
        if self.collection_interval.get().is_zero() {
            checks.error("collection_interval", "collection_interval is 0s, must be above 0s");
        }
        if !self.root_path.is_empty() && !std::path::Path::new(&self.root_path).is_absolute() {
            let message = format!("root_path is {:?}, must begin with /", self.root_path);
            checks.error("root_path", message);
        }
        if scrapers::build(&self.scrapers).is_empty() {
            checks.error("scrapers", "must specify at least one scraper when using host_metrics receiver");
        }
        scrapers::check_metrics(&self.scrapers, checks);
        let mut check = |path: &str, config: &MatchConfig, named: Named| {
            config.validate(&format!("scrapers.{path}"), named, checks);
        };
        if let Some(it) = self.scrapers.disk.get() {
            check("disk.include", &it.include, Named::Devices);
            check("disk.exclude", &it.exclude, Named::Devices);
        }
        if let Some(it) = self.scrapers.network.get() {
            check("network.include", &it.include, Named::Interfaces);
            check("network.exclude", &it.exclude, Named::Interfaces);
        }
        if let Some(it) = self.scrapers.filesystem.get() {
            check("filesystem.include_devices", &it.include_devices, Named::Devices);
            check("filesystem.exclude_devices", &it.exclude_devices, Named::Devices);
            check("filesystem.include_fs_types", &it.include_fs_types, Named::FsTypes);
            check("filesystem.exclude_fs_types", &it.exclude_fs_types, Named::FsTypes);
            check("filesystem.include_mount_points", &it.include_mount_points, Named::MountPoints);
            check("filesystem.exclude_mount_points", &it.exclude_mount_points, Named::MountPoints);
        }
    }
}
