//! One tap at work, on a thread of its own.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use component::Clock;
use engine::Tap;
use model::{Export, Signal, Timestamp};
use processors::lens::Mask;
use serde_json::{Value, json};
use tokio::sync::mpsc::{Sender, error::TrySendError};

use super::{
    desk::{Meters, Reason},
    wanted::Wanted,
};

/// So many lines may wait for the reader; one more is the last.
pub(super) const LINES: usize = 64;
/// A longer line is not shown: with the above it bounds what waits for a reader.
const MAX_LINE_BYTES: usize = 256 << 10;
/// So much is looked at in a second, so that a tap with a condition that seldom holds takes no core for itself.
const MAX_LOOKED_BYTES: usize = 64 << 20;
/// So often it is seen that the reader has left.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const SECOND: Duration = Duration::from_secs(1);

/// Looks at what passes and hands over lines.
pub(super) struct Session {
    tap: Tap,
    wanted: Wanted,
    mask: Option<Mask>,
    lines: Sender<Bytes>,
    clock: Arc<dyn Clock>,
    meters: Meters,
    since: Timestamp,
    second: Second,
    passed: u64,
    matched: u64,
    shown: u64,
    hidden: u64,
    /// By [`Reason`].
    missed: [u64; 4],
}

/// What was done in this second.
#[derive(Default)]
struct Second {
    since: Timestamp,
    shown: u64,
    looked_bytes: usize,
}

/// Why a tap ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Why {
    Limit,
    Time,
    /// Another configuration is in force.
    Config,
    ReaderLeft,
}

impl Why {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Time => "time",
            Self::Config => "config",
            Self::ReaderLeft => "reader_left",
        }
    }
}

/// How a tap ended.
pub(super) struct End {
    pub(super) why: Why,
    pub(super) took: Duration,
    pub(super) shown: u64,
}

impl Session {
    pub(super) fn new(
        tap: Tap,
        wanted: Wanted,
        mask: Option<Mask>,
        lines: Sender<Bytes>,
        clock: Arc<dyn Clock>,
        meters: Meters,
    ) -> Self {
        let since = clock.now();
        let second = Second { since, ..Second::default() };
        let (passed, matched, shown, hidden, missed) = (0, 0, 0, 0, [0; 4]);
        Self {
            tap,
            wanted,
            mask,
            lines,
            clock,
            meters,
            since,
            second,
            passed,
            matched,
            shown,
            hidden,
            missed,
        }
    }

    /// Works until there is nothing more to do.
    pub(super) fn run(mut self) -> End {
        let why = loop {
            let now = self.clock.now();
            let took = now.since(self.since);
            if let Some(why) = self.has_ended(took) {
                break why;
            }
            if now.since(self.second.since) >= SECOND {
                self.second = Second { since: now, ..Second::default() };
            }
            let patience = self.wanted.duration.saturating_sub(took).min(LOOK_EVERY);
            if let Some(request) = self.tap.next(patience) {
                self.look_at(&request);
            }
        };
        self.miss(Reason::NotLookedAt, self.tap.missed());
        let took = self.clock.now().since(self.since);
        self.say_end(why, took);
        End { why, took, shown: self.shown }
    }

    fn has_ended(&self, took: Duration) -> Option<Why> {
        if self.lines.is_closed() {
            Some(Why::ReaderLeft)
        } else if self.shown >= self.wanted.limit {
            Some(Why::Limit)
        } else if self.tap.has_ended() {
            Some(Why::Config)
        } else {
            (took >= self.wanted.duration).then_some(Why::Time)
        }
    }

    fn look_at(&mut self, request: &Export) {
        self.passed += request.items;
        if self.second.shown >= self.wanted.rate {
            return self.miss(Reason::OverRate, request.items);
        }
        if self.second.looked_bytes > MAX_LOOKED_BYTES {
            return self.miss(Reason::NotLookedAt, request.items);
        }
        self.second.looked_bytes += request.bytes.len();
        let (signal, mut chosen, mut items) = (request.signal, request.bytes.whole(), request.items);
        if let Some(condition) = &mut self.wanted.condition {
            let Some(part) = condition.chosen(signal, &chosen) else { return };
            items = wire::check(signal, &part).unwrap_or(0);
            chosen = part;
        }
        self.matched += items;
        let room = (self.wanted.rate - self.second.shown).min(self.wanted.limit - self.shown);
        // A metric is one line, with all its points.
        let mut rest = items;
        for line in singles(signal, &chosen, room as usize) {
            let n_items = wire::check(signal, &line).unwrap_or(0);
            rest = rest.saturating_sub(n_items);
            self.show(signal, &line, n_items);
        }
        if self.shown < self.wanted.limit {
            self.miss(Reason::OverRate, rest);
        }
    }

    fn show(&mut self, signal: Signal, request: &[u8], items: u64) {
        // The last place is for the end.
        if self.lines.capacity() <= 1 {
            return self.miss(Reason::SlowReader, items);
        }
        let Some(line) = self.line(signal, request) else { return self.miss(Reason::TooLarge, items) };
        match self.lines.try_send(line) {
            Ok(()) => {
                self.shown += 1;
                self.second.shown += 1;
                self.meters.shown.add(items);
            }
            Err(TrySendError::Full(_)) => self.miss(Reason::SlowReader, items),
            // It is seen before the next request.
            Err(TrySendError::Closed(_)) => {}
        }
    }

    /// Writes a request as a line; none when it is too long.
    fn line(&mut self, signal: Signal, request: &[u8]) -> Option<Bytes> {
        let mut line = Vec::new();
        if request.len() > MAX_LINE_BYTES {
            return None;
        }
        wire::json::wire_to_json(signal, request, &mut line).ok()?;
        if let Some(mask) = &self.mask {
            let mut request: Value = serde_json::from_slice(&line).ok()?;
            self.hidden += mask.hide(&mut request);
            line = request.to_string().into_bytes();
        }
        line.push(b'\n');
        (line.len() <= MAX_LINE_BYTES).then(|| line.into())
    }

    fn miss(&mut self, reason: Reason, items: u64) {
        self.missed[reason as usize] += items;
        self.meters.missed[reason as usize].add(items);
    }

    fn say_end(&self, why: Why, took: Duration) {
        let missed: serde_json::Map<_, _> = Reason::ALL
            .into_iter()
            .map(|reason| (reason.name().to_owned(), self.missed[reason as usize].into()))
            .collect();
        let end = json!({ "tap": {
            "ended": why.name(),
            "took_seconds": took.as_secs_f64(),
            "passed": self.passed + self.tap.missed(),
            "matched": self.matched,
            "shown": self.shown,
            "hidden_values": self.hidden,
            "missed": missed,
        }});
        // Who has left does not want to know.
        let _gone = self.lines.try_send(format!("{end}\n").into());
    }
}

/// Returns up to so many parts of a request, each with one span, metric or record.
fn singles(signal: Signal, request: &Bytes, most: usize) -> impl Iterator<Item = Bytes> {
    let first = wire::split_items(signal, request, most).into_iter().next().unwrap_or_default();
    let parts = wire::split_items(signal, &first, 1);
    parts.into_iter().filter(|part| !part.is_empty()).take(most)
}
