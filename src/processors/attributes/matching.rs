//! What `include` and `exclude` ask of items.

use component::Checks;
use model::Signal;
use serde::Deserialize;

use crate::{
    actions::ActionValue,
    ottl::{Owner, Place, Property, Texts, Wanted, pattern},
};

/// What is asked of an item: all of what is set, and of each list of texts one.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct MatchProperties {
    /// `strict` or `regexp`.
    match_type: String,
    services: Vec<String>,
    span_names: Vec<String>,
    span_kinds: Vec<String>,
    log_bodies: Vec<String>,
    log_severity_texts: Vec<String>,
    log_severity_number: Option<SeverityNumber>,
    metric_names: Vec<String>,
    attributes: Vec<Attribute>,
    resources: Vec<Attribute>,
    libraries: Vec<Library>,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
struct Attribute {
    key: String,
    /// Any when it is not set.
    value: Option<ActionValue>,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
struct Library {
    name: String,
    /// Any when it is not set.
    version: Option<String>,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
struct SeverityNumber {
    min: i64,
    match_undefined: bool,
}

const MATCH_TYPES: [&str; 2] = ["strict", "regexp"];

const KINDS: [&str; 5] = [
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_CONSUMER",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_SERVER",
];

const LISTS: &str = "services, span_names, span_kinds, log_bodies, log_severity_texts, log_severity_number, \
                     metric_names, attributes, resources, libraries";

impl MatchProperties {
    /// The lists of texts, with their keys and whose they are; none for all signals.
    fn texts(&self) -> [(&'static str, &[String], Signal, Option<Place>); 6] {
        [
            ("services", &self.services, Signal::Traces, None),
            ("span_names", &self.span_names, Signal::Traces, Some(Place::SpanName)),
            ("span_kinds", &self.span_kinds, Signal::Traces, Some(Place::SpanKind)),
            ("log_bodies", &self.log_bodies, Signal::Logs, Some(Place::LogBody)),
            ("log_severity_texts", &self.log_severity_texts, Signal::Logs, Some(Place::SeverityText)),
            ("metric_names", &self.metric_names, Signal::Metrics, Some(Place::MetricName)),
        ]
    }

    fn is_pattern(&self) -> bool {
        self.match_type == "regexp"
    }

    /// Whether items of a signal can be asked for all that is set. What metrics do not have is left out for them, as in
    /// the collector.
    pub(super) fn is_for(&self, signal: Signal) -> bool {
        let has_common =
            !self.attributes.is_empty() || !self.resources.is_empty() || !self.libraries.is_empty();
        let sets = |of: Signal| {
            let of_texts = self.texts().iter().any(|(_, texts, owner, _)| *owner == of && !texts.is_empty());
            of_texts || (of == Signal::Logs && self.log_severity_number.is_some())
        };
        match signal {
            Signal::Traces => !sets(Signal::Logs) && (has_common || sets(Signal::Traces)),
            Signal::Logs => !sets(Signal::Traces) && (has_common || sets(Signal::Logs)),
            Signal::Metrics => true,
        }
    }

    /// Returns what is asked of the items of a signal. It has been checked.
    pub(super) fn properties(&self, signal: Signal) -> Vec<Property> {
        let is_pattern = self.is_pattern();
        let mut properties = Vec::new();
        for (_, texts, owner, place) in self.texts() {
            if owner == signal
                && !texts.is_empty()
                && let Ok(texts) = Texts::new(texts, is_pattern)
            {
                properties.push(match place {
                    Some(place) => Property::Text(place, texts),
                    None => Property::Service(texts),
                });
            }
        }
        if let (Signal::Logs, Some(severity)) = (signal, &self.log_severity_number) {
            properties.push(Property::Severity { min: severity.min, undefined: severity.match_undefined });
        }
        let attribute = |of: Owner| {
            move |asked: &Attribute| {
                let wanted = asked.value.as_ref().map(|value| match value.text().filter(|_| is_pattern) {
                    Some(text) => pattern(text).map(Wanted::Pattern).ok(),
                    None => Some(Wanted::Value(value.body().to_vec())),
                });
                Property::Attribute { of, key: asked.key.clone(), wanted: wanted.flatten() }
            }
        };
        properties.extend(self.resources.iter().map(attribute(Owner::Resource)));
        if signal != Signal::Metrics {
            for library in &self.libraries {
                let text = |place, text: &String| {
                    let texts = Texts::new(std::slice::from_ref(text), is_pattern).ok();
                    texts.map(|texts| Property::Text(place, texts))
                };
                properties.extend(text(Place::ScopeName, &library.name));
                properties
                    .extend(library.version.iter().filter_map(|version| text(Place::ScopeVersion, version)));
            }
            properties.extend(self.attributes.iter().map(attribute(Owner::Item)));
        }
        properties
    }

    /// Reports what can not be asked.
    pub(super) fn check(&self, path: &str, checks: &mut Checks) {
        let lists = self.texts();
        let has_texts = lists.iter().any(|(_, texts, ..)| !texts.is_empty());
        let has_attributes = !self.attributes.is_empty() || !self.resources.is_empty();
        if !has_texts && !has_attributes && self.libraries.is_empty() && self.log_severity_number.is_none() {
            checks.error(path, format!("{path} asks for nothing, set at least one of {LISTS}"));
            return;
        }
        let match_type = format!("{path}.match_type");
        if self.match_type.is_empty() {
            let mut asked = self.attributes.iter().chain(&self.resources);
            let compares = asked.any(|attribute| attribute.value.is_some());
            if has_texts || compares || !self.libraries.is_empty() {
                checks.error(&match_type, "match_type is missing, use strict or regexp");
                return;
            }
        } else if !MATCH_TYPES.contains(&self.match_type.as_str()) {
            checks.unknown(&match_type, "match type", &self.match_type, &MATCH_TYPES);
            return;
        }
        let mut problems = Vec::new();
        for (key, texts, ..) in lists {
            if let Err((index, message)) = Texts::new(texts, self.is_pattern()) {
                problems.push((format!("{path}.{key}.{index}"), message));
            }
        }
        for (index, kind) in self.span_kinds.iter().enumerate().filter(|_| !self.is_pattern()) {
            if !KINDS.contains(&kind.as_str()) {
                let message = format!("{kind:?} is no kind of span, write one of {}", KINDS.join(", "));
                problems.push((format!("{path}.span_kinds.{index}"), message));
            }
        }
        for (key, list) in [("attributes", &self.attributes), ("resources", &self.resources)] {
            for (index, attribute) in list.iter().enumerate() {
                attribute.check(&format!("{path}.{key}.{index}"), self.is_pattern(), &mut problems);
            }
        }
        for (index, library) in self.libraries.iter().enumerate().filter(|_| self.is_pattern()) {
            for (key, text) in [("name", Some(&library.name)), ("version", library.version.as_ref())] {
                if let Some(Err(message)) = text.map(|text| pattern(text.as_str())) {
                    problems.push((format!("{path}.libraries.{index}.{key}"), message));
                }
            }
        }
        problems.iter().for_each(|(path, message)| checks.error(path, message));
    }
}

impl Attribute {
    fn check(&self, path: &str, is_pattern: bool, problems: &mut Vec<(String, String)>) {
        if self.key.is_empty() {
            problems.push((format!("{path}.key"), "key is missing, name the attribute".to_owned()));
        }
        let Some(value) = self.value.as_ref().filter(|_| is_pattern) else { return };
        let message = match value.text() {
            None => "the value is no string, and with match_type regexp it is a pattern".to_owned(),
            Some(text) => match pattern(text) {
                Ok(_) => return,
                Err(message) => message,
            },
        };
        problems.push((format!("{path}.value"), message));
    }
}
