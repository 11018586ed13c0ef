//! Reads the files and pushes their lines.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use component::{
    BoxError, Clock, Counter, Inlet, Placement, Receiver, ReceiverCx, ReceiverDef, Refusal, Stop, Telemetry,
};
use futures_util::future::LocalBoxFuture;
use model::{Signal, SignalSet, Timestamp};
use tokio::task::spawn_blocking;

use super::{
    config::OtlpFileConfig,
    glob::{Pattern, find},
    lines::{Content, Line, Lines},
    pace::{Mark, Schedule, signal, signal_and_time},
};

const TRANSPORT: &str = "file";

/// How many bad lines of all files are named in the log; the rest is only counted.
const MOST_NAMED: u64 = 20;

/// The shortest wait before a refused line is pushed again.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);

/// The `otlp_file` receiver.
pub(crate) struct OtlpFile;

impl ReceiverDef for OtlpFile {
    const KIND: &'static str = "otlp_file";
    const ALIASES: &'static [&'static str] = &["otlpjsonfile"];
    const SIGNALS: SignalSet = SignalSet::ALL;
    const PLACEMENT: Placement = Placement::Once;
    type Config = OtlpFileConfig;

    fn build(config: &OtlpFileConfig, cx: &ReceiverCx) -> Box<dyn Receiver> {
        Box::new(Player {
            inlet: cx.inlet.clone(),
            clock: Arc::clone(&cx.clock),
            schedule: Schedule::new(config.speed),
            tally: Tally::new(&cx.telemetry),
            config: config.clone(),
        })
    }
}

struct Player {
    inlet: Inlet,
    clock: Arc<dyn Clock>,
    schedule: Schedule,
    tally: Tally,
    config: OtlpFileConfig,
}

/// An open file and the lines of it that were read ahead.
struct Track {
    path: PathBuf,
    /// None when the file is at its end.
    lines: Option<Lines>,
    ahead: VecDeque<Line>,
    /// The next line to play.
    next: Option<Ready>,
}

/// A line that can be played.
struct Ready {
    number: u64,
    mark: Mark,
    text: Vec<u8>,
}

/// What became of the lines.
struct Tally {
    malformed: Counter,
    refused: Counter,
    pushed: u64,
    bad: u64,
}

impl Receiver for Player {
    fn run(mut self: Box<Self>, stop: Stop) -> LocalBoxFuture<'static, Result<(), BoxError>> {
        Box::pin(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                played = self.play() => played?,
            }
            // What was read stays read; the service goes on until it is told to stop.
            stop.cancelled().await;
            Ok(())
        })
    }
}

impl Player {
    async fn play(&mut self) -> Result<(), BoxError> {
        let files = self.find().await?;
        // Only times can make one file wait for another; without them one is open at a time.
        let at_once = if self.schedule.is_paced() { files.len() } else { 1 };
        for group in files.chunks(at_once) {
            self.play_together(group).await?;
        }
        let (files, lines, bad) = (files.len(), self.tally.pushed, self.tally.bad);
        tracing::info!(files, lines, bad, "all files are read");
        Ok(())
    }

    async fn find(&self) -> Result<Vec<PathBuf>, BoxError> {
        let OtlpFileConfig { include, exclude, .. } = self.config.clone();
        spawn_blocking(move || {
            let patterns =
                |texts: &[String]| texts.iter().map(|text| Pattern::new(text)).collect::<Result<Vec<_>, _>>();
            let found = find(&patterns(&include)?, &patterns(&exclude)?)?;
            if found.is_empty() {
                return Err(format!("include matches no file: {}", include.join(", ")).into());
            }
            Ok(found.into_iter().collect())
        })
        .await?
    }

    async fn play_together(&mut self, files: &[PathBuf]) -> Result<(), BoxError> {
        let mut tracks = Vec::new();
        for path in files {
            let mut track = self.open(path.clone()).await?;
            self.advance(&mut track).await?;
            tracks.push(track);
        }
        while let Some(track) = earliest(&mut tracks) {
            if let Some(ready) = track.next.take() {
                self.push(&track.path, ready).await;
            }
            self.advance(track).await?;
        }
        Ok(())
    }

    /// A file that can not be opened is reported and plays nothing.
    async fn open(&mut self, path: PathBuf) -> Result<Track, BoxError> {
        let (file, compression) = (path.clone(), self.config.compression);
        let longest = usize::try_from(self.config.max_line_size.0).unwrap_or(usize::MAX);
        let lines = match spawn_blocking(move || Lines::open(&file, compression, longest)).await? {
            Ok(lines) => Some(lines),
            Err(error) => {
                self.tally.malformed.add(1);
                tracing::error!(file = %path.display(), %error, "the file can not be opened");
                None
            }
        };
        Ok(Track { path, lines, ahead: VecDeque::new(), next: None })
    }

    /// Makes the track's next good line ready, reading on where needed.
    async fn advance(&mut self, track: &mut Track) -> Result<(), BoxError> {
        while track.next.is_none() {
            match track.ahead.pop_front() {
                Some(line) => track.next = self.prepare(&track.path, line),
                None if track.lines.is_none() => break,
                None => self.read_on(track).await?,
            }
        }
        Ok(())
    }

    async fn read_on(&mut self, track: &mut Track) -> Result<(), BoxError> {
        let Some(mut lines) = track.lines.take() else { return Ok(()) };
        let (lines, ahead, result) = spawn_blocking(move || {
            let mut ahead = Vec::new();
            let result = lines.read_chunk(&mut ahead);
            (lines, ahead, result)
        })
        .await?;
        match result {
            Ok(()) if ahead.is_empty() => {}
            Ok(()) => track.lines = Some(lines),
            Err(error) => {
                self.tally.malformed.add(1);
                tracing::error!(file = %lines.path.display(), %error, "the rest of the file can not be read");
            }
        }
        track.ahead = ahead.into();
        Ok(())
    }

    fn prepare(&mut self, path: &Path, line: Line) -> Option<Ready> {
        let number = line.number;
        let Content::Text(text) = line.content else {
            let limit = self.config.max_line_size;
            self.tally.bad_line(path, number, &format!("line is longer than max_line_size ({limit})"));
            return None;
        };
        let mark = if self.schedule.is_paced() { signal_and_time(&text) } else { signal(&text) };
        match mark {
            Ok(mark) => Some(Ready { number, mark, text }),
            Err(problem) => {
                self.tally.bad_line(path, number, &problem);
                None
            }
        }
    }

    /// Waits for the line's moment and pushes it until it is taken or refused for good.
    async fn push(&mut self, path: &Path, ready: Ready) {
        let due = self.schedule.due(ready.mark.at, self.clock.now());
        self.clock.sleep_until(due).await;
        let bytes = match wire::json::json_to_wire(ready.mark.signal, &ready.text) {
            Ok(bytes) => Bytes::from(bytes),
            Err(problem) => return self.tally.bad_line(path, ready.number, &problem.to_string()),
        };
        loop {
            match self.offer(ready.mark.signal, bytes.clone()).await {
                Ok(()) => return self.tally.pushed += 1,
                Err(Refusal::Busy { retry_after, .. }) => {
                    let again = self.clock.now() + retry_after.max(SHORTEST_WAIT);
                    self.clock.sleep_until(again).await;
                }
                Err(Refusal::Malformed(problem)) => return self.tally.bad_line(path, ready.number, &problem),
                Err(refusal @ (Refusal::Permanent(_) | Refusal::NotConfigured)) => {
                    return self.tally.refused_line(path, ready.number, &refusal);
                }
            }
        }
    }

    async fn offer(&self, signal: Signal, bytes: Bytes) -> Result<(), Refusal> {
        let _claim = self.inlet.0.admit(bytes.len()).await?;
        self.inlet.0.push(signal, bytes, TRANSPORT).await.map(|_receipt| ())
    }
}

/// Returns the track whose next line is the oldest; the first of equals, so that without times the
/// files are played one after the other.
fn earliest(tracks: &mut [Track]) -> Option<&mut Track> {
    let at = |track: &Track| track.next.as_ref().map(|ready| ready.mark.at);
    let playing = tracks.iter_mut().filter(|track| track.next.is_some());
    playing.min_by_key(|track| at(track).unwrap_or(Timestamp(u64::MAX)))
}

impl Tally {
    fn new(telemetry: &Telemetry) -> Self {
        let telemetry = telemetry.with("transport", TRANSPORT);
        let counter = |reason| {
            telemetry.with("reason", reason).counter(
                "otelcol_receiver_turned_away_requests",
                "Requests that were answered with an error before their content was looked at.",
                "{requests}",
            )
        };
        let (malformed, refused) = (counter("malformed"), counter("refused"));
        Self { malformed, refused, pushed: 0, bad: 0 }
    }

    fn bad_line(&mut self, path: &Path, line: u64, problem: &str) {
        self.malformed.add(1);
        self.name(path, line, problem, "a bad line is left out");
    }

    fn refused_line(&mut self, path: &Path, line: u64, refusal: &Refusal) {
        self.refused.add(1);
        self.name(path, line, &refusal.to_string(), "a line was refused");
    }

    fn name(&mut self, path: &Path, line: u64, problem: &str, what: &str) {
        self.bad += 1;
        if self.bad <= MOST_NAMED {
            let place = format!("{}:{line}", path.display());
            tracing::warn!(place, problem, "{what}");
        }
        if self.bad == MOST_NAMED {
            tracing::warn!("further bad lines are only counted");
        }
    }
}
