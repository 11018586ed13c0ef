//! What the operator writes: a template of minijinja.
//!
//! A template is the operator's, what it shows is telemetry's. So it may not run for ever, its output is bounded,
//! and where the content is JSON or HTML every value is written so that it stays a value.

use std::{io, path::PathBuf};

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use model::AlertState;
use serde_json::Value;

use super::{Notification, alertmanager, notification::GroupKey};
use crate::alert_webhook::{
    alert::{Alert, AlertSeverity},
    config::DestinationConfig,
};

/// Steps of a template; an alert of 64 labels takes some hundred.
const FUEL: u64 = 1_000_000;

/// *Units*: bytes.
const MAX_OUTPUT: usize = 1 << 20;

/// *Units*: bytes.
const MAX_SOURCE: u64 = 256 * 1024;

const NAME: &str = "template";

/// A compiled template.
pub(in super::super) struct Template {
    environment: Environment<'static>,
    is_json: bool,
}

/// Why a template makes no message.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum TemplateError {
    #[error("template_file {path} can not be read: {source}; make it readable")]
    Read { path: String, source: io::Error },
    #[error("template: {0}")]
    Wrong(String),
    #[error("the template writes more than {MAX_OUTPUT} bytes; make it shorter or set max_alerts")]
    TooLong,
    #[error("content_type says JSON, and what the template writes is none: {problem}; it wrote {text:?}")]
    NoJson { problem: serde_json::Error, text: String },
}

impl Template {
    pub(in super::super) fn of(config: &DestinationConfig) -> Result<Self, TemplateError> {
        let source = match &config.template_file {
            Some(path) => read(path)?,
            None => config.template.clone(),
        };
        let kind = config.content_type.to_ascii_lowercase();
        let is_json = kind.contains("json");
        let escape = match () {
            () if is_json => AutoEscape::Json,
            () if kind.contains("html") || kind.contains("xml") => AutoEscape::Html,
            () => AutoEscape::None,
        };
        let mut environment = Environment::new();
        environment.set_fuel(Some(FUEL));
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.set_auto_escape_callback(move |_| escape.clone());
        environment.add_template_owned(NAME, source).map_err(|error| wrong(&error))?;
        Ok(Self { environment, is_json })
    }

    /// Writes a message: `data` is that of the webhook of version 4, `alert` its first alert with all that is known.
    pub(super) fn render(&self, data: &Value, alert: Option<&Alert>) -> Result<Vec<u8>, TemplateError> {
        let template = self.environment.get_template(NAME).map_err(|error| wrong(&error))?;
        let mut variables = data.clone();
        if let Some(alert) = alert {
            variables["alert"] = super::standard_webhook::data(alert, "", usize::MAX);
        }
        let mut output = Bounded::default();
        let rendered = template
            .render_captured_to(minijinja::Value::from(minijinja::value::Serde(variables)), &mut output);
        if output.is_full {
            return Err(TemplateError::TooLong);
        }
        rendered.map_err(|error| wrong(&error))?;
        if self.is_json
            && let Err(problem) = serde_json::from_slice::<serde::de::IgnoredAny>(&output.bytes)
        {
            let text = String::from_utf8_lossy(&output.bytes).chars().take(200).collect();
            return Err(TemplateError::NoJson { problem, text });
        }
        Ok(output.bytes)
    }

    /// Writes a message of an alert with everything that breaks careless templates.
    ///
    /// # Errors
    /// What would go wrong in the night.
    pub(in super::super) fn try_out(&self) -> Result<(), TemplateError> {
        let mut group = Notification::new(
            GroupKey::default(),
            vec![sample(AlertState::Firing), sample(AlertState::Resolved)],
        );
        self.render(&alertmanager::notification(&group, 0, "sample", ""), group.alerts.first())?;
        group.alerts.remove(0);
        self.render(&alertmanager::notification(&group, 0, "sample", ""), group.alerts.first()).map(drop)
    }
}

fn read(path: &PathBuf) -> Result<String, TemplateError> {
    use io::Read;
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MAX_SOURCE).read_to_string(&mut text));
    read.map_err(|source| TemplateError::Read { path: path.display().to_string(), source })?;
    Ok(text)
}

fn wrong(error: &minijinja::Error) -> TemplateError {
    let line = error.line().map(|line| format!(" (line {line})")).unwrap_or_default();
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    TemplateError::Wrong(format!("{}{detail}{line}", error.kind()))
}

fn sample(state: AlertState) -> Alert {
    let texts = |list: &[(&str, &str)]| {
        list.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    };
    Alert {
        id: "0123456789abcdef0123456789abcdef".to_owned(),
        fingerprint: "0123456789abcdef".to_owned(),
        sequence: 1,
        state,
        severity: AlertSeverity(model::Severity::Critical),
        rule_type: "gt".to_owned(),
        labels: texts(&[
            ("alertname", "Sample"),
            ("severity", "critical"),
            ("service.name", "say \"hi\"\n\\ <b>"),
        ]),
        annotations: texts(&[("summary", "a \"sample\"\nof two lines"), ("description", "{\"a\": [1]}")]),
        value: Some(1.5),
        threshold: Some(1.0),
        starts_at: 1_700_000_000_000_000_000,
        ends_at: (state == AlertState::Resolved).then_some(1_700_000_060_000_000_000),
        told_at: 1_700_000_000_000_000_000,
        suppressed_by: Vec::new(),
        destination: None,
        slo_id: String::new(),
        is_incident: false,
    }
}

/// Takes so much and no more.
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
    is_full: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > MAX_OUTPUT {
            self.is_full = true;
            return Err(io::Error::other("the output is too long"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
