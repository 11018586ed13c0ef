//! What survives a restart, versioned.

use std::{sync::Arc, time::Duration};

use component::RestoreError;
use model::{Series, Statistic, Timestamp, TraceId};
use prost::Message;
use rapidhash::v3::rapidhash_v3;
use stats::{EwCovariance, Tail, TokenBucket};

use super::{
    detectors::{Detector, Evidence, Forest, Relation},
    episodes::{Episode, Peak, Severity},
    hierarchy::{Purse, Withheld},
    judge::Row,
    levels::Tuning,
    record::{Reader, maturity_of, write},
    state::{SeriesState, Traits},
};

pub(super) const VERSION: u32 = 1;

/// All that a stage remembers.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// Width of the windows that all counts of windows are of.
    pub(super) window: Duration,
    pub(super) series: Vec<(u64, SeriesState)>,
    pub(super) episodes: Vec<Episode>,
    pub(super) purses: Vec<(Arc<str>, Purse)>,
    pub(super) tunings: Vec<Tuning>,
    pub(super) relations: Vec<Relation>,
    pub(super) forests: Vec<(Arc<str>, Forest)>,
    /// Services whose open episodes were reported at the last window.
    pub(super) reported: Vec<Arc<str>>,
}

#[derive(Clone, PartialEq, Message)]
struct AnomalySnapshot {
    /// In the layout of `record`.
    #[prost(bytes = "vec", tag = "1")]
    series: Vec<u8>,
    #[prost(message, repeated, tag = "2")]
    episodes: Vec<EpisodeRecord>,
    #[prost(message, repeated, tag = "3")]
    purses: Vec<PurseRecord>,
    #[prost(message, repeated, tag = "4")]
    tunings: Vec<TuningRecord>,
    #[prost(message, repeated, tag = "5")]
    relations: Vec<RelationRecord>,
    #[prost(string, repeated, tag = "6")]
    reported: Vec<String>,
    /// Nanoseconds.
    #[prost(fixed64, tag = "7")]
    window: u64,
    #[prost(message, repeated, tag = "8")]
    forests: Vec<ForestRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct EpisodeRecord {
    #[prost(fixed64, tag = "1")]
    id: u64,
    #[prost(message, required, tag = "2")]
    series: SeriesRecord,
    #[prost(uint32, tag = "3")]
    configured_marks: u32,
    #[prost(fixed64, tag = "4")]
    start: u64,
    #[prost(fixed64, tag = "5")]
    active: u64,
    #[prost(float, tag = "6")]
    score: f32,
    #[prost(message, required, tag = "7")]
    peak: PeakRecord,
    #[prost(float, repeated, tag = "8")]
    evidence: Vec<f32>,
    #[prost(double, tag = "9")]
    confidence: f64,
    #[prost(uint32, tag = "10")]
    severity: u32,
    #[prost(bool, tag = "11")]
    is_expired: bool,
    /// One more than the severity.
    #[prost(uint32, tag = "12")]
    told: u32,
    /// One more than the reason.
    #[prost(uint32, tag = "13")]
    withheld: u32,
    #[prost(bytes = "vec", repeated, tag = "14")]
    exemplars: Vec<Vec<u8>>,
    #[prost(float, tag = "15")]
    alarm: f32,
}

#[derive(Clone, PartialEq, Message)]
struct SeriesRecord {
    #[prost(bytes = "vec", tag = "1")]
    resource: Vec<u8>,
    #[prost(string, tag = "2")]
    metric: String,
    #[prost(string, tag = "3")]
    unit: String,
    #[prost(bytes = "vec", tag = "4")]
    attributes: Vec<u8>,
    #[prost(string, tag = "5")]
    statistic: String,
    #[prost(string, tag = "6")]
    service: String,
    #[prost(fixed64, tag = "7")]
    fingerprint: u64,
}

#[derive(Clone, PartialEq, Message)]
struct PeakRecord {
    #[prost(fixed64, tag = "1")]
    at: u64,
    #[prost(float, tag = "2")]
    score: f32,
    #[prost(double, tag = "3")]
    z: f64,
    /// Value, expectation, band, then the same on the working scale.
    #[prost(double, repeated, tag = "4")]
    numbers: Vec<f64>,
    #[prost(uint64, tag = "5")]
    support: u64,
    #[prost(uint32, tag = "6")]
    maturity: u32,
    #[prost(bool, tag = "7")]
    is_absent: bool,
}

#[derive(Clone, PartialEq, Message)]
struct PurseRecord {
    #[prost(string, tag = "1")]
    service: String,
    #[prost(double, tag = "2")]
    tokens: f64,
    #[prost(fixed64, tag = "3")]
    updated: u64,
    #[prost(fixed64, tag = "4")]
    told: u64,
}

#[derive(Clone, PartialEq, Message)]
struct TuningRecord {
    #[prost(double, tag = "1")]
    alarms: f64,
    #[prost(double, tag = "2")]
    series_days: f64,
    #[prost(double, tag = "3")]
    since: f64,
    #[prost(double, tag = "4")]
    decades: f64,
}

#[derive(Clone, PartialEq, Message)]
struct RelationRecord {
    #[prost(string, tag = "1")]
    first: String,
    #[prost(string, tag = "2")]
    second: String,
    #[prost(float, repeated, tag = "3")]
    usual: Vec<f32>,
    #[prost(float, repeated, tag = "4")]
    now: Vec<f32>,
}

#[derive(Clone, PartialEq, Message)]
struct ForestRecord {
    #[prost(string, tag = "1")]
    service: String,
    #[prost(fixed64, repeated, tag = "2")]
    places: Vec<u64>,
    #[prost(float, repeated, tag = "3")]
    points: Vec<f32>,
    #[prost(uint64, tag = "4")]
    epoch: u64,
    /// Threshold, mean excess, variance.
    #[prost(float, repeated, tag = "5")]
    tail: Vec<f32>,
    #[prost(uint32, tag = "6")]
    values: u32,
    #[prost(uint32, tag = "7")]
    excesses: u32,
    #[prost(uint32, tag = "8")]
    idle: u32,
}

impl Memory {
    /// Returns the snapshot's bytes: their hash first, so that none is missing or changed.
    pub(super) fn encode<'a>(&self, series: impl Iterator<Item = (u64, &'a SeriesState)>) -> Vec<u8> {
        let mut records = Vec::new();
        series.for_each(|(fingerprint, state)| write(&mut records, fingerprint, state));
        let snapshot = AnomalySnapshot {
            series: records,
            episodes: self.episodes.iter().map(EpisodeRecord::of).collect(),
            purses: self.purses.iter().map(|(service, purse)| PurseRecord::of(service, purse)).collect(),
            tunings: self.tunings.iter().map(TuningRecord::of).collect(),
            relations: self.relations.iter().map(RelationRecord::of).collect(),
            window: self.window.as_nanos() as u64,
            forests: self.forests.iter().map(|(service, forest)| ForestRecord::of(service, forest)).collect(),
            reported: self.reported.iter().map(|service| service.to_string()).collect(),
        };
        let body = snapshot.encode_to_vec();
        let mut out = rapidhash_v3(&body).to_le_bytes().to_vec();
        out.extend(body);
        out
    }

    /// Reads a snapshot.
    ///
    /// # Errors
    /// When the bytes are cut or changed.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, RestoreError> {
        let damaged = |what: &str| RestoreError::Damaged(what.to_owned());
        let body =
            bytes.split_first_chunk().filter(|(hash, body)| u64::from_le_bytes(**hash) == rapidhash_v3(body));
        let (_, body) = body.ok_or_else(|| damaged("its bytes are not those that were written"))?;
        let snapshot =
            AnomalySnapshot::decode(body).map_err(|problem| RestoreError::Damaged(problem.to_string()))?;
        let mut memory = Self {
            window: Duration::from_nanos(snapshot.window),
            purses: snapshot.purses.iter().map(PurseRecord::read).collect(),
            tunings: snapshot.tunings.iter().map(TuningRecord::read).collect(),
            reported: snapshot.reported.iter().map(|service| service.as_str().into()).collect(),
            ..Self::default()
        };
        let mut reader = Reader(&snapshot.series);
        while !reader.0.is_empty() {
            memory.series.push(reader.series().ok_or_else(|| damaged("a series is not readable"))?);
        }
        for record in &snapshot.episodes {
            memory.episodes.push(record.read().ok_or_else(|| damaged("an episode is not readable"))?);
        }
        for record in &snapshot.relations {
            memory.relations.push(record.read().ok_or_else(|| damaged("a relation is not readable"))?);
        }
        for record in &snapshot.forests {
            memory.forests.push(record.read().ok_or_else(|| damaged("a forest is not readable"))?);
        }
        Ok(memory)
    }
}

impl EpisodeRecord {
    fn of(episode: &Episode) -> Self {
        Self {
            id: episode.id,
            series: SeriesRecord::of(&episode.series),
            configured_marks: u32::from(episode.traits.marks),
            start: episode.start.as_nanos(),
            active: episode.active.as_nanos(),
            score: episode.score,
            peak: PeakRecord::of(&episode.peak),
            evidence: episode.evidence.scores.to_vec(),
            confidence: episode.confidence,
            severity: episode.severity as u32,
            is_expired: episode.is_expired,
            told: episode.told.map_or(0, |severity| severity as u32 + 1),
            withheld: match episode.withheld {
                None => 0,
                Some(Withheld::NotSignificant) => 1,
                Some(Withheld::Budget) => 2,
            },
            exemplars: episode.exemplars.iter().map(|id| id.to_vec()).collect(),
            alarm: episode.alarm,
        }
    }

    fn read(&self) -> Option<Episode> {
        let series = Arc::new(self.series.read()?);
        let exemplars = self.exemplars.iter().map(|id| TraceId::try_from(&id[..]).ok());
        Some(Episode {
            id: self.id,
            traits: Traits::of(&series, u8::try_from(self.configured_marks).ok()?),
            series,
            start: Timestamp(self.start),
            active: Timestamp(self.active),
            score: self.score,
            alarm: self.alarm,
            peak: self.peak.read()?,
            evidence: Evidence { scores: <[f32; Detector::COUNT]>::try_from(&self.evidence[..]).ok()? },
            confidence: self.confidence,
            severity: severity_of(self.severity)?,
            is_expired: self.is_expired,
            told: match self.told.checked_sub(1) {
                None => None,
                Some(number) => Some(severity_of(number)?),
            },
            withheld: match self.withheld {
                0 => None,
                1 => Some(Withheld::NotSignificant),
                2 => Some(Withheld::Budget),
                _ => return None,
            },
            exemplars: exemplars.collect::<Option<_>>()?,
        })
    }
}

fn severity_of(number: u32) -> Option<Severity> {
    Severity::ALL.into_iter().find(|severity| *severity as u32 == number)
}

impl SeriesRecord {
    fn of(series: &Series) -> Self {
        Self {
            resource: series.resource.to_vec(),
            metric: series.metric.to_string(),
            unit: series.unit.to_string(),
            attributes: series.attributes.to_vec(),
            statistic: series.statistic.name().to_owned(),
            service: series.service.to_string(),
            fingerprint: series.fingerprint,
        }
    }

    fn read(&self) -> Option<Series> {
        Some(Series {
            resource: self.resource.as_slice().into(),
            metric: self.metric.as_str().into(),
            unit: self.unit.as_str().into(),
            attributes: self.attributes.as_slice().into(),
            statistic: Statistic::of_name(&self.statistic)?,
            service: self.service.as_str().into(),
            fingerprint: self.fingerprint,
        })
    }
}

impl PeakRecord {
    fn of(peak: &Peak) -> Self {
        let row = &peak.row;
        let numbers = vec![
            row.value,
            row.expected,
            row.lower,
            row.upper,
            row.observed,
            row.predicted,
            row.seasonal,
            row.scale,
        ];
        Self {
            at: peak.at.as_nanos(),
            score: peak.score,
            z: peak.z,
            numbers,
            support: row.support,
            maturity: row.maturity as u32,
            is_absent: row.is_absent,
        }
    }

    fn read(&self) -> Option<Peak> {
        let [value, expected, lower, upper, observed, predicted, seasonal, scale] =
            <[f64; 8]>::try_from(&self.numbers[..]).ok()?;
        let row = Row {
            value,
            support: self.support,
            expected,
            lower,
            upper,
            observed,
            predicted,
            seasonal,
            scale,
            maturity: maturity_of(u8::try_from(self.maturity).ok()?)?,
            is_absent: self.is_absent,
        };
        Some(Peak { at: Timestamp(self.at), score: self.score, z: self.z, row })
    }
}

impl PurseRecord {
    fn of(service: &str, purse: &Purse) -> Self {
        Self {
            service: service.to_owned(),
            tokens: purse.bucket.tokens,
            updated: purse.bucket.updated,
            told: purse.told.as_nanos(),
        }
    }

    fn read(&self) -> (Arc<str>, Purse) {
        let bucket = TokenBucket { tokens: self.tokens, updated: self.updated };
        (self.service.as_str().into(), Purse { bucket, told: Timestamp(self.told) })
    }
}

impl TuningRecord {
    fn of(tuning: &Tuning) -> Self {
        let Tuning { alarms, series_days, since, decades } = *tuning;
        Self { alarms, series_days, since, decades }
    }

    fn read(&self) -> Tuning {
        let Self { alarms, series_days, since, decades } = *self;
        Tuning { alarms, series_days, since, decades }
    }
}

impl RelationRecord {
    fn of(relation: &Relation) -> Self {
        let numbers = |of: &EwCovariance| {
            vec![
                of.mean_x,
                of.mean_y,
                of.variance_x,
                of.variance_y,
                of.covariance,
                of.weight,
                of.squared_weight,
            ]
        };
        Self {
            first: relation.services.0.clone(),
            second: relation.services.1.clone(),
            usual: numbers(&relation.usual),
            now: numbers(&relation.now),
        }
    }

    fn read(&self) -> Option<Relation> {
        let covariance = |numbers: &[f32]| {
            let [mean_x, mean_y, variance_x, variance_y, covariance, weight, squared_weight] =
                <[f32; 7]>::try_from(numbers).ok()?;
            Some(EwCovariance { mean_x, mean_y, variance_x, variance_y, covariance, weight, squared_weight })
        };
        Some(Relation {
            services: (self.first.clone(), self.second.clone()),
            usual: covariance(&self.usual)?,
            now: covariance(&self.now)?,
        })
    }
}

impl ForestRecord {
    fn of(service: &str, forest: &Forest) -> Self {
        let Tail { threshold, mean_excess, variance, values, excesses } = forest.tail;
        Self {
            service: service.to_owned(),
            places: forest.places.clone(),
            points: forest.points.clone(),
            epoch: forest.epoch,
            tail: vec![threshold, mean_excess, variance],
            values: u32::from(values),
            excesses: u32::from(excesses),
            idle: forest.idle,
        }
    }

    fn read(&self) -> Option<(Arc<str>, Forest)> {
        let [threshold, mean_excess, variance] = <[f32; 3]>::try_from(&self.tail[..]).ok()?;
        let values = u16::try_from(self.values).ok()?;
        let excesses = u16::try_from(self.excesses).ok()?;
        let tail = Tail { threshold, mean_excess, variance, values, excesses };
        let (places, points) = (self.places.clone(), self.points.clone());
        let forest = Forest::restored(places, points, self.epoch, tail, self.idle)?;
        Some((self.service.as_str().into(), forest))
    }
}
