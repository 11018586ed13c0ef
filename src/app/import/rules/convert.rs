//! From Prometheus's terms to those of `alerting`.

use std::time::Duration;

use processors::promql::{self, Compared, Operator};

use super::{
    document::{Group, Rule as TheirRule},
    template::{Converted, convert},
};
use crate::import::settings::{Rule, Texts, When};

/// So long Prometheus takes the last value of a series for its present one.
const LOOK_BACK: &str = "5m";

/// Converts an alert. What is otherwise than it was is added to the notes.
///
/// # Errors
/// Why it can not be.
pub(super) fn rule(group: &Group, rule: &TheirRule, notes: &mut Vec<String>) -> Result<Rule, String> {
    let Some(name) = &rule.alert else {
        let what = if rule.record.is_some() { "it records a series" } else { "it is no alert" };
        return Err(format!("{what}; only alerts are rules here"));
    };
    let promql::Alert { compared, over, operator, number } = promql::alert(&rule.expr)?;
    let (selector, stat, range) = match compared {
        Compared::Level(selector) => (selector, "mean", None),
        Compared::Rate(selector, range) => (selector, "rate", Some(range)),
    };
    if let Some(limit) = group.limit.filter(|limit| *limit > 0) {
        notes.push(format!("its group is limited to {limit} alerts, here `max_alerts` limits all"));
    }
    let mut labels = group.labels.clone();
    labels.extend(rule.labels.clone());
    let severity = severity(&mut labels, notes);
    let (aggregate, group_by) = over.map_or((None, None), |over| (Some(over.aggregate), Some(over.by)));
    Ok(Rule {
        name: name.clone(),
        prometheus: selector.to_string(),
        stat,
        group_by,
        aggregate,
        when: When { op: op(operator), value: number, over: range.map(written) },
        r#for: duration("for", rule.r#for.as_deref())?,
        keep_firing_for: duration("keep_firing_for", rule.keep_firing_for.as_deref())?,
        cooldown: written(Duration::ZERO),
        on_no_data: "resolve",
        no_data_after: LOOK_BACK,
        hold_flapping: false,
        severity,
        labels: labels_of(&labels, notes),
        annotations: annotations_of(&rule.annotations, notes),
    })
}

const fn op(operator: Operator) -> &'static str {
    match operator {
        Operator::Greater => "gt",
        Operator::GreaterOrEqual => "gte",
        Operator::Less => "lt",
        Operator::LessOrEqual => "lte",
        Operator::Equal => "eq",
        Operator::NotEqual => "ne",
    }
}

fn duration(key: &str, text: Option<&str>) -> Result<String, String> {
    let Some(text) = text.filter(|text| !matches!(*text, "0" | "0s" | "0m" | "0h")) else {
        return Ok(written(Duration::ZERO));
    };
    let seconds = promql::seconds(text).ok_or_else(|| format!("{key} is `{text}`, which is no time"))?;
    Duration::try_from_secs_f64(seconds)
        .map(written)
        .map_err(|_| format!("{key} is {text}, which is too long"))
}

fn written(duration: Duration) -> String {
    config::Duration::new(duration).to_string()
}

/// Takes the severity out of the labels: here it is one of four.
fn severity(labels: &mut Texts, notes: &mut Vec<String>) -> &'static str {
    let Some(given) = labels.remove("severity") else { return "warning" };
    let (known, is_same) = match given.as_str() {
        "info" => ("info", true),
        "warning" => ("warning", true),
        "critical" => ("critical", true),
        "emergency" => ("emergency", true),
        "page" | "error" | "high" => ("critical", false),
        "none" => ("info", false),
        _ => ("warning", false),
    };
    if !is_same {
        notes.push(format!(
            "severity `{given}` is none of info, warning, critical and emergency; {known} takes its place"
        ));
    }
    known
}

fn labels_of(labels: &Texts, notes: &mut Vec<String>) -> Texts {
    let mut all = Texts::new();
    for (name, text) in labels {
        match convert(text) {
            Ok(Converted { text, lost, is_measured: false }) if lost.is_empty() => {
                all.insert(name.clone(), text);
            }
            _ => notes.push(format!(
                "the label {name} is left out: `{text}` changes or is more than labels put together"
            )),
        }
    }
    all
}

fn annotations_of(annotations: &Texts, notes: &mut Vec<String>) -> Texts {
    let mut all = Texts::new();
    for (name, text) in annotations {
        match convert(text) {
            Ok(Converted { text, lost, .. }) => {
                if !lost.is_empty() {
                    notes.push(format!("{name} is written without {}", lost.join(", ")));
                }
                all.insert(name.clone(), text);
            }
            Err(action) => notes
                .push(format!("{name} is left out, as {{{{ {action} }}}} is neither a label nor the value")),
        }
    }
    all
}
