use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Parser;
use expect_test::expect;
use model::{Export, Signal, Timestamp};
use wire::{
    build::{Attributes, LogRecord, LogsWriter},
    view::AnyValue,
};

use super::{
    Console, Event, Files, Player, args::Format, events, output, source::Recorded, state::StateDirectory,
};
use crate::load::{self, LoadArgs};

const START: u64 = 1_767_225_600;

#[derive(Parser)]
struct Load {
    #[command(flatten)]
    load: LoadArgs,
}

/// Records a load into a file.
fn record(file: &Path, options: &str) {
    let text = format!("load --start {START} --output {} {options}", file.display());
    let args = Load::try_parse_from(text.split_whitespace()).unwrap().load;
    assert_eq!(format!("{:?}", load::run(args)), format!("{:?}", std::process::ExitCode::SUCCESS));
}

fn read(files: &[PathBuf]) -> (Vec<Recorded>, u64) {
    let console = Console::new(Files::length(files).unwrap());
    let requests = Files::open(files, &console).unwrap().map(Result::unwrap).collect();
    (requests, console.n_damaged())
}

/// A line of a log record at a second.
fn line(at: u64) -> String {
    let record = format!(r#"{{"timeUnixNano":"{at}000000000","body":{{"stringValue":"{at}"}}}}"#);
    format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{record}]}}]}}]}}"#)
}

fn plan(yaml: &str) -> engine::Plan {
    let loaded = crate::commands::validate::check(&[config::ConfigUri::Yaml(yaml.to_owned())]);
    loaded.plan.unwrap_or_else(|| panic!("{}", config::render(&loaded.problems.sorted())))
}

fn judging(extra: &str, extensions: &str) -> engine::Plan {
    plan(&format!(
        "
receivers: {{otlp: {{protocols: {{grpc: }}}}}}
processors:
  aggregation: {{windows: [10s], allowed_lateness: 5s}}
  baseline: {{window: 10s}}
  anomaly: {{window: 10s}}
exporters: {{nop: }}
{extra}
service:
  extensions: [{extensions}]
  pipelines:
    telemetry: {{receivers: [otlp], processors: [aggregation, baseline, anomaly], exporters: [nop]}}
"
    ))
}

fn played(player: &mut Player, files: &[PathBuf]) -> Vec<Event> {
    let mut found = Vec::new();
    for recorded in read(files).0 {
        player.take(&recorded, &mut found).unwrap();
    }
    found.extend(player.end());
    found
}

#[test]
fn plain_and_compressed_recordings_hold_the_same_requests() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = Vec::new();
    for name in ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"] {
        let file = folder.path().join(name);
        record(&file, "--rate 200 --duration 5s");
        let (requests, n_damaged) = read(&[file]);
        assert_eq!(n_damaged, 0);
        all.push(requests.into_iter().map(|it| (it.at, it.signal, it.bytes)).collect::<Vec<_>>());
    }
    assert!(all[0].len() > 10);
    assert!(all[0] == all[1] && all[0] == all[2]);
}

#[test]
fn files_are_merged_by_time_and_a_line_without_one_comes_with_the_line_before() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("1.jsonl"), folder.path().join("2.jsonl"));
    fs::write(&first, [line(1), line(4), line(6)].join("\n")).unwrap();
    fs::write(&second, [line(2), line(0), line(5)].join("\n")).unwrap();
    let (requests, n_damaged) = read(&[first, second]);
    let order: Vec<_> = requests
        .iter()
        .map(|it| (it.at.as_nanos() / 1_000_000_000, it.place.rsplit('/').next().unwrap()))
        .collect();
    let expected = [(1, "1.jsonl:1"), (2, "2.jsonl:1"), (2, "2.jsonl:2"), (4, "1.jsonl:2"), (5, "2.jsonl:3")];
    assert_eq!(order[..5], expected);
    assert_eq!((order.len(), n_damaged), (6, 0));
}

#[test]
fn what_is_damaged_is_counted_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.jsonl");
    let far = line(4_000_000_000);
    let lines = [&line(0), "{\"resourceLogs\":[", &line(7), &far, "{}", &line(8)];
    fs::write(&file, lines.join("\n")).unwrap();
    let (requests, n_damaged) = read(std::slice::from_ref(&file));
    assert_eq!(requests.len(), 2, "seconds 7 and 8");
    assert_eq!(n_damaged, 4, "no time yet, half a line, a wrong clock, no signal");
    fs::write(folder.path().join("b.jsonl.gz"), "no gzip").unwrap();
    let (requests, n_damaged) = read(&[folder.path().join("b.jsonl.gz")]);
    assert_eq!((requests.len(), n_damaged), (0, 1));
}

#[test]
fn a_fault_is_found_when_it_comes_and_nothing_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.jsonl.zst");
    record(&file, "--rate 150 --duration 14m --fault cart:latency@12m+90s=30");
    let mut player = Player::new(judging("", ""));
    let found = played(&mut player, &[file]);
    let fault = Timestamp::from_secs(START + 12 * 60);
    let early: Vec<_> = found.iter().filter(|event| event.at < fault).map(|event| &event.body).collect();
    assert_eq!(early, Vec::<&String>::new());
    let of_service = found.iter().find(|event| event.service == "cart").expect("the fault is told");
    assert_eq!(of_service.name, "trueline.anomaly");
    assert!(of_service.at.since(fault).as_secs() < 90, "{of_service:?}");
    assert!(of_service.own("score").unwrap().is_f64());
    let (begin, end) = player.played().unwrap();
    assert!(end.since(begin).as_secs() > 13 * 60);
}

#[test]
fn state_is_stored_once_and_never_over_other_state() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.jsonl");
    record(&file, "--rate 100 --duration 1m");
    let directory = folder.path().join("state");
    let plan =
        || judging(&format!("extensions: {{file_storage: {{directory: {directory:?}}}}}"), "file_storage");
    let refused = |plan: &engine::Plan| StateDirectory::open(plan).err().unwrap().to_string();
    assert_eq!(refused(&judging("", "")), StateDirectory::NOWHERE);
    assert_eq!(StateDirectory::stored(&plan()).unwrap(), None);
    let state = StateDirectory::open(&plan()).unwrap();
    assert!(refused(&plan()).contains("is in use by another process"));
    let mut player = Player::new(plan());
    played(&mut player, &[file]);
    state.save(player.snapshots(), Timestamp::from_secs(START)).unwrap();
    assert!(directory.join("pipeline%2ftelemetry%2fbaseline.snapshot").exists());
    assert!(StateDirectory::stored(&plan()).unwrap().is_some());
    assert!(refused(&plan()).contains("would be replaced"));
}

fn event() -> Event {
    let mut resource = Attributes::new();
    resource.push_str("service.name", "cart");
    let mut attributes = Attributes::new();
    attributes.push_str("trueline.anomaly.id", "1f");
    attributes.push_int("trueline.anomaly.start", 7);
    attributes.push("trueline.anomaly.score", AnyValue::Double(4.5));
    attributes.push("unknown", AnyValue::Double(f64::NAN));
    attributes.push("sure", AnyValue::Bool(true));
    let mut writer = LogsWriter::new();
    writer.resource(&resource);
    writer.scope("anomaly", "");
    for event_name in ["trueline.anomaly", "exception"] {
        writer.record(&LogRecord {
            time: START * 1_000_000_000,
            observed_time: 0,
            severity_number: 13,
            severity_text: "WARN",
            body: AnyValue::Str(b"p95 of cart\x1b[2J is 9"),
            attributes: &attributes,
            flags: 0,
            trace_id: Some([0xab; 16]),
            span_id: None,
            event_name,
        });
    }
    let bytes = writer.take().into();
    let mut found = events::of(&[Export { signal: Signal::Logs, bytes, items: 2 }]);
    assert_eq!(found.len(), 1, "records of applications are no events of ours");
    found.remove(0)
}

fn written(format: Format) -> String {
    let mut out = Vec::new();
    output::write(&event(), format, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn text_is_a_sentence_that_moves_no_cursor() {
    expect![[r#"
        2026-01-01T00:00:00Z  WARN   p95 of cart�[2J is 9
    "#]]
    .assert_eq(&written(Format::Text));
}

#[test]
fn json_has_every_attribute_in_its_type() {
    expect![[r#"
        {"time":"2026-01-01T00:00:00Z","name":"trueline.anomaly","service":"cart","severity":"WARN","body":"p95 of cart\u001b[2J is 9","trace_id":"abababababababababababababababab","attributes":{"sure":true,"trueline.anomaly.id":"1f","trueline.anomaly.score":4.5,"trueline.anomaly.start":7,"unknown":"NaN"}}
    "#]].assert_eq(&written(Format::Jsonl));
}

#[test]
fn spans_of_time_are_told_in_two_units() {
    let short = |seconds: f64| output::short_span(std::time::Duration::from_secs_f64(seconds));
    assert_eq!([2.34, 75.0, 3_700.0, 90_000.0].map(short), ["2.3s", "1m 15s", "1h 1m", "1d 1h"]);
}
