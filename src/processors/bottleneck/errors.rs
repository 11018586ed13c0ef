//! What failed requests failed with, and since when that is seen.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc, time::Duration};

use model::{Failure, Slice, Slot, Timestamp};
use wire::view::{AnyValue, Span};

/// So much of the message of a status tells what failed.
const MOST_OF_MESSAGE: usize = 64;
/// What was not seen for so long is new when it comes.
const REMEMBERED: Duration = Duration::from_secs(1800);
/// Kinds of failures of one step that are told apart in a window.
const KINDS_OF_STEP: usize = 16;

/// Returns what a failed span failed with: `error.type`, else the type of its last exception, else the message of its
/// status without words that change. Empty where nothing tells.
pub(super) fn failed_with(error_type: Option<Slot>, values: &[Slice], request: &[u8], body: &[u8]) -> String {
    let told = error_type.and_then(|slot| values.get(slot.0)).filter(|value| !value.is_absent());
    if let Some(value) = told {
        return AnyValue::of(value.of(request)).to_label_string();
    }
    let span = Span { body };
    let exceptions = span.events().filter(|event| event.name == b"exception");
    let types = exceptions.filter_map(|event| event.attributes().find(|it| it.key == b"exception.type"));
    if let Some(kind) = types.last() {
        return kind.value().to_label_string();
    }
    let message = span.status_message();
    let message = String::from_utf8_lossy(&message[..message.len().min(4 * MOST_OF_MESSAGE)]);
    let words = message.split_whitespace().filter(|word| !word.bytes().any(|byte| byte.is_ascii_digit()));
    crate::text::cut(words.collect::<Vec<_>>().join(" "), MOST_OF_MESSAGE)
}

/// Codes of gRPC that clients give themselves when no answer comes.
const NO_ANSWER: [&str; 6] = ["1", "4", "14", "CANCELLED", "DEADLINE_EXCEEDED", "UNAVAILABLE"];

/// All other codes of gRPC, by name.
const ANSWERS: [&str; 13] = [
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Whether what a call failed with is a status that the callee answered with.
pub(super) fn is_status(kind: &str) -> bool {
    let is_number = !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_digit());
    (is_number || ANSWERS.contains(&kind)) && !NO_ANSWER.contains(&kind)
}

/// What the failures of one step in one window were.
#[derive(Default)]
pub(super) struct Kinds(BTreeMap<Arc<str>, (u64, Timestamp)>);

impl Kinds {
    /// Counts a failure of a kind that is seen since then. Returns whether there was room.
    pub(super) fn add(&mut self, kind: &Arc<str>, since: Timestamp) -> bool {
        if self.0.len() >= KINDS_OF_STEP && !self.0.contains_key(kind) {
            return false;
        }
        self.0.entry(Arc::clone(kind)).or_insert((0, since)).0 += 1;
        true
    }

    /// The most common one; of equals the first by name.
    pub(super) fn commonest(&self) -> Option<Failure> {
        let (kind, (calls, since)) =
            self.0.iter().max_by_key(|(kind, (calls, _))| (*calls, Reverse(*kind)))?;
        Some(Failure { kind: Arc::clone(kind), calls: *calls, since: *since })
    }
}

/// Since when services fail with what.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeMap<(Arc<str>, Arc<str>), Seen>);

#[derive(Clone, Copy, Debug)]
struct Seen {
    since: Timestamp,
    last: Timestamp,
}

impl Known {
    /// Notes that a service fails with this in a window. Returns since when it does; none without room among so many.
    pub(super) fn see(
        &mut self,
        service: &Arc<str>,
        kind: &Arc<str>,
        window: Timestamp,
        most: usize,
    ) -> Option<Timestamp> {
        let key = (Arc::clone(service), Arc::clone(kind));
        if self.0.len() >= most && !self.0.contains_key(&key) {
            return None;
        }
        let seen = self.0.entry(key).or_insert(Seen { since: window, last: window });
        if window.since(seen.last) > REMEMBERED {
            seen.since = window;
        }
        seen.last = seen.last.max(window);
        Some(seen.since)
    }

    /// Forgets what is new when it comes again.
    pub(super) fn forget(&mut self, now: Timestamp) {
        self.0.retain(|_, seen| now.since(seen.last) <= REMEMBERED);
    }

    /// All of them: the service, the kind, since when, and when last.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>, Timestamp, Timestamp)> {
        self.0.iter().map(|((service, kind), seen)| (service, kind, seen.since, seen.last))
    }

    /// Takes one back that was kept over a restart.
    pub(super) fn restore(&mut self, service: &str, kind: &str, since: Timestamp, last: Timestamp) {
        self.0.insert((service.into(), kind.into()), Seen { since, last });
    }
}
