//! What is so far from usual that no baseline is needed to see it: the only witness while baselines are young, and of
//! what no baseline watches, as the lines that a service writes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use model::{Severity, Timestamp};

use super::{
    cause::{CauseKind, Evidence},
    events::{Event, Kind},
    graph::Name,
    moves::{LATELY, LEAST_KNOWN, Moved, SEEN, Windows, moved, moved_lines},
    output::{TAKEN, sentence},
    shift::Shift,
    signals::{Aspect, SignalKey, Signals, Track},
};

/// Departures that last.
#[derive(Clone, Debug, Default)]
pub(super) struct Departures {
    courses: BTreeMap<Key, Course>,
    /// Departures that lasted at the last stop, by their ids: what is known of signals is not stored, so they end when
    /// enough is known again and nothing is seen of them.
    orphans: BTreeMap<String, Event>,
    /// Windows that were looked at.
    n_looks: u64,
    /// Those that found no room, once in each window.
    pub(super) left_out: u64,
}

type Key = (Name, CauseKind, Name);

/// How long something has been far from usual.
#[derive(Clone, Debug)]
struct Course {
    /// The window from which on it is so.
    since: u64,
    /// In which it was seen last.
    last: u64,
    /// The window of the last value that shows it, and for how many windows such values stand.
    value: u64,
    n: u64,
    event: Option<Event>,
}

/// Departures that are followed at once.
const MOST: usize = 10_000;

impl Departures {
    /// Looks at the last minute of every service, and returns what began, lasts or ended. *Cost*: a look at the last
    /// values of each signal; the past is walked over only of what is far from its last level.
    pub(super) fn look(&mut self, signals: &Signals) -> Vec<Event> {
        let window = signals.last;
        let windows = Windows::lately(signals);
        if windows.known_before() < LEAST_KNOWN {
            return Vec::new();
        }
        let width = signals.width();
        let mut events = Vec::new();
        for Far { service, moved, value, stands_for } in far(signals, &windows) {
            let key = (Name::clone(&service), moved.kind, Name::clone(&moved.what));
            if !self.courses.contains_key(&key) && self.courses.len() >= MOST {
                self.left_out += 1;
                continue;
            }
            let course = self.courses.entry(key).or_insert(Course {
                since: moved.since,
                last: 0,
                value: 0,
                n: 0,
                event: None,
            });
            course.n += if value > course.value { stands_for } else { 0 };
            (course.value, course.last) = (value, window);
            if course.n >= SEEN as u64 && course.event.is_none() {
                let event = event_of(&service, &moved, instant(course.since, width));
                course.event = Some(event.clone());
                events.push(event);
            }
        }
        self.end(window, width, &mut events);
        self.n_looks += 1;
        if self.n_looks > LATELY {
            self.end_orphans(window, width, &mut events);
        }
        events
    }

    /// Takes over what incidents have from before a restart.
    pub(super) fn adopt(&mut self, departure: Event) {
        self.orphans.insert(departure.id.clone(), departure);
    }

    /// Ends what nothing is seen of.
    fn end_orphans(&mut self, window: u64, width: Duration, events: &mut Vec<Event>) {
        let told = self.courses.values().filter_map(|course| course.event.as_ref());
        let told: BTreeSet<&str> = told.map(|event| &*event.id).collect();
        let orphans = std::mem::take(&mut self.orphans).into_values();
        let over = orphans.filter(|orphan| !told.contains(&*orphan.id));
        events.extend(over.map(|orphan| Event { end: Some(instant(window + 1, width)), ..orphan }));
    }

    /// Ends what was not seen for as long as a departure is looked for.
    fn end(&mut self, window: u64, width: Duration, events: &mut Vec<Event>) {
        self.courses.retain(|_, course| {
            // One glimpse is none; what was told lasts until a whole minute is as usual.
            let patience = if course.event.is_some() { LATELY } else { SEEN as u64 };
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

/// Something that is far from usual.
struct Far {
    service: Name,
    moved: Moved,
    /// The window of the latest value, and for how many it stands: a metric may come by the minute.
    value: u64,
    stands_for: u64,
}

/// What is far from usual: by ten usual deviations, and by so much that somebody would notice.
fn far(signals: &Signals, windows: &Windows) -> Vec<Far> {
    let mut found = Vec::new();
    let mut service: Option<&Name> = None;
    for (key, track) in signals.all() {
        if service != Some(&key.service) {
            service = Some(&key.service);
            let lines = moved_lines(&key.service, signals, windows);
            let strength = lines.strength();
            let gone = lines.gone.filter(|moved| {
                strength >= FAR_LINE && moved.shift.after == 0.0 && moved.shift.before >= LEAST_LINES
            });
            found.extend(gone.map(|moved| Far {
                service: Name::clone(&key.service),
                moved,
                value: signals.last,
                stands_for: 1,
            }));
        }
        if key.aspect == Aspect::Taken
            && let Some(moved) = stopped(key, track, signals)
        {
            found.push(Far { service: Name::clone(&key.service), moved, value: signals.last, stands_for: 1 });
        }
        let is_wanted = !matches!(key.aspect, Aspect::Line | Aspect::Complaint);
        if is_wanted
            && let Some(latest) = track.latest()
            && windows.after.contains(&latest.window)
            && let Some(moved) = moved(key, track, windows)
            && is_far(key.aspect, &moved, track.sums(&windows.after).1)
        {
            // The last two values of these were looked at.
            let is_seen = matches!(key.aspect, Aspect::Total | Aspect::TotalFailing);
            let stands_for = if is_seen { SEEN as u64 } else { track.cadence().min(LATELY) };
            let service = Name::clone(&key.service);
            found.push(Far { service, moved, value: latest.window, stands_for });
        }
    }
    found
}

/// A service that takes no message any more of a publisher that serves half of what it served, or more: for three times as
/// long as it ever took none, and where so many would have come.
fn stopped(key: &SignalKey, track: &Track, signals: &Signals) -> Option<Moved> {
    let latest = track.latest()?.window;
    let (before, quiet) = (signals.first..latest + 1, latest + 1..signals.last + 1);
    let (n_before, n_quiet) = (before.clone().count() as f64, quiet.clone().count() as f64);
    let sent = track.total(&before) * signals.width().as_secs_f64();
    // Of what would have come so many would have been sampled.
    let missed = sent / n_before.max(1.0) * n_quiet * signals.share(&quiet);
    let rate = |windows, n: f64| signals.served(&key.name, windows) / n.max(1.0);
    let is_over = n_quiet >= 3.0 * track.longest_gap() as f64 && missed >= LEAST_MESSAGES;
    let goes_on = is_over && rate(&quiet, n_quiet) >= 0.5 * rate(&before, n_before);
    goes_on.then(|| Moved {
        kind: CauseKind::Unavailable,
        what: TAKEN.into(),
        unit: "1",
        shift: Shift { before: 1.0, after: 0.0, deviations: missed },
        weight: 0.0,
        note: "".into(),
        is_new: false,
        exemplar: track.exemplar,
        since: latest + 1,
    })
}

const LEAST_MESSAGES: f64 = 20.0;
const FAR: f64 = 10.0;
const FAR_TRAFFIC: f64 = 5.0;
const FAR_TOTAL: f64 = 4.0;
/// For lines, whose counts vary as chance has it.
const FAR_LINE: f64 = 4.0;
const LEAST_LINES: f64 = 4.9;
/// Requests in the last minute.
const LEAST_REQUESTS: f64 = 20.0;

/// Whether somebody would notice: `requests` were there in the last minute.
fn is_far(aspect: Aspect, moved: &Moved, requests: f64) -> bool {
    let shift = &moved.shift;
    let more = shift.after - shift.before;
    match aspect {
        // Half of what there is more of it, up to nearly all.
        Aspect::Utilization => shift.after >= 0.7 && more >= 0.4,
        // Customers who come in twice the number are no trouble yet, and the cause of the next.
        Aspect::Traffic => shift.deviations >= FAR_TRAFFIC && more >= shift.before && more >= 0.5,
        // Of what a metric tells of all requests little is much.
        Aspect::TotalFailing => {
            shift.deviations >= FAR_TOTAL && requests >= LEAST_REQUESTS && shift.after >= 0.005
        }
        Aspect::Failing | Aspect::Lost | Aspect::StoreLost => {
            shift.deviations >= FAR && requests >= LEAST_REQUESTS && shift.after >= 0.05
        }
        Aspect::Total => {
            shift.deviations >= FAR_TOTAL
                && requests >= LEAST_REQUESTS
                && more >= shift.before / 2.0
                && more >= 10.0
        }
        // Twice as long, and by more than a person's eye would miss.
        _ => shift.deviations >= FAR && requests >= LEAST_REQUESTS && more >= shift.before && more >= 10.0,
    }
}

fn event_of(service: &Name, moved: &Moved, start: Timestamp) -> Event {
    Event {
        start,
        kind: Kind::Departure,
        id: format!("{service}/{}/{}", moved.kind.name(), moved.what),
        service: Arc::clone(service),
        severity: Severity::Warning,
        end: None,
        title: format!("{service}: {}", sentence(&Evidence::of(moved, moved.shift.deviations))),
        slo_id: String::new(),
        resend: None,
        is_lost: false,
        trace: moved.exemplar,
    }
}
