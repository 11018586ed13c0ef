//! What is usual, and what is open, outlive the process.

use component::{RestoreError, Snapshot};

use super::{
    super::BottleneckConfig,
    scene::{Stage, jitter, request},
};
use crate::testing::T0;

fn script(work: f64) -> impl Fn(u64) -> String {
    move |n| format!("cart get server 0..{}", work * jitter(n))
}

/// A stage that takes over from another at the same time.
fn restarted(stage: &mut Stage) -> Stage {
    let snapshot = stage.harness.analysis().snapshot().expect("there is state");
    let mut next = Stage::new(&BottleneckConfig::default(), 2);
    next.secs = stage.secs;
    next.harness.analysis().restore(snapshot).expect("the snapshot is sound");
    next
}

#[test]
fn a_bottleneck_that_was_open_is_ended_once_and_what_is_usual_is_known() {
    let mut stage = Stage::new(&BottleneckConfig::default(), 2);
    stage.serve(12, script(20.0));
    stage.serve(6, script(100.0));
    let before = stage.events();
    assert_eq!(before.matches("detected").count(), 1, "{before}");
    let mut next = restarted(&mut stage);
    next.serve(6, script(20.0));
    let after = next.events();
    assert!(after.starts_with("cleared slow_step of cart get") && !after.contains("detected"), "{after}");
    let mut again = restarted(&mut next);
    again.serve(6, script(100.0));
    assert!(again.events().starts_with("detected slow_step of cart get"));
}

#[test]
fn a_snapshot_is_the_same_after_a_restart() {
    let mut stage = Stage::new(&BottleneckConfig::default(), 2);
    stage.serve(12, script(20.0));
    stage.serve(6, script(100.0));
    let saved = stage.harness.analysis().snapshot();
    assert_eq!(restarted(&mut stage).harness.analysis().snapshot(), saved);
}

#[test]
fn a_snapshot_that_was_changed_or_is_of_another_release_is_refused() {
    let mut stage = Stage::new(&BottleneckConfig::default(), 1);
    stage.serve(1, script(20.0));
    let half = stage.harness.analysis();
    let snapshot = half.snapshot().expect("there is state");
    for at in 0..snapshot.bytes.len() {
        let mut bytes = snapshot.bytes.clone();
        bytes[at] ^= 1;
        let result = half.restore(Snapshot { bytes, ..snapshot.clone() });
        assert!(matches!(result, Err(RestoreError::Damaged(_))), "{at}");
    }
    let foreign = Snapshot { version: 2, ..snapshot };
    assert!(matches!(half.restore(foreign), Err(RestoreError::Version { found: 2, .. })));
}

#[test]
fn what_a_service_failed_with_before_a_restart_is_not_new_after_it() {
    let mut stage = Stage::new(&BottleneckConfig::default(), 2);
    let script = "cart get server 0..20 ! error=Full";
    stage.push(0, &request(1, 0, script));
    stage.pass(60);
    let mut next = restarted(&mut stage);
    next.push(0, &request(2, 60_000, script));
    next.pass(20);
    let calls = next.calls(60);
    let failure = calls.steps[0].failure.as_ref().expect("it failed");
    assert_eq!((&*failure.kind, failure.since), ("Full", T0));
}
