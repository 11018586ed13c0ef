//! What must survive a restart; `proto/alerting.proto` describes the message.
//!
//! Alerts that have always been quiet are left out: they come back with their first window.

use std::{collections::BTreeMap, sync::Arc};

use component::{Checks, RestoreError, Snapshot};
use model::{Severity, Timestamp};
use prost::Message;

use super::{
    alert::{Alert, Owner},
    history::{Event, What},
    labels::Labels,
    machine::{Machine, Phase},
    matching::{Matcher, Operator},
    metrics::{Feedback, Figures, Opinion, Times},
    notice::{Acknowledgement, Notice, Told},
    past::Past,
    processor::AnalysisHalf,
    record::{
        AlertRecord, EventRecord, FeedbackRecord, MachineRecord, MatcherRecord, NoticeRecord, Pair,
        PastRecord, RequestRecord, RuleRecord, SilenceRecord, State, TimesRecord,
    },
    rule::RuleConfig,
    rules::{Origin, Rule},
    silences::Silence,
};
use crate::seal::{seal, unseal};

const VERSION: u32 = 1;
const RULE: u32 = 1;
const STAGE: u32 = 2;
const WATCHDOG: u32 = 3;

/// Writes the state, behind a hash that finds what was cut or changed.
pub(super) fn write(half: &AnalysisHalf) -> Snapshot {
    let alerts = half.alerts.sorted(is_worth_it);
    let feedback = half.figures.feedback.iter().map(|(rule, said)| FeedbackRecord {
        rule: rule.clone(),
        noise: said.noise,
        useful: said.useful,
    });
    let requests = half.outbox.requests().into_iter();
    let state = State {
        version: VERSION,
        alerts: alerts.into_iter().map(|alert| alert_record(half, alert)).collect(),
        silences: half.silences.iter().map(silence_record).collect(),
        rules: half.rules.by_name().filter_map(rule_record).collect(),
        requests: requests.map(|(bytes, records)| RequestRecord { bytes: bytes.into(), records }).collect(),
        since: half.figures.since.as_nanos(),
        to_acknowledge: Some(times_record(&half.figures.to_acknowledge)),
        to_resolve: Some(times_record(&half.figures.to_resolve)),
        feedback: feedback.collect(),
    };
    Snapshot { version: VERSION, bytes: seal(&state.encode_to_vec()) }
}

/// Takes back a state.
///
/// *Errors*: the version is unknown, or the bytes are damaged.
pub(super) fn restore(half: &mut AnalysisHalf, snapshot: &Snapshot) -> Result<(), RestoreError> {
    if snapshot.version != VERSION {
        return Err(RestoreError::Version { found: snapshot.version, readable: "1" });
    }
    let damaged = || RestoreError::Damaged("the alerts are cut or changed".to_owned());
    let body = unseal(&snapshot.bytes).ok_or_else(damaged)?;
    let state = State::decode(body).map_err(|_| damaged())?;
    for record in &state.rules {
        restore_rule(half, record);
    }
    for record in state.alerts {
        restore_alert(half, record);
    }
    for record in state.silences {
        if let Some(silence) = silence_of(record) {
            half.silences.insert(silence);
        }
    }
    half.outbox.ready =
        state.requests.into_iter().map(|request| (request.bytes.into(), request.records)).collect();
    let feedback = state.feedback.into_iter();
    half.figures = Figures {
        since: Timestamp(state.since),
        to_acknowledge: times_of(state.to_acknowledge),
        to_resolve: times_of(state.to_resolve),
        feedback: feedback
            .map(|record| (record.rule, Feedback { noise: record.noise, useful: record.useful }))
            .collect(),
    };
    Ok(())
}

fn is_worth_it(alert: &Alert) -> bool {
    let is_quiet = alert.machine.phase == Phase::Inactive && alert.notice.told == Told::Nothing;
    !is_quiet || !alert.history.is_empty() || alert.memory.past.is_some() || alert.memory.episode != 0
}

pub(super) fn alert_record(half: &AnalysisHalf, alert: &Alert) -> AlertRecord {
    let (owner, owner_name, shape) = match &alert.owner {
        Owner::Rule(number) => match half.rules.get(*number) {
            Some(rule) => (RULE, rule.name.to_string(), shape_of(&rule.config)),
            None => (0, String::new(), 0),
        },
        Owner::Stage(source) => (STAGE, source.to_string(), 0),
        Owner::Watchdog => (WATCHDOG, String::new(), 0),
        Owner::Nobody => (0, String::new(), 0),
    };
    AlertRecord {
        owner,
        owner_name,
        shape,
        name: alert.name.to_string(),
        labels: alert.labels.iter().map(|(key, value)| pair(key, value)).collect(),
        rule_type: alert.rule_type.to_string(),
        slo_id: alert.slo_id.clone(),
        annotations: pairs(&alert.annotations),
        threshold: alert.threshold,
        value: alert.value,
        exemplars: alert.exemplars.iter().map(|id| id.to_vec()).collect(),
        seen_at: alert.seen_at.as_nanos(),
        machine: Some(machine_record(&alert.machine)),
        notice: Some(notice_record(&alert.notice)),
        events: alert.history.events().map(event_record).collect(),
        forgotten: alert.history.forgotten,
        past: alert.memory.past.as_deref().map(past_record),
        episode: alert.memory.episode,
    }
}

/// Tells rules apart whose alerts mean something else: not by their thresholds, which may be tuned.
fn shape_of(rule: &RuleConfig) -> u64 {
    let about = (&rule.metric, &rule.stat, &rule.r#match, &rule.group_by);
    let text = format!("{about:?} {:?} {:?} {:?}", rule.when.op, rule.labels, rule.window);
    rapidhash::v3::rapidhash_v3(text.as_bytes())
}

fn restore_rule(half: &mut AnalysisHalf, record: &RuleRecord) {
    // What this release does not take is left out; so is what the configuration has now.
    let Ok(config) = serde_json::from_str::<RuleConfig>(&record.json) else { return };
    let mut checks = Checks::default();
    half.config.check_rule("", &config, &mut checks);
    if checks.into_findings().iter().any(|finding| !finding.is_warning)
        || half.rules.number_of(&config.name).is_some()
    {
        return;
    }
    let origin = Origin::Asked {
        author: record.author.clone(),
        at: Timestamp(record.at),
        expires_at: Timestamp(record.expires_at),
    };
    half.rules.insert(Rule::of(&Arc::new(config), origin, &half.config));
}

fn restore_alert(half: &mut AnalysisHalf, record: AlertRecord) {
    let alert = alert_of(half, record);
    if half.alerts.place_of(alert.fingerprint).is_some() {
        return;
    }
    let number = if let Owner::Rule(number) = alert.owner { Some(number) } else { None };
    let place = half.alerts.insert(alert);
    if let Some(rule) = number.and_then(|number| half.rules.get_mut(number)) {
        rule.alerts.push(place);
    }
}

/// Makes an alert of what was stored, under the rule of its name if that still means the same.
pub(super) fn alert_of(half: &AnalysisHalf, record: AlertRecord) -> Alert {
    let mut owner = match record.owner {
        STAGE => Owner::Stage(record.owner_name.as_str().into()),
        WATCHDOG => Owner::Watchdog,
        _ => Owner::Nobody,
    };
    let mut memory = super::judge::Memory { episode: record.episode, past: None };
    if record.owner == RULE
        && let Some(number) = half.rules.number_of(&record.owner_name)
        && let Some(rule) = half.rules.get(number)
        && shape_of(&rule.config) == record.shape
    {
        owner = Owner::Rule(number);
        let fresh = rule.test.fresh_past(rule.window);
        memory.past = fresh.zip(record.past).and_then(|(fresh, past)| past_of(&past, fresh));
    }
    let labels = Labels::from(&texts(record.labels));
    let mut alert = Alert::new(owner, record.name.as_str().into(), labels);
    alert.rule_type = record.rule_type.as_str().into();
    alert.slo_id = record.slo_id;
    alert.annotations = texts(record.annotations);
    (alert.threshold, alert.value) = (record.threshold, record.value);
    alert.exemplars = record.exemplars.iter().filter_map(|id| id.as_slice().try_into().ok()).collect();
    alert.seen_at = Timestamp(record.seen_at);
    alert.machine = record.machine.map(machine_of).unwrap_or_default();
    alert.notice = record.notice.map(notice_of).unwrap_or_default();
    for event in record.events {
        if let Some(event) = event_of(event) {
            alert.history.note(event);
        }
    }
    alert.history.forgotten = record.forgotten;
    alert.memory = memory;
    alert
}

fn machine_record(machine: &Machine) -> MachineRecord {
    MachineRecord {
        phase: machine.phase as u32,
        since: machine.since.as_nanos(),
        active_at: machine.active_at.as_nanos(),
        starts_at: machine.starts_at.as_nanos(),
        ends_at: machine.ends_at.as_nanos(),
        evaluated_at: machine.evaluated_at.as_nanos(),
        cooldown_until: machine.cooldown_until.as_nanos(),
        sequence: machine.sequence,
        severity: machine.severity as u32,
        is_silent: machine.is_silent,
        is_held: machine.is_held,
        flips: machine.flips.iter().map(|at| at.as_nanos()).collect(),
    }
}

fn machine_of(record: MachineRecord) -> Machine {
    let all = [Phase::Inactive, Phase::Pending, Phase::Firing, Phase::Recovering, Phase::Cooldown];
    let mut flips: Vec<Timestamp> = record.flips.into_iter().map(Timestamp).collect();
    flips.truncate(16);
    Machine {
        phase: all.into_iter().find(|phase| *phase as u32 == record.phase).unwrap_or_default(),
        since: Timestamp(record.since),
        active_at: Timestamp(record.active_at),
        starts_at: Timestamp(record.starts_at),
        ends_at: Timestamp(record.ends_at),
        evaluated_at: Timestamp(record.evaluated_at),
        cooldown_until: Timestamp(record.cooldown_until),
        sequence: record.sequence,
        severity: severity_of(record.severity),
        is_silent: record.is_silent,
        is_held: record.is_held,
        is_restored: true,
        flips,
    }
}

fn severity_of(number: u32) -> Severity {
    Severity::ALL.into_iter().find(|severity| *severity as u32 == number).unwrap_or_default()
}

fn notice_record(notice: &Notice) -> NoticeRecord {
    let (told, told_sequence, told_starts_at, told_ends_at) = match notice.told {
        Told::Nothing => (0, 0, Timestamp(0), Timestamp(0)),
        Told::Pending { sequence } => (1, sequence, Timestamp(0), Timestamp(0)),
        Told::Firing { sequence, starts_at } => (2, sequence, starts_at, Timestamp(0)),
        Told::Resolved { sequence, starts_at, ends_at } => (3, sequence, starts_at, ends_at),
    };
    let acknowledgement = notice.acknowledgement.clone();
    NoticeRecord {
        told,
        told_sequence,
        told_starts_at: told_starts_at.as_nanos(),
        told_ends_at: told_ends_at.as_nanos(),
        told_at: notice.told_at.as_nanos(),
        fired_severity: notice.fired_severity as u32,
        suppressed_by: notice.suppressed_by.clone(),
        suppression_told: notice.suppression_told,
        is_acknowledged: acknowledgement.is_some(),
        acknowledged_by: acknowledgement.as_ref().map_or_else(String::new, |it| it.author.clone()),
        comment: acknowledgement.as_ref().map_or_else(String::new, |it| it.comment.clone()),
        acknowledged_at: acknowledgement.map_or(0, |it| it.at.as_nanos()),
        steps: u32::from(notice.steps),
        escalated: notice.escalated.map(|severity| severity as u32),
        opinion: match notice.opinion {
            None => 0,
            Some((_, Opinion::Noise)) => 1,
            Some((_, Opinion::Useful)) => 2,
        },
        opinion_of: notice.opinion.map_or(0, |(firing, _)| firing.as_nanos()),
    }
}

fn notice_of(record: NoticeRecord) -> Notice {
    let (sequence, starts_at) = (record.told_sequence, Timestamp(record.told_starts_at));
    Notice {
        told: match record.told {
            1 => Told::Pending { sequence },
            2 => Told::Firing { sequence, starts_at },
            3 => Told::Resolved { sequence, starts_at, ends_at: Timestamp(record.told_ends_at) },
            _ => Told::Nothing,
        },
        told_at: Timestamp(record.told_at),
        fired_severity: severity_of(record.fired_severity),
        suppressed_by: record.suppressed_by,
        suppression_told: record.suppression_told,
        acknowledgement: record.is_acknowledged.then(|| {
            Box::new(Acknowledgement {
                author: record.acknowledged_by,
                comment: record.comment,
                at: Timestamp(record.acknowledged_at),
            })
        }),
        steps: u16::try_from(record.steps).unwrap_or(u16::MAX),
        escalated: record.escalated.map(severity_of),
        opinion: match record.opinion {
            1 => Some((Timestamp(record.opinion_of), Opinion::Noise)),
            2 => Some((Timestamp(record.opinion_of), Opinion::Useful)),
            _ => None,
        },
    }
}

fn event_record(event: &Event) -> EventRecord {
    EventRecord {
        at: event.at.as_nanos(),
        what: event.what as u32,
        value: event.value,
        severity: event.severity as u32,
        detail: event.detail.clone(),
    }
}

fn event_of(record: EventRecord) -> Option<Event> {
    let what = What::ALL.into_iter().find(|what| *what as u32 == record.what)?;
    let (at, severity) = (Timestamp(record.at), severity_of(record.severity));
    Some(Event { at, what, value: record.value, severity, detail: record.detail })
}

fn past_record(past: &Past) -> PastRecord {
    let (cell_nanos, n_cells) = past.shape();
    let (number, means, sum, count) = past.record();
    PastRecord { cell_nanos, n_cells: n_cells as u32, number, means: means.to_vec(), sum, count }
}

/// A past whose cells mean other times than the rule's is of no use.
fn past_of(record: &PastRecord, mut empty: Past) -> Option<Box<Past>> {
    if empty.shape() != (record.cell_nanos, record.n_cells as usize) {
        return None;
    }
    empty.restore(record.number, &record.means, record.sum, record.count);
    Some(Box::new(empty))
}

fn rule_record(rule: &Rule) -> Option<RuleRecord> {
    let Origin::Asked { author, at, expires_at } = &rule.origin else { return None };
    let json = serde_json::to_string(&*rule.config).ok()?;
    let (at, expires_at) = (at.as_nanos(), expires_at.as_nanos());
    Some(RuleRecord { json, author: author.clone(), at, expires_at })
}

fn silence_record(silence: &Silence) -> SilenceRecord {
    let matchers = silence.matchers.iter().map(|matcher| MatcherRecord {
        name: matcher.name.clone(),
        value: matcher.value.clone(),
        is_regex: matches!(matcher.operator, Operator::Fits | Operator::FitsNot),
        is_equal: matches!(matcher.operator, Operator::Fits | Operator::Equal),
    });
    SilenceRecord {
        id: silence.id.clone(),
        matchers: matchers.collect(),
        starts_at: silence.starts_at.as_nanos(),
        ends_at: silence.ends_at.as_nanos(),
        author: silence.author.clone(),
        comment: silence.comment.clone(),
        updated_at: silence.updated_at.as_nanos(),
    }
}

/// A silence of which a matcher is not taken any more would silence too much: it is left out.
fn silence_of(record: SilenceRecord) -> Option<Silence> {
    let matchers = record
        .matchers
        .iter()
        .map(|it| Matcher::new(&it.name, Operator::of(it.is_regex, it.is_equal), &it.value).ok());
    Some(Silence {
        matchers: matchers.collect::<Option<_>>()?,
        id: record.id,
        starts_at: Timestamp(record.starts_at),
        ends_at: Timestamp(record.ends_at),
        author: record.author,
        comment: record.comment,
        updated_at: Timestamp(record.updated_at),
    })
}

fn times_record(times: &Times) -> TimesRecord {
    TimesRecord { counts: times.counts.to_vec(), sum: times.sum }
}

fn times_of(record: Option<TimesRecord>) -> Times {
    let Some(record) = record else { return Times::default() };
    Times { counts: record.counts.try_into().unwrap_or_default(), sum: record.sum }
}

fn pairs(texts: &BTreeMap<String, String>) -> Vec<Pair> {
    texts.iter().map(|(key, value)| pair(key, value)).collect()
}

fn pair(key: &str, value: &str) -> Pair {
    Pair { key: key.to_owned(), value: value.to_owned() }
}

fn texts(pairs: Vec<Pair>) -> BTreeMap<String, String> {
    pairs.into_iter().map(|pair| (pair.key, pair.value)).collect()
}
