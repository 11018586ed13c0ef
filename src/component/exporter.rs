//! Where bytes go out.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use futures_util::future::LocalBoxFuture;
use model::{Export, SignalSet, Timestamp};

use crate::{
    Authenticators, BoxError, Clock, Config, Delivery, Desk, Listen, Placement, Sockets, Stop, Telemetry,
};

/// A kind of exporter: one row of its layer's table.
pub trait ExporterDef: Send + Sync + 'static {
    const KIND: &'static str;
    const ALIASES: &'static [&'static str] = &[];
    const SIGNALS: SignalSet;
    /// `Once` for exporters that must see all series in one place.
    const PLACEMENT: Placement;
    type Config: Config;

    /// Returns the queue, retry and timeout settings; the engine acts on them.
    fn delivery(config: &Self::Config) -> Delivery;

    /// Returns the addresses to listen on, for exporters that are asked rather than tell.
    fn listens(_config: &Self::Config) -> Vec<Listen> {
        Vec::new()
    }

    /// Builds an instance on the thread that will run it. Does no I/O and spawns nothing.
    fn build(config: &Self::Config, cx: &ExporterCx) -> Rc<dyn Exporter>;
}

/// A destination.
pub trait Exporter {
    /// Makes one attempt to deliver; the engine bounds its time and retries it.
    /// Up to `num_consumers` calls are under way at once.
    fn export(&self, export: Export) -> LocalBoxFuture<'_, Result<Delivered, ExportError>>;

    /// Does what goes on beside exporting, such as answering scrapes, until told to stop.
    fn run(self: Rc<Self>, stop: Stop) -> LocalBoxFuture<'static, Result<(), BoxError>> {
        Box::pin(async move {
            stop.cancelled().await;
            Ok(())
        })
    }

    /// Writes out what is buffered; called once, after the last export.
    fn shutdown(&self) -> LocalBoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async { Ok(()) })
    }
}

/// What an exporter is built with.
pub struct ExporterCx {
    /// The component's id as configured: `otlp_grpc/tempo`.
    pub id: String,
    pub sockets: RefCell<Vec<Sockets>>,
    pub clock: Arc<dyn Clock>,
    /// When the process started; what began later was never sent by the one before it.
    pub started_at: Timestamp,
    pub telemetry: Telemetry,
    /// A stable name of this process.
    pub instance_id: String,
    /// Where it offers answers to those who ask the running service.
    pub desk: Desk,
    pub authenticators: Authenticators,
}

/// What a destination took.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Delivered {
    /// Items refused for good while the rest was taken: OTLP's partial success.
    pub rejected: u64,
    pub message: String,
}

/// Why an attempt failed, by what the engine does next.
#[derive(Debug)]
pub enum ExportError {
    /// Try again, not before `after`.
    Retryable { after: Option<Duration>, source: BoxError },
    /// Drop and count.
    Permanent(BoxError),
}

impl std::fmt::Display for ExportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Retryable { source, .. } | Self::Permanent(source) => source.fmt(f),
        }
    }
}
