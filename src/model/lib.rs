//! The vocabulary every layer speaks: signals, payloads, time, and the table of spans that
//! one walk over a request leaves for all stages.
//!
//! Nothing here does I/O, and nothing here decodes: bytes become tables in `wire`.

mod alerts;
mod calls;
mod civil;
mod incidents;
mod payload;
mod pieces;
pub mod prometheus;
mod rollups;
mod signal;
mod slots;
mod spans;
mod time;

pub use alerts::{
    AlertState, AlertSubject, Budget, Condition, Conditions, Severity, Spending, alert_event, incident_event,
};
pub use calls::{Calls, Edge, EdgeKind, Failure, Portion, Spread, Step};
pub use civil::Civil;
pub use incidents::OpenIncidents;
pub use payload::{Batch, Export, Partial, Payload, Traces};
pub use pieces::Pieces;
pub use rollups::{
    AnomalyColumns, BaselineColumns, Checkpoint, Columns, Deployment, Forgotten, Maturity, Recall, Rollups,
    Series, Statistic, TraceId,
};
pub use signal::{Signal, SignalSet};
pub use slots::Slots;
pub use spans::{KeySet, ResourceRec, SPAN_KINDS, ScopeRec, Slice, Slot, SpanRec, SpanTable};
pub use time::Timestamp;

mod ack;
pub use ack::{Ack, AckFuture, Outcome};
