//! From a condition to records: once, again and again, and over.

use super::{Feed, at, states};

const RULE: &str = "
rules:
  - name: HighErrors
    metric: span.duration
    stat: error_ratio
    match: {service.name: 'check*'}
    group_by: [service.name]
    when: {op: gt, value: 0.05}
    for: 20s
    keep_firing_for: 20s
    cooldown: 5m
    severity: critical
    labels: {team: '{{ labels.service.name }}-team'}
    annotations: {summary: '{{ labels.service.name }} has {{ value }}, above {{ threshold }}'}
";

#[test]
fn a_condition_that_holds_is_told_as_pending_then_firing_then_resolved() {
    let mut feed = Feed::new(RULE);
    assert_eq!(feed.run(10, 30, "checkout", 0.01), []);
    let pending = feed.run(40, 50, "checkout", 0.2);
    assert_eq!(states(&pending), ["pending"]);
    let firing = feed.run(60, 60, "checkout", 0.25);
    assert_eq!(states(&firing), ["firing"]);
    let told = &firing[0];
    assert_eq!(told.name, "trueline.alert.firing");
    assert_eq!(told.time, at(60));
    assert_eq!(told.number("trueline.alert.starts_at"), at(60).as_nanos());
    assert_eq!(told.get("trueline.alert.severity"), "critical");
    assert_eq!(told.get("trueline.alert.rule.type"), "gt");
    assert_eq!(told.get("trueline.alert.value"), "0.25");
    assert_eq!(told.get("trueline.alert.threshold"), "0.05");
    assert_eq!(told.body, "checkout has 0.25, above 0.05");
    let labels: Vec<_> = told.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(
        labels,
        ["alertname=HighErrors", "service.name=checkout", "severity=critical", "team=checkout-team"]
    );
    assert_eq!(states(&feed.run(70, 80, "checkout", 0.0)), Vec::<&str>::new(), "it recovers");
    let resolved = feed.run(90, 100, "checkout", 0.0);
    assert_eq!(states(&resolved), ["resolved"]);
    assert_eq!(resolved[0].number("trueline.alert.starts_at"), at(60).as_nanos());
    assert_eq!(resolved[0].number("trueline.alert.ends_at"), at(90).as_nanos());
    let sequence = |event: &super::Event| event.number("trueline.alert.sequence");
    assert!(sequence(&pending[0]) < sequence(told) && sequence(told) < sequence(&resolved[0]));
    assert_eq!(
        states(&feed.run(110, 150, "payment", 1.0)),
        Vec::<&str>::new(),
        "another service is not the rule's business"
    );
}

#[test]
fn what_fires_is_told_again_each_minute_and_what_is_resolved_for_a_quarter_of_an_hour() {
    let mut feed = Feed::new(RULE);
    let told = feed.run(10, 300, "checkout", 0.2);
    let first = told.iter().find(|event| event.state() == "firing").expect("it fires").clone();
    let reminders: Vec<_> = told.iter().filter(|event| event.is_reminder()).collect();
    assert_eq!(reminders.len(), 4, "from second 42 on once a minute");
    for reminder in reminders {
        for name in ["id", "fingerprint", "sequence", "starts_at"] {
            let name = format!("trueline.alert.{name}");
            assert_eq!(reminder.get(&name), first.get(&name));
        }
    }
    let after = feed.run(310, 1800, "checkout", 0.0);
    assert_eq!(states(&after), ["resolved"]);
    let resolved: Vec<_> = after.iter().filter(|it| it.is_reminder() && it.state() == "resolved").collect();
    assert_eq!(resolved.len(), 14, "at 342 it is told, from 410 to 1190 once a minute");
    let id = after.iter().find(|it| !it.is_reminder()).map(|it| it.get("trueline.alert.id"));
    assert!(resolved.iter().all(|it| Some(it.get("trueline.alert.id")) == id));
}

#[test]
fn two_that_are_fed_alike_tell_alike_also_when_one_began_later() {
    let told = |begin: u64| {
        let mut feed = Feed::new(RULE);
        feed.tick(begin);
        let mut told = feed.run(begin + 10, 600, "checkout", 0.2);
        told.extend(feed.run(610, 700, "checkout", 0.0));
        told.retain(|event| !event.is_reminder());
        told
    };
    let (early, again, late) = (told(0), told(0), told(300));
    assert_eq!(early, again);
    let resolved = |events: &[super::Event]| events.last().map(|it| it.get("trueline.alert.id").to_owned());
    assert_eq!(states(&early), ["pending", "firing", "resolved"]);
    assert_eq!(resolved(&early), resolved(&late), "who began later names what follows as the others do");
}

#[test]
fn the_watchdog_always_fires() {
    let mut feed = Feed::new("{}");
    let mut all = Vec::new();
    for second in 13..220 {
        all.extend(super::all_events(&feed.tick_all(second)));
    }
    assert_eq!(states(&all), ["firing"]);
    assert_eq!(all[0].labels["alertname"], "Watchdog");
    assert_eq!(all[0].labels["severity"], "info");
    assert_eq!(all.iter().filter(|event| event.is_reminder()).count(), 3);
    let mut none = Feed::new("watchdog: {enabled: false}");
    assert_eq!(super::all_events(&none.tick_all(100)), []);
}

#[test]
fn a_group_is_the_sum_of_its_series_and_each_series_stands_alone_without_one() {
    use model::Statistic;
    let rate = |service| super::of_statistic(service, Statistic::Rate);
    let rule = |more: &str| {
        format!(
            "rules: [{{name: Many, metric: span.duration, stat: rate, when: {{op: gt, value: 10}}, for: 0s{more}}}]"
        )
    };
    let rows = [(rate("a"), 6.0), (rate("b"), 7.0)];
    let told = |yaml: &str| Feed::new(yaml).give(10, &rows);
    assert_eq!(states(&told(&rule(", group_by: []"))), ["firing"]);
    assert_eq!(told(&rule("")), []);
    assert_eq!(told(&rule(", group_by: [], aggregate: max")), []);
    assert_eq!(told(&rule(", group_by: [], aggregate: mean")), []);
    let one = told(&rule(", group_by: [host.name]"));
    assert_eq!(one[0].labels["host.name"], "a");
    assert_eq!(one[0].get("trueline.alert.value"), "13");
    let each = Feed::new(&rule("")).give(10, &[(rate("a"), 60.0), (rate("b"), 70.0)]);
    let services: Vec<_> = each.iter().map(|event| event.labels["service.name"].as_str()).collect();
    assert_eq!(services, ["a", "b"]);
    assert_eq!(each[0].labels["span.kind"], "SPAN_KIND_SERVER");
}

#[test]
fn a_schedule_keeps_it_from_being_told_and_it_is_told_when_that_is_over() {
    // The test begins on a Monday at noon.
    let suppress = "suppress: [{match: {service.name: check*}, schedule: 'Mon 12:00-12:05'}]";
    let mut feed = Feed::new(&format!("{RULE}{suppress}"));
    let told = feed.run(10, 270, "checkout", 0.2);
    assert_eq!(states(&told), ["suppressed"]);
    assert!(told[0].get("trueline.alert.suppressed_by").contains("schedule Mon 12:00-12:05"));
    assert!(told.iter().all(|event| !event.is_reminder()));
    let after = feed.run(280, 300, "checkout", 0.2);
    assert_eq!(states(&after), ["firing"]);
    assert_eq!(after[0].number("trueline.alert.starts_at"), at(30).as_nanos());
}

#[test]
fn what_began_and_ended_in_a_schedule_is_never_told() {
    let mut feed = Feed::new(&format!("{RULE}    suppress: ['12:00-13:00']\n"));
    let mut told = feed.run(10, 100, "checkout", 0.2);
    told.extend(feed.run(110, 300, "checkout", 0.0));
    assert_eq!(states(&told), ["suppressed"]);
}

#[test]
fn what_was_told_before_a_silence_is_resolved_all_the_same() {
    let mut feed = Feed::new(RULE);
    assert_eq!(states(&feed.run(10, 60, "checkout", 0.2)), ["pending", "firing"]);
    let silence = r#"{"match": ["alertname=HighErrors"], "duration": "1h", "comment": "we know"}"#;
    assert_eq!(feed.ask("POST", "silences", silence).status, 201);
    let told = feed.run(70, 200, "checkout", 0.2);
    assert_eq!(states(&told), ["suppressed"]);
    assert!(told.iter().all(|event| !event.is_reminder()), "who is silent says nothing");
    assert_eq!(states(&feed.run(210, 260, "checkout", 0.0)), ["resolved"]);
}

#[test]
fn an_alert_that_nobody_acknowledges_is_escalated_once_for_each_step() {
    let steps = "
escalation:
  - {after: 1m, severity: emergency, to: pager}
  - {after: 2m, if: unresolved, to: manager}
  - {after: 1m, match: {team: other}, to: nobody}
";
    let mut feed = Feed::new(&format!("{RULE}{steps}"));
    let told = feed.run(10, 300, "checkout", 0.2);
    assert_eq!(states(&told), ["pending", "firing", "escalated", "escalated"]);
    let escalated: Vec<_> = told.iter().filter(|event| event.state() == "escalated").collect();
    assert_eq!(escalated[0].get("trueline.alert.destination"), "pager");
    assert_eq!(escalated[0].get("trueline.alert.severity"), "emergency");
    assert_eq!(escalated[0].labels["severity"], "critical", "labels are the identity");
    assert_eq!(escalated[1].get("trueline.alert.destination"), "manager");
    assert_ne!(escalated[0].get("trueline.alert.id"), escalated[1].get("trueline.alert.id"));
}

#[test]
fn an_acknowledgement_stops_the_escalation_alone() {
    let steps = "escalation: [{after: 1m, to: pager}]\n";
    let mut feed = Feed::new(&format!("{RULE}{steps}"));
    let told = feed.run(10, 60, "checkout", 0.2);
    let fingerprint = told[0].get("trueline.alert.fingerprint").to_owned();
    let answer = feed.ask("POST", &format!("alerts/{fingerprint}/ack"), r#"{"comment": "I look"}"#);
    assert_eq!((answer.status, answer.is_changed), (200, true));
    let after = feed.run(70, 300, "checkout", 0.2);
    assert_eq!(states(&after), ["acknowledged"]);
    assert!(after.iter().any(|event| event.is_reminder()), "it still fires");
    assert_eq!(states(&feed.run(310, 340, "checkout", 0.0)), ["resolved"]);
}

#[test]
fn missing_windows_are_no_data_after_the_lateness_and_late_ones_change_nothing() {
    let rule = RULE.replace("severity: critical", "severity: critical\n    on_no_data: alert");
    let mut feed = Feed::new(&rule);
    feed.run(10, 10, "checkout", 0.0);
    let mut told = Vec::new();
    for second in 24..100 {
        told.extend(feed.tick(second));
    }
    assert_eq!(states(&told), ["pending", "firing"], "windows end at 20, 30 and 40 and do not come");
    assert_eq!(told[1].number("trueline.alert.starts_at"), at(40).as_nanos());
    let late = super::window(50, 10, &[(super::series("checkout"), 0.0)]);
    feed.harness.judge(late);
    assert_eq!(states(&feed.tick(101)), Vec::<&str>::new());
    assert_eq!(feed.metric("rejected_windows"), 1);
}

#[test]
fn alerts_beyond_the_bound_are_counted() {
    let mut feed = Feed::new(&format!("{RULE}max_alerts: 2\n"));
    let rows: Vec<_> = ["check1", "check2", "check3"].map(|it| (super::series(it), 0.9)).into();
    let told: Vec<_> = [10, 20, 30].into_iter().flat_map(|end| feed.give(end, &rows)).collect();
    assert_eq!(states(&told), ["pending", "firing"], "the watchdog has the other place");
    assert_eq!(feed.metric("rejected_alerts"), 2, "the others are not sought again at each window");
}
