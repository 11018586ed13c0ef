//! The collector's keys: statements one by one, or in groups with a context and conditions.

use component::{Checks, Config};
use config::{Either, NotSupported, NotSupportedKeys};
use model::Signal;
use serde::{Deserialize, Deserializer};

use crate::ottl::{Context, ErrorMode, Faults, Group, error_mode};

/// Settings of `transform`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct TransformConfig {
    /// What happens when a statement fails; `ignore` when it is not set.
    pub(crate) error_mode: Option<String>,
    pub(crate) trace_statements: Vec<Entry>,
    pub(crate) metric_statements: Vec<Entry>,
    pub(crate) log_statements: Vec<Entry>,
    /// Read for configurations that have them; no profile comes here.
    pub(crate) profile_statements: Vec<Entry>,
}

/// A statement, or several with what is common to them.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Entry {
    Statement(String),
    Statements(StatementGroup),
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StatementGroup {
    context: Option<String>,
    conditions: Vec<String>,
    statements: Vec<String>,
    error_mode: Option<String>,
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Either::deserialize(deserializer).map(|entry| match entry {
            Either::Short(text) => Self::Statement(text),
            Either::Long(group) => Self::Statements(group),
        })
    }
}

impl Config for TransformConfig {
    const NOT_SUPPORTED: NotSupportedKeys = &[(
        "",
        &[NotSupported::new(
            "flatten_data",
            "records of a resource share it, and so does what is written to it",
            "remove it, or write to the record",
        )],
    )];

    fn validate(&self, checks: &mut Checks) {
        error_mode("error_mode", self.error_mode.as_deref(), ErrorMode::Ignore, checks);
        for signal in Signal::ALL {
            self.groups(signal, checks);
            let (list, entries) = self.entries(signal);
            let n_plain = entries.iter().filter(|entry| matches!(entry, Entry::Statement(_))).count();
            if n_plain > 0 && n_plain < entries.len() {
                checks.error(
                    list,
                    format!("{list} mixes statements and groups of them, write all of them in one way"),
                );
            }
        }
        if !self.profile_statements.is_empty() {
            let message =
                "profiles are not received here, so that these statements are never run; remove them";
            checks.warn("profile_statements", message);
        } else if Signal::ALL.iter().all(|signal| !self.concerns(*signal)) {
            checks.warn("", "there is no statement, so that nothing is changed");
        }
    }
}

impl TransformConfig {
    fn entries(&self, signal: Signal) -> (&'static str, &[Entry]) {
        match signal {
            Signal::Traces => ("trace_statements", &self.trace_statements),
            Signal::Metrics => ("metric_statements", &self.metric_statements),
            Signal::Logs => ("log_statements", &self.log_statements),
        }
    }

    /// Whether anything is said of a signal.
    pub(super) fn concerns(&self, signal: Signal) -> bool {
        !self.entries(signal).1.is_empty()
    }

    /// Builds the groups of a signal, in their order; tells what is wrong with them.
    pub(super) fn groups(&self, signal: Signal, checks: &mut Checks) -> Vec<Group> {
        let common = self.error_mode.as_deref().and_then(ErrorMode::named).unwrap_or(ErrorMode::Ignore);
        let (list, entries) = self.entries(signal);
        let mut groups = Vec::new();
        let mut plain = Vec::new();
        let mut plain_paths = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let path = format!("{list}.{index}");
            let group = match entry {
                Entry::Statement(text) => {
                    plain.push(text.clone());
                    plain_paths.push(path);
                    continue;
                }
                Entry::Statements(group) => group,
            };
            let mode = error_mode(&format!("{path}.error_mode"), group.error_mode.as_deref(), common, checks);
            let context = group.context.as_deref().map(|name| Context::of_key(name, signal));
            let context = match context.transpose() {
                Ok(context) => context,
                Err(message) => {
                    checks.error(&format!("{path}.context"), message);
                    continue;
                }
            };
            if group.statements.is_empty() {
                checks.warn(&path, format!("the group of {signal} has no statements"));
                continue;
            }
            let (read, faults, doubts) =
                Group::new(signal, context, &group.conditions, &group.statements, mode);
            let mut tell = |key: &str, found: Faults, is_doubt: bool| {
                for (index, message) in found {
                    let path = format!("{path}.{key}.{index}");
                    if is_doubt { checks.warn(&path, message) } else { checks.error(&path, message) }
                }
            };
            tell("conditions", faults.conditions, false);
            tell("statements", faults.statements, false);
            tell("conditions", doubts.conditions, true);
            tell("statements", doubts.statements, true);
            groups.extend(read);
        }
        if !plain.is_empty() {
            // As in the collector all of them are one group, meant for one context.
            let (read, faults, doubts) = Group::new(signal, None, &[], &plain, common);
            for (index, message) in faults.statements {
                checks.error(&plain_paths[index], message);
            }
            for (index, message) in doubts.statements {
                checks.warn(&plain_paths[index], message);
            }
            groups.extend(read);
        }
        groups
    }
}
