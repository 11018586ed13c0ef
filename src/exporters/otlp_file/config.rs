//! The keys of the collector's file exporter.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use component::{BATCH_NOT_SUPPORTED, Checks, Config, QUEUE_NOT_SUPPORTED, QueueConfig, RetryConfig};
use config::{NotSupported, NotSupportedKeys};
use serde::Deserialize;

/// Settings of `otlp_file`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct OtlpFileConfig {
    pub(super) path: PathBuf,
    /// Absent: one file that grows.
    pub(super) rotation: config::Section<RotationConfig>,
    pub(super) format: Format,
    pub(super) compression: FileCompression,
    /// How long what was taken may wait in memory; zero writes at once.
    pub(super) flush_interval: config::Duration,
    /// Keep what the file holds at the start; not with `rotation`, which keeps it anyway.
    pub(super) append: bool,
    /// Make the directories of `path`.
    pub(super) create_directory: bool,
    pub(super) retry_on_failure: RetryConfig,
    pub(super) sending_queue: QueueConfig,
}

/// When a file is full, and what becomes of it.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default)]
pub(super) struct RotationConfig {
    /// *Units*: 2^20 bytes, as in the collector. Zero means 100.
    pub(super) max_megabytes: u64,
    /// Backups older than this are removed; zero keeps them.
    pub(super) max_days: u64,
    /// Of more backups than this the oldest are removed; zero keeps all.
    pub(super) max_backups: usize,
    /// The collector's wish for local time in names; here they are in UTC.
    pub(super) localtime: bool,
}

/// How a request is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    /// One request a line.
    Json,
    /// Four bytes of length, most significant first, and the request.
    Proto,
}

/// How the file is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub(super) enum FileCompression {
    #[serde(rename = "none", alias = "")]
    None,
    #[serde(rename = "zstd")]
    Zstd,
}

impl Default for OtlpFileConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            rotation: config::Section::default(),
            format: Format::Json,
            compression: FileCompression::None,
            flush_interval: Duration::from_secs(1).into(),
            append: false,
            create_directory: false,
            retry_on_failure: RetryConfig { enabled: false, ..RetryConfig::default() },
            sending_queue: QueueConfig { enabled: false, ..QueueConfig::default() },
        }
    }
}

impl Default for RotationConfig {
    fn default() -> Self {
        Self { max_megabytes: 100, max_days: 0, max_backups: 100, localtime: false }
    }
}

impl RotationConfig {
    pub(super) const fn max_bytes(&self) -> u64 {
        let megabytes = if self.max_megabytes == 0 { 100 } else { self.max_megabytes };
        megabytes.saturating_mul(1 << 20)
    }
}

impl OtlpFileConfig {
    /// Says why no file can be written at `path`, as far as it can be seen without writing.
    fn problem_of_place(&self) -> Option<String> {
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let Ok(found) = folder.metadata() else {
            let advice = "make it, or set create_directory: true";
            return (!self.create_directory)
                .then(|| format!("whose folder {} can not be found; {advice}", folder.display()));
        };
        if !found.is_dir() {
            return Some(format!("and {} is no folder; name a file in a folder", folder.display()));
        }
        let file = self.path.metadata();
        let is_read_only = file.as_ref().unwrap_or(&found).permissions().readonly();
        is_read_only.then(|| "which is read-only; change its permissions or name another file".to_owned())
    }
}

impl Config for OtlpFileConfig {
    const NOT_SUPPORTED: NotSupportedKeys = &[
        (
            "",
            &[
                NotSupported::new(
                    "encoding",
                    "there are no encoding extensions",
                    "write `format: json` or `format: proto`",
                ),
                NotSupported::new(
                    "group_by",
                    "all requests go to one file",
                    "remove it, or use one exporter for each file in pipelines of their own",
                ),
                NotSupported::new(
                    "directory_permissions",
                    "directories get what the process's umask leaves",
                    "set the umask, or make the directory beforehand",
                ),
            ],
        ),
        ("sending_queue", QUEUE_NOT_SUPPORTED),
        ("sending_queue.batch", BATCH_NOT_SUPPORTED),
    ];

    fn validate(&self, checks: &mut Checks) {
        if self.path.as_os_str().is_empty() {
            checks.error("path", "path is missing, set it to the file to write");
        } else if self.path.file_name().is_none() || self.path.is_dir() {
            checks.error("path", format!("path is {}, a directory; name a file in it", self.path.display()));
        } else if let Some(problem) = self.problem_of_place() {
            checks.error("path", format!("path is {}, {problem}", self.path.display()));
        }
        if self.append && self.rotation.get().is_some() {
            checks.error(
                "append",
                "append and rotation enabled at the same time is not supported, remove append",
            );
        }
        if self.rotation.get().is_some_and(|rotation| rotation.localtime) {
            checks.warn("rotation.localtime", "localtime is not supported, the names of backups tell UTC");
        }
        self.retry_on_failure.validate("retry_on_failure", checks);
        self.sending_queue.validate("sending_queue", checks);
    }
}
