//! One attempt to deliver.

use std::{rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use component::{
    BoxError, ClientAuth, Clock, Delivered, Delivery, ExportError, Exporter, ExporterCx, ExporterDef,
    Placement,
};
use futures_util::future::LocalBoxFuture;
use http::{HeaderMap, HeaderValue, Uri, header::USER_AGENT};
use model::{Export, Signal, SignalSet};
use transport::{ClientTls, Shown};

use super::{
    OtlpGrpcConfig,
    call::{Call, CallRequest, Lost, send},
    channel::{Channel, ChannelSettings, ConnectError, Connection},
    target::Target,
};
use crate::http::{Encoder, Rejections, delivered_of_protobuf, header_map, user_agent};

/// The definition of `otlp_grpc`.
pub(crate) struct OtlpGrpc;

impl ExporterDef for OtlpGrpc {
    const KIND: &'static str = "otlp_grpc";
    const ALIASES: &'static [&'static str] = &["otlp"];
    const SIGNALS: SignalSet = SignalSet::ALL;
    const PLACEMENT: Placement = Placement::EveryShard;
    type Config = OtlpGrpcConfig;

    fn delivery(config: &OtlpGrpcConfig) -> Delivery {
        Delivery::of(&config.sending_queue, &config.retry_on_failure, config.timeout.get())
    }

    fn build(config: &OtlpGrpcConfig, cx: &ExporterCx) -> Rc<dyn Exporter> {
        Rc::new(GrpcExporter::new(config, cx))
    }
}

/// How long a call that waits for the server lets pass between two tries to connect.
const WAIT_FOR_READY_PERIOD: Duration = Duration::from_millis(500);

struct GrpcExporter {
    channel: Rc<Channel>,
    call: Call,
    encoder: Encoder,
    /// Where each signal's service is, in the order of [`Signal::ALL`].
    uris: [Uri; 3],
    waits_for_ready: bool,
    auth: Option<Arc<dyn ClientAuth>>,
    clock: Arc<dyn Clock>,
    rejections: Rejections,
}

impl GrpcExporter {
    fn new(config: &OtlpGrpcConfig, cx: &ExporterCx) -> Self {
        let target = Target::parse(&config.endpoint).expect("validate has parsed the endpoint");
        let is_secure = config.is_secure(&target);
        let authority = config.authority.clone().unwrap_or_else(|| target.authority());
        let encoder =
            Encoder::new(config.compression.over_grpc(), None).expect("the default level is in range");
        let mut headers = header_map(&config.headers);
        let agent = config.user_agent.clone().unwrap_or_else(user_agent);
        headers.insert(USER_AGENT, HeaderValue::try_from(agent).expect("validate has checked user_agent"));
        let settings = ChannelSettings {
            target,
            tls: is_secure.then(|| ClientTls::new(config.tls.clone(), Arc::clone(&cx.clock), &cx.telemetry)),
            keepalive: config.keepalive.get().cloned(),
            balancer: config.balancer_name,
        };
        Self {
            channel: Channel::new(settings, Arc::clone(&cx.clock)),
            call: Call::new(headers, config.compression.name(), config.timeout.get()),
            encoder,
            uris: Signal::ALL.map(|signal| service_uri(signal, &authority, is_secure)),
            waits_for_ready: config.wait_for_ready,
            auth: cx.authenticators.client(&config.auth),
            clock: Arc::clone(&cx.clock),
            rejections: Rejections::new(&cx.id, &cx.clock),
        }
    }

    async fn deliver(&self, export: Export) -> Result<Delivered, ExportError> {
        let message =
            self.encoder.encode(export.bytes).map_err(|error| ExportError::Permanent(error.into()))?;
        let uri = self.uris.get(export.signal as usize).expect("every signal has its service");
        let mut request = self.call.request(uri, message)?;
        if let Some(auth) = &self.auth {
            auth.authenticate(request.headers_mut(), self.clock.now()).await.map_err(retryable)?;
        }
        let headers = request.headers().clone();
        let answer = self.send(request).await.map_err(|error| without(&headers, error))?;
        let delivered = delivered_of_protobuf(&answer);
        self.rejections.report(export.signal, &delivered);
        Ok(delivered)
    }

    /// Sends a request; one that a closing connection gave back unsent goes out once more.
    async fn send(&self, request: CallRequest) -> Result<Bytes, ExportError> {
        let mut connection = self.connection().await?;
        let unsent = match send(&mut connection, request).await {
            Ok(answer) => return Ok(answer),
            Err(Lost::Broken(error)) => return Err(error),
            Err(Lost::Unsent(request)) => request,
        };
        let mut connection = self.connection().await?;
        match send(&mut connection, *unsent).await {
            Ok(answer) => Ok(answer),
            Err(Lost::Broken(error)) => Err(error),
            Err(Lost::Unsent(_)) => Err(retryable("the server closes connections before it takes a request")),
        }
    }

    async fn connection(&self) -> Result<Connection, ExportError> {
        loop {
            let error = match self.channel.connection().await {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            if !self.waits_for_ready {
                return Err(unreachable(error));
            }
            self.clock.sleep_until(self.clock.now() + WAIT_FOR_READY_PERIOD).await;
        }
    }
}

impl Exporter for GrpcExporter {
    fn export(&self, export: Export) -> LocalBoxFuture<'_, Result<Delivered, ExportError>> {
        Box::pin(self.deliver(export))
    }
}

/// Returns an error whose message repeats nothing of what was shown to the server.
fn without(headers: &HeaderMap, error: ExportError) -> ExportError {
    let hidden = |source: BoxError| {
        let said = source.to_string();
        let hidden = Shown::by(headers).hide_in(&said);
        if hidden == said { source } else { hidden.into() }
    };
    match error {
        ExportError::Retryable { after, source } => ExportError::Retryable { after, source: hidden(source) },
        ExportError::Permanent(source) => ExportError::Permanent(hidden(source)),
    }
}

fn service_uri(signal: Signal, authority: &str, is_secure: bool) -> Uri {
    let path = match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    };
    let scheme = if is_secure { "https" } else { "http" };
    let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build();
    uri.expect("validate has checked the authority")
}

fn unreachable(error: ConnectError) -> ExportError {
    ExportError::Retryable { after: None, source: error.into() }
}

fn retryable(problem: impl Into<BoxError>) -> ExportError {
    ExportError::Retryable { after: None, source: problem.into() }
}
