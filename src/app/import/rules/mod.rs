//! Alerts of Prometheus's rule files to rules of `alerting`.
//!
//! Files are `groups:`, or objects `PrometheusRule` of Kubernetes. A rule becomes one of ours when its expression
//! compares a series, or the rate of a counter, with a number.

mod convert;
mod document;
mod template;

use std::collections::BTreeSet;

use self::document::{Group, Groups};
use super::{
    files::Found,
    output::{Report, judge},
    settings::{Alerting, Rule},
};

/// Makes rules of documents. What is not made is reported.
pub(super) fn import(found: &[Found], report: &mut Report) -> Vec<Rule> {
    let mut made = Vec::new();
    let mut known = BTreeSet::new();
    for document in found {
        let is_object = document.text("kind") == "PrometheusRule";
        let node = document.node.get("spec").filter(|_| is_object).unwrap_or(&document.node);
        if node.get("groups").is_none() {
            report.leave_out(
                &document.place,
                "it has no groups, as files of rules and objects PrometheusRule have",
            );
            continue;
        }
        let Some(Groups { groups }) = document.decode(node, report) else { continue };
        for group in &groups {
            for (index, rule) in group.rules.iter().enumerate() {
                let name = rule.alert.as_ref().or(rule.record.as_ref());
                let name = name.map_or_else(|| format!("number {}", index + 1), Clone::clone);
                let what = format!("{}: group {}: {name}", document.place, group.name);
                match one(group, rule, &what, report) {
                    Ok(rule) if known.insert(rule.name.clone()) => made.push(rule),
                    Ok(_) => report.leave_out(&what, "a rule before it has that name, which is the label alertname of one rule alone; give it another one"),
                    Err(problem) => report.leave_out(&what, &problem),
                }
            }
        }
    }
    report.n_imported = made.len();
    made
}

fn one(group: &Group, rule: &document::Rule, what: &str, report: &mut Report) -> Result<Rule, String> {
    let mut notes = Vec::new();
    let made = convert::rule(group, rule, &mut notes)?;
    let warnings = judge::<processors::alerting::AlertingConfig>(&Alerting { rules: vec![made.clone()] })?;
    notes.iter().chain(&warnings).for_each(|note| report.note(what, note));
    Ok(made)
}
