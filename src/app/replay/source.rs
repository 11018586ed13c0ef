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
///
/// One by one: a thread that often waits is given a core at once when there is work, on a machine that others want too.
/// In batches of 512 KiB, with a twentieth of the changes of thread, an hour of 300 spans per
/// second took 14 to 17 s where this takes 3.4 to 4.1 (two cores under a load of 9, 2026-11-21).
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

#[cfg(test)]
mod tests {
    use super::*;

    fn request(number: u64, length: usize) -> Recorded {
        let bytes = Bytes::from(vec![0; length]);
        Recorded { at: Timestamp::from_secs(number), signal: Signal::Traces, bytes, place: String::new() }
    }

    #[test]
    fn requests_are_handed_over_in_their_order() {
        let source = (0..2000).map(|number| Ok(request(number, 1000)));
        let mut numbers = Vec::new();
        let taken = on_its_own_thread(source, |recorded| {
            numbers.push(recorded.at.as_nanos() / 1_000_000_000);
            Ok(())
        });
        taken.expect("there is no error");
        assert!(numbers.into_iter().eq(0..2000));
    }

    #[test]
    fn what_came_before_an_error_of_the_source_is_taken_and_nothing_after_it() {
        let source = (0..10).map(|number| match number {
            7 => Err(anyhow::anyhow!("the source ends")),
            _ => Ok(request(number, 10)),
        });
        let mut n_taken = 0;
        let problem = on_its_own_thread(source, |_| {
            n_taken += 1;
            Ok(())
        });
        assert_eq!(
            (problem.expect_err("the source failed").to_string().as_str(), n_taken),
            ("the source ends", 7)
        );
    }
}
