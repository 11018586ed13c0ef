//! From events to alerts: what goes on under one id is told once.

use std::collections::HashSet;

use model::Timestamp;
use serde_json::Value;

use crate::replay::Event;

/// Something a person would have been told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Alert {
    pub(super) service: String,
    pub(super) at: Timestamp,
    /// Since when it was so, where the event says that.
    pub(super) onset: Option<Timestamp>,
}

/// The alerts of one recording.
#[derive(Debug)]
pub(super) struct Alerts {
    prefix: String,
    known: HashSet<(String, String)>,
    pub(super) list: Vec<Alert>,
}

/// States in which something ends; what was never told does not begin by ending.
const OVER: [&str; 3] = ["closed", "expired", "resolved"];

impl Alerts {
    /// Only events whose names begin with `prefix` count.
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), known: HashSet::new(), list: Vec::new() }
    }

    /// Takes an event. The first of its name and id is an alert; one without an id always is.
    pub(super) fn take(&mut self, event: &Event) {
        if !event.name.starts_with(&self.prefix) {
            return;
        }
        let text = |key: &str| event.own(key).and_then(Value::as_str);
        if let Some(id) = text("id")
            && !self.known.insert((event.name.clone(), id.to_owned()))
        {
            return;
        }
        if text("state").is_some_and(|state| OVER.contains(&state)) {
            return;
        }
        let onset = event.own("start").and_then(Value::as_u64).map(Timestamp);
        self.list.push(Alert { service: event.service.clone(), at: event.at, onset });
    }
}
