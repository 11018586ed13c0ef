//! What must survive a restart: incidents, what was said of them, the graph, and changes. The messages are
//! in [`record`](super::record).
//!
//! Signals are left out: they are known again half an hour later, and until then causes keep what was found.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use component::{RestoreError, Snapshot};
use model::{Severity, Spending, Timestamp, TraceId};
use prost::Message;

use super::{
    cause::{Candidate, CauseKind, Costs, Evidence, Finding},
    events::{Event, Kind},
    feedback::{Feedback, Verdict},
    impact::{Loss, Sample},
    incident::{Incident, Link, Member, Role, State},
    incidents::name,
    processor::AnalysisHalf,
    record::{
        CandidateRecord, CorrelationState, EdgeRecord, EvidenceRecord, FeedbackRecord, HeldRecord,
        IncidentEvent, IncidentRecord, LinkRecord, LossRecord, OpinionRecord, SampleRecord, VoiceRecord,
    },
    voice::{Held, Voice},
};
use crate::seal::{seal, unseal};

/// Raised when the meaning of a field changes.
const VERSION: u32 = 1;

/// Writes the state, behind a hash that finds what was cut or changed.
pub(super) fn write(half: &AnalysisHalf) -> Snapshot {
    let voice = |incident: &Incident| half.voices.0.get(&incident.id).map(voice_record);
    let edges = half.graph.edges().map(|(client, server, calls, last)| EdgeRecord {
        client: client.to_string(),
        server: server.to_string(),
        calls,
        last_unix_nano: last.as_nanos(),
    });
    let opinions = Verdict::ALL.into_iter().zip(half.opinions.0);
    let opinions =
        opinions.map(|(verdict, incidents)| OpinionRecord { verdict: verdict.name().to_owned(), incidents });
    let state = CorrelationState {
        incidents: half.incidents.all.values().map(|one| incident_record(one, voice(one))).collect(),
        past: half.past.iter().map(|one| incident_record(one, None)).collect(),
        changes: half.changes.iter().map(event_record).collect(),
        flags: half.flags.save(),
        edges: edges.collect(),
        n_alerts: half.n_alerts,
        n_notified: half.n_notified,
        opinions: opinions.collect(),
    };
    Snapshot { version: VERSION, bytes: seal(&state.encode_to_vec()) }
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
    let body = unseal(&snapshot.bytes).ok_or_else(|| damaged("its bytes are not those that were written"))?;
    let state =
        CorrelationState::decode(body).map_err(|problem| RestoreError::Damaged(problem.to_string()))?;
    for record in state.incidents {
        let voice = record.voice.clone().map(voice_of);
        let incident = incident_of(record).ok_or_else(|| damaged("an incident has an unknown state"))?;
        if let Some(voice) = voice {
            half.voices.0.insert(incident.id.clone(), voice);
        }
        incident.departures().cloned().for_each(|departure| half.departures.adopt(departure));
        half.incidents.insert(incident);
    }
    half.past.extend(state.past.into_iter().filter_map(incident_of));
    state.changes.into_iter().filter_map(event_of).for_each(|change| half.note_change(change));
    state.flags.into_iter().for_each(|row| half.flags.restore(row));
    for edge in state.edges {
        half.graph.see(&name(&edge.client), &name(&edge.server), edge.calls, Timestamp(edge.last_unix_nano));
    }
    (half.n_alerts, half.n_notified) = (state.n_alerts, state.n_notified);
    for OpinionRecord { verdict, incidents } in state.opinions {
        let Some(verdict) = Verdict::of_name(&verdict) else { continue };
        half.opinions.0[verdict as usize] = incidents;
    }
    Ok(())
}

fn incident_record(incident: &Incident, voice: Option<VoiceRecord>) -> IncidentRecord {
    let finding = &incident.finding;
    let left_out = incident.left_out.iter().map(|(kind, id)| IncidentEvent {
        kind: kind.name().to_owned(),
        id: id.clone(),
        ..IncidentEvent::default()
    });
    IncidentRecord {
        id: incident.id.clone(),
        state: incident.state.name().to_owned(),
        start_unix_nano: incident.start.as_nanos(),
        end_unix_nano: incident.end.unwrap_or_default().as_nanos(),
        severity: incident.severity.name().to_owned(),
        members: incident.members.iter().map(|(key, event)| member_record(incident, key, event)).collect(),
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
        impact: incident.impact.iter().map(loss_record).collect(),
        feedback: incident.feedback.as_ref().map(feedback_record),
        left_out: left_out.collect(),
    }
}

fn member_record(incident: &Incident, key: &Member, event: &Event) -> IncidentEvent {
    // Who was away can not know how long alerts were silent: after a restart that counts anew.
    let heard = incident.heard.get(key).filter(|_| !event.kind.is_alert());
    let told_unix_nano = heard.copied().unwrap_or_default().as_nanos();
    IncidentEvent { told_unix_nano, ..event_record(event) }
}

fn incident_of(record: IncidentRecord) -> Option<Incident> {
    let heard = record.members.iter().filter_map(|member| {
        let key = (Kind::of_name(&member.kind)?, member.id.clone());
        Some((key, some_time(member.told_unix_nano)?))
    });
    let heard = heard.collect();
    let left_out = record.left_out.into_iter();
    let left_out = left_out.filter_map(|member| Some((Kind::of_name(&member.kind)?, member.id)));
    let members = record.members.into_iter().filter_map(event_of);
    let members: BTreeMap<_, _> = members.map(|event| ((event.kind, event.id.clone()), event)).collect();
    let candidates: Vec<_> = record.candidates.into_iter().filter_map(candidate_of).collect();
    Some(Incident {
        id: record.id,
        state: State::of_name(&record.state)?,
        start: Timestamp(record.start_unix_nano),
        end: some_time(record.end_unix_nano),
        severity: Severity::of_name(&record.severity)?,
        members,
        heard,
        n_left_out: record.n_left_out,
        left_out: left_out.collect(),
        finding: Finding {
            confidence: record.confidence,
            is_undetermined: record.is_undetermined,
            peak: candidates.first().map_or(0.0, |first| first.score),
            candidates,
            // Signals are not stored either: what is found after a restart is weighed anew.
            costs: Costs::new(),
        },
        chain: record.chain.into_iter().filter_map(link_of).collect(),
        revision: record.revision,
        merged: record.merged,
        n_raw: record.n_raw,
        n_notified: record.n_notified,
        impact: record.impact.into_iter().map(loss_of).collect(),
        feedback: record.feedback.and_then(feedback_of),
    })
}

fn loss_record((slo_id, loss): (&Arc<str>, &Loss)) -> LossRecord {
    let Sample { at, events, bad_events, spent } = loss.counted;
    LossRecord {
        slo_id: slo_id.to_string(),
        start_unix_nano: loss.start.as_nanos(),
        events: loss.events,
        bad_events: loss.bad_events,
        budget_consumed: loss.budget_consumed,
        budget_remaining: loss.budget_remaining,
        cost: loss.cost.as_ref().map(|cost| cost.amount),
        currency: loss.cost.as_ref().map(|cost| cost.currency.to_string()).unwrap_or_default(),
        counted: Some(SampleRecord { at_unix_nano: at.as_nanos(), events, bad_events, spent }),
    }
}

fn loss_of(record: LossRecord) -> (Arc<str>, Loss) {
    let SampleRecord { at_unix_nano, events, bad_events, spent } = record.counted.unwrap_or_default();
    let currency = record.currency;
    let loss = Loss {
        start: Timestamp(record.start_unix_nano),
        events: record.events,
        bad_events: record.bad_events,
        budget_consumed: record.budget_consumed,
        budget_remaining: record.budget_remaining,
        cost: record.cost.map(|amount| Spending { amount, currency: Arc::from(currency) }),
        counted: Sample { at: Timestamp(at_unix_nano), events, bad_events, spent },
    };
    (Arc::from(record.slo_id), loss)
}

fn feedback_record(said: &Feedback) -> FeedbackRecord {
    FeedbackRecord {
        verdict: said.verdict.name().to_owned(),
        root: said.root.clone(),
        author: said.author.clone(),
        at_unix_nano: said.at.as_nanos(),
    }
}

fn feedback_of(record: FeedbackRecord) -> Option<Feedback> {
    let FeedbackRecord { verdict, root, author, at_unix_nano } = record;
    Some(Feedback { verdict: Verdict::of_name(&verdict)?, root, author, at: Timestamp(at_unix_nano) })
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
        told_unix_nano: 0,
        resend_ms: event.resend.map(|resend| u64::try_from(resend.as_millis()).unwrap_or(u64::MAX)),
        is_lost: event.is_lost,
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
        resend: record.resend_ms.map(Duration::from_millis),
        is_lost: record.is_lost,
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
        note: one.note.clone(),
    });
    CandidateRecord {
        service: candidate.service.to_string(),
        kind: candidate.kind.name().to_owned(),
        score: candidate.score,
        evidence: evidence.collect(),
        is_sure: candidate.is_sure,
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
            note: one.note,
        })
    });
    Some(Candidate {
        service: Arc::from(record.service),
        kind: CauseKind::of_name(&record.kind)?,
        score: record.score,
        is_sure: record.is_sure,
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
        cause: held.cause.clone(),
    });
    let counted = |told: bool| {
        let counted = voice.counted.iter().filter(|(_, is_told)| **is_told == told);
        counted.map(|(fingerprint, _)| fingerprint.clone()).collect()
    };
    VoiceRecord {
        speakers: voice.speakers.iter().cloned().collect(),
        severity: voice.severity.name().to_owned(),
        objectives: voice.objectives.iter().cloned().collect(),
        held: held.collect(),
        counted_told: counted(true),
        counted_untold: counted(false),
        silenced: voice.silenced.iter().cloned().collect(),
        retold_unix_nano: voice.retold_at.as_nanos(),
    }
}

fn voice_of(record: VoiceRecord) -> Voice {
    let held = record.held.into_iter().map(|held| {
        let (firing, resolved) = (Bytes::from(held.firing), Bytes::from(held.resolved));
        let (told_at, cause) = (Timestamp(held.told_unix_nano), held.cause);
        (held.fingerprint, Held { firing, resolved, told_at, cause })
    });
    let told = record.counted_told.into_iter().map(|fingerprint| (fingerprint, true));
    let untold = record.counted_untold.into_iter().map(|fingerprint| (fingerprint, false));
    Voice {
        counted: told.chain(untold).collect(),
        speakers: record.speakers.into_iter().collect(),
        severity: Severity::of_name(&record.severity).unwrap_or_default(),
        objectives: record.objectives.into_iter().collect(),
        held: held.collect(),
        silenced: record.silenced.into_iter().collect(),
        retold_at: Timestamp(record.retold_unix_nano),
    }
}
