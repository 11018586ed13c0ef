//! The hop between the two halves: partials, keyed by stage, with the time up to which they tell.
//!
//! In one process a message is handed over a channel; between processes the same message travels in
//! its form of `proto/hop.proto`, each frame led by its length. A source numbers its messages, so a
//! message that is sent again is merged once.

use std::collections::BTreeMap;

use bytes::Bytes;
use model::Timestamp;

/// What one source tells at one tick.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct HopMessage {
    /// Of this layout. Readers refuse what they do not know.
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    /// Which shard of which process.
    #[prost(string, tag = "2")]
    pub(crate) source: String,
    /// Grows by one with each message of a source.
    #[prost(uint64, tag = "3")]
    pub(crate) sequence: u64,
    /// The tick: all that came before has been told.
    #[prost(fixed64, tag = "4")]
    pub(crate) at_unix_nano: u64,
    /// Nothing follows from this source.
    #[prost(bool, tag = "5")]
    pub(crate) last: bool,
    #[prost(message, repeated, tag = "6")]
    pub(crate) partials: Vec<StagePartial>,
}

/// A partial and the stage it is for.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct StagePartial {
    /// The stage's key in the plan: `connector/span_metrics`, `pipeline/telemetry/aggregation`.
    #[prost(string, tag = "1")]
    pub(crate) stage: String,
    /// A message of the stage's own schema.
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) partial: Bytes,
}

/// The layout that this release writes and reads.
pub(crate) const VERSION: u32 = 1;

impl HopMessage {
    pub(crate) fn at(&self) -> Timestamp {
        Timestamp(self.at_unix_nano)
    }
}

/// Puts the messages of all sources in one order that does not depend on their arrival.
///
/// A tick is complete when every source has told at least that far; its messages are then given out
/// by time, source and sequence.
#[derive(Default)]
pub(crate) struct Merger {
    sources: BTreeMap<String, Source>,
    waiting: BTreeMap<(Timestamp, String, u64), Vec<StagePartial>>,
}

#[derive(Default)]
struct Source {
    told_until: Timestamp,
    sequence: u64,
    ended: bool,
}

/// What is complete.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Complete {
    /// In the order in which they are to be merged.
    pub(crate) partials: Vec<(Timestamp, StagePartial)>,
    /// The time up to which everything has been told.
    pub(crate) until: Timestamp,
}

impl Merger {
    /// Expects a source: nothing is complete before it has told.
    pub(crate) fn expect(&mut self, source: &str) {
        self.sources.entry(source.to_owned()).or_default().ended = false;
    }

    /// Gives up on a source: nothing waits for it any more. What it has told stays.
    pub(crate) fn forget(&mut self, source: &str) {
        if let Some(source) = self.sources.get_mut(source) {
            source.ended = true;
        }
    }

    /// Takes a message; one that was taken before changes nothing.
    pub(crate) fn take(&mut self, message: HopMessage) {
        let at = message.at();
        let source = self.sources.entry(message.source.clone()).or_default();
        if message.sequence <= source.sequence {
            return;
        }
        source.sequence = message.sequence;
        source.told_until = source.told_until.max(at);
        source.ended = message.last;
        if !message.partials.is_empty() {
            self.waiting.insert((at, message.source, message.sequence), message.partials);
        }
    }

    /// Returns what has become complete since the last call.
    pub(crate) fn complete(&mut self) -> Complete {
        let running =
            self.sources.values().filter(|source| !source.ended).map(|source| source.told_until).min();
        // When all have ended, what they told last is the end of time.
        let ended = self.sources.values().map(|source| source.told_until).max();
        let until = running.or(ended).unwrap_or_default();
        let later = self.waiting.split_off(&(until + std::time::Duration::from_nanos(1), String::new(), 0));
        let ready = std::mem::replace(&mut self.waiting, later);
        let partials = ready
            .into_iter()
            .flat_map(|((at, _, _), partials)| partials.into_iter().map(move |part| (at, part)));
        Complete { partials: partials.collect(), until }
    }

    /// Returns the last message taken from a source, for its acknowledgement.
    pub(crate) fn sequence_of(&self, source: &str) -> u64 {
        self.sources.get(source).map_or(0, |source| source.sequence)
    }
}

#[cfg(test)]
mod tests;
