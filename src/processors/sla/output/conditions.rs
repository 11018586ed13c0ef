//! What may deserve an alarm, for the stage that alerts.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use model::{AlertSubject, Condition, Conditions, Severity, Timestamp};

use super::{budgets, metrics::Told};
use crate::sla::{
    calendar::duration_text,
    config::{SliType, Urgency},
    plan::{BurnAlert, BurnStyle, Indicator, Objective, Plan},
    report::{Report, Standing},
};

/// The alert on counts that could not be read after a restart.
const UNREADABLE: &str = "SLOStateUnreadable";

/// The subjects of all conditions: the same for as long as the configuration is.
pub(in crate::sla) struct Subjects {
    by_objective: Vec<OfObjective>,
    unreadable: Arc<AlertSubject>,
}

struct OfObjective {
    burn: Vec<Arc<AlertSubject>>,
    budgets: Vec<Arc<AlertSubject>>,
    overdue: Option<Arc<AlertSubject>>,
    insufficient: Option<Arc<AlertSubject>>,
}

impl Subjects {
    pub(in crate::sla) fn new(plan: &Plan, component: &str) -> Self {
        Self {
            by_objective: plan.objectives.iter().map(|objective| OfObjective::new(objective)).collect(),
            unreadable: Arc::new(unreadable(component)),
        }
    }

    /// Makes the conditions of one evaluation, in the order of their subjects.
    pub(in crate::sla) fn conditions(
        &self,
        source: &Arc<str>,
        every: Duration,
        at: Timestamp,
        all: &[Told<'_>],
        is_unreadable: bool,
    ) -> Conditions {
        let mut conditions = vec![condition(&self.unreadable, Some(is_unreadable), f64::NAN, Vec::new())];
        for (subjects, told) in self.by_objective.iter().zip(all) {
            subjects.add(told, &mut conditions);
        }
        conditions
            .sort_by(|a, b| (&a.subject.name, &a.subject.labels).cmp(&(&b.subject.name, &b.subject.labels)));
        Conditions { source: Arc::clone(source), at, every, all: conditions, budgets: budgets::of(all) }
    }
}

fn condition(
    subject: &Arc<AlertSubject>,
    is_true: Option<bool>,
    value: f64,
    exemplars: Vec<model::TraceId>,
) -> Condition {
    Condition { subject: Arc::clone(subject), is_true, value, exemplars }
}

impl OfObjective {
    fn new(objective: &Objective) -> Self {
        let budget = |(place, _)| Arc::new(budget_subject(objective, place));
        let is_workflow = objective.sli_type == SliType::Workflow;
        let insufficient = objective.alerting.insufficient_data;
        Self {
            burn: objective.burn.iter().map(|alert| Arc::new(burn_subject(objective, alert))).collect(),
            budgets: objective.escalation.iter().enumerate().map(budget).collect(),
            overdue: is_workflow.then(|| Arc::new(overdue_subject(objective))),
            insufficient: insufficient.map(|urgency| Arc::new(insufficient_subject(objective, urgency))),
        }
    }

    fn add(&self, told: &Told<'_>, conditions: &mut Vec<Condition>) {
        let Told { objective, report, record, running, .. } = told;
        let traces = || record.bad_traces.ids();
        for ((subject, alert), is_burning) in self.burn.iter().zip(&objective.burn).zip(&report.burning) {
            let value = worst_burn_rate(objective, alert, report);
            conditions.push(condition(subject, *is_burning, value, traces()));
        }
        let consumed = report.consumed(objective).filter(|_| report.standing != Standing::InsufficientData);
        for (subject, budget) in self.budgets.iter().zip(&objective.escalation) {
            let is_true = consumed.map(|consumed| consumed >= budget.consumed);
            conditions.push(condition(subject, is_true, consumed.unwrap_or(f64::NAN), traces()));
        }
        if let Some(subject) = &self.overdue {
            let oldest = running.oldest.as_secs_f64();
            conditions.push(condition(
                subject,
                Some(running.n_escalated > 0),
                oldest,
                running.traces.clone(),
            ));
        }
        if let Some(subject) = &self.insufficient {
            let is_true = report.standing == Standing::InsufficientData;
            conditions.push(condition(subject, Some(is_true), report.count.total as f64, Vec::new()));
        }
    }
}

/// Returns the burn rate over the long window of the pair that is nearest to its factor.
fn worst_burn_rate(objective: &Objective, alert: &BurnAlert, report: &Report) -> f64 {
    let rates = alert.pairs.iter().filter_map(|pair| {
        let rate = report.burn_rate(objective, pair.long)?;
        Some((rate / pair.factor, rate))
    });
    rates.max_by(|a, b| a.0.total_cmp(&b.0)).map_or(f64::NAN, |(_, rate)| rate)
}

/// An alert's identity must not change, so nothing that is measured goes into labels or annotations.
fn subject(objective: &Objective, name: String, urgency: Urgency, rule_type: &'static str) -> AlertSubject {
    let mut labels = BTreeMap::new();
    let mut label = |name: &str, value: &str| labels.insert(name.to_owned(), value.to_owned());
    label("sloth_id", &objective.id);
    label("sloth_service", &objective.service);
    label("sloth_slo", &objective.name);
    label("sloth_severity", urgency.name());
    let alerting = &objective.alerting;
    let of_urgency = alerting.of(urgency);
    for (name, value) in objective.labels.iter().chain(&alerting.labels).chain(&of_urgency.labels) {
        label(name, value);
    }
    let mut annotations = alerting.annotations.clone();
    annotations.extend(of_urgency.annotations.clone());
    if !objective.description.is_empty() {
        annotations.entry("description".to_owned()).or_insert_with(|| objective.description.clone());
    }
    AlertSubject {
        name,
        labels,
        annotations,
        severity: urgency.severity(),
        hold: Duration::ZERO,
        keep_firing_for: Duration::ZERO,
        threshold: f64::NAN,
        rule_type,
        slo_id: objective.id.clone(),
    }
}

/// `checkout-latency` becomes `CheckoutLatency`.
fn camel(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words
        .map(|word| {
            let (first, rest) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
            format!("{}{rest}", first.to_uppercase())
        })
        .collect()
}

fn summarise(subject: &mut AlertSubject, summary: String) {
    subject.annotations.entry("summary".to_owned()).or_insert(summary);
}

fn burn_subject(objective: &Objective, alert: &BurnAlert) -> AlertSubject {
    let named = |name: &str| objective.alerting.name.clone().unwrap_or_else(|| name.to_owned());
    let usual = format!("{}BurnRate", camel(&objective.name));
    let mut made = match alert.style {
        BurnStyle::Sloth => subject(objective, named(&usual), alert.severity, "burn_rate"),
        BurnStyle::Pyrra => subject(objective, named("ErrorBudgetBurn"), alert.severity, "burn_rate"),
    };
    let pairs: Vec<_> = alert.pairs.iter().map(Objective::pair_text).collect();
    match (alert.style, &alert.pairs[..]) {
        (BurnStyle::Pyrra, [pair]) => {
            made.labels.insert("long".to_owned(), duration_text(pair.long));
            made.labels.insert("short".to_owned(), duration_text(pair.short));
            made.labels.insert("slo".to_owned(), objective.name.clone());
            made.labels.insert("exhausted".to_owned(), exhausted(objective, pair.factor));
        }
        // Alerts of one severity that wait for different times are different alerts.
        _ if !alert.hold.is_zero() => {
            made.labels.insert("for".to_owned(), duration_text(alert.hold));
        }
        _ => {}
    }
    made.hold = alert.hold;
    made.threshold = alert.pairs.iter().map(|pair| pair.factor).fold(f64::INFINITY, f64::min);
    let (service, name) = (&objective.service, &objective.name);
    summarise(
        &mut made,
        format!("{service} {name}: the error budget burns too fast over {}", pairs.join(", or ")),
    );
    made
}

/// How long the whole budget lasts at a burn rate.
fn exhausted(objective: &Objective, factor: f64) -> String {
    let seconds = objective.window.nominal().as_secs_f64() / factor;
    duration_text(Duration::from_secs((seconds / 60.0).round() as u64 * 60))
}

fn budget_subject(objective: &Objective, place: usize) -> AlertSubject {
    let budget = objective.escalation[place];
    let name = format!("{}BudgetConsumed", camel(&objective.name));
    let mut made = subject(objective, name, budget.severity, "budget_threshold");
    let percent = format!("{}%", (budget.consumed * 1e8).round() / 1e6);
    made.labels.insert("budget_consumed".to_owned(), percent.clone());
    made.threshold = budget.consumed;
    let (service, name) = (&objective.service, &objective.name);
    summarise(&mut made, format!("{service} {name}: {percent} of the error budget is spent"));
    made
}

fn overdue_subject(objective: &Objective) -> AlertSubject {
    let name = format!("{}WorkflowOverdue", camel(&objective.name));
    let mut made = subject(objective, name, Urgency::Page, "workflow_overdue");
    let (service, name) = (&objective.service, &objective.name);
    if let Indicator::Workflow(workflow) = &objective.indicator {
        let seconds = workflow.escalate_after.as_secs_f64();
        made.threshold = seconds;
        summarise(&mut made, format!("{service} {name}: a workflow still runs after {seconds} s"));
    }
    made
}

fn insufficient_subject(objective: &Objective, urgency: Urgency) -> AlertSubject {
    let name = format!("{}InsufficientData", camel(&objective.name));
    let mut made = subject(objective, name, urgency, "insufficient_data");
    made.threshold = objective.min_events as f64;
    let (service, name) = (&objective.service, &objective.name);
    summarise(&mut made, format!("{service} {name}: too few events to tell whether the objective is met"));
    made
}

fn unreadable(component: &str) -> AlertSubject {
    let summary = format!(
        "{component} could not read its stored counts: error budgets begin anew, and may be filled by backfill"
    );
    AlertSubject {
        name: UNREADABLE.to_owned(),
        labels: BTreeMap::from([("component".to_owned(), component.to_owned())]),
        annotations: BTreeMap::from([("summary".to_owned(), summary)]),
        severity: Severity::Critical,
        hold: Duration::ZERO,
        keep_firing_for: Duration::ZERO,
        threshold: f64::NAN,
        rule_type: "state_unreadable",
        slo_id: String::new(),
    }
}
