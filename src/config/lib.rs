//! YAML to a tree with places, and from there to typed settings.
//!
//! The only crate that reads YAML. A document passes through these modules in order: `source` names
//! where text comes from, `parse` turns it into [`Node`]s, `merge` joins several, `expand` replaces
//! `${env:VAR}`, `schema` reads the collector's sections, and `decode` fills a component's settings. `write` and
//! `effective` go the other way.
//! `shape` learns from a type which keys and values it takes.
//! No step stops at the first mistake: each adds to one list of [`Problem`]s.

mod credentials;
mod decode;
mod effective;
mod expand;
mod load;
mod merge;
mod node;
mod parse;
mod problem;
mod render;
mod schema;
mod shape;
mod source;
mod suggest;
mod suspect;
mod values;
mod write;

pub use credentials::{holds_credentials, without_credentials};
pub use decode::{NOT_HERE, NotSupported, NotSupportedKeys, Section, decode, decode_telling};
pub use effective::{Difference, Effective, Redaction, differences};
pub use expand::expand;
pub use load::{ConfigUri, UriError, load};
pub use merge::merge;
pub use node::{Entry, Key, Map, Node, Original, Place, Source, Value};
pub use parse::{MAX_DEPTH, MAX_SOURCE_BYTES, documents, parse};
pub use problem::{KeyPath, Opaque, Problem, Problems, Severity, is_at_or_below, path_below};
pub use render::{Style, one_line, render, render_styled, to_json};
pub use schema::{
    BatchProcessor, Collector, Component, ComponentId, ComponentKind, Document, HelpForType,
    HistogramAggregation, IdError, LogEncoding, LogLevel, LogSampling, LogsTelemetry, MetricsLevel,
    MetricsTelemetry, NoKeys, OtlpEncoding, OtlpProtocol, OtlpTarget, OtlpTelemetry, OtlpTransport,
    ParentSampler, Periodic, Pipeline, PipelineId, PipelineSignal, PrometheusReader, Pull, PullExporter,
    PushExporter, PushedSignal, RatioSampler, Reader, Reference, Resource, Sampler, ScrapeTranslation,
    Service, SimpleProcessor, SpanProcessor, TargetProblem, Telemetry, TelemetryCompression,
    TemporalityPreference, TracesLevel, TracesTelemetry, instead_of,
};
pub use shape::{Field, Shape, Variant, shape};
pub use source::{Environment, FileRead, MapEnvironment, SystemEnvironment};
pub use suggest::did_you_mean;
pub use suspect::{hide_below, looks_secret};
pub use values::{ByteSize, Duration, Either, REDACTED, Secret, SignedDuration, empty_is_unset, headers};
pub use write::write;

#[cfg(test)]
mod testing;
