//! Series to the body of a request.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use prost::{Message, encoding::message};

use super::{
    config::ProtobufMessage,
    messages::{Histogram, v1, v2},
    spread::{Spread, Spreader},
};
use crate::prometheus_names::{Exemplar, Family, FamilyKind, Label, Series, list_series};

/// What a request holds. Headers of an answer count in the same units.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Counts {
    /// Series and groups of series taken from the queue.
    pub series: usize,
    /// Data points, which is what senders count.
    pub points: u64,
    pub time_series: u64,
    pub samples: u64,
    pub histograms: u64,
    pub exemplars: u64,
}

/// One request, ready to be sent.
#[derive(Debug)]
pub(super) struct Request {
    /// One snappy block.
    pub body: Bytes,
    pub counts: Counts,
}

/// What encoding depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub message: ProtobufMessage,
    /// *Units*: bytes before compression. One series, or group of a histogram's series, may be larger.
    pub max_bytes: usize,
    /// Only version 2 can carry histograms with chosen bounds as native ones.
    pub custom_buckets: bool,
    pub send_metadata: bool,
}

/// Encodes as many of the first series as fit into one request, at least one.
///
/// # Errors
/// When the body is above snappy's limit of 4 GiB.
pub(super) fn encode(
    series: &[Series],
    options: Options,
    spreader: &mut Spreader,
) -> Result<Request, snap::Error> {
    let (body, counts) = match options.message {
        ProtobufMessage::V1 => encode_v1(series, options, spreader),
        ProtobufMessage::V2 => encode_v2(series, options, spreader),
    };
    Ok(Request { body: snap::raw::Encoder::new().compress_vec(&body)?.into(), counts })
}

fn encode_v1(all: &[Series], options: Options, spreader: &mut Spreader) -> (Vec<u8>, Counts) {
    let (mut body, mut counts) = (Vec::new(), Counts::default());
    for series in all {
        let spreads = spreader.spread(series, false);
        let before = body.len();
        for spread in &spreads {
            message::encode(v1::TIMESERIES, &time_series_v1(series, spread), &mut body);
        }
        if counts.series > 0 && body.len() > options.max_bytes {
            body.truncate(before);
            break;
        }
        counts.add(series, &spreads);
    }
    if options.send_metadata {
        for family in metadata_v1(&all[..counts.series]) {
            message::encode(v1::METADATA, &family, &mut body);
        }
    }
    (body, counts)
}

fn time_series_v1(series: &Series, spread: &Spread<'_>) -> v1::TimeSeries {
    let mut list = Vec::with_capacity(series.labels.len() + 2);
    list_series(&series.labels, spread.name, spread.extra.as_ref(), &mut list);
    let sample = |number: &super::spread::Number| v1::Sample { value: number.value, timestamp: number.at_ms };
    v1::TimeSeries {
        labels: list.iter().map(|&(name, value)| label_v1(name, value)).collect(),
        samples: spread.samples.iter().map(sample).collect(),
        exemplars: spread.exemplars.iter().map(|exemplar| exemplar_v1(exemplar)).collect(),
        histograms: spread.histograms.iter().map(|h| Histogram::new(h.value.clone(), h.at_ms, 0)).collect(),
    }
}

fn label_v1(name: &Bytes, value: &Bytes) -> v1::Label {
    v1::Label { name: name.clone(), value: value.clone() }
}

fn exemplar_v1(exemplar: &Exemplar) -> v1::Exemplar {
    let labels = exemplar.labels.iter().map(|Label { name, value }| label_v1(name, value)).collect();
    v1::Exemplar { labels, value: exemplar.value, timestamp: exemplar.at_ms }
}

fn metadata_v1(all: &[Series]) -> Vec<v1::MetricMetadata> {
    let mut seen = HashSet::new();
    let families =
        all.iter().map(|series| &series.family).filter(|family| seen.insert(family.names.name.clone()));
    let described = families.map(|family| v1::MetricMetadata {
        r#type: type_number(family.kind),
        metric_family_name: family.names.name.clone(),
        help: family.help.clone(),
        unit: family.names.unit.clone(),
    });
    described.collect()
}

fn encode_v2(all: &[Series], options: Options, spreader: &mut Spreader) -> (Vec<u8>, Counts) {
    let mut symbols = Symbols::new();
    let mut timeseries = Vec::new();
    let (mut counts, mut bytes) = (Counts::default(), 0);
    for series in all {
        let spreads = spreader.spread(series, options.custom_buckets);
        let mark = symbols.list.len();
        let before = symbols.bytes;
        let made: Vec<v2::TimeSeries> =
            spreads.iter().map(|spread| time_series_v2(series, spread, &mut symbols)).collect();
        let more = made.iter().map(|one| one.encoded_len() + 6).sum::<usize>() + symbols.bytes - before;
        if counts.series > 0 && bytes + more > options.max_bytes {
            symbols.list.truncate(mark);
            break;
        }
        bytes += more;
        counts.add(series, &spreads);
        timeseries.extend(made);
    }
    (v2::Request { symbols: symbols.list, timeseries }.encode_to_vec(), counts)
}

fn time_series_v2(series: &Series, spread: &Spread<'_>, symbols: &mut Symbols) -> v2::TimeSeries {
    let mut list = Vec::with_capacity(series.labels.len() + 2);
    list_series(&series.labels, spread.name, spread.extra.as_ref(), &mut list);
    let sample = |number: &super::spread::Number| v2::Sample {
        value: number.value,
        timestamp: number.at_ms,
        start_timestamp: number.start_ms,
    };
    v2::TimeSeries {
        labels_refs: list.iter().flat_map(|&(name, value)| symbols.pair(name, value)).collect(),
        samples: spread.samples.iter().map(sample).collect(),
        histograms: spread
            .histograms
            .iter()
            .map(|h| Histogram::new(h.value.clone(), h.at_ms, h.start_ms))
            .collect(),
        exemplars: spread.exemplars.iter().map(|exemplar| exemplar_v2(exemplar, symbols)).collect(),
        metadata: Some(metadata_v2(&series.family, symbols)),
    }
}

fn exemplar_v2(exemplar: &Exemplar, symbols: &mut Symbols) -> v2::Exemplar {
    let labels_refs =
        exemplar.labels.iter().flat_map(|label| symbols.pair(&label.name, &label.value)).collect();
    v2::Exemplar { labels_refs, value: exemplar.value, timestamp: exemplar.at_ms }
}

fn metadata_v2(family: &Family, symbols: &mut Symbols) -> v2::Metadata {
    let (help_ref, unit_ref) = (symbols.number(&family.help), symbols.number(&family.names.unit));
    v2::Metadata { r#type: type_number(family.kind), help_ref, unit_ref }
}

/// Both versions number types alike.
const fn type_number(kind: FamilyKind) -> i32 {
    match kind {
        FamilyKind::Counter => 1,
        FamilyKind::Gauge => 2,
        FamilyKind::Histogram => 3,
        FamilyKind::Summary => 5,
    }
}

/// The strings of a request, each once.
struct Symbols {
    list: Vec<Bytes>,
    numbers: HashMap<Bytes, u32, rapidhash::quality::RandomState>,
    /// What the list takes on the wire.
    bytes: usize,
}

impl Symbols {
    fn new() -> Self {
        let mut symbols = Self { list: Vec::new(), numbers: HashMap::default(), bytes: 0 };
        symbols.number(&Bytes::new());
        symbols
    }

    fn number(&mut self, text: &Bytes) -> u32 {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let number = u32::try_from(self.list.len()).expect("a request holds fewer strings than bytes");
        self.list.push(text.clone());
        self.numbers.insert(text.clone(), number);
        self.bytes += text.len() + 6;
        number
    }

    fn pair(&mut self, name: &Bytes, value: &Bytes) -> [u32; 2] {
        [self.number(name), self.number(value)]
    }
}

impl Counts {
    fn add(&mut self, series: &Series, spreads: &[Spread<'_>]) {
        self.series += 1;
        self.points += series.samples.len() as u64;
        self.time_series += spreads.len() as u64;
        for spread in spreads {
            self.samples += spread.samples.len() as u64;
            self.histograms += spread.histograms.len() as u64;
            self.exemplars += spread.exemplars.len() as u64;
        }
    }
}
