//! What shards look for in spans, so that only the answer has to be kept.

use std::collections::HashMap;

use memchr::memmem::Finder;
use model::{KeySet, Slice, SpanRec, Traces, alert_event};
use wire::view::{self, AnyValue};

use super::ottl_condition::OttlConditionConfig;
use crate::{consistent::members, ottl::Sieve};

/// So many can be told apart.
pub(super) const MOST: usize = 128;
/// Parts the ids of objectives in one attribute.
pub(super) const SLO_SEPARATOR: char = ',';

/// What `enrichment` writes into spans of an operation that behaves unusually.
const IS_ANOMALOUS: &[u8] = b"trueline.anomaly.is_anomalous";
const SCORE: &[u8] = b"trueline.anomaly.score";
/// How the names of all such attributes begin.
const OURS: &[u8] = b"trueline.";

/// A W3C tracestate has no more members.
const MAX_MEMBERS: usize = 32;

/// What a span, or for some its resource, may be.
#[derive(Debug)]
pub(super) enum Condition {
    /// By OTLP's number: unset, ok, error.
    Status([bool; 3]),
    Text {
        key: String,
        values: Vec<Vec<u8>>,
    },
    Pattern {
        key: String,
        patterns: regex::bytes::RegexSet,
        /// Texts whose answer is remembered.
        remembered: usize,
    },
    Number {
        key: String,
        least: i64,
        most: i64,
    },
    Flag {
        key: String,
        value: bool,
    },
    TraceState {
        key: Vec<u8>,
        values: Vec<Vec<u8>>,
    },
    /// One of some conditions in OTTL.
    Ottl(OttlConditionConfig),
    /// The W3C flag by which the sender says that it sampled.
    SampledFlag,
    Anomalous {
        min_score: f64,
    },
    /// An objective is at risk; any when none is named.
    AtRisk {
        objectives: Vec<String>,
    },
}

impl Condition {
    /// The attribute of spans and resources that it reads.
    fn key(&self) -> Option<&str> {
        match self {
            Self::Text { key, .. }
            | Self::Pattern { key, .. }
            | Self::Number { key, .. }
            | Self::Flag { key, .. } => Some(key),
            _ => None,
        }
    }
}

/// Looks for conditions in the spans of one shard.
pub(super) struct Seeker {
    /// By status code the conditions that hold.
    of_status: [u128; 3],
    attributes: Vec<OfAttribute>,
    trace_states: Vec<(u128, Vec<u8>, Vec<Vec<u8>>)>,
    sampled_flag: u128,
    marks: Vec<(u128, Mark)>,
    marked: Finder<'static>,
    sieves: Vec<(u128, Sieve)>,
    /// By span of the request which of them hold.
    judged: Vec<u128>,
}

/// Longer texts are looked at each time, so that nobody fills memory with them. *Units*: bytes.
const REMEMBERED_TEXT: usize = 256;

struct OfAttribute {
    bit: u128,
    /// Where the table of spans has its value.
    slot: usize,
    condition: Condition,
    /// Answers that were given.
    known: HashMap<Vec<u8>, bool, rapidhash::fast::RandomState>,
}

enum Mark {
    Anomalous { min_score: f64 },
    AtRisk { objectives: Vec<String> },
}

impl Seeker {
    pub(super) fn new(conditions: Vec<Condition>) -> Self {
        let mut seeker = Self {
            of_status: [0; 3],
            attributes: Vec::new(),
            trace_states: Vec::new(),
            sampled_flag: 0,
            marks: Vec::new(),
            marked: Finder::new(OURS),
            sieves: Vec::new(),
            judged: Vec::new(),
        };
        for (place, condition) in conditions.into_iter().enumerate().take(MOST) {
            let bit = 1_u128 << place;
            match condition {
                Condition::Status(codes) => {
                    for (mask, _) in
                        seeker.of_status.iter_mut().zip(codes).filter(|(_, is_wanted)| *is_wanted)
                    {
                        *mask |= bit;
                    }
                }
                Condition::TraceState { key, values } => seeker.trace_states.push((bit, key, values)),
                Condition::Ottl(config) => seeker.sieves.push((bit, config.sieve())),
                Condition::SampledFlag => seeker.sampled_flag |= bit,
                Condition::Anomalous { min_score } => seeker.marks.push((bit, Mark::Anomalous { min_score })),
                Condition::AtRisk { objectives } => seeker.marks.push((bit, Mark::AtRisk { objectives })),
                condition => {
                    let known = HashMap::default();
                    seeker.attributes.push(OfAttribute { bit, slot: usize::MAX, condition, known });
                }
            }
        }
        seeker
    }

    pub(super) fn want(&mut self, keys: &mut KeySet) {
        for of in &mut self.attributes {
            if let Some(key) = of.condition.key() {
                of.slot = keys.want(key).0;
            }
        }
        self.sieves.iter_mut().for_each(|(_, sieve)| sieve.want(keys));
    }

    /// Begins a request. Returns how often a condition could not be judged of a span.
    pub(super) fn begin(&mut self, traces: &Traces) -> u64 {
        self.judged.clear();
        let mut failures = 0;
        for (bit, sieve) in &mut self.sieves {
            self.judged.resize(traces.table.spans.len(), 0);
            for (hits, is_kept) in self.judged.iter_mut().zip(sieve.judge(&traces.bytes, &traces.table)) {
                *hits |= if *is_kept { 0 } else { *bit };
            }
            failures += std::mem::take(&mut sieve.failures).count;
        }
        failures
    }

    /// Returns which conditions hold for a resource.
    pub(super) fn of_resource(&mut self, resource: &[u8]) -> u128 {
        let resource = view::Resource { body: resource };
        let mut hits = 0;
        for of in &mut self.attributes {
            let value = of.condition.key().and_then(|key| resource.attribute(key));
            if value.is_some_and(|value| of.holds(value, true)) {
                hits |= of.bit;
            }
        }
        hits
    }

    /// Returns which conditions hold for a span; those that are known to hold in its trace are not asked again.
    pub(super) fn of_span(&mut self, traces: &Traces, index: usize, span: &SpanRec, known: u128) -> u128 {
        let request = &traces.bytes[..];
        let mut hits = self.of_status.get(usize::from(span.status)).copied().unwrap_or(0);
        hits |= self.judged.get(index).copied().unwrap_or(0);
        let row = traces.table.values_of(index);
        for of in &mut self.attributes {
            let value = row.get(of.slot).copied().unwrap_or(Slice::ABSENT);
            if known & of.bit == 0 && !value.is_absent() && of.holds(AnyValue::of(value.of(request)), false) {
                hits |= of.bit;
            }
        }
        for (bit, key, values) in self.trace_states.iter().filter(|_| !span.trace_state.is_absent()) {
            if has_member(span.trace_state.of(request), key, values) {
                hits |= bit;
            }
        }
        let span = view::Span { body: span.body.of(request) };
        if self.sampled_flag & !known != 0 && span.flags() & 1 == 1 {
            hits |= self.sampled_flag;
        }
        if self.marks.iter().any(|(bit, _)| known & bit == 0) && self.marked.find(span.body).is_some() {
            hits |= self.of_marks(span);
        }
        hits
    }

    fn of_marks(&self, span: view::Span<'_>) -> u128 {
        let (mut is_anomalous, mut score, mut at_risk) = (false, 0.0, None);
        for attribute in span.attributes() {
            match (attribute.key, attribute.value()) {
                (IS_ANOMALOUS, AnyValue::Bool(flag)) => is_anomalous = flag,
                (SCORE, AnyValue::Double(number)) => score = number,
                (key, AnyValue::Str(ids)) if key == alert_event::SLO_ID.as_bytes() => at_risk = Some(ids),
                _ => {}
            }
        }
        let of_risk = |objectives: &[String]| {
            let mut ids = at_risk.unwrap_or_default().split(|byte| *byte == SLO_SEPARATOR as u8);
            ids.any(|id| match id.trim_ascii() {
                b"" => false,
                id => objectives.is_empty() || objectives.iter().any(|wanted| wanted.as_bytes() == id),
            })
        };
        let holds = |mark: &Mark| match mark {
            Mark::Anomalous { min_score } => is_anomalous && score >= *min_score,
            Mark::AtRisk { objectives } => of_risk(objectives),
        };
        self.marks.iter().filter(|(_, mark)| holds(mark)).map(|(bit, _)| bit).sum()
    }
}

impl OfAttribute {
    /// A value of another kind counts as zero, false or empty, as in the collector; an empty text of a span matches
    /// nothing there.
    fn holds(&mut self, value: AnyValue<'_>, is_resource: bool) -> bool {
        let text = match value {
            AnyValue::Str(text) => text,
            _ => b"",
        };
        let is_asked = is_resource || !text.is_empty();
        match &self.condition {
            Condition::Number { least, most, .. } => {
                let number = if let AnyValue::Int(number) = value { number } else { 0 };
                (*least..=*most).contains(&number)
            }
            Condition::Flag { value: wanted, .. } => (value == AnyValue::Bool(true)) == *wanted,
            Condition::Text { values, .. } => is_asked && values.iter().any(|known| known == text),
            Condition::Pattern { patterns, remembered, .. } if is_asked => {
                if let Some(answer) = self.known.get(text) {
                    return *answer;
                }
                let answer = patterns.is_match(text);
                if text.len() > REMEMBERED_TEXT {
                    return answer;
                }
                // Begins anew when it is full, which costs one look at each text.
                if self.known.len() >= *remembered {
                    self.known.clear();
                }
                self.known.insert(text.to_vec(), answer);
                answer
            }
            _ => false,
        }
    }
}

/// Whether a tracestate, which must be sound, has one of the values for a key.
fn has_member(text: &[u8], key: &[u8], values: &[Vec<u8>]) -> bool {
    let mut all = Vec::new();
    for member in members(text) {
        match member {
            None => return false,
            Some((b"", _)) => {}
            Some(member) => all.push(member),
        }
    }
    let is_repeated = |at: usize| all[..at].iter().any(|(known, _)| *known == all[at].0);
    if all.len() > MAX_MEMBERS || (0..all.len()).any(is_repeated) {
        return false;
    }
    all.iter().any(|(known, value)| *known == key && values.iter().any(|wanted| wanted == value))
}
