//! Alerts that follow the conditions of a stage before this one.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use component::Cx;
use model::{Ack, AlertSubject, Batch, Condition, Conditions, Payload, Severity};

use super::{Event, Feed, at, events, states};

fn subject(name: &str, severity: Severity, hold: u64) -> Arc<AlertSubject> {
    Arc::new(AlertSubject {
        name: name.to_owned(),
        labels: BTreeMap::from([("sloth_id".to_owned(), "shop-availability".to_owned())]),
        annotations: BTreeMap::from([("summary".to_owned(), "the budget burns".to_owned())]),
        severity,
        hold: Duration::from_secs(hold),
        keep_firing_for: Duration::ZERO,
        threshold: 14.4,
        rule_type: "burn_rate",
        slo_id: "shop-availability".to_owned(),
    })
}

fn tell(feed: &mut Feed, end: u64, all: &[(&Arc<AlertSubject>, Option<bool>)]) -> Vec<Event> {
    let condition = |(subject, is_true): &(&Arc<AlertSubject>, Option<bool>)| Condition {
        subject: Arc::clone(subject),
        is_true: *is_true,
        value: if *is_true == Some(true) { 20.0 } else { 1.0 },
        exemplars: vec![[7; 16]],
    };
    let conditions = Conditions {
        source: "sla".into(),
        at: at(end),
        every: Duration::from_secs(10),
        all: all.iter().map(condition).collect(),
        budgets: Vec::new(),
    };
    let payload = Payload::Conditions(Box::new(conditions));
    let batch = Batch { payload, items: all.len() as u64, ack: Ack::none() };
    let mut bench = component::Workbench::default();
    feed.harness.analysis().process(batch, &mut Cx::new(at(end + 1), &mut bench));
    assert_eq!(bench.out.len(), 1, "conditions pass on");
    let mut told = events(&feed.tick_all(end + 1));
    told.extend(events(&feed.tick_all(end + 2)));
    told
}

#[test]
fn a_condition_is_followed_with_its_own_times_and_texts() {
    let mut feed = Feed::new("{}");
    let burn = subject("ErrorBudgetBurn", Severity::Critical, 20);
    let mut told = Vec::new();
    for (end, is_true) in [(20, false), (30, true), (40, true), (50, true), (60, true), (70, false)] {
        told.extend(tell(&mut feed, end, &[(&burn, Some(is_true))]));
    }
    assert_eq!(states(&told), ["pending", "firing", "resolved"]);
    assert_eq!(told[1].number("trueline.alert.starts_at"), at(50).as_nanos());
    assert_eq!(told[1].get("trueline.slo.id"), "shop-availability");
    assert_eq!(told[1].get("trueline.alert.rule.type"), "burn_rate");
    assert_eq!(told[1].labels["sloth_id"], "shop-availability");
    assert_eq!(told[1].body, "the budget burns");
    assert_eq!(told[2].number("trueline.alert.ends_at"), at(70).as_nanos());
}

#[test]
fn an_alert_ends_when_its_condition_goes_and_stays_when_nothing_is_known() {
    let mut feed = Feed::new("{}");
    let (burn, budget) = (subject("Burn", Severity::Critical, 0), subject("Budget", Severity::Warning, 0));
    let both = tell(&mut feed, 20, &[(&burn, Some(true)), (&budget, Some(true))]);
    assert_eq!(states(&both), ["firing", "firing"]);
    assert_eq!(tell(&mut feed, 30, &[(&burn, None), (&budget, None)]), []);
    let one = tell(&mut feed, 40, &[(&burn, Some(true))]);
    assert_eq!(states(&one), ["resolved"]);
    assert_eq!(one[0].labels["alertname"], "Budget");
}

#[test]
fn it_fires_again_at_once_as_prometheus_has_no_cooldown() {
    let mut feed = Feed::new("{}");
    let burn = subject("Burn", Severity::Critical, 0);
    let mut told = Vec::new();
    for (end, is_true) in [(20, true), (30, false), (40, true)] {
        told.extend(tell(&mut feed, end, &[(&burn, Some(is_true))]));
    }
    assert_eq!(states(&told), ["firing", "resolved", "firing"]);
}

#[test]
fn it_is_never_held_however_often_it_comes_and_goes_as_its_stage_says_all_of_time() {
    let mut feed = Feed::new("{}");
    let burn = subject("Burn", Severity::Critical, 0);
    let mut told = Vec::new();
    for turn in 0..8 {
        told.extend(tell(&mut feed, 20 + 20 * turn, &[(&burn, Some(true))]));
        told.extend(tell(&mut feed, 30 + 20 * turn, &[(&burn, Some(false))]));
    }
    assert_eq!(states(&told), ["firing", "resolved"].repeat(8));
}

#[test]
fn an_alert_of_a_stage_that_is_gone_after_a_restart_ends() {
    let mut feed = Feed::new("{}");
    let burn = subject("Burn", Severity::Critical, 0);
    assert_eq!(states(&tell(&mut feed, 20, &[(&burn, Some(true))])), ["firing"]);
    let mut feed = feed.restarted();
    let mut told = Vec::new();
    for second in (30..1200).step_by(5) {
        told.extend(feed.tick(second));
    }
    assert_eq!(states(&told), ["resolved"]);
}

#[test]
fn a_rule_and_a_condition_of_one_identity_are_told_apart_by_a_count() {
    let rule = "rules: [{name: Burn, metric: span.duration, stat: error_ratio, group_by: [], when: {op: gt, value: 0}, for: 0s}]";
    let mut feed = Feed::new(rule);
    feed.run(10, 10, "a", 1.0);
    let same =
        Arc::new(AlertSubject { labels: BTreeMap::new(), ..(*subject("Burn", Severity::Info, 0)).clone() });
    tell(&mut feed, 20, &[(&same, Some(true))]);
    assert_eq!(feed.metric("rejected_alerts"), 1);
}

#[test]
fn an_objective_is_explained_with_the_factor_of_then_when_it_was_tuned_since() {
    let mut feed = Feed::new("{}");
    let mut burn = subject("Burn", Severity::Critical, 0);
    tell(&mut feed, 20, &[(&burn, Some(false))]);
    let mut feed = feed.restarted();
    Arc::make_mut(&mut burn).threshold = 6.0;
    tell(&mut feed, 30, &[(&burn, Some(false))]);
    for (second, threshold) in [(20, 14.4), (30, 6.0)] {
        let found = feed.get(&format!("explain?subject=Burn&at=2024-01-01T12:00:{second}Z"));
        assert_eq!(found["alerts"][0]["threshold"], threshold, "{second}: {found}");
    }
}
