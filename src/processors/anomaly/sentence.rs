//! An episode in one sentence: which series, what it does, and what was to be expected.

use wire::view::attributes;

use super::{
    detectors::Detector,
    episodes::{Direction, Episode, Transition},
};
use crate::text::{cut, significant};

/// What names the operation that a series is of, the first that it has.
const OPERATIONS: [&[u8]; 5] =
    [b"span.name", b"http.route", b"rpc.method", b"messaging.destination.name", b"db.operation.name"];
const LONGEST_OPERATION: usize = 120;

/// Tells of an episode by what it was opened for: a value that was not seen lately may well be within the band.
pub(super) fn sentence(transition: Transition, episode: &Episode) -> String {
    let what = match episode.opener() {
        Detector::Relation => related(episode),
        Detector::Forest => combined(episode),
        opener => format!("{} {}", subject(episode), course(opener, episode)),
    };
    format!("{what} ({})", transition.name())
}

fn subject(episode: &Episode) -> String {
    let series = &episode.series;
    let (stat, metric, service) = (series.statistic.name(), &series.metric, &series.service);
    match attribute(episode, &OPERATIONS) {
        Some(operation) => format!("{stat} of {metric} of {service} ({operation})"),
        None => format!("{stat} of {metric} of {service}"),
    }
}

/// Returns the first attribute that the series has of some.
fn attribute(episode: &Episode, keys: &[&[u8]]) -> Option<String> {
    let value = |key: &&[u8]| {
        let found = attributes(&episode.series.attributes, 1).find(|attribute| attribute.key == *key)?;
        Some(cut(found.value().to_label_string(), LONGEST_OPERATION)).filter(|text| !text.is_empty())
    };
    keys.iter().find_map(value)
}

fn course(opener: Detector, episode: &Episode) -> String {
    let row = &episode.peak.row;
    let (value, expected) = (short(row.value), short(row.expected));
    let band = format!("expected {} to {}", short(row.lower), short(row.upper));
    let is_outside = row.value < row.lower || row.value > row.upper;
    match opener {
        Detector::Absence if row.expected.is_finite() => format!("is silent, expected {expected}"),
        Detector::Absence => "is silent".to_owned(),
        Detector::Flatline => format!("used to move and stands still at {value}"),
        Detector::Leak => format!("climbs for hours like a leak, to {value}"),
        Detector::PeriodicSpikes => format!("leaps to {value} at equal intervals, {band}"),
        Detector::Novelty if !is_outside => format!("is {value}, as it has not been lately"),
        Detector::Seasonal if !is_outside => {
            let side = if episode.direction() == Direction::Up { "above" } else { "below" };
            format!("is {value} and stays {side} what is expected, {expected}")
        }
        _ => format!("is {value}, {band}"),
    }
}

fn related(episode: &Episode) -> String {
    let (service, row) = (&episode.series.service, &episode.peak.row);
    let peer = attribute(episode, &[b"service.peer.name"]).unwrap_or_default();
    let (now, usual) = (short(row.value), short(row.expected));
    format!(
        "requests of {service} and {peer} no longer rise and fall together: correlation {now}, usually {usual}"
    )
}

fn combined(episode: &Episode) -> String {
    let (service, row) = (&episode.series.service, &episode.peak.row);
    let (now, usual) = (short(row.value), short(row.expected));
    format!("series of {service} depart in a rare combination: score {now}, usually {usual}")
}

/// Four digits are enough to read.
fn short(value: f64) -> String {
    significant(value, 4, 12)
}
