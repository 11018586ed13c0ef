//! A real SDK that is refused sends again, and every span is counted once.

use std::time::Duration;

use anyhow::{Result, ensure};
use testbed::{
    clients::{self, Args, Protocol},
    eventually,
};

use super::gateway::{Gateway, Recipe};
use crate::{
    exact::EvenServer,
    rig::{Folder, total},
};

const N_SPANS: u64 = 200;
/// Spans in a request of the SDK.
const MAX_BATCH: u64 = 20;

#[test]
fn an_sdk_whose_requests_are_refused_half_the_time_is_counted_exactly() -> Result<()> {
    let folder = Folder::new()?;
    let out = folder.file("out.json");
    // One request at a time, and no answer to it before the next has been refused.
    let destination = EvenServer::start()?;
    let gateway = Gateway::start(&Recipe {
        components: &format!(
            "connectors:
  span_metrics: {{metrics_flush_interval: 1s}}
exporters:
  otlp_http:
    endpoint: 'http://{destination}'
    timeout: 120s
    sending_queue: {{queue_size: 1, num_consumers: 1}}
  file: {{path: '{out}', flush_interval: 0s}}
  nop:",
            destination = destination.address,
            out = out.display(),
        ),
        pipelines: "
traces: {receivers: [otlp], exporters: [span_metrics, otlp_http]}
metrics/spans: {receivers: [span_metrics], exporters: [file]}
metrics: {receivers: [otlp], exporters: [nop]}
logs: {receivers: [otlp], exporters: [nop]}",
        ..Recipe::default()
    })?;
    let env = vec![("OTEL_EXPORTER_OTLP_TIMEOUT".to_owned(), "60".to_owned())];
    let args = Args::new(Protocol::Grpc, gateway.address(Protocol::Grpc), "shop", N_SPANS);
    let refused_so_far = || {
        let spans = gateway.counter("otelcol_receiver_refused_spans", &[("receiver", "otlp")]);
        spans.map_or(0, |spans| spans as u64 / MAX_BATCH)
    };
    let sent = destination
        .while_counting(refused_so_far, || clients::python(&Args { max_batch: MAX_BATCH, env, ..args }))?;
    ensure!(sent.n_spans == N_SPANS, "the client sent {} spans", sent.n_spans);
    let refused = gateway.counter("otelcol_receiver_refused_spans", &[("receiver", "otlp")])?;
    let all = refused + N_SPANS as f64;
    ensure!(refused >= 0.45 * all, "only {refused} spans of {all} were refused: not about half");
    eventually("every span is counted once", Duration::from_secs(120), || {
        let counted = total(&out, "traces.span.metrics.calls")?;
        ensure!(counted == N_SPANS, "{counted} calls are counted of {N_SPANS} spans, {refused} refused");
        Ok(())
    })
}
