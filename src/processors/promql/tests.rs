//! What is read, what is refused, and which series are meant.

use std::sync::Arc;

use model::{Series, Statistic};

use super::{Compared, Named, Operator, Selector, alert, counter, error_ratio, events, labels};
use crate::aggregation::attributes::AttributeList;

fn list(pairs: &[(&str, &str)]) -> Arc<[u8]> {
    let mut list = AttributeList::default();
    pairs.iter().for_each(|(key, value)| list.push_str(key, value));
    list.into_bytes().into()
}

/// A series of service `cart` of namespace `shop`, instance `a`.
fn series(metric: &str, unit: &str, statistic: Statistic, attributes: &[(&str, &str)]) -> Series {
    let resource = [
        ("service.instance.id", "a"),
        ("service.name", "cart"),
        ("service.namespace", "shop"),
        ("host.name", "h1"),
    ];
    Series {
        resource: list(&resource),
        metric: metric.into(),
        unit: unit.into(),
        attributes: list(attributes),
        statistic,
        service: "cart".into(),
        fingerprint: 1,
    }
}

fn fits(selector: &str, series: &Series) -> bool {
    Selector::parse(selector)
        .unwrap_or_else(|problem| panic!("{selector}: {problem}"))
        .fits(&Named::new(series))
}

#[test]
fn a_series_is_meant_by_every_name_that_prometheus_may_have_for_it() {
    let rate = Statistic::Rate;
    for (metric, unit, statistic, selector, expected) in [
        // As an SDK sends it, and as an exporter or Prometheus translates it.
        ("http.server.requests", "{request}", rate, "http_server_requests_total", true),
        ("http.server.requests", "{request}", rate, "http_server_requests", true),
        ("http.server.requests", "{request}", rate, "http_server_requests_seconds_total", false),
        ("http.server.requests", "{request}", rate, "{\"http.server.requests\"}", true),
        // As a scrape brought it.
        ("http_requests_total", "", rate, "http_requests_total", true),
        ("http.server.request.duration", "s", rate, "http_server_request_duration_seconds_count", true),
        ("http.server.request.duration", "s", rate, "http_server_request_duration_count", true),
        ("http.server.request.duration", "ms", rate, "http_server_request_duration_seconds_count", false),
        ("process.memory.usage", "By", Statistic::Mean, "process_memory_usage_bytes", true),
        ("system.cpu.utilization", "1", Statistic::Mean, "system_cpu_utilization_ratio", true),
        ("system.cpu.utilization", "1", Statistic::Mean, "system_cpu_utilization", true),
        // No series of Prometheus has percentiles of windows.
        (
            "http.server.request.duration",
            "s",
            Statistic::P99,
            "http_server_request_duration_seconds_count",
            false,
        ),
        ("a.requests", "", rate, "{__name__=~\"a_(requests|calls)_total\"}", true),
        ("a.requests", "", rate, "{__name__=~\"requests_total\"}", false),
    ] {
        let found = fits(selector, &series(metric, unit, statistic, &[]));
        assert_eq!(found, expected, "{selector} of {metric} in {unit:?}");
    }
}

#[test]
fn labels_are_matched_whole_and_a_missing_one_is_empty_as_in_prometheus() {
    let of = series("r", "", Statistic::Rate, &[("http.route", "/a b"), ("code", "503"), ("text", "a\nb")]);
    for (matchers, expected) in [
        ("code=\"503\"", true),
        ("code=\"50\"", false),
        ("code!=\"503\"", false),
        ("code=~\"5..\"", true),
        ("code=~\"50\"", false),
        ("code=~\"4..|5..\"", true),
        ("code=~\"(4|5)0[34]\"", true),
        ("code!~\"5..\"", false),
        ("code!~\"50\"", true),
        ("code=~\"\\\\d+\"", true),
        ("http_route=\"/a b\"", true),
        ("text=~\"a.b\"", true),
        ("missing=\"\"", true),
        ("missing!=\"\"", false),
        ("missing!=\"x\"", true),
        ("missing=~\".*\"", true),
        ("missing=~\".+\"", false),
        ("missing!~\"x\"", true),
        ("missing!~\"|x\"", false),
        ("job=\"shop/cart\"", true),
        ("job=~\"cart\"", false),
        ("instance=\"a\"", true),
        ("service_name=\"cart\"", true),
        ("host_name=~\"h[0-9]\"", true),
        ("code=~\"5..\",http_route!~\"/health.*\",job=~\"shop/.*\"", true),
    ] {
        assert_eq!(fits(&format!("r_total{{{matchers}}}"), &of), expected, "{matchers}");
    }
}

#[test]
fn the_labels_of_a_series_are_those_that_prometheus_would_give_it() {
    let of = series("r", "", Statistic::Rate, &[("a.b", "1"), ("a_b", "2"), ("code", "503"), ("none", "")]);
    let found: Vec<_> = labels(&of).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(found, ["a_b=1;2", "code=503", "instance=a", "job=shop/cart"]);
}

#[test]
fn a_selector_is_written_as_it_is_read() {
    for text in [
        "up",
        "http_requests_total{code=~\"5..\",job=\"a\"}",
        "{__name__=~\"a|b\",c!=\"\"}",
        "a{b=~\"\\\\d+\\\\.x\",c!~\"\\\"q\\\"\"}",
        "{__name__=\"http.requests\",\"service.name\"=\"a\"}",
    ] {
        let read = Selector::parse(text).unwrap();
        assert_eq!(read.to_string(), text);
        assert_eq!(Selector::parse(&read.to_string()).unwrap(), read);
    }
}

#[test]
fn sums_of_rates_of_counters_are_read_and_nothing_else() {
    for (query, expected) in [
        (
            "sum(rate(http_requests_total{job=\"a\",code!=\"200\"}[5m]))",
            "http_requests_total{job=\"a\",code!=\"200\"}",
        ),
        ("increase( errors [1h] )", "errors"),
        ("sum(rate(x{code=~\"5..|429\"}[{{.window}}]))", "x{code=~\"5..|429\"}"),
        ("(sum by () (rate(x[{{ .window }}])) or vector(0))", "x"),
        ("sum(increase(x[1d])) or on() vector(0)", "x"),
    ] {
        assert_eq!(counter(query).unwrap().to_string(), expected, "{query}");
    }
    for (query, part) in [
        ("", "no PromQL"),
        ("a / b", "no rate of a counter"),
        ("sum(rate(a[5m])) - sum(rate(b[5m]))", "no rate of a counter"),
        ("sum(rate(a", "no PromQL"),
        ("sum(irate(a[5m]))", "irate() is not read"),
        ("sum(rate(a[5m] offset 1d))", "another time"),
        ("sum(rate(a{le=\"0.5\"}[5m]))", "buckets"),
        ("sum(rate(a_bucket{x=\"0.5\"}[5m]))", "buckets"),
        ("sum(rate({job=\"a\"}[5m]))", "names no metric"),
        ("sum(rate(a[{{.Window}}]))", "{{.Window}}"),
        ("sum(rate(a{b=~\"(\"}[5m]))", "no PromQL"),
    ] {
        let problem = counter(query).unwrap_err();
        assert!(problem.contains(part), "{query}: {problem}");
    }
}

fn quotient(errors: &str, total: &str) -> String {
    match events(errors, total) {
        Ok(found) => {
            let kind = if found.part_is_good { "good" } else { "bad" };
            format!("{kind} {} of {}", found.part, found.total)
        }
        Err(problem) => problem,
    }
}

#[test]
fn two_sums_are_a_promise_however_they_are_written() {
    const W: &str = "[{{.window}}]";
    let sum = |name: &str| format!("sum(rate({name}{W}))");
    let (a, b) = (sum("a{x=\"1\"}"), sum("a"));
    assert_eq!(quotient(&a, &b), "bad a{x=\"1\"} of a");
    assert_eq!(quotient(&format!("({b} - {a})"), &b), "good a{x=\"1\"} of a");
    assert_eq!(quotient(&format!("{a} or vector(0)"), &b), "bad a{x=\"1\"} of a");
    for (errors, total, part) in [
        (format!("{} - {a}", sum("c")), b.clone(), "another sum"),
        ("sum(rate(a[5m]))".to_owned(), b.clone(), "range of its own"),
        (format!("sum by (job) (rate(a{W}))"), b.clone(), "over all labels"),
        (format!("rate(a{W})"), b.clone(), "over all labels"),
        (format!("{a} + {a}"), b.clone(), "over all labels"),
        (format!("sum(increase(a{W}))"), b.clone(), "increase()"),
        (a.clone(), "vector(1)".to_owned(), "total_query"),
    ] {
        let told = quotient(&errors, &total);
        assert!(told.contains(part), "{errors} of {total}: {told}");
    }
    let ratio = |query: &str| {
        let found = error_ratio(query)?;
        Ok::<_, String>(format!("{} {} of {}", found.part_is_good, found.part, found.total))
    };
    assert_eq!(ratio(&format!("{a} / {b}")), Ok("false a{x=\"1\"} of a".to_owned()));
    assert_eq!(ratio(&format!("1 - ({a} / {b})")), Ok("true a{x=\"1\"} of a".to_owned()));
    assert_eq!(ratio(&format!("({b} - {a}) / ({b})")), Ok("true a{x=\"1\"} of a".to_owned()));
    for query in
        [a.as_str(), "avg_over_time(up[{{.window}}])", &format!("{a} / on(x) {b}"), &format!("1 - {a}")]
    {
        assert!(ratio(query).is_err(), "{query}");
    }
}

#[test]
fn alerts_compare_a_series_or_a_rate_with_a_number() {
    let told = |query: &str| {
        let found = alert(query).unwrap_or_else(|problem| panic!("{query}: {problem}"));
        let of = match &found.compared {
            Compared::Level(selector) => selector.to_string(),
            Compared::Rate(selector, over) => format!("{selector} per second over {}s", over.as_secs()),
        };
        let over =
            found.over.map_or(String::new(), |over| format!("{} by {:?} of ", over.aggregate, over.by));
        format!("{over}{of} {:?} {}", found.operator, found.number)
    };
    assert_eq!(told("up{job=\"a\"} == 0"), "up{job=\"a\"} Equal 0");
    assert_eq!(told("5 < (disk_used)"), "disk_used Greater 5");
    assert_eq!(told("temp >= -1.5e1"), "temp GreaterOrEqual -15");
    assert_eq!(told("rate(x_total[5m]) > 100 / 4"), "x_total per second over 300s Greater 25");
    assert_eq!(
        told("sum by (job, code) (rate(x_total{code!=\"200\"}[1m])) != 0"),
        "sum by [\"job\", \"code\"] of x_total{code!=\"200\"} per second over 60s NotEqual 0"
    );
    assert_eq!(told("max(queue_depth) <= 5"), "max by [] of queue_depth LessOrEqual 5");
    assert_eq!(alert("a > 1").map(|found| found.operator), Ok(Operator::Greater));
    for (query, part) in [
        ("up", "compares with no number"),
        ("a > b", "compares with no number"),
        ("1 > bool 2", "compares with"),
        ("a > bool 2", "bool"),
        ("a > 1 and b > 2", "does more"),
        ("absent(up) == 1", "absent() is not read"),
        ("x_total > 5", "rate(x_total[5m])"),
        ("avg(a) > 1", "aggregates by avg"),
        ("sum without (a) (b) > 1", "say by which"),
        ("max(rate(a[5m])) > 1", "extreme of rates"),
        ("rate(a[5m:1m]) > 1", "subquery"),
        ("rate(a[5m]) / rate(b[5m]) > 1", "neither a series"),
        ("a offset 5m > 1", "another time"),
        ("a > Inf", "inf"),
    ] {
        let problem = alert(query).unwrap_err();
        assert!(problem.contains(part), "{query}: {problem}");
    }
}

#[test]
fn queries_that_would_exhaust_the_stack_or_the_time_are_refused_or_read() {
    for query in [
        "(".repeat(4000),
        format!("{}a{}", "(".repeat(64), ")".repeat(64)),
        "-".repeat(4000),
        format!("a{}", "+a".repeat(2000)),
        format!("{}a > 1", "-".repeat(4000)),
        "a".repeat(5000),
        "sum(".repeat(60) + "a" + &")".repeat(60),
        "{{".repeat(2000),
        "a[1m".repeat(900),
        "rate(a[1e300])".to_owned(),
        "rate(a[999999999999999999999999])".to_owned(),
        "rate(a[99999999999999999999y])".to_owned(),
        "rate(a[292471208677y])".to_owned(),
        "rate(a[0x7fffffffffffffffffff])".to_owned(),
        "rate(a[inf])".to_owned(),
        "rate(a[-1])".to_owned(),
        "rate(a[5m:1e300])".to_owned(),
        "a offset 1e300".to_owned(),
        "a offset -1e300".to_owned(),
        "a @ 1e300".to_owned(),
        "a @ -1e300".to_owned(),
        "a @ inf".to_owned(),
        "a @ nan > 1".to_owned(),
        "a > 1e999".to_owned(),
    ] {
        // Whatever is said, nothing panics.
        for _read in [counter(&query).is_ok(), alert(&query).is_ok(), error_ratio(&query).is_ok()] {}
    }
}

#[test]
fn great_numbers_within_texts_do_no_harm() {
    let query = "sum(rate(a{id=\"123456789012345678901234567890\",b=~'9e99|\\\\d{20}'}[5m]))";
    assert!(counter(query).is_ok(), "{:?}", counter(query));
    assert!(counter("sum(rate(a[1e18]))").unwrap_err().contains("1e18"));
    assert_eq!(alert("a1e300 > 1000000").map(|found| found.number), Ok(1e6));
}

proptest::proptest! {
    #[test]
    fn no_time_is_a_panic(query in "a(\\[|\\{| offset | @ | > )[0-9a-fxyhdmswein.+_-]{0,24}(\\]|\\}|)") {
        for _read in [counter(&query).is_ok(), alert(&query).is_ok(), counter(&format!("rate({query})")).is_ok()] {}
    }

    #[test]
    fn no_query_is_a_panic(query in "\\PC{0,60}") {
        for _read in [counter(&query).is_ok(), alert(&query).is_ok(), Selector::parse(&query).is_ok()] {}
    }
}
