//! Jaeger all-in-one with its store in memory: takes OTLP, finds traces by their tags.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};

use crate::cache::part;
use crate::deadline::since_epoch;
use crate::http::{get, get_with};
use crate::ports::free_port;
use crate::process::{Launch, Process};

/// More traces than a test looks at; Jaeger's own default is 100.
const SEARCH_LIMIT: &str = "100000";

/// A day, over which edges between services are counted.
const LOOKBACK_MILLIS: &str = "86400000";

pub struct Jaeger {
    process: Process,
    query_url: String,
    otlp_grpc: String,
    otlp_http: String,
}

#[derive(Clone, Debug)]
pub struct Trace {
    pub trace_id: String,
    pub spans: Vec<Span>,
}

#[derive(Clone, Debug)]
pub struct Span {
    pub span_id: String,
    pub parent_span_id: Option<String>,
    pub operation: String,
    pub service: String,
    pub start_unix_micros: u64,
    pub duration_micros: u64,
    /// Attributes as text; a span's kind is `span.kind`, its status `otel.status_code` and `error`.
    pub tags: BTreeMap<String, String>,
    /// Attributes of the resource without `service.name`.
    pub process_tags: BTreeMap<String, String>,
}

/// Calls between two services, as Jaeger counts them: pairs of spans, child in another service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    pub parent: String,
    pub child: String,
    pub calls: u64,
}

impl Jaeger {
    pub fn start() -> Result<Self> {
        Self::start_with(&[], &[])
    }

    /// Starts it with its monitor tab on, which reads span metrics named `calls_total` and
    /// `duration_milliseconds` from the Prometheus at `http://HOST:PORT`.
    pub fn start_with_monitor(prometheus_url: &str) -> Result<Self> {
        let server = format!("--prometheus.server-url={prometheus_url}");
        let names = ["--prometheus.query.namespace=", "--prometheus.query.normalize-calls"];
        let args = [&server, names[0], names[1], "--prometheus.query.normalize-duration"];
        Self::start_with(&[("METRICS_STORAGE_TYPE", "prometheus")], &args)
    }

    fn start_with(env: &[(&str, &str)], args: &[&str]) -> Result<Self> {
        let address = || format!("127.0.0.1:{}", free_port());
        let (query, otlp_grpc, otlp_http, admin) = (address(), address(), address(), address());
        let launch = Launch::new("jaeger", part("jaeger", "jaeger")?)?;
        let launch = env.iter().fold(launch, |launch, (name, value)| launch.env(name, value));
        let launch =
            launch.args(args).env("SPAN_STORAGE_TYPE", "memory").env("COLLECTOR_OTLP_ENABLED", "true").args(
                [
                    format!("--collector.otlp.grpc.host-port={otlp_grpc}"),
                    format!("--collector.otlp.http.host-port={otlp_http}"),
                    format!("--query.http-server.host-port={query}"),
                    format!("--admin.http.host-port={admin}"),
                    // What nobody uses here listens all the same, and must not meet another instance.
                    format!("--query.grpc-server.host-port={}", address()),
                    format!("--collector.grpc-server.host-port={}", address()),
                    format!("--collector.http-server.host-port={}", address()),
                    format!("--http-server.host-port={}", address()),
                    format!("--processor.jaeger-binary.server-host-port={}", address()),
                    format!("--processor.jaeger-compact.server-host-port={}", address()),
                    format!("--processor.zipkin-compact.server-host-port={}", address()),
                ],
            );
        let query_url = format!("http://{query}");
        let probes = [format!("http://{admin}/"), format!("{query_url}/api/services")];
        let is_ready =
            |_: &Process| probes.iter().all(|url| get(url).is_ok_and(|answer| answer.status == 200));
        let process = launch.start_until(is_ready)?;
        Ok(Self { process, query_url, otlp_grpc, otlp_http })
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Returns `127.0.0.1:PORT` of OTLP over gRPC, without TLS.
    pub fn otlp_grpc(&self) -> &str {
        &self.otlp_grpc
    }

    /// Returns `127.0.0.1:PORT` of OTLP over HTTP.
    pub fn otlp_http(&self) -> &str {
        &self.otlp_http
    }

    /// Returns `http://127.0.0.1:PORT` of its page and API.
    pub fn query_url(&self) -> &str {
        &self.query_url
    }

    /// Returns the names of the services that sent spans.
    pub fn services(&self) -> Result<Vec<String>> {
        let data = self.api("services", &[])?;
        let mut names: Vec<String> =
            elements(&data).filter_map(|name| name.as_str().map(str::to_owned)).collect();
        names.sort();
        Ok(names)
    }

    /// Returns all traces with a span of the service that carries all tags, whole.
    pub fn search(&self, service: &str, tags: &[(&str, &str)]) -> Result<Vec<Trace>> {
        let tags: Map<String, Value> =
            tags.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect();
        let tags = Value::Object(tags).to_string();
        let data = self.api("traces", &[("service", service), ("tags", &tags), ("limit", SEARCH_LIMIT)])?;
        elements(&data).map(trace).collect()
    }

    /// Returns one trace by its id in hex.
    pub fn trace(&self, trace_id: &str) -> Result<Trace> {
        let data = self.api(&format!("traces/{trace_id}"), &[])?;
        trace(data.get(0).with_context(|| format!("no trace {trace_id}"))?)
    }

    /// Returns the calls between services of the last day, sorted.
    pub fn dependencies(&self) -> Result<Vec<Edge>> {
        // A minute ahead: spans that end now are inside whatever the rounding.
        let end = (since_epoch().as_millis() + 60_000).to_string();
        let data = self.api("dependencies", &[("endTs", &end), ("lookback", LOOKBACK_MILLIS)])?;
        let edges = elements(&data).map(|edge| {
            Ok(Edge {
                parent: text(edge, "parent")?,
                child: text(edge, "child")?,
                calls: edge["callCount"].as_u64().with_context(|| format!("no callCount in {edge}"))?,
            })
        });
        let mut edges = edges.collect::<Result<Vec<Edge>>>()?;
        edges.sort();
        Ok(edges)
    }

    fn api(&self, path: &str, query: &[(&str, &str)]) -> Result<Value> {
        let answer = get_with(&format!("{}/api/{path}", self.query_url), query)?;
        let mut body = answer.json().with_context(|| format!("{path} {query:?}"))?;
        // `/api/dependencies` answers `"errors": null` and other paths an empty list.
        ensure!(elements(&body["errors"]).next().is_none(), "{path} {query:?}: {}", body["errors"]);
        Ok(body["data"].take())
    }
}

fn trace(json: &Value) -> Result<Trace> {
    let spans = elements(&json["spans"]).map(|span| read_span(span, &json["processes"]));
    Ok(Trace { trace_id: text(json, "traceID")?, spans: spans.collect::<Result<_>>()? })
}

fn read_span(json: &Value, processes: &Value) -> Result<Span> {
    let process = &processes[text(json, "processID")?];
    let parent = elements(&json["references"]).find(|reference| reference["refType"] == "CHILD_OF");
    Ok(Span {
        span_id: text(json, "spanID")?,
        parent_span_id: parent.map(|reference| text(reference, "spanID")).transpose()?,
        operation: text(json, "operationName")?,
        service: text(process, "serviceName")?,
        start_unix_micros: json["startTime"].as_u64().context("a span has no startTime")?,
        duration_micros: json["duration"].as_u64().context("a span has no duration")?,
        tags: tags(&json["tags"])?,
        process_tags: tags(&process["tags"])?,
    })
}

fn tags(json: &Value) -> Result<BTreeMap<String, String>> {
    elements(json)
        .map(|tag| {
            let value = &tag["value"];
            Ok((text(tag, "key")?, value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        })
        .collect()
}

fn text(json: &Value, field: &str) -> Result<String> {
    let value = json[field].as_str().with_context(|| format!("no text in field {field} of {json}"))?;
    Ok(value.to_owned())
}

/// Jaeger writes an empty list as `null`.
fn elements(json: &Value) -> impl Iterator<Item = &Value> {
    json.as_array().into_iter().flatten()
}
