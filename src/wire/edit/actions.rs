//! What to do with the attributes of a span, resource, data point or log record.

use model::Slice;

use crate::{
    Matcher,
    build::{encode_value, key_value_len, put_key_value},
    cursor::{self, Raw},
    encode,
    view::{AnyValue, KeyValue},
};

/// One step; steps are taken in order, each on what the one before left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Edit {
    /// Adds the attribute where there is none of that key.
    Insert { key: String, value: Source },
    /// Gives the attribute a new value where there is one.
    Update { key: String, value: Source },
    /// Adds the attribute or gives it a new value.
    Upsert { key: String, value: Source },
    /// Removes the attribute, duplicates included.
    Delete { key: String },
}

/// Where a value comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// The body of an `AnyValue` message.
    Value(Vec<u8>),
    /// The value of another attribute; where that is missing, the step does nothing.
    FromAttribute(String),
}

impl Source {
    pub fn value(value: AnyValue<'_>) -> Self {
        Self::Value(encode_value(value))
    }
}

/// A list of steps, prepared.
#[derive(Clone, Debug)]
pub struct AttributeEdits {
    steps: Vec<Step>,
    /// Every key that a step reads or writes.
    keys: Vec<Box<[u8]>>,
    matcher: Matcher,
}

#[derive(Clone, Debug)]
struct Step {
    /// Index into `keys`.
    target: usize,
    /// Whether the step applies where the attribute is missing, and where it is present.
    if_absent: bool,
    if_present: bool,
    value: StepValue,
}

#[derive(Clone, Debug)]
enum StepValue {
    Given(Box<[u8]>),
    /// Index into `keys`.
    Of(usize),
    Nothing,
}

/// A value at some step: of the message, or given by a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Value {
    Absent,
    /// In the request.
    Sent(Slice),
    /// Index into `steps`.
    Given(usize),
}

/// What the steps did to one message.
#[derive(Clone, Default, Debug)]
pub(super) struct Outcome {
    values: Vec<Value>,
    /// Attributes that must go, of keys with an old value that is not the new one; by key.
    pub(super) cut: Vec<bool>,
    pub(super) cuts_any: bool,
    /// Fields to append.
    pub(super) appended: Vec<u8>,
    /// Where in `appended` the new value of a key stands; absent where it gets none.
    pub(super) placed: Vec<Slice>,
}

impl Outcome {
    pub(super) fn is_nothing(&self) -> bool {
        !self.cuts_any && self.appended.is_empty()
    }
}

impl AttributeEdits {
    pub fn new(edits: Vec<Edit>) -> Self {
        let mut keys = Vec::new();
        let steps = edits.into_iter().map(|edit| Step::new(edit, &mut keys)).collect();
        let matcher = Matcher::of(keys.iter().map(AsRef::as_ref));
        Self { steps, keys, matcher }
    }

    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    pub(super) fn keys(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.keys.iter().map(AsRef::as_ref)
    }

    pub(super) fn find(&self, key: &[u8]) -> Option<usize> {
        self.matcher.find(key)
    }

    /// Takes all steps on a message whose first values by key are `found`; new attributes are written as
    /// fields `number`.
    pub(super) fn apply(
        &self,
        request: &[u8],
        number: u32,
        found: impl Iterator<Item = Slice>,
        outcome: &mut Outcome,
    ) {
        outcome.values.clear();
        outcome
            .values
            .extend(found.map(|slice| if slice.is_absent() { Value::Absent } else { Value::Sent(slice) }));
        outcome.appended.clear();
        outcome.placed.clear();
        outcome.placed.resize(self.keys.len(), Slice::ABSENT);
        outcome.cut.clear();
        outcome.cut.extend(outcome.values.iter().map(|value| *value != Value::Absent));
        // Until the end `cut` says which keys were present.
        let sent = outcome.values.clone();
        for (index, step) in self.steps.iter().enumerate() {
            let current = outcome.values[step.target];
            let applies = if current == Value::Absent { step.if_absent } else { step.if_present };
            if !applies {
                continue;
            }
            outcome.values[step.target] = match step.value {
                StepValue::Nothing => Value::Absent,
                StepValue::Given(_) => Value::Given(index),
                StepValue::Of(source) if outcome.values[source] == Value::Absent => current,
                StepValue::Of(source) => outcome.values[source],
            };
        }
        outcome.cuts_any = false;
        for (key, before) in sent.into_iter().enumerate() {
            self.conclude(request, number, key, before, outcome);
        }
    }

    fn conclude(&self, request: &[u8], number: u32, key: usize, before: Value, outcome: &mut Outcome) {
        let after = outcome.values[key];
        let bytes = self.bytes(request, after);
        if before == after
            || (before != Value::Absent && bytes.is_some() && self.bytes(request, before) == bytes)
        {
            outcome.cut[key] = false;
            return;
        }
        outcome.cut[key] = before != Value::Absent;
        outcome.cuts_any |= outcome.cut[key];
        if let Some(value) = bytes {
            encode::put_header(&mut outcome.appended, number, key_value_len(&self.keys[key], value));
            put_key_value(&mut outcome.appended, &self.keys[key], value);
            let at = outcome.appended.len() - value.len();
            outcome.placed[key] = Slice { at: at as u32, len: value.len() as u32 };
        }
    }

    fn bytes<'a>(&'a self, request: &'a [u8], value: Value) -> Option<&'a [u8]> {
        match value {
            Value::Absent => None,
            Value::Sent(slice) => Some(slice.of(request)),
            Value::Given(step) => match &self.steps[step].value {
                StepValue::Given(bytes) => Some(bytes),
                StepValue::Of(_) | StepValue::Nothing => None,
            },
        }
    }
}

impl Step {
    fn new(edit: Edit, keys: &mut Vec<Box<[u8]>>) -> Self {
        let mut index_of = |key: String| {
            let key = key.into_bytes().into_boxed_slice();
            keys.iter().position(|known| *known == key).unwrap_or_else(|| {
                keys.push(key);
                keys.len() - 1
            })
        };
        let (key, value, if_absent, if_present) = match edit {
            Edit::Insert { key, value } => (key, Some(value), true, false),
            Edit::Update { key, value } => (key, Some(value), false, true),
            Edit::Upsert { key, value } => (key, Some(value), true, true),
            Edit::Delete { key } => (key, None, false, true),
        };
        let target = index_of(key);
        let value = match value {
            None => StepValue::Nothing,
            Some(Source::Value(bytes)) => StepValue::Given(bytes.into_boxed_slice()),
            Some(Source::FromAttribute(key)) => StepValue::Of(index_of(key)),
        };
        Self { target, if_absent, if_present, value }
    }
}

/// One attribute of a message where it stands in the request.
pub(super) struct Placed<'a> {
    /// The whole field, with tag and length.
    pub(super) field: Slice,
    pub(super) key: &'a [u8],
    /// The body of the `AnyValue`; present and empty where there is none.
    pub(super) value: Slice,
}

/// Walks the attributes in field `number` of a message that begins at the offset `at`.
pub(super) fn placed_attributes(message: &[u8], at: usize, number: u32) -> impl Iterator<Item = Placed<'_>> {
    let end = at + message.len();
    placed_fields(message, at).filter_map(move |(field, known, raw)| match raw {
        Raw::Bytes(body) if known == number => {
            let KeyValue { key, value } = KeyValue::of(body);
            let body_end = (field.at + field.len) as usize;
            let value_at = placed_fields(body, body_end - body.len())
                .filter(|(_, number, raw)| *number == 2 && matches!(raw, Raw::Bytes(_)))
                .last()
                .map_or(body_end - body.len(), |(field, ..)| (field.at + field.len) as usize - value.len());
            debug_assert!(body_end <= end, "a field ends within its message");
            Some(Placed { field, key, value: Slice { at: value_at as u32, len: value.len() as u32 } })
        }
        _ => None,
    })
}

/// Walks the fields of a message with the place of each.
pub(super) fn placed_fields(message: &[u8], at: usize) -> impl Iterator<Item = (Slice, u32, Raw<'_>)> {
    let end = at + message.len();
    let mut fields = cursor::Fields::new(message);
    std::iter::from_fn(move || {
        let from = end - fields.rest().len();
        let field = fields.next()?;
        let to = end - fields.rest().len();
        Some((Slice { at: from as u32, len: (to - from) as u32 }, field.number, field.value))
    })
}
