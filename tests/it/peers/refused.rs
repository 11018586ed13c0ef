//! A real SDK that is refused sends again, and every span is counted once.

use std::time::Duration;

use anyhow::{Result, ensure};
use testbed::{
    clients::{self, Args, Protocol},
    eventually,
};

use super::gateway::{Gateway, Recipe};
use crate::{
    exact::SlowServer,
    rig::{Folder, total},
};

const N_SPANS: u64 = 200;

#[test]
fn an_sdk_whose_requests_are_refused_half_the_time_is_counted_exactly() -> Result<()> {
    let folder = Folder::new()?;
    let out = folder.file("out.json");
    // One request at a time, and the next is refused while the destination takes its time.
    let slow = SlowServer::start(Duration::from_millis(600))?;
    let gateway = Gateway::start(&Recipe {
        components: &format!(
            "connectors:
  span_metrics: {{metrics_flush_interval: 1s}}
exporters:
  otlp_http:
    endpoint: 'http://{slow}'
    sending_queue: {{queue_size: 1, num_consumers: 1}}
  file: {{path: '{out}', flush_interval: 0s}}
  nop:",
            slow = slow.address,
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
    let sent = clients::python(&Args { max_batch: 20, env, ..args })?;
    ensure!(sent.n_spans == N_SPANS, "the client sent {} spans", sent.n_spans);
    let refused = gateway.counter("otelcol_receiver_refused_spans", &[("receiver", "otlp")])?;
    ensure!(refused >= N_SPANS as f64 / 3.0, "only {refused} spans were refused: nothing was shown");
    eventually("every span is counted once", Duration::from_secs(120), || {
        let counted = total(&out, "traces.span.metrics.calls")?;
        ensure!(counted == N_SPANS, "{counted} calls are counted of {N_SPANS} spans, {refused} refused");
        Ok(())
    })
}
