//! A series with its values, spread over the series that Prometheus keeps for it.

use std::collections::HashMap;

use bytes::Bytes;

use super::{messages::Native, native};
use crate::prometheus_names::{Exemplar, Explicit, Label, STALE_NAN, Sample, Series, Summary, Value};

/// One series as it goes on the wire.
#[derive(Debug)]
pub(super) struct Spread<'a> {
    pub name: &'a Bytes,
    /// `le` or `quantile`.
    pub extra: Option<Label>,
    pub samples: Vec<Number>,
    pub histograms: Vec<Timed<Native>>,
    pub exemplars: Vec<&'a Exemplar>,
}

/// A value at a time, and when it was zero. *Units*: milliseconds since the epoch; a start of 0 is unknown.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Timed<T> {
    pub value: T,
    pub at_ms: i64,
    pub start_ms: i64,
}

pub(super) type Number = Timed<f64>;

/// Spreads series; remembers how bounds are written, since the same ones come again and again.
#[derive(Default)]
pub(super) struct Spreader {
    written: HashMap<u64, Bytes>,
}

/// How many bounds and quantiles are remembered; when they are more, they are written out anew.
const CAPACITY: usize = 16_384;

impl Spreader {
    /// Returns the series to send, each once, with samples in order of time.
    ///
    /// With `custom_buckets`, histograms with chosen bounds become native ones.
    pub(super) fn spread<'a>(&mut self, series: &'a Series, custom_buckets: bool) -> Vec<Spread<'a>> {
        let mut spreads = Vec::new();
        for sample in &series.samples {
            self.spread_sample(series, sample, custom_buckets, &mut Place { spreads: &mut spreads, next: 0 });
        }
        for spread in &mut spreads {
            spread.exemplars.sort_by_key(|exemplar| exemplar.at_ms);
        }
        spreads
    }

    fn spread_sample<'a>(
        &mut self,
        series: &'a Series,
        sample: &'a Sample,
        custom: bool,
        place: &mut Place<'_, 'a>,
    ) {
        let names = &series.family.names;
        match &sample.value {
            Value::Number(value) => {
                let spread = place.number(&names.name, None, sample, *value);
                spread.exemplars.extend(&sample.exemplars);
            }
            Value::Explicit(histogram) => {
                match native::of_explicit(histogram) {
                    Some(native) if custom => place.native(&names.name, sample, native),
                    _ => self.spread_buckets(series, sample, histogram, place),
                };
            }
            Value::Exponential(histogram) => {
                // Scales out of range have been dropped and counted before.
                if let Some(native) = native::of_exponential(histogram) {
                    place.native(&names.name, sample, native);
                }
            }
            Value::Summary(summary) => self.spread_summary(series, sample, summary, place),
        }
    }

    fn spread_buckets<'a>(
        &mut self,
        series: &'a Series,
        sample: &'a Sample,
        histogram: &Explicit,
        place: &mut Place<'_, 'a>,
    ) {
        let names = &series.family.names;
        let mut cumulative = 0_u64;
        let mut below = f64::NEG_INFINITY;
        for (&bound, &count) in histogram.bounds.iter().zip(&histogram.counts) {
            cumulative = cumulative.saturating_add(count);
            let spread =
                place.number(&names.bucket, Some(self.label("le", bound)), sample, cumulative as f64);
            spread.exemplars.extend(sample.exemplars.iter().filter(|e| e.value > below && e.value <= bound));
            below = bound;
        }
        let all = place.number(
            &names.bucket,
            Some(self.label("le", f64::INFINITY)),
            sample,
            histogram.count as f64,
        );
        // What is not a number lies in no bucket but the last.
        all.exemplars.extend(sample.exemplars.iter().filter(|e| e.value > below || e.value.is_nan()));
        if let Some(sum) = histogram.sum {
            place.number(&names.sum, None, sample, sum);
        }
        place.number(&names.count, None, sample, histogram.count as f64);
    }

    fn spread_summary<'a>(
        &mut self,
        series: &'a Series,
        sample: &Sample,
        summary: &Summary,
        place: &mut Place<'_, 'a>,
    ) {
        let names = &series.family.names;
        for &(quantile, value) in &summary.quantiles {
            place.number(&names.name, Some(self.label("quantile", quantile)), sample, value);
        }
        place.number(&names.sum, None, sample, summary.sum);
        place.number(&names.count, None, sample, summary.count as f64);
    }

    fn label(&mut self, name: &'static str, value: f64) -> Label {
        if self.written.len() >= CAPACITY {
            self.written.clear();
        }
        let written = self.written.entry(value.to_bits()).or_insert_with(|| {
            // The shortest decimal that reads back as the same number, as Prometheus writes it.
            if value == f64::INFINITY { Bytes::from_static(b"+Inf") } else { value.to_string().into() }
        });
        Label { name: Bytes::from_static(name.as_bytes()), value: written.clone() }
    }
}

/// Where the next value goes. Samples of one series are alike, so the series after the last one is
/// nearly always the right one.
struct Place<'s, 'a> {
    spreads: &'s mut Vec<Spread<'a>>,
    next: usize,
}

impl<'a> Place<'_, 'a> {
    fn number(
        &mut self,
        name: &'a Bytes,
        extra: Option<Label>,
        sample: &Sample,
        value: f64,
    ) -> &mut Spread<'a> {
        let value = if sample.is_stale { STALE_NAN } else { value };
        let spread = self.find(name, extra);
        spread.samples.push(Number { value, at_ms: sample.at_ms, start_ms: sample.start_ms });
        spread
    }

    fn native(&mut self, name: &'a Bytes, sample: &'a Sample, native: Native) {
        let ended = || Native { schema: native.schema, sum: STALE_NAN, ..Native::default() };
        let value = if sample.is_stale { ended() } else { native };
        let spread = self.find(name, None);
        spread.histograms.push(Timed { value, at_ms: sample.at_ms, start_ms: sample.start_ms });
        spread.exemplars.extend(&sample.exemplars);
    }

    fn find(&mut self, name: &'a Bytes, extra: Option<Label>) -> &mut Spread<'a> {
        let is_it = |spread: &Spread<'_>| spread.name == name && spread.extra == extra;
        let at = match self.spreads.get(self.next) {
            Some(spread) if is_it(spread) => Some(self.next),
            _ => self.spreads.iter().position(is_it),
        };
        let at = at.unwrap_or_else(|| {
            let (samples, histograms, exemplars) = (Vec::new(), Vec::new(), Vec::new());
            self.spreads.push(Spread { name, extra, samples, histograms, exemplars });
            self.spreads.len() - 1
        });
        self.next = at + 1;
        &mut self.spreads[at]
    }
}
