use proptest::prelude::*;

use model::prometheus::{NameKind, metric_name, unit_name};

use crate::prometheus_names::{Namer, TranslationStrategy, label_name};

use NameKind::{Counter, Gauge, Other};
use TranslationStrategy::{
    NoTranslation, NoUTF8EscapingWithSuffixes, UnderscoreEscapingWithSuffixes,
    UnderscoreEscapingWithoutSuffixes,
};

#[track_caller]
fn check(strategy: TranslationStrategy, namespace: &str, vectors: &[(&str, &str, NameKind, Option<&str>)]) {
    for (name, unit, kind, expected) in vectors {
        let got = metric_name(name, unit, *kind, namespace, strategy.naming());
        assert_eq!(got.as_deref(), *expected, "{name:?} in {unit:?} as {kind:?}");
    }
}

#[test]
fn a_name_gets_its_unit_and_type() {
    let vectors = [
        ("http.server.duration", "s", Other, Some("http_server_duration_seconds")),
        ("http.server.request.duration", "ms", Other, Some("http_server_request_duration_milliseconds")),
        ("system.io", "By", Counter, Some("system_io_bytes_total")),
        ("system.io", "By", Other, Some("system_io_bytes")),
        ("network.transmitted", "By/s", Gauge, Some("network_transmitted_bytes_per_second")),
        ("network.transmitted", "By/m", Gauge, Some("network_transmitted_bytes_per_minute")),
        ("system.filesystem.utilization", "1", Gauge, Some("system_filesystem_utilization_ratio")),
        ("system.cpu.utilization", "%", Gauge, Some("system_cpu_utilization_percent")),
        ("requests", "1", Counter, Some("requests_total")),
        ("requests", "1", Other, Some("requests")),
        ("requests", "{request}", Counter, Some("requests_total")),
        ("requests", "{request}/s", Gauge, Some("requests_per_second")),
        ("requests", "{request}/m", Gauge, Some("requests_per_minute")),
        ("speed", "km/h", Gauge, Some("speed_km_per_hour")),
        ("per.week", "g/w", Gauge, Some("per_week_grams_per_week")),
        ("monthly", "KBy/mo", Gauge, Some("monthly_kilobytes_per_month")),
        ("yearly", "GiBy/y", Gauge, Some("yearly_gibibytes_per_year")),
        ("temperature", "Cel", Gauge, Some("temperature_celsius")),
        ("frequency", "Hz", Gauge, Some("frequency_hertz")),
        ("current", "A", Gauge, Some("current_amperes")),
        ("age", "d", Gauge, Some("age_days")),
        ("wait", "min", Gauge, Some("wait_minutes")),
        ("unknown.unit", "furlongs", Gauge, Some("unknown_unit_furlongs")),
        ("foreign", "°F", Gauge, Some("foreign_F")),
    ];
    check(UnderscoreEscapingWithSuffixes, "", &vectors);
}

#[test]
fn what_a_name_says_already_is_not_said_twice() {
    let vectors = [
        ("process.runtime.seconds", "s", Gauge, Some("process_runtime_seconds")),
        ("seconds.spent", "s", Counter, Some("seconds_spent_total")),
        ("hits_total", "", Counter, Some("hits_total")),
        ("total.hits", "", Counter, Some("hits_total")),
        ("total.hits.total", "", Counter, Some("hits_total")),
        ("cache_ratio", "1", Gauge, Some("cache_ratio")),
        ("ratio.of.hits", "1", Gauge, Some("of_hits_ratio")),
        ("io.bytes.per.second", "By", Gauge, Some("io_bytes_per_second")),
        ("io_per_second", "By/s", Gauge, Some("io_per_second_bytes_per_second")),
    ];
    check(UnderscoreEscapingWithSuffixes, "", &vectors);
}

#[test]
fn what_a_classic_name_can_not_hold_becomes_one_underscore() {
    let vectors = [
        ("unsupported.metric.temperature", "%F", Gauge, Some("unsupported_metric_temperature_F")),
        ("a..b", "", Other, Some("a_b")),
        ("a_ _b", "", Other, Some("a_b")),
        ("__a__", "", Other, Some("a")),
        ("ns:rule:sum", "", Other, Some("ns:rule:sum")),
        ("1st", "", Other, Some("_1st")),
        ("größe", "", Other, Some("gr_e")),
        ("温度", "", Other, None),
        ("温度", "Cel", Gauge, Some("celsius")),
        ("___", "", Other, None),
        ("", "", Other, None),
        ("x", "a/b/c", Gauge, Some("x_a_per_b_c")),
        ("x", "  s  ", Gauge, Some("x_seconds")),
        ("x", "{a}/{b}", Gauge, Some("x")),
    ];
    check(UnderscoreEscapingWithSuffixes, "", &vectors);
}

#[test]
fn a_namespace_comes_first() {
    check(
        UnderscoreEscapingWithSuffixes,
        "shop",
        &[
            ("calls", "", Counter, Some("shop_calls_total")),
            ("1st", "", Other, Some("shop_1st")),
            ("size", "By", Gauge, Some("shop_size_bytes")),
        ],
    );
    check(UnderscoreEscapingWithoutSuffixes, "my.shop", &[("calls", "", Counter, Some("my_shop_calls"))]);
    check(NoTranslation, "shop", &[("my.calls", "s", Counter, Some("shop_my.calls"))]);
}

#[test]
fn without_suffixes_only_illegal_characters_change() {
    check(
        UnderscoreEscapingWithoutSuffixes,
        "",
        &[
            ("http.server.duration", "s", Other, Some("http_server_duration")),
            ("requests", "1", Counter, Some("requests")),
            ("a__b", "", Other, Some("a__b")),
            ("a..b", "", Other, Some("a_b")),
            ("1st", "", Other, Some("_1st")),
            ("___", "", Other, Some("___")),
            ("._.", "", Other, None),
        ],
    );
}

#[test]
fn utf8_names_are_kept_and_still_get_suffixes() {
    check(
        NoUTF8EscapingWithSuffixes,
        "",
        &[
            ("http.server.duration", "s", Other, Some("http.server.duration_seconds")),
            ("http.server.seconds", "s", Other, Some("http.server.seconds")),
            ("requests", "", Counter, Some("requests_total")),
            ("requests_total", "", Counter, Some("requests_total")),
            ("hit_ratio", "1", Gauge, Some("hit_ratio")),
            ("hit", "1", Gauge, Some("hit_ratio")),
            ("io", "By/s", Counter, Some("io_bytes_per_second_total")),
            ("io_bytes_per_second_total", "By/s", Counter, Some("io_bytes_per_second_total")),
            ("total", "", Counter, Some("total_total")),
            ("größe", "By", Gauge, Some("größe_bytes")),
        ],
    );
    check(
        NoTranslation,
        "",
        &[("http.server.duration", "s", Other, Some("http.server.duration")), ("", "", Other, None)],
    );
}

#[test]
fn a_label_is_made_legal() {
    let vectors = [
        ("http.method", Some("http_method")),
        ("a..b", Some("a_b")),
        ("a__b", Some("a_b")),
        ("1st", Some("key_1st")),
        (".hidden", Some("key_hidden")),
        ("_private", Some("key_private")),
        ("__reserved__", Some("__reserved__")),
        ("__re..served__", Some("__re_served__")),
        ("Über", Some("key_ber")),
        ("ns:label", Some("ns_label")),
        ("a-b/c", Some("a_b_c")),
        ("", None),
        ("____", None),
    ];
    for (key, expected) in vectors {
        assert_eq!(label_name(key, UnderscoreEscapingWithSuffixes).as_deref(), expected, "{key:?}");
    }
    assert_eq!(label_name("http.method", NoTranslation).as_deref(), Some("http.method"));
    assert_eq!(label_name("__", NoTranslation), None);
}

#[test]
fn a_unit_is_written_in_words() {
    for (unit, expected) in
        [("By/s", "bytes_per_second"), ("1", ""), ("{x}", ""), ("1/s", "per_second"), ("ms", "milliseconds")]
    {
        assert_eq!(unit_name(unit, true), expected, "{unit:?}");
    }
}

#[test]
fn the_deprecated_key_decides_only_without_the_new_one() {
    assert_eq!(TranslationStrategy::from_keys(None, true), UnderscoreEscapingWithSuffixes);
    assert_eq!(TranslationStrategy::from_keys(None, false), UnderscoreEscapingWithoutSuffixes);
    assert_eq!(TranslationStrategy::from_keys(Some(NoTranslation), false), NoTranslation);
}

#[test]
fn more_names_than_are_remembered_are_translated_all_the_same() {
    let mut namer = Namer::new("", UnderscoreEscapingWithSuffixes);
    for round in 0..2 {
        for number in 0..20_000 {
            let name = namer.metric(&format!("m.{number}"), "s", Counter).unwrap();
            assert_eq!(name.name, format!("m_{number}_seconds_total"), "round {round}");
            assert_eq!(namer.label(&format!("l.{number}")).unwrap(), format!("l_{number}"));
        }
    }
}

fn is_classic_metric(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    !name.is_empty() && name.chars().all(legal) && !name.starts_with(|c: char| c.is_ascii_digit())
}

fn any_kind() -> impl Strategy<Value = NameKind> {
    prop_oneof![Just(Counter), Just(Gauge), Just(Other)]
}

proptest! {
    #[test]
    fn escaped_metric_names_are_always_legal(name in ".{0,24}", unit in ".{0,8}", kind in any_kind(), namespace in "[a-zA-Z1. ]{0,4}") {
        for strategy in [UnderscoreEscapingWithSuffixes, UnderscoreEscapingWithoutSuffixes] {
            // Namespaces are the operator's and taken as they are where suffixes are added.
            let namespace = if strategy.adds_suffixes() { "" } else { namespace.as_str() };
            if let Some(made) = metric_name(&name, &unit, kind, namespace, strategy.naming()) {
                prop_assert!(is_classic_metric(&made), "{made:?}");
            }
        }
    }

    #[test]
    fn escaped_label_names_are_always_legal(key in ".{0,24}") {
        if let Some(made) = label_name(&key, UnderscoreEscapingWithSuffixes) {
            let legal = made.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            prop_assert!(legal && !made.starts_with(|c: char| c.is_ascii_digit()), "{made:?}");
        }
    }

    #[test]
    fn a_translated_label_translates_to_itself(key in ".{0,24}") {
        if let Some(made) = label_name(&key, UnderscoreEscapingWithSuffixes) {
            prop_assert_eq!(label_name(&made, UnderscoreEscapingWithSuffixes), Some(made.clone()));
        }
    }

    #[test]
    fn a_counter_ends_in_total(name in "[a-z._]{1,24}", unit in "[a-zA-Z/%{}1]{0,6}") {
        for strategy in [UnderscoreEscapingWithSuffixes, NoUTF8EscapingWithSuffixes] {
            if let Some(made) = metric_name(&name, &unit, Counter, "", strategy.naming()) {
                prop_assert!(made.ends_with("_total") || made == "total", "{made:?}");
            }
        }
    }
}
