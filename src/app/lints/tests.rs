//! Each warning: where it is told, and where not.

use config::{ConfigUri, MapEnvironment};

use super::*;

/// Returns the warnings of a configuration as `name: path`.
fn warned(yaml: &str) -> Vec<String> {
    let uri = ConfigUri::Yaml(yaml.to_owned());
    let environment = MapEnvironment::default().with_variable("TOKEN", "abc");
    let loaded = engine::load(&[uri], &environment, &crate::registry::registry());
    let mut problems = loaded.problems;
    assert!(!problems.has_errors(), "{}", config::render(&problems.sorted()));
    check(&loaded.collector, loaded.tree.as_ref(), &mut problems);
    let named = problems.iter().filter_map(|problem| Some(format!("{}: {}", problem.lint?, problem.path)));
    named.collect()
}

/// Puts parts into a configuration of one pipeline of traces.
fn of(parts: &str, processors: &str, exporters: &str) -> Vec<String> {
    warned(&format!(
        "receivers: {{otlp: {{protocols: {{grpc: }}}}}}\n{parts}\nservice: {{pipelines: {{traces: \
         {{receivers: [otlp], processors: [{processors}], exporters: [{exporters}]}}}}}}"
    ))
}

fn of_exporter(settings: &str) -> Vec<String> {
    of(&format!("exporters: {{otlp_http: {settings}}}"), "", "otlp_http")
}

#[test]
fn what_is_used_by_nobody_is_told() {
    let unused = "processors: {batch: , batch/2: }\nexporters: {nop: , debug: }\nextensions: {health_check: }\n\
                  connectors: {span_metrics: }";
    assert_eq!(
        of(unused, "batch", "nop"),
        [
            "unused_component: processors::batch/2",
            "unused_component: connectors::span_metrics",
            "unused_component: exporters::debug",
            "extension_not_enabled: extensions::health_check",
        ]
    );
}

#[test]
fn debug_is_told_beside_others_and_not_when_somebody_tries_out() {
    let exporters = "exporters: {nop: , debug: , otlp_http: {endpoint: http://localhost:4318}}";
    assert_eq!(of(exporters, "", "debug, otlp_http, nop"), ["debug_exporter: service::pipelines::traces"]);
    assert_eq!(of("exporters: {nop: , debug: }", "", "debug, nop"), Vec::<String>::new());
}

#[test]
fn a_limiter_stands_first_and_a_batch_last() {
    let parts =
        "processors: {batch: , memory_limiter: {check_interval: 1s, limit_mib: 100}}\nexporters: {nop: }";
    assert_eq!(of(parts, "memory_limiter, batch", "nop"), Vec::<String>::new());
    assert_eq!(
        of(parts, "batch, memory_limiter", "nop"),
        [
            "memory_limiter_not_first: service::pipelines::traces",
            "batch_not_last: service::pipelines::traces"
        ]
    );
}

#[test]
fn a_limit_on_memory_below_what_may_wait_is_told() {
    let told = |mib: u32, waiting: &str, queue: &str| {
        let parts = format!(
            "processors:\n  memory_limiter: {{check_interval: 1s, limit_mib: {mib}}}\n  tail_sampling: {{{waiting}policies: [{{name: \
             all, type: always_sample}}]}}\nexporters: {{otlp_http: {{endpoint: http://localhost:4318, sending_queue: {queue}}}}}"
        );
        of(&parts, "memory_limiter, tail_sampling", "otlp_http")
    };
    let warning = ["memory_limit_below_bounds: processors::memory_limiter::limit_mib"];
    assert_eq!(told(639, "", ""), warning);
    assert_eq!(told(640, "", ""), [""; 0]);
    assert_eq!(told(100, "max_bytes: 64MiB, ", "{max_bytes: 32MiB}"), [""; 0]);
    assert_eq!(told(95, "max_bytes: 64MiB, ", "{max_bytes: 32MiB}"), warning);
    assert_eq!(told(64, "max_bytes: 64MiB, ", "{enabled: false}").len(), 1, "that of the queue that is off");
}

#[test]
fn a_queue_that_is_full_before_a_batch_is_told() {
    let told = |batch: &str, queue: &str| {
        let parts = format!(
            "processors: {{batch: {batch}}}\nexporters: {{otlp_http: {{endpoint: http://localhost:4318, sending_queue: {queue}}}}}"
        );
        of(&parts, "batch", "otlp_http")
    };
    let warning = ["queue_below_batch: exporters::otlp_http::sending_queue::queue_size"];
    assert_eq!(told("", "{sizer: items, queue_size: 5000}"), warning);
    assert_eq!(told("{send_batch_size: 5000}", "{sizer: items, queue_size: 5000}"), [""; 0]);
    assert_eq!(told("", "{sizer: requests, queue_size: 10}"), [""; 0]);
    assert_eq!(told("", "{sizer: items, queue_size: 5000, batch: {min_size: 100}}"), [""; 0]);
}

#[test]
fn retries_and_queues_that_are_off_are_told() {
    let endpoint = "endpoint: http://localhost:4318";
    assert_eq!(
        of_exporter(&format!("{{{endpoint}, retry_on_failure: {{enabled: false}}}}")),
        ["no_retry: exporters::otlp_http::retry_on_failure"]
    );
    assert_eq!(
        of_exporter(&format!(
            "{{{endpoint}, retry_on_failure: {{enabled: false}}, sending_queue: {{enabled: false}}}}"
        )),
        ["no_retry: exporters::otlp_http::sending_queue"],
        "the sender hears of it"
    );
    let waits = "retry_on_failure: {enabled: false}, sending_queue: {wait_for_result: true}";
    assert_eq!(of_exporter(&format!("{{{endpoint}, {waits}}}")), [""; 0]);
}

#[test]
fn an_open_door_is_told_unless_it_has_tls() {
    let told = |grpc: &str| {
        warned(&format!(
            "receivers: {{otlp: {{protocols: {{grpc: {grpc}}}}}}}\nexporters: {{nop: }}\n\
             service: {{pipelines: {{traces: {{receivers: [otlp], exporters: [nop]}}}}}}"
        ))
    };
    let warning = ["public_endpoint: receivers::otlp::protocols::grpc::endpoint"];
    for open in ["0.0.0.0:4317", "'[::]:4317'", "':4317'", "8.8.8.8:4317"] {
        assert_eq!(told(&format!("{{endpoint: {open}}}")), warning, "{open}");
    }
    for near in ["localhost:4317", "10.0.0.7:4317", "127.0.0.1:0"] {
        assert_eq!(told(&format!("{{endpoint: '{near}'}}")), [""; 0], "{near}");
    }
}

#[test]
fn plain_text_over_the_internet_is_told() {
    let warning = ["plain_text: exporters::otlp_http::endpoint"];
    assert_eq!(of_exporter("{endpoint: http://api.example.com}"), warning);
    for good in [
        "https://api.example.com",
        "http://localhost:4318",
        "http://tempo.monitoring.svc:4318",
        "http://tempo:4318",
    ] {
        assert_eq!(of_exporter(&format!("{{endpoint: '{good}'}}")), [""; 0], "{good}");
    }
    let grpc = |settings: &str| of(&format!("exporters: {{otlp_grpc: {settings}}}"), "", "otlp_grpc");
    assert_eq!(
        grpc("{endpoint: 'api.example.com:4317', tls: {insecure: true}}"),
        ["plain_text: exporters::otlp_grpc::endpoint"]
    );
    assert_eq!(grpc("{endpoint: 'api.example.com:4317'}"), [""; 0]);
}

#[test]
fn a_secret_in_the_file_is_told_and_one_from_outside_is_not() {
    let headers = |value: &str| {
        of_exporter(&format!(
            "{{endpoint: 'https://api.example.com', headers: {{Authorization: {value}, x-team: shop}}}}"
        ))
    };
    assert_eq!(headers("Bearer abc"), ["credential_in_clear: exporters::otlp_http::headers::Authorization"]);
    assert_eq!(headers("'Bearer ${env:TOKEN}'"), [""; 0]);
    assert_eq!(headers("'${TOKEN}'"), [""; 0]);
    assert_eq!(headers("''"), [""; 0]);
    let hook = |url: &str| {
        let exporter = format!(
            "exporters: {{alert_webhook: {{destinations: [{{name: a, format: cloudevents, url: '{url}'}}]}}}}"
        );
        let yaml = format!(
            "receivers: {{otlp: {{protocols: {{grpc: }}}}}}\n{exporter}\nservice: {{pipelines: {{logs: {{receivers: [otlp], exporters: [alert_webhook]}}}}}}"
        );
        warned(&yaml)
    };
    let warning = ["credential_in_clear: exporters::alert_webhook::destinations::0::url"];
    assert_eq!(
        hook("https://hooks.example.com/services/T00000000/B00000000/a1b2c3d4e5f6g7h8i9j0k1l2"),
        warning
    );
    assert_eq!(hook("https://hooks.example.com/shop"), [""; 0]);
}

#[test]
fn every_name_stands_on_the_page() {
    let page = include_str!("README.md");
    for name in NAMES {
        assert!(page.contains(&format!("| `{name}` |")), "{name}");
    }
}

#[test]
fn warnings_stand_beside_errors_unless_an_error_touches_them() {
    let yaml = "
receivers: {otlp: {protocols: {grpc: {endpoint: '0.0.0.0:4317'}}}}
exporters:
  otlp_http: {endpoint: 'http://backend:4318', sending_queue: {queue_siez: 1}}
  otlp_http/2: {endpoint: 'http://backend:4318', headers: {Authorization: Bearer abcdefghij}}
service:
  extensions: [no_such]
  pipelines: {traces: {receivers: [otlp], exporters: [otlp_http, otlp_http/2]}}
";
    let uri = ConfigUri::Yaml(yaml.to_owned());
    let loaded = engine::load(&[uri], &MapEnvironment::default(), &crate::registry::registry());
    let mut problems = loaded.problems;
    assert!(problems.has_errors());
    check(&loaded.collector, loaded.tree.as_ref(), &mut problems);
    let told: Vec<_> =
        problems.iter().filter_map(|problem| Some((problem.lint?, problem.path.as_str()))).collect();
    let has = |name: &str, part: &str| told.iter().any(|(lint, path)| *lint == name && path.contains(part));
    assert!(has("public_endpoint", "receivers::otlp"), "{told:?}");
    assert!(has("credential_in_clear", "otlp_http/2"), "{told:?}");
    assert!(!told.iter().any(|(_, path)| path.starts_with("exporters::otlp_http::")), "{told:?}");
}

#[test]
fn a_secret_among_the_parameters_of_a_url_is_told_wherever_it_stands() {
    let told = |url: &str| of_exporter(&format!("{{endpoint: '{url}'}}"));
    assert_eq!(
        told("https://backend/v1?tenant=a&token=abc"),
        ["credential_in_clear: exporters::otlp_http::endpoint"]
    );
    assert_eq!(told("https://backend/v1?tenant=a&token=${env:TOKEN}"), Vec::<String>::new());
    assert_eq!(told("https://backend/v1?tenant=a"), Vec::<String>::new());
}
