//! Exporters beside each other and several ways to one of them: nobody's queue loses what was accepted.

use anyhow::Result;
use component::testing::ManualClock;
use model::{Signal, Timestamp};

use crate::{
    parts::{Hand, registry, wait_until},
    rig::Rig,
};

const START: Timestamp = Timestamp::from_secs(1_800_000_000);

fn start(exporters: &str, pipelines: &str) -> Result<Rig> {
    let yaml = format!(
        "
receivers:
  otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:0'}}}}}}
exporters:
{exporters}
service:
  trueline: {{shards: 1, shutdown_timeout: 2s}}
  pipelines:
{pipelines}
"
    );
    Rig::start_with(&yaml, &ManualClock::new(START), &registry())
}

fn request(seed: u64) -> Vec<u8> {
    wire::testing::trace_request(seed, 5)
}

#[test]
fn an_exporter_in_two_pipelines_gets_a_request_twice_or_it_is_refused() -> Result<()> {
    let hand = Hand::on("held/twice");
    let rig = start(
        "  held/twice: {sending_queue: {queue_size: 1, num_consumers: 1}}",
        "    traces: {receivers: [otlp], exporters: [held/twice]}
    traces/2: {receivers: [otlp], exporters: [held/twice]}",
    )?;
    let mut client = rig.connect()?;
    assert_eq!(client.send(Signal::Traces, &request(1))?, 200);
    assert_eq!(client.send(Signal::Traces, &request(2))?, 503, "the queue is full");
    hand.release.cancel();
    wait_until("both deliveries", || hand.items() == 10)?;
    assert_eq!(client.insist(Signal::Traces, &request(3)).map(|_refused| ())?, ());
    rig.stop();
    assert_eq!(hand.items(), 20);
    Ok(())
}

#[test]
fn those_who_wait_for_room_are_all_taken_in_the_end() -> Result<()> {
    let hand = Hand::on("held/blocking");
    let rig = start(
        "  held/blocking: {sending_queue: {queue_size: 1, num_consumers: 1, block_on_overflow: true}}",
        "    traces: {receivers: [otlp], exporters: [held/blocking]}",
    )?;
    let mut clients = Vec::new();
    for seed in 0..8 {
        let mut client = rig.connect()?;
        client.post(Signal::Traces, &request(seed))?;
        clients.push(client);
    }
    wait_until("the first is under way", || hand.attempts() == 1)?;
    hand.release.cancel();
    for mut client in clients {
        assert_eq!(client.answer()?, 200);
    }
    rig.stop();
    assert_eq!(hand.items(), 8 * 5);
    Ok(())
}

#[test]
fn a_queue_that_may_drop_is_full_without_stopping_the_others() -> Result<()> {
    let (dead, live) = (Hand::on("held/dead"), Hand::on("held/beside"));
    live.release.cancel();
    let rig = start(
        "  held/dead: {sending_queue: {queue_size: 1, num_consumers: 1, drop_on_overflow: true}}
  held/beside: {sending_queue: {wait_for_result: true}}",
        "    traces: {receivers: [otlp], exporters: [held/dead, held/beside]}",
    )?;
    let mut client = rig.connect()?;
    for seed in 0..3 {
        assert_eq!(client.send(Signal::Traces, &request(seed))?, 200);
    }
    assert_eq!(live.items(), 15);
    assert_eq!(rig.metric("otelcol_exporter_enqueue_failed_spans"), 10, "all but the first request");
    dead.release.cancel();
    rig.stop();
    assert_eq!(dead.items(), 5);
    Ok(())
}

#[test]
fn a_dead_exporter_does_not_delay_the_one_beside_it() -> Result<()> {
    let hand = Hand::on("held/live");
    hand.release.cancel();
    let port = testbed::free_port();
    let rig = start(
        &format!("  held/live:\n  otlp_http/dead: {{endpoint: 'http://127.0.0.1:{port}'}}"),
        "    traces: {receivers: [otlp], exporters: [otlp_http/dead, held/live]}",
    )?;
    let mut client = rig.connect()?;
    for seed in 0..50 {
        assert_eq!(client.send(Signal::Traces, &request(seed))?, 200);
        // The clock stands still: nothing that waits for a retry could have gone on.
        wait_until("the live exporter has this request", || hand.items() == (seed + 1) * 5)?;
    }
    assert_eq!(rig.metric("otelcol_exporter_send_failed_spans"), 0, "the dead one still holds all");
    let telemetry = rig.telemetry.clone();
    rig.stop();
    let read = telemetry.read();
    let failed = read.iter().find(|row| row.name == "otelcol_exporter_send_failed_spans" && row.value > 0);
    assert_eq!(failed.map(|row| row.value), Some(250), "and counts all at the end");
    Ok(())
}
