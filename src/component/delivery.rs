//! How the engine delivers for an exporter: queue, retry, timeout, with the collector's keys and
//! defaults.

use std::time::Duration;

use serde::Deserialize;

use crate::Checks;

/// Everything the engine does around one attempt to export.
#[derive(Clone, PartialEq, Debug)]
pub struct Delivery {
    pub queue: QueueConfig,
    pub retry: RetryConfig,
    /// How long one attempt may take; zero means no limit.
    pub timeout: Duration,
}

impl Delivery {
    /// Makes it of the sections that exporters over the network have.
    pub fn of(queue: &QueueConfig, retry: &RetryConfig, timeout: Duration) -> Self {
        Self { queue: queue.clone(), retry: retry.clone(), timeout }
    }
}

/// The collector's `sending_queue`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub struct QueueConfig {
    /// Off: a request is acknowledged after one export with its retries.
    pub enabled: bool,
    /// How many exports may be under way at once. With 1, order is kept.
    pub num_consumers: usize,
    /// Acknowledge after delivery, not when the queue has accepted.
    pub wait_for_result: bool,
    /// Let the sender wait for room rather than refuse it.
    pub block_on_overflow: bool,
    /// Drop and count what finds no room, and take the request for the other exporters all the same; what the
    /// collector does not have.
    pub drop_on_overflow: bool,
    /// What `queue_size` counts.
    pub sizer: Sizer,
    pub queue_size: u64,
    /// A second bound, in bytes, whatever the sizer; what the collector does not have.
    pub max_bytes: config::ByteSize,
    /// Join requests before they are sent; absent means as they came.
    pub batch: config::Section<BatchConfig>,
}

/// What a queue's size is counted in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sizer {
    Requests,
    Items,
    Bytes,
}

/// The collector's `sending_queue.batch`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub struct BatchConfig {
    pub flush_timeout: config::Duration,
    pub min_size: u64,
    /// Zero means no limit.
    pub max_size: u64,
    /// Absent means the queue's, or items where that counts requests.
    pub sizer: Option<Sizer>,
}

/// The collector's `retry_on_failure`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub struct RetryConfig {
    pub enabled: bool,
    pub initial_interval: config::Duration,
    /// Each wait is spread by this share to both sides, so that senders do not come back together.
    pub randomization_factor: f64,
    pub multiplier: f64,
    pub max_interval: config::Duration,
    /// Give up after this long; zero means never.
    pub max_elapsed_time: config::Duration,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            num_consumers: 10,
            wait_for_result: false,
            block_on_overflow: false,
            drop_on_overflow: false,
            sizer: Sizer::Requests,
            queue_size: 1000,
            max_bytes: config::ByteSize(128 << 20),
            batch: config::Section::default(),
        }
    }
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self { flush_timeout: Duration::from_millis(200).into(), min_size: 8192, max_size: 0, sizer: None }
    }
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            initial_interval: Duration::from_secs(5).into(),
            randomization_factor: 0.5,
            multiplier: 1.5,
            max_interval: Duration::from_secs(30).into(),
            max_elapsed_time: Duration::from_secs(300).into(),
        }
    }
}

/// The collector's keys of `sending_queue` that are refused.
pub const QUEUE_NOT_SUPPORTED: &[config::NotSupported] = &[
    config::NotSupported::new(
        "storage",
        "the queue is kept in memory, and what waits in it is lost with the process",
        "remove it; set `wait_for_result: true`, so that a sender is answered when its data has arrived",
    ),
    config::NotSupported::new("blocking", "it has another name now", "write `block_on_overflow`"),
];

/// The collector's keys of `sending_queue.batch` that are refused.
pub const BATCH_NOT_SUPPORTED: &[config::NotSupported] = &[config::NotSupported::new(
    "partition",
    "the metadata of a request does not travel with its data, so nothing could be told apart by it",
    "remove it",
)];

impl QueueConfig {
    /// Returns what batches are counted in.
    pub fn batch_sizer(&self, batch: &BatchConfig) -> Sizer {
        match (batch.sizer, self.sizer) {
            (Some(sizer), _) => sizer,
            (None, Sizer::Requests) => Sizer::Items,
            (None, sizer) => sizer,
        }
    }

    /// Checks the section, which stands at `path` in the component's configuration.
    pub fn validate(&self, path: &str, checks: &mut Checks) {
        if !self.enabled {
            return;
        }
        if self.num_consumers == 0 {
            checks.error(&format!("{path}.num_consumers"), "num_consumers is 0, must be above 0");
        }
        if self.queue_size == 0 {
            checks.error(&format!("{path}.queue_size"), "queue_size is 0, must be above 0");
        }
        if self.max_bytes.0 == 0 {
            checks.error(&format!("{path}.max_bytes"), "max_bytes is 0, must be above 0");
        }
        if self.drop_on_overflow && (self.block_on_overflow || self.wait_for_result) {
            let other = if self.block_on_overflow { "block_on_overflow" } else { "wait_for_result" };
            checks.error(
                &format!("{path}.drop_on_overflow"),
                format!("drop_on_overflow and {other} are both true\nremove one: what is dropped cannot be waited for"),
            );
        }
        if let Some(batch) = self.batch.get() {
            self.validate_batch(batch, &format!("{path}.batch"), checks);
        }
    }

    fn validate_batch(&self, batch: &BatchConfig, path: &str, checks: &mut Checks) {
        if batch.flush_timeout.get().is_zero() {
            checks.error(&format!("{path}.flush_timeout"), "flush_timeout is 0s, must be above 0s");
        }
        if batch.sizer == Some(Sizer::Requests) {
            checks.error(
                &format!("{path}.sizer"),
                "sizer is \"requests\", a batch is counted in \"items\" or \"bytes\"",
            );
        }
        if batch.max_size > 0 && batch.max_size < batch.min_size {
            let message =
                format!("max_size is {}, must not be below min_size ({})", batch.max_size, batch.min_size);
            checks.error(&format!("{path}.max_size"), message);
        }
        if self.batch_sizer(batch) == self.sizer && batch.min_size > self.queue_size {
            let message =
                format!("min_size is {}, must not exceed queue_size ({})", batch.min_size, self.queue_size);
            checks.error(&format!("{path}.min_size"), message);
        }
    }
}

impl RetryConfig {
    /// Checks the section, which stands at `path` in the component's configuration.
    pub fn validate(&self, path: &str, checks: &mut Checks) {
        if !self.enabled {
            return;
        }
        if !(0.0..=1.0).contains(&self.randomization_factor) {
            let message =
                format!("randomization_factor is {}, must be between 0 and 1", self.randomization_factor);
            checks.error(&format!("{path}.randomization_factor"), message);
        }
        if !self.multiplier.is_finite() || self.multiplier < 1.0 {
            let message = format!("multiplier is {}, must be at least 1", self.multiplier);
            checks.error(&format!("{path}.multiplier"), message);
        }
        let (initial, longest) = (self.initial_interval.get(), self.max_elapsed_time.get());
        if !longest.is_zero() && initial > longest {
            checks.error(
                &format!("{path}.max_elapsed_time"),
                format!("max_elapsed_time is {longest:?}, must not be below initial_interval ({initial:?})"),
            );
        }
    }
}
