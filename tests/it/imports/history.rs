//! Counters of the past: a shop whose traffic has a day and a night, and hours in which it fails.

use std::fmt::Write as _;

use wire::{
    build::{Attributes, MetricHead, MetricsWriter, NumberPoint},
    view::{Number, Temporality},
};

/// Status codes of requests.
pub(super) const CODES: [&str; 5] = ["200", "404", "429", "500", "503"];

/// A scrape: when, and what the counters say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scrape {
    /// *Units*: seconds since the epoch.
    pub(super) at: u64,
    pub(super) counts: [u64; CODES.len()],
}

/// Scrapes from a time on to another, so many seconds apart.
pub(super) fn scrapes(from: u64, to: u64, interval: u64) -> Vec<Scrape> {
    let mut counts = [1000, 100, 10, 5, 3];
    let mut made = Vec::new();
    for at in (from..=to).step_by(interval as usize) {
        made.push(Scrape { at, counts });
        let (hour, day) = (at / 3600 % 24, at / 86_400);
        let is_night = !(6..22).contains(&hour);
        let traffic = if is_night { interval / 20 } else { interval * (3 + hour % 5) };
        // An hour of every fourth day fails for a twentieth of the requests, and now and then one does.
        let failed = if day.is_multiple_of(4) && hour == 14 { traffic / 20 } else { 0 };
        let seldom = u64::from((at / interval).is_multiple_of(37));
        for (count, more) in counts.iter_mut().zip([traffic, traffic / 50, failed / 4, failed, seldom]) {
            *count += more;
        }
    }
    made
}

/// As a Prometheus would have stored them.
pub(super) fn openmetrics(scrapes: &[Scrape]) -> String {
    let mut text = String::from("# TYPE http_requests counter\n");
    for (index, code) in CODES.iter().enumerate() {
        for Scrape { at, counts } in scrapes {
            writeln!(text, "http_requests_total{{job=\"shop\",code=\"{code}\"}} {} {at}", counts[index])
                .expect("a text takes all");
        }
    }
    text + "# EOF\n"
}

/// As an SDK would have sent one.
pub(super) fn otlp(scrape: &Scrape) -> Vec<u8> {
    let mut writer = MetricsWriter::new();
    let mut resource = Attributes::new();
    resource.push_str("service.name", "shop");
    writer.resource(&resource);
    writer.scope("test", "");
    let head = MetricHead { name: "http.requests", description: "", unit: "{request}" };
    let mut sum = writer.sum(&head, Temporality::Cumulative, true);
    for (code, value) in CODES.iter().zip(scrape.counts) {
        let mut attributes = Attributes::new();
        attributes.push_str("code", code);
        sum.point(&NumberPoint {
            attributes: &attributes,
            start: 1,
            time: scrape.at * 1_000_000_000,
            value: Some(Number::Int(value.cast_signed())),
            exemplars: &[],
            flags: 0,
        });
    }
    writer.take()
}
