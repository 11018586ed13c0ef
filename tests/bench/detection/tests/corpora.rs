use std::fs;

use super::super::baselines::{band, max_z, random};
use super::super::corpus::{Corpus, Window};
use super::series;

const POINTS: &str =
    "timestamp,value\n2014-04-01 00:00:00,1.5\n2014-04-01 00:05:00,2\n2014-04-01 00:10:00,3\n";

fn nab(windows: &str, points: &str) -> Result<Corpus, String> {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("windows.json"), windows).unwrap();
    fs::write(folder.path().join("data/a.csv"), points).unwrap();
    match Corpus::nab(folder.path()) {
        Ok(corpus) => Ok(corpus.unwrap()),
        Err(problem) => Err(format!("{problem:#}").replace(&folder.path().display().to_string(), "FOLDER")),
    }
}

#[test]
fn points_and_windows_are_read_as_they_stand_in_the_files() {
    let corpus = nab(r#"{"a.csv": [["2014-04-01 00:05:00.000000", "2014-04-01 00:10:00.000000"]]}"#, POINTS);
    let corpus = corpus.unwrap();
    let series = &corpus.series[0];
    assert_eq!(series.seconds, [1_396_310_400, 1_396_310_700, 1_396_311_000]);
    assert_eq!(series.values, [1.5, 2.0, 3.0]);
    assert_eq!(series.windows, [Window { first: 1, last: 2, scale: None }]);
    assert_eq!((corpus.n_points(), corpus.n_scored_windows()), (3, 1));
}

#[test]
fn a_folder_without_labels_is_no_corpus() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Corpus::nab(folder.path()).unwrap().is_none());
}

#[test]
fn what_is_wrong_in_the_data_is_told_with_its_place() {
    let no_window = r#"{"a.csv": []}"#;
    let problem = |windows, points| nab(windows, points).err().unwrap();
    assert_eq!(
        problem(r#"{"a.csv": [["2014-04-01 00:05:00", "2014-04-02 00:00:00"]]}"#, POINTS),
        "windows of a.csv: no point is at 2014-04-02 00:00:00"
    );
    assert_eq!(
        problem(no_window, "time,value\n"),
        "FOLDER/data/a.csv: the heading is \"time,value\", must be timestamp,value"
    );
    assert_eq!(
        problem(no_window, "timestamp,value\n2014-04-01 00:00:00,1\n2014-04-01 00:05:00,x\n"),
        "FOLDER/data/a.csv:3: value is \"x\", must be a number"
    );
}

#[test]
fn a_made_year_has_its_faults_as_windows_with_their_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = Corpus::synthetic(1, folder.path()).unwrap();
    assert_eq!(corpus.series.len(), 2);
    for series in &corpus.series {
        assert!(series.path.is_file());
        assert_eq!(series.windows.len(), 25);
        assert!(
            series.windows.iter().all(|window| window.scale.is_some() && window.last >= window.first + 10)
        );
        assert_eq!(series.points_per_day(), 288);
    }
}

#[test]
fn chance_differs_from_series_to_series_and_not_from_run_to_run() {
    let (one, mut other) = (series(50, &[]), series(50, &[]));
    other.name = "other.csv".to_owned();
    assert_eq!(random(&one), random(&one));
    assert_ne!(random(&one), random(&other));
}

#[test]
fn max_z_is_the_distance_in_deviations_of_all_points_before() {
    let mut series = series(6, &[]);
    series.values = vec![1.0, 3.0, 5.0, 3.0, 3.0, 4.0];
    let scores = max_z(&series);
    // Of 1 and 3: mean 2, deviation 1. Of 1, 3, 5, 3, 3: mean 3, deviation the root of 8/5.
    assert_eq!(scores[..3], [0.0, 0.0, 3.0]);
    assert!((scores[5] - 1.0 / (8.0f64 / 5.0).sqrt()).abs() < 1e-12, "{scores:?}");
    // Where nothing ever moved, the first move is as far as a score goes.
    series.values = vec![7.0, 7.0, 7.0, 7.0, 7.0, 8.0];
    assert_eq!(max_z(&series), [0.0, 0.0, 0.0, 0.0, 0.0, 1e6]);
}

#[test]
fn the_band_is_two_mean_deviations_around_the_mean_of_the_hour() {
    let mut series = series(3, &[]);
    series.values = vec![10.0, 14.0, 18.0];
    // Means 10, 12, 14; deviations 0, 2, the root of 32/3; the band's half is twice their mean so far.
    let deviation = (32.0f64 / 3.0).sqrt();
    let expected = [0.0, 2.0 / 2.0, 4.0 / (2.0 * (2.0 + deviation) / 3.0)];
    for (found, expected) in band(&series).iter().zip(expected) {
        assert!((found - expected).abs() < 1e-12, "{found}, expected {expected}");
    }
    // A point an hour ago is out of the hour's mean: of 13 points 12 are in it.
    series.seconds = (0..13).map(|point| point * 300).collect();
    series.values = vec![100.0; 13];
    series.values[1..].fill(0.0);
    assert_eq!(*band(&series).last().unwrap(), 0.0);
}
