//! What must survive a restart: incidents, what was said of them, the graph, and changes. `proto/correlation.proto`
//! describes the message.
//!
//! Signals are left out: they are known again half an hour later, and until then causes keep what was found.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use component::{RestoreError, Snapshot};
use model::{Severity, Timestamp, TraceId};
use prost::Message;

use super::{
    cause::{Candidate, CauseKind, Costs, Evidence, Finding},
    events::{Event, Kind},
    incident::{Incident, Link, Role, State},
    incidents::name,
    processor::AnalysisHalf,
    voice::{Held, Voice},
};

/// Raised when the meaning of a field changes.
const VERSION: u32 = 1;
/// Of the hash in front.
const HASH_BYTES: usize = 8;

#[derive(Clone, PartialEq, Message)]
pub(super) struct CorrelationState {
    #[prost(message, repeated, tag = "1")]
    pub(super) incidents: Vec<IncidentRecord>,
    /// Closed ones, the newest last.
    #[prost(message, repeated, tag = "2")]
    pub(super) past: Vec<IncidentRecord>,
    #[prost(message, repeated, tag = "3")]
    pub(super) changes: Vec<IncidentEvent>,
    #[prost(message, repeated, tag = "4")]
    pub(super) edges: Vec<EdgeRecord>,
    #[prost(uint64, tag = "5")]
    pub(super) n_alerts: u64,
    #[prost(uint64, tag = "6")]
    pub(super) n_notified: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct IncidentRecord {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(string, tag = "2")]
    pub(super) state: String,
    #[prost(fixed64, tag = "3")]
    pub(super) start_unix_nano: u64,
    #[prost(fixed64, tag = "4")]
    pub(super) end_unix_nano: u64,
    #[prost(string, tag = "5")]
    pub(super) severity: String,
    #[prost(message, repeated, tag = "6")]
    pub(super) members: Vec<IncidentEvent>,
    #[prost(uint64, tag = "7")]
    pub(super) n_left_out: u64,
    #[prost(message, repeated, tag = "8")]
    pub(super) candidates: Vec<CandidateRecord>,
    #[prost(double, tag = "9")]
    pub(super) confidence: f64,
    #[prost(bool, tag = "10")]
    pub(super) is_undetermined: bool,
    #[prost(message, repeated, tag = "11")]
    pub(super) chain: Vec<LinkRecord>,
    #[prost(uint32, tag = "12")]
    pub(super) revision: u32,
    #[prost(string, repeated, tag = "13")]
    pub(super) merged: Vec<String>,
    #[prost(uint64, tag = "14")]
    pub(super) n_raw: u64,
    #[prost(uint64, tag = "15")]
    pub(super) n_notified: u64,
    #[prost(message, optional, tag = "16")]
    pub(super) voice: Option<VoiceRecord>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct IncidentEvent {
    #[prost(string, tag = "1")]
    pub(super) kind: String,
    #[prost(string, tag = "2")]
    pub(super) id: String,
    #[prost(string, tag = "3")]
    pub(super) service: String,
    #[prost(string, tag = "4")]
    pub(super) severity: String,
    #[prost(fixed64, tag = "5")]
    pub(super) start_unix_nano: u64,
    /// 0 while it lasts.
    #[prost(fixed64, tag = "6")]
    pub(super) end_unix_nano: u64,
    #[prost(string, tag = "7")]
    pub(super) title: String,
    #[prost(string, tag = "8")]
    pub(super) slo_id: String,
    #[prost(bytes = "vec", tag = "9")]
    pub(super) trace_id: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CandidateRecord {
    #[prost(string, tag = "1")]
    pub(super) service: String,
    #[prost(string, tag = "2")]
    pub(super) kind: String,
    #[prost(double, tag = "3")]
    pub(super) score: f64,
    #[prost(message, repeated, tag = "4")]
    pub(super) evidence: Vec<EvidenceRecord>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct EvidenceRecord {
    #[prost(string, tag = "1")]
    pub(super) kind: String,
    #[prost(string, tag = "2")]
    pub(super) what: String,
    #[prost(string, tag = "3")]
    pub(super) unit: String,
    #[prost(double, tag = "4")]
    pub(super) before: f64,
    #[prost(double, tag = "5")]
    pub(super) after: f64,
    #[prost(double, tag = "6")]
    pub(super) strength: f64,
    #[prost(bytes = "vec", tag = "7")]
    pub(super) trace_id: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct LinkRecord {
    #[prost(string, tag = "1")]
    pub(super) service: String,
    #[prost(string, tag = "2")]
    pub(super) role: String,
    #[prost(fixed64, tag = "3")]
    pub(super) first_seen_unix_nano: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct VoiceRecord {
    #[prost(string, repeated, tag = "1")]
    pub(super) speakers: Vec<String>,
    #[prost(string, tag = "2")]
    pub(super) severity: String,
    #[prost(string, repeated, tag = "3")]
    pub(super) objectives: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    pub(super) held: Vec<HeldRecord>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct HeldRecord {
    #[prost(string, tag = "1")]
    pub(super) fingerprint: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) firing: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) resolved: Vec<u8>,
    #[prost(fixed64, tag = "4")]
    pub(super) told_unix_nano: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct EdgeRecord {
    #[prost(string, tag = "1")]
    pub(super) client: String,
    #[prost(string, tag = "2")]
    pub(super) server: String,
    #[prost(uint64, tag = "3")]
    pub(super) calls: u64,
    #[prost(fixed64, tag = "4")]
    pub(super) last_unix_nano: u64,
}

/// Writes the state, behind a hash that finds what was cut or changed.
pub(super) fn write(half: &AnalysisHalf) -> Snapshot {
    let voice = |incident: &Incident| half.voices.0.get(&incident.id).map(voice_record);
    let edges = half.graph.edges().map(|(client, server, calls, last)| EdgeRecord {
        client: client.to_string(),
        server: server.to_string(),
        calls,
        last_unix_nano: last.as_nanos(),
    });
    let state = CorrelationState {
        incidents: half.incidents.all.values().map(|one| incident_record(one, voice(one))).collect(),
        past: half.past.iter().map(|one| incident_record(one, None)).collect(),
        changes: half.changes.iter().map(event_record).collect(),
        edges: edges.collect(),
        n_alerts: half.n_alerts,
        n_notified: half.n_notified,
    };
    let body = state.encode_to_vec();
    let mut bytes = rapidhash::v3::rapidhash_v3(&body).to_le_bytes().to_vec();
    bytes.extend(body);
    Snapshot { version: VERSION, bytes }
}

/// Takes back a state.
///
/// # Errors
/// When it is of another version or was cut or changed; then nothing is taken.
pub(super) fn read(half: &mut AnalysisHalf, snapshot: &Snapshot) -> Result<(), RestoreError> {
    if snapshot.version != VERSION {
        return Err(RestoreError::Version { found: snapshot.version, readable: "1" });
    }
    let damaged = |what: &str| RestoreError::Damaged(what.to_owned());
    let (hash, body) =
        snapshot.bytes.split_first_chunk::<HASH_BYTES>().ok_or_else(|| damaged("it has no hash"))?;
    if u64::from_le_bytes(*hash) != rapidhash::v3::rapidhash_v3(body) {
        return Err(damaged("its hash is another"));
    }
    let state =
        CorrelationState::decode(body).map_err(|problem| RestoreError::Damaged(problem.to_string()))?;
    for record in state.incidents {
        let voice = record.voice.clone().map(voice_of);
        let incident = incident_of(record).ok_or_else(|| damaged("an incident has an unknown state"))?;
        if let Some(voice) = voice {
            half.voices.0.insert(incident.id.clone(), voice);
        }
        half.incidents.insert(incident);
    }
    half.past.extend(state.past.into_iter().filter_map(incident_of));
    state.changes.into_iter().filter_map(event_of).for_each(|change| half.note_change(change));
    for edge in state.edges {
        half.graph.see(&name(&edge.client), &name(&edge.server), edge.calls, Timestamp(edge.last_unix_nano));
    }
    (half.n_alerts, half.n_notified) = (state.n_alerts, state.n_notified);
    Ok(())
}

fn incident_record(incident: &Incident, voice: Option<VoiceRecord>) -> IncidentRecord {
    let finding = &incident.finding;
    IncidentRecord {
        id: incident.id.clone(),
        state: incident.state.name().to_owned(),
        start_unix_nano: incident.start.as_nanos(),
        end_unix_nano: incident.end.unwrap_or_default().as_nanos(),
        severity: incident.severity.name().to_owned(),
        members: incident.members.values().map(event_record).collect(),
        n_left_out: incident.n_left_out,
        candidates: finding.candidates.iter().map(candidate_record).collect(),
        confidence: finding.confidence,
        is_undetermined: finding.is_undetermined,
        chain: incident.chain.iter().map(link_record).collect(),
        revision: incident.revision,
        merged: incident.merged.clone(),
        n_raw: incident.n_raw,
        n_notified: incident.n_notified,
        voice,
    }
}

fn incident_of(record: IncidentRecord) -> Option<Incident> {
    let members = record.members.into_iter().filter_map(event_of);
    let members: BTreeMap<_, _> = members.map(|event| ((event.kind, event.id.clone()), event)).collect();
    Some(Incident {
        id: record.id,
        state: State::of_name(&record.state)?,
        start: Timestamp(record.start_unix_nano),
        end: some_time(record.end_unix_nano),
        severity: Severity::of_name(&record.severity)?,
        members,
        n_left_out: record.n_left_out,
        finding: Finding {
            candidates: record.candidates.into_iter().filter_map(candidate_of).collect(),
            confidence: record.confidence,
            is_undetermined: record.is_undetermined,
            // Signals are not stored either: what is found after a restart is weighed anew.
            costs: Costs::new(),
        },
        chain: record.chain.into_iter().filter_map(link_of).collect(),
        revision: record.revision,
        merged: record.merged,
        n_raw: record.n_raw,
        n_notified: record.n_notified,
    })
}

fn some_time(nanos: u64) -> Option<Timestamp> {
    (nanos > 0).then_some(Timestamp(nanos))
}

fn trace_of(bytes: &[u8]) -> Option<TraceId> {
    bytes.try_into().ok()
}

fn event_record(event: &Event) -> IncidentEvent {
    IncidentEvent {
        kind: event.kind.name().to_owned(),
        id: event.id.clone(),
        service: event.service.to_string(),
        severity: event.severity.name().to_owned(),
        start_unix_nano: event.start.as_nanos(),
        end_unix_nano: event.end.unwrap_or_default().as_nanos(),
        title: event.title.clone(),
        slo_id: event.slo_id.clone(),
        trace_id: event.trace.map(Vec::from).unwrap_or_default(),
    }
}

fn event_of(record: IncidentEvent) -> Option<Event> {
    Some(Event {
        kind: Kind::of_name(&record.kind)?,
        id: record.id,
        service: Arc::from(record.service),
        severity: Severity::of_name(&record.severity)?,
        start: Timestamp(record.start_unix_nano),
        end: some_time(record.end_unix_nano),
        title: record.title,
        slo_id: record.slo_id,
        trace: trace_of(&record.trace_id),
    })
}

fn candidate_record(candidate: &Candidate) -> CandidateRecord {
    let evidence = candidate.evidence.iter().map(|one| EvidenceRecord {
        kind: one.kind.name().to_owned(),
        what: one.what.clone(),
        unit: one.unit.clone(),
        before: one.before,
        after: one.after,
        strength: one.strength,
        trace_id: one.exemplar.map(Vec::from).unwrap_or_default(),
    });
    CandidateRecord {
        service: candidate.service.to_string(),
        kind: candidate.kind.name().to_owned(),
        score: candidate.score,
        evidence: evidence.collect(),
    }
}

fn candidate_of(record: CandidateRecord) -> Option<Candidate> {
    let evidence = record.evidence.into_iter().filter_map(|one| {
        Some(Evidence {
            kind: CauseKind::of_name(&one.kind)?,
            what: one.what,
            unit: one.unit,
            before: one.before,
            after: one.after,
            strength: one.strength,
            exemplar: trace_of(&one.trace_id),
        })
    });
    Some(Candidate {
        service: Arc::from(record.service),
        kind: CauseKind::of_name(&record.kind)?,
        score: record.score,
        evidence: evidence.collect(),
    })
}

fn link_record(link: &Link) -> LinkRecord {
    LinkRecord {
        service: link.service.to_string(),
        role: link.role.name().to_owned(),
        first_seen_unix_nano: link.first_seen.as_nanos(),
    }
}

fn link_of(record: LinkRecord) -> Option<Link> {
    let role = Role::of_name(&record.role)?;
    let first_seen = Timestamp(record.first_seen_unix_nano);
    Some(Link { service: Arc::from(record.service), role, first_seen })
}

fn voice_record(voice: &Voice) -> VoiceRecord {
    let held = voice.held.iter().map(|(fingerprint, held)| HeldRecord {
        fingerprint: fingerprint.clone(),
        firing: held.firing.to_vec(),
        resolved: held.resolved.to_vec(),
        told_unix_nano: held.told_at.as_nanos(),
    });
    VoiceRecord {
        speakers: voice.speakers.iter().cloned().collect(),
        severity: voice.severity.name().to_owned(),
        objectives: voice.objectives.iter().cloned().collect(),
        held: held.collect(),
    }
}

fn voice_of(record: VoiceRecord) -> Voice {
    let held = record.held.into_iter().map(|held| {
        let (firing, resolved) = (Bytes::from(held.firing), Bytes::from(held.resolved));
        (held.fingerprint, Held { firing, resolved, told_at: Timestamp(held.told_unix_nano) })
    });
    Voice {
        speakers: record.speakers.into_iter().collect(),
        severity: Severity::of_name(&record.severity).unwrap_or_default(),
        objectives: record.objectives.into_iter().collect(),
        held: held.collect(),
    }
}
