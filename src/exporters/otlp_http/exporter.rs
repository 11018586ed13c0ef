//! One attempt to deliver, and what the answer means.

use std::{rc::Rc, sync::Arc};

use component::{Clock, Delivered, Delivery, ExportError, Exporter, ExporterCx, ExporterDef, Placement};
use futures_util::future::LocalBoxFuture;
use http::{
    HeaderMap, HeaderValue, StatusCode, Uri,
    header::{CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, LOCATION},
};
use model::{Export, Pieces, Signal, SignalSet, Timestamp};
use tokio::sync::Semaphore;

use super::{OtlpHttpConfig, config::Encoding};
use crate::http::{
    Answer, ClientSettings, Encoder, HttpClient, Rejections, delivered_of_json, delivered_of_protobuf,
    header_map, is_retryable, message_of_status, quote, retry_after,
};

/// The definition of `otlp_http`.
pub(crate) struct OtlpHttp;

impl ExporterDef for OtlpHttp {
    const KIND: &'static str = "otlp_http";
    const ALIASES: &'static [&'static str] = &["otlphttp"];
    const SIGNALS: SignalSet = SignalSet::ALL;
    const PLACEMENT: Placement = Placement::EveryShard;
    type Config = OtlpHttpConfig;

    fn delivery(config: &OtlpHttpConfig) -> Delivery {
        Delivery::of(&config.sending_queue, &config.retry_on_failure, config.timeout.get())
    }

    fn build(config: &OtlpHttpConfig, cx: &ExporterCx) -> Rc<dyn Exporter> {
        Rc::new(HttpExporter::new(config, cx))
    }
}

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

struct HttpExporter {
    client: HttpClient,
    encoding: Encoding,
    encoder: Encoder,
    /// What every request says of its body.
    headers: HeaderMap,
    /// In the order of [`Signal::ALL`].
    uris: [Option<Uri>; 3],
    /// Bounds the requests under way where the operator wants that.
    turns: Option<Semaphore>,
    clock: Arc<dyn Clock>,
    rejections: Rejections,
}

impl HttpExporter {
    fn new(config: &OtlpHttpConfig, cx: &ExporterCx) -> Self {
        let uris = Signal::ALL.map(|signal| config.uri(signal).expect("validate has parsed the endpoints"));
        let encoder =
            Encoder::new(config.compression, config.level()).expect("validate has checked the level");
        let kind = match config.encoding {
            Encoding::Proto => PROTOBUF,
            Encoding::Json => JSON,
        };
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
        if let Some(name) = encoder.compression().name() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
        }
        if config.disable_keep_alives {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let uses_tls = uris.iter().flatten().any(|uri| uri.scheme_str() == Some("https"));
        Self {
            client: HttpClient::new(client_settings(config, uses_tls, cx), Arc::clone(&cx.clock)),
            encoding: config.encoding,
            encoder,
            headers,
            uris,
            turns: (config.max_conns_per_host > 0).then(|| Semaphore::new(config.max_conns_per_host)),
            clock: Arc::clone(&cx.clock),
            rejections: Rejections::new(&cx.id, &cx.clock),
        }
    }

    async fn deliver(&self, export: Export) -> Result<Delivered, ExportError> {
        let signal = export.signal;
        let uri = self.uris.get(signal as usize).and_then(Option::as_ref);
        let uri = uri.ok_or_else(|| {
            permanent(format!("no endpoint for {signal} is configured; set {signal}_endpoint"))
        })?;
        let body = self.encode(export)?.whole();
        let _turn = match &self.turns {
            Some(turns) => turns.acquire().await.ok(),
            None => None,
        };
        let answer = self.client.post(uri, self.headers.clone(), body).await?;
        let delivered = judge(uri, &answer, self.clock.now())?;
        self.rejections.report(signal, &delivered);
        Ok(delivered)
    }

    fn encode(&self, export: Export) -> Result<Pieces, ExportError> {
        let body = match self.encoding {
            Encoding::Proto => export.bytes,
            Encoding::Json => {
                let mut json = Vec::with_capacity(export.bytes.len() * 2);
                wire::json::wire_to_json(export.signal, &export.bytes.whole(), &mut json)
                    .map_err(|error| permanent(format!("request can not be written as JSON: {error}")))?;
                json.into()
            }
        };
        self.encoder
            .encode(body)
            .map_err(|error| permanent(format!("request can not be compressed: {error}")))
    }
}

impl Exporter for HttpExporter {
    fn export(&self, export: Export) -> LocalBoxFuture<'_, Result<Delivered, ExportError>> {
        Box::pin(self.deliver(export))
    }
}

/// Returns what the answer means.
///
/// *Source*: OTLP specification 1.11, "OTLP/HTTP Response".
pub(crate) fn judge(uri: &Uri, answer: &Answer, now: Timestamp) -> Result<Delivered, ExportError> {
    let is_json = content_type(&answer.headers).starts_with(JSON);
    if answer.status.is_success() {
        return Ok(if is_json {
            delivered_of_json(&answer.body)
        } else {
            delivered_of_protobuf(&answer.body)
        });
    }
    let problem = problem(uri, answer, is_json);
    if is_retryable(answer.status) {
        let after = retry_after(&answer.headers, now).filter(|delay| !delay.is_zero());
        return Err(ExportError::Retryable { after, source: problem.into() });
    }
    Err(permanent(problem))
}

fn client_settings(config: &OtlpHttpConfig, uses_tls: bool, cx: &ExporterCx) -> ClientSettings {
    let defaults = ClientSettings::default();
    let limits = [config.max_idle_conns, config.max_idle_conns_per_host];
    let max_idle = limits.into_iter().filter(|limit| *limit > 0).min().unwrap_or(usize::MAX);
    let ping_timeout = config.http2_ping_timeout.get();
    ClientSettings {
        tls: config.tls.clone(),
        uses_tls,
        headers: header_map(&config.headers),
        max_idle_connections: if config.disable_keep_alives { 0 } else { max_idle },
        idle_timeout: config.idle_conn_timeout.get(),
        offers_http2: config.force_attempt_http2 && !config.disable_keep_alives,
        http2_ping_interval: config.http2_read_idle_timeout.get(),
        http2_ping_timeout: if ping_timeout.is_zero() { defaults.http2_ping_timeout } else { ping_timeout },
        telemetry: cx.telemetry.clone(),
        auth: cx.authenticators.client(&config.auth),
        ..defaults
    }
}

/// Returns what the server said, for the log.
fn problem(uri: &Uri, answer: &Answer, is_json: bool) -> String {
    let status = answer.status;
    let written = uri.to_string();
    let asked = config::without_credentials(&written);
    if status.is_redirection() {
        let location =
            answer.headers.get(LOCATION).and_then(|location| location.to_str().ok()).unwrap_or("nowhere");
        return format!(
            "{asked} answered {status}, redirecting to {}; set the endpoint to that",
            quote(&config::without_credentials(location))
        );
    }
    let said = if is_json {
        json_message(&answer.body)
    } else if content_type(&answer.headers).starts_with(PROTOBUF) {
        message_of_status(&answer.body)
    } else {
        None
    };
    let said = said.unwrap_or_else(|| String::from_utf8_lossy(&answer.body).into_owned());
    let hint = if status == StatusCode::NOT_FOUND { "; is the path of the endpoint right?" } else { "" };
    format!("{asked} answered {status}: {}{hint}", quote(&said))
}

fn json_message(body: &[u8]) -> Option<String> {
    let status: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(status.get("message")?.as_str()?.to_owned())
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default()
}

fn permanent(problem: String) -> ExportError {
    ExportError::Permanent(problem.into())
}
