//! The collector's keys.

use std::time::Duration;

use component::{BatchConfig, Checks, Config, Sizer};
use serde::Deserialize;

/// Settings of `batch`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub struct BatchProcessorConfig {
    /// A batch leaves so long after its first request, however small. At 0s nothing waits.
    pub(crate) timeout: config::Duration,
    /// Items that make a batch leave at once. At 0 nothing waits.
    pub(crate) send_batch_size: u64,
    /// Items of a batch at most, larger ones are cut; 0 means no limit.
    pub(crate) send_batch_max_size: u64,
    /// Bounds what is told apart by metadata, which is nothing.
    pub(crate) metadata_cardinality_limit: u64,
}

impl Default for BatchProcessorConfig {
    fn default() -> Self {
        Self {
            timeout: Duration::from_millis(200).into(),
            send_batch_size: 8192,
            send_batch_max_size: 0,
            metadata_cardinality_limit: 1000,
        }
    }
}

impl BatchProcessorConfig {
    /// Says it in the words of a queue.
    pub(super) fn to_queue(&self) -> BatchConfig {
        let waits = !self.timeout.get().is_zero();
        let min_size = if waits { self.send_batch_size } else { 0 };
        BatchConfig {
            flush_timeout: self.timeout,
            min_size,
            max_size: self.send_batch_max_size,
            sizer: Some(Sizer::Items),
        }
    }
}

impl Config for BatchProcessorConfig {
    const NOT_SUPPORTED: config::NotSupportedKeys = &[(
        "",
        &[config::NotSupported::new(
            "metadata_keys",
            "the metadata of a request does not travel with its data, so nothing could be told apart by it",
            "remove it",
        )],
    )];

    fn validate(&self, checks: &mut Checks) {
        let (size, most) = (self.send_batch_size, self.send_batch_max_size);
        if most > 0 && most < size {
            let message = format!(
                "send_batch_max_size is {most}, must be greater or equal to send_batch_size ({size})"
            );
            checks.error("send_batch_max_size", message);
        }
    }
}
