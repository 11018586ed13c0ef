//! Destinations that own telemetry is sent to.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value as Json;

use super::resource::Pairs;
use crate::Secret;

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushExporter {
    Otlp(Box<OtlpTelemetry>),
    OtlpGrpc(Box<OtlpTelemetry>),
    OtlpHttp(Box<OtlpTelemetry>),
    Console(Json),
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct OtlpTelemetry {
    /// Absent where the exporter's name says it, else HTTP.
    pub protocol: Option<OtlpProtocol>,
    pub endpoint: Option<String>,
    pub insecure: Option<bool>,
    pub compression: Option<TelemetryCompression>,
    /// Milliseconds.
    pub timeout: Option<u64>,
    #[serde(deserialize_with = "headers")]
    pub headers: BTreeMap<String, Secret>,
    /// `name=value,name=value`; `headers` win.
    pub headers_list: Option<Secret>,
    /// The file of the authorities that are trusted; absent means the system's.
    #[serde(deserialize_with = "crate::empty_is_unset")]
    pub certificate: Option<String>,
    #[serde(deserialize_with = "crate::empty_is_unset")]
    pub client_certificate: Option<String>,
    #[serde(deserialize_with = "crate::empty_is_unset")]
    pub client_key: Option<String>,
    /// Metrics only.
    pub temporality_preference: Option<TemporalityPreference>,
    /// Metrics only, and without effect: there is no histogram among the self-metrics.
    pub default_histogram_aggregation: Option<HistogramAggregation>,
    pub encoding: Option<OtlpEncoding>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum OtlpProtocol {
    #[serde(rename = "grpc")]
    Grpc,
    #[serde(rename = "http/protobuf")]
    HttpProtobuf,
    /// Known to the collector's schema; refused.
    #[serde(rename = "http/json")]
    HttpJson,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OtlpEncoding {
    Protobuf,
    /// Known to the collector's schema; refused.
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TelemetryCompression {
    #[serde(alias = "")]
    None,
    Gzip,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TemporalityPreference {
    Cumulative,
    Delta,
    #[serde(alias = "lowmemory")]
    LowMemory,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HistogramAggregation {
    ExplicitBucketHistogram,
    Base2ExponentialBucketHistogram,
}

/// Headers in both forms, all of them secrets.
#[derive(Deserialize)]
#[serde(rename = "config::Secrets")]
struct Secrets(Pairs<Secret>);

fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Secret>, D::Error> {
    let Secrets(pairs) = Secrets::deserialize(deserializer).map_err(|_| {
        D::Error::custom("expected a map of headers\nwrite `name: value`, or a list of `{name: …, value: …}`")
    })?;
    Ok(pairs.into_map().into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

/// What is sent to a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushedSignal {
    Traces,
    Metrics,
    Logs,
}

impl fmt::Display for PushedSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        })
    }
}

/// All that a request to a destination needs, ready for use.
#[derive(Clone, Debug, PartialEq)]
pub struct OtlpTarget {
    pub transport: OtlpTransport,
    /// With scheme; over HTTP with the signal's path.
    pub url: String,
    pub is_secure: bool,
    pub headers: BTreeMap<String, Secret>,
    pub is_compressed: bool,
    /// Milliseconds.
    pub timeout: u64,
    pub certificate: Option<String>,
    /// Our certificate's file and its key's.
    pub client_identity: Option<(String, String)>,
    pub temporality: TemporalityPreference,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtlpTransport {
    Grpc,
    Http,
}

/// Why nothing can be sent to a destination: the key below the exporter, empty for the exporter itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetProblem {
    pub key: &'static str,
    pub message: String,
}

impl TargetProblem {
    fn new(key: &'static str, message: impl Into<String>) -> Self {
        Self { key, message: message.into() }
    }
}

/// As the OTLP specification has it.
const DEFAULT_TIMEOUT: u64 = 10_000;

impl PushExporter {
    /// Returns the exporter's key.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Otlp(_) => "otlp",
            Self::OtlpGrpc(_) => "otlp_grpc",
            Self::OtlpHttp(_) => "otlp_http",
            Self::Console(_) => "console",
        }
    }

    /// Returns what requests of a signal need. `validate` and the start both ask this.
    ///
    /// # Errors
    /// The first key that makes sending impossible.
    pub fn target(&self, signal: PushedSignal) -> Result<OtlpTarget, TargetProblem> {
        let (settings, transport) = match self {
            Self::Otlp(settings) => (settings, settings.transport(None)?),
            Self::OtlpGrpc(settings) => (settings, settings.transport(Some(OtlpTransport::Grpc))?),
            Self::OtlpHttp(settings) => (settings, settings.transport(Some(OtlpTransport::Http))?),
            Self::Console(_) => {
                let message = "console is not supported: standard output is for data; write `otlp_http` or \
                               `otlp_grpc`, `logs.output_paths: [stdout]` for logs, `pull` for metrics";
                return Err(TargetProblem::new("", message));
            }
        };
        let (url, is_secure) = settings.url(transport, signal)?;
        Ok(OtlpTarget {
            transport,
            url,
            is_secure,
            headers: settings.all_headers()?,
            is_compressed: settings.compression == Some(TelemetryCompression::Gzip),
            timeout: settings.timeout.filter(|timeout| *timeout > 0).unwrap_or(DEFAULT_TIMEOUT),
            certificate: settings.certificate.clone(),
            client_identity: settings.client_identity()?,
            temporality: settings.temporality_preference.unwrap_or(TemporalityPreference::Cumulative),
        })
    }
}

impl OtlpTelemetry {
    fn transport(&self, named: Option<OtlpTransport>) -> Result<OtlpTransport, TargetProblem> {
        if self.protocol == Some(OtlpProtocol::HttpJson) {
            return Err(TargetProblem::new(
                "protocol",
                "protocol is http/json, which is not supported for the collector's own telemetry, write http/protobuf",
            ));
        }
        if self.encoding == Some(OtlpEncoding::Json) {
            return Err(TargetProblem::new(
                "encoding",
                "encoding is json, which is not supported for the collector's own telemetry, write protobuf",
            ));
        }
        let written = self.protocol.map(|protocol| match protocol {
            OtlpProtocol::Grpc => OtlpTransport::Grpc,
            OtlpProtocol::HttpProtobuf | OtlpProtocol::HttpJson => OtlpTransport::Http,
        });
        match (named, written) {
            (Some(named), Some(written)) if named != written => {
                Err(TargetProblem::new("protocol", "protocol contradicts the exporter's name, remove it"))
            }
            (named, written) => Ok(named.or(written).unwrap_or(OtlpTransport::Http)),
        }
    }

    /// Returns the full URL, and whether it is encrypted: as its scheme says, and where it has none as
    /// `insecure` says. Without either, gRPC is encrypted and HTTP is not, as in the collector.
    fn url(&self, transport: OtlpTransport, signal: PushedSignal) -> Result<(String, bool), TargetProblem> {
        let default = match transport {
            OtlpTransport::Grpc => "http://localhost:4317",
            OtlpTransport::Http => "http://localhost:4318",
        };
        let endpoint = self.endpoint.as_deref().filter(|endpoint| !endpoint.is_empty()).unwrap_or(default);
        let problem =
            |what: &str| TargetProblem::new("endpoint", format!("endpoint is {endpoint:?}, {what}"));
        let (is_secure, rest) = match endpoint.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            Some(_) => return Err(problem("must begin with http:// or https://")),
            None => (!self.insecure.unwrap_or(transport == OtlpTransport::Http), endpoint),
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        check_authority(authority).map_err(problem)?;
        if !path.bytes().all(|byte| byte.is_ascii_graphic()) || path.contains(['?', '#']) {
            return Err(problem("its path holds characters that it can not"));
        }
        let scheme = if is_secure { "https" } else { "http" };
        let path = match (transport, path.trim_end_matches('/')) {
            (OtlpTransport::Grpc, "") => String::new(),
            (OtlpTransport::Grpc, _) => return Err(problem("gRPC has no path, write host:port alone")),
            (OtlpTransport::Http, "") => format!("/v1/{signal}"),
            (OtlpTransport::Http, _) => path.to_owned(),
        };
        Ok((format!("{scheme}://{authority}{path}"), is_secure))
    }

    fn all_headers(&self) -> Result<BTreeMap<String, Secret>, TargetProblem> {
        let mut all = BTreeMap::new();
        let list = self.headers_list.as_ref().map_or("", Secret::expose);
        for pair in list.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let Some((name, value)) = pair.split_once('=') else {
                let message = "headers_list must be pairs such as \"name=value,other=value\"";
                return Err(TargetProblem::new("headers_list", message));
            };
            all.insert(name.trim().to_ascii_lowercase(), Secret::new(value.trim()));
        }
        for (name, value) in &self.headers {
            all.insert(name.to_ascii_lowercase(), value.clone());
        }
        for (name, value) in &all {
            check_header(name, value.expose())
                .map_err(|what| TargetProblem::new("headers", format!("header {name:?} {what}")))?;
        }
        Ok(all)
    }

    fn client_identity(&self) -> Result<Option<(String, String)>, TargetProblem> {
        match (&self.client_certificate, &self.client_key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some((certificate.clone(), key.clone()))),
            (Some(_), None) => {
                Err(TargetProblem::new("client_certificate", "client_key is missing, set both"))
            }
            (None, Some(_)) => {
                Err(TargetProblem::new("client_key", "client_certificate is missing, set both"))
            }
        }
    }
}

fn check_authority(authority: &str) -> Result<(), &'static str> {
    let after_address = authority.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match authority.get(after_address..).and_then(|rest| rest.rfind(':')) {
        None => (authority, None),
        Some(at) => authority
            .split_at_checked(after_address + at)
            .map_or((authority, None), |(host, port)| (host, Some(port.trim_start_matches(':')))),
    };
    if host.is_empty() {
        return Err("must name a host");
    }
    if host.contains('@') {
        return Err("credentials belong into headers: Authorization");
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let is_address = host.starts_with('[') && host.ends_with(']');
    if !is_address && !host.bytes().all(is_name) {
        return Err("must be host:port, an IPv6 address in brackets");
    }
    if is_address
        && !host.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'[' | b']' | b':' | b'.'))
    {
        return Err("must be host:port, an IPv6 address in brackets");
    }
    match port.map(str::parse::<u16>) {
        Some(Err(_)) => Err("its port must be a number from 0 to 65535"),
        _ => Ok(()),
    }
}

fn check_header(name: &str, value: &str) -> Result<(), &'static str> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err("is not a header's name");
    }
    if name.ends_with("-bin") {
        return Err("ends in -bin, which is kept for gRPC's own binary headers; choose another name");
    }
    if !value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)) {
        return Err("has a value with characters that a header can not carry");
    }
    Ok(())
}
