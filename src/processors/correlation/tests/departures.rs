//! What is seen without a baseline, and what lines tell.

use model::{Calls, Edge, EdgeKind, Series, Statistic};
use wire::build::Attributes;

use super::{Shop, Told, calm, edge, record, step};

/// Log records of a service in one second.
pub(super) fn lines(shop: &mut Shop, service: &str, second: u64, texts: &[&str]) {
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

/// A shop with the state of another, one second after that was stopped.
fn restarted(shop: &mut Shop) -> Shop {
    let snapshot = shop.harness.analysis().snapshot().unwrap();
    let mut after = Shop::new("");
    after.harness.now = shop.harness.now;
    after.harness.analysis().restore(snapshot).unwrap();
    after
}

#[test]
fn what_lasted_at_a_restart_and_is_seen_no_more_ends() {
    let slow = |calls: &mut Calls| step(calls, "payment").own.mean = 90.0;
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    shop.run_to(660, &slow);
    assert_eq!(opened(&shop).len(), 1);
    let mut after = restarted(&mut shop);
    after.run_to(660 + 3600, &calm);
    assert_eq!(after.named("trueline.incident.closed").count(), 1, "{:?}", after.told);
    // What is seen again goes on instead, and ends when that does.
    let mut after = restarted(&mut shop);
    after.run_to(720, &calm);
    after.run_to(850, &slow);
    assert_eq!(after.named("trueline.incident.mitigating").count(), 0, "{:?}", after.told);
    after.run_to(660 + 3600, &calm);
    assert_eq!(after.named("trueline.incident.closed").count(), 1, "{:?}", after.told);
}

#[test]
fn what_no_stage_tells_of_any_more_ends_after_two_days() {
    let mut shop = Shop::new("");
    shop.episode("cart", "1", 0, None);
    shop.tick();
    let pass = |shop: &mut Shop, hours: u64| {
        for _ in 0..hours {
            shop.harness.now = shop.harness.now + std::time::Duration::from_hours(1);
            shop.tick();
        }
    };
    pass(&mut shop, 24);
    let mut shop = restarted(&mut shop);
    pass(&mut shop, 24);
    assert_eq!(shop.named("trueline.incident.resolved").count(), 0);
    // Told again it has as much time again.
    shop.episode("cart", "1", 0, None);
    pass(&mut shop, 48);
    assert_eq!(shop.named("trueline.incident.resolved").count(), 0);
    pass(&mut shop, 24);
    let services: Vec<_> =
        shop.named("trueline.incident.closed").map(|told| told.incident("services")).collect();
    assert_eq!(services, [&serde_json::json!(["cart"])]);
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
fn a_few_windows_with_more_customers_are_no_surge() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    for (end, calls) in [(640, 240), (660, 60), (700, 240), (720, 60)] {
        shop.run_to(end, &|all| all.edges.iter_mut().for_each(|edge| edge.calls = calls));
    }
    assert!(shop.told.is_empty(), "{:?}", shop.told);
}

/// Messages from checkout to mail, so many in a window.
fn mailing(calls: &mut Calls, n: u64) {
    let sent = Edge {
        server: "mail".into(),
        kind: EdgeKind::Message,
        calls: n,
        ..edge(calls, "checkout", "payment").clone()
    };
    calls.edges.extend((n > 0).then_some(sent));
}

#[test]
fn a_consumer_that_takes_nothing_while_messages_are_sent_is_an_incident() {
    let mut shop = Shop::new("");
    shop.run_to(600, &|calls| mailing(calls, 20));
    shop.run_to(660, &calm);
    let incidents = shop.incidents();
    assert_eq!(incidents.len(), 1, "{incidents:?}");
    let told = incidents.into_values().next().unwrap();
    assert_eq!(told.causes(), ["mail"]);
    let title = told.incident("events")[0]["title"].as_str().unwrap();
    assert_eq!(title, "mail: it takes no message, and who sends them goes on");
    shop.run_to(1800, &|calls| mailing(calls, 20));
    assert_eq!(shop.named("trueline.incident.closed").count(), 1);
}

#[test]
fn a_consumer_of_rare_messages_and_one_whose_publisher_rests_are_let_be() {
    let mut shop = Shop::new("");
    for minute in 0..15 {
        shop.run_to(60 * minute + 10, &|calls| mailing(calls, 60));
        shop.run_to(60 * minute + 60, &calm);
    }
    assert!(shop.told.is_empty(), "{:?}", shop.told);
    let mut shop = Shop::new("");
    shop.run_to(600, &|calls| mailing(calls, 20));
    shop.run_to(800, &|calls| calls.edges.retain(|edge| &*edge.client == "user"));
    assert!(shop.told.is_empty(), "{:?}", shop.told);
}

#[test]
fn a_database_that_is_slow_is_said_to_be_slow_for_who_asks_it() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    shop.run_to(660, &|calls| edge(calls, "payment", "payment-db").duration.mean = 90.0);
    let told = shop.incidents().into_values().next().unwrap();
    let event = told.incident("events")[0]["title"].as_str().unwrap();
    assert!(event.starts_with("payment-db: statements of payment take"), "{event}");
    let evidence = told.incident("evidence")[0].as_str().unwrap();
    assert!(evidence.starts_with("statements to payment-db take"), "{evidence}");
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

/// Ten minutes in which payment and checkout write their lines, then ten windows in which they write these instead, and
/// calls are twisted.
fn lines_after(payment: &str, checkout: &str, twist: &dyn Fn(&mut Calls)) -> Told {
    let mut shop = Shop::new("");
    for window in 0..70 {
        let (second, is_calm) = (10 * window, window < 60);
        lines(&mut shop, "payment", second, &[if is_calm { "charged card 17" } else { payment }; 4]);
        lines(&mut shop, "checkout", second, &[if is_calm { "placed order 4" } else { checkout }; 4]);
        shop.run_to(second + 10, if is_calm { &calm } else { twist });
    }
    let incidents = shop.incidents();
    assert_eq!(incidents.len(), 1, "{incidents:?}");
    incidents.into_values().next().unwrap().clone()
}

#[test]
fn what_a_caller_writes_of_a_callee_that_is_not_reached_is_no_cause() {
    let told = lines_after("", "ERROR no answer from payment", &|calls| {
        calls.steps.retain(|step| &*step.service != "payment");
        let gone = edge(calls, "checkout", "payment");
        (gone.failed, gone.lost, gone.gap) = (100, 100, model::Spread::EMPTY);
    });
    assert_eq!((told.causes()[0], &told.incident("causes")[0]["kind"]), ("payment", &"unavailable".into()));
}

#[test]
fn a_complaint_tells_most_where_no_callee_complains() {
    let told = lines_after("ERROR card 17 was refused", "ERROR payment failed 4", &calm);
    assert_eq!((told.causes()[0], &told.incident("causes")[0]["kind"]), ("payment", &"logs".into()));
    assert!(told.incident("confidence").as_f64().unwrap() > 0.4, "{told:?}");
}

#[test]
fn a_service_that_fails_and_complains_is_said_to_fail() {
    let told = lines_after("ERROR card 17 was refused", "placed order 4", &|calls| {
        step(calls, "payment").failed_here = 40;
    });
    assert_eq!((told.causes()[0], &told.incident("causes")[0]["kind"]), ("payment", &"errors".into()));
}

#[test]
fn lines_of_a_service_that_just_came_up_are_not_new() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    for window in 60..90 {
        lines(&mut shop, "stock", 10 * window, &["ERROR no stock yet"; 20]);
        shop.run_to(10 * window + 10, &calm);
    }
    assert!(shop.told.is_empty(), "{:?}", shop.told);
}

/// Runs an hour in which a gauge comes by the minute, the last two of these values.
fn gauge(metric: &str, values: [f64; 2]) -> Shop {
    let mut shop = Shop::new("");
    for minute in 0..62 {
        let value = if minute < 60 { 0.02 } else { values[minute as usize - 60] };
        for window in 0..6 {
            let second = 60 * minute + 10 * window + 10;
            let rows = vec![row("api", metric, Statistic::Mean, "1", value)];
            shop.rows_to(second, if window == 0 { rows } else { Vec::new() });
        }
    }
    shop
}

#[test]
fn a_resource_is_used_up_at_most_wholly_and_one_minute_of_it_is_enough() {
    let shop = gauge("process.cpu.utilization", [17.0, 0.02]);
    let told = opened(&shop);
    assert_eq!(told.len(), 1, "{:?}", shop.told);
    assert_eq!(told[0].incident("title"), "api is used up");
    let evidence = told[0].incident("evidence")[0].as_str().unwrap();
    assert_eq!(evidence, "process.cpu.utilization is 100 %, 2.00 % before");
}

#[test]
fn what_a_host_uses_is_no_trouble_of_the_service_that_tells_of_it() {
    let shop = gauge("system.cpu.utilization", [0.97, 0.98]);
    assert!(shop.told.is_empty(), "{:?}", shop.told);
}

#[test]
fn requests_that_come_by_the_minute_must_be_slow_in_two_of_them() {
    for (values, n) in [([90.0, 20.0], 0), ([90.0, 95.0], 1)] {
        let mut shop = Shop::new("");
        for minute in 0..62u64 {
            let ms = if minute < 60 { 20.0 + (minute % 3) as f64 } else { values[minute as usize - 60] };
            for window in 0..6 {
                let rows = vec![
                    row("api", "latency.mean", Statistic::Mean, "s", ms / 1e3),
                    row("api", "requests", Statistic::Rate, "{request}", 20.0),
                ];
                let second = 60 * minute + 10 * window + 10;
                shop.rows_to(second, if window == 0 { rows } else { Vec::new() });
            }
        }
        assert_eq!(opened(&shop).len(), n, "{:?}", shop.told);
    }
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
