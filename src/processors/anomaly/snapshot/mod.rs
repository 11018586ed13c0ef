//! What survives a restart, versioned.

mod episodes;
mod services;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use component::RestoreError;
use model::Timestamp;
use prost::Message;

use self::{
    episodes::EpisodeRecord,
    services::{ForestRecord, PurseRecord, RelationRecord, TuningRecord},
};
use super::{
    detectors::{Forest, Relation},
    episodes::Episode,
    hierarchy::{Incidents, Purse},
    record::{Reader, write},
    state::SeriesState,
    tuning::Tuning,
};
use crate::recall::{Earlier, EarlierState};
use crate::seal::{seal, unseal};

/// The layout that is written.
pub(super) const VERSION: u32 = 4;
/// Of all layouts that are read only the records of series differ.
pub(super) const READABLE: std::ops::RangeInclusive<u32> = 1..=VERSION;

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
    pub(super) incidents: Incidents,
    pub(super) earlier: Earlier,
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
    /// Releases before wrote neither: they are counted from 0 then.
    #[prost(double, tag = "9")]
    incidents_told: f64,
    #[prost(double, tag = "10")]
    service_days: f64,
    /// From version 3 on. Of what an earlier state holds there is no more than series, tunings, relations and forests.
    #[prost(message, repeated, tag = "11")]
    earlier: Vec<EarlierRecord>,
    /// End of the time that was last forgotten, in nanoseconds.
    #[prost(fixed64, tag = "12")]
    followed: u64,
}

#[derive(Clone, PartialEq, Message)]
struct EarlierRecord {
    /// Nanoseconds.
    #[prost(fixed64, tag = "1")]
    until: u64,
    /// Of the layout of the state, which is a snapshot.
    #[prost(uint32, tag = "2")]
    version: u32,
    #[prost(bytes = "bytes", tag = "3")]
    state: Bytes,
}

impl EarlierRecord {
    fn of(earlier: &EarlierState) -> Self {
        let EarlierState { until, version, bytes } = earlier;
        Self { until: until.as_nanos(), version: *version, state: bytes.clone() }
    }

    fn read(self) -> EarlierState {
        EarlierState { until: Timestamp(self.until), version: self.version, bytes: self.state }
    }
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
            incidents_told: self.incidents.told,
            service_days: self.incidents.service_days,
            earlier: self.earlier.states.iter().map(EarlierRecord::of).collect(),
            followed: self.earlier.followed.as_nanos(),
        };
        seal(&snapshot.encode_to_vec())
    }

    /// Reads a snapshot of a version that is readable.
    ///
    /// # Errors
    /// When the bytes are cut or changed.
    pub(super) fn decode(version: u32, bytes: &[u8]) -> Result<Self, RestoreError> {
        let damaged = |what: &str| RestoreError::Damaged(what.to_owned());
        let body = unseal(bytes).ok_or_else(|| damaged("its bytes are not those that were written"))?;
        let snapshot =
            AnomalySnapshot::decode(body).map_err(|problem| RestoreError::Damaged(problem.to_string()))?;
        let mut memory = Self {
            window: Duration::from_nanos(snapshot.window),
            purses: snapshot.purses.iter().map(PurseRecord::read).collect(),
            tunings: snapshot.tunings.iter().map(TuningRecord::read).collect(),
            reported: snapshot.reported.iter().map(|service| service.as_str().into()).collect(),
            incidents: Incidents { told: snapshot.incidents_told, service_days: snapshot.service_days },
            earlier: Earlier {
                states: snapshot.earlier.into_iter().map(EarlierRecord::read).collect(),
                followed: Timestamp(snapshot.followed),
            },
            ..Self::default()
        };
        let mut reader = Reader { rest: &snapshot.series, version };
        while !reader.rest.is_empty() {
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
