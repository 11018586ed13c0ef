//! What a server says of a request that it took only in part.

use std::sync::Arc;

use component::{Clock, Delivered};
use model::Signal;

use super::Warnings;

/// Tells of partial success, now and then.
pub(crate) struct Rejections {
    exporter: String,
    clock: Arc<dyn Clock>,
    warnings: Warnings,
}

impl Rejections {
    pub(crate) fn new(exporter: &str, clock: &Arc<dyn Clock>) -> Self {
        Self { exporter: exporter.to_owned(), clock: Arc::clone(clock), warnings: Warnings::default() }
    }

    /// Logs what the server did not take or had to say, if it is time for it.
    pub(crate) fn report(&self, signal: Signal, delivered: &Delivered) {
        if delivered.rejected == 0 && delivered.message.is_empty() {
            return;
        }
        let Some(held_back) = self.warnings.due(self.clock.now()) else { return };
        tracing::warn!(
            exporter = self.exporter,
            %signal,
            rejected = delivered.rejected,
            message = delivered.message,
            held_back,
            "the server took a request only in part",
        );
    }
}
