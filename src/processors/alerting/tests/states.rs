//! Every edge of an alert's life, and what always holds.

use std::time::Duration;

use model::{AlertState, Severity, Timestamp};
use proptest::prelude::*;

use crate::alerting::{
    history::What,
    machine::{Change, Machine, OnNoData, Phase, Policy, Verdict},
    notice::{Cadence, Notice, Told},
};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + second)
}

const USUAL: Policy = Policy {
    hold: seconds(20),
    keep_firing_for: seconds(20),
    cooldown: seconds(100),
    on_no_data: OnNoData::Keep,
    is_undamped: false,
};
const BARE: Policy = Policy {
    hold: Duration::ZERO,
    keep_firing_for: Duration::ZERO,
    cooldown: Duration::ZERO,
    on_no_data: OnNoData::Keep,
    is_undamped: false,
};

/// Evaluates every ten seconds: `T` for true, `C` for true and critical, `F` for false, `N` for no data.
fn changes(policy: &Policy, inputs: &str) -> String {
    let mut machine = Machine::default();
    let mut told = Vec::new();
    for (index, input) in inputs.chars().enumerate() {
        let second = 10 * (index as u64 + 1);
        let mut changes = Vec::new();
        let (verdict, severity) = match input {
            'T' => (Verdict::True, Severity::Warning),
            'C' => (Verdict::True, Severity::Critical),
            'F' => (Verdict::False, Severity::Warning),
            _ => (Verdict::NoData, Severity::Warning),
        };
        machine.step(at(second), verdict, severity, policy, &mut changes);
        told.extend(changes.iter().map(|change| format!("{second}:{}", What::from(*change).name())));
    }
    told.join(" ")
}

#[test]
fn every_edge_of_the_state_machine() {
    let long = |head: &str, input: &str, times: usize| format!("{head}{}", input.repeat(times));
    for (policy, inputs, expected) in [
        (USUAL, "FF".to_owned(), ""),
        (USUAL, "FTTT".to_owned(), "20:pending 40:firing"),
        (USUAL, "TF".to_owned(), "10:pending 20:inactive"),
        (USUAL, "TTFTT".to_owned(), "10:pending 30:inactive 40:pending"),
        (USUAL, "TTTFT".to_owned(), "10:pending 30:firing 40:recovering 50:firing_again"),
        (USUAL, "TTTFFF".to_owned(), "10:pending 30:firing 40:recovering 60:resolved"),
        // Within the cooldown, which lasts until 160.
        (
            USUAL,
            "TTTFFFTFFF".to_owned(),
            "10:pending 30:firing 40:recovering 60:resolved 70:firing_silently 80:recovering 100:resolved",
        ),
        // A silent firing makes no cooldown longer.
        (
            USUAL,
            format!("{}T", long("TTTFFFTFFF", "F", 5)),
            "10:pending 30:firing 40:recovering 60:resolved 70:firing_silently 80:recovering 100:resolved \
             160:pending",
        ),
        (
            USUAL,
            long("TTTFFF", "T", 10),
            "10:pending 30:firing 40:recovering 60:resolved 70:firing_silently 160:no_longer_silent",
        ),
        (USUAL, "TTTC".to_owned(), "10:pending 30:firing 40:severity_rose"),
        (USUAL, "TTTCT".to_owned(), "10:pending 30:firing 40:severity_rose"),
        (USUAL, "TTTFFFC".to_owned(), "10:pending 30:firing 40:recovering 60:resolved 70:firing"),
        (
            USUAL,
            "TTTFFFTC".to_owned(),
            "10:pending 30:firing 40:recovering 60:resolved 70:firing_silently 80:severity_rose",
        ),
        (BARE, "TF".to_owned(), "10:firing 20:resolved"),
        (BARE, "TTFT".to_owned(), "10:firing 30:resolved 40:firing"),
        // Nothing is known.
        (USUAL, "TNN".to_owned(), "10:pending"),
        (USUAL, "TTTNNNNNN".to_owned(), "10:pending 30:firing"),
        (USUAL, "TTTFNN".to_owned(), "10:pending 30:firing 40:recovering 60:resolved"),
        (
            Policy { on_no_data: OnNoData::Resolve, ..USUAL },
            "TTTNNN".to_owned(),
            "10:pending 30:firing 40:recovering 60:resolved",
        ),
        (Policy { on_no_data: OnNoData::Resolve, ..USUAL }, "TN".to_owned(), "10:pending 20:inactive"),
        (Policy { on_no_data: OnNoData::Alert, ..USUAL }, "NNN".to_owned(), "10:pending 30:firing"),
        // More than four changes in a quarter of an hour.
        (
            BARE,
            long("TFTFT", "F", 61),
            "10:firing 20:resolved 30:firing 40:resolved 50:firing 50:held 60:recovering 660:resolved",
        ),
        (
            BARE,
            "TFTFTFTF".to_owned(),
            "10:firing 20:resolved 30:firing 40:resolved 50:firing 50:held 60:recovering 70:firing_again \
             80:recovering",
        ),
        (
            Policy { is_undamped: true, ..BARE },
            "TFTFTFTF".to_owned(),
            "10:firing 20:resolved 30:firing 40:resolved 50:firing 60:resolved 70:firing 80:resolved",
        ),
        // The same spread over more time is none.
        (BARE, format!("TFTF{}T", "F".repeat(90)), "10:firing 20:resolved 30:firing 40:resolved 950:firing"),
    ] {
        assert_eq!(changes(&policy, &inputs), expected, "{inputs}");
    }
}

fn fired() -> Machine {
    let mut machine = Machine::default();
    for second in [10, 20, 30] {
        machine.step(at(second), Verdict::True, Severity::Warning, &USUAL, &mut Vec::new());
    }
    machine
}

#[test]
fn what_comes_out_of_order_ends_nothing() {
    let mut machine = fired();
    let before = machine.clone();
    let mut changes = Vec::new();
    for second in [30, 25, 10] {
        machine.step(at(second), Verdict::False, Severity::Warning, &BARE, &mut changes);
    }
    assert_eq!((machine, changes), (before, vec![]));
}

#[test]
fn a_time_that_was_set_back_is_followed() {
    let mut machine = fired();
    let mut changes = Vec::new();
    let back = Timestamp::from_secs(1_600_000_000);
    machine.step(back, Verdict::False, Severity::Warning, &USUAL, &mut changes);
    machine.step(back + seconds(20), Verdict::False, Severity::Warning, &USUAL, &mut changes);
    assert_eq!(changes, [Change::Recovering, Change::Resolved]);
}

#[test]
fn an_alert_whose_reason_is_gone_ends() {
    let mut machine = fired();
    let mut changes = Vec::new();
    machine.end(at(40), &mut changes);
    machine.end(at(50), &mut changes);
    assert_eq!((changes, machine.ends_at), (vec![Change::Resolved], at(40)));
    let mut pending = Machine { phase: Phase::Pending, ..Machine::default() };
    let mut changes = Vec::new();
    pending.end(at(40), &mut changes);
    assert_eq!(changes, [Change::Dropped]);
}

#[test]
fn who_was_pending_before_a_restart_begins_anew_when_it_took_longer_than_the_condition_must_hold() {
    let pending = |silent: u64| {
        let mut machine = Machine::default();
        let mut changes = Vec::new();
        machine.step(at(10), Verdict::True, Severity::Warning, &USUAL, &mut changes);
        machine.is_restored = true;
        changes.clear();
        machine.step(at(10 + silent), Verdict::True, Severity::Warning, &USUAL, &mut changes);
        machine.step(at(20 + silent), Verdict::True, Severity::Warning, &USUAL, &mut changes);
        changes
    };
    assert_eq!(pending(10), [Change::Firing]);
    assert_eq!(pending(20), [Change::Pending]);
    let mut firing = Machine { is_restored: true, ..fired() };
    let mut changes = Vec::new();
    firing.step(at(5000), Verdict::True, Severity::Warning, &USUAL, &mut changes);
    assert_eq!((changes, firing.starts_at), (vec![], at(30)));
}

fn verdicts() -> impl Strategy<Value = Vec<Verdict>> {
    let one = prop_oneof![Just(Verdict::True), Just(Verdict::False), Just(Verdict::NoData)];
    prop::collection::vec(one, 1..200)
}

fn policies() -> impl Strategy<Value = Policy> {
    let on_no_data = prop_oneof![Just(OnNoData::Keep), Just(OnNoData::Resolve), Just(OnNoData::Alert)];
    (0_u64..6, 0_u64..6, 0_u64..30, on_no_data).prop_map(|(hold, keep, cooldown, on_no_data)| Policy {
        hold: seconds(10 * hold),
        keep_firing_for: seconds(10 * keep),
        cooldown: seconds(10 * cooldown),
        on_no_data,
        is_undamped: false,
    })
}

/// Whether it fires after each evaluation, found by looking back over all of them. There is no cooldown and time
/// enough between evaluations that nothing flaps.
fn slowly(inputs: &[bool], step: u64, policy: &Policy) -> Vec<bool> {
    let mut fires = Vec::new();
    for now in 0..inputs.len() {
        let fired = now > 0 && fires[now - 1];
        let run = inputs[..=now].iter().rev().take_while(|it| **it == inputs[now]).count() as u64;
        let lasted = seconds((run - 1) * step);
        fires.push(match (fired, inputs[now]) {
            (true, true) => true,
            (true, false) => lasted < policy.keep_firing_for,
            (false, true) => lasted >= policy.hold,
            (false, false) => false,
        });
    }
    fires
}

proptest! {
    #[test]
    fn it_fires_when_a_look_at_the_whole_past_says_so(
        inputs in prop::collection::vec(any::<bool>(), 1..100),
        hold in 0_u64..4,
        keep in 0_u64..4,
    ) {
        const STEP: u64 = 300;
        let policy = Policy { hold: seconds(STEP * hold), keep_firing_for: seconds(STEP * keep), ..BARE };
        let mut machine = Machine::default();
        let mut fires = Vec::new();
        for (index, input) in inputs.iter().enumerate() {
            let verdict = if *input { Verdict::True } else { Verdict::False };
            machine.step(at(STEP * index as u64), verdict, Severity::Info, &policy, &mut Vec::new());
            fires.push(machine.is_firing());
        }
        prop_assert_eq!(fires, slowly(&inputs, STEP, &policy));
    }

    #[test]
    fn every_firing_is_followed_by_one_resolved_and_the_sequence_grows(
        inputs in verdicts(),
        policy in policies(),
        critical in any::<u64>(),
    ) {
        let mut machine = Machine::default();
        let mut fires = false;
        for (index, verdict) in inputs.iter().enumerate() {
            let severity =
                if critical >> (index % 64) & 1 == 1 { Severity::Critical } else { Severity::Warning };
            let before = machine.sequence;
            let mut changes = Vec::new();
            machine.step(at(10 * index as u64), *verdict, severity, &policy, &mut changes);
            for change in &changes {
                match change {
                    Change::Firing | Change::FiringSilently => {
                        prop_assert!(!fires);
                        fires = true;
                    }
                    Change::Resolved => {
                        prop_assert!(fires && machine.ends_at >= machine.starts_at);
                        prop_assert!(*verdict != Verdict::True, "what holds is not resolved");
                        fires = false;
                    }
                    Change::SeverityRose => prop_assert!(fires),
                    _ => {}
                }
                let is_told = !matches!(
                    change,
                    Change::Dropped | Change::Recovering | Change::Relapsed | Change::Held | Change::NoLongerSilent
                );
                prop_assert!(!is_told || machine.sequence > before);
            }
            prop_assert_eq!(fires, machine.is_firing());
            prop_assert!(machine.flips.len() <= 200);
        }
    }

    #[test]
    fn others_are_told_of_each_resolved_after_its_firing_and_once(
        inputs in verdicts(),
        policy in policies(),
        suppressed in any::<u64>(),
    ) {
        let cadence = Cadence { every: seconds(60), resolved_for: seconds(900) };
        let (mut machine, mut notice) = (Machine::default(), Notice::default());
        let (mut out, mut knows) = (Vec::new(), false);
        for step in 0..inputs.len() + 200 {
            let now = at(10 * step as u64);
            let verdict = inputs.get(step).copied().unwrap_or(Verdict::False);
            machine.step(now, verdict, Severity::Info, &policy, &mut Vec::new());
            notice.suppressed_by.clear();
            if suppressed >> (step / 4 % 64) & 1 == 1 {
                notice.suppressed_by.push("silence".to_owned());
            }
            notice.review(&machine, now, &cadence, &mut out);
            for telling in out.drain(..) {
                match (telling.state, telling.is_reminder) {
                    (AlertState::Firing, false) => {
                        prop_assert!(notice.suppressed_by.is_empty() && machine.is_firing());
                        prop_assert!(!knows, "a firing is told once");
                        knows = true;
                    }
                    (AlertState::Firing, true) => prop_assert!(knows && notice.suppressed_by.is_empty()),
                    (AlertState::Resolved, false) => {
                        prop_assert!(knows && !machine.is_firing());
                        knows = false;
                    }
                    (AlertState::Resolved, true) => prop_assert!(!knows),
                    _ => {}
                }
            }
        }
        prop_assert!(!knows, "in the end all are told that it is over");
        let knows = matches!(notice.told, Told::Firing { .. });
        prop_assert!(!knows);
    }
}
