//! One attempt to deliver.

use std::{
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use component::{
    BoxError, Clock, Counter, Delivered, Delivery, ExportError, Exporter, ExporterCx, ExporterDef, Placement,
    Stop,
};
use futures_util::future::LocalBoxFuture;
use model::{Export, SignalSet, Timestamp};

use super::{
    OtlpFileConfig,
    config::Format,
    writer::{WriteError, Writer},
};
use crate::http::Warnings;

/// The definition of `otlp_file`.
pub(crate) struct OtlpFile;

impl ExporterDef for OtlpFile {
    const KIND: &'static str = "otlp_file";
    const ALIASES: &'static [&'static str] = &["file"];
    const SIGNALS: SignalSet = SignalSet::ALL;
    /// A file has one writer.
    const PLACEMENT: Placement = Placement::Once;
    type Config = OtlpFileConfig;

    fn delivery(config: &OtlpFileConfig) -> Delivery {
        Delivery {
            queue: config.sending_queue.clone(),
            retry: config.retry_on_failure.clone(),
            timeout: Duration::ZERO,
        }
    }

    fn build(config: &OtlpFileConfig, cx: &ExporterCx) -> Rc<dyn Exporter> {
        Rc::new(FileExporter {
            id: cx.id.clone(),
            format: config.format,
            flush_interval: config.flush_interval.get(),
            writer: Arc::new(Mutex::new(Writer::new(config))),
            clock: Arc::clone(&cx.clock),
            failures: Warnings::default(),
            lost: cx.telemetry.with("reason", "not_written").counter(
                "otelcol_exporter_dropped_items",
                "Number of items taken and then dropped, by reason.",
                "{item}",
            ),
        })
    }
}

struct FileExporter {
    id: String,
    format: Format,
    flush_interval: Duration,
    /// Locked only on threads that may block; the file's order is the order of the locks.
    writer: Arc<Mutex<Writer>>,
    clock: Arc<dyn Clock>,
    failures: Warnings,
    /// Items that were taken and could not be written until the end.
    lost: Counter,
}

impl FileExporter {
    async fn deliver(&self, export: Export) -> Result<Delivered, ExportError> {
        let items = export.items;
        let record = match self.format {
            Format::Proto => export.bytes.whole(),
            Format::Json => {
                let mut json = Vec::with_capacity(export.bytes.len() * 2);
                let written = wire::json::wire_to_json(export.signal, &export.bytes.whole(), &mut json);
                written.map_err(|error| {
                    ExportError::Permanent(format!("request can not be written as JSON: {error}").into())
                })?;
                json.into()
            }
        };
        match self.with_writer(move |writer, now| writer.append(&record, items, now)).await {
            Ok(()) => Ok(Delivered::default()),
            Err(source) => Err(ExportError::Retryable { after: None, source }),
        }
    }

    /// Runs what may block on a thread where it may.
    async fn with_writer(
        &self,
        act: impl FnOnce(&mut Writer, Timestamp) -> Result<(), WriteError> + Send + 'static,
    ) -> Result<(), BoxError> {
        let (writer, now) = (Arc::clone(&self.writer), self.clock.now());
        let done = tokio::task::spawn_blocking(move || {
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            act(&mut writer, now)
        });
        Ok(done.await??)
    }

    async fn flush_until(&self, stop: Stop) {
        loop {
            let flush = self.clock.sleep_until(self.clock.now() + self.flush_interval);
            tokio::select! {
                () = stop.cancelled() => return,
                () = flush => {}
            }
            let Err(error) = self.with_writer(|writer, now| writer.flush(now)).await else { continue };
            if let Some(held_back) = self.failures.due(self.clock.now()) {
                tracing::warn!(exporter = self.id, %error, held_back, "what was taken waits in memory");
            }
        }
    }
}

impl Exporter for FileExporter {
    fn export(&self, export: Export) -> LocalBoxFuture<'_, Result<Delivered, ExportError>> {
        Box::pin(self.deliver(export))
    }

    fn run(self: Rc<Self>, stop: Stop) -> LocalBoxFuture<'static, Result<(), BoxError>> {
        Box::pin(async move {
            if self.flush_interval.is_zero() {
                stop.cancelled().await;
            } else {
                self.flush_until(stop).await;
            }
            Ok(())
        })
    }

    fn shutdown(&self) -> LocalBoxFuture<'_, Result<(), BoxError>> {
        let lost = self.lost.clone();
        Box::pin(self.with_writer(move |writer, now| {
            writer.close(now).inspect_err(|_| {
                let lost_items = writer.waiting_items();
                tracing::error!(lost_items, "what was taken could not be written, and is lost");
                lost.add(lost_items);
            })
        }))
    }
}
