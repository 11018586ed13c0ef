//! Selectors and sides.

use std::collections::BTreeMap;

use super::{
    selector::Selector,
    sides::{Series, Side, Sides, Tolerance},
};

#[test]
fn a_selector_takes_a_name_and_tells_its_labels() {
    let read = |text: &str| text.parse::<Selector>();
    let both = read(r#"{job="a,b=c", zone=~'x"y' , env!="\"p}"}"#).unwrap();
    assert_eq!(both.labels, ["job", "zone", "env"]);
    assert_eq!(
        both.of_name("calls_total"),
        r#"{job="a,b=c", zone=~'x"y' , env!="\"p}",__name__="calls_total"}"#
    );
    let named = read(r#"calls_total{job="a"}"#).unwrap();
    assert_eq!(named.of_name("other"), r#"calls_total{job="a"}"#);
    assert_eq!(read("up").unwrap().all(), "up{}");
    for wrong in ["", "{}", "{job}", "{job=a}", "rate(x[5m])", "{job=\"a", "{=\"a\"}"] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

fn side(series: &[(&str, &str, f64)]) -> Side {
    let series: BTreeMap<Series, f64> = series
        .iter()
        .map(|(name, route, by)| {
            let labels = BTreeMap::from([("route".to_owned(), (*route).to_owned())]);
            (Series { name: (*name).to_owned(), labels }, *by)
        })
        .collect();
    Side { n_series: series.len(), series }
}

fn sides(a: &[(&str, &str, f64)], b: &[(&str, &str, f64)]) -> Sides {
    Sides { a: side(a), b: side(b), selectors: ["{a}".to_owned(), "{b}".to_owned()], ignored: Vec::new() }
}

fn share(share: f64) -> Tolerance {
    Tolerance { share, units: 0.0 }
}

#[test]
fn a_selector_that_every_series_could_pass_asks_for_a_name_too() {
    let all = |text: &str| text.parse::<Selector>().unwrap().all();
    assert_eq!(
        all(r#"{collector=""}"#),
        r#"{collector="",__name__=~".+"}"#,
        "Prometheus refuses the empty one"
    );
    assert_eq!(all(r#"{collector!="a",env=~".*"}"#), r#"{collector!="a",env=~".*",__name__=~".+"}"#);
    for enough in [r#"{job="a"}"#, r#"{collector="",job!=""}"#, r#"calls_total{collector=""}"#] {
        assert_eq!(all(enough), enough);
    }
}

#[test]
fn a_few_units_are_no_difference_however_great_a_share_they_are() {
    let few = Tolerance { share: 0.05, units: 5.0 };
    let calls = sides(
        &[("calls_total", "/a", 8.0), ("calls_total", "/b", 1000.0)],
        &[("calls_total", "/a", 11.0), ("calls_total", "/b", 997.0)],
    );
    assert!(calls.are_same(few) && !calls.are_same(share(0.05)));
    // What is missing everywhere is missing, however little it is in each.
    let routes: Vec<String> = (0..20).map(|number| format!("/{number}")).collect();
    let of = |by: f64| routes.iter().map(|route| ("calls_total", route.as_str(), by)).collect::<Vec<_>>();
    assert!(!sides(&of(20.0), &of(16.0)).are_same(few));
    // Three calls of 200 ms are 600 ms.
    let sum = |count: f64| [("d_count", "/a", count), ("d_sum", "/a", count * 200.0)];
    assert!(sides(&sum(8.0), &sum(11.0)).are_same(few) && !sides(&sum(8.0), &sum(14.0)).are_same(few));
    assert!(!sides(&[("d_sum", "/a", 8.0)], &[("d_sum", "/a", 11.0)]).are_same(few), "of what, nobody knows");
}

#[test]
fn sides_are_the_same_within_the_tolerance_alone() {
    let both = sides(&[("calls_total", "/a", 100.0)], &[("calls_total", "/a", 103.0)]);
    assert!(both.are_same(share(0.05)) && !both.are_same(share(0.01)));
    // The sums are the same, the series are not.
    let moved = sides(
        &[("calls_total", "/a", 100.0), ("calls_total", "/b", 50.0)],
        &[("calls_total", "/a", 50.0), ("calls_total", "/b", 100.0)],
    );
    assert!(!moved.are_same(share(0.05)));
    assert!(!sides(&[], &[]).are_same(share(0.05)), "nothing is no proof");
    let gauge = sides(&[("temperature", "/a", 0.0)], &[("temperature", "/a", 0.0)]);
    assert!(gauge.are_same(share(0.0)));
}

#[test]
fn what_one_side_alone_has_is_told() {
    let both =
        sides(&[("calls_total", "/a", 1.0), ("calls_total", "/b", 1.0)], &[("calls_total", "/a", 1.0)]);
    let told = both.json(share(0.05));
    assert_eq!((&told["metrics"][0]["only"][0], &told["same"]), (&1.into(), &false.into()));
    assert!(both.text(share(0.05)).contains("1 of 1 metrics differ"), "{}", both.text(share(0.05)));
}
