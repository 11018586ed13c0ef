//! Sloth's dashboards of Grafana, 14348 and 14643, show the right numbers of our objectives.
//!
//! Six hours of known load pass by a clock that the test moves, and the exporter of remote write tells a real
//! Prometheus of them. Then every query of the dashboards is asked, as Grafana sends it, at the last instant.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use component::testing::ManualClock;
use model::{Signal, Timestamp};
use testbed::{Prometheus, Version, eventually};
use wire::build::{Attributes, Span, SpansWriter};

use super::SOON;
use crate::rig::Rig;

/// The tenth of March 2026, 00:00 UTC.
const START: Timestamp = Timestamp::from_secs(1_773_100_800);
const MINUTE: Duration = Duration::from_secs(60);
const N_MINUTES: u64 = 6 * 60;
/// From then on the shop fails too often.
const BURNS_FROM: u64 = 5 * 60;
const MARCH_HOURS: f64 = 31.0 * 24.0;

/// An objective of each service; that of the search has Google's period, which the dashboards do not offer.
fn yaml(prometheus: &Prometheus) -> String {
    format!(
        "
receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:0'}}}}}}}}
processors:
  sla:
    emit: {{interval: 1m, dialects: [sloth]}}
    slos:
      - {{name: availability, service: shop, sli: {{type: success_rate}}, target: 0.999}}
      - {{name: latency, service: cart, sli: {{type: latency, within: 100ms}}, target: 0.99}}
      - {{name: availability, service: search, sli: {{type: success_rate}}, target: 0.9, window: {{rolling: 28d}}}}
  alerting: {{evaluation_interval: 1m}}
exporters:
  prometheusremotewrite: {{endpoint: '{}'}}
service:
  pipelines:
    telemetry: {{receivers: [otlp], processors: [sla, alerting], exporters: [prometheusremotewrite]}}
",
        prometheus.remote_write_url()
    )
}

/// The spans of a minute, which end when it begins: of fifty orders one fails in the last hour, of two hundred looks
/// into a cart one is slow, and every fifth search fails.
fn load(minute: u64) -> Vec<u8> {
    let n_failing = u64::from(minute >= BURNS_FROM);
    let n_slow = u64::from(minute.is_multiple_of(5));
    let mut writer = SpansWriter::new();
    for (service, n_spans, n_failing, n_slow) in
        [("shop", 50, n_failing, 0), ("cart", 40, 0, n_slow), ("search", 5, 1, 0)]
    {
        let mut resource = Attributes::new();
        resource.push_str("service.name", service);
        writer.resource(&resource);
        writer.scope("test", "");
        for place in 0..n_spans {
            let end = (START + MINUTE * u32::try_from(minute).expect("a few hours")).as_nanos() + place;
            writer.span(&Span {
                trace_id: u128::from(end).to_be_bytes(),
                span_id: end.to_be_bytes(),
                trace_state: "",
                parent_id: None,
                name: "GET",
                kind: 2,
                start: end - if place < n_slow { 900_000_000 } else { 20_000_000 },
                end,
                attributes: &Attributes::new(),
                events: &[],
                links: &[],
                status: if place < n_failing { 2 } else { 0 },
                status_message: "",
                flags: 0,
            });
        }
    }
    writer.take()
}

fn end() -> f64 {
    (START + MINUTE * u32::try_from(N_MINUTES).expect("a few hours")).as_nanos() as f64 / 1e9
}

/// Lets the hours pass, and returns when Prometheus has been told of the last minute.
fn tell(prometheus: &Prometheus) -> Result<Rig> {
    let rig = Rig::start(&yaml(prometheus), &ManualClock::new(START))?;
    let mut client = rig.connect()?;
    for minute in 0..N_MINUTES {
        let status = client.send(Signal::Traces, &load(minute))?;
        ensure!(status == 200, "status {status}");
        rig.advance_to(START + MINUTE * u32::try_from(minute + 1)?)?;
    }
    for last in ["slo:time_period:days", "ALERTS"] {
        eventually(last, SOON, || {
            let times = prometheus.query_at(&format!("max(timestamp({last}))"), end())?;
            ensure!(times.len() == 1 && times[0].float()? == end(), "{times:?}, must be {}", end());
            Ok(())
        })?;
    }
    Ok(rig)
}

/// A dashboard with its variables filled in.
struct Board<'a> {
    prometheus: &'a Prometheus,
    variables: [(&'static str, &'a str); 3],
}

impl Board<'_> {
    /// Asks at the last instant. Returns values by service; of what has none the service is empty.
    fn ask(&self, promql: &str) -> BTreeMap<String, f64> {
        let mut promql = promql.replace("${__to:date:M}", "3").replace("${min_burning_rate}", "1");
        for (name, value) in self.variables {
            promql = promql.replace(name, value);
        }
        let found = self.prometheus.query_at(&promql, end()).unwrap_or_else(|problem| panic!("{problem:#}"));
        let n_found = found.len();
        let values = found.iter().map(|sample| {
            let service = sample.label("sloth_service");
            let service = if service.is_empty() { sample.label("sloth_id") } else { service };
            (service.to_owned(), rounded(sample.float().unwrap()))
        });
        let values: BTreeMap<_, _> = values.collect();
        assert_eq!(values.len(), n_found, "{promql} has one value for each: {found:?}");
        values
    }

    /// Asks for one value that belongs to no service.
    fn value(&self, promql: &str) -> f64 {
        let found = self.ask(promql);
        assert_eq!(found.len(), 1, "{promql} gives {found:?}");
        found.into_values().next().expect("there is one")
    }
}

/// Keeps nine digits after the point: shares of doubles are not exact.
fn rounded(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}

fn by_service<const N: usize>(rows: [(&str, f64); N]) -> BTreeMap<String, f64> {
    rows.map(|(service, value)| (service.to_owned(), rounded(value))).into()
}

/// What the last hour and the six hours say of the shop.
const SHOP_HOUR: f64 = 0.02;
const SHOP_ALL: f64 = 60.0 / 18_000.0;

#[test]
fn slos_in_detail_and_at_a_high_level_show_the_right_numbers() -> Result<()> {
    let prometheus = Prometheus::start(Version::Three)?;
    let _rig = tell(&prometheus)?;
    variables_list_what_there_is(&prometheus)?;
    the_high_level_is_right(&prometheus);
    the_shop_in_detail_is_right(&prometheus);
    the_cart_and_the_search_in_detail_are_right(&prometheus);
    Ok(())
}

/// `label_values(slo:objective:ratio, sloth_service)`, and of a service its objectives.
fn variables_list_what_there_is(prometheus: &Prometheus) -> Result<()> {
    let mut services: Vec<_> = prometheus
        .series("slo:objective:ratio")?
        .into_iter()
        .map(|labels| labels["sloth_service"].clone())
        .collect();
    services.sort();
    assert_eq!(services, ["cart", "search", "shop"]);
    let slos = prometheus.series("slo:objective:ratio{sloth_service=\"cart\"}")?;
    assert_eq!(slos.iter().map(|labels| labels["sloth_slo"].as_str()).collect::<Vec<_>>(), ["latency"]);
    Ok(())
}

/// Dashboard 14643.
fn the_high_level_is_right(prometheus: &Prometheus) {
    let board = Board { prometheus, variables: [("${service}", ""), ("${slo}", ""), ("${sli_window}", "")] };
    assert_eq!(board.value("count(sloth_slo_info)"), 3.0);
    assert_eq!(board.value("count(max(sloth_slo_info) by (sloth_service))"), 3.0);
    assert_eq!(board.value("avg(slo:current_burn_rate:ratio)"), rounded((20.0 + 0.5 + 2.0) / 3.0));
    for severity in ["ticket", "page"] {
        let alerts = format!("max(ALERTS{{sloth_id!=\"\",sloth_severity=\"{severity}\"}}) OR on() vector(0)");
        assert_eq!(board.value(&alerts), 1.0, "{severity}");
    }
    assert_eq!(
        board.ask("slo:current_burn_rate:ratio > ${min_burning_rate}"),
        by_service([("search", 2.0), ("shop", 20.0)])
    );
    assert_eq!(
        board.ask("slo:current_burn_rate:ratio"),
        by_service([("cart", 0.5), ("search", 2.0), ("shop", 20.0)])
    );
    assert_eq!(
        board.ask("slo:period_error_budget_remaining:ratio"),
        by_service([("cart", 0.5), ("search", -1.0), ("shop", 1.0 - SHOP_ALL / 0.001)])
    );
}

/// What dashboard 14348 must show of an objective.
struct Detail {
    service: &'static str,
    slo: &'static str,
    objective: f64,
    /// By window, the share of good events.
    sli: [(&'static str, f64); 8],
    burn_rate: f64,
    remaining: f64,
    /// Of the month, where nothing is known of the days before.
    month_remaining: f64,
    page: f64,
    ticket: f64,
}

/// Dashboard 14348.
fn the_detail_is_right(prometheus: &Prometheus, must: &Detail) {
    let selector = "{sloth_service=\"${service}\", sloth_slo=\"${slo}\"}";
    for (window, sli) in must.sli {
        let board = Board {
            prometheus,
            variables: [("${service}", must.service), ("${slo}", must.slo), ("${sli_window}", window)],
        };
        let shown = board.value(&format!(
            "1 - (max(slo:sli_error:ratio_rate${{sli_window}}{selector}) OR on() vector(0))"
        ));
        assert_eq!(shown, rounded(sli), "{} {window}", must.service);
    }
    let board = Board {
        prometheus,
        variables: [("${service}", must.service), ("${slo}", must.slo), ("${sli_window}", "5m")],
    };
    let stat = |promql: &str, expected: f64| {
        assert_eq!(board.value(promql), rounded(expected), "{promql} of {}", must.service);
    };
    stat(&format!("slo:objective:ratio{selector}"), must.objective);
    stat(&format!("sloth_slo_info{selector}"), 1.0);
    stat(&format!("slo:current_burn_rate:ratio{selector} or on() vector(0)"), must.burn_rate);
    stat(&format!("slo:current_burn_rate:ratio{selector} > 0"), must.burn_rate);
    stat(&format!("slo:period_error_budget_remaining:ratio{selector} or on() vector(1)"), must.remaining);
    let month = "1-(\n  sum_over_time(\n    (\n       slo:sli_error:ratio_rate1h{sloth_service=\"${service}\",sloth_slo=\"${slo}\"}\n       \
                 * on() group_left() (\n         month() == bool vector(${__to:date:M})\n       )\n    )[32d:1h]\n  )\n  \
                 / on(sloth_id)\n  (\n    slo:error_budget:ratio{sloth_service=\"${service}\",sloth_slo=\"${slo}\"} \
                 *on() group_left() (24 * days_in_month())\n  )\n)";
    stat(month, must.month_remaining);
    // From the first of the month at 00:00 to the tenth at 06:00, both hours counted.
    let ideal = "1 - sum_over_time(\n  (\n    (1 / (days_in_month() * 24)) *\n    (month() == bool vector(${__to:date:M}))\n  )[32d:1h]\n)";
    stat(ideal, 1.0 - (9.0 * 24.0 + 6.0 + 1.0) / MARCH_HOURS);
    let alerts = "{sloth_service=\"${service}\", sloth_slo=\"${slo}\", sloth_severity=";
    stat(&format!("max(ALERTS{alerts}\"ticket\"}}) OR on() vector(0)"), must.ticket);
    stat(&format!("max(ALERTS{alerts}\"page\"}}) or on() vector(0)"), must.page);
}

fn the_shop_in_detail_is_right(prometheus: &Prometheus) {
    let (hour, all) = (1.0 - SHOP_HOUR, 1.0 - SHOP_ALL);
    the_detail_is_right(
        prometheus,
        &Detail {
            service: "shop",
            slo: "availability",
            objective: 0.999,
            sli: [
                ("5m", hour),
                ("30m", hour),
                ("1h", hour),
                ("2h", 1.0 - SHOP_HOUR / 2.0),
                ("6h", all),
                ("1d", all),
                ("3d", all),
                ("30d", all),
            ],
            burn_rate: 20.0,
            remaining: 1.0 - SHOP_ALL / 0.001,
            // Of the six hours that were told, the last burnt.
            month_remaining: 1.0 - SHOP_HOUR / (0.001 * MARCH_HOURS),
            page: 1.0,
            ticket: 1.0,
        },
    );
}

fn the_cart_and_the_search_in_detail_are_right(prometheus: &Prometheus) {
    let even = |sli: f64| ["5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d"].map(|window| (window, sli));
    the_detail_is_right(
        prometheus,
        &Detail {
            service: "cart",
            slo: "latency",
            objective: 0.99,
            sli: even(0.995),
            burn_rate: 0.5,
            remaining: 0.5,
            month_remaining: 1.0 - 6.0 * 0.005 / (0.01 * MARCH_HOURS),
            page: 0.0,
            ticket: 0.0,
        },
    );
    the_detail_is_right(
        prometheus,
        &Detail {
            service: "search",
            slo: "availability",
            objective: 0.9,
            sli: even(0.8),
            burn_rate: 2.0,
            remaining: -1.0,
            month_remaining: 1.0 - 6.0 * 0.2 / (0.1 * MARCH_HOURS),
            page: 0.0,
            // Burns at more than the 0.933 of the slowest ticket.
            ticket: 1.0,
        },
    );
}
