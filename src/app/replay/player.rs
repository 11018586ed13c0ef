//! Drives pipelines by the times of recorded requests.

use std::time::Duration;

use component::{Snapshot, Telemetry};
use engine::{Offline, Plan};
use model::Timestamp;

use super::{
    events::{self, Event},
    source::Recorded,
};

/// What leaves pipelines is looked at so often, so that it never piles up over a gap.
const ASKED_EVERY: Duration = Duration::from_secs(60);

/// The pipelines of a configuration, with time told by what they are given.
pub(crate) struct Player {
    stage: Stage,
    pub(crate) n_requests: u64,
    pub(crate) n_items: u64,
    pub(crate) n_events: u64,
}

enum Stage {
    /// Nothing has come, so it is not known when it begins.
    Waiting(Option<Plan>),
    Playing {
        offline: Box<Offline>,
        begin: Timestamp,
    },
}

impl Player {
    pub(crate) fn new(plan: Plan) -> Self {
        Self { stage: Stage::Waiting(Some(plan)), n_requests: 0, n_items: 0, n_events: 0 }
    }

    /// Moves the time to a request and gives it to the pipelines. What is found on the way goes to `found`.
    ///
    /// # Errors
    /// When it is no request of its signal; it is left out then.
    pub(crate) fn take(
        &mut self,
        recorded: &Recorded,
        found: &mut Vec<Event>,
    ) -> Result<(), wire::Malformed> {
        let n_before = found.len();
        let offline = self.stage.offline(recorded.at);
        while offline.now() + ASKED_EVERY < recorded.at {
            offline.advance(offline.now() + ASKED_EVERY);
            found.extend(events::of(&offline.told().exports));
        }
        offline.advance(recorded.at);
        found.extend(events::of(&offline.told().exports));
        self.n_events += (found.len() - n_before) as u64;
        self.n_items += offline.take(recorded.signal, recorded.bytes.clone())?;
        self.n_requests += 1;
        Ok(())
    }

    /// Ends the pipelines as a stop does, and returns what was found then.
    pub(crate) fn end(&mut self) -> Vec<Event> {
        let Stage::Playing { offline, .. } = &mut self.stage else { return Vec::new() };
        offline.end();
        let found = events::of(&offline.told().exports);
        self.n_events += found.len() as u64;
        found
    }

    /// The state of every stage, by key.
    pub(crate) fn snapshots(&mut self) -> Vec<(String, Snapshot)> {
        match &mut self.stage {
            Stage::Playing { offline, .. } => offline.snapshots(),
            Stage::Waiting(_) => Vec::new(),
        }
    }

    /// From when to when time has gone; none when nothing came.
    pub(crate) fn played(&self) -> Option<(Timestamp, Timestamp)> {
        match &self.stage {
            Stage::Playing { offline, begin } => Some((*begin, offline.now())),
            Stage::Waiting(_) => None,
        }
    }
}

impl Stage {
    fn offline(&mut self, at: Timestamp) -> &mut Offline {
        if let Self::Waiting(plan) = self {
            let plan = plan.take().expect("a plan waits until it is played");
            let offline = Box::new(Offline::new(plan, &Telemetry::default(), at));
            *self = Self::Playing { offline, begin: at };
        }
        match self {
            Self::Playing { offline, .. } => offline,
            Self::Waiting(_) => unreachable!("it has just begun"),
        }
    }
}
