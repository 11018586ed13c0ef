//! What shards do for each other, how a shard that stands still shows, and how shards end.

use std::time::Duration;

use anyhow::Result;
use component::testing::ManualClock;
use model::{Signal, Timestamp};

use crate::{
    parts::{Hand, POISON, registry, wait_until},
    rig::{Client, Folder, Rig, total},
};

const START: Timestamp = Timestamp::from_secs(1_800_000_000);

fn start(shards: usize, stage: &str) -> Result<Rig> {
    let yaml = format!(
        "
receivers:
  otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:0'}}}}}}
processors:
  {stage}:
exporters:
  nop:
service:
  trueline: {{shards: {shards}}}
  pipelines:
    traces: {{receivers: [otlp], processors: [{stage}], exporters: [nop]}}
"
    );
    Rig::start_with(&yaml, &ManualClock::new(START), &registry())
}

#[test]
fn a_shard_with_a_backlog_hands_whole_requests_to_an_idle_one() -> Result<()> {
    let hand = Hand::on("stalling/backlog");
    let rig = start(2, "stalling/backlog")?;
    // Connections go to the shard with the fewest, so each has ten.
    let mut clients: Vec<Client> = (0..20).map(|_| rig.connect()).collect::<Result<_>>()?;
    let mut stalls = clients.remove(0);
    stalls.post(Signal::Traces, &wire::testing::trace_request(0, POISON as usize))?;
    wait_until("one shard stands still", || hand.threads().len() == 1)?;
    let stalled = hand.threads().remove(0);
    for client in &mut clients {
        client.post(Signal::Traces, &wire::testing::trace_request(1, 5))?;
    }
    let served_by_other = || hand.threads().iter().filter(|thread| **thread != stalled).count();
    wait_until("the other shard has served its own", || served_by_other() == 10)?;
    hand.release.cancel();
    for client in clients.iter_mut().chain([&mut stalls]) {
        assert_eq!(client.answer()?, 200);
    }
    assert_eq!(hand.threads().len(), 20, "every request is folded once");
    assert!(served_by_other() > 10, "the idle shard took nothing over");
    assert_eq!(rig.metric("otelcol_receiver_accepted_spans"), 19 * 5 + POISON);
    rig.stop();
    Ok(())
}

#[test]
fn a_service_is_not_ready_while_a_shard_stands_still() -> Result<()> {
    let hand = Hand::on("stalling/readiness");
    let rig = start(1, "stalling/readiness")?;
    let state = rig.state();
    assert!(state.is_ready(), "{}", state.reason());
    rig.advance_to(START + Duration::from_secs(60))?;
    assert!(state.is_ready(), "{}", state.reason());
    let mut client = rig.connect()?;
    client.post(Signal::Traces, &wire::testing::trace_request(0, POISON as usize))?;
    wait_until("the shard stands still", || hand.threads().len() == 1)?;
    rig.clock.advance_to(START + Duration::from_secs(70));
    assert!(state.is_ready(), "ten seconds are allowed");
    rig.clock.advance_to(START + Duration::from_secs(71));
    assert_eq!(state.reason(), "shard 0 has not moved for 10s");
    hand.release.cancel();
    assert_eq!(client.answer()?, 200);
    wait_until("the shard moves again", || state.is_ready())?;
    rig.stop();
    assert_eq!(state.reason(), "stopping");
    Ok(())
}

#[test]
fn what_comes_after_a_shard_has_told_its_last_is_refused() -> Result<()> {
    let (folder, hand) = (Folder::new()?, Hand::on("stray/end"));
    let out = folder.file("out.json");
    let yaml = format!(
        "
receivers:
  stray/end:
connectors:
  span_metrics:
exporters:
  file: {{path: {out:?}, sending_queue: {{enabled: true, num_consumers: 1}}}}
  # Gives the shard something to wait for at its end, so that the task runs on.
  held/end: {{sending_queue: {{queue_size: 1000000}}}}
service:
  trueline: {{shards: 1}}
  pipelines:
    traces: {{receivers: [stray/end], exporters: [span_metrics, held/end]}}
    metrics: {{receivers: [span_metrics], exporters: [file]}}
",
        out = out.display().to_string(),
    );
    Hand::on("held/end").release.cancel();
    let rig = Rig::start_with(&yaml, &ManualClock::new(START), &registry())?;
    wait_until("requests come", || hand.items() > 0)?;
    rig.stop();
    assert_eq!(hand.refused(), 1, "the task outlived its receiver");
    assert_eq!(
        total(&out, "traces.span.metrics.calls")?,
        hand.items(),
        "what was accepted and what was told"
    );
    Ok(())
}
