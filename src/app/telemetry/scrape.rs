//! Serves self-metrics to Prometheus, by default on localhost:8888.

use std::{convert::Infallible, net::TcpListener, thread::JoinHandle, time::Duration};

use anyhow::Context;
use bytes::Bytes;
use component::{Places, Stop};
use config::PrometheusReader;
use http::{Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use opentelemetry_prometheus::PrometheusExporter;
use prometheus::{Encoder, Registry, TextEncoder};

use super::metrics::Bridge;

/// A client that has not sent its headers by then is closed.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// How much of what a client sends lies unread. Longer heads are refused.
const BUFFER: usize = 32 << 10;
/// More connections are closed at once.
const MAX_CONNECTIONS: usize = 256;
/// So that a client that reads no answer gives its place back.
const LONGEST_CONNECTION: Duration = Duration::from_secs(60 * 60);
/// After a failed accept (no file descriptors left) the next one waits so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Makes the reader that fills a registry when it is gathered, with the collector's naming options.
pub(super) fn exporter(
    settings: &PrometheusReader,
    registry: &Registry,
) -> anyhow::Result<PrometheusExporter> {
    let mut exporter = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .scope_info_enabled(!settings.without_scope_info);
    if !settings.has_units() {
        exporter = exporter.without_units();
    }
    if !settings.has_type_suffix() {
        exporter = exporter.without_counter_suffixes();
    }
    exporter.build().context("service::telemetry::metrics: the Prometheus reader could not be made")
}

/// A server on a thread of its own, so that a scrape never waits for telemetry.
pub(super) struct Server {
    stop: Stop,
    thread: JoinHandle<()>,
}

impl Server {
    pub(super) fn start(address: &str, registry: Registry, bridge: Bridge) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stop = Stop::new();
        let until = stop.clone();
        let serve = move || runtime.block_on(serve(listener, registry, bridge, until));
        let thread = std::thread::Builder::new().name("self-metrics".to_owned()).spawn(serve)?;
        Ok(Self { stop, thread })
    }

    pub(super) fn stop(self) {
        self.stop.cancel();
        if self.thread.join().is_err() {
            tracing::error!("the server of self-metrics panicked");
        }
    }
}

async fn serve(listener: TcpListener, registry: Registry, bridge: Bridge, stop: Stop) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(problem) => return tracing::error!(error = %problem, "self-metrics can not be served"),
    };
    let places = Places::new(MAX_CONNECTIONS);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Closed at once: whoever scrapes comes again.
        let Some(place) = places.take() else { continue };
        let (registry, bridge) = (registry.clone(), bridge.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = answer(request.uri().path(), &registry, &bridge);
                async move { Ok::<_, Infallible>(answer) }
            });
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(BUFFER);
            // A client that hangs up early is nothing to report.
            let served = server.serve_connection(TokioIo::new(stream), service);
            let _hung_up = tokio::time::timeout(LONGEST_CONNECTION, served).await;
            drop(place);
        });
    }
}

fn answer(path: &str, registry: &Registry, bridge: &Bridge) -> Response<Full<Bytes>> {
    if path != "/metrics" {
        return respond(StatusCode::NOT_FOUND, "text/plain", b"404 page not found\n".to_vec());
    }
    bridge.refresh();
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    match encoder.encode(&registry.gather(), &mut text) {
        Ok(()) => respond(StatusCode::OK, encoder.format_type(), text),
        Err(problem) => {
            respond(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", format!("{problem}\n").into_bytes())
        }
    }
}

fn respond(status: StatusCode, content_type: &str, body: Vec<u8>) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status).header(CONTENT_TYPE, content_type);
    response.body(Full::new(Bytes::from(body))).expect("status and header are constants")
}
