//! What leaves a pipeline, and where its bytes lie.

use std::{cell::RefCell, sync::Arc};

use component::{
    Delivered, Delivery, ExportError, Exporter, QueueConfig, RetryConfig, Stop, testing::ManualClock,
};
use futures_util::future::LocalBoxFuture;
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    logs::v1::ResourceLogs,
    metrics::v1::ResourceMetrics,
    trace::v1::ResourceSpans,
};
use prost::Message;
use tokio::{
    sync::mpsc,
    task::{LocalSet, spawn_local, yield_now},
};

use super::*;
use crate::{
    plan,
    queue::{Bound, Consumer, Meters},
};

/// Keeps what it is given.
#[derive(Default)]
struct Keeper(RefCell<Vec<Export>>);

impl Exporter for Keeper {
    fn export(&self, export: Export) -> LocalBoxFuture<'_, Result<Delivered, ExportError>> {
        self.0.borrow_mut().push(export);
        Box::pin(async { Ok(Delivered::default()) })
    }
}

/// A queue with default settings and the exporter behind it.
fn outlet(id: &str) -> (Rc<Inbox>, Rc<Keeper>) {
    let delivery = Delivery {
        queue: QueueConfig::default(),
        retry: RetryConfig::default(),
        timeout: std::time::Duration::ZERO,
    };
    let (keeper, (sender, items)) = (Rc::new(Keeper::default()), mpsc::unbounded_channel());
    let meters = Arc::new(Meters::new(&Telemetry::default(), None));
    let consumer = Consumer {
        id: id.to_owned(),
        exporter: Rc::clone(&keeper) as Rc<dyn Exporter>,
        delivery: delivery.clone(),
        meters: Arc::clone(&meters),
        clock: Arc::new(ManualClock::new(Timestamp::from_secs(1))),
        closing: Stop::new(),
        hurry: Stop::new(),
        handover: Rc::default(),
        before: None,
    };
    spawn_local(consumer.run(items));
    (Rc::new(Inbox::new(id, &delivery, Bound::new(&delivery), meters, sender)), keeper)
}

/// A request of one resource whose schema URL is long enough to be worth sharing.
fn request(signal: Signal) -> Bytes {
    let schema_url = "u".repeat(1000);
    let encoded = match signal {
        Signal::Traces => ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans { schema_url, ..Default::default() }],
        }
        .encode_to_vec(),
        Signal::Metrics => ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics { schema_url, ..Default::default() }],
        }
        .encode_to_vec(),
        Signal::Logs => ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs { schema_url, ..Default::default() }],
        }
        .encode_to_vec(),
    };
    encoded.into()
}

#[test]
fn two_exporters_and_two_pipelines_share_the_bytes_of_a_request() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let plan = plan::tests::plan(
            "    telemetry: {receivers: [source], exporters: [sink, sink/2]}
    telemetry/again: {receivers: [source], exporters: [sink]}",
        );
        let (inboxes, keepers): (Vec<_>, Vec<_>) =
            plan.exporters.iter().map(|exporter| outlet(&exporter.id)).unzip();
        let identity = Identity { instance_id: "test", started_at: Timestamp::default() };
        let inboxes = inboxes.into_iter().map(Some).collect();
        let mut graph = Graph::new(&plan, Side::Ingest, inboxes, &Telemetry::default(), &identity);
        for signal in Signal::ALL {
            let sent = request(signal);
            let (payload, items) = graph.read(signal, sent.clone()).unwrap();
            let batch = Batch { payload, items, ack: Ack::none() };
            graph.enter(Origin::Receiver(0), &plan.pipelines_of(0, signal), batch, Timestamp::from_secs(1));
            for _ in 0..50 {
                yield_now().await;
            }
            for (keeper, times) in keepers.iter().zip([2, 1]) {
                let kept = keeper.0.take();
                assert_eq!(kept.len(), times, "{signal}");
                for export in kept {
                    assert_eq!(export.signal, signal);
                    assert_eq!(
                        (export.bytes.whole().as_ptr(), export.bytes.len()),
                        (sent.as_ptr(), sent.len())
                    );
                }
            }
        }
    });
}
