use component::ReceiverDef;
use config::{Problems, Source};

use super::super::{Otlp, config::OtlpConfig};

/// Reads a section as the engine does and returns the addresses, or every problem.
fn check(yaml: &str) -> Result<(OtlpConfig, Vec<String>), Vec<String>> {
    let node = config::parse(&Source::new("test.yaml", yaml)).unwrap();
    let mut problems = Problems::default();
    let entry = crate::table().into_iter().find(|entry| entry.answers_to("otlp")).unwrap();
    let parsed = (entry.parse)(&node, "receivers.otlp", &mut problems);
    let told: Vec<_> = problems
        .iter()
        .map(|problem| format!("{}: {}", problem.path.replace("::", "."), problem.message))
        .collect();
    let is_wrong = problems.has_errors();
    assert_eq!(parsed.is_none(), is_wrong);
    if is_wrong {
        return Err(told);
    }
    let config: OtlpConfig = config::decode(&node, "receivers.otlp", &mut Problems::default()).unwrap();
    Ok((config, told))
}

fn listens(yaml: &str) -> Vec<(&'static str, String)> {
    let (config, _) = check(yaml).unwrap();
    Otlp::listens(&config).into_iter().map(|listen| (listen.name, listen.address)).collect()
}

#[test]
fn a_protocol_with_nothing_after_it_listens_on_the_loopback() {
    let expected = [("grpc", "127.0.0.1:4317".to_owned()), ("http", "127.0.0.1:4318".to_owned())];
    assert_eq!(listens("protocols:\n  grpc:\n  http:\n"), expected);
    assert_eq!(listens("protocols:\n  grpc:\n"), expected[..1]);
    let elsewhere = "protocols:\n  http:\n    endpoint: '[::1]:9000'\n  grpc:\n    endpoint: ':4444'\n";
    assert_eq!(listens(elsewhere), [("grpc", "0.0.0.0:4444".to_owned()), ("http", "[::1]:9000".to_owned())]);
}

#[test]
fn every_key_of_the_collector_is_read() {
    let files = tempfile::tempdir().unwrap();
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (files.path().join("cert.pem"), files.path().join("key.pem"));
    std::fs::write(&certificate, own.cert.pem()).unwrap();
    std::fs::write(&key, own.signing_key.serialize_pem()).unwrap();
    let (certificate, key) = (certificate.display(), key.display());
    let yaml = format!("
protocols:
  grpc:
    endpoint: localhost:4317
    transport: tcp
    tls:
      cert_file: {certificate}
      key_file: {key}
      client_ca_file: {certificate}
      ca_pem: ''
      min_version: '1.2'
      max_version: ''
      cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]
      curve_preferences: [X25519]
      reload_interval: 0s
    max_recv_msg_size_mib: 8
    max_concurrent_streams: 20
    read_buffer_size: 524288
    write_buffer_size: 32768
    include_metadata: false
    keepalive:
      server_parameters: {{max_connection_idle: 11s, max_connection_age: 12s, max_connection_age_grace: 13s, time: 30s, timeout: 5s}}
      enforcement_policy: {{min_time: 10s, permit_without_stream: true}}
  http:
    endpoint: localhost:4318
    cors: {{allowed_origins: [http://*.example], allowed_headers: [X-A], exposed_headers: [X-B], max_age: 7200}}
    max_request_body_size: 1048576
    include_metadata: false
    response_headers: {{x-a: b}}
    compression_algorithms: ['', gzip, zstd, zlib, snappy, deflate, lz4]
    read_timeout: 1s
    read_header_timeout: 2s
    write_timeout: 3s
    idle_timeout: 4s
    keep_alives_enabled: true
    traces_url_path: /a
    metrics_url_path: /b
    logs_url_path: /c
");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(files.path().join("key.pem"), std::fs::Permissions::from_mode(0o600))
            .unwrap();
    }
    let (config, told) = check(&yaml).unwrap();
    assert_eq!(told, [""; 0]);
    let (grpc, http) = (config.protocols.grpc.get().unwrap(), config.protocols.http.get().unwrap());
    assert_eq!((grpc.max_message(), grpc.max_streams(), http.max_body()), (8 << 20, 20, 1 << 20));
    assert_eq!(grpc.server_parameters().max_connection_age.get().as_secs(), 12);
}

#[test]
fn the_default_limits_are_those_that_otlp_recommends() {
    let (config, _) = check("protocols: {grpc: {max_recv_msg_size_mib: 0}, http: {}}").unwrap();
    assert_eq!(config.protocols.grpc.get().unwrap().max_message(), 64 << 20);
    assert_eq!(config.protocols.http.get().unwrap().max_body(), 64 << 20);
}

#[test]
fn every_problem_is_told_at_once_with_its_key() {
    let no_protocol =
        "receivers.otlp.protocols: must specify at least one protocol when using the OTLP receiver";
    assert_eq!(check("protocols: {}").unwrap_err(), [no_protocol]);
    let yaml = "
protocols:
  grpc:
    endpoint: http://localhost:4317
    auth:
    max_recv_msg_size_mib: 9999
    tls: {cert_file: a, min_version: '1.0'}
  http:
    endpoint: localhost
    middlewares: [{id: limiter}]
    compression_algorithms: [br]
    metrics_url_path: v1/traces
    cors: {allowed_origins: ['http://*.*']}
";
    let told = check(yaml).unwrap_err().join("\n");
    for expected in [
        "protocols.grpc.endpoint: endpoint is \"http://localhost:4317\", must be host:port without scheme",
        "protocols.grpc.auth.authenticator: authenticator is missing, name an extension",
        "protocols.grpc.max_recv_msg_size_mib: max_recv_msg_size_mib is 9999, must not exceed 2048",
        "protocols.grpc.tls: tls of a server needs a key, set key_file or key_pem",
        "protocols.grpc.tls.min_version: min_version is \"1.0\", must be \"1.2\" or \"1.3\"",
        "protocols.http.endpoint: endpoint is \"localhost\", must be host:port",
        "protocols.http: key `middlewares` of the collector is not supported: there are no middleware extensions",
        "protocols.http.compression_algorithms.0: compression algorithm \"br\" is not known",
        "protocols.http.metrics_url_path: metrics_url_path is \"v1/traces\", the same as traces_url_path",
        "protocols.http.cors.allowed_origins.0: origin \"http://*.*\" has more than one",
    ] {
        assert!(told.contains(expected), "{expected}\nis not in\n{told}");
    }
    assert_eq!(told.lines().count(), 10, "{told}");
}

#[test]
fn certificates_are_read_before_the_start_and_what_is_wrong_is_told_at_its_key() {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let pem = |text: String| text.replace('\n', "\\n");
    let (certificate, key) = (pem(own.cert.pem()), pem(own.signing_key.serialize_pem()));
    let tls = |keys: &str| check(&format!("protocols: {{grpc: {{tls: {{{keys}}}}}}}"));
    for (keys, expected) in [
        (
            format!("cert_file: /nowhere/cert.pem, key_pem: \"{key}\""),
            "protocols.grpc.tls.cert_file: /nowhere/cert.pem can not be read: No such file",
        ),
        (
            format!("cert_pem: \"{certificate}\", key_pem: \"{certificate}\""),
            "protocols.grpc.tls.key_pem: key_pem: no key can be read",
        ),
        (
            format!("cert_pem: \"{certificate}\", key_pem: \"{key}\", client_ca_file: /nowhere/ca.pem"),
            "protocols.grpc.tls.client_ca_file: /nowhere/ca.pem can not be read: No such file",
        ),
        (
            format!(
                "cert_pem: \"{certificate}\", key_pem: \"{key}\", cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]"
            ),
            "protocols.grpc.tls.cipher_suites.0: \"TLS_RSA_WITH_RC4_128_SHA\" in cipher_suites is not offered",
        ),
    ] {
        let told = tls(&keys).unwrap_err();
        assert!(told.len() == 1 && told[0].contains(expected), "{told:?}");
    }
    assert_eq!(tls(&format!("cert_pem: \"{certificate}\", key_pem: \"{key}\"")).unwrap().1, [""; 0]);
}

#[test]
fn both_protocols_on_one_address_is_an_error() {
    let told =
        check("protocols: {grpc: {endpoint: 'localhost:1'}, http: {endpoint: '127.0.0.1:1'}}").unwrap_err();
    assert!(told[0].contains("which protocols.grpc listens on already"), "{told:?}");
}
