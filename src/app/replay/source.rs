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

/// Requests are handed over in batches of at least so many bytes: a thread that is woken for every request waits for
/// its turn as often, which on a busy machine takes longer than judging. *Units*: bytes.
const BATCH: usize = 512 << 10;
/// Few, as each may end with a request as large as the longest line.
const BATCHES_AHEAD: usize = 2;

/// Reads requests on another thread and hands them over, in their order, until one is an error.
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
        let (sender, batches) = mpsc::sync_channel(BATCHES_AHEAD);
        scope.spawn(move || {
            let mut source = source;
            loop {
                let batch = read_batch(&mut source);
                // Nobody takes it after an error.
                if batch.is_empty() || sender.send(batch).is_err() {
                    break;
                }
            }
        });
        batches.into_iter().flatten().try_for_each(|request| take(request?))
    })
}

/// Reads until there is enough, an error, or nothing more.
fn read_batch(source: &mut impl Iterator<Item = anyhow::Result<Recorded>>) -> Vec<anyhow::Result<Recorded>> {
    let (mut batch, mut size) = (Vec::new(), 0);
    while size < BATCH
        && let Some(request) = source.next()
    {
        size += request.as_ref().map_or(BATCH, |request| request.bytes.len() + 1);
        batch.push(request);
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(number: u64, length: usize) -> Recorded {
        let bytes = Bytes::from(vec![0; length]);
        Recorded { at: Timestamp::from_secs(number), signal: Signal::Traces, bytes, place: String::new() }
    }

    #[test]
    fn requests_of_all_batches_are_handed_over_in_their_order() {
        // One that fills a batch among many that do not.
        let lengths = (0..2000).map(|number| if number == 700 { 2 * BATCH } else { 1000 });
        let source = (0..).zip(lengths).map(|(number, length)| Ok(request(number, length)));
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

    #[test]
    fn a_batch_is_no_longer_than_its_size_and_one_request() {
        let mut source = (0..2000).map(|number| Ok(request(number, 1000)));
        let mut lengths = Vec::new();
        loop {
            let batch = read_batch(&mut source);
            if batch.is_empty() {
                break;
            }
            lengths.push(batch.len());
        }
        assert!(
            lengths.len() > 3 && lengths.iter().all(|length| length * 1001 <= BATCH + 1001),
            "{lengths:?}"
        );
    }
}
