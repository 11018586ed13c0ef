use std::time::Duration;

use bytes::Bytes;
use component::Telemetry;
use model::{Ack, Payload, Signal, Timestamp};

use super::*;
use crate::{
    graph::{Graph, Identity, Side as Halves},
    plan,
};

const NOW: Timestamp = Timestamp::from_secs(1);

fn names(pipelines: &str) -> Vec<String> {
    edges(&plan::tests::plan(pipelines)).into_iter().map(|edge| edge.name).collect()
}

/// A spout that nobody has opened at a service, and the end at which it is read.
fn spout(plan: &Plan, at: Option<&str>, side: Side) -> (Arc<Spout>, Receiver<Export>) {
    let (requests, inbox) = sync_channel(MAX_HELD);
    let spout = Spout {
        edition: 0,
        edges: chosen(plan, at, side).unwrap(),
        signals: SignalSet::ALL,
        requests,
        held: AtomicUsize::new(0),
        missed: AtomicU64::new(0),
        has_ended: AtomicBool::new(false),
    };
    (Arc::new(spout), inbox)
}

fn graph(plan: &Plan, board: &Arc<Board>) -> Graph {
    let identity = Identity { instance_id: "test", started_at: Timestamp::default() };
    let inboxes = plan.exporters.iter().map(|_| None).collect();
    Graph::new(plan, Halves::Ingest, inboxes, &Telemetry::default(), &identity).watched(board, 0)
}

fn batch(bytes: &Bytes) -> Batch {
    Batch { payload: Payload::Logs(bytes.clone()), items: 3, ack: Ack::none() }
}

#[test]
fn edges_are_named_as_the_graph_names_its_parts() {
    let named = names(
        "    traces: {receivers: [source], processors: [join], exporters: [sink, forward]}
    traces/2: {receivers: [forward], exporters: [sink/2]}",
    );
    let expected = [
        "traces",
        "traces/source",
        "traces/join",
        "traces/sink",
        "traces/forward",
        "traces/2",
        "traces/2/forward",
        "traces/2/sink/2",
    ];
    assert_eq!(named, expected);
}

#[test]
fn parts_of_one_id_are_told_apart_by_their_kind() {
    let mut plan = plan::tests::plan("    logs: {receivers: [source], exporters: [sink]}");
    plan.exporters[0].id = "source".to_owned();
    let named: Vec<_> = edges(&plan).into_iter().map(|edge| edge.name).collect();
    assert_eq!(named, ["logs", "logs/source:receiver", "logs/source:exporter"]);
    let meant = vec!["logs/source:receiver".to_owned(), "logs/source:exporter".to_owned()];
    let name = "logs/source".to_owned();
    assert_eq!(chosen(&plan, Some("logs/source"), Side::After), Err(TapError::Ambiguous { name, meant }));
    assert!(chosen(&plan, Some("logs/source:exporter"), Side::After).is_ok());
    let unknown = TapError::UnknownEdge("logs/sinc".to_owned());
    assert_eq!(chosen(&plan, Some("logs/sinc"), Side::After), Err(unknown));
    let nothing = TapError::NothingBefore("logs".to_owned());
    assert_eq!(chosen(&plan, Some("logs"), Side::Before), Err(nothing));
}

#[test]
fn a_stage_that_does_not_look_at_a_signal_is_passed_all_the_same() {
    let plan = plan::tests::plan("    logs: {receivers: [source], processors: [join], exporters: [sink]}");
    let board = Arc::new(Board::default());
    let mut graph = graph(&plan, &board);
    let sent = Bytes::from(vec![b'x'; 100]);
    for (at, side, expected) in [
        (None, Side::After, 2),
        (Some("logs"), Side::After, 2),
        (Some("logs/source"), Side::After, 1),
        (Some("logs/join"), Side::Before, 2),
        (Some("logs/join"), Side::After, 2),
        (Some("logs/sink"), Side::After, 2),
    ] {
        let (spout, inbox) = spout(&plan, at, side);
        board.add(Arc::clone(&spout)).unwrap();
        graph.enter(Origin::Receiver(0), &[0], batch(&sent), NOW);
        graph.enter(Origin::Receiver(1), &[0], batch(&sent), NOW);
        let seen: Vec<_> = inbox.try_iter().collect();
        assert_eq!(seen.len(), expected, "{at:?}");
        assert!(
            seen.iter().all(|it| it.bytes.whole().as_ptr() == sent.as_ptr() && it.items == 3),
            "it is a copy"
        );
        board.retain(|_| false);
        assert!(spout.has_ended.load(Ordering::Acquire) && !board.is_open());
    }
}

#[test]
fn nothing_is_kept_while_nobody_looks_here() {
    let plan = plan::tests::plan(
        "    logs: {receivers: [source], exporters: [sink]}
    logs/2: {receivers: [source], exporters: [sink]}",
    );
    let board = Arc::new(Board::default());
    let mut graph = graph(&plan, &board);
    let sent = Bytes::from(vec![b'x'; 100]);
    graph.enter(Origin::Receiver(0), &[0], batch(&sent), NOW);
    assert!(sent.is_unique(), "somebody holds it though nobody looks");
    // Who looks elsewhere, at another signal or at another configuration holds nothing either.
    let (mut other, inbox) = spout(&plan, Some("logs/2"), Side::After);
    board.add(Arc::clone(&other)).unwrap();
    graph.enter(Origin::Receiver(0), &[0], batch(&sent), NOW);
    assert!(sent.is_unique() && inbox.try_recv().is_err());
    board.retain(|_| false);
    let (fresh, inbox) = spout(&plan, Some("logs"), Side::After);
    other = fresh;
    Arc::get_mut(&mut other).unwrap().edition = 1;
    board.add(other).unwrap();
    graph.enter(Origin::Receiver(0), &[0], batch(&sent), NOW);
    assert!(sent.is_unique() && inbox.try_recv().is_err());
    board.keep(0);
    assert!(!board.is_open());
}

#[test]
fn a_reader_that_sleeps_misses_requests_and_holds_no_more_than_it_may() {
    let plan = plan::tests::plan("    logs: {receivers: [source], exporters: [sink]}");
    let (spout, inbox) = spout(&plan, None, Side::After);
    let offer = |len: usize| {
        spout.offer(Export { signal: Signal::Logs, bytes: vec![0; len].into(), items: 10 });
    };
    offer(MAX_HELD_BYTES * 2);
    offer(1);
    assert_eq!(spout.missed.load(Ordering::Relaxed), 10, "one large request is held alone");
    let board = Arc::new(Board::default());
    board.add(Arc::clone(&spout)).unwrap();
    let tap = Tap { spout: Arc::clone(&spout), inbox, board: Arc::clone(&board) };
    assert_eq!(tap.next(Duration::ZERO).unwrap().bytes.len(), MAX_HELD_BYTES * 2);
    (0..3 * MAX_HELD).for_each(|_| offer(1));
    assert_eq!(tap.missed(), 10 + 2 * MAX_HELD as u64 * 10);
    assert_eq!(spout.held.load(Ordering::Relaxed), MAX_HELD);
    drop(tap);
    assert!(!board.is_open(), "it looks on");
}

#[test]
fn so_many_may_look_and_no_more() {
    let plan = plan::tests::plan("    logs: {receivers: [source], exporters: [sink]}");
    let board = Board::default();
    for _ in 0..MAX_TAPS {
        board.add(spout(&plan, None, Side::After).0).unwrap();
    }
    assert_eq!(board.add(spout(&plan, None, Side::After).0), Err(TapError::TooMany));
}
