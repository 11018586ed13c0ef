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

/// A call that is answered at an address, and one that is not.
fn call(is_answered: bool, address: &str) -> String {
    match is_answered {
        true => {
            format!("shop GET server 0..9\n  shop c client 1..8 peer={address}\n    cart get server 2..7")
        }
        false => format!("shop GET server 0..9\n  shop c client 1..8 peer={address} !"),
    }
}

/// Who was called in the window that begins then.
fn called(stage: &mut Stage, from: u64) -> Vec<String> {
    let of_shop = stage.calls(from).edges.into_iter().filter(|edge| &*edge.client == "shop");
    of_shop.map(|edge| edge.server.to_string()).collect()
}

#[test]
fn who_answers_at_an_address_is_known_after_a_restart_and_for_an_hour() {
    let mut stage = Stage::new(&BottleneckConfig::default(), 2);
    stage.push(0, &request(1, 0, &call(true, "10.2.3.4")));
    stage.pass(60);
    let mut next = restarted(&mut stage);
    next.push(0, &request(2, 60_000, &call(false, "10.2.3.4")));
    next.pass(20);
    assert_eq!(called(&mut next, 60), ["cart"]);
    next.pass(3_920);
    // The window in which it is forgotten.
    assert_eq!(called(&mut next, 3_980), [""; 0]);
    next.push(0, &request(3, 4_000_000, &call(false, "10.2.3.4")));
    next.pass(20);
    assert_eq!(called(&mut next, 4_000), ["10.2.3.4"], "it may be somebody else's now");
}

#[test]
fn addresses_without_room_are_counted_and_give_up_their_place_in_time() {
    let config = BottleneckConfig { max_edges: 3, ..BottleneckConfig::default() };
    let mut stage = Stage::new(&config, 1);
    for n in 0..5 {
        stage.push(0, &request(n + 1, 0, &call(true, &format!("10.2.3.{n}"))));
    }
    stage.pass(20);
    stage.calls(0);
    let rejected = stage.harness.bench.rejected.iter().filter(|(_, of)| *of == "addresses_limit");
    assert_eq!(rejected.map(|(n, _)| n).sum::<u64>(), 2);
    stage.pass(3_980);
    stage.calls(3_980);
    stage.push(0, &request(6, 4_000_000, &call(true, "10.9.9.9")));
    stage.push(0, &request(7, 4_000_000, &call(false, "10.9.9.9")));
    stage.pass(20);
    assert_eq!(called(&mut stage, 4_000), ["cart"]);
}
