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
    /// More of the same tick follows.
    #[prost(bool, tag = "7")]
    pub(crate) more: bool,
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

    /// Cuts what is told at a tick into messages of at most so many bytes, between partials: a larger one travels alone.
    /// The number is left to whoever sends them.
    pub(crate) fn cut(mut self, max_bytes: usize) -> Vec<Self> {
        if size(&self.partials) <= max_bytes {
            return vec![self];
        }
        let partials = std::mem::take(&mut self.partials);
        let mut parts = vec![Self { last: false, more: true, ..self.clone() }];
        let mut part_bytes = MESSAGE_BYTES;
        for partial in partials {
            let bytes = partial.size();
            if part_bytes + bytes > max_bytes && parts.last().is_some_and(|part| !part.partials.is_empty()) {
                parts.push(Self { last: false, more: true, ..self.clone() });
                part_bytes = MESSAGE_BYTES;
            }
            part_bytes += bytes;
            parts.last_mut().expect("there is one from the start").partials.push(partial);
        }
        let end = parts.last_mut().expect("there is one from the start");
        (end.more, end.last) = (self.more, self.last);
        parts
    }

    /// What the message takes, partials above all.
    pub(crate) fn size(&self) -> u64 {
        size(&self.partials) as u64
    }
}

/// Up to where a stage has merged each source: stored with its state, so that a message that comes again
/// after a restart is merged once.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Watermark {
    #[prost(message, repeated, tag = "1")]
    pub(crate) marks: Vec<Mark>,
}

/// The last message of a source that was merged.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Mark {
    #[prost(string, tag = "1")]
    pub(crate) source: String,
    #[prost(uint64, tag = "2")]
    pub(crate) sequence: u64,
    /// Of many sources those that told last are remembered.
    #[prost(fixed64, tag = "3")]
    pub(crate) at_unix_nano: u64,
}

/// Every start of a process brings new sources; of more than this the oldest are forgotten.
pub(crate) const MAX_SOURCES: usize = 4096;
/// What may wait for the slowest source. Over it that source is not waited for. Stages that hand spans over tell as much
/// in a second as comes in, so this is some seconds of it.
const MAX_WAITING_BYTES: usize = 256 << 20;
/// What is told at a tick travels to another process in messages of this size: a few partials of a second may be larger
/// than the largest frame, which would be refused for ever.
pub(crate) const MAX_MESSAGE_BYTES: usize = 32 << 20;
/// With so much told and not taken from the channel, shards keep their deltas.
pub(crate) const MAX_TOLD_BYTES: u64 = 256 << 20;
/// What a message takes beside its partials.
const MESSAGE_BYTES: usize = 128;

/// Puts the messages of all sources in one order that does not depend on their arrival.
///
/// A tick is complete when every source has told at least that far; its messages are then given out
/// by time, source and sequence. When too much waits, the slowest sources are given up: what they tell
/// later is still merged, then in the order of arrival.
pub(crate) struct Merger {
    sources: BTreeMap<String, Source>,
    waiting: BTreeMap<(Timestamp, String, u64), Vec<StagePartial>>,
    waiting_bytes: usize,
    max_waiting_bytes: usize,
}

#[derive(Default)]
struct Source {
    told_until: Timestamp,
    sequence: u64,
    /// The last message that was given out.
    merged: u64,
    ended: bool,
}

/// What is complete.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Complete {
    /// In the order in which they are to be merged.
    pub(crate) messages: Vec<Ready>,
    /// The time up to which everything has been told.
    pub(crate) until: Timestamp,
    /// Sources that are not waited for any more, as too much waited for them.
    pub(crate) given_up: Vec<String>,
}

/// A message that is to be merged now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) at: Timestamp,
    pub(crate) source: String,
    pub(crate) sequence: u64,
    pub(crate) partials: Vec<StagePartial>,
}

impl Default for Merger {
    fn default() -> Self {
        Self::bounded(MAX_WAITING_BYTES)
    }
}

impl Merger {
    fn bounded(max_waiting_bytes: usize) -> Self {
        Self { sources: BTreeMap::new(), waiting: BTreeMap::new(), waiting_bytes: 0, max_waiting_bytes }
    }

    /// Expects a source: nothing is complete before it has told.
    pub(crate) fn expect(&mut self, source: &str) {
        self.source(source).ended = false;
    }

    /// Gives up on a source: nothing waits for it any more. What it has told stays.
    pub(crate) fn forget(&mut self, source: &str) {
        if let Some(source) = self.sources.get_mut(source) {
            source.ended = true;
        }
    }

    /// Whether nothing more comes from these sources, as far as somebody waits for it.
    pub(crate) fn have_ended(&self, sources: &[String]) -> bool {
        sources.iter().all(|source| self.sources.get(source).is_none_or(|source| source.ended))
    }

    /// Gives up on all sources, so that everything that waits is complete.
    pub(crate) fn forget_all(&mut self) {
        self.sources.values_mut().for_each(|source| source.ended = true);
    }

    /// Takes a message; one that was taken before changes nothing. Number 0 only says that the source is
    /// there.
    pub(crate) fn take(&mut self, message: HopMessage) {
        if message.sequence == 0 {
            return self.expect(&message.source);
        }
        let at = message.at();
        let source = self.source(&message.source);
        if message.sequence <= source.sequence {
            return;
        }
        source.sequence = message.sequence;
        if !message.more {
            source.told_until = source.told_until.max(at);
        }
        source.ended = message.last;
        self.waiting_bytes += size(&message.partials);
        self.waiting.insert((at, message.source, message.sequence), message.partials);
    }

    /// Returns what has become complete since the last call.
    pub(crate) fn complete(&mut self) -> Complete {
        let mut complete = Complete::default();
        loop {
            self.release(&mut complete);
            if self.waiting_bytes <= self.max_waiting_bytes {
                return complete;
            }
            let running = self.sources.iter_mut().filter(|(_, source)| !source.ended);
            let Some((name, slowest)) = running.min_by_key(|(_, source)| source.told_until) else {
                return complete;
            };
            slowest.ended = true;
            complete.given_up.push(name.clone());
        }
    }

    /// Returns the last message of a source that was given out.
    pub(crate) fn merged_of(&self, source: &str) -> u64 {
        self.sources.get(source).map_or(0, |source| source.merged)
    }

    fn release(&mut self, complete: &mut Complete) {
        let running =
            self.sources.values().filter(|source| !source.ended).map(|source| source.told_until).min();
        // When all have ended, what they told last is the end of time.
        let ended = self.sources.values().map(|source| source.told_until).max();
        complete.until = running.or(ended).unwrap_or_default();
        let after = complete.until + std::time::Duration::from_nanos(1);
        let later = self.waiting.split_off(&(after, String::new(), 0));
        for ((at, source, sequence), partials) in std::mem::replace(&mut self.waiting, later) {
            self.waiting_bytes -= size(&partials);
            if let Some(known) = self.sources.get_mut(&source) {
                known.merged = known.merged.max(sequence);
            }
            complete.messages.push(Ready { at, source, sequence, partials });
        }
    }

    fn source(&mut self, name: &str) -> &mut Source {
        if self.sources.len() >= MAX_SOURCES && !self.sources.contains_key(name) {
            let oldest = self.sources.iter().min_by_key(|(_, source)| (!source.ended, source.told_until));
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.sources.remove(&oldest);
            }
        }
        self.sources.entry(name.to_owned()).or_default()
    }
}

impl StagePartial {
    fn size(&self) -> usize {
        self.stage.len() + self.partial.len() + MESSAGE_BYTES
    }
}

fn size(partials: &[StagePartial]) -> usize {
    MESSAGE_BYTES + partials.iter().map(StagePartial::size).sum::<usize>()
}

#[cfg(test)]
mod tests;
