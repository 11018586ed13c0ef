//! Recorded files as one stream of requests in the order of their times.

use std::{
    collections::VecDeque,
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use model::{Signal, Timestamp};
use receivers::recorded::{Content, Line, Lines, signal_and_time};

use super::{console::Console, output::rfc3339_seconds, source::Recorded};

/// As the receiver `otlp_file` has it by default.
const LONGEST_LINE_BYTES: usize = 64 << 20;
/// Every second of a gap is closed like any other, so one wrong clock must not make years of them.
const LONGEST_GAP: Duration = Duration::from_secs(31 * 86_400);

/// All files at once. What is damaged is told and left out.
pub(crate) struct Files<'a> {
    tracks: Vec<Track>,
    console: &'a Console,
    /// The time of the last request; none before the first.
    reached: Option<Timestamp>,
}

/// An open file and the lines of it that were read ahead.
struct Track {
    path: PathBuf,
    /// None when the file is at its end.
    lines: Option<Lines>,
    ahead: VecDeque<Line>,
    next: Option<Ready>,
}

/// A line that can be replayed.
struct Ready {
    number: u64,
    signal: Signal,
    /// 0 when the line has none.
    at: Timestamp,
    text: Vec<u8>,
}

impl<'a> Files<'a> {
    /// Returns how much there is to read, for the progress. *Units*: bytes.
    ///
    /// # Errors
    /// When there is no such file.
    pub(crate) fn length(paths: &[PathBuf]) -> anyhow::Result<u64> {
        let length = |path: &PathBuf| {
            let metadata = std::fs::metadata(path);
            metadata.map(|it| it.len()).with_context(|| format!("{} can not be read", path.display()))
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
            let lines = Lines::of(content, path, LONGEST_LINE_BYTES).with_context(unread)?;
            let mut track =
                Track { path: path.clone(), lines: Some(lines), ahead: VecDeque::new(), next: None };
            track.advance(console);
            tracks.push(track);
        }
        Ok(Self { tracks, console, reached: None })
    }

    /// Takes the oldest line of all files; of equals that of the first file.
    fn take_next(&mut self) -> Option<(PathBuf, Ready)> {
        let playing = self.tracks.iter_mut().filter(|track| track.next.is_some());
        let at = |track: &Track| track.next.as_ref().map(|ready| ready.at);
        let track = playing.min_by_key(|track| at(track))?;
        let ready = track.next.take()?;
        track.advance(self.console);
        Some((track.path.clone(), ready))
    }

    /// Returns when a line is to be replayed.
    fn due(&self, at: Timestamp) -> Result<Timestamp, String> {
        match (at.as_nanos(), self.reached) {
            (0, None) => Err("nothing in it has a time, and no line before tells one".to_owned()),
            (0, Some(reached)) => Ok(reached),
            (_, Some(reached)) if at.since(reached) > LONGEST_GAP => Err(format!(
                "its time {} is more than {} days after the line before, at {}; replay what follows a gap apart",
                rfc3339_seconds(at),
                LONGEST_GAP.as_secs() / 86_400,
                rfc3339_seconds(reached)
            )),
            _ => Ok(at),
        }
    }

    fn recorded(&mut self, path: &Path, ready: Ready) -> Result<Recorded, (String, String)> {
        let place = format!("{}:{}", path.display(), ready.number);
        let due = self.due(ready.at);
        let bytes = wire::json::json_to_wire(ready.signal, &ready.text).map_err(|it| it.to_string());
        match due.and_then(|at| Ok((at, bytes?))) {
            Ok((at, bytes)) => {
                self.reached = self.reached.max(Some(at));
                Ok(Recorded { at, signal: ready.signal, bytes: bytes.into(), place })
            }
            Err(problem) => Err((place, problem)),
        }
    }
}

impl Iterator for Files<'_> {
    type Item = anyhow::Result<Recorded>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (path, ready) = self.take_next()?;
            match self.recorded(&path, ready) {
                Ok(recorded) => return Some(Ok(recorded)),
                Err((place, problem)) => self.console.damaged(&place, &problem),
            }
        }
    }
}

impl Track {
    /// Makes the next good line ready.
    fn advance(&mut self, console: &Console) {
        while self.next.is_none() {
            match self.ahead.pop_front() {
                Some(line) => self.next = self.prepare(line, console),
                None if self.lines.is_none() => return,
                None => self.read_on(console),
            }
        }
    }

    fn prepare(&self, line: Line, console: &Console) -> Option<Ready> {
        let number = line.number;
        let mark = match line.content {
            Content::Text(text) => signal_and_time(&text).map(|mark| (mark, text)),
            Content::TooLong => Err(format!("the line is longer than {} MiB", LONGEST_LINE_BYTES >> 20)),
        };
        match mark {
            Ok((mark, text)) => Some(Ready { number, signal: mark.signal, at: mark.at, text }),
            Err(problem) => {
                console.damaged(&format!("{}:{number}", self.path.display()), &problem);
                None
            }
        }
    }

    fn read_on(&mut self, console: &Console) {
        let Some(lines) = &mut self.lines else { return };
        let mut ahead = Vec::new();
        let result = lines.read_chunk(&mut ahead);
        if let Err(problem) = &result {
            console
                .damaged(&self.path.display().to_string(), &format!("the rest can not be read: {problem}"));
        }
        if result.is_err() || ahead.is_empty() {
            self.lines = None;
        }
        self.ahead = ahead.into();
    }
}
