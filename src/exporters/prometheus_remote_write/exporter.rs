//! Sends what was translated: in shards at once, in order within each.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use bytes::Bytes;
use component::{
    BoxError, Clock, Delivered, Delivery, ExportError, Exporter, ExporterCx, ExporterDef, Placement,
};
use futures_util::future::{LocalBoxFuture, join_all};
use http::{HeaderMap, HeaderValue, Uri, header};
use model::{Export, SignalSet};
use tokio::sync::Mutex;

use super::{
    answer::{self, Verdict},
    config::{PrometheusRemoteWriteConfig, ProtobufMessage},
    convert::{Converted, Converter},
    encode::{Options, Request, encode},
    spread::Spreader,
    telemetry::Metrics,
};
use crate::{
    http::{ClientSettings, HttpClient, Warnings, header_map},
    prometheus_names::Series,
};

/// Writes metrics to Prometheus, Mimir, Thanos, Cortex and their like.
pub(crate) struct PrometheusRemoteWrite;

impl ExporterDef for PrometheusRemoteWrite {
    const KIND: &'static str = "prometheus_remote_write";
    const ALIASES: &'static [&'static str] = &["prometheusremotewrite"];
    const SIGNALS: SignalSet = SignalSet::METRICS;
    // A receiver of remote write takes the samples of a series in order, and from one sender.
    const PLACEMENT: Placement = Placement::Once;
    type Config = PrometheusRemoteWriteConfig;

    fn delivery(config: &Self::Config) -> Delivery {
        Delivery { queue: config.queue(), retry: config.retry(), timeout: config.timeout() }
    }

    fn build(config: &Self::Config, cx: &ExporterCx) -> Rc<dyn Exporter> {
        Rc::new(Writer::new(config, cx))
    }
}

struct Writer {
    client: HttpClient,
    /// None where validation was skipped.
    uri: Option<Uri>,
    options: Options,
    /// The version in use; falls back once and for all.
    message: Cell<ProtobufMessage>,
    parallelism: usize,
    converter: RefCell<Converter>,
    spreader: RefCell<Spreader>,
    /// What the last export has left to send. Held over a whole attempt, so that exports follow each
    /// other; an attempt that the engine cuts off leaves it as far as it came.
    pending: Mutex<Option<Pending>>,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    warnings: Warnings,
    id: String,
}

/// One export under way, perhaps in its second attempt.
struct Pending {
    /// The request as it came; held so that no other can come to lie at the same address.
    bytes: Bytes,
    shards: Vec<Shard>,
    /// Data points that were dropped in translation, and why.
    dropped: Delivered,
}

/// Series that are sent one request after the other.
#[derive(Default)]
struct Shard {
    series: Vec<Series>,
    /// How many of the series have been answered for good.
    done: Cell<usize>,
    written_points: Cell<u64>,
    rejected_points: Cell<u64>,
    message: RefCell<String>,
}

impl Exporter for Writer {
    fn export(&self, export: Export) -> LocalBoxFuture<'_, Result<Delivered, ExportError>> {
        Box::pin(self.send(export.bytes.whole()))
    }
}

impl Writer {
    fn new(config: &PrometheusRemoteWriteConfig, cx: &ExporterCx) -> Self {
        let client = config.client();
        let uri: Option<Uri> = client.endpoint.as_deref().and_then(|endpoint| endpoint.parse().ok());
        let mut settings = ClientSettings {
            uses_tls: uri.as_ref().is_some_and(|uri| uri.scheme_str() == Some("https")),
            tls: client.tls.unwrap_or_default(),
            headers: header_map(&client.headers.unwrap_or_default()),
            telemetry: cx.telemetry.clone(),
            auth: cx.authenticators.client(&client.auth),
            ..ClientSettings::default()
        };
        settings.max_idle_connections = client.max_idle_conns.unwrap_or(settings.max_idle_connections);
        settings.idle_timeout =
            client.idle_conn_timeout.map_or(settings.idle_timeout, |timeout| timeout.get());
        let options = Options {
            message: config.protobuf_message,
            max_bytes: config.max_batch_size_bytes,
            custom_buckets: config.convert_histograms_to_nhcb,
            send_metadata: config.send_metadata,
        };
        Self {
            client: HttpClient::new(settings, Arc::clone(&cx.clock)),
            uri,
            options,
            message: Cell::new(config.protobuf_message),
            parallelism: config.parallelism().max(1),
            converter: RefCell::new(Converter::new(config, cx.started_at)),
            spreader: RefCell::default(),
            pending: Mutex::new(None),
            metrics: Metrics::new(cx.telemetry.with("exporter", &cx.id)),
            clock: Arc::clone(&cx.clock),
            warnings: Warnings::default(),
            id: cx.id.clone(),
        }
    }

    async fn send(&self, bytes: Bytes) -> Result<Delivered, ExportError> {
        let mut slot = self.pending.lock().await;
        let is_retry = slot.as_ref().is_some_and(|pending| pending.is_of(&bytes));
        if !is_retry {
            *slot = Some(self.translate(bytes));
        }
        let pending = slot.as_ref().expect("an export is under way");
        let attempts = join_all(pending.shards.iter().map(|shard| self.send_shard(shard))).await;
        let failures = attempts.into_iter().filter_map(Result::err);
        match failures.reduce(later) {
            Some(failure) => Err(failure),
            None => {
                let outcome = pending.outcome();
                *slot = None;
                outcome
            }
        }
    }

    fn translate(&self, bytes: Bytes) -> Pending {
        let converted = self.converter.borrow_mut().convert(&bytes, self.clock.now());
        let Converted { series, dropped, merged } = converted;
        self.metrics.merged_points.add(merged);
        for (reason, points) in &dropped.by_reason {
            self.metrics.failed_translations.add(*points);
            self.metrics.rejected(reason, *points);
        }
        let mut shards: Vec<Shard> = (0..self.parallelism).map(|_| Shard::default()).collect();
        for one in series {
            let at = one.hash % self.parallelism as u64;
            shards[usize::try_from(at).expect("at is below the number of shards")].series.push(one);
        }
        shards.retain(|shard| !shard.series.is_empty());
        let dropped = Delivered { rejected: dropped.total(), message: dropped.message() };
        Pending { bytes, shards, dropped }
    }

    /// Sends the rest of a shard.
    ///
    /// # Errors
    /// Only those that a later attempt may cure; what the server refuses for good is counted.
    async fn send_shard(&self, shard: &Shard) -> Result<(), ExportError> {
        loop {
            let rest = shard.series.get(shard.done.get()..).unwrap_or(&[]);
            if rest.is_empty() {
                return Ok(());
            }
            let message = self.message.get();
            let options = Options { message, ..self.options };
            let request = encode(rest, options, &mut self.spreader.borrow_mut()).map_err(|error| {
                // Only bodies of 4 GiB do this.
                ExportError::Permanent(error.into())
            })?;
            match self.post(message, &request).await? {
                Verdict::Written { samples, histograms, exemplars } => {
                    self.metrics.translated(request.counts);
                    self.metrics.written(samples, histograms, exemplars);
                    shard.finish(&request, 0, String::new());
                }
                Verdict::Refused { reason, written, text } => {
                    self.metrics.translated(request.counts);
                    self.metrics.written(written[0], written[1], written[2]);
                    let points = request.refused_points(written);
                    self.metrics.rejected(reason, points);
                    self.warn_refused(&text, points);
                    shard.finish(&request, points, text);
                }
                // Encoded again in the older form, nothing is skipped.
                Verdict::Unsupported { text } => self.fall_back(&text),
            }
        }
    }

    async fn post(&self, message: ProtobufMessage, request: &Request) -> Result<Verdict, ExportError> {
        let Some(uri) = &self.uri else {
            return Err(ExportError::Permanent("endpoint is not a URL".into()));
        };
        self.metrics.attempted();
        let answer = self.client.post(uri, headers(message), request.body.clone()).await?;
        answer::judge(&answer, message, &request.counts, self.clock.now())
    }

    fn fall_back(&self, text: &str) {
        if self.message.replace(ProtobufMessage::V1) == ProtobufMessage::V2 {
            tracing::warn!(
                exporter = self.id,
                answer = text,
                "the server does not speak remote write 2.0, falling back to 1.0 until the next start"
            );
        }
    }

    fn warn_refused(&self, text: &str, points: u64) {
        if let Some(held_back) = self.warnings.due(self.clock.now()) {
            tracing::warn!(
                exporter = self.id,
                answer = text,
                points,
                held_back,
                "the server refused data for good"
            );
        }
    }
}

impl Pending {
    fn is_of(&self, bytes: &Bytes) -> bool {
        std::ptr::eq(self.bytes.as_ptr(), bytes.as_ptr()) && self.bytes.len() == bytes.len()
    }

    /// Sums up an export that is over. Refused as a whole is an error; in part, a partial success.
    fn outcome(&self) -> Result<Delivered, ExportError> {
        let mut total = self.dropped.clone();
        let written: u64 = self.shards.iter().map(|shard| shard.written_points.get()).sum();
        let refused: u64 = self.shards.iter().map(|shard| shard.rejected_points.get()).sum();
        total.rejected += refused;
        for shard in &self.shards {
            if total.message.is_empty() {
                total.message.clone_from(&shard.message.borrow());
            }
        }
        if refused > 0 && written == 0 {
            let said =
                self.shards.iter().map(|shard| shard.message.borrow().clone()).find(|said| !said.is_empty());
            return Err(ExportError::Permanent(BoxError::from(said.unwrap_or_default())));
        }
        Ok(total)
    }
}

impl Shard {
    fn finish(&self, request: &Request, rejected: u64, message: String) {
        self.done.set(self.done.get() + request.counts.series);
        self.rejected_points.set(self.rejected_points.get() + rejected);
        self.written_points.set(self.written_points.get() + request.counts.points.saturating_sub(rejected));
        if self.message.borrow().is_empty() {
            self.message.replace(message);
        }
    }
}

impl Request {
    /// Returns how many data points a refusal concerns, given how many samples, histograms and exemplars
    /// were taken all the same.
    fn refused_points(&self, written: [u64; 3]) -> u64 {
        let sent = self.counts.samples + self.counts.histograms;
        sent.saturating_sub(written[0] + written[1]).min(self.counts.points)
    }
}

/// Of two failures to be tried again, the one that asks for more patience; a permanent one wins.
fn later(a: ExportError, b: ExportError) -> ExportError {
    match (&a, &b) {
        (ExportError::Permanent(_), _) => a,
        (_, ExportError::Permanent(_)) => b,
        (ExportError::Retryable { after: x, .. }, ExportError::Retryable { after: y, .. }) => {
            if x >= y {
                a
            } else {
                b
            }
        }
    }
}

fn headers(message: ProtobufMessage) -> HeaderMap {
    let (content_type, version) = match message {
        ProtobufMessage::V1 => ("application/x-protobuf", "0.1.0"),
        ProtobufMessage::V2 => ("application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"),
    };
    let mut headers = HeaderMap::with_capacity(3);
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("snappy"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert("x-prometheus-remote-write-version", HeaderValue::from_static(version));
    headers
}
