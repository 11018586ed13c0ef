//! Feature flags that spans and log records tell of.

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    trace::v1::{Span as Sent, span::Event as SpanEvent},
};
use serde_json::Value;
use wire::build::Attributes;

use super::{Shop, calm, record};
use crate::testing::{of_service, push, span, text};

/// A span of payments in which a flag was asked, as it is spelled now and as it was.
fn asked(name: &str, provider: &str, variant: (&str, &str)) -> ExportTraceServiceRequest {
    let event =
        |name: &str, attributes| SpanEvent { name: name.to_owned(), attributes, ..SpanEvent::default() };
    let events = vec![
        event("exception", vec![text("exception.type", "NoCard")]),
        event(
            name,
            vec![
                text("feature_flag.key", "new-cards"),
                text(provider, "flagd"),
                text(variant.0, variant.1),
                text("feature_flag.context.id", "user 7"),
            ],
        ),
    ];
    of_service("payment", vec![Sent { events, ..span("Charge", 2, 0, 9, vec![]) }])
}

/// Titles of changes, the oldest first.
fn changes(shop: &mut Shop) -> Vec<String> {
    let answer: Value = serde_json::from_slice(&shop.ask("GET", "changes", "").body).expect("it is JSON");
    let all = answer["changes"].as_array().expect("there are changes");
    let mut titles: Vec<String> =
        all.iter().map(|change| change["title"].as_str().expect("it has one").to_owned()).collect();
    titles.reverse();
    titles
}

#[test]
fn an_evaluation_that_a_span_tells_of_is_a_change_when_its_variant_is_another() {
    let names = [
        ("feature_flag.evaluation", "feature_flag.provider.name", "feature_flag.result.variant"),
        ("feature_flag", "feature_flag.provider_name", "feature_flag.variant"),
        ("feature_flag.evaluation", "feature_flag.provider.name", "feature_flag.result.value"),
    ];
    for (name, provider, variant) in names {
        let mut shop = Shop::new("");
        for window in 0..4 {
            let now = if window < 2 { "off" } else { "on" };
            push(&mut shop.harness, 0, &asked(name, provider, (variant, now)));
            shop.run_to(10 * window + 10, &calm);
        }
        assert_eq!(changes(&mut shop), ["feature flag new-cards (flagd) of payment is on"], "{name}");
    }
}

#[test]
fn another_part_of_evaluations_is_a_change_whoever_tells_of_them() {
    let mut shop = Shop::new("");
    let mut attributes = Attributes::new();
    attributes.push_str("feature_flag.key", "new-cards");
    attributes.push_str("feature_flag.provider.name", "flagd");
    attributes.push_str("feature_flag.result.variant", "on");
    let told = record("payment", "openfeature", "feature_flag.evaluation", 0, "", &attributes);
    let off = ("feature_flag.result.variant", "off");
    for window in 0..24 {
        for _ in 0..9 {
            push(&mut shop.harness, 0, &asked("feature_flag.evaluation", "feature_flag.provider.name", off));
        }
        // In the first minutes one in ten, then half of them.
        for _ in 0..if window < 12 { 1 } else { 9 } {
            shop.push(&told);
        }
        shop.run_to(10 * window + 10, &calm);
    }
    let found = changes(&mut shop);
    assert_eq!(
        found.last().map(String::as_str),
        Some("feature flag new-cards (flagd) of payment is on in 50 % of evaluations, 10 % before"),
        "{found:?}"
    );
    assert!(found.len() <= 2, "which of the first two variants came first nobody knows: {found:?}");
}

#[test]
fn spans_without_a_service_or_a_variant_tell_of_no_flag() {
    let mut shop = Shop::new("");
    let name = "feature_flag.evaluation";
    for (window, variant) in [(0, "off"), (1, "on")] {
        let mut nameless =
            asked(name, "feature_flag.provider.name", ("feature_flag.result.variant", variant));
        nameless.resource_spans[0].resource = None;
        push(&mut shop.harness, 0, &nameless);
        push(&mut shop.harness, 0, &asked(name, "feature_flag.provider.name", ("reason", variant)));
        shop.run_to(10 * window + 10, &calm);
    }
    assert_eq!(changes(&mut shop), [""; 0]);
}
