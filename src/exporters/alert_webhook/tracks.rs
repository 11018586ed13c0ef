//! What became of each notification, for whoever asks why nobody was called.
//!
//! *Shape*: one record for each transition and URL, the last 16,384. They are written to a file beside the queues, so
//! that a restart does not forget them; nobody waits for that. *Cost*: some 400 bytes each, in memory and in the file,
//! which is written anew when it has four times what it stands for.

mod file;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError, Weak},
};

use component::{Answer, Question, Responds};
use model::{AlertState, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    alert::{self, Alert},
    queue::{Fate, Pen},
};
pub(super) use file::Line;

/// Records that are kept; the oldest go first.
const MOST: usize = 16_384;
/// So much of what a destination said is kept.
const MOST_PROBLEM_CHARS: usize = 300;
/// So many are told of one alert, before the time that is asked about and after it.
const MOST_BEFORE: usize = 12;
const MOST_AFTER: usize = 6;

/// The records of an exporter, shared by its lanes, by those who ask and by the thread that writes them.
pub(super) struct Tracks {
    all: Mutex<All>,
}

struct All {
    /// Since when nothing is missing.
    since: Timestamp,
    next: u64,
    by_number: BTreeMap<u64, Track>,
    numbers: HashMap<Key, u64>,
    /// Those that are not in the file as they are.
    changed: BTreeSet<u64>,
    /// Who writes them; none without a directory.
    pen: Weak<Pen>,
    /// Whether the pen was asked, and has not taken them yet.
    is_ordered: bool,
    file: file::Extent,
}

/// A lane, an alert and a transition.
type Key = (String, String, i64);

/// What became of a transition at a URL.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Track {
    lane: String,
    destination: String,
    fingerprint: String,
    sequence: i64,
    #[serde(with = "alert::state")]
    state: AlertState,
    /// *Units*: nanoseconds since the epoch, as all times of the queue.
    told_at: u64,
    attempts: u32,
    /// What the last attempt that failed met, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed: Option<(u64, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<(u64, End)>,
}

/// How the way of a notification ended.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    Settled(Fate),
    /// The destination is not told of such alerts.
    NotWanted(Cow<'static, str>),
}

impl End {
    const fn name(&self) -> &'static str {
        match self {
            Self::Settled(Fate::Delivered) => "delivered",
            Self::Settled(Fate::DeadLetter) => "dead_letter",
            Self::Settled(Fate::Dropped) => "dropped",
            Self::Settled(Fate::Passed) => "nothing_to_tell",
            Self::NotWanted(_) => "not_wanted",
        }
    }
}

/// A lane and its destination.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) lane: &'a str,
    pub(super) destination: &'a str,
}

impl Tracks {
    pub(super) fn new(since: Timestamp) -> Self {
        let all = All {
            since,
            next: 0,
            by_number: BTreeMap::new(),
            numbers: HashMap::new(),
            changed: BTreeSet::new(),
            pen: Weak::new(),
            is_ordered: false,
            file: file::Extent::default(),
        };
        Self { all: Mutex::new(all) }
    }

    /// Notes that a transition waits to be told, or that it will not be.
    pub(super) fn took(&self, place: Place<'_>, alert: &Alert, end: Option<(Timestamp, End)>) {
        let mut all = self.lock();
        if all.numbers.contains_key(&key(place, alert)) {
            return;
        }
        all.put(Track {
            lane: place.lane.to_owned(),
            destination: place.destination.to_owned(),
            fingerprint: alert.fingerprint.clone(),
            sequence: alert.sequence,
            state: alert.state,
            told_at: alert.told_at,
            attempts: 0,
            failed: None,
            end: end.map(|(at, end)| (at.as_nanos(), end)),
        });
        all.order();
    }

    /// Notes an attempt that failed.
    pub(super) fn failed(&self, place: Place<'_>, alert: &Alert, now: Timestamp, problem: &str) {
        self.change(place, alert, |track| {
            track.attempts = track.attempts.saturating_add(1);
            track.failed = Some((now.as_nanos(), problem.chars().take(MOST_PROBLEM_CHARS).collect()));
        });
    }

    /// Notes what became of it in the end.
    pub(super) fn settled(&self, place: Place<'_>, alert: &Alert, now: Timestamp, fate: Fate) {
        self.change(place, alert, |track| {
            if fate == Fate::Delivered {
                track.attempts = track.attempts.saturating_add(1);
            }
            track.end = Some((now.as_nanos(), End::Settled(fate)));
        });
    }

    /// One that waited through a restart may not be known.
    fn change(&self, place: Place<'_>, alert: &Alert, change: impl FnOnce(&mut Track)) {
        self.took(place, alert, None);
        let mut all = self.lock();
        let Some(number) = all.numbers.get(&key(place, alert)).copied() else { return };
        if let Some(track) = all.by_number.get_mut(&number) {
            change(track);
            all.changed.insert(number);
            all.order();
        }
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, fingerprint: &str, at: Option<Timestamp>) -> Vec<Value> {
        let all = self.lock();
        let tracks = all.by_number.values().filter(|track| track.fingerprint == fingerprint);
        let (before, after): (Vec<&Track>, Vec<&Track>) =
            tracks.partition(|track| at.is_none_or(|at| track.told_at <= at.as_nanos()));
        let before = before.iter().skip(before.len().saturating_sub(MOST_BEFORE));
        before.chain(after.iter().take(MOST_AFTER)).map(|track| track.view()).collect()
    }
}

impl All {
    /// Adds a record, or puts it in the place of what was known of the same.
    fn put(&mut self, track: Track) {
        let number = *self.numbers.entry(track.key()).or_insert(self.next);
        self.next = self.next.max(number + 1);
        self.by_number.insert(number, track);
        self.changed.insert(number);
        if self.by_number.len() > MOST
            && let Some((number, oldest)) = self.by_number.pop_first()
        {
            self.numbers.remove(&oldest.key());
            self.changed.remove(&number);
            self.since = self.since.max(Timestamp(oldest.told_at));
        }
    }

    /// Has what changed written, once.
    fn order(&mut self) {
        if !self.is_ordered
            && let Some(pen) = self.pen.upgrade()
        {
            self.is_ordered = true;
            pen.order();
        }
    }
}

fn key(place: Place<'_>, alert: &Alert) -> Key {
    (place.lane.to_owned(), alert.fingerprint.clone(), alert.sequence)
}

impl Track {
    fn key(&self) -> Key {
        (self.lane.clone(), self.fingerprint.clone(), self.sequence)
    }

    fn view(&self) -> Value {
        let moment = |at: u64| Timestamp(at).rfc3339();
        let (ended_at, end) = self.end.as_ref().map_or((None, None), |(at, end)| (Some(*at), Some(end)));
        let why = match end {
            Some(End::NotWanted(why)) => Some(why.as_ref()),
            _ => self.failed.as_ref().map(|(_, problem)| problem.as_str()),
        };
        json!({
            "destination": self.destination,
            "state": self.state.name(),
            "told_at": moment(self.told_at),
            "outcome": end.map_or("waits", End::name),
            "at": ended_at.map(moment),
            "attempts": self.attempts,
            "last_failed_at": self.failed.as_ref().map(|(at, _)| moment(*at)),
            "problem": why,
        })
    }
}

impl Responds for Tracks {
    /// Answers `GET deliveries?fingerprint=F&at=T`.
    fn answer(&self, question: &Question) -> Answer {
        if question.method != "GET" || question.rest().next().is_some() {
            return Answer::not_found();
        }
        let Some(fingerprint) = question.parameters.get("fingerprint").filter(|it| !it.is_empty()) else {
            return Answer::refused(
                400,
                "fingerprint is missing, name the alert: GET /api/v1/alerts lists them",
            );
        };
        let at = match question.parameters.get("at").map(|text| (text, text.parse::<jiff::Timestamp>())) {
            None => None,
            Some((_, Ok(at))) => Some(Timestamp(u64::try_from(at.as_nanosecond()).unwrap_or(0))),
            Some((text, Err(_))) => {
                let problem =
                    format!("at is {text:?}, must be a time as RFC 3339 has it: 2026-11-21T10:00:00Z");
                return Answer::refused(400, &problem);
            }
        };
        let since = self.lock().since;
        let body = json!({ "since": since.rfc3339(), "deliveries": self.of(fingerprint, at) });
        Answer::ok(body.to_string())
    }
}
