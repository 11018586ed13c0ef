//! Workflows: each is one event, and it is told while it still runs.

mod counted;
mod followed;

use std::time::Duration;

use model::{Timestamp, TraceId};

pub(super) use self::{
    counted::{Batch, Queue, whole},
    followed::{Flow, Followed},
};

/// The workflows of an objective that have not ended.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Running {
    pub(super) n_open: u64,
    /// That run longer than was promised.
    pub(super) n_overdue: u64,
    /// That run for so long that somebody must look.
    pub(super) n_escalated: u64,
    /// Age of the oldest.
    pub(super) oldest: Duration,
    /// Traces of those that run the longest.
    pub(super) traces: Vec<TraceId>,
}

/// An event that a workflow has become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Outcome {
    pub(super) at: Timestamp,
    pub(super) is_good: bool,
    pub(super) weight: u64,
    pub(super) trace: Option<TraceId>,
    pub(super) took: Duration,
}
