//! Settings of one destination.

use std::{borrow::Cow, collections::BTreeMap, path::PathBuf, sync::LazyLock, time::Duration};

use component::AuthConfig;
use model::AlertState;
use serde::Deserialize;
use transport::ClientTlsConfig;

use super::SecretSource;
use crate::{
    alert_webhook::alert::{Alert, AlertSeverity, INCIDENT},
    http::HeadersConfig,
};

/// PagerDuty has one address for all.
const PAGERDUTY_URL: &str = "https://events.pagerduty.com/v2/enqueue";

/// The alert that always fires.
pub(in super::super) const WATCHDOG: &str = "Watchdog";

/// Where alerts go.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(in super::super) struct DestinationConfig {
    /// Names it in metrics, in logs, below the queue's directory and in `escalation`.
    pub(in super::super) name: String,
    pub(in super::super) format: Format,
    pub(in super::super) tells: Tells,
    /// Keep alerts back whose incident has been told of.
    pub(in super::super) inhibit_members: bool,
    pub(in super::super) url: config::Secret,
    /// Replicas: each gets everything.
    pub(in super::super) urls: Vec<config::Secret>,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub(in super::super) url_env: Option<String>,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub(in super::super) url_file: Option<PathBuf>,
    pub(in super::super) min_severity: AlertSeverity,
    /// Labels that an alert must have; `*` stands for any text.
    pub(in super::super) r#match: BTreeMap<String, String>,
    pub(in super::super) send_resolved: bool,
    pub(in super::super) resend: config::Duration,
    pub(in super::super) timeout: config::Duration,
    #[serde(deserialize_with = "config::headers")]
    pub(in super::super) headers: HeadersConfig,
    pub(in super::super) signing: config::Section<SigningConfig>,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub(in super::super) routing_key_env: Option<String>,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub(in super::super) routing_key_file: Option<PathBuf>,
    pub(in super::super) template: String,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub(in super::super) template_file: Option<PathBuf>,
    pub(in super::super) content_type: String,
    pub(in super::super) tls: ClientTlsConfig,
    pub(in super::super) auth: config::Section<AuthConfig>,
    pub(in super::super) allow_private: Vec<String>,
    pub(in super::super) group_by: Vec<String>,
    pub(in super::super) group_wait: config::Duration,
    pub(in super::super) group_interval: config::Duration,
    pub(in super::super) repeat_interval: config::Duration,
    /// Of one message; zero means all.
    pub(in super::super) max_alerts: usize,
    /// Messages under way at once, each of another alert.
    pub(in super::super) max_in_flight: usize,
}

/// What a destination understands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum Format {
    AlertmanagerV2,
    #[serde(rename = "alertmanager_webhook_v4")]
    AlertmanagerWebhook,
    #[serde(rename = "pagerduty_v2")]
    PagerDuty,
    Slack,
    TeamsWorkflow,
    StandardWebhook,
    #[serde(rename = "cloudevents")]
    CloudEvents,
    Template,
}

/// What a destination is told of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum Tells {
    Alerts,
    Incidents,
}

/// How a receiver can tell that a message is ours.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in super::super) struct SigningConfig {
    pub(in super::super) scheme: Scheme,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub(in super::super) secret_env: Option<String>,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub(in super::super) secret_file: Option<PathBuf>,
    /// A second secret that signs too, while receivers change from one to the other.
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub(in super::super) rotate_secret_env: Option<String>,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub(in super::super) rotate_secret_file: Option<PathBuf>,
    /// The header of `hmac_sha256`.
    pub(in super::super) header: String,
    /// A header of `hmac_sha256` with the time, which then is signed with the body.
    pub(in super::super) timestamp_header: String,
}

/// What is signed, and where the signature stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum Scheme {
    /// Standard Webhooks 1.0.
    #[default]
    Standard,
    /// As Grafana signs: hexadecimal HMAC of the body.
    HmacSha256,
}

impl Default for DestinationConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            format: Format::AlertmanagerWebhook,
            tells: Tells::Alerts,
            inhibit_members: true,
            url: config::Secret::default(),
            urls: Vec::new(),
            url_env: None,
            url_file: None,
            min_severity: AlertSeverity(model::Severity::Info),
            r#match: BTreeMap::new(),
            send_resolved: true,
            resend: config::Duration::from_secs(60),
            timeout: config::Duration::from_secs(15),
            headers: HeadersConfig::new(),
            signing: config::Section::off(),
            routing_key_env: None,
            routing_key_file: None,
            template: String::new(),
            template_file: None,
            content_type: "application/json".to_owned(),
            tls: ClientTlsConfig::default(),
            auth: config::Section::default(),
            allow_private: Vec::new(),
            group_by: vec!["alertname".to_owned()],
            group_wait: config::Duration::from_secs(30),
            group_interval: config::Duration::from_secs(300),
            repeat_interval: config::Duration::from_secs(4 * 3600),
            max_alerts: 0,
            max_in_flight: 8,
        }
    }
}

impl Format {
    pub(in super::super) const fn name(self) -> &'static str {
        match self {
            Self::AlertmanagerV2 => "alertmanager_v2",
            Self::AlertmanagerWebhook => "alertmanager_webhook_v4",
            Self::PagerDuty => "pagerduty_v2",
            Self::Slack => "slack",
            Self::TeamsWorkflow => "teams_workflow",
            Self::StandardWebhook => "standard_webhook",
            Self::CloudEvents => "cloudevents",
            Self::Template => "template",
        }
    }

    /// Whether one message tells of all alerts of a group.
    pub(in super::super) const fn carries_groups(self) -> bool {
        matches!(self, Self::AlertmanagerWebhook | Self::Slack | Self::TeamsWorkflow | Self::Template)
    }
}

impl DestinationConfig {
    /// Returns where to send, one for each replica.
    pub(in super::super) fn targets(&self) -> Vec<SecretSource> {
        let written = (!self.url.is_empty()).then_some(&self.url).into_iter().chain(&self.urls);
        let mut targets: Vec<SecretSource> =
            written.map(|url| SecretSource { value: url.clone(), ..SecretSource::default() }).collect();
        targets.extend(SecretSource::of(&self.url_env, &self.url_file));
        if targets.is_empty() && self.format == Format::PagerDuty {
            targets.push(SecretSource { value: PAGERDUTY_URL.into(), ..SecretSource::default() });
        }
        targets
    }

    /// Returns the labels that a group shares. Incidents have one name, and each is a group by itself unless told otherwise.
    pub(in super::super) fn group_by(&self) -> &[String] {
        static OF_INCIDENTS: LazyLock<[String; 1]> = LazyLock::new(|| [INCIDENT.to_owned()]);
        match self.tells == Tells::Incidents && self.group_by == Self::default().group_by {
            true => &*OF_INCIDENTS,
            false => &self.group_by,
        }
    }

    /// Returns an alert as this destination sees it: without what keeps members of incidents from others.
    pub(in super::super) fn view_of<'a>(&self, alert: &'a Alert) -> Cow<'a, Alert> {
        if self.inhibit_members || !alert.is_told_by_incident() {
            return Cow::Borrowed(alert);
        }
        let mut alert = alert.clone();
        alert.leave_out_incident();
        Cow::Owned(alert)
    }

    /// Whether this destination shall learn of the transition; `knows` says whether it was told that the alert fires.
    ///
    /// Filters decide who is told that an alert fires. Whoever was told learns how it goes on, filters or not: an
    /// escalation that names its destination goes past them, and the resolve behind it names nobody.
    pub(in super::super) fn wants(&self, alert: &Alert, knows: bool) -> bool {
        match alert.state {
            AlertState::Pending | AlertState::Suppressed => false,
            AlertState::Firing | AlertState::Escalated => self.is_for(alert) && !alert.is_suppressed(),
            AlertState::Acknowledged => {
                (knows || self.is_for(alert))
                    && matches!(
                        self.format,
                        Format::PagerDuty | Format::StandardWebhook | Format::CloudEvents
                    )
            }
            // An alert that was silenced all its life ends in silence.
            AlertState::Resolved => knows || (self.is_for(alert) && !alert.is_suppressed()),
        }
    }

    /// Says why the destination does not learn of a transition that it does not want.
    pub(in super::super) fn why_not(&self, alert: &Alert) -> &'static str {
        match alert.state {
            _ if alert.destination.as_ref().is_some_and(|only| *only != self.name) => {
                "it is for another destination alone"
            }
            _ if !self.is_for(alert) && alert.severity < self.min_severity => "it is below `min_severity`",
            _ if !self.is_for(alert) => "its labels are not those of `match`",
            AlertState::Pending => "what does not fire yet is not told",
            _ if alert.is_told_by_incident() => "its incident has been told of",
            AlertState::Suppressed | AlertState::Firing | AlertState::Escalated | AlertState::Resolved => {
                "a silence or a schedule keeps it from being told"
            }
            AlertState::Acknowledged => "the format knows no acknowledgements",
        }
    }

    /// Whether alerts like this one are the destination's.
    fn is_for(&self, alert: &Alert) -> bool {
        if let Some(only) = &alert.destination {
            return *only == self.name;
        }
        if alert.name() == WATCHDOG
            && self.format != Format::AlertmanagerV2
            && !self.r#match.contains_key("alertname")
        {
            return false;
        }
        alert.severity >= self.min_severity
            && self
                .r#match
                .iter()
                .all(|(label, pattern)| matches(pattern, alert.labels.get(label).map_or("", String::as_str)))
    }

    /// How long an Alertmanager may believe that an alert fires without hearing of it.
    pub(in super::super) fn firing_for(&self) -> Duration {
        self.resend.get() * 4
    }
}

/// Whether the text is what the pattern says, in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, behind)) = left.split_once(part) else { return false };
        left = behind;
    }
    left.ends_with(tail)
}
