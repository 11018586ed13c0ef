//! Editors of metrics: what a metric holds is made into something else or scaled, or what it tells is put beside it as
//! a metric of its own.

use wire::raw::{self, Field, Raw};

use super::{
    arguments::Arguments,
    context::Context,
    convert::text,
    expression::{Expression, Resolver},
    fault::{Fault, unknown},
    fields::Place,
    item::Item,
    syntax::{Call, Kind},
    value::{Failure, Type},
};

/// The fields of a metric that hold points; one of them counts.
pub(super) const DATA: [u32; 5] = [GAUGE, SUM, HISTOGRAM, EXPONENTIAL, SUMMARY];

const GAUGE: u32 = 5;
const SUM: u32 = 7;
const HISTOGRAM: u32 = 9;
const EXPONENTIAL: u32 = 10;
pub(super) const SUMMARY: u32 = 11;

const DELTA: u64 = 1;
const CUMULATIVE: u64 = 2;

/// An editor with its arguments resolved.
#[derive(Debug)]
pub(super) enum MetricEditor {
    SumToGauge,
    GaugeToSum {
        temporality: u64,
        is_monotonic: bool,
    },
    Extract(Extract),
    Scale {
        multiplier: f64,
        unit: Option<Expression>,
    },
    /// Name, description and unit that the copy has for itself.
    Copy([Option<Expression>; 3]),
}

/// Makes a sum of the counts or sums of points.
#[derive(Debug)]
pub(super) struct Extract {
    of_counts: bool,
    /// None takes that of the metric; with one only summaries are looked at.
    temporality: Option<u64>,
    is_monotonic: bool,
    suffix: Vec<u8>,
}

const OF_SUMMARY: &[&str] = &["string_agg_temp", "monotonic", "suffix?"];

/// Names, where they may stand, and parameters.
const SIGNATURES: [(&str, Context, &[&str]); 8] = [
    ("convert_gauge_to_sum", Context::Metric, &["string_agg_temp", "monotonic"]),
    ("convert_sum_to_gauge", Context::Metric, &[]),
    ("convert_summary_count_val_to_sum", Context::DataPoint, OF_SUMMARY),
    ("convert_summary_sum_val_to_sum", Context::DataPoint, OF_SUMMARY),
    ("copy_metric", Context::Metric, &["name?", "description?", "unit?"]),
    ("extract_count_metric", Context::Metric, &["monotonic", "suffix?"]),
    ("extract_sum_metric", Context::Metric, &["monotonic", "suffix?"]),
    ("scale_metric", Context::Metric, &["multiplier", "unit?"]),
];

impl MetricEditor {
    pub(super) fn is_known(name: &str, context: Context) -> bool {
        SIGNATURES.iter().any(|(known, of, _)| *known == name && *of == context)
    }

    pub(super) fn names(context: Context) -> impl Iterator<Item = &'static str> {
        SIGNATURES.iter().filter(move |(_, of, _)| *of == context).map(|(name, ..)| *name)
    }

    /// Resolves a call; none where the name is no editor of metrics.
    ///
    /// *Errors*: one that does not exist in the context, or arguments that it does not take.
    pub(super) fn resolve(resolver: &mut Resolver, call: &Call) -> Result<Option<Self>, Fault> {
        let Some((name, of, parameters)) = SIGNATURES.iter().find(|(name, ..)| *name == call.name) else {
            return Ok(None);
        };
        if *of != resolver.context {
            let message = format!("{name} exists in the context {} alone", of.name());
            return Err(Fault::new(call.at, message));
        }
        let given = Arguments::new(call, parameters)?;
        let texts = |resolver: &mut Resolver, index: usize| {
            given.optional(index).map(|_| given.typed(resolver, index, Type::Text)).transpose()
        };
        let monotonic = |index: usize| {
            given.node(index)?;
            given.literal_bool(index, false)
        };
        let extract = |of_counts, temporality, monotonic_at: usize| {
            let suffix = match given.optional(monotonic_at + 1) {
                Some(_) => given.literal_text(monotonic_at + 1)?.to_vec(),
                None if of_counts => b"_count".to_vec(),
                None => b"_sum".to_vec(),
            };
            let is_monotonic = monotonic(monotonic_at)?;
            Ok(Self::Extract(Extract { of_counts, temporality, is_monotonic, suffix }))
        };
        let editor = match *name {
            "convert_sum_to_gauge" => Self::SumToGauge,
            "convert_gauge_to_sum" => {
                Self::GaugeToSum { temporality: temporality(&given)?, is_monotonic: monotonic(1)? }
            }
            "convert_summary_count_val_to_sum" => extract(true, Some(temporality(&given)?), 1)?,
            "convert_summary_sum_val_to_sum" => extract(false, Some(temporality(&given)?), 1)?,
            "extract_count_metric" => extract(true, None, 0)?,
            "extract_sum_metric" => extract(false, None, 0)?,
            "scale_metric" => {
                let node = given.node(0)?;
                let Kind::Double(multiplier) = node.kind else {
                    return Err(given.wrong(
                        0,
                        node.at,
                        "a double that is written out, such as 10.0",
                        "none",
                    ));
                };
                Self::Scale { multiplier, unit: texts(resolver, 1)? }
            }
            _ => Self::Copy([texts(resolver, 0)?, texts(resolver, 1)?, texts(resolver, 2)?]),
        };
        Ok(Some(editor))
    }

    /// Whether what it makes depends on the points as they are by now, and not on those that came.
    pub(super) fn looks_at_points(&self) -> bool {
        matches!(self, Self::Extract(Extract { temporality: Some(_), .. }))
    }

    /// Changes the metric that the item stands at, or adds one to its scope.
    ///
    /// *Errors*: a metric of a kind that it is not for, or too much that is new. Nothing is changed then.
    pub(super) fn edit(&self, item: &mut Item<'_>) -> Result<(), Failure> {
        match self {
            Self::SumToGauge if item.data == SUM => {
                let points = only_points(item.message(Place::Data));
                item.data = GAUGE;
                item.put(Place::Data, points);
                Ok(())
            }
            Self::GaugeToSum { temporality, is_monotonic } if item.data == GAUGE => {
                let mut sum = only_points(item.message(Place::Data));
                put_kind(&mut sum, *temporality, *is_monotonic);
                item.data = SUM;
                item.put(Place::Data, sum);
                Ok(())
            }
            Self::SumToGauge | Self::GaugeToSum { .. } => Ok(()),
            Self::Extract(extract) => match extract.of(item)? {
                Some(metric) => item.add(metric),
                None => Ok(()),
            },
            Self::Scale { multiplier, unit } => {
                let unit = unit.as_ref().map(|unit| Ok(text(unit.value(item)?)?.into_owned())).transpose()?;
                let scaled = scaled(item.data, item.message(Place::Data), *multiplier)?;
                item.put(Place::Data, scaled);
                if let Some(unit) = unit {
                    let metric = with_text(item.message(Place::Item), 3, &unit);
                    item.put(Place::Item, metric);
                }
                Ok(())
            }
            Self::Copy(texts) => {
                let mut copy = whole(item);
                for (number, told) in (1..).zip(texts) {
                    if let Some(told) = told {
                        copy = with_text(&copy, number, &text(told.value(item)?)?);
                    }
                }
                item.add(copy)
            }
        }
    }
}

fn temporality(given: &Arguments<'_>) -> Result<u64, Fault> {
    match given.literal_text(0)? {
        b"delta" => Ok(DELTA),
        b"cumulative" => Ok(CUMULATIVE),
        other => {
            let name = String::from_utf8_lossy(other).into_owned();
            let message = unknown("aggregation temporality", &name, &["delta", "cumulative"]);
            Err(Fault::new(given.node(0)?.at, message))
        }
    }
}

/// Returns the metric that an item stands at, with what was changed of it so far.
pub(super) fn whole(item: &Item<'_>) -> Vec<u8> {
    let own = item.message(Place::Item);
    let mut metric = Vec::with_capacity(own.len());
    for (range, _) in raw::fields(own).filter(|(_, field)| !DATA.contains(&field.number)) {
        metric.extend_from_slice(own.get(range).unwrap_or_default());
    }
    if item.data != 0 {
        raw::put(&mut metric, Field { number: item.data, value: Raw::Bytes(item.message(Place::Data)) });
    }
    metric
}

fn with_text(metric: &[u8], number: u32, text: &[u8]) -> Vec<u8> {
    let mut written = Vec::with_capacity(text.len() + 4);
    raw::put(&mut written, Field { number, value: Raw::Bytes(text) });
    raw::replace(metric, number, &written)
}

fn only_points(data: &[u8]) -> Vec<u8> {
    let mut points = Vec::with_capacity(data.len() + 4);
    for (range, _) in raw::fields(data).filter(|(_, field)| field.number == 1) {
        points.extend_from_slice(data.get(range).unwrap_or_default());
    }
    points
}

fn put_kind(sum: &mut Vec<u8>, temporality: u64, is_monotonic: bool) {
    raw::put(sum, Field { number: 2, value: Raw::Varint(temporality) });
    if is_monotonic {
        raw::put(sum, Field { number: 3, value: Raw::Varint(1) });
    }
}

impl Extract {
    /// Returns the new metric; none where no point has what is asked for.
    fn of(&self, item: &Item<'_>) -> Result<Option<Vec<u8>>, Failure> {
        let data = item.message(Place::Data);
        let temporality = match (self.temporality, item.data) {
            (Some(temporality), SUMMARY) => temporality,
            (Some(_), _) => return Ok(None),
            (None, SUMMARY) => CUMULATIVE,
            (None, HISTOGRAM | EXPONENTIAL) => match raw::last(data, 2) {
                Some(Raw::Varint(temporality @ (DELTA | CUMULATIVE))) => temporality,
                _ => return Err(Failure("the histogram has no aggregation temporality")),
            },
            (None, _) => {
                return Err(Failure("expected a histogram, an exponential histogram or a summary"));
            }
        };
        let mut sum = Vec::new();
        if self.temporality.is_some() {
            item.points_so_far().for_each(|point| self.put_point(item, point, &mut sum));
        } else {
            points(data).for_each(|point| self.put_point(item, point, &mut sum));
        }
        if sum.is_empty() {
            return Ok(None);
        }
        put_kind(&mut sum, temporality, self.is_monotonic);
        let own = item.message(Place::Item);
        let told = |number| match raw::last(own, number) {
            Some(Raw::Bytes(text)) => text,
            _ => &[],
        };
        let unit: &[u8] = if self.of_counts && self.temporality.is_none() { b"1" } else { told(3) };
        let mut metric = Vec::with_capacity(sum.len() + own.len());
        for (number, text) in
            [(1, [told(1), &self.suffix].concat()), (2, told(2).to_vec()), (3, unit.to_vec())]
        {
            raw::put(&mut metric, Field { number, value: Raw::Bytes(&text) });
        }
        raw::put(&mut metric, Field { number: SUM, value: Raw::Bytes(&sum) });
        Ok(Some(metric))
    }

    fn put_point(&self, item: &Item<'_>, point: &[u8], sum: &mut Vec<u8>) {
        let fixed = |number| match raw::last(point, number) {
            Some(Raw::Fixed64(bits)) => Some(bits),
            _ => None,
        };
        let value = match (self.of_counts, fixed(5)) {
            (true, _) => (6, fixed(4).unwrap_or(0)),
            (false, Some(bits)) => (4, bits),
            (false, None) if item.data == SUMMARY => (4, 0),
            (false, None) => return,
        };
        let mut out = Vec::with_capacity(point.len());
        for (number, bits) in [(2, fixed(2)), (3, fixed(3)), (value.0, Some(value.1))] {
            if let Some(bits) = bits {
                raw::put(&mut out, Field { number, value: Raw::Fixed64(bits) });
            }
        }
        let attributes = item.point_attributes();
        for (_, field) in raw::fields(point).filter(|(_, field)| field.number == attributes) {
            raw::put(&mut out, Field { number: 7, value: field.value });
        }
        raw::put(sum, Field { number: 1, value: Raw::Bytes(&out) });
    }
}

pub(super) fn points(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    raw::fields(data).filter_map(|(_, field)| match field.value {
        Raw::Bytes(point) if field.number == 1 => Some(point),
        _ => None,
    })
}

/// Multiplies what the points of a kind of metric tell; counts stay.
fn scaled(kind: u32, data: &[u8], by: f64) -> Result<Vec<u8>, Failure> {
    let double = |bits: u64| (f64::from_bits(bits) * by).to_bits();
    // As in Go; what does not fit becomes the nearest that does.
    let int = |bits: u64| ((bits as i64 as f64 * by) as i64) as u64;
    let number = |field: Field<'_>, of_double: u32, out: &mut Vec<u8>| match field.value {
        Raw::Fixed64(bits) if field.number == of_double => written(out, field.number, double(bits)),
        Raw::Fixed64(bits) if field.number == 6 => written(out, field.number, int(bits)),
        _ => false,
    };
    let point = |field: Field<'_>, out: &mut Vec<u8>| match (kind, field.number, field.value) {
        (GAUGE | SUM, ..) => number(field, 4, out),
        (HISTOGRAM, place @ (5 | 7 | 11 | 12), Raw::Fixed64(bits)) => written(out, place, double(bits)),
        // The bounds, packed.
        (HISTOGRAM, 7, Raw::Bytes(bounds)) => {
            let (bounds, _) = bounds.as_chunks::<8>();
            let scaled = bounds.iter().flat_map(|bound| double(u64::from_le_bytes(*bound)).to_le_bytes());
            within(out, 7, &scaled.collect::<Vec<u8>>())
        }
        (HISTOGRAM, 8, Raw::Bytes(exemplar)) => {
            within(out, 8, &rewritten(exemplar, |field, out| number(field, 3, out)))
        }
        (SUMMARY, 5, Raw::Fixed64(bits)) => written(out, 5, double(bits)),
        (SUMMARY, 6, Raw::Bytes(quantile)) => {
            let scaled = rewritten(quantile, |field, out| match field.value {
                Raw::Fixed64(bits) if field.number == 2 => written(out, 2, double(bits)),
                _ => false,
            });
            within(out, 6, &scaled)
        }
        _ => false,
    };
    if !matches!(kind, GAUGE | SUM | HISTOGRAM | SUMMARY) {
        return Err(Failure("expected a gauge, a sum, a histogram or a summary to scale"));
    }
    Ok(rewritten(data, |field, out| match field.value {
        Raw::Bytes(message) if field.number == 1 => within(out, 1, &rewritten(message, point)),
        _ => false,
    }))
}

fn written(out: &mut Vec<u8>, number: u32, bits: u64) -> bool {
    raw::put(out, Field { number, value: Raw::Fixed64(bits) });
    true
}

fn within(out: &mut Vec<u8>, number: u32, message: &[u8]) -> bool {
    raw::put(out, Field { number, value: Raw::Bytes(message) });
    true
}

/// Copies a message; a field that `write` does not write stays as it is.
fn rewritten(message: &[u8], write: impl Fn(Field<'_>, &mut Vec<u8>) -> bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len());
    for (range, field) in raw::fields(message) {
        if !write(field, &mut out) {
            out.extend_from_slice(message.get(range).unwrap_or_default());
        }
    }
    out
}
