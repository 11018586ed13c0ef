//! Tables that are bounded, and what finds no room in them.

use model::{Deployment, Statistic};

use super::{
    super::{
        prior::Priors,
        state::{SEASON_ON, SeriesState},
    },
    *,
};

#[test]
fn deployments_beyond_those_that_are_remembered_are_counted() {
    let mut harness = Harness::new::<Baseline>(&BaselineConfig::default(), 1, BEGIN);
    let mut rollups = window(0, MINUTE);
    let at = rollups.start;
    let deployment = |number: u64| Deployment {
        service: format!("s{number}").into(),
        what: "service.version".into(),
        version: "2".into(),
        at,
    };
    rollups.deployments = (0..1003).map(deployment).collect();
    harness.judge(rollups);
    assert_eq!(metric(&harness, "left_out"), 0, "they are counted with the window");
    harness.judge(window(MINUTE, MINUTE));
    assert_eq!(metric(&harness, "left_out"), 3);
    harness.judge(window(2 * MINUTE, MINUTE));
    assert_eq!(metric(&harness, "left_out"), 3);
}

#[test]
fn series_that_new_ones_take_over_from_are_bounded_and_those_beyond_are_counted() {
    let mut state = SeriesState::new(Statistic::Rate);
    state.set(SEASON_ON, true);
    let of_service = |number: u64| Series {
        service: format!("s{number}").into(),
        ..(*series(number, Statistic::Rate)).clone()
    };
    let mut priors = Priors::default();
    for number in 0..10_002 {
        priors.offer(&of_service(number), &state);
    }
    priors.settle();
    assert_eq!((priors.known.len(), priors.n_left_out), (10_000, 2));
    // The next day others are offered, in place of as many.
    for number in 20_000..20_005 {
        priors.offer(&of_service(number), &state);
    }
    priors.settle();
    assert_eq!((priors.known.len(), priors.n_left_out), (10_000, 7));
}
