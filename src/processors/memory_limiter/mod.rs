//! `memory_limiter`: refuses requests while the process holds too much memory.
//!
//! *Question*: is there room for one more request?
//! *Inputs and outputs*: traces, metrics, logs, untouched. *Cost*: a word that is read for each request. A thread of the
//! engine looks at the memory; receivers ask before they read a request.

mod config;
#[cfg(test)]
mod tests;

use component::{MemoryLimit, ProcessorDef};
use model::SignalSet;

pub use config::MemoryLimiterConfig;

/// Refuses requests while the process holds too much memory.
pub struct MemoryLimiter;

impl ProcessorDef for MemoryLimiter {
    const KIND: &'static str = "memory_limiter";
    type Config = MemoryLimiterConfig;

    fn consumes(_: &MemoryLimiterConfig) -> SignalSet {
        SignalSet::ALL
    }

    fn emits(_: &MemoryLimiterConfig) -> SignalSet {
        SignalSet::ALL
    }

    fn memory_limit(config: &MemoryLimiterConfig) -> Option<MemoryLimit> {
        Some(config.to_limit())
    }
}
