//! Settings.

use std::{collections::BTreeMap, sync::Arc};

use component::{Checks, Config, Widths};
use config::Duration;
use model::{Columns, Severity};
use serde::Deserialize;

use super::{
    machine::OnNoData,
    rule::{On, RuleConfig, check_severity, is_window},
};
use crate::schedule::Schedule;

/// Settings of `alerting`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub struct AlertingConfig {
    /// Width of the windows that rules judge which do not say otherwise.
    pub(crate) window: Duration,
    /// How often rules are evaluated; a multiple of the window.
    pub(crate) evaluation_interval: Duration,
    /// How long a window is waited for.
    pub(crate) lateness: Duration,
    pub(crate) defaults: DefaultsConfig,
    /// Shared with the stage, as there may be very many.
    pub(crate) rules: Vec<Arc<RuleConfig>>,
    /// When nobody is told of what.
    pub(crate) suppress: Vec<SuppressConfig>,
    pub(crate) dynamic: DynamicConfig,
    pub(crate) silences: SilencesConfig,
    /// What happens to alerts that nobody takes care of.
    pub(crate) escalation: Vec<EscalationConfig>,
    pub(crate) watchdog: WatchdogConfig,
    /// How often an alert that fires is told again.
    pub(crate) resend_interval: Duration,
    /// How long a resolved alert is told again.
    pub(crate) resend_resolved_for: Duration,
    /// Put on every alert that does not have them.
    pub(crate) labels: BTreeMap<String, String>,
    /// Alerts that are known at most, whatever their state.
    pub(crate) max_alerts: u64,
    /// How long a series without data is remembered.
    pub(crate) series_retention: Duration,
    /// Memory for values of the last 24 hours.
    pub(crate) explain_bytes: config::ByteSize,
}

/// What rules have that do not say otherwise.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct DefaultsConfig {
    pub(crate) r#for: Duration,
    pub(crate) keep_firing_for: Duration,
    pub(crate) cooldown: Duration,
    pub(crate) on_no_data: OnNoData,
    pub(crate) severity: String,
}

/// A time at which nobody is told of some alerts.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct SuppressConfig {
    /// Labels of the alerts; `*` stands for any text.
    #[serde(default)]
    pub(crate) r#match: BTreeMap<String, String>,
    /// `Sat 02:00-06:00 Europe/Berlin`.
    pub(crate) schedule: String,
}

/// Rules that are made while it runs.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct DynamicConfig {
    pub(crate) enabled: bool,
    pub(crate) max: u64,
    /// How long one lives that does not say.
    pub(crate) ttl: Duration,
    /// How long one may live.
    pub(crate) max_ttl: Duration,
}

/// What a person does not want to be told of.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct SilencesConfig {
    pub(crate) max: u64,
    pub(crate) max_duration: Duration,
}

/// A step that is taken when an alert has fired for too long.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct EscalationConfig {
    pub(crate) after: Duration,
    #[serde(default)]
    pub(crate) r#if: EscalateIf,
    /// Labels of the alerts; `*` stands for any text.
    #[serde(default)]
    pub(crate) r#match: BTreeMap<String, String>,
    /// The severity that the alert gets; never a lower one.
    #[serde(default)]
    pub(crate) severity: Option<String>,
    /// The destination of `alert_webhook` that is told; absent means all.
    #[serde(default)]
    pub(crate) to: Option<String>,
}

/// Which alerts are escalated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EscalateIf {
    /// Nobody has acknowledged it.
    #[default]
    Unacked,
    /// It still fires, acknowledged or not.
    Unresolved,
}

/// An alert that always fires: its absence tells that alerting is broken.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct WatchdogConfig {
    pub(crate) enabled: bool,
    pub(crate) name: String,
    pub(crate) severity: String,
    pub(crate) labels: BTreeMap<String, String>,
}

const MOST_RULES: usize = 20_000;
const MOST_ENTRIES: usize = 1000;
const MOST_ALERTS: u64 = 1_000_000;

impl Default for AlertingConfig {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(10),
            evaluation_interval: Duration::from_secs(10),
            lateness: Duration::from_secs(30),
            defaults: DefaultsConfig::default(),
            rules: Vec::new(),
            suppress: Vec::new(),
            dynamic: DynamicConfig::default(),
            silences: SilencesConfig::default(),
            escalation: Vec::new(),
            watchdog: WatchdogConfig::default(),
            resend_interval: minutes(1),
            resend_resolved_for: minutes(15),
            labels: BTreeMap::new(),
            max_alerts: 50_000,
            series_retention: minutes(60),
            explain_bytes: config::ByteSize(32 << 20),
        }
    }
}

impl Default for DefaultsConfig {
    fn default() -> Self {
        Self {
            r#for: minutes(1),
            keep_firing_for: minutes(2),
            cooldown: minutes(10),
            on_no_data: OnNoData::Keep,
            severity: Severity::default().name().to_owned(),
        }
    }
}

impl Default for DynamicConfig {
    fn default() -> Self {
        Self { enabled: true, max: 50, ttl: minutes(30), max_ttl: minutes(7 * 24 * 60) }
    }
}

impl Default for SilencesConfig {
    fn default() -> Self {
        Self { max: 1000, max_duration: minutes(31 * 24 * 60) }
    }
}

impl Default for WatchdogConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            name: "Watchdog".to_owned(),
            severity: Severity::Info.name().to_owned(),
            labels: BTreeMap::new(),
        }
    }
}

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

impl Config for AlertingConfig {
    fn validate(&self, checks: &mut Checks) {
        self.check_times(checks);
        self.check_bounds(checks);
        self.check_rules(checks);
        self.check_overlays(checks);
        let mut on = On { path: "", checks };
        check_severity("defaults.severity", &self.defaults.severity, &mut on);
        check_severity("watchdog.severity", &self.watchdog.severity, &mut on);
        if self.watchdog.enabled && self.watchdog.name.is_empty() {
            on.error("watchdog.name", "name is empty, name the alert or set enabled: false");
        }
    }

    fn read_widths(&self) -> Vec<Widths> {
        let of = |(index, rule): (usize, &Arc<RuleConfig>)| {
            let is_own = self.is_own_window(rule);
            let key = if is_own { format!("rules.{index}.window") } else { "window".to_owned() };
            let columns = Columns::VALUES.union(rule.when.op.columns());
            Widths::one(columns, key, self.window_of(rule).get())
        };
        self.rules.iter().enumerate().map(of).collect()
    }
}

impl AlertingConfig {
    fn check_times(&self, checks: &mut Checks) {
        let (window, every) = (self.window.get(), self.evaluation_interval.get());
        if !is_window(window) {
            let message = format!("window is {}, must be whole seconds between 1s and 1h", self.window);
            checks.error("window", message);
        } else if every.is_zero() || !every.as_nanos().is_multiple_of(window.as_nanos()) {
            let message = format!(
                "evaluation_interval is {}, must be a multiple of window ({})",
                self.evaluation_interval, self.window
            );
            checks.error("evaluation_interval", message);
        }
        for (key, time, least, most) in [
            ("lateness", self.lateness, 1, 600),
            ("resend_interval", self.resend_interval, 1, 86_400),
            ("resend_resolved_for", self.resend_resolved_for, 0, 86_400),
            ("series_retention", self.series_retention, 60, 31 * 86_400),
            ("dynamic.ttl", self.dynamic.ttl, 1, self.dynamic.max_ttl.get().as_secs()),
            ("silences.max_duration", self.silences.max_duration, 60, 366 * 86_400),
        ] {
            if !(least..=most).contains(&time.get().as_secs()) {
                let (least, most) = (Duration::from_secs(least), Duration::from_secs(most));
                checks.error(key, format!("{key} is {time}, must be between {least} and {most}"));
            }
        }
    }

    fn check_bounds(&self, checks: &mut Checks) {
        for (key, value, most) in [
            ("max_alerts", self.max_alerts, MOST_ALERTS),
            ("dynamic.max", self.dynamic.max, 10_000),
            ("silences.max", self.silences.max, 10_000),
            ("explain_bytes", self.explain_bytes.0, 4 << 30),
        ] {
            if value > most || (value == 0 && key == "max_alerts") {
                checks.error(key, format!("{key} is {value}, must be at most {most}"));
            }
        }
        for (key, count, most) in [
            ("rules", self.rules.len(), MOST_RULES),
            ("suppress", self.suppress.len(), MOST_ENTRIES),
            ("escalation", self.escalation.len(), 16),
            ("labels", self.labels.len(), 32),
        ] {
            if count > most {
                checks.error(key, format!("{key} has {count} entries, at most {most} are taken"));
            }
        }
    }

    fn check_rules(&self, checks: &mut Checks) {
        let mut names = BTreeMap::new();
        for (index, rule) in self.rules.iter().enumerate() {
            let path = format!("rules.{index}");
            self.check_rule(&path, rule, checks);
            if let Some(before) = names.insert(&rule.name, index) {
                let message =
                    format!("name `{}` is that of rules.{before} too, give each its own", rule.name);
                checks.error(&format!("{path}.name"), message);
            }
        }
    }

    /// Reports what is wrong with a rule that stands at `path`, wherever it comes from.
    pub(super) fn check_rule(&self, path: &str, rule: &RuleConfig, checks: &mut Checks) {
        let window = self.window_of(rule);
        rule.check(path, window.get(), checks);
        let (width, every) = (window.get().as_nanos(), self.evaluation_interval.get().as_nanos());
        // The window of the processor is checked with the interval itself.
        if self.is_own_window(rule) && !width.is_multiple_of(every) && !every.is_multiple_of(width) {
            let message = format!(
                "window is {window}, must be a multiple or a part of evaluation_interval ({})",
                self.evaluation_interval
            );
            On { path, checks }.error("window", message);
        }
    }

    fn check_overlays(&self, checks: &mut Checks) {
        for (index, suppress) in self.suppress.iter().enumerate() {
            let path = format!("suppress.{index}");
            if let Err(problem) = Schedule::parse(&suppress.schedule) {
                checks.error(&format!("{path}.schedule"), problem);
            }
            if suppress.r#match.is_empty() {
                checks.warn(
                    &format!("{path}.match"),
                    "match is empty: nobody is told of anything at that time",
                );
            }
        }
        for (index, step) in self.escalation.iter().enumerate() {
            let path = format!("escalation.{index}");
            let mut on = On { path: &path, checks };
            if let Some(severity) = &step.severity {
                check_severity("severity", severity, &mut on);
            }
            if step.after.get().is_zero() {
                on.error("after", "after is 0s, must be above 0s");
            }
            if step.severity.is_none() && step.to.is_none() {
                on.error("", "says neither severity nor to, say what changes");
            }
        }
    }

    /// Returns how wide the windows of a rule are. Those that stages before have judged are a minute wide by default.
    pub(super) fn window_of(&self, rule: &RuleConfig) -> Duration {
        let usual = if rule.when.op.is_judged_before() { minutes(1) } else { self.window };
        rule.window.unwrap_or(usual)
    }

    /// Whether the width of a rule's windows does not follow from that of the processor.
    fn is_own_window(&self, rule: &RuleConfig) -> bool {
        rule.window.is_some() || rule.when.op.is_judged_before()
    }

    /// What rules read of windows beside their values.
    pub(super) fn columns_of_rules(&self) -> Columns {
        self.rules.iter().fold(Columns::NONE, |all, rule| all.union(rule.when.op.columns()))
    }
}
