//! The time, as everything outside a processor learns it.

use futures_util::future::BoxFuture;
use model::Timestamp;

/// Tells the time and waits for it. The engine's clock reads the system's; tests and replays step
/// their own.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;

    /// Resolves at `at`, or at once when that has passed.
    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()>;
}
