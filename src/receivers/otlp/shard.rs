//! What all connections of one thread share.

use std::{cell::RefCell, sync::Arc, time::Duration};

use bytes::Bytes;
use component::{Denied, Inlet, Metadata, Permit, Receipt, ServerAuth, Shown, Telemetry};
use http::HeaderMap;
use model::{Signal, SignalSet};

use super::{
    answer::Failure,
    body::{Inflater, Pool},
    faults::Faults,
};

/// How much unused buffer memory a thread keeps. *Units*: bytes.
const KEPT_BYTES: usize = 8 << 20;

/// The way into the pipelines and the memory that requests use again.
pub(super) struct Shard {
    inlet: Inlet,
    signals: SignalSet,
    pub(super) pool: Pool,
    pub(super) inflater: RefCell<Inflater>,
    pub(super) faults: Faults,
    /// None where everybody is let in.
    auth: Option<Arc<dyn ServerAuth>>,
    /// What stages may know of the heads of requests.
    shown: Shown,
}

impl Shard {
    pub(super) fn new(
        inlet: Inlet,
        signals: SignalSet,
        telemetry: &Telemetry,
        transport: &'static str,
        auth: Option<Arc<dyn ServerAuth>>,
        shown: Shown,
    ) -> Self {
        Self {
            inlet,
            signals,
            pool: Pool::new(KEPT_BYTES),
            inflater: RefCell::default(),
            faults: Faults::new(telemetry, transport),
            auth,
            shown,
        }
    }

    /// Lets in who shows what the operator wants, by the head of a request alone.
    pub(super) async fn authenticate(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let Some(auth) = &self.auth else { return Ok(()) };
        let checked = auth.check(headers).await.map_err(|denied| match denied {
            Denied::Unauthenticated(why) => Failure::Unauthenticated { why, challenge: auth.challenge() },
            Denied::Busy => {
                Failure::Busy { retry_after: Duration::from_secs(1), message: denied.to_string() }
            }
        });
        checked.inspect_err(|failure| self.faults.count(failure))
    }

    /// Whether a pipeline takes the signal.
    pub(super) fn takes(&self, signal: Signal) -> bool {
        self.signals.contains(signal)
    }

    pub(super) async fn admit(&self, signal: Signal, bytes: usize) -> Result<Permit, Failure> {
        self.inlet.0.admit(signal, bytes).await.map_err(Failure::from)
    }

    pub(super) async fn push(
        &self,
        signal: Signal,
        bytes: Bytes,
        transport: &'static str,
        headers: &HeaderMap,
    ) -> Result<Receipt, Failure> {
        let metadata = Metadata::new(self.inlet.0.wants_metadata(signal), headers, self.shown);
        self.inlet.0.push(signal, bytes, transport, metadata).await.map_err(Failure::from)
    }
}
