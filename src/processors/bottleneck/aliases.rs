//! Which service answers at an address, as calls that were answered have shown: so a call that does not get there
//! is known to be one to it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use model::Timestamp;

use super::{
    span::{Kind, Peer},
    trace::Trace,
};

/// Addresses, with who answered there last.
#[derive(Debug, Default)]
pub(super) struct Aliases(BTreeMap<Arc<str>, Answering>);

/// Who answers at an address.
#[derive(Debug)]
pub(super) struct Answering {
    /// None for a proxy, or a broker: the address tells nothing.
    pub(super) service: Option<Arc<str>>,
    pub(super) last: Timestamp,
}

/// What was not called for so long may be somebody else's, as the addresses of pods are.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);

impl Aliases {
    /// Learns from the span of a callee in a window. Returns whether there was room.
    pub(super) fn learn(&mut self, trace: &Trace, at: u32, window: Timestamp, most: usize) -> bool {
        let span = trace.span(at);
        let Some(caller) = trace.callers[at as usize].map(|caller| trace.span(caller)) else { return true };
        let (Some(Peer::Other(address)), Kind::Client) = (&caller.peer, caller.kind) else { return true };
        if span.kind != Kind::Server || caller.service == span.service {
            return true;
        }
        if let Some(known) = self.0.get_mut(address) {
            known.last = known.last.max(window);
            if known.service.as_ref().is_some_and(|service| *service != span.service) {
                known.service = None;
            }
            return true;
        }
        let has_room = self.0.len() < most;
        if has_room {
            self.insert(Arc::clone(address), Some(Arc::clone(&span.service)), window);
        }
        has_room
    }

    pub(super) fn service_at(&self, address: &str) -> Option<&Arc<str>> {
        self.0.get(address)?.service.as_ref()
    }

    /// Forgets addresses that nobody calls any more.
    pub(super) fn forget(&mut self, now: Timestamp) {
        self.0.retain(|_, known| now.since(known.last) <= FORGOTTEN_AFTER);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Answering)> {
        self.0.iter()
    }

    /// Takes one, as it was before a restart.
    pub(super) fn insert(&mut self, address: Arc<str>, service: Option<Arc<str>>, last: Timestamp) {
        self.0.insert(address, Answering { service, last });
    }
}
