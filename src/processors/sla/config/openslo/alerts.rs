//! Alert policies of OpenSLO, as burn rates that are alerts.

use std::collections::BTreeMap;

use config::Duration;
use serde::{Deserialize, de::IgnoredAny};

use super::document::Metadata;
use crate::sla::config::{BurnAlertConfig, BurnAlerts, Days, Urgency};

/// An alert policy, by itself or within an objective.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Policy {
    #[serde(default, rename = "apiVersion")]
    _api_version: Option<String>,
    #[serde(default, rename = "kind")]
    _kind: Option<String>,
    /// In place of the rest.
    #[serde(default)]
    alert_policy_ref: Option<String>,
    #[serde(default)]
    pub(super) metadata: Metadata,
    #[serde(default)]
    spec: PolicySpec,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PolicySpec {
    description: String,
    alert_when_no_data: bool,
    alert_when_resolved: bool,
    alert_when_breaching: bool,
    conditions: Vec<Condition>,
    /// Who is told is not said here.
    notification_targets: Vec<IgnoredAny>,
}

impl Default for PolicySpec {
    fn default() -> Self {
        Self {
            description: String::new(),
            alert_when_no_data: false,
            alert_when_resolved: true,
            alert_when_breaching: true,
            conditions: Vec::new(),
            notification_targets: Vec::new(),
        }
    }
}

/// A condition, by itself or within a policy.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Condition {
    #[serde(default, rename = "apiVersion")]
    _api_version: Option<String>,
    #[serde(default, rename = "kind")]
    _kind: Option<String>,
    /// In place of the rest.
    #[serde(default)]
    condition_ref: Option<String>,
    #[serde(default)]
    pub(super) metadata: Metadata,
    #[serde(default)]
    spec: Option<ConditionSpec>,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
struct ConditionSpec {
    #[serde(default, rename = "description")]
    _description: String,
    severity: String,
    condition: Burn,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Burn {
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    op: Option<String>,
    threshold: f64,
    lookback_window: Days,
    #[serde(default)]
    alert_after: Option<Duration>,
}

/// What objectives may refer to, by name.
#[derive(Default)]
pub(super) struct Known {
    pub(super) policies: BTreeMap<String, Policy>,
    pub(super) conditions: BTreeMap<String, Condition>,
}

/// What an objective's policies come to.
#[derive(Default)]
pub(super) struct Converted {
    burn: Vec<BurnAlertConfig>,
    /// Of policies that speak when too little is known.
    pub(super) insufficient_data: Option<Urgency>,
    /// What can not be said, with the reason.
    pub(super) left_out: Vec<String>,
}

impl Converted {
    /// Returns the alerts; those by default when none of the policies can be said.
    pub(super) fn burn_alerts(&self) -> BurnAlerts {
        if self.burn.is_empty() { BurnAlerts::Auto } else { BurnAlerts::Own(self.burn.clone()) }
    }
}

/// Converts the policies of an objective.
pub(super) fn convert(policies: &[Policy], known: &Known) -> Converted {
    let mut made = Converted::default();
    for policy in policies {
        let policy = match &policy.alert_policy_ref {
            None => policy,
            Some(name) => match known.policies.get(name) {
                Some(policy) => policy,
                None => {
                    made.left_out.push(format!("alertPolicyRef: there is no AlertPolicy `{name}`"));
                    continue;
                }
            },
        };
        if let Err(problem) = add(policy, known, &mut made) {
            made.left_out.push(format!("alert policy `{}` is left out: {problem}", policy.metadata.name()));
        }
    }
    if made.burn.is_empty() && !policies.is_empty() {
        made.left_out.push(
            "none of its alert policies can be said, so `burn_alerts: auto` takes their place".to_owned(),
        );
    }
    made
}

fn add(policy: &Policy, known: &Known, made: &mut Converted) -> Result<(), String> {
    let PolicySpec { alert_when_no_data, alert_when_resolved, alert_when_breaching, conditions, .. } =
        &policy.spec;
    let [condition] = &conditions[..] else {
        return Err(format!("it has {} conditions, one is read", conditions.len()));
    };
    let condition = match &condition.condition_ref {
        None => condition,
        Some(name) => {
            known.conditions.get(name).ok_or_else(|| format!("there is no AlertCondition `{name}`"))?
        }
    };
    let spec = condition.spec.as_ref().ok_or("its condition has no spec")?;
    let severity = urgency(&spec.severity)?;
    if *alert_when_breaching {
        made.burn.push(burn(&spec.condition, severity)?);
    }
    if *alert_when_no_data {
        made.insufficient_data = made.insufficient_data.max(Some(severity));
    }
    let mut tell =
        |what: &str| made.left_out.push(format!("alert policy `{}`: {what}", policy.metadata.name()));
    if !alert_when_resolved {
        tell("alertWhenResolved is false, but whoever is told of an alert is told of its end");
    }
    if !policy.spec.notification_targets.is_empty() {
        tell("notificationTargets are not read, `alert_webhook` says who is told");
    }
    Ok(())
}

fn urgency(severity: &str) -> Result<Urgency, String> {
    match severity.to_ascii_lowercase().as_str() {
        "page" | "critical" | "emergency" | "high" => Ok(Urgency::Page),
        "ticket" | "warning" | "medium" | "low" | "info" => Ok(Urgency::Ticket),
        _ => Err(format!("its severity is `{severity}`, write page or ticket")),
    }
}

fn burn(condition: &Burn, severity: Urgency) -> Result<BurnAlertConfig, String> {
    let Burn { kind, op, threshold, lookback_window, alert_after } = condition;
    if let Some(kind) = kind.as_deref().filter(|kind| !kind.eq_ignore_ascii_case("burnrate")) {
        return Err(format!("its condition is of kind `{kind}`, burnrate is read"));
    }
    // Burn rates are ratios of doubles, that meet a threshold to the last bit by accident alone.
    if let Some(op) = op.as_deref().filter(|op| !matches!(*op, "gt" | "gte")) {
        return Err(format!(
            "its op is `{op}`; a budget burns too fast above a threshold, which is gt or gte"
        ));
    }
    Ok(BurnAlertConfig {
        severity,
        long: *lookback_window,
        short: None,
        factor: *threshold,
        r#for: *alert_after,
    })
}
