use std::fs;
use std::io::Cursor;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::super::subject::{Points, detect, read};
use super::{Corpus, corpus, series};
use crate::table::{Report, Table, markdown, replaced, text};

fn two_files() -> Corpus {
    let (mut one, mut other) = (series(2, &[]), series(1, &[]));
    (one.name, one.path, one.values) = ("x/one.csv".into(), "/data/x/one.csv".into(), vec![1.0, 2.5]);
    (other.name, other.path, other.values) = ("y/two.csv".into(), "/data/y/two.csv".into(), vec![7.0]);
    corpus(vec![one, other])
}

fn line(series: &str, value: f64, score: &str, anomalous: bool) -> String {
    format!(
        r#"{{"series":"{series}","timestamp":"2014-04-01T00:00:00Z","value":{value},"expected":1.0,"lower":0.5,"upper":1.5,"score":{score},"anomalous":{anomalous}}}"#
    ) + "\n"
}

fn read_lines(lines: &str) -> Result<Points, String> {
    read(Cursor::new(lines), &two_files()).map_err(|problem| format!("{problem:#}"))
}

#[test]
fn lines_of_mixed_series_find_their_points() {
    for (one, two) in [("/data/x/one.csv", "/data/y/two.csv"), ("x/one.csv", "y/two.csv"), ("one", "two.csv")]
    {
        let lines =
            line(one, 1.0, "null", false) + &line(two, 7.0, "0.5", false) + &line(one, 2.5, "4", true);
        let (scores, anomalous) = read_lines(&lines).unwrap();
        assert_eq!(scores, [vec![0.0, 4.0], vec![0.5]]);
        assert_eq!(anomalous, [vec![false, true], vec![false]]);
    }
}

#[test]
fn a_line_about_another_point_or_series_is_refused() {
    let problem = read_lines(&line("one", 2.5, "1", false)).unwrap_err();
    assert!(problem.starts_with("line 1 is not about point 0 of x/one.csv: {"), "{problem}");
    let twice = line("two", 7.0, "1", false) + &line("two", 7.0, "1", false);
    let problem = read_lines(&twice).unwrap_err();
    assert!(problem.starts_with("line 2 is not about point 1 of y/two.csv"), "{problem}");
    let problem = read_lines(&line("three", 7.0, "1", false)).unwrap_err();
    assert_eq!(problem, "line 1 names three, no such file");
    let problem = read_lines("error: no\n").unwrap_err();
    assert!(problem.starts_with("line 1 is error: no: "), "{problem}");
}

/// Writes a program that is called as ours is; it scores each point by its own value.
fn program(folder: &Path, last_line: &str) -> std::path::PathBuf {
    let path = folder.join("program");
    let body = r#"#!/bin/sh
[ "$1" = detect ] && [ "$4 $5 $6 $7" = "--config some.yaml --format jsonl" ] || exit 9
for file in "$2" "$3"; do
  tail -n +2 "$file" | while IFS=, read -r timestamp value; do
    echo "{\"series\":\"$file\",\"timestamp\":\"$timestamp\",\"value\":$value,\"score\":$value,\"anomalous\":true}"
  done
done
"#;
    fs::write(&path, format!("{body}{last_line}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_program_is_run_over_all_files_and_its_failure_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut corpus = two_files();
    for series in &mut corpus.series {
        series.path = folder.path().join(series.path.file_name().unwrap());
        let lines: String =
            series.values.iter().map(|value| format!("2014-04-01 00:00:00,{value}\n")).collect();
        fs::write(&series.path, format!("timestamp,value\n{lines}")).unwrap();
    }
    let said = detect(&program(folder.path(), "exit 0"), Path::new("some.yaml"), &corpus).unwrap();
    assert_eq!(said.scores, [vec![1.0, 2.5], vec![7.0]]);
    assert!(said.anomalous.iter().flatten().all(|anomalous| *anomalous));
    let failed = detect(&program(folder.path(), "exit 3"), Path::new("some.yaml"), &corpus);
    assert_eq!(failed.err().unwrap().to_string(), "trueline detect ended with exit status: 3");
}

fn report() -> Report {
    let cells = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect();
    Report {
        title: "Data.".to_owned(),
        tables: vec![Table {
            caption: "Figures.".to_owned(),
            heading: cells(&["row", "score"]),
            lines: vec![cells(&["trueline", "1"]), cells(&["µ", "–"])],
        }],
    }
}

#[test]
fn a_table_has_aligned_columns_as_text_and_bars_as_markdown() {
    assert_eq!(text(&report()), "Data.\n\nFigures.\nrow       score\ntrueline  1\nµ         –\n");
    assert_eq!(
        markdown(&report()),
        "Data.\n\nFigures.\n\n| row | score |\n|---|---:|\n| trueline | 1 |\n| µ | – |\n"
    );
}

#[test]
fn only_what_stands_between_the_markers_is_replaced() {
    let page = "a\n<!-- detection:begin -->\nold\n<!-- detection:end -->\nz\n";
    let new = replaced(page, "detection", "new\n").unwrap();
    assert_eq!(new, "a\n<!-- detection:begin -->\nnew\n<!-- detection:end -->\nz\n");
    assert_eq!(replaced(&new, "detection", "new\n").unwrap(), new);
    for wrong in ["", "<!-- detection:begin -->", "<!-- detection:end --> <!-- detection:begin -->"] {
        assert!(replaced(wrong, "detection", "new").is_err(), "{wrong:?} was changed");
    }
}
