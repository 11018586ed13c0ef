//! Real files, a recorder in the engine's place, a clock that moves when told.

use std::{
    cell::RefCell,
    fs,
    io::Write,
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use component::{
    Inlet, Intake, Receipt, ReceiverCx, ReceiverDef, Refusal, Stop, Telemetry, testing::ManualClock,
};
use model::{Signal, SignalSet, Timestamp};
use tokio::task::{JoinHandle, LocalSet};

use super::{
    config::{Compression, OtlpFileConfig, StartAt},
    glob::{Pattern, find},
    pace::Schedule,
    receiver::OtlpFile,
    track::{Request, Track},
};
use crate::testing::{Recorder, busy};

const START: Timestamp = Timestamp(1_000_000_000_000);

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn pattern(&self, pattern: &str) -> String {
        self.0.path().join(pattern).to_str().unwrap().to_owned()
    }
}

fn traces(name: &str, end: u64) -> String {
    let span = format!(r#"{{"name":"{name}","endTimeUnixNano":"{end}"}}"#);
    format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{span}]}}]}}]}}"#)
}

fn wire(signal: Signal, line: &str) -> Bytes {
    Bytes::from(wire::json::json_to_wire(signal, line.as_bytes()).unwrap())
}

struct Playing {
    intake: Rc<Recorder>,
    clock: ManualClock,
    telemetry: Telemetry,
    stop: Stop,
    running: JoinHandle<Result<(), String>>,
}

impl Playing {
    fn start(config: OtlpFileConfig) -> Self {
        let (intake, telemetry, stop) = (Rc::new(Recorder::default()), Telemetry::default(), Stop::new());
        let clock = ManualClock::new(START);
        let cx = ReceiverCx {
            id: "otlp_file".to_owned(),
            inlet: Inlet(Rc::clone(&intake) as Rc<dyn Intake>),
            sockets: RefCell::default(),
            signals: SignalSet::ALL,
            clock: Arc::new(clock.clone()),
            authenticators: component::Authenticators::default(),
            telemetry: telemetry.clone(),
        };
        let receiver = OtlpFile::build(&config, &cx);
        let until = stop.clone();
        let running =
            tokio::task::spawn_local(async move { receiver.run(until).await.map_err(|e| e.to_string()) });
        Self { intake, clock, telemetry, stop, running }
    }

    fn pushed(&self) -> Vec<Bytes> {
        self.intake.pushed.borrow().iter().map(|(_, bytes, _)| bytes.clone()).collect()
    }

    async fn until_pushed(&self, count: usize) {
        for _ in 0..2000 {
            if self.intake.pushed.borrow().len() >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("{} of {count} lines were pushed", self.intake.pushed.borrow().len());
    }

    /// Waits long enough for anything wrong to happen.
    async fn rest(&self) {
        for _ in 0..30 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn counted(&self, reason: &str) -> u64 {
        let label = ("reason".to_owned(), reason.to_owned());
        self.telemetry.read().into_iter().filter(|row| row.labels.contains(&label)).map(|row| row.value).sum()
    }

    async fn end(self) -> Result<(), String> {
        self.stop.cancel();
        self.running.await.unwrap()
    }
}

fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test)
}

fn config(include: impl Into<String>) -> OtlpFileConfig {
    OtlpFileConfig { include: vec![include.into()], ..OtlpFileConfig::default() }
}

#[test]
fn every_line_of_every_signal_is_pushed_in_order() {
    run(async {
        let folder = Folder::new();
        let lines = [
            (Signal::Traces, traces("a", 5)),
            (
                Signal::Metrics,
                r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m"}]}]}]}"#.to_owned(),
            ),
            (
                Signal::Logs,
                r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityText":"x"}]}]}]}"#.to_owned(),
            ),
        ];
        let text = format!("{}\n\n{}\r\n{}", lines[0].1, lines[1].1, lines[2].1);
        let playing = Playing::start(config(folder.write("a.jsonl", text)));
        playing.until_pushed(3).await;
        let expected = lines.map(|(signal, line)| (signal, wire(signal, &line), "file"));
        assert_eq!(*playing.intake.pushed.borrow(), expected);
        assert_eq!(playing.end().await, Ok(()));
    });
}

#[test]
fn compressed_files_are_read_by_name_or_by_word() {
    run(async {
        let folder = Folder::new();
        let text = format!("{}\n{}\n", traces("a", 1), traces("b", 2));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        let gzip = gzip.finish().unwrap();
        folder.write("1.jsonl.gz", &gzip);
        folder.write("2.jsonl.zst", zstd::encode_all(text.as_bytes(), 1).unwrap());
        let playing = Playing::start(config(folder.pattern("*.jsonl.*")));
        playing.until_pushed(4).await;
        let once = [wire(Signal::Traces, &traces("a", 1)), wire(Signal::Traces, &traces("b", 2))];
        assert_eq!(playing.pushed(), [once.clone(), once.clone()].concat());

        let plain_name = config(folder.write("unnamed", gzip));
        let playing = Playing::start(OtlpFileConfig { compression: Compression::Gzip, ..plain_name });
        playing.until_pushed(2).await;
        assert_eq!(playing.pushed(), once);
    });
}

#[test]
fn a_bad_line_is_counted_and_the_rest_goes_on() {
    run(async {
        let folder = Folder::new();
        let long = traces(&"x".repeat(5_000), 1);
        let both = r#"{"resourceSpans":[],"resourceLogs":[]}"#;
        let text = format!("nonsense\n{}\n{{}}\n{long}\n{both}\n{}", traces("a", 1), traces("b", 2));
        let file = config(folder.write("a.jsonl", text));
        let playing = Playing::start(OtlpFileConfig { max_line_size: config::ByteSize(4_000), ..file });
        playing.until_pushed(2).await;
        assert_eq!(
            playing.pushed(),
            [wire(Signal::Traces, &traces("a", 1)), wire(Signal::Traces, &traces("b", 2))]
        );
        assert_eq!(playing.counted("malformed"), 4);
    });
}

#[test]
fn a_file_that_is_cut_brings_what_it_has_and_others_go_on() {
    run(async {
        let folder = Folder::new();
        let text: String =
            (0..2000).map(|i| traces(&format!("span {i} {}", i * 7919 % 1000), i) + "\n").collect();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        let gzip = gzip.finish().unwrap();
        folder.write("1.jsonl.gz", &gzip[..gzip.len() / 2]);
        let last = traces("last", 1);
        folder.write("2.jsonl.gz", &last);
        folder.write("3.jsonl", &last);
        let playing = Playing::start(config(folder.pattern("*")));
        playing.until_pushed(500).await;
        playing.rest().await;
        assert_eq!(playing.pushed().last(), Some(&wire(Signal::Traces, &last)));
        assert_eq!(playing.counted("malformed"), 2, "one for each broken file");
    });
}

#[test]
fn a_busy_engine_is_asked_again_and_a_refusal_for_good_is_not() {
    run(async {
        let folder = Folder::new();
        let text = format!("{}\n{}\n{}\n", traces("a", 1), traces("b", 2), traces("c", 3));
        let file = folder.write("a.jsonl", text);
        let playing = Playing::start(config(file));
        playing.intake.answer_next(Err(busy()));
        playing.intake.answer_next(Err(busy()));
        playing.intake.answer_next(Ok(Receipt::default()));
        playing.intake.answer_next(Err(Refusal::Permanent("no".to_owned())));
        playing.rest().await;
        assert!(playing.pushed().is_empty(), "the clock has not moved");
        playing.clock.advance_to(Timestamp(START.0 + 1_500_000_000));
        playing.rest().await;
        assert!(playing.pushed().is_empty());
        playing.clock.advance_to(Timestamp(START.0 + 3_000_000_000));
        playing.until_pushed(2).await;
        assert_eq!(
            playing.pushed(),
            [wire(Signal::Traces, &traces("a", 1)), wire(Signal::Traces, &traces("c", 3))]
        );
        assert_eq!(playing.counted("refused"), 1);
        assert_eq!(playing.intake.held(), 0);
    });
}

#[test]
fn lines_of_several_files_are_merged_by_time_and_kept_at_their_pace() {
    run(async {
        let folder = Folder::new();
        let second = 1_000_000_000;
        let line = |name, at: u64| traces(name, 70_000 * second + at * second);
        folder.write("1.jsonl", format!("{}\n{}\n", line("a", 0), line("c", 20)));
        folder.write("2.jsonl", format!("{}\n{}\n", line("b", 10), line("d", 40)));
        let playing = Playing::start(OtlpFileConfig { speed: 10.0, ..config(folder.pattern("*.jsonl")) });
        let mut expected = Vec::new();
        for (name, at) in [("a", 0), ("b", 10), ("c", 20), ("d", 40)] {
            let due = START.0 + at * second / 10;
            if at > 0 {
                playing.clock.advance_to(Timestamp(due - 1));
                playing.rest().await;
                assert_eq!(playing.pushed(), expected, "{name} is not due yet");
            }
            playing.clock.advance_to(Timestamp(due));
            expected.push(wire(Signal::Traces, &line(name, at)));
            playing.until_pushed(expected.len()).await;
            assert_eq!(playing.pushed(), expected);
        }
    });
}

#[test]
fn a_stop_ends_the_receiver_in_the_middle_of_a_wait() {
    run(async {
        let folder = Folder::new();
        let file = folder.write("a.jsonl", format!("{}\n{}\n", traces("a", 1), traces("b", u64::MAX)));
        let playing = Playing::start(OtlpFileConfig { speed: 1.0, ..config(file) });
        playing.until_pushed(1).await;
        assert_eq!(playing.end().await, Ok(()));
    });
}

#[test]
fn no_file_is_an_error_that_names_the_pattern() {
    run(async {
        let playing = Playing::start(config("/nowhere/at/all.jsonl"));
        let error = playing.running.await.unwrap().unwrap_err();
        assert_eq!(error, "include matches no file: /nowhere/at/all.jsonl");
    });
}

/// Reads a file until its end. Returns what is in it, and what is damaged.
fn read(content: &[u8], longest: usize) -> (Vec<Request>, Vec<String>) {
    let content = std::io::Cursor::new(content.to_vec());
    let mut track = Track::of(content, Path::new("file"), longest).unwrap();
    let (mut requests, mut damaged) = (Vec::new(), Vec::new());
    loop {
        while track.must_read(&mut |damage| damaged.push(format!("{}: {}", damage.place, damage.problem))) {
            track.read_on();
        }
        let Some(request) = track.take() else { return (requests, damaged) };
        requests.push(request);
    }
}

fn only_request(content: &[u8]) -> Request {
    let (mut requests, damaged) = read(content, 1_000_000);
    assert_eq!((requests.len(), damaged), (1, Vec::new()));
    requests.remove(0)
}

#[test]
fn protobuf_is_read_as_the_exporter_writes_it_and_what_is_damaged_is_told() {
    let message = |content: &[u8]| [&(content.len() as u32).to_be_bytes()[..], content].concat();
    let spans = wire(Signal::Traces, &traces("a", 5));
    let file =
        [&message(&spans)[..], &message(b""), &message(b"nonsense"), &message(&[7; 200]), &message(&spans)];
    let (requests, damaged) = read(&file.concat(), 100);
    let found: Vec<_> = requests.iter().map(|it| (it.number, it.signal, it.at, &it.bytes)).collect();
    let at = Timestamp(5);
    assert_eq!(found, [(1, Signal::Traces, at, &spans), (5, Signal::Traces, at, &spans)]);
    let expected =
        ["file:3: no spans, metrics or log records are in it", "file:4: it is longer than 100 bytes"];
    assert_eq!(damaged, expected);
    let whole = message(&spans);
    for torn in [2, whole.len() - 1] {
        let (requests, damaged) = read(&[&whole[..], &whole[..torn]].concat(), 100);
        assert_eq!(requests.len(), 1);
        assert_eq!(damaged, ["file: the rest can not be read: the file ends within a message"]);
    }
    assert_eq!(read(&[0, 0xff, 0xff, 0xff, 1], 100).1.len(), 1, "a length that is not there");
}

#[test]
fn the_time_of_a_line_is_the_latest_in_it() {
    let metrics = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[
        {"gauge":{"dataPoints":[{"timeUnixNano":"5","startTimeUnixNano":"99"}]}},
        {"exponentialHistogram":{"dataPoints":[{"timeUnixNano":7}]}},
        {"summary":{"dataPoints":[{"timeUnixNano":"6"}]}}]}]}]}"#;
    let logs = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[
        {"timeUnixNano":"0","observedTimeUnixNano":"8"},{"timeUnixNano":"3","observedTimeUnixNano":"9"}]}]}]}"#;
    let spans = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":"90","endTimeUnixNano":"12"}]}]}]}"#;
    for (line, of, at) in
        [(metrics, Signal::Metrics, 7), (logs, Signal::Logs, 8), (spans, Signal::Traces, 12)]
    {
        let request = only_request(line.replace('\n', "").as_bytes());
        assert_eq!((request.signal, request.at), (of, Timestamp(at)));
        let message = [&(request.bytes.len() as u32).to_be_bytes()[..], &request.bytes].concat();
        assert_eq!(only_request(&message), request, "as protobuf");
    }
    assert_eq!(only_request(br#"{"resourceLogs":[]}"#).at, Timestamp(0));
}

#[test]
fn a_line_older_than_the_first_or_without_a_time_does_not_wait() {
    let mut schedule = Schedule::new(0.5);
    assert_eq!(schedule.due(Timestamp(0), START), START);
    assert_eq!(schedule.due(Timestamp(100), START), START);
    let later = Timestamp(START.0 + 3);
    assert_eq!(schedule.due(Timestamp(90), later), START);
    assert_eq!(schedule.due(Timestamp(110), later), Timestamp(START.0 + 20), "half the pace");
    assert_eq!(schedule.due(Timestamp(u64::MAX), later).0, u64::MAX, "far beyond, not around");
}

#[test]
fn patterns_find_files_once_and_in_order() {
    let folder = Folder::new();
    for name in ["b.jsonl", "a.jsonl", "deep/er/c.jsonl", "deep/d.json", "x.txt"] {
        folder.write(name, "");
    }
    let found = |include: &[&str], exclude: &[&str]| -> Vec<PathBuf> {
        let patterns = |texts: &[&str]| -> Vec<_> {
            texts.iter().map(|text| Pattern::new(&folder.pattern(text)).unwrap()).collect()
        };
        let paths = find(&patterns(include), &patterns(exclude)).unwrap();
        paths.iter().map(|path| path.strip_prefix(folder.0.path()).unwrap().to_owned()).collect()
    };
    let paths = |names: &[&str]| -> Vec<PathBuf> { names.iter().map(PathBuf::from).collect() };
    assert_eq!(found(&["*.jsonl", "a.*"], &[]), paths(&["a.jsonl", "b.jsonl"]));
    assert_eq!(found(&["**/*.jsonl"], &["b*"]), paths(&["a.jsonl", "deep/er/c.jsonl"]));
    assert_eq!(found(&["deep/**/?.json*"], &[]), paths(&["deep/d.json", "deep/er/c.jsonl"]));
    assert_eq!(found(&["**/*"], &["**/deep/**"]), paths(&["a.jsonl", "b.jsonl", "x.txt"]));
    assert!(Pattern::new("a/**b").is_err() && Pattern::new("/").is_err());
    assert!(Pattern::new("*a*b*").unwrap().matches(Path::new("xxaxxbxx")));
    assert!(!Pattern::new("*a*b").unwrap().matches(Path::new("xxaxxbxx")));
}

#[test]
fn every_wrong_setting_is_told() {
    let wrong = OtlpFileConfig {
        include: vec!["a/**b".to_owned()],
        speed: -1.0,
        max_line_size: config::ByteSize(0),
        start_at: StartAt::End,
        ..OtlpFileConfig::default()
    };
    let paths = |config: &OtlpFileConfig| -> Vec<String> {
        let mut checks = component::Checks::default();
        component::Config::validate(config, &mut checks);
        checks.into_findings().into_iter().map(|finding| finding.path).collect()
    };
    assert_eq!(paths(&wrong), ["include.0", "speed", "max_line_size", "start_at"]);
    assert_eq!(paths(&OtlpFileConfig::default()), ["include"]);
    assert_eq!(paths(&config("/data/*.jsonl")), [""; 0]);
}
