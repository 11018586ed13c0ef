//! Over restarts.

use component::{Cx, RestoreError, Workbench};
use model::Payload;
use proptest::prelude::*;

use super::{
    super::record::{
        AlertRecord, Archive, ArchivedRecord, BlockRecord, EventRecord, FeedbackRecord, MachineRecord,
        MatcherRecord, NoticeRecord, Pair, PastRecord, RequestRecord, RuleRecord, SilenceRecord, State,
        TapeRecord, TimesRecord,
    },
    Feed, at, states,
};

const RULE: &str = "
rules:
  - {name: High, metric: span.duration, stat: error_ratio, group_by: [service.name], when: {op: gt, value: 0.05}, for: 30s, keep_firing_for: 20s}
  - {name: Rises, metric: span.duration, stat: error_ratio, group_by: [service.name], when: {op: trend_up, over: 10m}, for: 0s}
";

#[test]
fn what_is_stored_is_as_described() {
    let mut schema = schemas::Schema::compile("alerting.proto");
    schema.holds::<State>("State");
    schema.holds::<Pair>("Pair");
    schema.holds::<RequestRecord>("RequestRecord");
    schema.holds::<TimesRecord>("TimesRecord");
    schema.holds::<FeedbackRecord>("FeedbackRecord");
    schema.holds::<RuleRecord>("RuleRecord");
    schema.holds::<SilenceRecord>("SilenceRecord");
    schema.holds::<MatcherRecord>("MatcherRecord");
    schema.holds::<AlertRecord>("AlertRecord");
    schema.holds::<MachineRecord>("MachineRecord");
    schema.holds::<NoticeRecord>("NoticeRecord");
    schema.holds::<EventRecord>("EventRecord");
    schema.holds::<PastRecord>("PastRecord");
    schema.holds::<Archive>("Archive");
    schema.holds::<ArchivedRecord>("ArchivedRecord");
    schema.holds::<TapeRecord>("TapeRecord");
    schema.holds::<BlockRecord>("BlockRecord");
    schema.finish();
}

#[test]
fn a_restart_at_any_moment_changes_nothing_of_what_is_told() {
    let told = |restart: Option<u64>| {
        let mut feed = Feed::new(RULE);
        let mut told = Vec::new();
        for end in (10..=400).step_by(10) {
            if restart == Some(end) {
                feed = feed.restarted();
            }
            let value = if (100..200).contains(&end) { 0.5 } else { 0.0 };
            told.extend(feed.run(end, end, "shop", value));
        }
        told
    };
    let without = told(None);
    assert_eq!(states(&without), ["pending", "firing", "resolved"]);
    for restart in (20..400).step_by(10) {
        assert_eq!(told(Some(restart)), without, "{restart}");
    }
}

#[test]
fn what_was_written_and_not_sent_is_sent_after_a_crash_with_the_same_id() {
    let mut feed = Feed::new(RULE);
    feed.run(10, 30, "shop", 0.5);
    feed.harness.now = at(52);
    feed.harness.judge(super::window(40, 10, &[(super::series("shop"), 0.5)]));
    assert_eq!(feed.tick(52), [], "it is stored first");
    assert!(feed.harness.analysis().closes_at(at(53)));
    let snapshot = feed.snapshot();
    let sent = feed.tick(53);
    assert_eq!(states(&sent), ["firing"]);
    assert!(!feed.harness.analysis().closes_at(at(54)));
    feed.harness.analysis().restore(snapshot).expect("the snapshot is sound");
    assert_eq!(feed.tick(54), sent);
}

#[test]
fn what_was_sent_is_kept_until_exporters_have_it() {
    let mut feed = Feed::new(RULE);
    feed.run(10, 30, "shop", 0.5);
    feed.harness.now = at(52);
    feed.harness.judge(super::window(40, 10, &[(super::series("shop"), 0.5)]));
    feed.tick(52);
    let mut under_way = Workbench::default();
    feed.harness.analysis().tick(&mut Cx::new(at(53), &mut under_way));
    assert!(under_way.out.iter().any(|batch| matches!(batch.payload, Payload::Logs(_))));
    let told_after_a_crash = |snapshot| {
        let mut fresh = Feed::new(RULE);
        fresh.harness.analysis().restore(snapshot).expect("the snapshot is sound");
        fresh.tick(54)
    };
    let told = told_after_a_crash(feed.snapshot());
    assert_eq!(states(&told), ["firing"]);
    drop(under_way);
    assert_eq!(told_after_a_crash(feed.snapshot()), [], "they have it");
}

#[test]
fn the_past_of_a_trend_is_kept() {
    let mut feed = Feed::new(RULE);
    let service = super::series("shop");
    for end in (10..=600).step_by(10) {
        feed.give(end, &[(service.clone(), -1.0)]);
    }
    let mut feed = feed.restarted();
    let mut told = Vec::new();
    for end in (610..=1000).step_by(10) {
        told.extend(feed.give(end, &[(service.clone(), -1.0 + end as f64 / 1e4)]));
    }
    let rises = told.iter().filter(|event| event.labels["alertname"] == "Rises");
    assert!(rises.count() > 0, "ten minutes are known, most of them from before the restart");
}

#[test]
fn a_rule_that_is_gone_after_a_restart_ends_its_alerts() {
    let mut feed = Feed::new(RULE);
    assert_eq!(states(&feed.run(10, 60, "shop", 0.5)), ["pending", "firing"]);
    feed.config = super::config("{}");
    let mut feed = feed.restarted();
    let mut told = feed.tick(80);
    told.extend(feed.tick(81));
    assert_eq!(states(&told), ["resolved"]);
}

#[test]
fn what_people_asked_for_survives() {
    let mut feed = Feed::new(RULE);
    let rule = r#"{"name": "Mine", "metric": "span.duration", "stat": "p95", "when": {"op": "predict_gt", "value": 1, "over": "1h", "within": "1h"}, "severity_within": {"10m": "critical"}}"#;
    assert_eq!(feed.ask("POST", "rules?ttl=2h", rule).status, 201);
    let silence = r#"{"match": ["service.name=~\"sh.*\""], "duration": "1h"}"#;
    assert_eq!(feed.ask("POST", "silences", silence).status, 201);
    let before = (feed.get("rules"), feed.get("silences"));
    let mut feed = feed.restarted();
    assert_eq!((feed.get("rules"), feed.get("silences")), before);
    assert_eq!(states(&feed.run(10, 60, "shop", 0.5)), ["suppressed"]);
}

#[test]
fn a_snapshot_of_another_version_is_refused() {
    let mut feed = Feed::new(RULE);
    let mut snapshot = feed.snapshot();
    snapshot.version = 2;
    let refused = feed.harness.analysis().restore(snapshot);
    assert!(matches!(refused, Err(RestoreError::Version { found: 2, .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_snapshot_is_refused(place in any::<prop::sample::Index>(), bit in 0_u8..8, cut in any::<bool>()) {
        let mut feed = Feed::new(RULE);
        feed.run(10, 60, "shop", 0.5);
        let mut snapshot = feed.snapshot();
        let place = place.index(snapshot.bytes.len());
        if cut {
            snapshot.bytes.truncate(place);
        } else {
            snapshot.bytes[place] ^= 1 << bit;
        }
        let mut fresh = Feed::new(RULE);
        prop_assert!(fresh.harness.analysis().restore(snapshot).is_err());
        let told = fresh.run(20, 60, "shop", 0.5);
        prop_assert_eq!(states(&told), ["pending", "firing"], "it begins anew");
    }
}
