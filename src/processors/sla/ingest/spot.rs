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

/// A span with its attributes and those of its resource.
pub(super) struct Spot<'a> {
    pub(super) span: &'a SpanRec,
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
            Place::Kind => Seen::Text(kind(self.span.kind)),
            Place::Name => Seen::Text(self.span.name.of(self.bytes)),
            Place::Status => Seen::Text(match self.span.status {
                1 => b"ok",
                2 => b"error",
                _ => b"unset",
            }),
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

fn kind(number: u8) -> &'static [u8] {
    KINDS.get(usize::from(number)).copied().unwrap_or(KINDS[0])
}
