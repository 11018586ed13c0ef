//! Logs: to standard error or files, and over OTLP where asked for.

use std::{
    fs::OpenOptions,
    io::{self, IsTerminal, Write},
    path::Path,
    sync::Mutex,
    time::Duration,
};

use anyhow::Context;
use config::{LogEncoding, LogLevel, LogsTelemetry, PushExporter, SpanProcessor, TracesTelemetry};
use opentelemetry::trace::TracerProvider;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::{
    Resource,
    logs::{self, BatchLogProcessor, SdkLoggerProvider},
    trace::{self, BatchSpanProcessor, Sampler, SdkTracerProvider},
};
use tracing_subscriber::{
    EnvFilter, Layer, fmt::writer::BoxMakeWriter, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

use super::{changes::SetLevel, otlp::Senders};
use crate::terminal::is_colored;

/// Libraries that would tell of their own sending, and so of every record they send.
const QUIET: &str = "h2=warn,hyper=warn,hyper_util=warn,rustls=warn,tonic=warn,tower=warn,opentelemetry=warn,opentelemetry_sdk=warn,opentelemetry_otlp=warn";

/// What must be told to end.
pub(super) struct Logs {
    records: Option<SdkLoggerProvider>,
    spans: Option<SdkTracerProvider>,
}

pub(super) fn start(
    logs: &LogsTelemetry,
    traces: &TracesTelemetry,
    resource: &Resource,
    senders: Option<&Senders<'_>>,
) -> anyhow::Result<(Logs, Vec<SetLevel>)> {
    let (records, spans) = match senders {
        Some(senders) => {
            (record_provider(&logs.processors, resource, senders)?, span_provider(traces, resource, senders)?)
        }
        None => (None, None),
    };
    let mut layers = Vec::new();
    for path in &logs.output_paths {
        layers.push(output(path, logs.encoding)?);
    }
    let bridge = records.as_ref().map(OpenTelemetryTracingBridge::new);
    let tracer = spans
        .as_ref()
        .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("trueline")));
    let (of_lines, lines) = reload::Layer::new(filter(logs.level, NO_SPANS));
    let (of_records, sent) = reload::Layer::new(filter(logs.level, NO_SPANS));
    let started = tracing_subscriber::registry()
        .with(layers.with_filter(of_lines))
        .with(bridge.with_filter(of_records))
        .with(tracer.with_filter(filter(LogLevel::Error, "info")))
        .try_init();
    started.context("logging could not be started")?;
    let levels: Vec<SetLevel> = vec![
        Box::new(move |level| lines.reload(filter(level, NO_SPANS))),
        Box::new(move |level| sent.reload(filter(level, NO_SPANS))),
    ];
    Ok((Logs { records, spans }, levels))
}

/// Lines and records do without spans, so that a span costs nothing while nobody asks for spans.
const NO_SPANS: &str = "off";

/// Lets lines of a level through, and own spans as `spans` says.
fn filter(level: LogLevel, spans: &str) -> EnvFilter {
    let level = match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    };
    EnvFilter::new(format!("{level},{QUIET},{}={spans}", engine::SPANS))
}

type BoxedLayer = Box<dyn Layer<tracing_subscriber::Registry> + Send + Sync>;

fn output(path: &str, encoding: LogEncoding) -> anyhow::Result<BoxedLayer> {
    let (writer, has_colors) = match path {
        "stderr" => (BoxMakeWriter::new(io::stderr), is_colored(io::stderr().is_terminal())),
        "stdout" => (BoxMakeWriter::new(io::stdout), is_colored(io::stdout().is_terminal())),
        path => (BoxMakeWriter::new(Mutex::new(file(Path::new(path))?)), false),
    };
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(has_colors);
    Ok(match encoding {
        LogEncoding::Console => layer.boxed(),
        LogEncoding::Json => layer.json().flatten_event(true).boxed(),
    })
}

fn file(path: &Path) -> anyhow::Result<impl Write + Send + 'static> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.with_context(|| format!("service::telemetry::logs: can not write to {}", path.display()))
}

fn record_provider(
    processors: &[SpanProcessor],
    resource: &Resource,
    senders: &Senders<'_>,
) -> anyhow::Result<Option<SdkLoggerProvider>> {
    if processors.is_empty() {
        return Ok(None);
    }
    let mut provider = SdkLoggerProvider::builder().with_resource(resource.clone());
    for processor in processors {
        let batching = Batching::of(processor);
        let mut config = logs::BatchConfigBuilder::default();
        if let Some(delay) = batching.delay {
            config = config.with_scheduled_delay(delay);
        }
        if let Some(size) = batching.queue {
            config = config.with_max_queue_size(size);
        }
        if let Some(size) = batching.batch {
            config = config.with_max_export_batch_size(size);
        }
        let exporter = senders.logs(batching.exporter, batching.timeout)?;
        let processor = BatchLogProcessor::builder(exporter).with_batch_config(config.build());
        provider = provider.with_log_processor(processor.build());
    }
    Ok(Some(provider.build()))
}

fn span_provider(
    traces: &TracesTelemetry,
    resource: &Resource,
    senders: &Senders<'_>,
) -> anyhow::Result<Option<SdkTracerProvider>> {
    let processors = traces.processors_in_force();
    if processors.is_empty() {
        return Ok(None);
    }
    let mut provider = SdkTracerProvider::builder().with_resource(resource.clone());
    if let Some(written) = &traces.sampler {
        provider = provider.with_sampler(sampler(written));
    }
    for processor in processors {
        let batching = Batching::of(processor);
        let mut config = trace::BatchConfigBuilder::default();
        if let Some(delay) = batching.delay {
            config = config.with_scheduled_delay(delay);
        }
        if let Some(size) = batching.queue {
            config = config.with_max_queue_size(size);
        }
        if let Some(size) = batching.batch {
            config = config.with_max_export_batch_size(size);
        }
        let exporter = senders.spans(batching.exporter, batching.timeout)?;
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(config.build());
        provider = provider.with_span_processor(processor.build());
    }
    Ok(Some(provider.build()))
}

fn sampler(written: &config::Sampler) -> Sampler {
    match written {
        config::Sampler::AlwaysOn(_) => Sampler::AlwaysOn,
        config::Sampler::AlwaysOff(_) => Sampler::AlwaysOff,
        config::Sampler::TraceIdRatioBased(sampler) => Sampler::TraceIdRatioBased(sampler.ratio),
        config::Sampler::ParentBased(parent) => {
            Sampler::ParentBased(Box::new(parent.root.as_deref().map_or(Sampler::AlwaysOn, sampler)))
        }
    }
}

/// How a processor collects before it sends; what is absent is the SDK's default.
struct Batching<'a> {
    delay: Option<Duration>,
    queue: Option<usize>,
    batch: Option<usize>,
    /// *Units*: milliseconds.
    timeout: Option<u64>,
    exporter: &'a PushExporter,
}

/// How long what a `simple` processor gets may wait. It sends in batches too, for a thread of the data
/// path must not wait until a span has arrived.
const SIMPLE_DELAY: Duration = Duration::from_millis(100);

impl<'a> Batching<'a> {
    fn of(processor: &'a SpanProcessor) -> Self {
        match processor {
            SpanProcessor::Batch(batch) => Self {
                delay: batch.schedule_delay.map(Duration::from_millis),
                queue: batch.max_queue_size,
                batch: batch.max_export_batch_size,
                timeout: batch.export_timeout,
                exporter: &batch.exporter,
            },
            SpanProcessor::Simple(simple) => Self {
                delay: Some(SIMPLE_DELAY),
                queue: None,
                batch: None,
                timeout: None,
                exporter: &simple.exporter,
            },
        }
    }
}

impl Logs {
    /// Sends what is left.
    #[expect(clippy::print_stderr, reason = "the log has ended; this is the last that can be said")]
    pub(super) fn stop(self) {
        let records = self.records.map(|provider| provider.shutdown());
        let spans = self.spans.map(|provider| provider.shutdown());
        for problem in [records, spans].into_iter().flatten().filter_map(Result::err) {
            eprintln!("own telemetry could not be sent completely: {problem}");
        }
    }
}
