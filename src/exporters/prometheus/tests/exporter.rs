use std::{io::Read as _, rc::Rc, sync::Arc};

use component::{Checks, Config, Exporter, ExporterDef, Places, Socket, Sockets, Stop, testing::ManualClock};
use expect_test::expect;
use model::{Export, Signal};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use transport::ServerTlsConfig;

use super::super::{Prometheus, config::PrometheusConfig};
use crate::{
    http::testing::{Authority, NOW, exporter_cx, on_a_shard},
    prometheus_names::testing::{DELTA, example, metric, number, request, sum, sum_of},
};

/// A running exporter and a socket to it.
struct Bed {
    exporter: Rc<dyn Exporter>,
    accept: mpsc::UnboundedSender<Socket>,
    listener: TcpListener,
    stop: Stop,
    running: tokio::task::JoinHandle<()>,
    telemetry: component::Telemetry,
}

impl Bed {
    async fn new(change: impl FnOnce(&mut PrometheusConfig)) -> Self {
        let mut config =
            PrometheusConfig { endpoint: Some("127.0.0.1:0".into()), ..PrometheusConfig::default() };
        change(&mut config);
        let cx = exporter_cx(&ManualClock::new(NOW));
        let (accept, accepted) = mpsc::unbounded_channel();
        cx.sockets.borrow_mut().push(Sockets { name: "metrics", accepted });
        let exporter = Prometheus::build(&config, &cx);
        let stop = Stop::new();
        let run = Rc::clone(&exporter).run(stop.clone());
        let running = tokio::task::spawn_local(async move { run.await.unwrap() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { exporter, accept, listener, stop, running, telemetry: cx.telemetry }
    }

    async fn connect(&self) -> TcpStream {
        let address = self.listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), self.listener.accept());
        let (stream, peer) = accepted.unwrap();
        let place = Places::new(1).take().unwrap();
        let socket = Socket { stream: stream.into_std().unwrap(), peer, place };
        assert!(self.accept.send(socket).is_ok());
        client.unwrap()
    }

    /// Returns the head and the body of an answer.
    async fn ask(&self, request: &str) -> (String, Vec<u8>) {
        Self::ask_on(self.connect().await, request).await
    }

    async fn ask_on(mut client: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> (String, Vec<u8>) {
        client.write_all(format!("{request}\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        let at = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        (String::from_utf8(answer[..at].to_vec()).unwrap().to_lowercase(), answer[at + 4..].to_vec())
    }

    async fn export(&self) -> component::Delivered {
        let mut point = number(3.0, &[]);
        point.exemplars = vec![example(1.0, 0xab, &[])];
        let bytes = request(vec![(&[], vec![metric("calls", "", sum(vec![point]))])]);
        self.exporter.export(Export { signal: Signal::Metrics, bytes: bytes.into(), items: 1 }).await.unwrap()
    }
}

const TEXT_PAGE: &str = "# HELP calls_total Help of calls.\n# TYPE calls_total counter\ncalls_total 3\n";

#[test]
fn a_scrape_finds_what_was_exported() {
    on_a_shard(async {
        let bed = Bed::new(|_| ()).await;
        bed.export().await;
        let (head, body) = bed.ask("GET /metrics HTTP/1.1\r\nhost: x").await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
        assert_eq!(String::from_utf8(body).unwrap(), TEXT_PAGE);
    });
}

#[test]
fn open_metrics_is_served_only_when_enabled_and_asked_for() {
    on_a_shard(async {
        let ask = "GET /metrics HTTP/1.1\r\nhost: x\r\naccept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
        let plain = Bed::new(|_| ()).await;
        assert!(plain.ask(ask).await.0.contains("text/plain"));
        let open = Bed::new(|c| c.enable_open_metrics = true).await;
        assert!(open.ask("GET /metrics HTTP/1.1\r\nhost: x").await.0.contains("text/plain"));
        open.export().await;
        let (head, body) = open.ask(ask).await;
        assert!(
            head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"),
            "{head}"
        );
        expect![[r##"
            # HELP calls Help of calls.
            # TYPE calls counter
            calls_total 3 # {span_id="abababababababab",trace_id="abababababababababababababababab"} 1 1699999999.000
            calls_created 1699999940.000
            # EOF
        "##]].assert_eq(&String::from_utf8(body).unwrap());
    });
}

#[test]
fn a_page_is_compressed_for_those_who_accept_it() {
    on_a_shard(async {
        let bed = Bed::new(|_| ()).await;
        bed.export().await;
        let (head, body) =
            bed.ask("GET /metrics HTTP/1.1\r\nhost: x\r\naccept-encoding: br, gzip;q=0.5").await;
        assert!(head.contains("content-encoding: gzip"), "{head}");
        let mut page = String::new();
        flate2::read::GzDecoder::new(&*body).read_to_string(&mut page).unwrap();
        assert_eq!(page, TEXT_PAGE);
        let (head, _) = bed.ask("GET /metrics HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip;q=0").await;
        assert!(!head.contains("content-encoding"), "{head}");
    });
}

#[test]
fn other_paths_and_methods_are_refused() {
    on_a_shard(async {
        let bed = Bed::new(|_| ()).await;
        assert!(bed.ask("GET / HTTP/1.1\r\nhost: x").await.0.starts_with("http/1.1 404"));
        let (head, _) = bed.ask("POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 0").await;
        assert!(head.starts_with("http/1.1 405") && head.contains("allow: get, head"), "{head}");
        let (head, body) = bed.ask("HEAD /metrics HTTP/1.1\r\nhost: x").await;
        assert!(head.starts_with("http/1.1 200") && body.is_empty(), "{head}");
    });
}

#[test]
fn connections_are_served_side_by_side_and_end_with_the_exporter() {
    on_a_shard(async {
        let bed = Bed::new(|_| ()).await;
        let mut idle = bed.connect().await;
        idle.write_all(b"GET /metrics HT").await.unwrap();
        bed.export().await;
        assert!(bed.ask("GET /metrics HTTP/1.1\r\nhost: x").await.0.starts_with("http/1.1 200"));
        let mut kept = bed.connect().await;
        kept.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        assert_ne!(kept.read(&mut [0; 4096]).await.unwrap(), 0);
        drop(idle);
        bed.stop.cancel();
        bed.running.await.unwrap();
        assert_eq!(kept.read(&mut [0; 4096]).await.unwrap(), 0, "closed");
    });
}

#[test]
fn what_is_left_out_is_told_and_counted() {
    on_a_shard(async {
        let bed = Bed::new(|c| c.max_series = 1).await;
        let points = vec![number(1.0, &[("n", "1")]), number(1.0, &[("n", "2")])];
        let bytes = request(vec![(&[], vec![metric("calls", "", sum_of(points, DELTA, true))])]);
        let delivered = bed
            .exporter
            .export(Export { signal: Signal::Metrics, bytes: bytes.into(), items: 2 })
            .await
            .unwrap();
        assert_eq!(
            (delivered.rejected, delivered.message.as_str()),
            (1, "data points dropped: 1 series_limit")
        );
        let rows: Vec<(String, u64)> =
            bed.telemetry.read().into_iter().map(|row| (row.name, row.value)).collect();
        let expected =
            [("otelcol_exporter_prometheus_rejected_points", 1), ("otelcol_exporter_prometheus_series", 1)];
        assert_eq!(rows, expected.map(|(name, value)| (name.to_owned(), value)));
    });
}

#[test]
fn every_mistake_is_reported() {
    let config: PrometheusConfig = serde_json::from_value(serde_json::json!({
        "max_series": 0,
        "metric_expiration": "0s",
        "const_labels": {"__name__": "x", "ok": ""},
        "tls": {},
    }))
    .unwrap();
    let mut checks = Checks::default();
    config.validate(&mut checks);
    let lines: Vec<String> =
        checks.into_findings().iter().map(|f| format!("{}: {}\n", f.path, f.message)).collect();
    expect![[r#"
        endpoint: endpoint is missing, set the address to listen on: localhost:8889
        max_series: max_series is 0, must be above 0
        metric_expiration: metric_expiration is 0s, must be above 0s
        const_labels.__name__: constant label "__name__" is "x"; a name needs a letter or digit, a value may not be empty
        const_labels.ok: constant label "ok" is ""; a name needs a letter or digit, a value may not be empty
        tls: tls of a server needs a cert, set cert_file or cert_pem
        tls: tls of a server needs a key, set key_file or key_pem
    "#]].assert_eq(&lines.concat());
}

/// Makes a TLS connection that trusts an authority and shows a certificate if it has one.
async fn shake(
    bed: &Bed,
    authority: &Authority,
    own: Option<(String, String)>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
            builder
                .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap())
                .unwrap()
        }
    };
    let tcp = bed.connect().await;
    TlsConnector::from(Arc::new(config)).connect("localhost".try_into().unwrap(), tcp).await
}

#[test]
fn pages_are_served_over_tls_to_whom_the_authority_vouches_for() {
    on_a_shard(async {
        let authority = Authority::new();
        let (certificate, key) = authority.sign("localhost");
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let open = ServerTlsConfig {
            cert_file: file("cert.pem", &certificate),
            key_file: file("key.pem", &key),
            ..ServerTlsConfig::default()
        };
        let closed = ServerTlsConfig { client_ca_file: file("ca.pem", &authority.pem), ..open.clone() };

        let bed = Bed::new(|c| c.tls = Some(open)).await;
        let stream = shake(&bed, &authority, None).await.unwrap();
        assert!(Bed::ask_on(stream, "GET /metrics HTTP/1.1\r\nhost: x").await.0.starts_with("http/1.1 200"));

        let bed = Bed::new(|c| c.tls = Some(closed)).await;
        let stream = shake(&bed, &authority, Some(authority.sign("scraper"))).await.unwrap();
        assert!(Bed::ask_on(stream, "GET /metrics HTTP/1.1\r\nhost: x").await.0.starts_with("http/1.1 200"));
        // With TLS 1.3 the client learns of the refusal when it reads.
        if let Ok(mut stream) = shake(&bed, &authority, None).await {
            assert!(stream.read(&mut [0; 64]).await.is_err());
        }
    });
}

#[test]
fn a_missing_certificate_is_named() {
    on_a_shard(async {
        let cx = exporter_cx(&ManualClock::new(NOW));
        let tls = ServerTlsConfig {
            cert_file: "/nowhere/cert.pem".into(),
            key_file: "/nowhere/key.pem".into(),
            ..ServerTlsConfig::default()
        };
        let exporter =
            Prometheus::build(&PrometheusConfig { tls: Some(tls), ..PrometheusConfig::default() }, &cx);
        let said = exporter.run(Stop::new()).await.unwrap_err().to_string();
        assert!(said.starts_with("tls.cert_file: /nowhere/cert.pem can not be read"), "{said}");
    });
}
