//! What all connections of one thread share.

use std::cell::RefCell;

use bytes::Bytes;
use component::{Inlet, Permit, Receipt, Telemetry};
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
}

impl Shard {
    pub(super) fn new(
        inlet: Inlet,
        signals: SignalSet,
        telemetry: &Telemetry,
        transport: &'static str,
    ) -> Self {
        Self {
            inlet,
            signals,
            pool: Pool::new(KEPT_BYTES),
            inflater: RefCell::default(),
            faults: Faults::new(telemetry, transport),
        }
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
    ) -> Result<Receipt, Failure> {
        self.inlet.0.push(signal, bytes, transport).await.map_err(Failure::from)
    }
}
