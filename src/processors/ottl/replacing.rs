//! Requests that were written anew, in the place of what came.

use bytes::Bytes;
use model::{KeySet, Payload, Signal, SpanTable, Traces};
use wire::Matcher;

/// Puts new bytes in the place of the old, if they are sound.
pub(crate) struct Replacing {
    /// Finds again what stages read of spans.
    matcher: Matcher,
    spare: Box<SpanTable>,
}

impl Replacing {
    pub(crate) fn new() -> Self {
        Self { matcher: Matcher::new(&KeySet::default()), spare: Box::default() }
    }

    /// Learns which attributes of spans stages read.
    pub(crate) fn wanted(&mut self, keys: &KeySet) {
        self.matcher = Matcher::new(keys);
    }

    /// Returns false, and leaves the payload, when the new bytes are no request that would be taken.
    pub(crate) fn put(&mut self, payload: &mut Payload, changed: Bytes) -> bool {
        let (signal, bytes) = match payload {
            Payload::Traces(Traces { bytes, table }) => {
                if wire::scan_own_traces(&changed, &self.matcher, &mut self.spare).is_err() {
                    return false;
                }
                std::mem::swap(table, &mut self.spare);
                *bytes = changed;
                return true;
            }
            Payload::Metrics(bytes) => (Signal::Metrics, bytes),
            Payload::Logs(bytes) => (Signal::Logs, bytes),
            _ => return false,
        };
        let is_sound = wire::check(signal, &changed).is_ok();
        if is_sound {
            *bytes = changed;
        }
        is_sound
    }
}
