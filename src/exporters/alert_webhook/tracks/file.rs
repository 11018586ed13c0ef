//! The records in their file: what has changed is added, and now and then all is written anew.

use std::sync::{Arc, Weak};

use model::Timestamp;
use serde::{Deserialize, Serialize};

use super::{All, Track, Tracks};
use crate::alert_webhook::queue::{JournalError, Notes, Pen, ToWrite, encode};

/// A file that is no larger is never written anew.
const MIN_ANEW_BYTES: usize = 1 << 20;
/// What a record takes, roughly.
const RECORD_BYTES: usize = 400;

/// A line of the file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum Line {
    /// Nothing is missing since then.
    Since(u64),
    /// What is known now of a transition.
    Track(Track),
}

/// How large the file is.
#[derive(Default)]
pub(super) struct Extent {
    bytes: usize,
    /// It does not hold what it should, as before the first time, or when the disk took nothing.
    is_off: bool,
}

impl Tracks {
    /// Goes on where the process before ended.
    pub(in super::super) fn restore(&self, lines: Vec<Line>) {
        let mut all = self.lock();
        for line in lines {
            match line {
                Line::Since(since) => all.since = Timestamp(since),
                Line::Track(track) => all.put(track),
            }
        }
    }

    /// Has everything written from now on, for as long as somebody holds the pen.
    pub(in super::super) fn write_with(&self, pen: &Arc<Pen>) {
        let mut all = self.lock();
        all.pen = Arc::downgrade(pen);
        all.file.is_off = true;
        all.order();
    }

    /// Waits until all that is known is written.
    pub(in super::super) async fn flush(&self) {
        let pen = Weak::clone(&self.lock().pen);
        if let Some(pen) = pen.upgrade() {
            pen.flush().await;
        }
    }
}

impl Notes for Tracks {
    fn take(&self) -> ToWrite {
        let mut all = self.lock();
        all.is_ordered = false;
        let is_long = all.file.bytes > MIN_ANEW_BYTES.max(all.by_number.len() * RECORD_BYTES * 4);
        if is_long || all.file.is_off {
            return ToWrite::Anew(all.everything());
        }
        let changed = std::mem::take(&mut all.changed);
        let mut out = Vec::new();
        for track in changed.iter().filter_map(|number| all.by_number.get(number)) {
            write(track, &mut out);
        }
        all.file.bytes += out.len();
        ToWrite::More(out)
    }

    fn was_refused(&self, problem: &JournalError) {
        let mut all = self.lock();
        if !std::mem::replace(&mut all.file.is_off, true) {
            tracing::warn!(error = %problem, "what became of notifications can not be written down; after a restart nobody knows");
        }
    }
}

impl All {
    fn everything(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        encode(&Line::Since(self.since.as_nanos()), &mut out);
        self.by_number.values().for_each(|track| write(track, &mut out));
        self.changed.clear();
        self.file = Extent { bytes: out.len(), is_off: false };
        out
    }
}

fn write(track: &Track, out: &mut Vec<u8>) {
    encode(&Line::Track(track.clone()), out);
}
