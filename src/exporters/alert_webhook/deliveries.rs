//! Dead letters, shown and sent again: what `trueline deliveries` does.

use std::{path::Path, sync::Arc};

use component::{Authenticators, Checks, Clock, Config, Telemetry};
use config::{Node, Problems};

use super::{
    AlertWebhookConfig,
    config::DestinationConfig,
    dead_letters::{self, DeadLetter},
    formats::{Notification, Renderer, Told},
    lane::sender_of,
    sending::Outcome,
};

/// What a file of dead letters holds, in its order.
pub struct Letters {
    pub all: Vec<Letter>,
    /// Lines that are none, by number: the last one after a crash.
    pub damaged: Vec<usize>,
}

/// A message that could not be delivered.
pub struct Letter(DeadLetter);

/// What a person wants to know of a letter.
pub struct Summary {
    /// As RFC 3339 has it.
    pub at: String,
    pub destination: String,
    pub reason: String,
    pub alerts: String,
    pub problem: String,
}

/// Sends letters again with the settings of an `alert_webhook`.
pub struct Replayer {
    config: AlertWebhookConfig,
    clock: Arc<dyn Clock>,
}

/// Why a letter was not sent.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("no destination is named {0:?} in this configuration")]
    UnknownDestination(String),
    #[error("{0}")]
    Failed(String),
}

impl Letters {
    /// Reads a file.
    pub fn read(path: &Path) -> std::io::Result<Self> {
        let letters = dead_letters::read(path)?;
        Ok(Self { all: letters.all.into_iter().map(Letter).collect(), damaged: letters.damaged })
    }
}

impl Letter {
    pub fn destination(&self) -> &str {
        &self.0.destination
    }

    pub fn summary(&self) -> Summary {
        let name = |alert: &super::alert::Alert| format!("{} {}", alert.name(), alert.state.name());
        let mut alerts: Vec<String> = self.0.alerts.iter().take(3).map(name).collect();
        if self.0.alerts.len() > alerts.len() {
            alerts.push(format!("and {} more", self.0.alerts.len() - alerts.len()));
        }
        Summary {
            at: model::Timestamp(self.0.at).rfc3339(),
            destination: self.0.destination.clone(),
            reason: self.0.reason.clone(),
            alerts: alerts.join(", "),
            problem: self.0.problem.clone(),
        }
    }

    /// Returns the line that it is in a file.
    pub fn line(&self) -> String {
        serde_json::to_string(&self.0).expect("a letter was read from JSON")
    }
}

impl Replayer {
    /// Reads the section of an `alert_webhook`; none when it has errors, which go to the list.
    pub fn new(settings: &Node, path: &str, clock: Arc<dyn Clock>, problems: &mut Problems) -> Option<Self> {
        let before = problems.error_count();
        let config: AlertWebhookConfig =
            config::decode_telling(settings, path, AlertWebhookConfig::NOT_SUPPORTED, problems)?;
        let mut checks = Checks::default();
        config.validate(&mut checks);
        for finding in checks.into_findings() {
            problems.report(settings, path, &finding.path, finding.message, finding.is_warning);
        }
        (problems.error_count() == before).then_some(Self { config, clock })
    }

    /// Whether a destination has this name.
    pub fn has(&self, destination: &str) -> bool {
        self.destination(destination).is_some()
    }

    fn destination(&self, name: &str) -> Option<&DestinationConfig> {
        self.config.destinations.iter().find(|destination| destination.name == name)
    }

    /// Sends a letter to its destination, to every URL of it, once. What it carries as id is what it carried before.
    ///
    /// # Errors
    /// Some URL did not take it.
    pub async fn send(&self, letter: &Letter) -> Result<(), ReplayError> {
        let letter = &letter.0;
        let destination = self
            .destination(&letter.destination)
            .ok_or_else(|| ReplayError::UnknownDestination(letter.destination.clone()))?;
        let renderer = Renderer::new(destination, &self.config.external_url);
        let told = told_of(letter, destination);
        let id = match &told {
            Told::Event(alert) => alert.id.clone(),
            Told::States(_) | Told::Group(_) => letter.id.clone(),
        };
        let rendered = renderer
            .render(&told, &id, self.clock.now())
            .map_err(|problem| ReplayError::Failed(problem.to_string()))?;
        if let Some(auth) = destination.auth.get() {
            let message = format!(
                "destination {} authenticates by {}, which only a running service can; replay with `headers` in its place",
                destination.name, auth.authenticator
            );
            return Err(ReplayError::Failed(message));
        }
        for target in destination.targets() {
            let sender = sender_of(
                destination,
                target,
                &self.clock,
                &Telemetry::default(),
                &Authenticators::default(),
            );
            match sender.send(&rendered.message, &rendered.secrets).await {
                Outcome::Delivered => {}
                Outcome::Retry { problem, .. } | Outcome::Refused { problem, .. } => {
                    return Err(ReplayError::Failed(problem));
                }
            }
        }
        Ok(())
    }
}

/// The destination may have another format by now.
fn told_of(letter: &DeadLetter, destination: &DestinationConfig) -> Told {
    if destination.format == super::config::Format::AlertmanagerV2 {
        return Told::States(letter.alerts.clone());
    }
    if destination.format.carries_groups() {
        let group = letter.group.clone().unwrap_or_default();
        return Told::Group(Notification::new(group, letter.alerts.clone()));
    }
    Told::Event(Box::new(letter.alerts[0].clone()))
}
