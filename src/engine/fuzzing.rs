//! What fuzz targets reach of the engine: the hop as a connection brings it.

use bytes::Bytes;
use futures_util::FutureExt;
use model::Timestamp;

use crate::{
    hop::{HopMessage, Merger, StagePartial, VERSION},
    link::{frame, read_frame},
};

/// Makes the frame of a message with one partial.
pub fn hop_frame(
    source: &str,
    sequence: u64,
    at: Timestamp,
    last: bool,
    stage: &str,
    partial: Bytes,
) -> Bytes {
    frame(&HopMessage {
        version: VERSION,
        source: source.to_owned(),
        sequence,
        at_unix_nano: at.as_nanos(),
        last,
        partials: vec![StagePartial { stage: stage.to_owned(), partial }],
        more: false,
    })
}

/// Reads what a connection brings, up to its end or the first frame that is none. Returns the partials in
/// the order in which they are merged, and how many bytes were read as frames.
pub fn merge(stream: &[u8]) -> (Vec<(Timestamp, String, Bytes)>, usize) {
    let (mut merger, mut merged, mut rest) = (Merger::default(), Vec::new(), stream);
    let mut read = 0;
    loop {
        let frame = read_frame::<HopMessage>(&mut rest).now_or_never().expect("bytes in memory are there");
        let Ok(Some(message)) = frame else { return (merged, read) };
        read = stream.len() - rest.len();
        if message.version == VERSION {
            merger.take(message);
        }
        for ready in merger.complete().messages {
            let partials = ready.partials.into_iter();
            merged.extend(partials.map(|part| (ready.at, part.stage, part.partial)));
        }
    }
}
