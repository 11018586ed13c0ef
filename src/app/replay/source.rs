//! Where recorded requests come from.

use std::{sync::mpsc, thread};

use bytes::Bytes;
use model::{Signal, Timestamp};

/// A request of the past.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Recorded {
    /// When it can have come: the latest time in it.
    pub(crate) at: Timestamp,
    pub(crate) signal: Signal,
    /// Protobuf.
    pub(crate) bytes: Bytes,
    /// Where it stands, for people.
    pub(crate) place: String,
}

/// Few, as each may be as large as the longest line.
const READ_AHEAD: usize = 4;

/// Reads requests on another thread and hands each over, in their order, until one is an error.
///
/// # Errors
/// The first of the source or of `take`; the rest of the source is not read.
pub(crate) fn on_its_own_thread<S>(
    source: S,
    mut take: impl FnMut(Recorded) -> anyhow::Result<()>,
) -> anyhow::Result<()>
where
    S: Iterator<Item = anyhow::Result<Recorded>> + Send,
{
    thread::scope(|scope| {
        let (sender, requests) = mpsc::sync_channel(READ_AHEAD);
        scope.spawn(move || {
            for request in source {
                // Nobody takes it after an error.
                if sender.send(request).is_err() {
                    break;
                }
            }
        });
        requests.into_iter().try_for_each(|request| take(request?))
    })
}
