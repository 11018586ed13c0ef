//! Reads the files and pushes what is in them.

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use component::{
    BoxError, Clock, Counter, Inlet, Metadata, Placement, Receiver, ReceiverCx, ReceiverDef, Refusal, Stop,
    Telemetry,
};
use futures_util::future::LocalBoxFuture;
use model::{Signal, SignalSet};
use tokio::task::spawn_blocking;

use super::{
    config::OtlpFileConfig,
    glob::{Pattern, find},
    pace::Schedule,
    track::{Damage, Request, Track},
};

const TRANSPORT: &str = "file";

/// How many damaged and refused requests of all files are named in the log; the rest is only counted.
const MOST_NAMED: u64 = 20;

/// The shortest wait before a request that met a busy engine is pushed again.
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

/// What became of the requests.
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
        let (files, requests, bad) = (files.len(), self.tally.pushed, self.tally.bad);
        tracing::info!(files, requests, bad, "all files are read");
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
            if let Some(track) = self.open(path.clone()).await? {
                tracks.push(self.advance(track).await?);
            }
        }
        while let Some(track) = Track::earliest(&mut tracks) {
            if let Some(request) = track.take() {
                self.push(&track.place(request.number), request).await;
            }
            if track.must_read(&mut |damage| self.tally.damaged(&damage)) {
                let read_on = std::mem::replace(track, Track::at_its_end());
                *track = self.advance(read_on).await?;
            }
        }
        Ok(())
    }

    /// A file that can not be opened is reported and plays nothing.
    async fn open(&mut self, path: PathBuf) -> Result<Option<Track>, BoxError> {
        let OtlpFileConfig { compression, format, max_line_size, .. } = self.config;
        let longest = usize::try_from(max_line_size.0).unwrap_or(usize::MAX);
        let file = path.clone();
        match spawn_blocking(move || Track::open(&file, compression, format, longest)).await? {
            Ok(track) => Ok(Some(track)),
            Err(error) => {
                self.tally.malformed.add(1);
                tracing::error!(file = %path.display(), %error, "the file can not be opened");
                Ok(None)
            }
        }
    }

    /// Makes the next request of a file ready, reading on where needed.
    async fn advance(&mut self, mut track: Track) -> Result<Track, BoxError> {
        while track.must_read(&mut |damage| self.tally.damaged(&damage)) {
            track = spawn_blocking(move || {
                track.read_on();
                track
            })
            .await?;
        }
        Ok(track)
    }

    /// Waits for the request's moment and pushes it until it is taken or refused for good.
    async fn push(&mut self, place: &str, request: Request) {
        let due = self.schedule.due(request.at, self.clock.now());
        self.clock.sleep_until(due).await;
        loop {
            match self.offer(request.signal, request.bytes.clone()).await {
                Ok(()) => return self.tally.pushed += 1,
                Err(Refusal::Busy { retry_after, .. }) => {
                    let again = self.clock.now() + retry_after.max(SHORTEST_WAIT);
                    self.clock.sleep_until(again).await;
                }
                Err(Refusal::Malformed(problem)) => {
                    return self.tally.damaged(&Damage { place: place.to_owned(), problem });
                }
                Err(refusal @ (Refusal::Permanent(_) | Refusal::NotConfigured)) => {
                    return self.tally.refused(place, &refusal);
                }
            }
        }
    }

    async fn offer(&self, signal: Signal, bytes: Bytes) -> Result<(), Refusal> {
        let _claim = self.inlet.0.admit(signal, bytes.len()).await?;
        self.inlet.0.push(signal, bytes, TRANSPORT, Metadata::default()).await.map(|_receipt| ())
    }
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

    fn damaged(&mut self, Damage { place, problem }: &Damage) {
        self.malformed.add(1);
        self.name(place, problem, "what is damaged is left out");
    }

    fn refused(&mut self, place: &str, refusal: &Refusal) {
        self.refused.add(1);
        self.name(place, &refusal.to_string(), "a request was refused");
    }

    fn name(&mut self, place: &str, problem: &str, what: &str) {
        self.bad += 1;
        if self.bad <= MOST_NAMED {
            tracing::warn!(place, problem, "{what}");
        }
        if self.bad == MOST_NAMED {
            tracing::warn!("what else is damaged or refused is only counted");
        }
    }
}
