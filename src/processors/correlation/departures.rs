//! What is so far from usual that no baseline is needed to see it: the only witness while baselines are young, and of
//! what no baseline watches, as the lines that a service writes.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use model::{Severity, Timestamp};

use super::{
    cause::{CauseKind, Evidence},
    events::{Event, Kind},
    graph::Name,
    moves::{LATELY, Moved, Windows, moved, moved_lines},
    output::sentence,
    signals::{Aspect, Signals},
};

/// Departures that last.
#[derive(Clone, Debug, Default)]
pub(super) struct Departures(BTreeMap<Key, Course>);

type Key = (Name, CauseKind, Name);

/// How long something has been far from usual.
#[derive(Clone, Debug)]
struct Course {
    /// The window from which on it is so.
    since: u64,
    /// In which it was seen last.
    last: u64,
    /// Windows in which it was seen.
    n: u64,
    event: Option<Event>,
}

/// Windows before, without which nothing is usual.
const LEAST_KNOWN: u64 = 5;
/// In so many windows it is seen before it is told.
const SEEN: u64 = 2;
/// Departures that are followed at once.
const MOST: usize = 10_000;

impl Departures {
    /// Looks at the last minute of every service, and returns what began, lasts or ended. *Cost*: a look at the last
    /// values of each signal; the past is walked over only of what is far from its last level.
    pub(super) fn look(&mut self, signals: &Signals) -> Vec<Event> {
        let window = signals.last;
        let windows =
            Windows { before: signals.first..(window + 1).saturating_sub(LATELY), after: 0..window + 1 };
        let windows = Windows { after: windows.before.end..window + 1, ..windows };
        if windows.known_before() < LEAST_KNOWN {
            return Vec::new();
        }
        let width = signals.width();
        let mut events = Vec::new();
        for (service, moved) in far(signals, &windows) {
            let key = (Name::clone(&service), moved.kind, Name::clone(&moved.what));
            if !self.0.contains_key(&key) && self.0.len() >= MOST {
                continue;
            }
            let course =
                self.0.entry(key).or_insert(Course { since: moved.since, last: window, n: 0, event: None });
            course.n += 1;
            course.last = window;
            if course.n == SEEN {
                let event = event_of(&service, &moved, instant(course.since, width));
                course.event = Some(event.clone());
                events.push(event);
            }
        }
        self.end(window, width, &mut events);
        events
    }

    /// Ends what was not seen for as long as a departure is looked for.
    fn end(&mut self, window: u64, width: Duration, events: &mut Vec<Event>) {
        self.0.retain(|_, course| {
            // One glimpse is none; what was told lasts until a whole minute is as usual.
            let patience = if course.event.is_some() { LATELY } else { SEEN };
            let is_over = course.last + patience <= window;
            if is_over && let Some(event) = course.event.take() {
                events.push(Event { end: Some(instant(course.last + 1, width)), ..event });
            }
            !is_over
        });
    }
}

fn instant(window: u64, width: Duration) -> Timestamp {
    Timestamp(window.saturating_mul(width.as_nanos() as u64))
}

/// What is far from usual: by ten usual deviations, and by so much that somebody would notice.
fn far(signals: &Signals, windows: &Windows) -> Vec<(Name, Moved)> {
    let mut found = Vec::new();
    let mut service: Option<&Name> = None;
    for (key, track) in signals.all() {
        if service != Some(&key.service) {
            service = Some(&key.service);
            let lines = moved_lines(&key.service, signals, windows);
            let gone = lines.into_iter().filter(|moved| moved.shift.after == 0.0);
            let far =
                gone.filter(|moved| moved.shift.deviations >= FAR_LINE && moved.shift.before >= LEAST_LINES);
            found.extend(far.map(|moved| (Name::clone(&key.service), moved)));
        }
        let is_wanted = !matches!(key.aspect, Aspect::Metric | Aspect::Line | Aspect::Complaint);
        if is_wanted
            && track.latest().is_some_and(|point| windows.after.contains(&point.window))
            && let Some(moved) = moved(key, track, windows)
            && is_far(key.aspect, &moved, track.sums(&windows.after).1)
        {
            found.push((Name::clone(&key.service), moved));
        }
    }
    found
}

const FAR: f64 = 10.0;
const FAR_TRAFFIC: f64 = 5.0;
const FAR_TOTAL: f64 = 4.0;
/// For lines, whose counts vary as chance has it.
const FAR_LINE: f64 = 4.0;
const LEAST_LINES: f64 = 5.0;
/// Requests in the last minute.
const LEAST_REQUESTS: f64 = 20.0;

/// Whether somebody would notice: `requests` were there in the last minute.
fn is_far(aspect: Aspect, moved: &Moved, requests: f64) -> bool {
    let shift = &moved.shift;
    match aspect {
        // Half of what there is more of it, up to nearly all.
        Aspect::Utilization => shift.after >= 0.7 && shift.after - shift.before >= 0.4,
        // Customers who come in twice the number are no trouble yet, and the cause of the next.
        Aspect::Traffic => {
            let more = shift.after - shift.before;
            shift.deviations >= FAR_TRAFFIC && more >= shift.before && more >= 0.5
        }
        // Of what a metric tells of all requests little is much.
        Aspect::TotalFailing => {
            shift.deviations >= FAR_TOTAL && requests >= LEAST_REQUESTS && shift.after >= 0.005
        }
        Aspect::Failing | Aspect::Lost | Aspect::StoreLost => {
            shift.deviations >= FAR && requests >= LEAST_REQUESTS && shift.after >= 0.05
        }
        // Twice as long, and by more than a person's eye would miss.
        _ => {
            let more = shift.after - shift.before;
            shift.deviations >= FAR && requests >= LEAST_REQUESTS && more >= shift.before && more >= 10.0
        }
    }
}

fn event_of(service: &Name, moved: &Moved, start: Timestamp) -> Event {
    let evidence = Evidence {
        kind: moved.kind,
        what: moved.what.to_string(),
        unit: moved.unit.to_owned(),
        before: moved.shift.before,
        after: moved.shift.after,
        strength: moved.shift.deviations,
        exemplar: moved.exemplar,
    };
    Event {
        start,
        kind: Kind::Departure,
        id: format!("{service}/{}/{}", moved.kind.name(), moved.what),
        service: Arc::clone(service),
        severity: Severity::Warning,
        end: None,
        title: format!("{service}: {}", sentence(&evidence)),
        slo_id: String::new(),
        trace: moved.exemplar,
    }
}
