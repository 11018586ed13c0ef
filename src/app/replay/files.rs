//! Recorded files as one stream of requests in the order of their times.

use std::{fs::File, path::PathBuf, time::Duration};

use anyhow::{Context, ensure};
use model::Timestamp;
use receivers::recorded::{Damage, Request, Track};

use super::{console::Console, output::rfc3339_seconds, source::Recorded};

/// As the receiver `otlp_file` has it by default.
const LONGEST_REQUEST_BYTES: usize = 64 << 20;
/// Every second of a gap is closed like any other, so one wrong clock must not make years of them.
const LONGEST_GAP: Duration = Duration::from_secs(31 * 86_400);

/// All files at once. What is damaged is told and left out.
pub(crate) struct Files<'a> {
    tracks: Vec<Track>,
    console: &'a Console,
    /// The time of the last request; none before the first.
    reached: Option<Timestamp>,
}

impl<'a> Files<'a> {
    /// Returns how much there is to read, for the progress. *Units*: bytes.
    ///
    /// # Errors
    /// When there is no such file.
    pub(crate) fn length(paths: &[PathBuf]) -> anyhow::Result<u64> {
        let length = |path: &PathBuf| {
            let found =
                std::fs::metadata(path).with_context(|| format!("{} can not be read", path.display()))?;
            ensure!(!found.is_dir(), "{} is a directory; name the files in it", path.display());
            Ok(found.len())
        };
        paths.iter().map(length).sum()
    }

    /// # Errors
    /// When one of them can not be opened: a replay without it would find something else.
    pub(crate) fn open(paths: &[PathBuf], console: &'a Console) -> anyhow::Result<Self> {
        let mut tracks = Vec::new();
        for path in paths {
            let unread = || format!("{} can not be opened", path.display());
            let content = console.measure(File::open(path).with_context(unread)?);
            let mut track = Track::of(content, path, LONGEST_REQUEST_BYTES).with_context(unread)?;
            advance(&mut track, console);
            tracks.push(track);
        }
        Ok(Self { tracks, console, reached: None })
    }

    /// Takes the oldest request of all files, and where it stands; of equals that of the first file.
    fn take_next(&mut self) -> Option<(String, Request)> {
        let track = Track::earliest(&mut self.tracks)?;
        let request = track.take()?;
        advance(track, self.console);
        Some((track.place(request.number), request))
    }

    /// Returns when a request is to be replayed.
    fn due(&self, at: Timestamp) -> Result<Timestamp, String> {
        match (at.as_nanos(), self.reached) {
            (0, None) => Err("nothing in it has a time, and nothing before tells one".to_owned()),
            (0, Some(reached)) => Ok(reached),
            (_, Some(reached)) if at.since(reached) > LONGEST_GAP => Err(format!(
                "its time {} is more than {} days after what came before, at {}; replay what follows a gap apart",
                rfc3339_seconds(at),
                LONGEST_GAP.as_secs() / 86_400,
                rfc3339_seconds(reached)
            )),
            _ => Ok(at),
        }
    }
}

impl Iterator for Files<'_> {
    type Item = anyhow::Result<Recorded>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (place, Request { signal, at, bytes, .. }) = self.take_next()?;
            match self.due(at) {
                Ok(at) => {
                    self.reached = self.reached.max(Some(at));
                    return Some(Ok(Recorded { at, signal, bytes, place }));
                }
                Err(problem) => self.console.damaged(&place, &problem),
            }
        }
    }
}

/// Makes the next good request of a file ready.
fn advance(track: &mut Track, console: &Console) {
    while track.must_read(&mut |Damage { place, problem }| console.damaged(&place, &problem)) {
        track.read_on();
    }
}
