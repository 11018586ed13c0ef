//! The collector's keys: a table of conditions with the pipelines behind them.

use component::{Checks, Config};
use config::{NotSupported, NotSupportedKeys};
use serde::Deserialize;

use crate::ottl::{ErrorMode, Fork, REQUEST_CONTEXTS, RequestRule, Rule, error_mode};

/// Settings of `routing`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RoutingConfig {
    /// What happens when a condition fails; `ignore` when it is not set.
    pub(super) error_mode: Option<String>,
    /// Where goes what no route has taken.
    pub(super) default_pipelines: Vec<String>,
    /// Asked in order.
    pub(super) table: Vec<RouteConfig>,
}

/// A row of the table.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RouteConfig {
    pub(super) context: Option<String>,
    pub(super) condition: String,
    pub(super) statement: String,
    pub(super) action: Action,
    pub(super) pipelines: Vec<String>,
}

/// What becomes of that for which a condition holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Action {
    /// The routes behind it do not see it.
    #[default]
    Move,
    /// They see it as well.
    Copy,
}

/// A row that has been read.
pub(super) struct RouteRow {
    /// Its place in the table.
    pub(super) index: usize,
    pub(super) action: Action,
    pub(super) by: By,
}

/// What a row asks.
pub(super) enum By {
    /// What is in a request, by signal; none for one that it is not meant for.
    Items(Box<[Option<Fork>; 3]>),
    /// What its head says.
    Request(RequestRule),
}

impl Config for RoutingConfig {
    const NOT_SUPPORTED: NotSupportedKeys = &[(
        "",
        &[NotSupported::new(
            "match_once",
            "the collector has removed it",
            "remove it; write `action: copy` in a route that shall leave what it takes to the routes behind it",
        )],
    )];

    fn validate(&self, checks: &mut Checks) {
        if self.table.is_empty() {
            checks.error("table", "invalid routing table: the routing table is empty");
        }
        for (index, route) in self.table.iter().enumerate() {
            if route.pipelines.is_empty() {
                checks.error(&format!("table.{index}"), "invalid route: no pipelines defined");
            }
        }
        self.rows(checks);
    }
}

impl RoutingConfig {
    /// Builds the rows; tells what is wrong with them.
    pub(super) fn rows(&self, checks: &mut Checks) -> Vec<RouteRow> {
        let mode = error_mode("error_mode", self.error_mode.as_deref(), ErrorMode::Ignore, checks);
        let mut rows = Vec::new();
        for (index, route) in self.table.iter().enumerate() {
            let path = format!("table.{index}");
            let says = |other: &RouteConfig| {
                (&other.context, &other.condition, &other.statement)
                    == (&route.context, &route.condition, &route.statement)
            };
            if let Some(first) = self.table.iter().take(index).position(says) {
                checks.warn(&path, format!("its condition is that of route {first}, so that it is left out"));
                continue;
            }
            if let Some(by) = route.by(&path, mode, checks) {
                rows.push(RouteRow { index, action: route.action, by });
            }
        }
        rows
    }
}

impl RouteConfig {
    fn by(&self, path: &str, mode: ErrorMode, checks: &mut Checks) -> Option<By> {
        let (key, rule) = match (self.condition.trim(), self.statement.trim()) {
            ("", "") => {
                checks.error(path, "invalid route: no condition or statement provided");
                return None;
            }
            (condition, "") => ("condition", Rule::Condition(condition)),
            ("", statement) => ("statement", Rule::Statement(statement)),
            (_, _) => {
                checks.error(path, "invalid route: both condition and statement provided");
                return None;
            }
        };
        let context = self.context.as_deref().filter(|context| !context.is_empty());
        if let Some(name) = context
            && !Fork::CONTEXTS.contains(&name)
            && !REQUEST_CONTEXTS.contains(&name)
        {
            let known = [&Fork::CONTEXTS[..], &REQUEST_CONTEXTS].concat();
            checks.unknown(&format!("{path}.context"), "context of a route", name, &known);
            return None;
        }
        let by = match RequestRule::read(rule, context) {
            Ok(Some(rule)) => Ok((By::Request(rule), Vec::new())),
            Ok(None) => Fork::of_all_signals(rule, context, mode)
                .map(|(forks, doubts)| (By::Items(Box::new(forks)), doubts)),
            Err(message) => Err(message),
        };
        match by {
            Ok((by, doubts)) => {
                doubts.into_iter().for_each(|doubt| checks.warn(&format!("{path}.{key}"), doubt));
                Some(by)
            }
            Err(message) => {
                checks.error(&format!("{path}.{key}"), message);
                None
            }
        }
    }
}
