use std::{
    io::Read,
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use component::{Checks, Config, ExportError, Exporter, ExporterDef, Stop, testing::ManualClock};
use model::{Export, Signal};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message;
use serde_json::{Value, json};

use super::{OtlpFile, OtlpFileConfig};
use crate::http::testing::{NOW, exporter_cx, on_a_shard};

fn config(settings: Value) -> OtlpFileConfig {
    serde_json::from_value(settings).unwrap()
}

fn rotating(settings: Value, rotation: Value) -> OtlpFileConfig {
    let rotation = config::Section::on(serde_json::from_value(rotation).unwrap());
    OtlpFileConfig { rotation, ..config(settings) }
}

fn exporter(config: &OtlpFileConfig, clock: &ManualClock) -> Rc<dyn Exporter> {
    OtlpFile::build(config, &exporter_cx(clock))
}

/// A request whose one span has the name; `padding` makes it long.
fn request(name: &str, padding: usize) -> Export {
    let span = Span { name: name.into(), trace_state: "p".repeat(padding), ..Span::default() };
    let scope = ScopeSpans { spans: vec![span], ..ScopeSpans::default() };
    let resource = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
    let request = ExportTraceServiceRequest { resource_spans: vec![resource] };
    Export { signal: Signal::Traces, bytes: request.encode_to_vec().into(), items: 1 }
}

/// The names of the spans in JSON lines.
fn names(lines: &str) -> Vec<String> {
    let name = |line: &str| {
        let request: Value = serde_json::from_str(line).unwrap();
        request["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"].as_str().unwrap().to_owned()
    };
    lines.lines().map(name).collect()
}

fn names_in(path: &Path) -> Vec<String> {
    names(&std::fs::read_to_string(path).unwrap())
}

fn backups(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("out-"));
    paths.sort();
    paths
}

#[test]
fn requests_become_lines_when_the_time_to_flush_has_come() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.json");
    on_a_shard(async {
        let clock = ManualClock::new(NOW);
        let exporter = exporter(&config(json!({"path": path})), &clock);
        let stop = Stop::new();
        let running = tokio::task::spawn_local(Rc::clone(&exporter).run(stop.clone()));
        exporter.export(request("a", 0)).await.unwrap();
        exporter.export(request("b", 0)).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"", "opened, so that it can be written");
        for second in 1.. {
            clock.advance_to(NOW + Duration::from_secs(second));
            tokio::task::yield_now().await;
            if !std::fs::read(&path).unwrap().is_empty() {
                break;
            }
        }
        assert_eq!(names_in(&path), ["a", "b"]);
        stop.cancel();
        running.await.unwrap().unwrap();
    });
}

#[test]
fn shutdown_writes_what_waits() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.json");
    on_a_shard(async {
        let exporter = exporter(&config(json!({"path": path})), &ManualClock::new(NOW));
        exporter.export(request("a", 0)).await.unwrap();
        exporter.shutdown().await.unwrap();
        assert_eq!(names_in(&path), ["a"]);
    });
}

#[test]
fn an_interval_of_zero_writes_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new/dir/out.json");
    on_a_shard(async {
        let settings = json!({"path": path, "flush_interval": "0s", "create_directory": true});
        exporter(&config(settings), &ManualClock::new(NOW)).export(request("a", 0)).await.unwrap();
        assert_eq!(names_in(&path), ["a"]);
    });
}

#[test]
fn a_file_starts_anew_unless_it_is_appended_to() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.json");
    on_a_shard(async {
        for (append, name, expected) in
            [(false, "a", vec!["a"]), (true, "b", vec!["a", "b"]), (false, "c", vec!["c"])]
        {
            let exporter = exporter(&config(json!({"path": path, "append": append})), &ManualClock::new(NOW));
            exporter.export(request(name, 0)).await.unwrap();
            exporter.shutdown().await.unwrap();
            assert_eq!(names_in(&path), expected);
        }
    });
}

#[test]
fn a_line_torn_by_a_crash_does_not_swallow_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.json");
    std::fs::write(&path, "{\"resourceSp").unwrap();
    on_a_shard(async {
        let exporter = exporter(&config(json!({"path": path, "append": true})), &ManualClock::new(NOW));
        exporter.export(request("a", 0)).await.unwrap();
        exporter.shutdown().await.unwrap();
    });
    let text = std::fs::read_to_string(&path).unwrap();
    let (torn, rest) = text.split_once('\n').unwrap();
    assert_eq!((torn, names(rest)), ("{\"resourceSp", vec!["a".to_owned()]));
}

#[test]
fn protobuf_messages_are_preceded_by_their_length() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.pb");
    let requests =
        [request("a", 0), request("b", 1000), Export { bytes: Bytes::new().into(), ..request("", 0) }];
    on_a_shard(async {
        let exporter = exporter(&config(json!({"path": path, "format": "proto"})), &ManualClock::new(NOW));
        for request in &requests {
            exporter.export(request.clone()).await.unwrap();
        }
        exporter.shutdown().await.unwrap();
    });
    let bytes = std::fs::read(&path).unwrap();
    let mut rest = &bytes[..];
    for request in &requests {
        let (length, tail) = rest.split_first_chunk().unwrap();
        let (message, tail) = tail.split_at(u32::from_be_bytes(*length) as usize);
        assert_eq!(message, request.bytes.whole());
        rest = tail;
    }
    assert!(rest.is_empty());
}

#[test]
fn a_compressed_file_is_read_by_any_zstd_at_any_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.json.zst");
    let read = || {
        let mut text = String::new();
        zstd::stream::read::Decoder::new(std::fs::File::open(&path).unwrap())
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        names(&text)
    };
    on_a_shard(async {
        let settings = json!({"path": path, "compression": "zstd", "flush_interval": "0s", "append": true});
        for name in ["a", "b"] {
            exporter(&config(settings.clone()), &ManualClock::new(NOW))
                .export(request(name, 5000))
                .await
                .unwrap();
        }
        assert_eq!(read(), ["a", "b"]);
    });
    assert!(std::fs::metadata(&path).unwrap().len() < 1000);
}

#[test]
fn a_full_file_becomes_a_backup_and_the_oldest_go() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.json");
    let bystander = directory.path().join("out-notes.json");
    std::fs::write(&bystander, "mine").unwrap();
    on_a_shard(async {
        let clock = ManualClock::new(NOW);
        let config = rotating(json!({"path": path}), json!({"max_megabytes": 1, "max_backups": 2}));
        let exporter = exporter(&config, &clock);
        for name in ["a", "b", "c", "d", "e", "f", "g"] {
            exporter.export(request(name, 400_000)).await.unwrap();
        }
        exporter.shutdown().await.unwrap();
    });
    assert_eq!(names_in(&path), ["g"]);
    let kept: Vec<PathBuf> =
        backups(directory.path()).into_iter().filter(|path| *path != bystander).collect();
    let file_names: Vec<&str> = kept.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    // The clock stands still, so the later ones move on by a millisecond each.
    assert_eq!(file_names, ["out-2023-11-14T22-13-20.001.json", "out-2023-11-14T22-13-20.002.json"]);
    assert_eq!(names_in(&kept[0]), ["c", "d"]);
    assert_eq!(names_in(&kept[1]), ["e", "f"]);
    assert_eq!(std::fs::read_to_string(bystander).unwrap(), "mine");
}

#[test]
fn backups_go_when_they_are_too_old() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.json");
    for name in ["out-2023-11-11T22-13-20.000.json", "out-2023-11-11T22-13-19.999.json"] {
        std::fs::write(directory.path().join(name), "").unwrap();
    }
    on_a_shard(async {
        let config = rotating(json!({"path": path}), json!({"max_megabytes": 1, "max_days": 3}));
        let exporter = exporter(&config, &ManualClock::new(NOW));
        for name in ["a", "b"] {
            exporter.export(request(name, 800_000)).await.unwrap();
        }
        exporter.shutdown().await.unwrap();
    });
    let left = backups(directory.path());
    let left: Vec<&str> = left.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(left, ["out-2023-11-11T22-13-20.000.json", "out-2023-11-14T22-13-20.000.json"]);
}

#[test]
fn a_rotated_file_of_messages_is_set_aside_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.pb");
    std::fs::write(&path, "torn").unwrap();
    on_a_shard(async {
        let config = rotating(json!({"path": path, "format": "proto"}), json!({}));
        let exporter = exporter(&config, &ManualClock::new(NOW));
        exporter.export(request("a", 0)).await.unwrap();
        exporter.shutdown().await.unwrap();
    });
    assert_eq!(std::fs::read(&backups(directory.path())[0]).unwrap(), b"torn");
    assert_eq!(std::fs::read(&path).unwrap()[4..], request("a", 0).bytes.whole());
}

#[test]
fn a_disk_without_room_is_retryable_and_loses_nothing() {
    on_a_shard(async {
        // Every write to this device fails for want of space.
        let full = exporter(
            &config(json!({"path": "/dev/full", "flush_interval": "0s", "append": true})),
            &ManualClock::new(NOW),
        );
        let error = full.export(request("a", 0)).await.unwrap_err();
        assert!(matches!(error, ExportError::Retryable { after: None, .. }), "{error}");
        assert!(
            error.to_string().starts_with("can not write to /dev/full: No space left on device"),
            "{error}"
        );
    });
}

#[test]
fn what_was_taken_before_a_failure_is_written_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.json");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    on_a_shard(async {
        let exporter = exporter(&config(json!({"path": path, "append": true})), &ManualClock::new(NOW));
        exporter.export(request("a", 0)).await.unwrap();
        let error = exporter.export(request("too long to wait", 300_000)).await.unwrap_err();
        assert!(error.to_string().contains("No space left on device"), "{error}");
        std::fs::remove_file(&path).unwrap();
        exporter.export(request("b", 300_000)).await.unwrap();
        exporter.shutdown().await.unwrap();
        assert_eq!(names_in(&path), ["a", "b"]);
    });
}

#[test]
fn nothing_is_taken_while_the_file_can_not_be_opened() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("later/out.json");
    on_a_shard(async {
        let exporter = exporter(&config(json!({"path": path})), &ManualClock::new(NOW));
        let error = exporter.export(request("a", 0)).await.unwrap_err();
        assert!(matches!(error, ExportError::Retryable { after: None, .. }), "{error}");
        assert!(
            error.to_string().starts_with(&format!("can not open {}: No such file", path.display())),
            "{error}"
        );
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        exporter.export(request("b", 0)).await.unwrap();
        exporter.shutdown().await.unwrap();
        assert_eq!(names_in(&path), ["b"]);
    });
}

#[test]
fn what_can_not_be_written_until_the_end_is_counted_as_dropped() {
    on_a_shard(async {
        let cx = exporter_cx(&ManualClock::new(NOW));
        let full = OtlpFile::build(&config(json!({"path": "/dev/full", "append": true})), &cx);
        full.export(request("a", 0)).await.unwrap();
        full.export(request("b", 0)).await.unwrap();
        full.shutdown().await.unwrap_err();
        let dropped: Vec<_> = cx
            .telemetry
            .read()
            .into_iter()
            .filter(|row| row.name == "otelcol_exporter_dropped_items")
            .collect();
        assert_eq!(dropped.iter().map(|row| row.value).sum::<u64>(), 2, "{dropped:?}");
    });
}

#[test]
fn what_is_not_otlp_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    on_a_shard(async {
        let exporter = exporter(&config(json!({"path": directory.path().join("x")})), &ManualClock::new(NOW));
        let nonsense = Export { bytes: Bytes::from_static(b"\x0a\x7fcut").into(), ..request("", 0) };
        let error = exporter.export(nonsense).await.unwrap_err();
        assert!(matches!(error, ExportError::Permanent(_)), "{error}");
    });
}

#[test]
fn every_problem_of_a_configuration_is_reported() {
    let problems = |config: &OtlpFileConfig| {
        let mut checks = Checks::default();
        config.validate(&mut checks);
        let findings = checks.into_findings().into_iter();
        findings.map(|finding| format!("{}: {}", finding.path, finding.message)).collect::<Vec<_>>()
    };
    assert_eq!(problems(&OtlpFileConfig::default()), ["path: path is missing, set it to the file to write"]);
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let path = missing.join("out.json");
    assert_eq!(
        problems(&config(json!({"path": path}))),
        [format!(
            "path: path is {}, whose folder {} can not be found; make it, or set create_directory: true",
            path.display(),
            missing.display()
        )]
    );
    assert_eq!(problems(&config(json!({"path": path, "create_directory": true}))), [""; 0]);
    let read_only = std::os::unix::fs::PermissionsExt::from_mode(0o555);
    std::fs::set_permissions(directory.path(), read_only).unwrap();
    let path = directory.path().join("out.json");
    assert_eq!(
        problems(&config(json!({"path": path}))),
        [format!(
            "path: path is {}, which is read-only; change its permissions or name another file",
            path.display()
        )]
    );
    let wrong =
        rotating(json!({"path": "/", "sending_queue": {"num_consumers": 0}}), json!({"localtime": true}));
    assert_eq!(
        problems(&wrong),
        [
            "path: path is /, a directory; name a file in it",
            "rotation.localtime: localtime is not supported, the names of backups tell UTC",
            "sending_queue.num_consumers: num_consumers is 0, must be above 0",
        ]
    );
}
