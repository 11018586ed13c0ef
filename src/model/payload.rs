//! What travels: OTLP requests as the bytes that came in, and the partial aggregates of the hop.

use bytes::Bytes;

use crate::{Ack, Conditions, OpenIncidents, Pieces, Rollups, Signal, SpanTable, Timestamp};

/// A trace request and the table that one walk over it left.
#[derive(Clone, Debug, Default)]
pub struct Traces {
    /// An encoded `ExportTraceServiceRequest`.
    pub bytes: Bytes,
    /// The spans of `bytes`, or none while they are unread; boxed, so that a payload stays small and the table's memory is reused.
    pub table: Box<SpanTable>,
}

impl Traces {
    /// Makes a request that nobody has walked over: the engine does so before a stage sees it.
    pub fn unread(bytes: Bytes) -> Self {
        Self { bytes, table: Box::default() }
    }

    /// Whether the table does not describe the bytes yet. A request without spans is always so.
    pub fn is_unread(&self) -> bool {
        self.table.spans.is_empty() && !self.bytes.is_empty()
    }
}

/// What an ingest half tells its analysis half at a flush: mergeable and commutative.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Partial {
    /// A message of the component's own schema in `proto/`, with a version in its first field.
    pub bytes: Bytes,
    /// The flush this belongs to; everything before it has been told.
    pub at: Timestamp,
}

/// What a stage takes and gives.
#[derive(Clone, Debug)]
pub enum Payload {
    Traces(Traces),
    /// An encoded `ExportMetricsServiceRequest`.
    Metrics(Bytes),
    /// An encoded `ExportLogsServiceRequest`.
    Logs(Bytes),
    /// From an ingest half to its analysis half, over the hop.
    Partial(Partial),
    /// A closed window, from one analysis half to those after it in the pipeline.
    Rollups(Box<Rollups>),
    /// What may deserve an alarm, from an analysis half to the one after it that alerts.
    Conditions(Box<Conditions>),
    /// Which services are in trouble, from the analysis half that knows to those after it: all of them, whenever
    /// they change.
    Incidents(Box<OpenIncidents>),
    /// From an analysis half to its ingest halves on every shard, against the stream: a message of the
    /// component's own schema in `proto/`, which replaces the one before.
    Verdicts(Bytes),
}

impl Payload {
    /// Returns the OTLP signal, or none for what stays inside.
    pub const fn signal(&self) -> Option<Signal> {
        match self {
            Self::Traces(_) => Some(Signal::Traces),
            Self::Metrics(_) => Some(Signal::Metrics),
            Self::Logs(_) => Some(Signal::Logs),
            Self::Partial(_)
            | Self::Rollups(_)
            | Self::Conditions(_)
            | Self::Incidents(_)
            | Self::Verdicts(_) => None,
        }
    }

    /// Returns the encoded request, or none for what has no encoded form.
    pub const fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Traces(traces) => Some(&traces.bytes),
            Self::Metrics(bytes) | Self::Logs(bytes) | Self::Verdicts(bytes) => Some(bytes),
            Self::Partial(partial) => Some(&partial.bytes),
            Self::Rollups(_) | Self::Conditions(_) | Self::Incidents(_) => None,
        }
    }
}

/// A payload, how much it holds, and who waits for it.
#[derive(Clone, Debug)]
pub struct Batch {
    pub payload: Payload,
    /// Spans, data points or log records in the payload.
    pub items: u64,
    pub ack: Ack,
}

/// What an exporter is handed: one encoded OTLP request.
#[derive(Clone, Debug)]
pub struct Export {
    pub signal: Signal,
    pub bytes: Pieces,
    /// Spans, data points or log records in the request.
    pub items: u64,
}
