//! A span as it waits for its trace.

use std::{collections::HashSet, sync::Arc};

use super::partial::{BottleneckPartial, SpanRow};

/// What is kept of a span; some 150 bytes.
///
/// Ordered by its start, then by all else, so that nothing depends on the order of arrival.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Span {
    /// *Units*: nanoseconds since the epoch, as all times here.
    pub(super) start: u64,
    /// Not before the start.
    pub(super) end: u64,
    pub(super) id: u64,
    /// 0 for none.
    pub(super) parent: u64,
    pub(super) kind: Kind,
    pub(super) failed: bool,
    pub(super) has_links: bool,
    /// The answer was that too much is asked.
    pub(super) throttled: bool,
    pub(super) cache: Cache,
    pub(super) service: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) peer: Option<Peer>,
    /// What it failed with.
    pub(super) error: Option<Arc<str>>,
}

/// What a client's span asks of a cache.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Cache {
    /// It asks somebody else.
    None,
    Other,
    Read,
}

/// Which side of a call a span is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Kind {
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

/// Who a client's span says is on the other side.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Peer {
    Database(Arc<str>),
    Other(Arc<str>),
}

impl Cache {
    const fn of(number: u32) -> Self {
        match number {
            1 => Self::Other,
            2 => Self::Read,
            _ => Self::None,
        }
    }
}

impl Kind {
    fn of(number: u32) -> Self {
        match number {
            2 => Self::Server,
            3 => Self::Client,
            4 => Self::Producer,
            5 => Self::Consumer,
            _ => Self::Internal,
        }
    }

    /// Whether the span asks somebody else.
    pub(super) const fn calls(self) -> bool {
        matches!(self, Self::Client | Self::Producer)
    }

    /// Whether the span answers somebody else.
    pub(super) const fn answers(self) -> bool {
        matches!(self, Self::Server | Self::Consumer)
    }
}

impl Span {
    /// *Units*: nanoseconds.
    pub(super) fn duration(&self) -> u64 {
        self.end - self.start
    }

    /// Whether nobody waits for its end: a message was sent, or it belongs to other traces too.
    pub(super) fn begins_anew(&self) -> bool {
        self.kind == Kind::Consumer || self.has_links
    }
}

/// Texts that several spans share.
#[derive(Default)]
pub(super) struct Interner {
    texts: HashSet<Arc<str>>,
    /// How many there were when it was last swept.
    swept: usize,
}

impl Interner {
    /// Returns the spans of a partial.
    pub(super) fn spans(&mut self, message: &BottleneckPartial) -> Vec<(u128, Span)> {
        let texts: Vec<_> = message.texts.iter().map(|text| self.text(text)).collect();
        let none = self.text("");
        let text = |place: u32| (place as usize).checked_sub(1).and_then(|at| texts.get(at)).cloned();
        let read = |row: &SpanRow| Span {
            start: row.start,
            end: row.end.max(row.start),
            id: row.span,
            parent: row.parent,
            kind: Kind::of(row.kind),
            failed: row.failed,
            has_links: row.has_links,
            throttled: row.throttled,
            cache: Cache::of(row.cache),
            service: text(row.service).unwrap_or_else(|| Arc::clone(&none)),
            name: text(row.name).unwrap_or_else(|| Arc::clone(&none)),
            peer: text(row.database).map(Peer::Database).or_else(|| text(row.peer).map(Peer::Other)),
            error: text(row.error),
        };
        message.spans.iter().map(|row| (row.trace(), read(row))).collect()
    }

    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&new));
        new
    }

    /// Forgets what no span refers to any more, when there is twice as much as at the last time.
    pub(super) fn sweep(&mut self) {
        if self.texts.len() > 2 * self.swept + 1024 {
            self.texts.retain(|text| Arc::strong_count(text) > 1);
            self.swept = self.texts.len();
        }
    }
}
