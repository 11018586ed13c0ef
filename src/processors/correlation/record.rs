//! What is stored; `proto/correlation.proto` is its description.

use prost::Message;

use crate::aggregation::deployments::VersionRow;

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
    #[prost(message, repeated, tag = "7")]
    pub(super) opinions: Vec<OpinionRecord>,
    #[prost(message, repeated, tag = "8")]
    pub(super) flags: Vec<VersionRow>,
}

/// How many incidents people called so.
#[derive(Clone, PartialEq, Message)]
pub(super) struct OpinionRecord {
    #[prost(string, tag = "1")]
    pub(super) verdict: String,
    #[prost(uint64, tag = "2")]
    pub(super) incidents: u64,
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
    #[prost(message, repeated, tag = "17")]
    pub(super) impact: Vec<LossRecord>,
    #[prost(message, optional, tag = "18")]
    pub(super) feedback: Option<FeedbackRecord>,
    /// Kinds and ids alone.
    #[prost(message, repeated, tag = "19")]
    pub(super) left_out: Vec<IncidentEvent>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct LossRecord {
    #[prost(string, tag = "1")]
    pub(super) slo_id: String,
    #[prost(fixed64, tag = "2")]
    pub(super) start_unix_nano: u64,
    #[prost(uint64, tag = "3")]
    pub(super) events: u64,
    #[prost(uint64, tag = "4")]
    pub(super) bad_events: u64,
    #[prost(double, optional, tag = "5")]
    pub(super) budget_consumed: Option<f64>,
    #[prost(double, optional, tag = "6")]
    pub(super) budget_remaining: Option<f64>,
    #[prost(double, optional, tag = "7")]
    pub(super) cost: Option<f64>,
    #[prost(string, tag = "8")]
    pub(super) currency: String,
    #[prost(message, optional, tag = "9")]
    pub(super) counted: Option<SampleRecord>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SampleRecord {
    #[prost(fixed64, tag = "1")]
    pub(super) at_unix_nano: u64,
    #[prost(uint64, tag = "2")]
    pub(super) events: u64,
    #[prost(uint64, tag = "3")]
    pub(super) bad_events: u64,
    #[prost(double, tag = "4")]
    pub(super) spent: f64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FeedbackRecord {
    #[prost(string, tag = "1")]
    pub(super) verdict: String,
    #[prost(string, tag = "2")]
    pub(super) root: String,
    #[prost(string, tag = "3")]
    pub(super) author: String,
    #[prost(fixed64, tag = "4")]
    pub(super) at_unix_nano: u64,
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
    /// 0 for what is not followed: alerts, changes, and what has ended.
    #[prost(fixed64, tag = "10")]
    pub(super) told_unix_nano: u64,
    #[prost(uint64, optional, tag = "11")]
    pub(super) resend_ms: Option<u64>,
    #[prost(bool, tag = "12")]
    pub(super) is_lost: bool,
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
    #[prost(bool, tag = "5")]
    pub(super) is_sure: bool,
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
    #[prost(string, tag = "8")]
    pub(super) note: String,
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
    #[prost(string, repeated, tag = "5")]
    pub(super) counted_told: Vec<String>,
    #[prost(string, repeated, tag = "6")]
    pub(super) counted_untold: Vec<String>,
    #[prost(string, repeated, tag = "7")]
    pub(super) silenced: Vec<String>,
    #[prost(fixed64, tag = "8")]
    pub(super) retold_unix_nano: u64,
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
    #[prost(string, tag = "5")]
    pub(super) cause: String,
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
