use component::testing::Harness;
use expect_test::expect;
use model::Payload;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

use super::{Resource, ResourceConfig};
use crate::{actions::ActionConfig, testing::*};

#[test]
fn resources_are_edited_and_their_spans_stay() {
    let action = |verb: &str, key: &str, from: &str| ActionConfig {
        key: key.to_owned(),
        action: verb.to_owned(),
        from_attribute: from.to_owned(),
        ..ActionConfig::default()
    };
    let attributes = vec![action("upsert", "app", "service.name"), action("delete", "secret", "")];
    let mut harness = Harness::new::<Resource>(&ResourceConfig { attributes }, 1, T0);
    let sent = request(vec![
        resource_spans(
            vec![text("service.name", "cart"), text("secret", "x")],
            vec![span("a", 1, 0, 1, vec![])],
        ),
        resource_spans(vec![], vec![span("b", 1, 0, 1, vec![])]),
    ]);
    let out = push(&mut harness, 0, &sent);
    let [Payload::Traces(traces)] = &out[..] else { panic!("one request in, one out") };
    let got = ExportTraceServiceRequest::decode(traces.bytes.clone()).unwrap();
    let told: Vec<String> =
        got.resource_spans.iter().map(|r| labels(&r.resource.as_ref().unwrap().attributes)).collect();
    expect![[r#"
        {service.name=cart,app=cart}
        {}"#]]
    .assert_eq(&told.join("\n"));
    let names: Vec<&[u8]> = traces.table.spans.iter().map(|span| span.name.of(&traces.bytes)).collect();
    assert_eq!(names, [b"a", b"b"]);
    assert_eq!(got.resource_spans[0].scope_spans, sent.resource_spans[0].scope_spans);
}
