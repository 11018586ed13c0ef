//! Both ends of a connection in one thread, under tokio's clock, which moves when nothing else can.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use component::{Telemetry, testing::ManualClock};
use model::Timestamp;
use tokio::{
    io::{AsyncWriteExt, DuplexStream, duplex, split},
    sync::{Semaphore, mpsc},
    task::{LocalSet, spawn_local},
    time::{Instant, interval, timeout},
};

use super::{
    answer::{Answer, Confirmation, Content, Listener, MAX_VERDICT_BYTES, StageVerdicts, Teller},
    frame::{MAX_FRAME, frame, read_frame},
    gate::{self, Event, SILENCE},
    sender::{CONFIRMATION_PATIENCE, Link},
};
use crate::{
    hop::{self, HopMessage, Mark, StagePartial, Watermark},
    plan::tests::{CHAIN, plan},
    service::{self, Shared},
};

const STAGE: &str = "connector/count";

#[test]
fn what_travels_between_processes_is_as_described() {
    let mut schema = schemas::Schema::compile("hop.proto");
    schema.holds::<HopMessage>("HopMessage");
    schema.holds::<StagePartial>("StagePartial");
    schema.holds::<Answer>("Answer");
    schema.holds::<StageVerdicts>("StageVerdicts");
    schema.holds::<Confirmation>("Confirmation");
    schema.holds::<Watermark>("Watermark");
    schema.holds::<Mark>("Mark");
    schema.finish();
}

fn shared() -> Arc<Shared> {
    let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_800_000_000)));
    Arc::new(service::share(plan(CHAIN), clock, Telemetry::default(), Vec::new()))
}

fn message(sequence: u64, partial_bytes: usize) -> HopMessage {
    let partial = Bytes::from(vec![7; partial_bytes]);
    HopMessage {
        version: hop::VERSION,
        source: "a".to_owned(),
        sequence,
        at_unix_nano: sequence,
        partials: vec![StagePartial { stage: STAGE.to_owned(), partial }],
        ..HopMessage::default()
    }
}

fn count(shared: &Shared, name: &str, reason: &str) -> u64 {
    let rows = shared.telemetry.read();
    let mut of_reason =
        rows.iter().filter(|row| row.name == name && format!("{:?}", row.labels).contains(reason));
    of_reason.next().map_or(0, |row| row.value)
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_silent_for_15_seconds_is_lost() {
    let (mut peer, gate) = duplex(1 << 16);
    let (events, mut happened) = mpsc::channel(8);
    let (confirm, _confirmations) = mpsc::unbounded_channel();
    let listening = async move {
        let room = Arc::new(Semaphore::new(MAX_FRAME));
        gate::listen_to(gate, confirm, &events, &room).await;
    };
    let talk = async {
        // As long as it tells, it is there.
        for sequence in 1..=3 {
            peer.write_all(&frame(&message(sequence, 1))).await.unwrap();
            assert!(matches!(happened.recv().await, Some(Event::Told(_))));
            tokio::time::sleep(SILENCE - Duration::from_secs(1)).await;
        }
        let lost = happened.recv().await;
        assert!(matches!(lost, Some(Event::Lost { source, .. }) if source == "a"));
    };
    let begun = Instant::now();
    LocalSet::new().run_until(async { tokio::join!(listening, talk) }).await;
    assert_eq!(SILENCE, Duration::from_secs(15));
    assert_eq!(begun.elapsed(), Duration::from_secs(14 + 14 + 15));
}

/// Reads what a link tells, and confirms nothing.
fn swallow(mut peer: DuplexStream) {
    spawn_local(async move { while let Ok(Some(_)) = read_frame::<HopMessage>(&mut peer).await {} });
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_confirmation_for_a_minute_is_left_however_much_is_told() {
    let shared = shared();
    let (stream, peer) = duplex(1 << 16);
    let (teller, mut told) = mpsc::channel(8);
    let work = async {
        swallow(peer);
        spawn_local(async move {
            let mut seconds = interval(Duration::from_secs(1));
            for sequence in 1.. {
                seconds.tick().await;
                if teller.send(message(sequence, 1)).await.is_err() {
                    return;
                }
            }
        });
        let mut link = Link::new(&shared, vec!["a".to_owned()]);
        let begun = Instant::now();
        let ended = link.converse(stream, &mut told, &mut true, &shared).await;
        assert_eq!(ended.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed(), CONFIRMATION_PATIENCE);
        assert_eq!(CONFIRMATION_PATIENCE, Duration::from_secs(60));
    };
    LocalSet::new().run_until(work).await;
}

#[tokio::test(start_paused = true)]
async fn with_too_much_unconfirmed_nothing_more_is_taken_until_some_is_confirmed() {
    let shared = shared();
    let (teller, mut told) = mpsc::channel(8);
    for sequence in 1..=8 {
        teller.try_send(message(sequence, 1000)).unwrap();
    }
    drop(teller);
    let work = async {
        let mut is_open = true;
        let mut link = Link::bounded(&shared, vec!["a".to_owned()], 2500);
        let (stream, peer) = duplex(1 << 16);
        swallow(peer);
        let talk = link.converse(stream, &mut told, &mut is_open, &shared);
        assert!(timeout(Duration::from_secs(30), talk).await.is_err(), "it waits for a confirmation");
        assert_eq!(told.len(), 5, "three messages reach the limit");
        let (stream, peer) = duplex(1 << 16);
        spawn_local(confirm_each(peer, 8));
        link.converse(stream, &mut told, &mut is_open, &shared).await.unwrap();
        assert!(!is_open);
    };
    LocalSet::new().run_until(work).await;
}

/// Confirms each message and expects them in order, each once.
async fn confirm_each(mut peer: DuplexStream, n_messages: u64) {
    let hello = read_frame::<HopMessage>(&mut peer).await.unwrap().unwrap();
    assert_eq!((hello.source.as_str(), hello.sequence), ("a", 0));
    for expected in 1..=n_messages {
        let HopMessage { source, sequence, .. } = read_frame(&mut peer).await.unwrap().unwrap();
        assert_eq!(sequence, expected);
        let answer = Answer::confirmation(Confirmation { source, sequence });
        peer.write_all(&frame(&answer)).await.unwrap();
    }
}

fn verdicts(stage: &str, text: &'static str, number: u64) -> Answer {
    let verdicts = Bytes::from_static(text.as_bytes());
    let content = Content::Verdicts(StageVerdicts { stage: stage.to_owned(), verdicts, number });
    Answer { version: hop::VERSION, content: Some(content) }
}

#[test]
fn verdicts_are_published_latest_first_and_what_is_not_understood_is_dropped_and_counted() {
    let shared = shared();
    let mut listener = Listener::new(Arc::clone(&shared));
    let mut seen = 0;
    let mut published = || shared.verdicts.since(&mut seen);
    for answer in [verdicts(STAGE, "new", 7), verdicts(STAGE, "old", 6)] {
        assert_eq!(listener.take(answer), None);
    }
    assert_eq!(published(), [(STAGE.to_owned(), Bytes::from_static(b"new"))]);
    listener.take(verdicts("connector/of_another_configuration", "x", 8));
    listener.take(Answer { version: hop::VERSION + 1, ..verdicts(STAGE, "later", 9) });
    assert!(published().is_empty());
    assert_eq!(count(&shared, "trueline_hop_dropped_verdicts", "unknown_stage"), 1);
    assert_eq!(count(&shared, "trueline_hop_dropped_verdicts", "unknown_version"), 1);
    // The numbers of a side that has started anew begin again, over another connection.
    Listener::new(Arc::clone(&shared)).take(verdicts(STAGE, "first", 1));
    assert_eq!(published(), [(STAGE.to_owned(), Bytes::from_static(b"first"))]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_told_the_latest_verdicts_at_once_and_then_each_time_they_change() {
    let shared = shared();
    let publish = |text: &'static str| {
        shared.verdicts.publish(vec![(STAGE.to_owned(), Bytes::from_static(text.as_bytes()))])
    };
    publish("replaced");
    publish("before");
    let work = async {
        let (peer, gate) = duplex(1 << 16);
        let (mut peer, _peer_writer) = split(peer);
        let (_confirm, confirmations) = mpsc::unbounded_channel();
        spawn_local(gate::answer(gate, confirmations, Teller::new(Arc::clone(&shared))));
        assert_eq!(read_frame(&mut peer).await.unwrap(), Some(verdicts(STAGE, "before", 2)));
        publish("after");
        assert_eq!(read_frame(&mut peer).await.unwrap(), Some(verdicts(STAGE, "after", 3)));
    };
    LocalSet::new().run_until(work).await;
}

#[test]
fn verdicts_that_are_too_large_for_another_process_are_dropped_and_counted() {
    let shared = shared();
    let mut teller = Teller::new(Arc::clone(&shared));
    shared.verdicts.publish(vec![(STAGE.to_owned(), Bytes::from(vec![0; MAX_VERDICT_BYTES + 1]))]);
    assert_eq!(teller.news(), []);
    assert_eq!(count(&shared, "trueline_hop_dropped_verdicts", "too_large"), 1);
    shared.verdicts.publish(vec![(STAGE.to_owned(), Bytes::from(vec![0; MAX_VERDICT_BYTES]))]);
    assert_eq!(teller.news().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_second_that_is_too_large_for_a_frame_travels_in_several_and_arrives_whole() {
    let shared = shared();
    let (teller, mut told) = mpsc::channel(8);
    let partial = |size: usize| StagePartial { stage: STAGE.to_owned(), partial: vec![7; size].into() };
    for (sequence, sizes) in [(1, vec![400, 400, 400, 2000, 10]), (2, vec![10])] {
        let partials = sizes.into_iter().map(partial).collect();
        teller.try_send(HopMessage { partials, last: sequence == 2, ..message(sequence, 0) }).unwrap();
    }
    drop(teller);
    let work = async {
        let (stream, mut peer) = duplex(1 << 16);
        let confirming = spawn_local(async move {
            let mut merger = hop::Merger::default();
            let mut seen = Vec::new();
            while let Ok(Some(message)) = read_frame::<HopMessage>(&mut peer).await {
                let HopMessage { sequence, more, last, .. } = message;
                let sizes: Vec<_> = message.partials.iter().map(|part| part.partial.len()).collect();
                merger.take(message);
                let merged: usize = merger.complete().messages.iter().map(|ready| ready.partials.len()).sum();
                seen.push((sequence, sizes, more, last, merged));
                let source = "a".to_owned();
                let answer =
                    Answer::confirmation(Confirmation { sequence: merger.merged_of(&source), source });
                peer.write_all(&frame(&answer)).await.unwrap();
            }
            seen
        });
        let mut link = Link::new(&shared, vec!["a".to_owned()]);
        link.max_message_bytes = 1400;
        link.converse(stream, &mut told, &mut true, &shared).await.unwrap();
        drop(link);
        confirming.await.unwrap()
    };
    let seen = LocalSet::new().run_until(work).await;
    let expected = [
        (0, vec![], false, false, 0),
        (1, vec![400, 400], true, false, 0),
        (2, vec![400], true, false, 0),
        (3, vec![2000], true, false, 0),
        (4, vec![10], false, false, 5),
        (5, vec![10], false, true, 1),
    ];
    assert_eq!(seen, expected, "nothing is merged before the second is whole");
}

#[tokio::test(start_paused = true)]
async fn what_no_frame_can_hold_is_dropped_and_counted_and_the_rest_arrives() {
    let shared = shared();
    let (teller, mut told) = mpsc::channel(8);
    let mut large = message(1, MAX_FRAME);
    large.partials.push(StagePartial { stage: STAGE.to_owned(), partial: Bytes::from_static(b"x") });
    teller.try_send(large).unwrap();
    drop(teller);
    let work = async {
        let (stream, peer) = duplex(1 << 16);
        spawn_local(confirm_each(peer, 1));
        let mut link = Link::new(&shared, vec!["a".to_owned()]);
        link.converse(stream, &mut told, &mut true, &shared).await.unwrap();
    };
    LocalSet::new().run_until(work).await;
    assert_eq!(count(&shared, "trueline_hop_dropped_partials", "too_large"), 1);
}
