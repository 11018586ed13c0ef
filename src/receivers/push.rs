//! Hands over what a receiver has collected by itself, which no sender would bring again.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use component::{Clock, Counter, Inlet, Metadata, ReceiverCx, Refusal};
use model::{Signal, Timestamp};

/// The shortest wait before what met a busy engine is pushed again.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);

/// Pushes metrics that are collected at an interval.
pub(crate) struct Pusher {
    inlet: Inlet,
    clock: Arc<dyn Clock>,
    transport: &'static str,
    what: &'static str,
    dropped: Counter,
}

impl Pusher {
    /// `what` is pushed, for the log; `dropped` counts points that were not taken.
    pub(crate) fn new(
        cx: &ReceiverCx,
        transport: &'static str,
        what: &'static str,
        dropped: Counter,
    ) -> Self {
        Self { inlet: cx.inlet.clone(), clock: Arc::clone(&cx.clock), transport, what, dropped }
    }

    /// Pushes until it is taken, refused for good, or as old as `until`, when the next comes.
    pub(crate) async fn push(&self, request: Bytes, n_points: u64, until: Timestamp) {
        loop {
            match self.offer(request.clone()).await {
                Ok(()) => return,
                Err(Refusal::Busy { retry_after, .. }) => {
                    let again = self.clock.now() + retry_after.max(SHORTEST_WAIT);
                    if again >= until {
                        return self.dropped.add(n_points);
                    }
                    self.clock.sleep_until(again).await;
                }
                Err(refusal) => {
                    tracing::warn!(%refusal, "{} was refused", self.what);
                    return self.dropped.add(n_points);
                }
            }
        }
    }

    async fn offer(&self, request: Bytes) -> Result<(), Refusal> {
        let _claim = self.inlet.0.admit(Signal::Metrics, request.len()).await?;
        self.inlet
            .0
            .push(Signal::Metrics, request, self.transport, Metadata::default())
            .await
            .map(|_receipt| ())
    }
}
