//! One span, as conditions look at it.

use model::{SPAN_KINDS, Slice, Slot, SpanRec};

use super::is_root;
use crate::sla::expression::{Condition, Field, Seen, Test};

/// A condition whose field is known by number.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Probe {
    pub(super) place: Place,
    pub(super) test: Test,
}

/// Where a span has what is looked at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Place {
    Kind,
    Name,
    Status,
    Duration,
    IsRoot,
    /// The number of an attribute among those that are looked at.
    Key(usize),
}

impl Place {
    /// Returns the place of a field; an attribute is put among the keys.
    pub(super) fn of(field: &Field, keys: &mut Vec<String>) -> Self {
        let name = match field {
            Field::Kind => return Self::Kind,
            Field::Name => return Self::Name,
            Field::Status => return Self::Status,
            Field::Duration => return Self::Duration,
            Field::IsRoot => return Self::IsRoot,
            Field::Attribute(name) => name,
        };
        let known = keys.iter().position(|key| key == name);
        Self::Key(known.unwrap_or_else(|| {
            keys.push(name.clone());
            keys.len() - 1
        }))
    }
}

impl Probe {
    pub(super) fn of(condition: &Condition, keys: &mut Vec<String>) -> Self {
        Self { place: Place::of(&condition.field, keys), test: condition.test.clone() }
    }

    pub(super) fn holds(&self, spot: &Spot<'_>) -> bool {
        self.test.holds(spot.seen(self.place))
    }
}

/// Conditions of which all of some must hold and none of others. Those on kind and status are settled beforehand for
/// each of the few pairs that there are.
#[derive(PartialEq, Debug)]
pub(super) struct Choice {
    /// A bit for each pair that it takes.
    pairs: u32,
    selects: Vec<Probe>,
    excludes: Vec<Probe>,
}

impl Choice {
    pub(super) fn of(selects: &[Probe], excludes: &[Probe]) -> Self {
        let mut choice = Self { pairs: u32::MAX, selects: Vec::new(), excludes: Vec::new() };
        for probe in selects {
            match pairs_of(probe) {
                Some(pairs) => choice.pairs &= pairs,
                None => choice.selects.push(probe.clone()),
            }
        }
        for probe in excludes {
            match pairs_of(probe) {
                Some(pairs) => choice.pairs &= !pairs,
                None => choice.excludes.push(probe.clone()),
            }
        }
        choice
    }

    pub(super) fn holds(&self, spot: &Spot<'_>) -> bool {
        self.pairs & spot.pair != 0
            && self.selects.iter().all(|probe| probe.holds(spot))
            && !self.excludes.iter().any(|probe| probe.holds(spot))
    }
}

/// Returns the pairs of kind and status of which a condition holds; none when it looks at something else.
fn pairs_of(probe: &Probe) -> Option<u32> {
    let holds = |kind: u8, status: u8| {
        probe.test.holds(Some(Seen::Text(if probe.place == Place::Kind {
            kind_name(kind)
        } else {
            status_name(status)
        })))
    };
    let all =
        (0..KINDS.len() as u8).flat_map(|kind| (0..STATUSES.len() as u8).map(move |status| (kind, status)));
    matches!(probe.place, Place::Kind | Place::Status).then(|| {
        all.filter(|(kind, status)| holds(*kind, *status))
            .fold(0, |pairs, (kind, status)| pairs | pair(kind, status))
    })
}

/// Returns the bit of a kind and a status.
pub(super) const fn pair(kind: u8, status: u8) -> u32 {
    let kind = if (kind as usize) < KINDS.len() { kind as usize } else { 0 };
    let status = if (status as usize) < STATUSES.len() { status as usize } else { 0 };
    1 << (kind * STATUSES.len() + status)
}

/// A span with its attributes and those of its resource.
pub(super) struct Spot<'a> {
    pub(super) span: &'a SpanRec,
    /// The bit of its kind and status.
    pub(super) pair: u32,
    pub(super) bytes: &'a [u8],
    /// What the walk found, by slot.
    pub(super) values: &'a [Slice],
    /// By key, the slot of its values.
    pub(super) slots: &'a [Slot],
    /// By key, what the resource has.
    pub(super) resource: &'a [Option<Box<[u8]>>],
}

impl<'a> Spot<'a> {
    /// Returns what conditions compare.
    pub(super) fn seen(&self, place: Place) -> Option<Seen<'a>> {
        Some(match place {
            Place::Kind => Seen::Text(kind_name(self.span.kind)),
            Place::Name => Seen::Text(self.span.name.of(self.bytes)),
            Place::Status => Seen::Text(status_name(self.span.status)),
            Place::Duration => Seen::Number(self.span.duration_nanos() as f64 / 1e9),
            Place::IsRoot => Seen::Truth(is_root(self.span, self.bytes)),
            Place::Key(_) => return Seen::of_value(self.value(place)?),
        })
    }

    /// Returns the body of the `AnyValue` of an attribute, or the bytes of the name.
    pub(super) fn value(&self, place: Place) -> Option<&'a [u8]> {
        let key = match place {
            Place::Key(key) => key,
            Place::Name => return Some(self.span.name.of(self.bytes)),
            _ => return None,
        };
        let slot = self.slots.get(key)?;
        let own = self.values.get(slot.0).filter(|value| !value.is_absent());
        own.map(|value| value.of(self.bytes)).or_else(|| self.resource.get(key)?.as_deref())
    }
}

/// OTLP's names of kinds, as the collector writes them in conditions.
const KINDS: [&[u8]; SPAN_KINDS.len()] =
    [b"unspecified", b"internal", b"server", b"client", b"producer", b"consumer"];

const STATUSES: [&[u8]; 3] = [b"unset", b"ok", b"error"];

fn kind_name(number: u8) -> &'static [u8] {
    KINDS.get(usize::from(number)).copied().unwrap_or(KINDS[0])
}

fn status_name(number: u8) -> &'static [u8] {
    STATUSES.get(usize::from(number)).copied().unwrap_or(STATUSES[0])
}
