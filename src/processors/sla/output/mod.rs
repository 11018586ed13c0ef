//! What the stage emits.

mod budgets;
mod conditions;
mod events;
mod metrics;

pub(super) use self::{
    conditions::Subjects,
    events::{Event, write as write_events},
    metrics::{Stored, Told, write as write_metrics},
};
