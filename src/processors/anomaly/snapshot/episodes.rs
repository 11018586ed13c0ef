//! Episodes in their stored form.

use std::sync::Arc;

use model::{Series, Statistic, Timestamp, TraceId};
use prost::Message;

use crate::anomaly::{
    detectors::{Detector, Evidence},
    episodes::{Episode, Peak, Severity},
    hierarchy::Withheld,
    judge::Row,
    record::maturity_of,
    state::Traits,
};

#[derive(Clone, PartialEq, Message)]
pub(super) struct EpisodeRecord {
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
    /// One more than the detector.
    #[prost(uint32, tag = "16")]
    alone: u32,
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

impl EpisodeRecord {
    pub(super) fn of(episode: &Episode) -> Self {
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
            alone: episode.alone.map_or(0, |detector| detector as u32 + 1),
        }
    }

    pub(super) fn read(&self) -> Option<Episode> {
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
            alone: match self.alone.checked_sub(1) {
                None => None,
                Some(number) => Some(*Detector::ALL.get(number as usize)?),
            },
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
