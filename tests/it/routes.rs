//! Connectors that pass on: through the whole engine, from a receiver to the queues behind other pipelines.

use anyhow::Result;
use component::testing::ManualClock;
use model::{Signal, Timestamp};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message;

use crate::{
    parts::{Hand, registry, wait_until},
    rig::Rig,
};

/// Spans of a service by their names.
fn request(service: &str, names: &[&str]) -> Vec<u8> {
    let value = AnyValue { value: Some(Value::StringValue(service.to_owned())) };
    let attribute = KeyValue { key: "service.name".to_owned(), value: Some(value), ..KeyValue::default() };
    let span = |name: &&str| Span { name: (*name).to_owned(), ..Span::default() };
    let scope_spans = vec![ScopeSpans { spans: names.iter().map(span).collect(), ..ScopeSpans::default() }];
    let resource = Some(Resource { attributes: vec![attribute], ..Resource::default() });
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }],
    }
    .encode_to_vec()
}

#[test]
fn each_part_of_a_request_reaches_the_exporters_of_its_route() -> Result<()> {
    let [cart, slow, rest, all] =
        ["held/route_cart", "held/route_slow", "held/route_rest", "held/route_all"].map(Hand::on);
    let yaml = "
receivers:
  otlp: {protocols: {http: {endpoint: '127.0.0.1:0'}}}
exporters: {held/route_cart: , held/route_slow: , held/route_rest: , held/route_all: }
processors:
  transform: {trace_statements: ['set(span.attributes[\"seen\"], true)']}
connectors:
  forward:
  routing:
    default_pipelines: [traces/rest]
    table:
      - {condition: 'resource.attributes[\"service.name\"] == \"cart\"', pipelines: [traces/cart]}
      - {condition: 'span.name == \"slow\"', pipelines: [traces/slow]}
service:
  trueline: {shards: 1}
  pipelines:
    traces: {receivers: [otlp], exporters: [forward]}
    traces/all: {receivers: [forward], processors: [transform], exporters: [held/route_all]}
    traces/in: {receivers: [forward], exporters: [routing]}
    traces/cart: {receivers: [routing], exporters: [held/route_cart]}
    traces/slow: {receivers: [routing], processors: [transform], exporters: [held/route_slow]}
    traces/rest: {receivers: [routing], exporters: [held/route_rest]}
";
    let rig = Rig::start_with(yaml, &ManualClock::new(Timestamp::from_secs(1_800_000_000)), &registry())?;
    for hand in [&cart, &slow, &rest, &all] {
        hand.release.cancel();
    }
    let mut client = rig.connect()?;
    assert_eq!(client.send(Signal::Traces, &request("cart", &["slow", "fast", "fast"]))?, 200);
    assert_eq!(
        client.send(Signal::Traces, &request("payment", &["slow", "fast", "fast", "slow", "fast"]))?,
        200
    );
    wait_until("all parts", || [&cart, &slow, &rest, &all].map(|hand| hand.items()) == [3, 2, 3, 8])?;
    rig.stop();
    assert_eq!(
        [&cart, &slow, &rest, &all].map(|hand| (hand.attempts(), hand.items())),
        [(1, 3), (1, 2), (1, 3), (2, 8)]
    );
    Ok(())
}

#[test]
fn a_request_goes_where_its_headers_say_over_every_shard_and_connector() -> Result<()> {
    let [acme, rest] = ["held/head_acme", "held/head_rest"].map(Hand::on);
    let yaml = "
receivers:
  otlp: {protocols: {http: {endpoint: '127.0.0.1:0', include_metadata: true}}}
exporters: {held/head_acme: , held/head_rest: }
processors:
  transform: {trace_statements: ['set(span.attributes[\"seen\"], true)']}
connectors:
  forward:
  routing:
    default_pipelines: [traces/rest]
    table:
      - {context: request, condition: 'request[\"X-Tenant\"] == \"acme\"', pipelines: [traces/acme]}
service:
  trueline: {shards: 4}
  pipelines:
    traces: {receivers: [otlp], processors: [transform], exporters: [forward]}
    traces/in: {receivers: [forward], exporters: [routing]}
    traces/acme: {receivers: [routing], exporters: [held/head_acme]}
    traces/rest: {receivers: [routing], exporters: [held/head_rest]}
";
    let rig = Rig::start_with(yaml, &ManualClock::new(Timestamp::from_secs(1_800_000_000)), &registry())?;
    for hand in [&acme, &rest] {
        hand.release.cancel();
    }
    let mut clients: Vec<_> = (0..8).map(|_| rig.connect()).collect::<Result<_>>()?;
    for client in &mut clients {
        assert_eq!(client.send_with("x-tenant: acme", Signal::Traces, &request("cart", &["a", "b"]))?, 200);
        assert_eq!(client.send_with("x-tenant: other", Signal::Traces, &request("cart", &["c"]))?, 200);
        // Nothing is left of the request before.
        assert_eq!(client.send(Signal::Traces, &request("cart", &["d", "e", "f"]))?, 200);
    }
    wait_until("all requests", || [&acme, &rest].map(|hand| hand.items()) == [16, 32])?;
    rig.stop();
    Ok(())
}
