//! What survives a restart: what is usual, what is open, and which traces are kept.
//!
//! Traces that wait do not: they are of the last seconds.

use std::{collections::VecDeque, sync::Arc};

use component::RestoreError;
use model::{Timestamp, TraceId};
use prost::Message;

use super::{
    aliases::Answering,
    calls::Windows,
    episodes::{Episode, Episodes},
    judge::{Judge, Sighting},
    sampling::Thresholds,
    subject::{Subject, Type},
    usual::{MAX_CALM, RECENT, Recent, Usual},
};
use crate::seal::{seal, unseal};

pub(super) const VERSION: u32 = 1;

/// All that is kept.
#[derive(Clone, PartialEq, Message)]
pub(super) struct BottleneckSnapshot {
    #[prost(message, repeated, tag = "1")]
    pub(super) usuals: Vec<SavedUsual>,
    #[prost(message, repeated, tag = "2")]
    pub(super) episodes: Vec<SavedEpisode>,
    /// Traces up to this hash are assembled.
    #[prost(fixed64, tag = "3")]
    pub(super) threshold: u64,
    #[prost(message, repeated, tag = "4")]
    pub(super) errors: Vec<SavedError>,
    #[prost(message, repeated, tag = "5")]
    pub(super) addresses: Vec<SavedAddress>,
    /// Of traces up to this hash the spans that failed are kept.
    #[prost(fixed64, tag = "6")]
    pub(super) failed_threshold: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SavedAddress {
    #[prost(string, tag = "1")]
    pub(super) address: String,
    /// None where several answer.
    #[prost(string, optional, tag = "2")]
    pub(super) service: Option<String>,
    #[prost(fixed64, tag = "3")]
    pub(super) last: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SavedError {
    #[prost(string, tag = "1")]
    pub(super) service: String,
    #[prost(string, tag = "2")]
    pub(super) kind: String,
    #[prost(fixed64, tag = "3")]
    pub(super) since: u64,
    #[prost(fixed64, tag = "4")]
    pub(super) last: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SavedSubject {
    #[prost(uint32, tag = "1")]
    pub(super) kind: u32,
    #[prost(string, tag = "2")]
    pub(super) service: String,
    #[prost(string, tag = "3")]
    pub(super) operation: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SavedUsual {
    #[prost(message, required, tag = "1")]
    pub(super) subject: SavedSubject,
    #[prost(float, repeated, tag = "2")]
    pub(super) calm: Vec<f32>,
    #[prost(message, repeated, tag = "3")]
    pub(super) recent: Vec<SavedRecent>,
    #[prost(fixed64, tag = "4")]
    pub(super) seen: u64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct SavedRecent {
    #[prost(fixed64, tag = "1")]
    pub(super) start: u64,
    #[prost(uint64, tag = "2")]
    pub(super) n: u64,
    #[prost(bool, tag = "3")]
    pub(super) is_over: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SavedEpisode {
    #[prost(message, required, tag = "1")]
    pub(super) subject: SavedSubject,
    #[prost(fixed64, tag = "2")]
    pub(super) id: u64,
    #[prost(fixed64, tag = "3")]
    pub(super) start: u64,
    #[prost(fixed64, tag = "4")]
    pub(super) last: u64,
    #[prost(message, required, tag = "5")]
    pub(super) worst: SavedSighting,
    #[prost(message, required, tag = "6")]
    pub(super) now: SavedSighting,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SavedSighting {
    #[prost(uint64, tag = "1")]
    pub(super) n: u64,
    #[prost(double, tag = "2")]
    pub(super) current: f64,
    #[prost(double, tag = "3")]
    pub(super) usual: f64,
    #[prost(double, tag = "4")]
    pub(super) share: f64,
    #[prost(message, repeated, tag = "5")]
    pub(super) roots: Vec<SavedSubject>,
    #[prost(double, tag = "6")]
    pub(super) score: f64,
    #[prost(double, tag = "7")]
    pub(super) confidence: f64,
    #[prost(double, tag = "8")]
    pub(super) saving: f64,
    #[prost(bool, tag = "9")]
    pub(super) is_risk: bool,
    /// Empty for none.
    #[prost(bytes = "vec", tag = "10")]
    pub(super) exemplar: Vec<u8>,
}

/// Returns the snapshot's bytes: their hash first, so that none is missing or changed.
pub(super) fn save(judge: &Judge, windows: &Windows, admitted: Thresholds) -> Vec<u8> {
    let usuals = judge.usuals.iter().map(|(subject, usual)| SavedUsual::of(subject, usual)).collect();
    let open = &judge.episodes.open;
    let episodes = open.iter().map(|(subject, episode)| SavedEpisode::of(subject, episode)).collect();
    let error = |(service, kind, since, last): (&Arc<str>, &Arc<str>, Timestamp, Timestamp)| SavedError {
        service: service.to_string(),
        kind: kind.to_string(),
        since: since.as_nanos(),
        last: last.as_nanos(),
    };
    let errors = windows.errors.iter().map(error).collect();
    let address = |(address, answering): (&Arc<str>, &Answering)| SavedAddress {
        address: address.to_string(),
        service: answering.service.as_ref().map(|service| service.to_string()),
        last: answering.last.as_nanos(),
    };
    let addresses = windows.aliases.iter().map(address).collect();
    let Thresholds { whole: threshold, failed: failed_threshold } = admitted;
    let saved = BottleneckSnapshot { usuals, episodes, threshold, errors, addresses, failed_threshold };
    seal(&saved.encode_to_vec())
}

/// Gives a judge its memory back, and returns the thresholds.
///
/// # Errors
/// When the bytes are cut or changed; the judge is as it was then.
pub(super) fn restore(
    judge: &mut Judge,
    windows: &mut Windows,
    bytes: &[u8],
) -> Result<Thresholds, RestoreError> {
    let damaged = |what: &str| RestoreError::Damaged(what.to_owned());
    let body = unseal(bytes).ok_or_else(|| damaged("its bytes are not those that were written"))?;
    let saved = BottleneckSnapshot::decode(body).map_err(|error| damaged(&error.to_string()))?;
    let usuals = saved.usuals.iter().map(SavedUsual::read).collect::<Option<_>>();
    let usuals = usuals.ok_or_else(|| damaged("what is usual is not readable"))?;
    let open = saved.episodes.iter().map(SavedEpisode::read).collect::<Option<_>>();
    let open = open.ok_or_else(|| damaged("a bottleneck is not readable"))?;
    (judge.usuals, judge.episodes) = (usuals, Episodes { open });
    for SavedError { service, kind, since, last } in &saved.errors {
        windows.errors.restore(service, kind, Timestamp(*since), Timestamp(*last));
    }
    for SavedAddress { address, service, last } in &saved.addresses {
        let service = service.as_deref().map(Arc::from);
        windows.aliases.insert(address.as_str().into(), service, Timestamp(*last));
    }
    Ok(Thresholds { whole: saved.threshold, failed: saved.failed_threshold })
}

impl SavedSubject {
    fn of(subject: &Subject) -> Self {
        let (service, operation) = (subject.service.to_string(), subject.operation.to_string());
        Self { kind: subject.kind as u32, service, operation }
    }

    fn read(&self) -> Option<Subject> {
        let kind = Type::of_number(self.kind)?;
        Some(Subject {
            kind,
            service: self.service.as_str().into(),
            operation: self.operation.as_str().into(),
        })
    }
}

impl SavedUsual {
    fn of(subject: &Subject, usual: &Usual) -> Self {
        let recent = |it: &Recent| SavedRecent { start: it.start.as_nanos(), n: it.n, is_over: it.is_over };
        Self {
            subject: SavedSubject::of(subject),
            calm: usual.calm.iter().copied().collect(),
            recent: usual.recent.iter().map(recent).collect(),
            seen: usual.seen.as_nanos(),
        }
    }

    fn read(&self) -> Option<(Subject, Usual)> {
        let is_sound = self.calm.iter().all(|it| it.is_finite() && *it >= 0.0)
            && self.calm.len() <= MAX_CALM
            && self.recent.len() <= RECENT;
        let recent = |it: &SavedRecent| Recent { start: Timestamp(it.start), n: it.n, is_over: it.is_over };
        let usual = Usual {
            calm: VecDeque::from(self.calm.clone()),
            recent: self.recent.iter().map(recent).collect(),
            seen: Timestamp(self.seen),
        };
        is_sound.then_some((self.subject.read()?, usual))
    }
}

impl SavedEpisode {
    fn of(subject: &Subject, episode: &Episode) -> Self {
        Self {
            subject: SavedSubject::of(subject),
            id: episode.id,
            start: episode.start.as_nanos(),
            last: episode.last.as_nanos(),
            worst: SavedSighting::of(&episode.worst),
            now: SavedSighting::of(&episode.now),
        }
    }

    fn read(&self) -> Option<(Subject, Episode)> {
        let (start, last) = (Timestamp(self.start), Timestamp(self.last));
        let (worst, now) = (self.worst.read(), self.now.read());
        Some((self.subject.read()?, Episode { id: self.id, start, last, worst, now }))
    }
}

impl SavedSighting {
    fn of(it: &Sighting) -> Self {
        let root = |(service, operation): &(Arc<str>, Arc<str>)| SavedSubject {
            kind: Type::Root as u32,
            service: service.to_string(),
            operation: operation.to_string(),
        };
        Self {
            n: it.n,
            current: it.current,
            usual: it.usual,
            share: it.share,
            roots: it.roots.iter().map(root).collect(),
            score: it.score,
            confidence: it.confidence,
            saving: it.saving,
            is_risk: it.is_risk,
            exemplar: it.exemplar.map_or_else(Vec::new, |trace| trace.to_vec()),
        }
    }

    fn read(&self) -> Sighting {
        let root = |it: &SavedSubject| (it.service.as_str().into(), it.operation.as_str().into());
        Sighting {
            n: self.n,
            current: self.current,
            usual: self.usual,
            share: self.share,
            roots: self.roots.iter().map(root).collect(),
            score: self.score,
            confidence: self.confidence,
            saving: self.saving,
            is_risk: self.is_risk,
            exemplar: TraceId::try_from(self.exemplar.as_slice()).ok(),
            is_typical: false,
        }
    }
}
