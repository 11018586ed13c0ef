//! Answers questions about what passes.

use std::sync::Arc;

use component::{Answer, Clock, Counter, Desk, Lines, Question, Responds, Telemetry};
use engine::{MAX_TAPS, TapError, Taps};
use processors::lens::Mask;
use serde_json::json;
use tokio::sync::mpsc;
use tracing::info;

use super::{
    session::{LINES, Session},
    wanted::Wanted,
};

/// The topic under which the API answers.
const TOPIC: &str = "tap";
/// In whose name it does.
const SERVICE: &str = "service";

/// Lets those who may look at what passes do so.
pub(crate) struct TapDesk {
    taps: Taps,
    clock: Arc<dyn Clock>,
    meters: Meters,
}

/// Self-metrics of all taps.
#[derive(Clone)]
pub(super) struct Meters {
    pub(super) shown: Counter,
    /// By [`Reason`].
    pub(super) missed: [Counter; 4],
}

/// Why an item that may have been wanted is not shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reason {
    /// More passed than could be looked at.
    NotLookedAt,
    /// More of it than was asked for in a second.
    OverRate,
    /// The reader did not take it in time.
    SlowReader,
    /// As JSON it is larger than a line may be.
    TooLarge,
}

impl Reason {
    pub(super) const ALL: [Self; 4] = [Self::NotLookedAt, Self::OverRate, Self::SlowReader, Self::TooLarge];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::NotLookedAt => "not_looked_at",
            Self::OverRate => "over_rate",
            Self::SlowReader => "slow_reader",
            Self::TooLarge => "too_large",
        }
    }
}

impl Meters {
    pub(super) fn new(telemetry: &Telemetry) -> Self {
        Self {
            shown: telemetry.counter("trueline_tap_shown_items", "Items that taps have shown.", "{item}"),
            missed: Reason::ALL.map(|reason| {
                telemetry.with("reason", reason.name()).counter(
                    "trueline_tap_missed_items",
                    "Items that passed a tap and were not shown, by reason. No pipeline loses them.",
                    "{item}",
                )
            }),
        }
    }
}

impl TapDesk {
    pub(crate) fn new(taps: Taps, clock: Arc<dyn Clock>, telemetry: &Telemetry) -> Self {
        Self { taps, clock, meters: Meters::new(telemetry) }
    }

    pub(crate) fn open_at(self, desk: &Desk) {
        desk.open(TOPIC, SERVICE, Arc::new(self));
    }

    fn begin(&self, question: &Question) -> Result<Lines, Answer> {
        let wanted = Wanted::of(&question.parameters).map_err(|problem| Answer::refused(400, &problem))?;
        let at = wanted.at.as_deref();
        let tap =
            self.taps.open(at, wanted.side, wanted.signals).map_err(|problem| self.refusal(&problem))?;
        let (lines, reader) = mpsc::channel(LINES);
        let mask = (!wanted.shows_secrets).then(|| Mask::new(&self.taps.masks()));
        let (author, edge) =
            (question.author.clone(), at.unwrap_or("the beginning of all pipelines").to_owned());
        info!(author, edge, secrets = wanted.shows_secrets, duration = ?wanted.duration, "a tap was opened");
        let (clock, meters) = (Arc::clone(&self.clock), self.meters.clone());
        let session = Session::new(tap, wanted, mask, lines, clock, meters);
        let looking = std::thread::Builder::new().name(TOPIC.to_owned()).spawn(move || {
            let end = session.run();
            info!(author, edge, took = ?end.took, shown = end.shown, ended = end.why.name(), "a tap has ended");
        });
        match looking {
            Ok(_runs) => Ok(reader),
            Err(problem) => Err(Answer::refused(503, &format!("no thread could be started: {problem}"))),
        }
    }

    /// Says what would be right.
    fn refusal(&self, problem: &TapError) -> Answer {
        let status = match problem {
            TapError::UnknownEdge(_) => 404,
            TapError::Ambiguous { .. } | TapError::NothingBefore(_) => 400,
            TapError::TooMany | TapError::Ends => 503,
        };
        let TapError::UnknownEdge(name) = problem else {
            return Answer::refused(status, &problem.to_string());
        };
        let edges = self.taps.edges();
        let near = config::did_you_mean(name, edges.iter().map(String::as_str));
        let near = near.map(|near| format!("did you mean {near:?}? ")).unwrap_or_default();
        Answer::refused(status, &format!("{problem}; {near}there are {}", edges.join(", ")))
    }
}

impl Responds for TapDesk {
    fn answer(&self, question: &Question) -> Answer {
        let rest: Vec<_> = question.rest().collect();
        match (question.method.as_str(), rest.as_slice()) {
            ("GET", ["edges"]) => {
                Answer::ok(json!({ "edges": self.taps.edges(), "max_taps": MAX_TAPS }).to_string())
            }
            _ => Answer::not_found(),
        }
    }

    fn follow(&self, question: &Question) -> Option<Result<Lines, Answer>> {
        (question.method == "GET" && question.rest().next().is_none()).then(|| self.begin(question))
    }
}
