//! Who calls whom, and where the time goes: what assembled traces tell of a window.

use std::{fmt, sync::Arc};

use crate::{Timestamp, TraceId};

/// What the traces that were assembled in a window tell.
///
/// *Shape*: both lists are in the order of their names, so that nothing depends on the order of arrival.
#[derive(Clone, PartialEq, Debug)]
pub struct Calls {
    /// The share of traces that were assembled whole, 0 to 1: how far the lists stand for all traffic.
    pub coverage: f64,
    /// The share of all traces that are counted in the lists, above 0 and at most 1: a count divided by it is that of all
    /// traffic, as far as can be told.
    pub share: f64,
    pub edges: Vec<Edge>,
    pub steps: Vec<Step>,
}

impl Default for Calls {
    /// A window in which nothing was assembled.
    fn default() -> Self {
        Self { coverage: 0.0, share: 1.0, edges: Vec::new(), steps: Vec::new() }
    }
}

impl Calls {
    /// About how many there were of what was counted so often.
    pub fn of_all(&self, counted: u64) -> f64 {
        counted as f64 / self.share.clamp(f64::MIN_POSITIVE, 1.0)
    }
}

/// Calls from one service to another in a window.
#[derive(Clone, PartialEq, Debug)]
pub struct Edge {
    /// `service.name` of the caller; `user` for who is not instrumented.
    pub client: Arc<str>,
    /// `service.name` of the callee, or the database or peer that the caller names.
    pub server: Arc<str>,
    pub kind: EdgeKind,
    /// Those that were counted; 0 where only failures of traces that are left out were seen.
    pub calls: u64,
    pub failed: u64,
    /// Failed, and the callee has no span of it: it did not come there, or is not instrumented. Or the callee did its work,
    /// and the answer did not come back.
    pub lost: u64,
    /// The lost ones of all, where more is known of these than of other calls.
    pub lost_of_all: Option<Portion>,
    /// What the caller waited.
    pub duration: Spread,
    /// What the caller waited beyond the time in which the callee worked: the network, queues, refused
    /// connections. Empty where the callee has no span.
    pub gap: Spread,
    /// A slow or failed one, the same whatever the order of arrival.
    pub exemplar: Option<TraceId>,
}

/// What one service does in one of its operations in a window.
#[derive(Clone, PartialEq, Debug)]
pub struct Step {
    pub service: Arc<str>,
    /// The name of the spans.
    pub operation: Arc<str>,
    /// Those that were counted; 0 where only failures of traces that are left out were seen.
    pub calls: u64,
    pub failed: u64,
    /// Failed without a failed callee: here it began.
    pub failed_here: u64,
    /// The same of all, where more is known of requests that failed than of others.
    pub failed_here_of_all: Option<Portion>,
    /// What most of these failed with; none where nothing tells.
    pub failure: Option<Failure>,
    /// Time in no callee: the span's own.
    pub own: Spread,
    /// A slow or failed one, the same whatever the order of arrival.
    pub exemplar: Option<TraceId>,
}

impl Edge {
    /// The part of calls that were lost.
    pub fn losses(&self) -> Portion {
        self.lost_of_all.unwrap_or(Portion { hits: self.lost as f64, of: self.calls as f64 })
    }
}

impl Step {
    /// The part of requests that failed here.
    pub fn failures(&self) -> Portion {
        self.failed_here_of_all.unwrap_or(Portion { hits: self.failed_here as f64, of: self.calls as f64 })
    }
}

/// Some of what was counted. Where failures are kept that other traces are left out for, all else stands for more than it is:
/// both are then what one would have seen if as much were kept of everything.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Portion {
    pub hits: f64,
    pub of: f64,
}

impl Portion {
    /// Counts one that stands for so many.
    pub fn add(&mut self, is_hit: bool, weight: f64) {
        self.of += weight;
        self.hits += if is_hit { weight } else { 0.0 };
    }

    /// Returns the part, 0 to 1; 0 of nothing.
    pub fn share(self) -> f64 {
        if self.of > 0.0 { self.hits / self.of } else { 0.0 }
    }
}

/// What requests fail with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// `error.type`, or what comes nearest to it.
    pub kind: Arc<str>,
    pub calls: u64,
    /// Since when the service fails with it; what was not seen for half an hour begins anew.
    pub since: Timestamp,
}

/// How calls meet their callee.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum EdgeKind {
    /// A request that is waited for.
    Request,
    /// A message that is not.
    Message,
    Database,
    /// To a peer that sends no telemetry.
    Peer,
}

impl fmt::Display for EdgeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "request",
            Self::Message => "message",
            Self::Database => "database",
            Self::Peer => "peer",
        })
    }
}

/// How long something takes, in milliseconds; NaN where nothing was seen.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Spread {
    /// Adds up over calls, as quantiles do not.
    pub mean: f64,
    pub p50: f64,
    pub p95: f64,
}

impl Spread {
    pub const EMPTY: Self = Self { mean: f64::NAN, p50: f64::NAN, p95: f64::NAN };
}
