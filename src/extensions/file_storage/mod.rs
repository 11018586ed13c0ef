//! Where does state go? `file_storage` names the directory in which stages keep what must survive a
//! restart, under the key the collector's users know. The engine writes there; this only says where.

use std::path::PathBuf;

use component::{BoxError, Checks, Config, Extension, ExtensionCx, ExtensionDef, Stop};
use config::{NotSupported, NotSupportedKeys};
use futures_util::future::LocalBoxFuture;
use serde::Deserialize;

/// See the README for each key.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct FileStorageConfig {
    pub directory: PathBuf,
    pub create_directory: bool,
    /// The collector's wish to synchronise each write; here each snapshot is, or no counter would be safe.
    pub fsync: bool,
    /// The collector's patience with another process's lock; here a directory in use fails the start.
    pub timeout: config::Duration,
}

impl Default for FileStorageConfig {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("/var/lib/otelcol/file_storage"),
            create_directory: true,
            fsync: true,
            timeout: config::Duration::from_secs(1),
        }
    }
}

impl Config for FileStorageConfig {
    const NOT_SUPPORTED: NotSupportedKeys = &[(
        "",
        &[
            NotSupported::new(
                "compaction",
                "each snapshot replaces the one before, so nothing is left to compact",
                "remove it",
            ),
            NotSupported::new(
                "recreate",
                "a snapshot that is damaged is told and left out by itself, the others are kept",
                "remove it",
            ),
            NotSupported::new("max_size", "snapshots are as large as the state of the stages", "remove it"),
            NotSupported::new(
                "directory_permissions",
                "the directory gets what the process's umask leaves",
                "set the umask, or make the directory beforehand and set `create_directory: false`",
            ),
        ],
    )];

    fn validate(&self, checks: &mut Checks) {
        if self.directory.as_os_str().is_empty() {
            checks.error("directory", "directory is empty, name the directory for state");
        } else if !self.create_directory && !self.directory.is_dir() {
            let message = format!(
                "directory {} does not exist, make it or set create_directory: true",
                self.directory.display()
            );
            checks.error("directory", message);
        }
    }
}

pub(crate) struct FileStorage;

impl ExtensionDef for FileStorage {
    const KIND: &'static str = "file_storage";
    type Config = FileStorageConfig;

    fn storage_directory(config: &FileStorageConfig) -> Option<PathBuf> {
        Some(config.directory.clone())
    }

    fn build(_: &FileStorageConfig, _: ExtensionCx) -> Box<dyn Extension> {
        Box::new(FileStorage)
    }
}

impl Extension for FileStorage {
    fn run(self: Box<Self>, stop: Stop) -> LocalBoxFuture<'static, Result<(), BoxError>> {
        Box::pin(async move {
            stop.cancelled().await;
            Ok(())
        })
    }
}
