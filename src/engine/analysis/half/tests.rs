use bytes::Bytes;
use component::{Telemetry, testing::ManualClock};

use super::*;
use crate::{
    graph::{Identity, Side},
    plan::tests::{CHAIN, plan},
    service,
};

fn half() -> AnalysisHalf {
    let (plan, telemetry) = (plan(CHAIN), Telemetry::default());
    let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_800_000_000)));
    let shared = Arc::new(service::share(plan, clock, telemetry, Vec::new()));
    let edition = shared.edition();
    let inboxes = edition.plan.exporters.iter().map(|_| None).collect();
    let identity = Identity { instance_id: "test", started_at: shared.started_at };
    let graph = Graph::new(&edition.plan, Side::Both, inboxes, &shared.telemetry, &identity);
    AnalysisHalf::new(shared, edition, graph, None)
}

fn message(stage: &str) -> HopMessage {
    let partial = StagePartial { stage: stage.to_owned(), partial: Bytes::from_static(b"x") };
    HopMessage {
        version: hop::VERSION,
        source: "a".to_owned(),
        sequence: 1,
        at_unix_nano: Timestamp::from_secs(1_800_000_001).as_nanos(),
        last: false,
        partials: vec![partial],
        more: false,
    }
}

fn counted(half: &AnalysisHalf) -> Vec<(String, u64)> {
    let rows = half.shared.telemetry.read();
    let dropped =
        rows.into_iter().filter(|row| row.name.starts_with("trueline_hop_dropped") && row.value > 0);
    dropped.map(|row| (format!("{} {:?}", row.name, row.labels), row.value)).collect()
}

#[test]
fn a_message_of_another_release_is_dropped_and_counted() {
    let (half, mut merger) = (half(), Merger::default());
    half.take(&mut merger, HopMessage { version: hop::VERSION + 1, ..message("connector/count") });
    assert_eq!(merger.complete(), Complete::default(), "nobody waits for its source either");
    let counted = counted(&half);
    assert_eq!(counted.len(), 1);
    assert!(counted[0].0.starts_with("trueline_hop_dropped_messages"), "{counted:?}");
    assert!(counted[0].0.contains("unknown_version"), "{counted:?}");
}

#[tokio::test]
async fn a_partial_for_a_stage_that_is_not_configured_is_dropped_and_counted_and_the_rest_is_merged() {
    let (mut half, mut merger) = (half(), Merger::default());
    let mut both = message("connector/of_another_configuration");
    both.partials.extend(message("connector/count").partials);
    half.take(&mut merger, both);
    half.advance(merger.complete()).await;
    let counted = counted(&half);
    assert_eq!(counted.len(), 1);
    assert!(counted[0].0.starts_with("trueline_hop_dropped_partials"), "{counted:?}");
    assert!(counted[0].0.contains("unknown_stage"), "{counted:?}");
    assert_eq!((half.unstored_bytes, merger.merged_of("a")), (1, 1));
}
