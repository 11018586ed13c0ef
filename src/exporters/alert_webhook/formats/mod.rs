//! What destinations understand.
//!
//! # Layout
//! * [`notification`](Notification): the alerts of a group, as Alertmanager's receivers are told.
//! * [`labels`]: labels and times as Prometheus and Alertmanager write them.
//! * `alertmanager`: API v2, and the webhook of version 4.
//! * `pagerduty`, `slack`, `teams`, `standard_webhook`, `cloudevents`: one file each.
//! * [`template`](Template): what the operator writes.

mod alertmanager;
mod cloudevents;
mod labels;
mod notification;
mod pagerduty;
mod slack;
mod standard_webhook;
mod teams;
mod template;

use std::time::Duration;

use config::Secret;
use model::Timestamp;
use serde_json::Value;

pub(super) use notification::{GroupKey, Notification};
pub(super) use template::{Template, TemplateError};

use super::{
    alert::Alert,
    config::{DestinationConfig, Format, SecretError, SecretSource},
    sending::Message,
};

/// What one message tells.
#[derive(Clone, Debug)]
pub(super) enum Told {
    /// One transition.
    Event(Box<Alert>),
    /// How things are, for an Alertmanager.
    States(Vec<Alert>),
    Group(Notification),
}

impl Told {
    pub(super) fn alerts(&self) -> &[Alert] {
        match self {
            Self::Event(alert) => std::slice::from_ref(alert),
            Self::States(alerts) => alerts,
            Self::Group(notification) => &notification.alerts,
        }
    }
}

/// Writes messages for one destination.
pub(super) struct Renderer {
    format: Format,
    destination: String,
    external_url: String,
    routing_key: Option<SecretSource>,
    /// None for other formats. A file that has gone since the check may come back.
    template: Result<Option<Template>, TemplateError>,
    content_type: String,
    max_alerts: usize,
    firing_for: Duration,
}

/// Why there is no message.
#[derive(Debug, thiserror::Error)]
pub(super) enum RenderError {
    /// The same would come out next time.
    #[error("{0}")]
    Template(#[from] TemplateError),
    /// The operator can help.
    #[error("routing_key: {0}")]
    Secret(#[from] SecretError),
    /// The operator can help.
    #[error("{0}")]
    NoTemplate(String),
}

/// A message, and what in it must not be repeated in a log.
pub(super) struct Rendered {
    pub(super) message: Message,
    pub(super) secrets: Vec<Secret>,
}

impl Renderer {
    pub(super) fn new(config: &DestinationConfig, external_url: &str) -> Self {
        Self {
            format: config.format,
            destination: config.name.clone(),
            external_url: external_url.to_owned(),
            routing_key: SecretSource::of(&config.routing_key_env, &config.routing_key_file),
            template: (config.format == Format::Template).then(|| Template::of(config)).transpose(),
            content_type: config.content_type.clone(),
            max_alerts: config.max_alerts,
            firing_for: config.firing_for(),
        }
    }

    /// Writes a message. `id` is the same whenever the same is told.
    ///
    /// *Cost*: reads the routing key, a small file at most.
    pub(super) fn render(&self, told: &Told, id: &str, now: Timestamp) -> Result<Rendered, RenderError> {
        let mut secrets = Vec::new();
        let mut content_type = "application/json".to_owned();
        let body = match (self.format, told) {
            (Format::AlertmanagerV2, told) => {
                json(&alertmanager::states(told.alerts(), &self.external_url, self.firing_for, now))
            }
            (Format::PagerDuty, told) => {
                let key = self.routing_key.clone().unwrap_or_default().read()?;
                let body = json(&pagerduty::event(first(told), &key, &self.external_url));
                secrets.push(key);
                body
            }
            (Format::StandardWebhook, told) => standard_webhook::body(first(told), &self.external_url),
            (Format::CloudEvents, told) => {
                content_type = "application/cloudevents+json".to_owned();
                json(&cloudevents::event(first(told), id, &self.external_url))
            }
            (_, Told::Group(notification)) => self.render_group(notification, &mut content_type)?,
            // Formats of groups are told groups.
            (_, told) => {
                let group = Notification::of_one(first(told).clone());
                self.render_group(&group, &mut content_type)?
            }
        };
        Ok(Rendered { message: Message { id: id.to_owned(), content_type, body: body.into() }, secrets })
    }

    fn render_group(&self, group: &Notification, content_type: &mut String) -> Result<Vec<u8>, RenderError> {
        let (shown, truncated) = group.truncated(self.max_alerts);
        let data = || alertmanager::notification(&shown, truncated, &self.destination, &self.external_url);
        let template =
            self.template.as_ref().map_err(|problem| RenderError::NoTemplate(problem.to_string()))?;
        Ok(match (self.format, template) {
            (Format::Template, Some(template)) => {
                content_type.clone_from(&self.content_type);
                template.render(&data(), shown.alerts.first())?
            }
            (Format::Slack, _) => json(&slack::message(&shown, truncated, &self.external_url)),
            (Format::TeamsWorkflow, _) => json(&teams::message(&shown, truncated, &self.external_url)),
            _ => json(&data()),
        })
    }
}

fn first(told: &Told) -> &Alert {
    told.alerts().first().expect("a message tells of at least one alert")
}

fn json(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// Cuts a text to so many characters.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}
