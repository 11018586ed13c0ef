//! What became of each notification, for whoever asks why nobody was called.
//!
//! *Shape*: one record for each transition and URL, in memory: a restart forgets them. *Cost*: some 300 bytes each.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use component::{Answer, Question, Responds};
use model::Timestamp;
use serde_json::{Value, json};

use super::{alert::Alert, formats::time, queue::Fate};

/// Records that are kept; the oldest go first.
const MOST: usize = 16_384;
/// So much of what a destination said is kept.
const MOST_PROBLEM_CHARS: usize = 300;
/// So many are told of one alert, before the time that is asked about and after it.
const MOST_BEFORE: usize = 12;
const MOST_AFTER: usize = 6;

/// The records of an exporter, shared by its lanes and by those who ask.
pub(super) struct Tracks {
    since: Timestamp,
    all: Mutex<All>,
}

#[derive(Default)]
struct All {
    next: u64,
    by_number: BTreeMap<u64, Track>,
    /// By lane, alert and transition.
    numbers: HashMap<Key, u64>,
}

type Key = (String, String, i64);

/// What became of a transition at a URL.
struct Track {
    key: Key,
    destination: String,
    state: &'static str,
    told_at: Timestamp,
    attempts: u32,
    /// What the last attempt that failed met, and when.
    failed: Option<(Timestamp, String)>,
    end: Option<(Timestamp, End)>,
}

/// How the way of a notification ended.
#[derive(Clone, Debug)]
pub(super) enum End {
    Settled(Fate),
    /// The destination is not told of such alerts.
    NotWanted(&'static str),
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
        Self { since, all: Mutex::default() }
    }

    /// Notes that a transition waits to be told, or that it will not be.
    pub(super) fn took(&self, place: Place<'_>, alert: &Alert, end: Option<(Timestamp, End)>) {
        let mut all = self.lock();
        let key = key(place, alert);
        if all.numbers.contains_key(&key) {
            return;
        }
        let number = all.next;
        all.next += 1;
        let track = Track {
            key: key.clone(),
            destination: place.destination.to_owned(),
            state: alert.state.name(),
            told_at: Timestamp(alert.told_at),
            attempts: 0,
            failed: None,
            end,
        };
        all.by_number.insert(number, track);
        all.numbers.insert(key, number);
        if all.by_number.len() > MOST
            && let Some((_, oldest)) = all.by_number.pop_first()
        {
            all.numbers.remove(&oldest.key);
        }
    }

    /// Notes an attempt that failed.
    pub(super) fn failed(&self, place: Place<'_>, alert: &Alert, now: Timestamp, problem: &str) {
        self.change(place, alert, |track| {
            track.attempts = track.attempts.saturating_add(1);
            track.failed = Some((now, problem.chars().take(MOST_PROBLEM_CHARS).collect()));
        });
    }

    /// Notes what became of it in the end.
    pub(super) fn settled(&self, place: Place<'_>, alert: &Alert, now: Timestamp, fate: Fate) {
        self.change(place, alert, |track| {
            if fate == Fate::Delivered {
                track.attempts = track.attempts.saturating_add(1);
            }
            track.end = Some((now, End::Settled(fate)));
        });
    }

    /// One that waited through a restart was not seen before.
    fn change(&self, place: Place<'_>, alert: &Alert, change: impl FnOnce(&mut Track)) {
        self.took(place, alert, None);
        let mut all = self.lock();
        let number = all.numbers.get(&key(place, alert)).copied();
        if let Some(track) = number.and_then(|number| all.by_number.get_mut(&number)) {
            change(track);
        }
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, fingerprint: &str, at: Option<Timestamp>) -> Vec<Value> {
        let all = self.lock();
        let tracks = all.by_number.values().filter(|track| track.key.1 == fingerprint);
        let (before, after): (Vec<&Track>, Vec<&Track>) =
            tracks.partition(|track| at.is_none_or(|at| track.told_at <= at));
        let before = before.iter().skip(before.len().saturating_sub(MOST_BEFORE));
        before.chain(after.iter().take(MOST_AFTER)).map(|track| track.view()).collect()
    }
}

fn key(place: Place<'_>, alert: &Alert) -> Key {
    (place.lane.to_owned(), alert.fingerprint.clone(), alert.sequence)
}

impl Track {
    fn view(&self) -> Value {
        let (ended_at, end) = self.end.as_ref().map_or((None, None), |(at, end)| (Some(*at), Some(end)));
        let why = match end {
            Some(End::NotWanted(why)) => Some((*why).to_owned()),
            _ => self.failed.as_ref().map(|(_, problem)| problem.clone()),
        };
        json!({
            "destination": self.destination,
            "state": self.state,
            "told_at": time(self.told_at),
            "outcome": end.map_or("waits", End::name),
            "at": ended_at.map(time),
            "attempts": self.attempts,
            "last_failed_at": self.failed.as_ref().map(|(at, _)| time(*at)),
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
        let body = json!({ "since": time(self.since), "deliveries": self.of(fingerprint, at) });
        Answer::ok(body.to_string())
    }
}
