//! A notification as a person reads it.

use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    replay::short_span,
    terminal::{printable, short},
};

/// More alerts of one notification are only counted.
const MOST_ALERTS: usize = 20;
/// So much is shown of what is no notification of Alertmanager's form.
const MOST_CHARS: usize = 4096;

/// What fires is known to have been told so many alerts later.
const MOST_KNOWN: usize = 1000;

/// Alerts that were shown while they fire, so that what is told again of one does not look like another.
#[derive(Default)]
pub(super) struct Known(VecDeque<(String, String)>);

impl Known {
    /// Notes an alert that fires; returns whether it was told before. One that ended is forgotten.
    fn note(&mut self, alert: &Alert) -> bool {
        let key = (&alert.fingerprint, &alert.starts_at);
        let place = self.0.iter().position(|(of, since)| (of, since) == key);
        match (place, alert.is_firing()) {
            (Some(place), false) => drop(self.0.remove(place)),
            (None, true) => {
                self.0.truncate(MOST_KNOWN - 1);
                self.0.push_front((alert.fingerprint.clone(), alert.starts_at.clone()));
            }
            (Some(_), true) | (None, false) => {}
        }
        place.is_some()
    }
}

/// Alertmanager's webhook of version 4, as far as it is shown.
#[derive(Deserialize)]
struct Notification {
    version: String,
    #[serde(default, rename = "truncatedAlerts")]
    n_truncated: u64,
    alerts: Vec<Alert>,
}

#[derive(Deserialize)]
struct Alert {
    status: String,
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default, rename = "startsAt")]
    starts_at: String,
    #[serde(default, rename = "endsAt")]
    ends_at: String,
    #[serde(default, rename = "generatorURL")]
    generator_url: String,
    #[serde(default)]
    fingerprint: String,
}

/// Writes what was posted: each alert in a few lines, anything else as it came. An empty line comes before.
pub(super) fn notification(body: &[u8], known: &mut Known) -> String {
    match serde_json::from_slice::<Notification>(body) {
        Ok(notification) if notification.version == "4" => notification.text(known),
        _ => as_it_came(body),
    }
}

impl Notification {
    fn text(&self, known: &mut Known) -> String {
        let shown = self.alerts.iter().take(MOST_ALERTS);
        let mut out: String = shown.map(|alert| alert.text(known.note(alert))).collect();
        let n_left_off = self.alerts.len().saturating_sub(MOST_ALERTS) as u64;
        let n_more = n_left_off.saturating_add(self.n_truncated);
        if n_more > 0 {
            out += &format!("\nand {n_more} more\n");
        }
        out
    }
}

impl Alert {
    fn text(&self, was_told: bool) -> String {
        let label = |name: &str| self.labels.get(name).map_or("", String::as_str);
        let severity = label("severity");
        let again = if was_told && self.is_firing() { "STILL " } else { "" };
        let status = self.status.to_uppercase();
        let mut out = format!("\n{again}{} {}", printable(&status), printable(label("alertname")));
        if !severity.is_empty() {
            out += &format!(" ({})", printable(severity));
        }
        out.push('\n');
        let mut line = |what: &str, text: &str| {
            if !text.is_empty() {
                out += &format!("  {what:<9}{}\n", printable(text));
            }
        };
        let annotation = |name: &str| self.annotations.get(name).map_or("", String::as_str);
        line("what", annotation("summary"));
        line("", annotation("description"));
        line("since", &self.since());
        line("how bad", &self.how_bad());
        let incident = annotation("incident_id");
        if !incident.is_empty() {
            line("incident", &format!("trueline incidents show {incident}"));
            line("", annotation("incident_title"));
            annotation("incident_description").lines().for_each(|text| line("", text));
        }
        line("labels", &self.other_labels());
        line("look", &self.generator_url);
        line("", annotation("runbook_url"));
        if !self.fingerprint.is_empty() {
            line("ask", &format!("trueline explain {}{}", self.fingerprint, self.at()));
        }
        out
    }

    fn is_firing(&self) -> bool {
        self.status == "firing"
    }

    fn since(&self) -> String {
        match self.lasted() {
            Some(lasted) if !self.is_firing() => {
                format!("{}, until {}: {}", self.starts_at, self.ends_at, short_span(lasted))
            }
            _ => self.starts_at.clone(),
        }
    }

    fn lasted(&self) -> Option<Duration> {
        let (start, end) =
            (self.starts_at.parse::<Timestamp>().ok()?, self.ends_at.parse::<Timestamp>().ok()?);
        Duration::try_from(end.duration_since(start)).ok()
    }

    /// What trueline compared; others that send this form may not tell.
    fn how_bad(&self) -> String {
        let number = |name: &str| {
            let text = self.annotations.get(name)?;
            Some(text.parse().map_or(Cow::Borrowed(text.as_str()), |number| Cow::Owned(short(number))))
        };
        match (number("value"), number("threshold")) {
            (Some(value), Some(threshold)) => format!("{value}, the threshold is {threshold}"),
            (Some(value), None) => value.into_owned(),
            (None, _) => String::new(),
        }
    }

    fn other_labels(&self) -> String {
        let others =
            self.labels.iter().filter(|(name, _)| !matches!(name.as_str(), "alertname" | "severity"));
        others.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    }

    /// When to ask about: the instant at which it began to fire.
    fn at(&self) -> String {
        if self.starts_at.is_empty() { String::new() } else { format!(" --at {}", self.starts_at) }
    }
}

fn as_it_came(body: &[u8]) -> String {
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(value) => format!("{value:#}"),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    let shown: String = text.chars().take(MOST_CHARS).collect();
    let mut out: String = shown.lines().map(|line| format!("\n{}", printable(line))).collect();
    if shown.len() < text.len() {
        out += &format!("\n… cut, it has {} characters", text.chars().count());
    }
    format!("\nRECEIVED{out}\n")
}
