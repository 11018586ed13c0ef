//! What is seen without a baseline, and what lines tell.

use model::{Calls, Series, Statistic};
use wire::build::Attributes;

use super::{Shop, Told, calm, edge, record, step};

/// Log records of a service in one second.
fn lines(shop: &mut Shop, service: &str, second: u64, texts: &[&str]) {
    for text in texts {
        shop.push(&record(service, "app", "", second, text, &Attributes::new()));
    }
}

fn opened(shop: &Shop) -> Vec<&Told> {
    shop.named("trueline.incident.opened").collect()
}

#[test]
fn a_service_that_is_far_slower_opens_an_incident_within_a_minute_of_a_minute_that_was_usual() {
    let mut shop = Shop::new("");
    shop.run_to(60, &calm);
    shop.run_to(120, &|calls| step(calls, "payment").own.mean = 90.0);
    let opened = opened(&shop);
    assert_eq!(opened.len(), 1);
    assert_eq!(opened[0].causes()[0], "payment");
    let title = opened[0].incident("title").as_str().unwrap();
    assert_eq!(title, "payment takes longer");
}

#[test]
fn an_incident_without_alerts_ends_a_minute_after_all_is_as_usual() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    shop.run_to(720, &|calls| step(calls, "payment").failed_here = 50);
    shop.run_to(900, &calm);
    assert_eq!(opened(&shop).len(), 1);
    assert_eq!(shop.named("trueline.incident.resolved").count(), 1, "{:#?}", shop.told);
}

#[test]
fn customers_who_come_in_three_times_the_number_are_an_incident_where_they_come_in() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    shop.run_to(720, &|calls| calls.edges.iter_mut().for_each(|edge| edge.calls = 300));
    let incidents = shop.incidents();
    assert_eq!(incidents.len(), 1, "{incidents:?}");
    let told = incidents.into_values().next().unwrap();
    assert_eq!((told.causes()[0], &told.incident("causes")[0]["kind"]), ("frontend", &"traffic".into()));
}

#[test]
fn what_somebody_would_hardly_notice_opens_nothing() {
    let hardly: [&dyn Fn(&mut Calls); 3] = [
        &|calls| step(calls, "payment").own.mean = 14.0,
        &|calls| step(calls, "payment").failed_here = 2,
        &|calls| edge(calls, "checkout", "payment").gap.mean = 5.0,
    ];
    for twist in hardly {
        let mut shop = Shop::new("");
        shop.run_to(600, &calm);
        shop.run_to(900, twist);
        assert!(shop.told.is_empty(), "{:?}", shop.told);
    }
}

#[test]
fn a_glimpse_of_one_window_opens_nothing() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    // Of a minute it is a sixth, which the mean of that minute still shows in several windows; a service that fails
    // some requests for ten seconds is not one that fails.
    shop.run_to(610, &|calls| step(calls, "payment").failed_here = 4);
    shop.run_to(900, &calm);
    assert!(shop.told.is_empty(), "{:?}", shop.told);
}

#[test]
fn a_service_that_no_longer_writes_what_it_wrote_is_the_cause() {
    let mut shop = Shop::new("");
    for window in 0..30 {
        let second = 10 * window;
        lines(&mut shop, "payment", second, &["charged card 17"; 4]);
        lines(&mut shop, "checkout", second, &["placed order 4"; 4]);
        shop.run_to(second + 10, &calm);
    }
    for window in 30..40 {
        let second = 10 * window;
        lines(&mut shop, "payment", second, &["card 17 was refused"; 4]);
        lines(&mut shop, "checkout", second, &["placed order 4"; 4]);
        shop.run_to(second + 10, &calm);
    }
    let opened = opened(&shop);
    assert_eq!(opened.len(), 1, "{:?}", shop.told);
    let latest = shop.incidents().into_values().next().unwrap();
    assert_eq!((latest.causes()[0], &latest.incident("causes")[0]["kind"]), ("payment", &"logs".into()));
    let evidence = latest.incident("evidence")[0].as_str().unwrap();
    assert!(evidence.starts_with("it no longer writes `charged card`"), "{evidence}");
}

#[test]
fn complaints_that_end_and_lines_of_requests_that_no_longer_come_are_no_trouble() {
    let mut shop = Shop::new("");
    for window in 0..30 {
        lines(&mut shop, "payment", 10 * window, &["WARN card expires"; 4]);
        lines(&mut shop, "cart", 10 * window, &["added item"; 4]);
        shop.run_to(10 * window + 10, &calm);
    }
    // Nobody asks the cart any more.
    shop.run_to(600, &|calls| {
        calls.edges.retain(|edge| &*edge.server != "cart");
        calls.steps.retain(|step| &*step.service != "cart");
    });
    let named = shop.told.iter().filter(|told| told.body.contains("writes"));
    assert_eq!(named.count(), 0, "{:?}", shop.told);
}

#[test]
fn metrics_of_requests_name_a_cause_where_there_are_no_traces() {
    let edges = "graph: {static_edges: [{client: web, server: api}, {client: api, server: store}]}";
    let mut shop = Shop::new(edges);
    let wave = |window: u64| 1.0 + 0.02 * (window % 5) as f64;
    let rows = |shop: &mut Shop, window: u64, store_ms: f64| {
        let wave = wave(window);
        let of = |service: &str, ms: f64| {
            [
                row(service, "latency.mean", Statistic::Mean, "s", ms * wave / 1e3),
                row(service, "requests", Statistic::Rate, "{request}", 20.0),
            ]
        };
        let all = [of("api", 30.0 + store_ms), of("store", store_ms), of("web", 50.0 + store_ms)];
        shop.rows_to(10 * window + 10, all.concat());
    };
    for window in 0..60 {
        rows(&mut shop, window, 20.0);
    }
    for window in 60..72 {
        rows(&mut shop, window, 220.0);
    }
    let incidents = shop.incidents();
    assert_eq!(incidents.len(), 1, "{incidents:?}");
    assert_eq!(incidents.into_values().next().unwrap().causes()[0], "store");
}

fn row(service: &str, metric: &str, statistic: Statistic, unit: &str, value: f64) -> (Series, f64) {
    let name = format!("{service} {metric}");
    let series = Series {
        resource: [].into(),
        metric: metric.into(),
        unit: unit.into(),
        attributes: [].into(),
        statistic,
        service: service.into(),
        fingerprint: rapidhash::v3::rapidhash_v3(name.as_bytes()),
    };
    (series, value)
}
