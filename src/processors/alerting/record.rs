//! The message of the snapshot; `proto/alerting.proto` is its description.

use prost::Message;

/// Everything that the processor knows over a restart.
#[derive(Clone, PartialEq, Message)]
pub(super) struct State {
    #[prost(uint32, tag = "1")]
    pub(super) version: u32,
    #[prost(message, repeated, tag = "2")]
    pub(super) alerts: Vec<AlertRecord>,
    #[prost(message, repeated, tag = "3")]
    pub(super) silences: Vec<SilenceRecord>,
    #[prost(message, repeated, tag = "4")]
    pub(super) rules: Vec<RuleRecord>,
    #[prost(message, repeated, tag = "5")]
    pub(super) requests: Vec<RequestRecord>,
    #[prost(fixed64, tag = "6")]
    pub(super) since: u64,
    #[prost(message, optional, tag = "7")]
    pub(super) to_acknowledge: Option<TimesRecord>,
    #[prost(message, optional, tag = "8")]
    pub(super) to_resolve: Option<TimesRecord>,
    #[prost(message, repeated, tag = "9")]
    pub(super) feedback: Vec<FeedbackRecord>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Pair {
    #[prost(string, tag = "1")]
    pub(super) key: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RequestRecord {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) bytes: Vec<u8>,
    #[prost(uint64, tag = "2")]
    pub(super) records: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TimesRecord {
    #[prost(uint64, repeated, tag = "1")]
    pub(super) counts: Vec<u64>,
    #[prost(double, tag = "2")]
    pub(super) sum: f64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FeedbackRecord {
    #[prost(string, tag = "1")]
    pub(super) rule: String,
    #[prost(uint64, tag = "2")]
    pub(super) noise: u64,
    #[prost(uint64, tag = "3")]
    pub(super) useful: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RuleRecord {
    #[prost(string, tag = "1")]
    pub(super) json: String,
    #[prost(string, tag = "2")]
    pub(super) author: String,
    #[prost(fixed64, tag = "3")]
    pub(super) at: u64,
    #[prost(fixed64, tag = "4")]
    pub(super) expires_at: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SilenceRecord {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) matchers: Vec<MatcherRecord>,
    #[prost(fixed64, tag = "3")]
    pub(super) starts_at: u64,
    #[prost(fixed64, tag = "4")]
    pub(super) ends_at: u64,
    #[prost(string, tag = "5")]
    pub(super) author: String,
    #[prost(string, tag = "6")]
    pub(super) comment: String,
    #[prost(fixed64, tag = "7")]
    pub(super) updated_at: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MatcherRecord {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
    #[prost(bool, tag = "3")]
    pub(super) is_regex: bool,
    #[prost(bool, tag = "4")]
    pub(super) is_equal: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct AlertRecord {
    #[prost(uint32, tag = "1")]
    pub(super) owner: u32,
    #[prost(string, tag = "2")]
    pub(super) owner_name: String,
    #[prost(fixed64, tag = "3")]
    pub(super) shape: u64,
    #[prost(string, tag = "4")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "5")]
    pub(super) labels: Vec<Pair>,
    #[prost(string, tag = "6")]
    pub(super) rule_type: String,
    #[prost(string, tag = "7")]
    pub(super) slo_id: String,
    #[prost(message, repeated, tag = "8")]
    pub(super) annotations: Vec<Pair>,
    #[prost(double, tag = "9")]
    pub(super) threshold: f64,
    #[prost(double, tag = "10")]
    pub(super) value: f64,
    #[prost(bytes = "vec", repeated, tag = "11")]
    pub(super) exemplars: Vec<Vec<u8>>,
    #[prost(fixed64, tag = "12")]
    pub(super) seen_at: u64,
    #[prost(message, optional, tag = "13")]
    pub(super) machine: Option<MachineRecord>,
    #[prost(message, optional, tag = "14")]
    pub(super) notice: Option<NoticeRecord>,
    #[prost(message, repeated, tag = "15")]
    pub(super) events: Vec<EventRecord>,
    #[prost(uint64, tag = "16")]
    pub(super) forgotten: u64,
    #[prost(message, optional, tag = "17")]
    pub(super) past: Option<PastRecord>,
    #[prost(uint64, tag = "18")]
    pub(super) episode: u64,
}

/// The state of an alert.
#[derive(Clone, PartialEq, Message)]
pub(super) struct MachineRecord {
    #[prost(uint32, tag = "1")]
    pub(super) phase: u32,
    #[prost(fixed64, tag = "2")]
    pub(super) since: u64,
    #[prost(fixed64, tag = "3")]
    pub(super) active_at: u64,
    #[prost(fixed64, tag = "4")]
    pub(super) starts_at: u64,
    #[prost(fixed64, tag = "5")]
    pub(super) ends_at: u64,
    #[prost(fixed64, tag = "6")]
    pub(super) evaluated_at: u64,
    #[prost(fixed64, tag = "7")]
    pub(super) cooldown_until: u64,
    #[prost(uint64, tag = "8")]
    pub(super) sequence: u64,
    #[prost(uint32, tag = "9")]
    pub(super) severity: u32,
    #[prost(bool, tag = "10")]
    pub(super) is_silent: bool,
    #[prost(bool, tag = "11")]
    pub(super) is_held: bool,
    #[prost(fixed64, repeated, tag = "12")]
    pub(super) flips: Vec<u64>,
}

/// What others know of an alert.
#[derive(Clone, PartialEq, Message)]
pub(super) struct NoticeRecord {
    #[prost(uint32, tag = "1")]
    pub(super) told: u32,
    #[prost(uint64, tag = "2")]
    pub(super) told_sequence: u64,
    #[prost(fixed64, tag = "3")]
    pub(super) told_starts_at: u64,
    #[prost(fixed64, tag = "4")]
    pub(super) told_ends_at: u64,
    #[prost(fixed64, tag = "5")]
    pub(super) told_at: u64,
    #[prost(uint32, tag = "6")]
    pub(super) fired_severity: u32,
    #[prost(string, repeated, tag = "7")]
    pub(super) suppressed_by: Vec<String>,
    #[prost(uint64, tag = "8")]
    pub(super) suppression_told: u64,
    #[prost(bool, tag = "9")]
    pub(super) is_acknowledged: bool,
    #[prost(string, tag = "10")]
    pub(super) acknowledged_by: String,
    #[prost(string, tag = "11")]
    pub(super) comment: String,
    #[prost(fixed64, tag = "12")]
    pub(super) acknowledged_at: u64,
    #[prost(uint32, tag = "13")]
    pub(super) steps: u32,
    #[prost(uint32, optional, tag = "14")]
    pub(super) escalated: Option<u32>,
    #[prost(uint32, tag = "15")]
    pub(super) opinion: u32,
    #[prost(fixed64, tag = "16")]
    pub(super) opinion_of: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct EventRecord {
    #[prost(fixed64, tag = "1")]
    pub(super) at: u64,
    #[prost(uint32, tag = "2")]
    pub(super) what: u32,
    #[prost(double, tag = "3")]
    pub(super) value: f64,
    #[prost(uint32, tag = "4")]
    pub(super) severity: u32,
    #[prost(string, tag = "5")]
    pub(super) detail: String,
}

/// The past that a rule looks at, in cells.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PastRecord {
    #[prost(uint64, tag = "1")]
    pub(super) cell_nanos: u64,
    #[prost(uint32, tag = "2")]
    pub(super) n_cells: u32,
    #[prost(uint64, tag = "3")]
    pub(super) number: u64,
    #[prost(double, repeated, tag = "4")]
    pub(super) means: Vec<f64>,
    #[prost(double, tag = "5")]
    pub(super) sum: f64,
    #[prost(uint32, tag = "6")]
    pub(super) count: u32,
}

/// What people may ask about: the values of alerts, whatever their state.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Archive {
    #[prost(message, repeated, tag = "1")]
    pub(super) alerts: Vec<ArchivedRecord>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ArchivedRecord {
    #[prost(message, optional, tag = "1")]
    pub(super) alert: Option<AlertRecord>,
    #[prost(message, optional, tag = "2")]
    pub(super) tape: Option<TapeRecord>,
}

/// What was compared in the last 24 hours.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TapeRecord {
    #[prost(uint64, tag = "1")]
    pub(super) every_nanos: u64,
    #[prost(uint64, tag = "2")]
    pub(super) evaluation: u64,
    #[prost(uint64, tag = "3")]
    pub(super) slot: u64,
    /// In threes: twice how many slots are alike and whether the condition held, how much the least value is above that
    /// of the slots before, and how much the greatest is above the least.
    #[prost(sint64, repeated, tag = "4")]
    pub(super) slots: Vec<i64>,
    #[prost(message, repeated, tag = "5")]
    pub(super) blocks: Vec<BlockRecord>,
    #[prost(float, repeated, tag = "6")]
    pub(super) open: Vec<f32>,
    #[prost(fixed32, tag = "7")]
    pub(super) open_true: u32,
}

/// Neighbouring blocks that are alike.
#[derive(Clone, PartialEq, Message)]
pub(super) struct BlockRecord {
    #[prost(uint32, tag = "1")]
    pub(super) n: u32,
    #[prost(fixed32, tag = "2")]
    pub(super) least: u32,
    #[prost(fixed32, tag = "3")]
    pub(super) greatest: u32,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) parts: Vec<u8>,
}
