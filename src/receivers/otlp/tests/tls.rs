use std::{fs, sync::Arc};

use model::Signal;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use transport::ServerTlsConfig;

use super::{
    super::config::{GrpcConfig, HttpConfig},
    fixture::{Http2, Server, eventually, grpc_only, http_only, run, start},
};

struct Identity {
    certificate: String,
    key: String,
}

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn issue(&self) -> Identity {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        Identity { certificate: params.signed_by(&key, &self.0).unwrap().pem(), key: key.serialize_pem() }
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }
}

fn pem_config(identity: &Identity) -> ServerTlsConfig {
    ServerTlsConfig {
        cert_pem: identity.certificate.as_str().into(),
        key_pem: identity.key.as_str().into(),
        ..ServerTlsConfig::default()
    }
}

async fn connect(
    server: &Server,
    authority: &Authority,
    own: Option<&Identity>,
    alpn: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(authority.roots());
    let mut client = match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let chain = vec![CertificateDer::from_pem_slice(own.certificate.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    client.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    let stream = TcpStream::connect(server.address()).await?;
    TlsConnector::from(Arc::new(client)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

#[test]
fn both_ports_speak_tls_and_agree_on_the_protocol() {
    run(async {
        let authority = Authority::new();
        let tls = config::Section::on(pem_config(&authority.issue()));
        let grpc = start(&grpc_only(GrpcConfig { tls: tls.clone(), ..GrpcConfig::default() })).await;
        let stream = connect(&grpc, &authority, None, "h2").await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let mut client = Http2::over(stream).await;
        assert_eq!(client.export(Signal::Traces, None, &vec![1; 100_000]).await.grpc_status(), "0");
        assert_eq!(grpc.intake.take(), [vec![1; 100_000]]);

        let http = start(&http_only(HttpConfig { tls, ..HttpConfig::default() })).await;
        for protocol in ["h2", "http/1.1"] {
            let stream = connect(&http, &authority, None, protocol).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));
        }
    });
}

#[test]
fn a_client_must_show_a_certificate_of_the_named_authority() {
    run(async {
        let (authority, stranger) = (Authority::new(), Authority::new());
        let files = tempfile::tempdir().unwrap();
        let place = |name: &str, text: &str| {
            let path = files.path().join(name);
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let own = authority.issue();
        let tls = ServerTlsConfig {
            cert_file: place("cert.pem", &own.certificate),
            key_file: place("key.pem", &own.key),
            client_ca_file: place("ca.pem", &authority.pem()),
            min_version: "1.3".to_owned(),
            ..ServerTlsConfig::default()
        };
        let tls = config::Section::on(tls);
        let server = start(&grpc_only(GrpcConfig { tls, ..GrpcConfig::default() })).await;
        let known = connect(&server, &authority, Some(&authority.issue()), "h2").await.unwrap();
        assert_eq!(Http2::over(known).await.export(Signal::Logs, None, b"x").await.grpc_status(), "0");
        // With TLS 1.3 the client learns of the refusal after its own handshake.
        let nobody = connect(&server, &authority, None, "h2").await;
        let other = connect(&server, &authority, Some(&stranger.issue()), "h2").await;
        eventually(|| server.turned_away("tls") == 2).await;
        drop((nobody, other));
        assert_eq!(server.intake.take().len(), 1);
    });
}

#[test]
fn plain_text_on_a_tls_port_is_counted_and_harms_nobody() {
    run(async {
        let authority = Authority::new();
        let tls = config::Section::on(pem_config(&authority.issue()));
        let server = start(&grpc_only(GrpcConfig { tls, ..GrpcConfig::default() })).await;
        let mut plain = TcpStream::connect(server.address()).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut plain, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        eventually(|| server.turned_away("tls") == 1).await;
        assert!(connect(&server, &authority, None, "h2").await.is_ok());
    });
}

#[test]
fn a_file_that_is_missing_or_holds_something_else_stops_the_start_and_is_named() {
    run(async {
        let authority = Authority::new();
        let own = authority.issue();
        let missing = ServerTlsConfig {
            cert_pem: config::Secret::default(),
            cert_file: "/nowhere/cert.pem".to_owned(),
            ..pem_config(&own)
        };
        let no_key = ServerTlsConfig { key_pem: own.certificate.as_str().into(), ..pem_config(&own) };
        let foreign = ServerTlsConfig { key_pem: authority.issue().key.as_str().into(), ..pem_config(&own) };
        for (tls, named) in
            [(missing, "/nowhere/cert.pem"), (no_key, "key_pem"), (foreign, "cert_pem and key_pem")]
        {
            let tls = config::Section::on(tls);
            let server = start(&grpc_only(GrpcConfig { tls, ..GrpcConfig::default() })).await;
            let error = server.running.await.unwrap().unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    });
}

#[test]
fn a_stop_does_not_wait_for_a_handshake() {
    run(async {
        let tls = config::Section::on(pem_config(&Authority::new().issue()));
        let server = start(&grpc_only(GrpcConfig { tls, ..GrpcConfig::default() })).await;
        let silent = TcpStream::connect(server.address()).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        server.stop.cancel();
        let ended = tokio::time::timeout(std::time::Duration::from_secs(5), server.running).await;
        assert_eq!(ended.unwrap().unwrap(), Ok(()));
        drop(silent);
    });
}
