//! How long the machine is up.

use super::{Fault, Host, Known, Scraper, Shape, Sheet, known};

pub(super) const KNOWN: &[Known] =
    &[known("system.uptime", "Time since the machine was started.", "s", Shape::Gauge)];

pub(super) struct System;

impl Scraper for System {
    fn scrape(&mut self, host: &Host, sheet: &mut Sheet) -> Result<(), Fault> {
        let text = host.text("/proc/uptime")?;
        let seconds = text.split(' ').next().and_then(|text| text.parse::<f64>().ok());
        let seconds = seconds.ok_or_else(|| format!("/proc/uptime is not understood: {text:?}"))?;
        sheet.double("system.uptime", &[], seconds);
        Ok(())
    }
}
