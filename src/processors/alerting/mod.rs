//! `alerting`: who must be told, of what, and when again?
//!
//! *Inputs*: closed windows, which its rules judge, and the conditions of stages before it. *Outputs*: log records
//! `trueline.alert.<state>`, the series `ALERTS` and `ALERTS_FOR_STATE`, and figures of alerting itself. Windows pass on
//! as they came. It answers questions about alerts, silences and rules, and does what people ask of them.
//!
//! *Method*: rows are added up by rule and group (`windows`); when a window has closed each group is judged (`judge`,
//! which looks at a past of sixty cells, `past`) and steps through its life (`machine`). What follows from that for others
//! is found by comparing what is so with what they were told (`notice`), under what keeps them from being told
//! (`silences`, schedules). A record leaves at the tick after the state that it tells of was stored, so that no crash makes
//! it untrue. What was compared is kept for questions (`tape`), also of alerts that have gone (`shelf`) and over a
//! restart (`archive`).
//!
//! Names and times of what is told come from the data alone: replicas that are fed alike tell alike.

mod alert;
mod api;
mod archive;
mod conditions;
mod config;
mod history;
mod judge;
mod labels;
mod machine;
mod matching;
mod meters;
mod metrics;
mod notice;
mod output;
mod past;
mod processor;
mod record;
mod review;
mod rule;
mod rules;
mod shelf;
mod silences;
mod snapshot;
mod tape;
mod template;
#[cfg(test)]
mod tests;
mod windows;

pub use config::AlertingConfig;
pub use processor::Alerting;

/// The scope of what is emitted.
const SCOPE: &str = "alerting";
/// Prometheus's names of labels.
const ALERTNAME: &str = "alertname";
const ALERTSTATE: &str = "alertstate";
