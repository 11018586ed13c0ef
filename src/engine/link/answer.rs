//! What travels back over the connection: confirmations, and what analysis halves have found.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use component::{Counter, Telemetry};
use tokio::sync::watch;
use tracing::warn;

use crate::{hop, service::Shared};

/// Verdicts of a stage that are larger stay where they are: each ingest process keeps them once for each stage.
pub(super) const MAX_VERDICT_BYTES: usize = 16 << 20;
/// The verdicts and what is around them.
pub(super) const MAX_ANSWER: usize = MAX_VERDICT_BYTES + (64 << 10);

/// One message of the side that analyses.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct Answer {
    #[prost(uint32, tag = "1")]
    pub(super) version: u32,
    #[prost(oneof = "Content", tags = "2, 3")]
    pub(super) content: Option<Content>,
}

#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub(super) enum Content {
    #[prost(message, tag = "2")]
    Confirmation(Confirmation),
    #[prost(message, tag = "3")]
    Verdicts(StageVerdicts),
}

/// Up to which message of a source all has been merged and stored.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Confirmation {
    #[prost(string, tag = "1")]
    pub(crate) source: String,
    #[prost(uint64, tag = "2")]
    pub(crate) sequence: u64,
}

/// What a stage's analysis half has found, in place of what it found before.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct StageVerdicts {
    #[prost(string, tag = "1")]
    pub(super) stage: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) verdicts: Bytes,
    /// Grows with what that side publishes.
    #[prost(uint64, tag = "3")]
    pub(super) number: u64,
}

impl Answer {
    pub(super) fn confirmation(confirmation: Confirmation) -> Self {
        Self { version: hop::VERSION, content: Some(Content::Confirmation(confirmation)) }
    }

    fn verdicts(verdicts: StageVerdicts) -> Self {
        Self { version: hop::VERSION, content: Some(Content::Verdicts(verdicts)) }
    }
}

/// What one connection has been told of verdicts. Only the latest of each stage are told, so nothing queues up
/// for a peer that reads slowly, and a new connection gets all of them.
pub(super) struct Teller {
    shared: Arc<Shared>,
    told: u64,
    too_large: Counter,
}

impl Teller {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let too_large = dropped(&shared.telemetry, "too_large");
        Self { shared, told: 0, too_large }
    }

    /// Returns what wakes when there is news, at first also for what was published before.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        let mut published = self.shared.verdicts.watch();
        published.mark_changed();
        published
    }

    /// Returns what has been published since the last call.
    pub(super) fn news(&mut self) -> Vec<Answer> {
        let news = self.shared.verdicts.since(&mut self.told);
        let mut answers = Vec::new();
        for (stage, verdicts) in news {
            if verdicts.len() > MAX_VERDICT_BYTES {
                self.too_large.add(1);
                let bytes = verdicts.len();
                warn!(stage, bytes, limit = MAX_VERDICT_BYTES, "verdicts are too large for another process");
                continue;
            }
            answers.push(Answer::verdicts(StageVerdicts { stage, verdicts, number: self.told }));
        }
        answers
    }
}

/// Takes the answers of one connection.
pub(super) struct Listener {
    shared: Arc<Shared>,
    /// By stage: the number of the verdicts that were taken last.
    taken: BTreeMap<String, u64>,
    unknown_version: Counter,
    unknown_stage: Counter,
}

impl Listener {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let (unknown_version, unknown_stage) =
            (dropped(&shared.telemetry, "unknown_version"), dropped(&shared.telemetry, "unknown_stage"));
        Self { shared, taken: BTreeMap::new(), unknown_version, unknown_stage }
    }

    /// Publishes verdicts to the shards of this process and returns a confirmation.
    pub(super) fn take(&mut self, answer: Answer) -> Option<Confirmation> {
        if answer.version != hop::VERSION {
            self.unknown_version.add(1);
            warn!(
                version = answer.version,
                readable = hop::VERSION,
                "an answer of another release is refused; run the same release on both sides"
            );
            return None;
        }
        match answer.content? {
            Content::Confirmation(confirmation) => Some(confirmation),
            Content::Verdicts(verdicts) => {
                self.publish(verdicts);
                None
            }
        }
    }

    fn publish(&mut self, StageVerdicts { stage, verdicts, number }: StageVerdicts) {
        if self.shared.edition().plan.stage_by_key(&stage).is_none() {
            self.unknown_stage.add(1);
            warn!(stage, "verdicts came for a stage that is not configured here and are dropped");
            return;
        }
        if self.taken.get(&stage).is_none_or(|taken| *taken < number) {
            self.taken.insert(stage.clone(), number);
            self.shared.verdicts.publish(vec![(stage, verdicts)]);
        }
    }
}

fn dropped(telemetry: &Telemetry, reason: &str) -> Counter {
    telemetry.with("reason", reason).counter(
        "trueline_hop_dropped_verdicts",
        "Verdicts of a stage that did not get from the analysis to an ingest process, by reason.",
        "{verdict}",
    )
}
