//! The collector's keys of `debug`.

use component::{BATCH_NOT_SUPPORTED, Checks, Config, QUEUE_NOT_SUPPORTED, QueueConfig};
use config::{NotSupported, NotSupportedKeys};
use serde::Deserialize;

/// Settings of `debug`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct DebugConfig {
    pub(super) verbosity: Verbosity,
    /// How many requests of a signal are shown in each second before sampling begins.
    pub(super) sampling_initial: u64,
    /// Of those beyond, every so many is shown: 1 shows all, 0 none.
    pub(super) sampling_thereafter: u64,
    /// Whether output goes to the log, or plain to standard output.
    pub(super) use_internal_logger: bool,
    pub(super) sending_queue: QueueConfig,
}

/// How much is shown of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verbosity {
    /// A line that counts.
    #[serde(alias = "Basic", alias = "BASIC")]
    Basic,
    /// That, and a line for each item.
    #[serde(alias = "Normal", alias = "NORMAL")]
    Normal,
    /// That, and all of each item.
    #[serde(alias = "Detailed", alias = "DETAILED")]
    Detailed,
}

impl Default for DebugConfig {
    fn default() -> Self {
        Self {
            verbosity: Verbosity::Basic,
            sampling_initial: 2,
            sampling_thereafter: 1,
            use_internal_logger: true,
            sending_queue: QueueConfig { enabled: false, ..QueueConfig::default() },
        }
    }
}

impl Config for DebugConfig {
    const NOT_SUPPORTED: NotSupportedKeys = &[
        (
            "",
            &[NotSupported::new(
                "output_paths",
                "output goes to the log or to standard output",
                "set `use_internal_logger: false` for standard output; for files use the exporter `otlp_file`",
            )],
        ),
        ("sending_queue", QUEUE_NOT_SUPPORTED),
        ("sending_queue.batch", BATCH_NOT_SUPPORTED),
    ];

    fn validate(&self, checks: &mut Checks) {
        self.sending_queue.validate("sending_queue", checks);
    }
}
