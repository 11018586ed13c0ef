//! The collector's keys of the OTLP receiver, and what is wrong with their values.

use std::{collections::BTreeMap, time::Duration};

use component::{AuthConfig, AuthSide, AuthUse, Checks};
use config::{NotSupported, NotSupportedKeys};
use serde::Deserialize;
use transport::{ServerTlsConfig, TLS_NOT_SUPPORTED};

use super::body::Encoding;

/// The whole section: at least one protocol.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OtlpConfig {
    pub(crate) protocols: ProtocolsConfig,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ProtocolsConfig {
    pub(crate) grpc: config::Section<GrpcConfig>,
    pub(crate) http: config::Section<HttpConfig>,
}

/// `protocols.grpc`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct GrpcConfig {
    pub(crate) endpoint: String,
    /// Open connections; 0 means the engine's default.
    pub(crate) max_connections: usize,
    pub(crate) transport: Transport,
    pub(crate) tls: config::Section<ServerTlsConfig>,
    /// The largest message, compressed or not. *Units*: MiB; 0 means the default.
    pub(crate) max_recv_msg_size_mib: u64,
    /// Requests under way on one connection; 0 means the default.
    pub(crate) max_concurrent_streams: u32,
    /// Known to the collector; here the runtime sizes reads by what arrives.
    pub(crate) read_buffer_size: config::ByteSize,
    /// How much of an answer may wait to be sent on one stream.
    pub(crate) write_buffer_size: config::ByteSize,
    pub(crate) keepalive: config::Section<KeepaliveConfig>,
    pub(crate) auth: config::Section<AuthConfig>,
    pub(crate) include_metadata: bool,
}

/// `protocols.http`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct HttpConfig {
    pub(crate) endpoint: String,
    /// Open connections; 0 means the engine's default.
    pub(crate) max_connections: usize,
    pub(crate) transport: Transport,
    pub(crate) tls: config::Section<ServerTlsConfig>,
    pub(crate) cors: config::Section<CorsConfig>,
    pub(crate) auth: config::Section<AuthConfig>,
    /// The largest body, before and after decompression. *Units*: bytes; 0 means the default.
    pub(crate) max_request_body_size: config::ByteSize,
    pub(crate) include_metadata: bool,
    /// Added to every response.
    #[serde(deserialize_with = "config::headers")]
    pub(crate) response_headers: BTreeMap<String, config::Secret>,
    pub(crate) compression_algorithms: Vec<String>,
    pub(crate) read_timeout: config::Duration,
    pub(crate) read_header_timeout: config::Duration,
    pub(crate) write_timeout: config::Duration,
    pub(crate) idle_timeout: config::Duration,
    pub(crate) keep_alives_enabled: bool,
    pub(crate) traces_url_path: String,
    pub(crate) metrics_url_path: String,
    pub(crate) logs_url_path: String,
}

/// `protocols.http.cors`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CorsConfig {
    /// Origins of pages whose scripts may send; each may hold one `*`.
    pub(crate) allowed_origins: Vec<String>,
    pub(crate) allowed_headers: Vec<String>,
    pub(crate) exposed_headers: Vec<String>,
    /// How long a browser may remember the answer. *Units*: seconds; 0 leaves it to the browser.
    pub(crate) max_age: u32,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct KeepaliveConfig {
    pub(crate) server_parameters: config::Section<ServerParameters>,
    pub(crate) enforcement_policy: config::Section<EnforcementPolicy>,
}

/// When connections are closed or probed; zero means never, or the default for `time` and `timeout`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ServerParameters {
    pub(crate) max_connection_idle: config::Duration,
    pub(crate) max_connection_age: config::Duration,
    pub(crate) max_connection_age_grace: config::Duration,
    pub(crate) time: config::Duration,
    pub(crate) timeout: config::Duration,
}

/// Read for compatibility; the HTTP/2 layer bounds pings by itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct EnforcementPolicy {
    pub(crate) min_time: config::Duration,
    pub(crate) permit_without_stream: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transport {
    #[default]
    Tcp,
    Tcp4,
    Tcp6,
}

/// The collector's keys of both servers that are refused.
const SERVER_NOT_SUPPORTED: &[NotSupported] = &[NotSupported::new(
    "middlewares",
    "there are no middleware extensions",
    "remove it; requests are bounded in bytes by `service.trueline.max_in_flight`",
)];

const DEFAULT_GRPC_ENDPOINT: &str = "localhost:4317";
const DEFAULT_HTTP_ENDPOINT: &str = "localhost:4318";

/// The size that OTLP 1.11 recommends servers to take.
const DEFAULT_MAX_MESSAGE_MIB: u64 = 64;

/// Lengths and offsets within a request are 32 bits wide.
const LARGEST_MAX_MESSAGE_MIB: u64 = 2048;

/// The collector's 20 MiB is its own; this is the size that OTLP 1.11 recommends for both transports.
const DEFAULT_MAX_BODY: u64 = 64 << 20;

/// More parallel requests on one connection only wait for the same thread.
const DEFAULT_MAX_CONCURRENT_STREAMS: u32 = 100;

const KNOWN_ENCODINGS: [&str; 8] =
    ["", "gzip", "zstd", "zlib", "snappy", "x-snappy-framed", "deflate", "lz4"];

impl Default for GrpcConfig {
    fn default() -> Self {
        Self {
            endpoint: DEFAULT_GRPC_ENDPOINT.to_owned(),
            max_connections: 0,
            transport: Transport::Tcp,
            tls: config::Section::default(),
            max_recv_msg_size_mib: DEFAULT_MAX_MESSAGE_MIB,
            max_concurrent_streams: DEFAULT_MAX_CONCURRENT_STREAMS,
            read_buffer_size: config::ByteSize(512 << 10),
            write_buffer_size: config::ByteSize(32 << 10),
            keepalive: config::Section::default(),
            auth: config::Section::default(),
            include_metadata: false,
        }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            endpoint: DEFAULT_HTTP_ENDPOINT.to_owned(),
            max_connections: 0,
            transport: Transport::Tcp,
            tls: config::Section::default(),
            cors: config::Section::default(),
            auth: config::Section::default(),
            max_request_body_size: config::ByteSize(DEFAULT_MAX_BODY),
            include_metadata: false,
            response_headers: BTreeMap::new(),
            compression_algorithms: KNOWN_ENCODINGS.map(str::to_owned).to_vec(),
            read_timeout: Duration::ZERO.into(),
            read_header_timeout: Duration::ZERO.into(),
            write_timeout: Duration::ZERO.into(),
            idle_timeout: Duration::ZERO.into(),
            keep_alives_enabled: true,
            traces_url_path: "/v1/traces".to_owned(),
            metrics_url_path: "/v1/metrics".to_owned(),
            logs_url_path: "/v1/logs".to_owned(),
        }
    }
}

impl GrpcConfig {
    /// *Units*: bytes.
    pub(super) fn max_message(&self) -> usize {
        let mib = if self.max_recv_msg_size_mib == 0 {
            DEFAULT_MAX_MESSAGE_MIB
        } else {
            self.max_recv_msg_size_mib
        };
        usize::try_from(mib.min(LARGEST_MAX_MESSAGE_MIB) << 20).unwrap_or(usize::MAX)
    }

    pub(super) fn max_streams(&self) -> u32 {
        if self.max_concurrent_streams == 0 {
            DEFAULT_MAX_CONCURRENT_STREAMS
        } else {
            self.max_concurrent_streams
        }
    }

    pub(super) fn server_parameters(&self) -> ServerParameters {
        let parameters = self.keepalive.get().and_then(|keepalive| keepalive.server_parameters.get());
        parameters.cloned().unwrap_or_default()
    }
}

impl HttpConfig {
    /// *Units*: bytes.
    pub(super) fn max_body(&self) -> usize {
        let bytes =
            if self.max_request_body_size.0 == 0 { DEFAULT_MAX_BODY } else { self.max_request_body_size.0 };
        usize::try_from(bytes.min(LARGEST_MAX_MESSAGE_MIB << 20)).unwrap_or(usize::MAX)
    }
}

/// Returns what to listen on for an endpoint: Go's `:4317` means every address, and `localhost` means
/// the IPv4 loopback, so that one socket serves it whatever the resolver prefers.
pub(super) fn listen_address(endpoint: &str) -> String {
    let Some((host, port)) = endpoint.rsplit_once(':') else { return endpoint.to_owned() };
    match host {
        "" => format!("0.0.0.0:{port}"),
        "localhost" => format!("127.0.0.1:{port}"),
        _ => endpoint.to_owned(),
    }
}

impl component::Config for OtlpConfig {
    const NOT_SUPPORTED: NotSupportedKeys = &[
        ("protocols.*", SERVER_NOT_SUPPORTED),
        ("protocols.*.tls", TLS_NOT_SUPPORTED),
        (
            "protocols.*.auth",
            &[NotSupported::new("request_params", "authenticators look at headers alone", "remove it")],
        ),
        (
            "protocols.http",
            &[NotSupported::new("profiles_url_path", "profiles are not a signal here", "remove it")],
        ),
    ];

    fn auth(&self) -> Vec<AuthUse> {
        let ProtocolsConfig { grpc, http } = &self.protocols;
        let uses = |auth, path| AuthConfig::uses(auth, path, AuthSide::Server);
        let grpc = grpc.get().and_then(|grpc| uses(&grpc.auth, "protocols.grpc.auth"));
        let http = http.get().and_then(|http| uses(&http.auth, "protocols.http.auth"));
        grpc.into_iter().chain(http).collect()
    }

    fn validate(&self, checks: &mut Checks) {
        let protocols = &self.protocols;
        if protocols.grpc.get().is_none() && protocols.http.get().is_none() {
            checks.absent("protocols", "must specify at least one protocol when using the OTLP receiver");
        }
        if let Some(grpc) = protocols.grpc.get() {
            grpc.validate("protocols.grpc", checks);
        }
        if let Some(http) = protocols.http.get() {
            http.validate("protocols.http", checks);
        }
        if let (Some(grpc), Some(http)) = (protocols.grpc.get(), protocols.http.get())
            && listen_address(&grpc.endpoint) == listen_address(&http.endpoint)
            && !grpc.endpoint.ends_with(":0")
        {
            let message = format!("endpoint is {:?}, which protocols.grpc listens on already", http.endpoint);
            checks.error("protocols.http.endpoint", message);
        }
    }
}

impl GrpcConfig {
    fn validate(&self, path: &str, checks: &mut Checks) {
        check_endpoint(&self.endpoint, path, checks);
        AuthConfig::validate(&self.auth, &format!("{path}.auth"), checks);
        if self.max_recv_msg_size_mib > LARGEST_MAX_MESSAGE_MIB {
            let message = format!(
                "max_recv_msg_size_mib is {}, must not exceed {LARGEST_MAX_MESSAGE_MIB}",
                self.max_recv_msg_size_mib
            );
            checks.error(&format!("{path}.max_recv_msg_size_mib"), message);
        }
        if let Some(tls) = self.tls.get() {
            tls.validate(&format!("{path}.tls"), checks);
        }
    }
}

impl HttpConfig {
    fn validate(&self, path: &str, checks: &mut Checks) {
        check_endpoint(&self.endpoint, path, checks);
        AuthConfig::validate(&self.auth, &format!("{path}.auth"), checks);
        if self.max_request_body_size.0 > LARGEST_MAX_MESSAGE_MIB << 20 {
            let message = format!(
                "max_request_body_size is {}, must not exceed {} (2 GiB)",
                self.max_request_body_size.0,
                LARGEST_MAX_MESSAGE_MIB << 20
            );
            checks.error(&format!("{path}.max_request_body_size"), message);
        }
        self.validate_paths(path, checks);
        self.validate_headers(path, checks);
        for (index, name) in self.compression_algorithms.iter().enumerate() {
            if Encoding::parse(name).is_none() {
                let message =
                    format!("compression algorithm {name:?} is not known, use one of {KNOWN_ENCODINGS:?}");
                checks.error(&format!("{path}.compression_algorithms.{index}"), message);
            }
        }
        if let Some(cors) = self.cors.get() {
            cors.validate(&format!("{path}.cors"), checks);
        }
        if let Some(tls) = self.tls.get() {
            tls.validate(&format!("{path}.tls"), checks);
        }
    }

    fn validate_paths(&self, path: &str, checks: &mut Checks) {
        let paths = [
            ("traces_url_path", &self.traces_url_path),
            ("metrics_url_path", &self.metrics_url_path),
            ("logs_url_path", &self.logs_url_path),
        ];
        for (index, (key, value)) in paths.iter().enumerate() {
            if value.is_empty() || value.contains(['?', '#', ' ']) {
                let message = format!("{key} is {value:?}, must be a path such as \"/v1/traces\"");
                checks.error(&format!("{path}.{key}"), message);
            }
            let same = paths[..index].iter().find(|(_, earlier)| with_slash(earlier) == with_slash(value));
            if let Some((other, _)) = same {
                checks.error(&format!("{path}.{key}"), format!("{key} is {value:?}, the same as {other}"));
            }
        }
    }

    fn validate_headers(&self, path: &str, checks: &mut Checks) {
        for (name, value) in &self.response_headers {
            let name_is_bad = http::HeaderName::from_bytes(name.as_bytes()).is_err();
            if name_is_bad || http::HeaderValue::from_str(value.expose()).is_err() {
                let message =
                    format!("response header {name:?} or its value holds characters that HTTP forbids");
                checks.error(&format!("{path}.response_headers.{name}"), message);
            }
        }
    }
}

impl CorsConfig {
    fn validate(&self, path: &str, checks: &mut Checks) {
        for (index, origin) in self.allowed_origins.iter().enumerate() {
            if origin.matches('*').count() > 1 {
                let message = format!("origin {origin:?} has more than one \"*\", use one per entry");
                checks.error(&format!("{path}.allowed_origins.{index}"), message);
            }
        }
        let headers =
            [("allowed_headers", &self.allowed_headers), ("exposed_headers", &self.exposed_headers)];
        for (key, names) in headers {
            for (index, name) in names.iter().enumerate() {
                if name != "*" && http::HeaderName::from_bytes(name.as_bytes()).is_err() {
                    checks
                        .error(&format!("{path}.{key}.{index}"), format!("{name:?} is not a header's name"));
                }
            }
        }
        if self.allowed_origins.is_empty() && !self.allowed_headers.is_empty() {
            checks.warn(path, "allowed_headers without allowed_origins allow nothing, add allowed_origins");
        }
    }
}

/// Returns the path with the slash that Go's multiplexer would want.
pub(super) fn with_slash(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

fn check_endpoint(endpoint: &str, path: &str, checks: &mut Checks) {
    let path = format!("{path}.endpoint");
    if endpoint.starts_with(['/', '@']) || endpoint.starts_with("unix:") {
        let message = format!(
            "endpoint is {endpoint:?}, a unix socket, and requests are taken over TCP alone: write host:port"
        );
        return checks.error(&path, message);
    }
    let Some((host, port)) = endpoint.rsplit_once(':') else {
        let message = format!("endpoint is {endpoint:?}, must be host:port such as \"localhost:4317\"");
        return checks.error(&path, message);
    };
    if port.parse::<u16>().is_err() {
        let message = format!("endpoint is {endpoint:?}, its port must be a number from 0 to 65535");
        return checks.error(&path, message);
    }
    let is_bracketed = host.starts_with('[') && host.ends_with(']');
    if host.contains('/') || (host.contains(':') && !is_bracketed) {
        let message = format!("endpoint is {endpoint:?}, must be host:port without scheme, IPv6 in brackets");
        checks.error(&path, message);
    }
}
