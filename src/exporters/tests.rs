use component::ExporterEntry;
use config::{Problems, Source};

use crate::table;

fn entry(kind: &str) -> ExporterEntry {
    table().into_iter().find(|entry| entry.answers_to(kind)).expect("the exporter is in the table")
}

/// Reads a section as the program does and returns its problems.
fn problems(kind: &str, section: &str) -> Vec<String> {
    let node = config::parse(&Source::new("test.yaml", section)).unwrap();
    let mut problems = Problems::default();
    let read = (entry(kind).parse)(&node, "exporters", &mut problems);
    let found: Vec<String> =
        problems.iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect();
    assert_eq!(read.is_some(), problems.error_count() == 0, "{found:?}");
    found
}

#[test]
fn sections_written_for_the_collector_are_read() {
    for (kind, section) in [
        ("otlp", "{endpoint: 'jaeger:4317', tls: {insecure: true}}"),
        (
            "otlp_grpc",
            "
endpoint: ${HOST}:4317
compression: zstd
balancer_name: pick_first
wait_for_ready: true
keepalive:
headers:
  x-scope-orgid: team
  authorization: Bearer abc
timeout: 10s
retry_on_failure: {enabled: true, initial_interval: 1s, max_interval: 10s, max_elapsed_time: 0}
sending_queue:
  num_consumers: 4
  sizer: bytes
  queue_size: 1000000
  batch: {flush_timeout: 200ms, min_size: 1000}
"
            .trim_start()
            .replace("${HOST}", "tempo")
            .leak(),
        ),
        ("otlphttp", "{endpoint: 'https://otlp.example.com', compression: none, encoding: json}"),
        (
            "otlp_http",
            "{traces_endpoint: 'http://a/b', compression: gzip, compression_params: {level: 6}, tls: {insecure: true}}",
        ),
        (
            "file",
            "{path: ./file, format: proto, compression: zstd, rotation: {max_megabytes: 10, max_days: 3, max_backups: 3}}",
        ),
        ("otlp_file", "{path: ./file, rotation: }"),
        (
            "debug",
            "{verbosity: detailed, sampling_initial: 5, sampling_thereafter: 200, use_internal_logger: false}",
        ),
        ("debug", "{}"),
        ("nop", "{}"),
    ] {
        assert_eq!(problems(kind, section), [""; 0], "{kind} {section}");
    }
}

#[test]
fn mistakes_of_every_kind_come_at_once() {
    let found = problems(
        "otlp",
        "{endpoint: jaeger, compresion: gzip, tls: {insecure: 'yes', min_version: '1.0'}, timeout: 5, sending_queue: {queue_size: 0}}",
    );
    expect_test::expect![[r#"
        exporters: unknown key `compresion`
        exporters::tls::insecure: expected true or false, found the string "yes"
        exporters::tls::min_version: unknown value `1.0`
        exporters::timeout: `5` has no unit
        exporters::endpoint: endpoint is "jaeger", must end in a port: host:4317
        exporters::sending_queue::queue_size: queue_size is 0, must be above 0
    "#]]
    .assert_eq(&(found.join("\n") + "\n"));
}

#[test]
fn every_name_belongs_to_one_exporter() {
    let mut names: Vec<&str> =
        table().iter().flat_map(|entry| entry.aliases.iter().copied().chain([entry.kind])).collect();
    names.sort_unstable();
    let before = names.len();
    names.dedup();
    assert_eq!(names.len(), before, "{names:?}");
}
