use anyhow::Result;

use super::scene::{Keys, Scene};

#[test]
fn a_restart_of_the_sender_is_no_anomaly() -> Result<()> {
    let mut scene = Scene::learned(Keys::default())?;
    for _ in 0..3 {
        scene.shop.restart();
        let since = scene.offline.now().as_nanos() + 1;
        scene.minutes(20, |_, minute| {
            (minute.orders.0, minute.payments.0, minute.sizes.0) = (since, since, since);
        })?;
    }
    scene.assert_quiet();
    Ok(())
}

#[test]
fn counters_that_fall_without_a_new_start_are_no_anomaly() -> Result<()> {
    let mut scene = Scene::learned(Keys::default())?;
    for _ in 0..3 {
        scene.minute(|minute| {
            minute.orders.1 *= 0.999;
            minute.payments.1[0] -= 1000;
            minute.sizes.1[0] -= 1000;
        })?;
        scene.minutes(10, |_, _| {})?;
    }
    scene.assert_quiet();
    Ok(())
}

#[test]
fn starts_that_change_while_the_value_goes_on_are_no_anomaly() -> Result<()> {
    let mut scene = Scene::learned(Keys::default())?;
    scene.minutes(20, |at, minute| {
        let start = minute.orders.0 + at % 2;
        (minute.orders.0, minute.payments.0, minute.sizes.0) = (start, start, start);
    })?;
    scene.assert_quiet();
    Ok(())
}
