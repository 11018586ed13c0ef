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
    /// Until something comes: before, it is not known when it begins.
    plan: Option<Plan>,
    playing: Option<Playing>,
    pub(crate) n_requests: u64,
    pub(crate) n_items: u64,
    pub(crate) n_events: u64,
}

struct Playing {
    offline: Offline,
    begin: Timestamp,
}

impl Player {
    pub(crate) fn new(plan: Plan) -> Self {
        Self { plan: Some(plan), playing: None, n_requests: 0, n_items: 0, n_events: 0 }
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
        let playing = self.playing.get_or_insert_with(|| {
            let plan = self.plan.take().expect("a plan waits until it is played");
            Playing::begin(plan, recorded.at)
        });
        let offline = &mut playing.offline;
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
        let Some(playing) = &mut self.playing else { return Vec::new() };
        playing.offline.end();
        let found = events::of(&playing.offline.told().exports);
        self.n_events += found.len() as u64;
        found
    }

    /// The state of every stage, by key.
    pub(crate) fn snapshots(&mut self) -> Vec<(String, Snapshot)> {
        self.playing.as_mut().map(|playing| playing.offline.snapshots()).unwrap_or_default()
    }

    /// From when to when time has gone; none when nothing came.
    pub(crate) fn played(&self) -> Option<(Timestamp, Timestamp)> {
        self.playing.as_ref().map(|playing| (playing.begin, playing.offline.now()))
    }
}

impl Playing {
    fn begin(plan: Plan, at: Timestamp) -> Self {
        Self { offline: Offline::new(plan, &Telemetry::default(), at), begin: at }
    }
}
