//! Settings, as an operator writes them.

mod backfill;
mod burn;
mod openslo;
mod sli;

use std::collections::BTreeMap;

use component::{WidthSetting, Widths};
use config::Duration;
use model::Columns;
use serde::Deserialize;

pub(super) use self::{
    backfill::{BackfillConfig, PastConfig},
    burn::{BurnAlertConfig, BurnAlerts},
    openslo::OpenSloFiles,
    sli::{CombineConfig, CounterConfig, MetricConfig, SliConfig, SliType},
};

/// Settings of `sla`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub struct SlaConfig {
    /// The objectives.
    pub(crate) slos: Vec<ObjectiveConfig>,
    /// Files with objectives of OpenSLO.
    pub(crate) openslo_files: OpenSloFiles,
    /// From where counts of the past come.
    pub(crate) backfill: BackfillConfig,
    /// How often objectives are judged.
    pub(crate) evaluation_interval: Duration,
    pub(crate) emit: EmitConfig,
    pub(crate) state: StateConfig,
    /// Times that count for no objective.
    pub(crate) maintenance: Vec<MaintenanceConfig>,
    /// Workflows that are followed at a time.
    pub(crate) max_open_workflows: u64,
}

/// What is told, and how often.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct EmitConfig {
    pub(crate) interval: Duration,
    /// By whose names metrics go.
    pub(crate) dialects: Vec<Dialect>,
    /// Log records of breaches, budgets and burn rates.
    pub(crate) events: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Dialect {
    Native,
    Sloth,
    Pyrra,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct StateConfig {
    /// How often the counts are stored: so much is lost by a crash.
    pub(crate) snapshot_interval: Duration,
    /// How long it is an alert that the stored counts could not be read.
    pub(crate) unreadable_alert_for: Duration,
}

/// A promise.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct ObjectiveConfig {
    pub(crate) name: String,
    /// `service.name`; `*` stands for any text.
    pub(crate) service: String,
    #[serde(default)]
    pub(crate) description: String,
    /// Attributes of the span or its resource, and what they must be.
    #[serde(default, rename = "match")]
    pub(crate) r#match: BTreeMap<String, String>,
    pub(crate) sli: SliConfig,
    /// The share of events that must be good.
    #[serde(default)]
    pub(crate) target: Option<f64>,
    #[serde(default)]
    pub(crate) window: WindowConfig,
    #[serde(default)]
    pub(crate) budgeting: Budgeting,
    #[serde(default)]
    pub(crate) burn_alerts: BurnAlerts,
    /// With fewer events nothing is judged.
    #[serde(default = "ten")]
    pub(crate) min_events: u64,
    #[serde(default)]
    pub(crate) escalation: Vec<EscalationConfig>,
    #[serde(default)]
    pub(crate) cost: Option<CostConfig>,
    #[serde(default)]
    pub(crate) maintenance: Vec<MaintenanceConfig>,
    /// The longest that an outage may take.
    #[serde(default)]
    pub(crate) rto: Option<Duration>,
    /// The share of bad events from which on a minute is downtime.
    #[serde(default = "half")]
    pub(crate) downtime_error_ratio: f64,
    /// Added to all metrics and alerts.
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) alerting: ObjectiveAlerts,
    /// What was counted before this component did.
    #[serde(default)]
    pub(crate) backfill: Option<PastConfig>,
}

impl ObjectiveConfig {
    /// An objective without a name, for what fills in the rest.
    pub(super) fn of(sli: SliConfig) -> Self {
        Self {
            name: String::new(),
            service: String::new(),
            description: String::new(),
            r#match: BTreeMap::new(),
            sli,
            target: None,
            window: WindowConfig::default(),
            budgeting: Budgeting::default(),
            burn_alerts: BurnAlerts::default(),
            min_events: ten(),
            escalation: Vec::new(),
            cost: None,
            maintenance: Vec::new(),
            rto: None,
            downtime_error_ratio: half(),
            labels: BTreeMap::new(),
            alerting: ObjectiveAlerts::default(),
            backfill: None,
        }
    }
}

const fn ten() -> u64 {
    10
}

const fn half() -> f64 {
    0.5
}

/// Over which time an objective is kept.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct WindowConfig {
    pub(crate) rolling: Option<Days>,
    /// `1d`, `1w`, `1M`, `1Q`, `1y`.
    pub(crate) calendar: Option<String>,
    /// IANA name; UTC when there is none.
    pub(crate) timezone: Option<String>,
}

/// What is counted.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Budgeting {
    /// Events.
    #[default]
    Occurrences,
    /// Slices of time.
    Timeslices(SlicesConfig),
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct SlicesConfig {
    pub(crate) slice: Duration,
    /// The share of good events from which on a slice is good.
    pub(crate) target: f64,
    /// Whether slices without events are good; otherwise they are not counted.
    #[serde(default)]
    pub(crate) count_empty: bool,
}

/// A share of the budget, at which somebody is told.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct EscalationConfig {
    pub(crate) budget_consumed: f64,
    pub(crate) severity: Urgency,
}

/// Whether somebody is woken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Urgency {
    Ticket,
    Page,
}

impl Urgency {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ticket => "ticket",
            Self::Page => "page",
        }
    }

    pub(super) const fn severity(self) -> model::Severity {
        match self {
            Self::Ticket => model::Severity::Warning,
            Self::Page => model::Severity::Critical,
        }
    }
}

/// What failing costs.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct CostConfig {
    #[serde(default)]
    pub(crate) per_bad_event: f64,
    #[serde(default)]
    pub(crate) per_down_minute: f64,
    #[serde(default)]
    pub(crate) credits: Vec<CreditConfig>,
    pub(crate) currency: String,
}

/// What is owed when less than `below` was good.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct CreditConfig {
    pub(crate) below: f64,
    pub(crate) amount: f64,
}

/// A time that does not count: from `start` to `end`, or by a weekly `schedule`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct MaintenanceConfig {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) start: Option<String>,
    #[serde(default)]
    pub(crate) end: Option<String>,
    /// `Sat 02:00-06:00 Europe/Berlin`.
    #[serde(default)]
    pub(crate) schedule: Option<String>,
}

/// What alerts of an objective are called and carry.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ObjectiveAlerts {
    /// `alertname`; made of the objective's name when there is none.
    pub(crate) name: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    /// Of those that wake somebody, and of those that do not.
    pub(crate) page: UrgencyConfig,
    pub(crate) ticket: UrgencyConfig,
    /// Tells when too little is known to judge.
    pub(crate) insufficient_data: Option<Urgency>,
}

/// What alerts of one urgency carry beside the others.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct UrgencyConfig {
    /// Whether burn rates are alerts of this urgency.
    pub(crate) enabled: bool,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Default for UrgencyConfig {
    fn default() -> Self {
        Self { enabled: true, labels: BTreeMap::new(), annotations: BTreeMap::new() }
    }
}

impl ObjectiveAlerts {
    pub(super) const fn of(&self, urgency: Urgency) -> &UrgencyConfig {
        match urgency {
            Urgency::Page => &self.page,
            Urgency::Ticket => &self.ticket,
        }
    }
}

impl Default for SlaConfig {
    fn default() -> Self {
        Self {
            slos: Vec::new(),
            openslo_files: OpenSloFiles::default(),
            backfill: BackfillConfig::default(),
            evaluation_interval: Duration::from_secs(10),
            emit: EmitConfig::default(),
            state: StateConfig::default(),
            maintenance: Vec::new(),
            max_open_workflows: 100_000,
        }
    }
}

impl Default for EmitConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(15),
            dialects: vec![Dialect::Native, Dialect::Sloth],
            events: true,
        }
    }
}

impl Default for StateConfig {
    fn default() -> Self {
        Self { snapshot_interval: Duration::from_secs(60), unreadable_alert_for: Duration::from_secs(3600) }
    }
}

impl component::Config for SlaConfig {
    fn validate(&self, checks: &mut component::Checks) {
        super::plan::Plan::compile(self, checks);
    }

    fn read_widths(&self) -> Vec<Widths> {
        let of = |path: String, objective: &ObjectiveConfig, setting: WidthSetting| {
            let series = objective.sli.series();
            series
                .map(|(key, series)| {
                    let key = match setting {
                        WidthSetting::Fixed => path.clone(),
                        _ => format!("{path}.sli.{key}.window"),
                    };
                    Widths { setting, ..Widths::one(Columns::VALUES, key, series.width()) }
                })
                .collect::<Vec<_>>()
        };
        let inline = self.slos.iter().enumerate();
        let inline = inline.flat_map(|(at, slo)| of(format!("slos.{at}"), slo, WidthSetting::One));
        // OpenSLO says nothing of windows.
        let files = self.openslo_files.objectives();
        let files = files.flat_map(|(place, slo)| of(place, slo, WidthSetting::Fixed));
        inline.chain(files).collect()
    }
}

impl SlaConfig {
    /// Returns all objectives with the path at which each stands.
    pub(super) fn objectives(&self) -> impl Iterator<Item = (String, &ObjectiveConfig)> {
        let inline = self.slos.iter().enumerate().map(|(at, slo)| (format!("slos.{at}"), slo));
        inline.chain(self.openslo_files.objectives())
    }
}

/// A span of time that may be written in days and weeks: `30d`, `4w`, `12h`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct Days(pub(crate) std::time::Duration);

impl Days {
    /// Reads a whole number with one of the units `m`, `h`, `d` and `w`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let seconds: u64 = match unit {
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            "w" => 7 * 86_400,
            _ => return None,
        };
        let number: u64 = number.parse().ok()?;
        Some(Self(std::time::Duration::from_secs(number.checked_mul(seconds)?)))
    }
}

impl<'de> Deserialize<'de> for Days {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "`{text}` is no window\nwrite a number with a unit: `30d`, `4w`, `12h`"
            ))
        })
    }
}
