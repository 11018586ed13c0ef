//! Settings of stages, as they are written.

use std::collections::BTreeMap;

use serde::Serialize;

pub(super) type Texts = BTreeMap<String, String>;

/// A part of a configuration, to stand beside others on the command line.
#[derive(Serialize)]
pub(super) struct Written<T: Serialize> {
    pub(super) processors: T,
}

#[derive(Serialize)]
pub(super) struct SlaStage {
    pub(super) sla: Sla,
}

#[derive(Serialize)]
pub(super) struct Sla {
    pub(super) slos: Vec<Slo>,
}

#[derive(Clone, Serialize)]
pub(super) struct Slo {
    pub(super) name: String,
    pub(super) service: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) description: String,
    pub(super) sli: Sli,
    pub(super) target: f64,
    pub(super) window: Window,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) burn_alerts: Vec<BurnAlert>,
    pub(super) min_events: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) labels: Texts,
    #[serde(skip_serializing_if = "SloAlerting::says_nothing")]
    pub(super) alerting: SloAlerting,
}

#[derive(Clone, Serialize)]
pub(super) struct Sli {
    pub(super) r#type: &'static str,
    pub(super) counters: Counters,
}

#[derive(Clone, Serialize)]
pub(super) struct Counters {
    pub(super) total: Selected,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) good: Option<Selected>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bad: Option<Selected>,
}

#[derive(Clone, Serialize)]
pub(super) struct Selected {
    pub(super) prometheus: String,
}

#[derive(Clone, Serialize)]
pub(super) struct Window {
    pub(super) rolling: String,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct BurnAlert {
    pub(super) severity: &'static str,
    pub(super) long: String,
    pub(super) short: String,
    pub(super) factor: f64,
}

#[derive(Clone, Default, Serialize)]
pub(super) struct SloAlerting {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) name: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) labels: Texts,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: Texts,
    #[serde(skip_serializing_if = "OfUrgency::says_nothing")]
    pub(super) page: OfUrgency,
    #[serde(skip_serializing_if = "OfUrgency::says_nothing")]
    pub(super) ticket: OfUrgency,
}

impl SloAlerting {
    fn says_nothing(&self) -> bool {
        let Self { name, labels, annotations, page, ticket } = self;
        name.is_empty()
            && labels.is_empty()
            && annotations.is_empty()
            && page.says_nothing()
            && ticket.says_nothing()
    }
}

#[derive(Clone, Default, Serialize)]
pub(super) struct OfUrgency {
    /// Said only where it is false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) enabled: Option<bool>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) labels: Texts,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: Texts,
}

impl OfUrgency {
    fn says_nothing(&self) -> bool {
        self.enabled.is_none() && self.labels.is_empty() && self.annotations.is_empty()
    }
}

#[derive(Serialize)]
pub(super) struct AlertingStage {
    pub(super) alerting: Alerting,
}

#[derive(Serialize)]
pub(super) struct Alerting {
    pub(super) rules: Vec<Rule>,
}

#[derive(Clone, Serialize)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) prometheus: String,
    pub(super) stat: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) group_by: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) aggregate: Option<&'static str>,
    pub(super) when: When,
    pub(super) r#for: String,
    pub(super) keep_firing_for: String,
    pub(super) cooldown: String,
    pub(super) on_no_data: &'static str,
    pub(super) no_data_after: &'static str,
    pub(super) hold_flapping: bool,
    pub(super) severity: &'static str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) labels: Texts,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: Texts,
}

#[derive(Clone, Serialize)]
pub(super) struct When {
    pub(super) op: &'static str,
    pub(super) value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) over: Option<String>,
}
