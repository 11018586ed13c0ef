//! Logs: to standard error or files, and over OTLP where asked for.

use std::{fs::OpenOptions, io::Write, path::Path, sync::Mutex};

use anyhow::Context;
use config::{LogEncoding, LogLevel, LogsTelemetry, SpanProcessor, TracesTelemetry};
use opentelemetry::trace::TracerProvider;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::{Resource, logs::SdkLoggerProvider, trace::SdkTracerProvider};
use tracing_subscriber::{
    EnvFilter, Layer, fmt::writer::BoxMakeWriter, layer::SubscriberExt, util::SubscriberInitExt,
};

/// Libraries that would tell of their own sending, and so of every record they send.
const QUIET: &str =
    "h2=warn,hyper=warn,hyper_util=warn,rustls=warn,reqwest=warn,opentelemetry=warn,opentelemetry_sdk=warn";

/// What must be told to end.
pub(super) struct Logs {
    records: Option<SdkLoggerProvider>,
    spans: Option<SdkTracerProvider>,
}

pub(super) fn start(
    logs: &LogsTelemetry,
    traces: &TracesTelemetry,
    resource: &Resource,
) -> anyhow::Result<Logs> {
    let records = record_provider(&logs.processors, resource)?;
    let spans = span_provider(&traces.processors, resource)?;
    let mut layers = Vec::new();
    for path in &logs.output_paths {
        layers.push(output(path, logs.encoding)?);
    }
    let bridge = records.as_ref().map(OpenTelemetryTracingBridge::new);
    let tracer = spans
        .as_ref()
        .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("trueline")));
    let started = tracing_subscriber::registry()
        .with(layers.with_filter(filter(logs.level)))
        .with(bridge.with_filter(filter(logs.level)))
        .with(tracer.with_filter(filter(LogLevel::Info)))
        .try_init();
    started.context("logging could not be started")?;
    Ok(Logs { records, spans })
}

fn filter(level: LogLevel) -> EnvFilter {
    let level = match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    };
    EnvFilter::new(format!("{level},{QUIET}"))
}

type BoxedLayer = Box<dyn Layer<tracing_subscriber::Registry> + Send + Sync>;

fn output(path: &str, encoding: LogEncoding) -> anyhow::Result<BoxedLayer> {
    let (writer, is_terminal) = match path {
        "stderr" => {
            (BoxMakeWriter::new(std::io::stderr), std::io::IsTerminal::is_terminal(&std::io::stderr()))
        }
        "stdout" => {
            (BoxMakeWriter::new(std::io::stdout), std::io::IsTerminal::is_terminal(&std::io::stdout()))
        }
        path => (BoxMakeWriter::new(Mutex::new(file(Path::new(path))?)), false),
    };
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(is_terminal);
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
) -> anyhow::Result<Option<SdkLoggerProvider>> {
    if processors.is_empty() {
        return Ok(None);
    }
    let mut provider = SdkLoggerProvider::builder().with_resource(resource.clone());
    for processor in processors {
        provider = match processor {
            SpanProcessor::Batch(batch) => {
                provider.with_batch_exporter(super::otlp::log_exporter(&batch.exporter)?)
            }
            SpanProcessor::Simple(simple) => {
                provider.with_simple_exporter(super::otlp::log_exporter(&simple.exporter)?)
            }
        };
    }
    Ok(Some(provider.build()))
}

fn span_provider(
    processors: &[SpanProcessor],
    resource: &Resource,
) -> anyhow::Result<Option<SdkTracerProvider>> {
    if processors.is_empty() {
        return Ok(None);
    }
    let mut provider = SdkTracerProvider::builder().with_resource(resource.clone());
    for processor in processors {
        provider = match processor {
            SpanProcessor::Batch(batch) => {
                provider.with_batch_exporter(super::otlp::span_exporter(&batch.exporter)?)
            }
            SpanProcessor::Simple(simple) => {
                provider.with_simple_exporter(super::otlp::span_exporter(&simple.exporter)?)
            }
        };
    }
    Ok(Some(provider.build()))
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
