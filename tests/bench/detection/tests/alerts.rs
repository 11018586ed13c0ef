use super::super::events::{Alerts, alerts_of, at_budgets, openings};
use super::super::points::{average_precision, f1, f1_of_everything};
use super::{at_least, corpus, only, random_scores, series, two_series};

#[test]
fn points_up_to_ten_apart_are_one_alert() {
    let series = series(300, &[(100, 110)]);
    let alerts = |points: &[usize]| alerts_of(&series, points);
    assert_eq!(alerts(&[]), Alerts::default());
    assert_eq!(alerts(&[50, 60]), Alerts { n_alerts: 1, n_hits: 0, n_found: 0 });
    assert_eq!(alerts(&[50, 61]), Alerts { n_alerts: 2, n_hits: 0, n_found: 0 });
    assert_eq!(alerts(&[50, 105, 120]), Alerts { n_alerts: 3, n_hits: 1, n_found: 1 });
    // It begins before the window and ends behind it.
    assert_eq!(alerts(&[95, 99, 105, 115]), Alerts { n_alerts: 1, n_hits: 1, n_found: 1 });
}

#[test]
fn an_alert_that_lasts_is_given_anew_each_day() {
    let series = series(1000, &[]);
    let points: Vec<_> = (0..1000).collect();
    // A day has 288 points: 0, 288, 576, 864.
    assert_eq!(alerts_of(&series, &points).n_alerts, 4);
}

#[test]
fn a_detector_that_is_never_silent_finds_nothing_within_a_budget() {
    let corpus = corpus(vec![series(6000, &[(3000, 3050)])]);
    let found = at_budgets(&corpus, &[vec![1.0; 6000]], &[0.03, 0.1, 0.3]);
    assert!(found.iter().all(|at| at.recall == 0.0 && at.precision.is_none()), "{found:?}");
}

#[test]
fn the_threshold_falls_until_false_alarms_exceed_the_budget() {
    // Twenty days; 18 days and 7.5 hours of them are scored.
    let corpus = corpus(vec![series(5760, &[(2000, 2010), (3000, 3010), (4000, 4010)])]);
    let mut scores = vec![0.0; 5760];
    for (point, score) in [(2005, 9.0), (2500, 8.0), (3005, 7.0), (3500, 6.0), (3600, 6.0), (4005, 5.0)] {
        scores[point] = score;
    }
    let found = at_budgets(&corpus, &[scores], &[0.03, 0.06, 0.3]);
    // No false alarm: 9. One: 8, 7. Two at once by 6; three false alarms in all are 0.17 a day.
    let told: Vec<_> = found.iter().map(|at| (at.recall, at.precision, at.threshold)).collect();
    let third = 1.0 / 3.0;
    assert_eq!(told, [(third, Some(1.0), 9.0), (2.0 * third, Some(2.0 * third), 7.0), (1.0, Some(0.5), 5.0)]);
}

#[test]
fn budgets_are_met_as_by_trying_every_threshold_from_the_top() {
    let corpus = two_series();
    let days = corpus.scored_days();
    for seed in 0..20 {
        let scores = random_scores(&corpus, seed, 500);
        for (budget, at) in [0.3, 1.0, 3.0].iter().zip(at_budgets(&corpus, &scores, &[0.3, 1.0, 3.0])) {
            let mut lowest = Alerts::default();
            for threshold in (0..500).rev() {
                let alerts = plain_alerts(&corpus, &scores, f64::from(threshold));
                if alerts.n_false() as f64 / days > *budget {
                    break;
                }
                lowest = alerts;
            }
            assert_eq!(at.recall, lowest.n_found as f64 / 3.0, "seed {seed}, budget {budget}");
        }
    }
}

fn plain_alerts(corpus: &super::Corpus, scores: &[Vec<f64>], threshold: f64) -> Alerts {
    let each = corpus.series.iter().zip(scores).map(|(series, scores)| {
        let points = (series.probation..scores.len()).filter(|point| scores[*point] >= threshold);
        alerts_of(series, &points.collect::<Vec<_>>())
    });
    each.fold(Alerts::default(), |one, other| Alerts {
        n_alerts: one.n_alerts + other.n_alerts,
        n_hits: one.n_hits + other.n_hits,
        n_found: one.n_found + other.n_found,
    })
}

#[test]
fn only_the_first_point_of_an_alert_opens_it() {
    let detected = &only(60, &[3, 4, 14, 25, 26, 50])[0];
    let opening: Vec<_> =
        openings(detected).iter().enumerate().filter(|(_, opens)| **opens).map(|(at, _)| at).collect();
    assert_eq!(opening, [3, 25, 50]);
}

#[test]
fn average_precision_is_the_area_of_steps() {
    // Probation of 3; anomalous are 10 and 11. In order of score: hit, miss, hit: (1/1 + 2/3) / 2.
    let corpus = corpus(vec![series(20, &[(10, 11)])]);
    let mut scores = vec![0.0; 20];
    (scores[10], scores[15], scores[11]) = (3.0, 2.0, 1.0);
    let found = average_precision(&corpus, &[scores]);
    assert!((found - 5.0 / 6.0).abs() < 1e-12, "{found}");
}

#[test]
fn tied_scores_gain_nothing_from_their_order() {
    let corpus = corpus(vec![series(100, &[(20, 29)])]);
    // 85 points count, 10 of them anomalous; the anomalous ones stand first.
    let found = average_precision(&corpus, &[vec![0.5; 100]]);
    assert!((found - 10.0 / 85.0).abs() < 1e-12, "{found}");
}

#[test]
fn f1_is_two_hits_over_what_is_detected_and_what_is_anomalous() {
    let corpus = corpus(vec![series(100, &[(20, 29)])]);
    // Three hits, one false alarm and one in the probation, which does not count.
    let found = f1(&corpus, &only(100, &[5, 20, 21, 22, 60]));
    assert!((found - 6.0 / 14.0).abs() < 1e-12, "{found}");
    assert!((f1_of_everything(&corpus) - 20.0 / 95.0).abs() < 1e-12);
    let everything = at_least(&[vec![1.0; 100]], 0.0);
    assert_eq!(f1(&corpus, &everything), f1_of_everything(&corpus));
}
