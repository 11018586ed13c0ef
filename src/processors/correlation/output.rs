//! Incidents as log records and metrics, and in words.

use model::{Severity, Timestamp, incident_event as name};
use wire::{
    build::{Attributes, LogRecord, LogsWriter, MetricHead, MetricsWriter, NumberPoint, Tree},
    view::{AnyValue, Number},
};

use super::{
    cause::{Candidate, CauseKind, Evidence},
    events::Event,
    feedback::{Feedback, Opinions, Verdict},
    impact::Loss,
    incident::{Incident, Role, State},
};
use crate::text::significant;

const SCOPE: &str = "correlation";

/// What is told of an incident: the word behind `trueline.incident.`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum News {
    Opened,
    /// More is known, or it got worse.
    Updated,
    /// Another incident turned out to be this one.
    Merged,
    Mitigating,
    /// What was resolved has begun again.
    Reopened,
    Resolved,
    Closed,
    /// Somebody has said what to think of it.
    Feedback,
}

impl News {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Updated => "updated",
            Self::Merged => name::MERGED,
            Self::Mitigating => "mitigating",
            Self::Reopened => "reopened",
            Self::Resolved => "resolved",
            Self::Closed => "closed",
            Self::Feedback => name::FEEDBACK,
        }
    }
}

/// Writes a record about an incident.
pub(super) fn write(writer: &mut LogsWriter, incident: &Incident, news: News, now: Timestamp) {
    let mut resource = Attributes::new();
    let services = incident.services();
    if let Some(service) = incident.root().or_else(|| services.first()) {
        resource.push_str("service.name", service);
    }
    writer.resource(&resource);
    writer.scope(SCOPE, "");
    let (severity_number, severity_text) = (incident.severity.number(), incident.severity.name());
    let title = title(incident);
    writer.record(&LogRecord {
        time: now.as_nanos(),
        observed_time: now.as_nanos(),
        severity_number,
        severity_text,
        body: AnyValue::Str(title.as_bytes()),
        attributes: &describe(incident, &title, now),
        flags: 0,
        trace_id: incident.exemplars().first().copied(),
        span_id: None,
        event_name: &format!("{}{}", name::PREFIX, news.name()),
    });
}

fn describe(incident: &Incident, title: &str, now: Timestamp) -> Attributes {
    let mut out = Attributes::new();
    for (key, value) in facts(incident, title, now) {
        out.push_encoded(format!("{}{key}", name::PREFIX), &value.encode());
    }
    out
}

/// Everything that is told of an incident, by its key.
pub(super) fn facts(incident: &Incident, title: &str, now: Timestamp) -> Vec<(&'static str, Tree)> {
    let finding = &incident.finding;
    let causes = finding.candidates.iter().map(|one| cause(one, incident));
    let first = finding.candidates.first();
    let evidence = first.into_iter().flat_map(|one| &one.evidence).map(|one| Tree::text(sentence(one)));
    let exemplars = incident.exemplars();
    let hex = |trace: &[u8; 16]| trace.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let events = incident.members.values().map(|event| {
        Tree::map([
            ("kind", Some(Tree::text(event.kind.name()))),
            ("id", Some(Tree::text(&*event.id))),
            ("service", Some(Tree::text(&*event.service))),
            ("severity", Some(Tree::text(event.severity.name()))),
            ("start", Some(nanos(event.start))),
            ("end", event.end.map(nanos)),
            ("is_lost", event.is_lost.then_some(Tree::Bool(true))),
            ("title", Some(Tree::text(&*event.title))),
        ])
    });
    let links = incident.chain.iter().map(|link| {
        Tree::map([
            ("service", Some(Tree::text(&*link.service))),
            ("role", Some(Tree::text(link.role.name()))),
            ("first_seen", Some(nanos(link.first_seen))),
        ])
    });
    let mut facts = vec![
        ("id", Tree::text(&*incident.id)),
        ("state", Tree::text(incident.state.name())),
        ("start", nanos(incident.start)),
        ("severity", Tree::text(incident.severity.name())),
        ("title", Tree::text(title)),
        ("description", Tree::Text(description(incident))),
        ("score", Tree::Double(incident.score(now))),
        ("confidence", Tree::Double(finding.confidence)),
        ("causes", Tree::List(causes.collect())),
        ("services", Tree::texts(incident.chain.iter().map(|link| &*link.service))),
        ("chain", Tree::List(links.collect())),
        ("evidence", Tree::List(evidence.collect())),
        ("exemplars", Tree::texts(exemplars.iter().map(hex))),
        ("events", Tree::List(events.take(MOST_EVENTS).collect())),
        ("n_events", Tree::Int(n_events(incident))),
        ("slo_ids", Tree::texts(incident.objectives())),
        ("impact", Tree::List(incident.impact.iter().map(|(id, loss)| impact(id, loss)).collect())),
        ("merged", Tree::texts(&incident.merged)),
        ("revision", Tree::Int(i64::from(incident.revision))),
        ("noise_reduction", Tree::Double(incident.noise_reduction())),
    ];
    if let Some(end) = incident.end {
        facts.push(("end", nanos(end)));
    }
    facts.extend(incident.feedback.as_ref().map(|said| ("feedback", feedback(said))));
    facts
}

/// What one objective lost. Counts of one without events of its own are left out.
fn impact(slo_id: &str, loss: &Loss) -> Tree {
    let count = |n: u64| Tree::Int(i64::try_from(n).unwrap_or(i64::MAX));
    let share = loss.bad_share();
    let cost = loss.cost.as_ref();
    Tree::map([
        ("slo_id", Some(Tree::text(slo_id))),
        ("start", Some(nanos(loss.start))),
        ("events", share.map(|_| count(loss.events))),
        ("bad_events", share.map(|_| count(loss.bad_events))),
        ("bad_share", share.map(Tree::Double)),
        ("budget_consumed", loss.budget_consumed.map(Tree::Double)),
        ("budget_remaining", loss.budget_remaining.map(Tree::Double)),
        ("cost", cost.map(|cost| Tree::Double(cost.amount))),
        ("currency", cost.map(|cost| Tree::text(&*cost.currency))),
    ])
}

fn feedback(said: &Feedback) -> Tree {
    let some = |text: &str| (!text.is_empty()).then(|| Tree::text(text));
    Tree::map([
        ("verdict", Some(Tree::text(said.verdict.name()))),
        ("root", some(&said.root)),
        ("author", some(&said.author)),
        ("at", Some(nanos(said.at))),
    ])
}

/// Events that are told one by one; of more only the first.
const MOST_EVENTS: usize = 50;

/// How many events belong to it, those included that are not told one by one.
fn n_events(incident: &Incident) -> i64 {
    i64::try_from(incident.members.len() as u64 + incident.n_left_out).unwrap_or(i64::MAX)
}

fn nanos(at: Timestamp) -> Tree {
    Tree::Int(i64::try_from(at.as_nanos()).unwrap_or(i64::MAX))
}

/// A candidate's confidence is its part of all scores; that of the incident says how far the first stands out.
fn cause(one: &Candidate, incident: &Incident) -> Tree {
    let total: f64 = incident.finding.candidates.iter().map(|one| one.score).sum();
    let confidence = if total > 0.0 { one.score / total } else { 0.0 };
    Tree::map([
        ("service", Some(Tree::text(&*one.service))),
        ("kind", Some(Tree::text(one.kind.name()))),
        ("score", Some(Tree::Double(one.score))),
        ("confidence", Some(Tree::Double(confidence))),
        ("evidence", Some(Tree::texts(one.evidence.iter().map(sentence)))),
    ])
}

/// One line that says what is wrong, of the cause where one is known.
pub(super) fn title(incident: &Incident) -> String {
    if let Some(root) = incident.finding.root() {
        return format!("{} {}{}", root.service, verb(root), and_others(incident, &root.service));
    }
    // The event that is most severe, of these the first.
    let worst =
        incident.members.values().min_by_key(|event| (std::cmp::Reverse(event.severity), event.start));
    let title = |event: &Event| format!("{}{}", event.title, and_others(incident, &event.service));
    worst.map_or_else(|| incident.id.clone(), title)
}

/// The cause need not have an event of its own; those who suffer have.
fn and_others(incident: &Incident, named: &str) -> String {
    match incident.services().iter().filter(|service| &***service != named).count() {
        0 => String::new(),
        1 => ", 1 other service suffers".to_owned(),
        n => format!(", {n} other services suffer"),
    }
}

fn verb(cause: &Candidate) -> &'static str {
    match cause.kind {
        CauseKind::Latency => "takes longer",
        CauseKind::Errors => "fails",
        CauseKind::Unavailable => "is not reached",
        CauseKind::Network => "is reached slowly",
        CauseKind::Database => database_verb(cause),
        CauseKind::Traffic => "gets more requests",
        CauseKind::Resource => "is used up",
        CauseKind::Logs => "does something else",
        CauseKind::Change => "was changed",
    }
}

/// A database is the cause itself, or belongs to the service that asks it.
fn database_verb(cause: &Candidate) -> &'static str {
    let Some(first) = cause.evidence.iter().find(|one| one.kind == CauseKind::Database) else {
        return "waits for its database";
    };
    match (first.what.starts_with(STATEMENTS_TO), first.unit == "1") {
        (true, false) => "waits for its database",
        (true, true) => "is failed by its database",
        (false, false) => "answers slowly",
        (false, true) => "fails",
    }
}

/// What begins the name of statements of a service to its database, while those that a database is asked begin otherwise.
pub(super) const STATEMENTS_TO: &str = "to ";

/// What somebody who is woken needs: the cause with its evidence, who suffers, and how sure this is.
pub(super) fn description(incident: &Incident) -> String {
    let mut lines = Vec::new();
    let finding = &incident.finding;
    match (finding.root(), finding.candidates.first()) {
        (Some(root), _) => {
            let sure = 100.0 * finding.confidence;
            lines.push(format!("Cause, with a confidence of {sure:.0} %: {}.", root.service));
            lines.extend(root.evidence.iter().map(|one| format!("- {}", sentence(one))));
        }
        (None, Some(_)) => {
            let names = finding.candidates.iter().take(3).map(|one| &*one.service);
            let names = names.collect::<Vec<_>>().join(", ");
            lines.push(format!("No cause stands out; look first at {names}."));
        }
        _ => lines.push("Nothing that is measured tells a cause.".to_owned()),
    }
    let suffer = incident.chain.iter().filter(|link| link.role == Role::Propagated);
    let suffer = suffer.map(|link| &*link.service).collect::<Vec<_>>();
    if !suffer.is_empty() {
        lines.push(format!("From there it came to {}.", suffer.join(", ")));
    }
    let lost = incident.members.values().filter(|event| event.is_lost);
    lines.extend(match lost.count() {
        0 => None,
        1 => Some("Of one of its events nothing is heard any more: it may go on.".to_owned()),
        n => Some(format!("Of {n} of its events nothing is heard any more: they may go on.")),
    });
    lines.extend(incident.impact.iter().map(|(objective, loss)| price(objective, loss)));
    let objectives = incident.objectives();
    let objectives: Vec<_> =
        objectives.into_iter().filter(|objective| !incident.impact.contains_key(*objective)).collect();
    if !objectives.is_empty() {
        lines.push(format!("Objectives at stake: {}.", objectives.join(", ")));
    }
    lines.join("\n")
}

/// What one objective lost, in a line: `orders: 31 of 120 events were bad (25.8 %), which took 12.0 % of its error
/// budget; 61.0 % of it is left. Cost: 24.8 EUR.`
fn price(objective: &str, loss: &Loss) -> String {
    let percent = |share: f64| format!("{} %", short(100.0 * share));
    let mut parts = Vec::new();
    if let Some(share) = loss.bad_share() {
        let took =
            loss.budget_consumed.map(|took| format!(", which took {} of its error budget", percent(took)));
        let (bad, all, took) = (loss.bad_events, loss.events, took.unwrap_or_default());
        parts.push(format!("{bad} of {all} events were bad ({}){took}", percent(share)));
    }
    parts.extend(loss.budget_remaining.map(|left| match left < 0.0 {
        true => format!("the error budget is overspent by {}", percent(-left)),
        false => format!("{} of the error budget is left", percent(left)),
    }));
    if parts.is_empty() {
        parts.push("too little is known to tell what it lost".to_owned());
    }
    let cost = loss.cost.as_ref();
    let cost = cost.map(|cost| format!(" Cost: {} {}.", money(cost.amount), cost.currency));
    format!("{objective}: {}.{}", parts.join("; "), cost.unwrap_or_default())
}

/// Cents are enough.
fn money(amount: f64) -> String {
    format!("{:.2}", amount + 0.0)
}

/// One thing that speaks for a cause, with its numbers.
pub(super) fn sentence(one: &Evidence) -> String {
    let (what, unit) = (&one.what, one.unit.trim());
    let unit = if unit.is_empty() || unit == "1" { String::new() } else { format!(" {unit}") };
    let numbers = format!("{}{unit}, {}{unit} before", short(one.after), short(one.before));
    let percent = format!("{} %, {} % before", short(100.0 * one.after), short(100.0 * one.before));
    match one.kind {
        CauseKind::Latency => format!("time of its own in {what} is {numbers}"),
        CauseKind::Errors if one.note.is_empty() => format!("{what} fails by itself in {percent}"),
        CauseKind::Errors => format!("{what} fails by itself in {percent}, {}", one.note),
        CauseKind::Unavailable if one.what == SERVED => {
            "it serves no request, and its callers go on".to_owned()
        }
        CauseKind::Unavailable if one.what == TAKEN => {
            "it takes no message, and who sends them goes on".to_owned()
        }
        CauseKind::Unavailable => {
            format!("calls from {what} do not come to it, or its answers back, in {percent}")
        }
        CauseKind::Network => format!("the way between it and {what} takes {numbers}"),
        CauseKind::Database if one.unit == "1" => format!("statements {what} fail in {percent}"),
        CauseKind::Database => format!("statements {what} take {numbers}"),
        CauseKind::Traffic => {
            format!("{} requests come to it per second, {} before", short(one.after), short(one.before))
        }
        CauseKind::Resource => format!("{what} is {percent}"),
        CauseKind::Logs if one.after == 0.0 => {
            format!(
                "it no longer writes `{what}`: by its requests {} times would be usual",
                short(one.before)
            )
        }
        CauseKind::Logs => format!(
            "it writes `{what}` {} times: by its requests {} would be usual",
            short(one.after),
            short(one.before)
        ),
        CauseKind::Change => format!("changed: {what}"),
    }
}

/// What a service that has stopped no longer has.
pub(super) const SERVED: &str = "requests served";
/// The same of one that takes messages.
pub(super) const TAKEN: &str = "messages taken";

/// Three digits are enough to read. A sum of nothing may be less than nothing to a computer.
fn short(value: f64) -> String {
    significant(value + 0.0, 3, 9)
}

/// How many incidents there are, and what they spare people.
pub(super) struct Measured {
    /// By state, of those that are known.
    pub(super) n: [u64; State::ALL.len()],
    pub(super) by_severity: [u64; Severity::ALL.len()],
    /// Alerts that were raised and that people were told of, since the start.
    pub(super) n_alerts: u64,
    pub(super) n_notified: u64,
    pub(super) opinions: Opinions,
}

/// Writes metrics. Returns the request and its points.
pub(super) fn write_metrics(measured: &Measured, now: Timestamp) -> (Vec<u8>, u64) {
    let mut writer = MetricsWriter::new();
    writer.resource(&Attributes::new());
    writer.scope(SCOPE, "");
    let mut n_points = 0;
    let mut gauge = |head: &MetricHead<'_>, points: &[(Option<(&str, &str)>, Number)]| {
        let mut gauge = writer.gauge(head);
        for (label, value) in points {
            let mut attributes = Attributes::new();
            if let Some((key, value)) = label {
                attributes.push_str(key, value);
            }
            gauge.point(&NumberPoint::of_gauge(&attributes, now.as_nanos(), Some(*value)));
        }
        n_points += points.len() as u64;
    };
    let number = |n: u64| Number::Int(i64::try_from(n).unwrap_or(i64::MAX));
    let states = State::ALL.into_iter().zip(measured.n).filter(|(state, _)| *state != State::Closed);
    let states: Vec<_> = states.map(|(state, n)| (Some(("state", state.name())), number(n))).collect();
    gauge(
        &MetricHead { name: "trueline.incidents", description: "Incidents by state", unit: "{incident}" },
        &states,
    );
    let severities = Severity::ALL.into_iter().zip(measured.by_severity);
    let severities: Vec<_> =
        severities.map(|(severity, n)| (Some(("severity", severity.name())), number(n))).collect();
    gauge(
        &MetricHead {
            name: "trueline.incidents.open",
            description: "Incidents that are not resolved, by severity",
            unit: "{incident}",
        },
        &severities,
    );
    let opinions = Verdict::ALL.into_iter().zip(measured.opinions.0);
    let opinions: Vec<_> =
        opinions.map(|(verdict, n)| (Some(("verdict", verdict.name())), number(n))).collect();
    gauge(
        &MetricHead {
            name: "trueline.incidents.feedback",
            description: "Incidents that people said something of, by the last word on each",
            unit: "{incident}",
        },
        &opinions,
    );
    if measured.n_alerts > 0 {
        let spared = 1.0 - measured.n_notified as f64 / measured.n_alerts as f64;
        gauge(
            &MetricHead {
                name: "trueline.incidents.noise_reduction",
                description: "Part of the alerts that nobody was told of one by one",
                unit: "1",
            },
            &[(None, Number::Double(spared.max(0.0)))],
        );
    }
    (writer.take(), n_points)
}
