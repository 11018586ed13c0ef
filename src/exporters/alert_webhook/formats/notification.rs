//! The alerts of a group, as Alertmanager's receivers are told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::labels::legal_name;
use crate::alert_webhook::alert::{Alert, INCIDENT};

/// The labels that alerts of a group share, by which they are a group.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(in super::super) struct GroupKey(pub(in super::super) BTreeMap<String, String>);

/// How a group is, at the time of telling.
#[derive(Clone, PartialEq, Debug)]
pub(in super::super) struct Notification {
    pub(in super::super) group: GroupKey,
    /// Those that fire first, then by start and labels.
    pub(in super::super) alerts: Vec<Alert>,
}

impl GroupKey {
    /// Returns the group of an alert. `...` means every label, as in Alertmanager; a label that an alert lacks is
    /// not part of its group. `incident_id` is no label, and may be asked for like one; an alert that has none is a
    /// group by itself.
    pub(in super::super) fn of(alert: &Alert, group_by: &[String]) -> Self {
        let is_alone =
            |label: &String| label == "..." || label == INCIDENT && !alert.annotations.contains_key(INCIDENT);
        if group_by.iter().any(is_alone) {
            return Self(alert.labels.clone());
        }
        let shared = group_by.iter().filter_map(|label| {
            // A configuration taken from Alertmanager names labels as that knows them.
            let found = alert
                .labels
                .get_key_value(label)
                .or_else(|| alert.labels.iter().find(|(name, _)| legal_name(name).as_deref() == Some(label)))
                .or_else(|| alert.annotations.get_key_value(label).filter(|_| label == INCIDENT));
            found.map(|(name, value)| (name.clone(), value.clone()))
        });
        Self(shared.collect())
    }

    /// Writes it as Alertmanager does: `{}:{alertname="HighErrors"}`.
    pub(in super::super) fn text(&self) -> String {
        let labels: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        format!("{{}}:{{{}}}", labels.join(", "))
    }
}

impl Notification {
    pub(in super::super) fn new(group: GroupKey, mut alerts: Vec<Alert>) -> Self {
        alerts.sort_by(|a, b| {
            (!a.is_firing(), a.starts_at, &a.labels).cmp(&(!b.is_firing(), b.starts_at, &b.labels))
        });
        Self { group, alerts }
    }

    /// Returns a group of one.
    pub(in super::super) fn of_one(alert: Alert) -> Self {
        Self { group: GroupKey(alert.labels.clone()), alerts: vec![alert] }
    }

    pub(super) fn is_firing(&self) -> bool {
        self.alerts.iter().any(Alert::is_firing)
    }

    pub(super) fn n_firing(&self) -> usize {
        self.alerts.iter().filter(|alert| alert.is_firing()).count()
    }

    /// Returns the first alerts and how many were left out; zero means no limit.
    pub(super) fn truncated(&self, most: usize) -> (Self, usize) {
        let most = if most == 0 { self.alerts.len() } else { most.min(self.alerts.len()) };
        let shown = Self { group: self.group.clone(), alerts: self.alerts[..most].to_vec() };
        (shown, self.alerts.len() - most)
    }

    /// Returns what all alerts have in common.
    pub(super) fn common(&self, of: impl Fn(&Alert) -> BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut alerts = self.alerts.iter();
        let mut common = alerts.next().map(&of).unwrap_or_default();
        for alert in alerts {
            let other = of(alert);
            common.retain(|name, value| other.get(name) == Some(value));
        }
        common
    }
}
