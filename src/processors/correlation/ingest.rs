//! The half on every shard: it picks events out of the stream of log records.

use bytes::Bytes;
use component::{Cx, Processor};
use model::{Batch, Partial, Payload};
use prost::Message;
use wire::{
    build::{Attributes, LogsWriter},
    view::{LogRecord, groups},
};

use super::events;

/// Raised when the meaning of a field changes.
pub(super) const VERSION: u32 = 1;

/// The scope under which alerts are told.
const ALERTS: &[u8] = b"alerting";

/// What shards tell: `proto/correlation.proto` is its description.
#[derive(Clone, PartialEq, Message)]
pub(super) struct CorrelationPartial {
    #[prost(uint32, tag = "1")]
    pub(super) version: u32,
    /// An encoded `ExportLogsServiceRequest` with events alone.
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) events: Bytes,
    /// An encoded `ExportLogsServiceRequest` of alerts, which wait here until it is known who has spoken of them.
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) alerts: Bytes,
}

/// Passes log records on and tells of events among them; requests of alerts it takes out of the stream.
pub(super) struct IngestHalf {
    pub(super) changes: Vec<String>,
}

impl IngestHalf {
    fn events(&self, request: &[u8]) -> Option<Vec<u8>> {
        let mut writer = LogsWriter::new();
        for group in groups(request) {
            for message in group.items() {
                if events::is_event(LogRecord::of(message).event_name, &self.changes) {
                    writer.copy(&group, message, &Attributes::new());
                }
            }
        }
        (!writer.is_empty()).then(|| writer.take())
    }
}

impl Processor for IngestHalf {
    fn process(&mut self, batch: Batch, cx: &mut Cx<'_>) {
        let Payload::Logs(request) = &batch.payload else { return cx.pass(batch) };
        let mut told = CorrelationPartial { version: VERSION, ..CorrelationPartial::default() };
        if groups(request).next().is_some_and(|group| group.scope.name == ALERTS) {
            told.alerts = request.clone();
        } else {
            told.events = self.events(request).unwrap_or_default().into();
            cx.pass(batch);
        }
        if !told.events.is_empty() || !told.alerts.is_empty() {
            let partial = Partial { bytes: told.encode_to_vec().into(), at: cx.now() };
            cx.emit(Payload::Partial(partial), 0);
        }
    }
}
