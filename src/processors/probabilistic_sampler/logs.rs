//! Log records: what they say of their sampling stands in attributes.

use wire::{
    build::encode_value,
    edit::{Fate, Rewritten, put_attributes, rewrite_items},
    view::{AnyValue, LogRecord},
};

use super::{
    config::{OF_RECORD, ProbabilisticSamplerConfig},
    decide::{Carrier, Item, Mode, Verdict, hashed},
    processor::{Policy, Tally},
};
use crate::consistent::{
    KEPT_BY_ALL, randomness_of, read_randomness, read_threshold, threshold_of, write_randomness,
    write_threshold,
};

const THRESHOLD: &str = "sampling.threshold";
const RANDOMNESS: &str = "sampling.randomness";

/// The field of a log record that holds attributes.
const ATTRIBUTES: u32 = 6;

/// What the attributes of a record say.
#[derive(Default)]
struct Said<'a> {
    threshold: Option<&'a [u8]>,
    randomness: Option<&'a [u8]>,
    /// What is hashed.
    source: Option<AnyValue<'a>>,
    priority: Option<AnyValue<'a>>,
}

/// Returns what is left of the request, or none when all of it is.
pub(super) fn sample(
    request: &[u8],
    mode: Mode,
    config: &ProbabilisticSamplerConfig,
    tally: &mut Tally,
) -> Option<Rewritten> {
    rewrite_items(request, |body, out| {
        let record = LogRecord::of(body);
        let said = Said::of(&record, config);
        let (item, drawn, policy) = read(&record, &said, mode, config);
        let verdict = mode.decide(item, config.fail_closed);
        tally.count(
            if item.priority.is_some() { Policy::Priority } else { policy },
            verdict != Verdict::Dropped,
        );
        let threshold = match verdict {
            Verdict::Dropped => return Fate::Drop,
            Verdict::Kept => return Fate::Keep,
            Verdict::Marked(threshold) => threshold,
        };
        let text = |text: String| encode_value(AnyValue::Str(text.as_bytes()));
        let randomness = drawn.map(|drawn| text(write_randomness(drawn)));
        let threshold = threshold.map(write_threshold);
        let is_new = threshold.as_ref().is_some_and(|new| said.threshold != Some(new.as_bytes()));
        if randomness.is_none() && !is_new {
            return Fate::Keep;
        }
        let threshold = threshold.map(text);
        let changes = [(RANDOMNESS, &randomness), (THRESHOLD, &threshold)];
        let changes = changes.iter().filter_map(|(key, value)| Some((*key, Some(value.as_deref()?))));
        put_attributes(body, ATTRIBUTES, &changes.collect::<Vec<_>>(), out);
        Fate::Replace
    })
}

impl<'a> Said<'a> {
    /// Of duplicates the first counts.
    fn of(record: &LogRecord<'a>, config: &ProbabilisticSamplerConfig) -> Self {
        let (mut threshold, mut randomness, mut source, mut priority) = (None, None, None, None);
        for attribute in record.attributes() {
            let key = attribute.key;
            let first = |place: &mut Option<AnyValue<'a>>| {
                place.get_or_insert_with(|| attribute.value());
            };
            if key == THRESHOLD.as_bytes() {
                first(&mut threshold);
            }
            if key == RANDOMNESS.as_bytes() {
                first(&mut randomness);
            }
            if !key.is_empty() && key == config.from_attribute.as_bytes() {
                first(&mut source);
            }
            if !key.is_empty() && key == config.sampling_priority.as_bytes() {
                first(&mut priority);
            }
        }
        let text = |value: Option<AnyValue<'a>>| match value {
            Some(AnyValue::Str(text)) if !text.is_empty() => Some(text),
            _ => None,
        };
        Self { threshold: text(threshold), randomness: text(randomness), source, priority }
    }

    fn threshold_of_priority(&self, digits: u32) -> Option<u64> {
        let percentage = match self.priority? {
            AnyValue::Double(number) => number,
            AnyValue::Int(number) => number as f64,
            _ => return None,
        };
        threshold_of(percentage / 100.0, digits)
    }
}

/// Returns what is known of a record, and the randomness that it is to carry from now on.
fn read(
    record: &LogRecord<'_>,
    said: &Said<'_>,
    mode: Mode,
    config: &ProbabilisticSamplerConfig,
) -> (Item, Option<u64>, Policy) {
    let trace =
        record.trace_id.first_chunk::<16>().filter(|id| record.trace_id.len() == 16 && **id != [0; 16]);
    let (sent_threshold, sent_randomness) =
        (said.threshold.map(read_threshold), said.randomness.map(read_randomness));
    let is_sound = sent_threshold != Some(None) && sent_randomness != Some(None);
    let (sent_threshold, sent_randomness) = (sent_threshold.flatten(), sent_randomness.flatten());
    let priority = said.threshold_of_priority(config.sampling_precision);
    let carrier = Carrier { threshold: sent_threshold };
    let mut item = Item { randomness: None, carrier: Some(carrier), has_failed: !is_sound, priority };
    let mut drawn = None;
    let policy;
    match mode {
        Mode::Never => {
            (item.randomness, policy) = (Some(KEPT_BY_ALL), Policy::Priority);
        }
        Mode::Hash { seed, .. } => {
            let by_trace = trace.filter(|_| config.attribute_source != OF_RECORD).map(|id| hashed(id, seed));
            let by_source = || said.source.and_then(|value| hashed_value(value, seed));
            item.randomness = by_trace.or_else(by_source);
            policy = match (by_trace, item.randomness) {
                (Some(_), _) => Policy::TraceIdHash,
                (None, Some(_)) => Policy::Attribute,
                (None, None) => Policy::Missing,
            };
            // Whoever samples consistently before should not hash here.
            item.has_failed |= sent_randomness.is_some() || sent_threshold.is_some();
            match item.has_failed {
                true => item.carrier = None,
                false => drawn = item.randomness,
            }
        }
        Mode::Equalizing { .. } | Mode::Proportional { .. } => {
            if !is_sound {
                (item.carrier, policy) = (None, Policy::Missing);
            } else if sent_randomness.is_some() {
                (item.randomness, policy) = (sent_randomness, Policy::SentRandomness);
            } else {
                item.randomness = trace.map(randomness_of);
                policy = if trace.is_some() { Policy::TraceId } else { Policy::Missing };
            }
        }
    }
    (item, drawn, policy)
}

fn hashed_value(value: AnyValue<'_>, seed: u32) -> Option<u64> {
    match value {
        AnyValue::Bytes(bytes) | AnyValue::Str(bytes) => (!bytes.is_empty()).then(|| hashed(bytes, seed)),
        other => {
            let text = other.to_label_string();
            (!text.is_empty()).then(|| hashed(text.as_bytes(), seed))
        }
    }
}
