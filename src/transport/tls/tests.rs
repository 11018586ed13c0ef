use std::{cell::Cell, fs, path::PathBuf, rc::Rc, sync::Arc, time::Duration};

use component::{Checks, Clock, Telemetry, testing::ManualClock};
use model::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    task::LocalSet,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{ClientTls, ServerTls, ServerTlsConfig};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn on_a_shard<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test)
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for `localhost` and its key.
fn issue(authority: &CertifiedIssuer<'static, KeyPair>) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    (params.signed_by(&key, authority).unwrap().pem(), key.serialize_pem())
}

/// A server whose files can be exchanged, on a clock that stands still.
struct Bed {
    folder: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
    clock: ManualClock,
    telemetry: Telemetry,
    tls: Rc<ServerTls>,
    seconds: Cell<u64>,
}

impl Bed {
    fn new(change: impl FnOnce(&mut ServerTlsConfig, &str)) -> Self {
        let (folder, authority) = (tempfile::tempdir().unwrap(), authority());
        let place = |name: &str| folder.path().join(name).display().to_string();
        let mut config = ServerTlsConfig {
            cert_file: place("cert.pem"),
            key_file: place("key.pem"),
            reload_interval: config::Duration::from_secs(10),
            ..ServerTlsConfig::default()
        };
        let ca = place("ca.pem");
        fs::write(&ca, authority.pem()).unwrap();
        let (certificate, key) = issue(&authority);
        fs::write(&config.cert_file, certificate).unwrap();
        fs::write(&config.key_file, key).unwrap();
        change(&mut config, &ca);
        let (clock, telemetry) = (ManualClock::new(NOW), Telemetry::default());
        let tls = ServerTls::new(&config, &[b"h2"], Arc::new(clock.clone()), &telemetry).unwrap();
        Self { folder, authority, clock, telemetry, tls: Rc::new(tls), seconds: Cell::new(0) }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts another certificate of the same authority in place and returns it.
    fn exchange(&self) -> CertificateDer<'static> {
        let (certificate, key) = issue(&self.authority);
        fs::write(self.file("cert.pem"), &certificate).unwrap();
        fs::write(self.file("key.pem"), key).unwrap();
        CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()
    }

    fn pass(&self, seconds: u64) {
        self.seconds.set(self.seconds.get() + seconds);
        self.clock.advance_to(NOW + Duration::from_secs(self.seconds.get()));
    }

    fn count(&self, name: &str) -> u64 {
        self.telemetry.read().into_iter().filter(|row| row.name == name).map(|row| row.value).sum()
    }

    /// Connects, and sends what comes back to who sent it.
    async fn connect(&self, own: Option<(String, String)>) -> std::io::Result<TlsStream<DuplexStream>> {
        let (client, server) = tokio::io::duplex(64 << 10);
        let tls = Rc::clone(&self.tls);
        tokio::task::spawn_local(async move {
            let Ok(mut stream) = tls.accept(server).await else { return };
            let mut word = [0; 4];
            while stream.read_exact(&mut word).await.is_ok() {
                stream.write_all(&word).await.unwrap();
                stream.flush().await.unwrap();
            }
        });
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        TlsConnector::from(Arc::new(config)).connect("localhost".try_into().unwrap(), client).await
    }
}

fn shown(stream: &TlsStream<DuplexStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

async fn echoes(stream: &mut TlsStream<DuplexStream>) -> bool {
    let mut word = [0; 4];
    stream.write_all(b"ping").await.is_ok()
        && stream.flush().await.is_ok()
        && stream.read_exact(&mut word).await.is_ok()
        && &word == b"ping"
}

#[test]
fn an_exchanged_certificate_is_shown_after_the_interval_and_open_connections_go_on() {
    on_a_shard(async {
        let bed = Bed::new(|_, _| ());
        let mut early = bed.connect(None).await.unwrap();
        let (first, second) = (shown(&early), bed.exchange());
        assert_ne!(first, second);
        bed.pass(9);
        assert_eq!(shown(&bed.connect(None).await.unwrap()), first, "before the interval is over");
        bed.pass(1);
        assert_eq!(shown(&bed.connect(None).await.unwrap()), second);
        assert!(echoes(&mut early).await, "the connection of before");
        assert_eq!((bed.count("trueline_tls_reloads"), bed.count("trueline_tls_reload_failures")), (1, 0));
    });
}

#[test]
fn a_file_that_spoils_is_counted_and_the_last_good_one_stays() {
    on_a_shard(async {
        let bed = Bed::new(|_, _| ());
        let first = shown(&bed.connect(None).await.unwrap());
        fs::write(bed.file("cert.pem"), "nonsense").unwrap();
        bed.pass(10);
        assert_eq!(shown(&bed.connect(None).await.unwrap()), first);
        assert_eq!(bed.count("trueline_tls_reload_failures"), 1);
        // A key that is not the certificate's: exchanged halfway.
        let second = bed.exchange();
        let key = fs::read(bed.file("key.pem")).unwrap();
        fs::write(bed.file("key.pem"), issue(&bed.authority).1).unwrap();
        bed.pass(10);
        assert_eq!(shown(&bed.connect(None).await.unwrap()), first);
        assert_eq!(bed.count("trueline_tls_reload_failures"), 2);
        fs::write(bed.file("key.pem"), key).unwrap();
        bed.pass(10);
        assert_eq!(shown(&bed.connect(None).await.unwrap()), second);
        assert_eq!(bed.count("trueline_tls_reloads"), 1);
    });
}

#[test]
fn files_that_hold_the_same_change_nothing() {
    on_a_shard(async {
        let bed = Bed::new(|_, _| ());
        bed.pass(100);
        bed.connect(None).await.unwrap();
        assert_eq!((bed.count("trueline_tls_reloads"), bed.count("trueline_tls_reload_failures")), (0, 0));
    });
}

#[test]
fn without_an_interval_files_are_read_once() {
    on_a_shard(async {
        let bed = Bed::new(|config, _| config.reload_interval = config::Duration::default());
        let first = shown(&bed.connect(None).await.unwrap());
        bed.exchange();
        bed.pass(1_000_000);
        assert_eq!(shown(&bed.connect(None).await.unwrap()), first);
    });
}

#[test]
fn another_authority_of_clients_is_heeded_for_new_connections() {
    on_a_shard(async {
        let bed = Bed::new(|config, ca| {
            config.client_ca_file = ca.to_owned();
            config.reload_interval = config::Duration::default();
            config.client_ca_file_reload = true;
        });
        let stranger = authority();
        let known = issue(&bed.authority);
        let mut early = bed.connect(Some(known.clone())).await.unwrap();
        assert!(echoes(&mut early).await);
        // With TLS 1.3 a client learns of the refusal after its own handshake.
        let mut refused = bed.connect(Some(issue(&stranger))).await.unwrap();
        assert!(!echoes(&mut refused).await);
        fs::write(bed.file("ca.pem"), stranger.pem()).unwrap();
        bed.pass(10);
        let mut taken = bed.connect(Some(issue(&stranger))).await.unwrap();
        assert!(echoes(&mut taken).await);
        let mut refused = bed.connect(Some(known)).await.unwrap();
        assert!(!echoes(&mut refused).await);
        assert!(echoes(&mut early).await, "the connection of before");
    });
}

#[test]
fn a_client_reads_its_files_again_and_the_last_good_ones_outlive_a_bad_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    fs::write(&path, authority().pem()).unwrap();
    let settings = serde_json::json!({"ca_file": path.to_str().unwrap(), "reload_interval": "10s"});
    let (clock, telemetry) = (ManualClock::new(NOW), Telemetry::default());
    let tls = ClientTls::new(
        serde_json::from_value(settings).unwrap(),
        Arc::new(clock.clone()) as Arc<dyn Clock>,
        &telemetry,
    );
    let count = |name: &str| -> u64 {
        telemetry.read().into_iter().filter(|row| row.name == name).map(|row| row.value).sum()
    };
    on_a_shard(async {
        let first = tls.get().await.unwrap();
        fs::write(&path, authority().pem()).unwrap();
        clock.advance_to(NOW + Duration::from_secs(9));
        assert!(Arc::ptr_eq(&first, &tls.get().await.unwrap()));
        clock.advance_to(NOW + Duration::from_secs(10));
        let second = tls.get().await.unwrap();
        assert!(!Arc::ptr_eq(&first, &second));
        clock.advance_to(NOW + Duration::from_secs(20));
        assert!(Arc::ptr_eq(&second, &tls.get().await.unwrap()), "the same text is the same trust");
        fs::write(&path, "nonsense").unwrap();
        clock.advance_to(NOW + Duration::from_secs(30));
        assert!(Arc::ptr_eq(&second, &tls.get().await.unwrap()));
        assert_eq!((count("trueline_tls_reloads"), count("trueline_tls_reload_failures")), (1, 1));
    });
}

#[cfg(unix)]
#[test]
fn a_key_that_everybody_can_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let bed = Bed::new(|_, _| ());
    let mut config = ServerTlsConfig::default();
    (config.cert_file, config.key_file) =
        (bed.file("cert.pem").display().to_string(), bed.file("key.pem").display().to_string());
    for (mode, expected) in [(0o644, 1), (0o640, 0)] {
        fs::set_permissions(bed.file("key.pem"), fs::Permissions::from_mode(mode)).unwrap();
        let mut checks = Checks::default();
        config.validate("tls", &mut checks);
        let findings = checks.into_findings();
        assert_eq!(findings.len(), expected, "{findings:?}");
        assert!(findings.iter().all(|found| found.is_warning && found.path == "tls.key_file"));
    }
}

#[test]
fn insecure_cipher_suites_may_be_declined_and_not_asked_for() {
    let told = |is_asked_for: bool| {
        let mut checks = Checks::default();
        let client = super::ClientTlsConfig {
            include_insecure_cipher_suites: is_asked_for,
            ..super::ClientTlsConfig::default()
        };
        client.validate("tls", &mut checks);
        let server = ServerTlsConfig {
            include_insecure_cipher_suites: is_asked_for,
            cert_file: "/none/cert.pem".to_owned(),
            key_file: "/none/key.pem".to_owned(),
            ..ServerTlsConfig::default()
        };
        server.validate("server", &mut checks);
        let paths = checks.into_findings().into_iter().map(|finding| finding.path);
        // The certificate of the server is not there.
        paths.filter(|path| path != "server.cert_file").collect::<Vec<_>>()
    };
    assert_eq!(told(false), [""; 0]);
    let asked = ["tls.include_insecure_cipher_suites", "server.include_insecure_cipher_suites"];
    assert_eq!(told(true), asked);
}
