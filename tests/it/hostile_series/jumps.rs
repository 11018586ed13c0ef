use anyhow::Result;

use super::scene::{Keys, Scene};

const HOUR: i128 = 3_600_000_000_000;
const YEAR: i128 = 365 * 24 * HOUR;

/// Lets the shop's clock be wrong by so much for some minutes, and then be right again.
fn check(by: i128, n_minutes: u64) -> Result<()> {
    let mut scene = Scene::learned(Keys::default())?;
    scene.minutes(n_minutes, |_, minute| minute.shift(by))?;
    scene.minutes(90, |_, _| {})?;
    scene.assert_quiet();
    let [late, early] =
        ["late", "early"].map(|it| scene.counted(&format!("otelcol_processor_aggregation_{it}_items")));
    let strays = if by < 0 { late } else { early };
    assert!(strays >= 30 * n_minutes, "{strays} items were dated to another window, and counted");
    Ok(())
}

#[test]
fn a_clock_that_is_ahead_by_an_hour_or_a_year_is_no_anomaly() -> Result<()> {
    for by in [HOUR, YEAR] {
        check(by, 1)?;
        check(by, 30)?;
    }
    Ok(())
}

#[test]
fn a_clock_that_is_behind_by_an_hour_or_a_year_is_no_anomaly() -> Result<()> {
    for by in [-HOUR, -YEAR] {
        check(by, 1)?;
        check(by, 30)?;
    }
    Ok(())
}
