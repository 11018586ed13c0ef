//! Recorded load: what is in the file, and what the truth says of it.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;

use super::super::run::run;
use super::{SECOND, START, args};

const DAY: u64 = 86_400;

/// Runs `load` into a file of this name and returns its lines.
fn recorded(folder: &Path, name: &str, options: &str) -> Vec<u8> {
    let file = folder.join(name);
    let options = format!("--start {} --output {} {options}", START / SECOND, file.display());
    assert_eq!(format!("{:?}", run(args(&options))), format!("{:?}", ExitCode::SUCCESS));
    let bytes = std::fs::read(&file).unwrap();
    let mut lines = Vec::new();
    match file.extension().unwrap().to_str().unwrap() {
        "gz" => flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut lines).unwrap(),
        "zst" => zstd::stream::read::Decoder::new(&bytes[..]).unwrap().read_to_end(&mut lines).unwrap(),
        _ => return bytes,
    };
    lines
}

/// Reads lines as the receiver of files does: one signal each, and sound requests.
fn n_items(lines: &[u8]) -> [u64; 3] {
    let mut items = [0; 3];
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let head: Value = serde_json::from_slice(line).unwrap();
        let keys = ["resourceSpans", "resourceMetrics", "resourceLogs"];
        let index = keys.iter().position(|key| head.get(key).is_some()).unwrap();
        let signal = model::Signal::ALL[index];
        let request = wire::json::json_to_wire(signal, line).unwrap();
        items[index] += wire::check(signal, &request).unwrap();
    }
    items
}

#[test]
fn a_file_holds_all_three_signals_and_the_same_bytes_for_the_same_seed_however_compressed() {
    let folder = tempfile::tempdir().unwrap();
    let plain = recorded(folder.path(), "a.jsonl", "--rate 200 --duration 30s --seed 3");
    let [spans, points, records] = n_items(&plain);
    assert!((5_500..6_500).contains(&spans), "{spans}");
    assert!(points > 0 && records > 0);
    for name in ["again.jsonl", "b.jsonl.gz", "c.jsonl.zst"] {
        assert!(recorded(folder.path(), name, "--rate 200 --duration 30s --seed 3") == plain, "{name}");
    }
    assert!(recorded(folder.path(), "d.jsonl", "--rate 200 --duration 30s --seed 4") != plain);
    let packed = std::fs::metadata(folder.path().join("c.jsonl.zst")).unwrap().len();
    assert!(packed * 5 < plain.len() as u64, "{packed} of {}", plain.len());
}

#[test]
fn a_whole_day_is_recorded_from_its_start_to_its_end_in_the_order_of_time() {
    let folder = tempfile::tempdir().unwrap();
    let lines = recorded(folder.path(), "day.jsonl", "--rate 0.5 --duration 24h --signals traces");
    let ends: Vec<u64> = lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| latest_end(&serde_json::from_slice(line).unwrap()))
        .collect();
    let seconds = |nanos: u64| (nanos - START) / SECOND;
    assert!(seconds(ends[0]) < 60, "{}", seconds(ends[0]));
    let last = seconds(*ends.last().unwrap());
    assert!((DAY - 600..DAY + 10).contains(&last), "{last}");
    assert!(ends.is_sorted(), "customers of this rate do not overlap");
    let [spans, ..] = n_items(&lines);
    assert!((40_000..46_000).contains(&spans), "{spans}");
}

fn latest_end(line: &Value) -> u64 {
    let spans = line["resourceSpans"].as_array().unwrap().iter();
    let scopes = spans.flat_map(|resource| resource["scopeSpans"].as_array().unwrap());
    let spans = scopes.flat_map(|scope| scope["spans"].as_array().unwrap());
    spans.map(|span| span["endTimeUnixNano"].as_str().unwrap().parse().unwrap()).max().unwrap()
}

#[test]
fn spans_end_a_recording_without_cutting_a_trace() {
    let folder = tempfile::tempdir().unwrap();
    let lines = recorded(folder.path(), "few.jsonl", "--rate 100 --spans 1000 --signals traces");
    let [spans, ..] = n_items(&lines);
    assert!((1_000..1_100).contains(&spans), "{spans}");
}

#[test]
fn every_kind_of_fault_is_stated_with_service_kind_start_and_end() {
    let folder = tempfile::tempdir().unwrap();
    let truth = folder.path().join("truth.jsonl");
    let script = [
        ("payment", "latency", 10, 5),
        ("cart", "errors", 12, 5),
        ("currency", "dead", 14, 5),
        ("inventory", "slow-query", 16, 5),
        ("ad", "surge", 27, 5),
    ];
    let faults: String = script
        .iter()
        .map(|(service, kind, start, duration)| format!(" --fault {service}:{kind}@{start}s+{duration}s"))
        .collect();
    let options = format!("--rate 50 --duration 30s --truth {}{faults}", truth.display());
    recorded(folder.path(), "faults.jsonl", &options);
    let stated = std::fs::read_to_string(truth).unwrap();
    let stated: Vec<Value> = stated.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(stated.len(), script.len());
    for (line, (service, kind, start, duration)) in stated.iter().zip(script) {
        assert_eq!((line["service"].as_str(), line["kind"].as_str()), (Some(service), Some(kind)));
        let seconds = |key: &str| (line[key].as_u64().unwrap() - START) as f64 / SECOND as f64;
        assert_eq!(seconds("start_unix_nano"), f64::from(start));
        // The last one is cut by the end of the recording.
        assert_eq!(seconds("end_unix_nano"), f64::from((start + duration).min(30)));
    }
}

#[test]
fn a_fault_that_a_bound_in_spans_leaves_out_is_not_stated() {
    let folder = tempfile::tempdir().unwrap();
    let truth = folder.path().join("truth.jsonl");
    let options = format!("--rate 100 --spans 500 --fault cart:dead@1h+1m --truth {}", truth.display());
    recorded(folder.path(), "short.jsonl", &options);
    assert_eq!(std::fs::read_to_string(truth).unwrap(), "");
}

#[test]
fn options_that_can_not_be_meant_are_refused_with_what_to_do() {
    for (options, reason) in [
        ("--output a.jsonl", "add --duration or --spans"),
        ("--output a.jsonl --duration 1s --rate 0", "give one above 0"),
        ("--duration 1m --fault cart:dead@2m+1s", "make --duration longer"),
    ] {
        let problem = args(options).check().unwrap_err();
        assert!(problem.contains(reason), "{problem}");
    }
}

#[test]
fn a_file_that_can_not_be_written_is_an_error() {
    let options = "--output /nonexistent/folder/a.jsonl --spans 10";
    let failure = format!("{:?}", ExitCode::from(crate::exit::RUNTIME));
    assert_eq!(format!("{:?}", run(args(options))), failure);
}
