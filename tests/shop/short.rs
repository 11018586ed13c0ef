//! The short form of the measurement, on the build that stands beside this test.

use std::time::Duration;

use anyhow::Result;
use testbed::{Launch, trueline_binary};

/// Preparing takes two minutes the first time, the run five.
const LIMIT: Duration = Duration::from_secs(20 * 60);

#[test]
fn three_faults_of_a_real_shop_page_and_the_services_behind_them_are_named_first() -> Result<()> {
    let launch = Launch::new("shop", env!("CARGO_BIN_EXE_shop"))?.args(["--short"]);
    let mut shop = launch.env("TRUELINE_BIN", trueline_binary()?).start()?;
    let status = shop.wait(LIMIT)?;
    assert!(status.success(), "{status}:\n{}", shop.log());
    Ok(())
}
