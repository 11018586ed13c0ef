//! What is remembered of services and budgets, in its stored form.

use std::sync::Arc;

use model::Timestamp;
use prost::Message;
use stats::{EwCovariance, Tail, TokenBucket};

use crate::anomaly::{
    detectors::{Forest, Place, Relation},
    hierarchy::Purse,
    tuning::{TUNABLE, Tuning},
};

#[derive(Clone, PartialEq, Message)]
pub(super) struct PurseRecord {
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
pub(super) struct TuningRecord {
    #[prost(double, tag = "1")]
    alarms: f64,
    #[prost(double, tag = "2")]
    series_days: f64,
    #[prost(double, tag = "3")]
    since: f64,
    /// Of all detectors, as releases before wrote it.
    #[prost(double, tag = "4")]
    common_decades: f64,
    #[prost(double, repeated, tag = "5")]
    decades: Vec<f64>,
    #[prost(double, tag = "6")]
    fresh_series_days: f64,
    #[prost(double, repeated, tag = "7")]
    fresh_alarms: Vec<f64>,
    #[prost(double, tag = "8")]
    fresh_others: f64,
    #[prost(double, tag = "9")]
    total_series_days: f64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RelationRecord {
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
pub(super) struct ForestRecord {
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
    /// Of the service as a whole.
    #[prost(uint32, tag = "8")]
    idle: u32,
    /// Of each place; releases before did not tell them apart and wrote none.
    #[prost(uint32, repeated, tag = "9")]
    idle_places: Vec<u32>,
}

impl PurseRecord {
    pub(super) fn of(service: &str, purse: &Purse) -> Self {
        Self {
            service: service.to_owned(),
            tokens: purse.bucket.tokens,
            updated: purse.bucket.updated,
            told: purse.told.as_nanos(),
        }
    }

    pub(super) fn read(&self) -> (Arc<str>, Purse) {
        let bucket = TokenBucket { tokens: self.tokens, updated: self.updated };
        (self.service.as_str().into(), Purse { bucket, told: Timestamp(self.told) })
    }
}

impl TuningRecord {
    pub(super) fn of(tuning: &Tuning) -> Self {
        let Tuning { alarms, series_days, since, fresh_series_days, fresh_others, total_series_days, .. } =
            *tuning;
        Self {
            alarms,
            series_days,
            since,
            common_decades: 0.0,
            decades: tuning.decades.into(),
            fresh_series_days,
            fresh_alarms: tuning.fresh_alarms.into(),
            fresh_others,
            total_series_days,
        }
    }

    pub(super) fn read(&self) -> Tuning {
        let Self {
            alarms,
            series_days,
            since,
            common_decades,
            fresh_series_days,
            fresh_others,
            total_series_days,
            ..
        } = *self;
        let of = |list: &[f64], otherwise| list.try_into().unwrap_or([otherwise; TUNABLE.len()]);
        Tuning {
            alarms,
            series_days,
            since,
            fresh_series_days,
            fresh_alarms: of(&self.fresh_alarms, 0.0),
            fresh_others,
            decades: of(&self.decades, common_decades),
            total_series_days,
        }
    }
}

impl RelationRecord {
    pub(super) fn of(relation: &Relation) -> Self {
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

    pub(super) fn read(&self) -> Option<Relation> {
        let covariance = |numbers: &[f32]| {
            let [mean_x, mean_y, variance_x, variance_y, covariance, weight, squared_weight] =
                <[f32; 7]>::try_from(numbers).ok()?;
            Some(EwCovariance { mean_x, mean_y, variance_x, variance_y, covariance, weight, squared_weight })
        };
        Some(Relation {
            services: (self.first.clone(), self.second.clone()),
            usual: covariance(&self.usual)?,
            now: covariance(&self.now)?,
            idle: 0,
        })
    }
}

impl ForestRecord {
    pub(super) fn of(service: &str, forest: &Forest) -> Self {
        let Tail { threshold, mean_excess, variance, values, excesses } = forest.tail;
        Self {
            service: service.to_owned(),
            places: forest.places.iter().map(|place| place.fingerprint).collect(),
            points: forest.points.clone(),
            epoch: forest.epoch,
            tail: vec![threshold, mean_excess, variance],
            values: u32::from(values),
            excesses: u32::from(excesses),
            idle: forest.idle(),
            idle_places: forest.places.iter().map(|place| place.idle).collect(),
        }
    }

    pub(super) fn read(&self) -> Option<(Arc<str>, Forest)> {
        let [threshold, mean_excess, variance] = <[f32; 3]>::try_from(&self.tail[..]).ok()?;
        let values = u16::try_from(self.values).ok()?;
        let excesses = u8::try_from(self.excesses).unwrap_or(u8::MAX);
        let tail = Tail { threshold, mean_excess, variance, values, excesses };
        let forest = Forest::restored(self.read_places()?, self.points.clone(), self.epoch, tail)?;
        Some((self.service.as_str().into(), forest))
    }

    fn read_places(&self) -> Option<Vec<Place>> {
        let idle = match self.idle_places.len() {
            0 => vec![self.idle; self.places.len()],
            told if told == self.places.len() => self.idle_places.clone(),
            _ => return None,
        };
        let places = self.places.iter().zip(idle);
        Some(places.map(|(&fingerprint, idle)| Place { fingerprint, idle }).collect())
    }
}
