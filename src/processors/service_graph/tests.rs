use component::testing::Harness;
use expect_test::expect;
use opentelemetry_proto::tonic::{collector::trace::v1::ExportTraceServiceRequest, trace::v1::Span};
use proptest::prelude::*;

use super::{
    ServiceGraph, ServiceGraphConfig,
    config::GraphFlavor,
    partial::{HalfRow, ServiceGraphPartial, ServiceGraphSnapshot},
};
use crate::testing::*;

/// Holds what is told and stored of edges to its description.
pub(crate) fn hold_halves(schema: &mut schemas::Schema) {
    schema.holds::<ServiceGraphPartial>("ServiceGraphPartial");
    schema.holds::<HalfRow>("HalfEdge");
    schema.holds::<ServiceGraphSnapshot>("ServiceGraphSnapshot");
}

const SERVER: i32 = 2;
const CLIENT: i32 = 3;
const PRODUCER: i32 = 4;
const CONSUMER: i32 = 5;

fn linked(trace: u8, id: u8, parent: u8, span: Span) -> Span {
    let parent_span_id = if parent == 0 { Vec::new() } else { vec![parent; 8] };
    Span { trace_id: vec![trace; 16], span_id: vec![id; 8], parent_span_id, ..span }
}

fn harness(config: &ServiceGraphConfig, shards: usize) -> Harness {
    Harness::new::<ServiceGraph>(config, shards, T0)
}

fn config() -> ServiceGraphConfig {
    ServiceGraphConfig {
        latency_histogram_buckets: vec![config::Duration::from_secs(1)],
        ..Default::default()
    }
}

/// Gives requests to two shards in turn, waits past the time of halves, and returns what is told.
fn told(config: &ServiceGraphConfig, requests: &[ExportTraceServiceRequest]) -> String {
    let mut harness = harness(config, 2);
    for (index, request) in requests.iter().enumerate() {
        push(&mut harness, index % 2, request);
        harness.tick(at(1 + index as u64));
    }
    for secs in 20..60 {
        harness.tick(at(secs));
    }
    lines(&harness.tick(at(60)))
}

#[test]
fn client_and_server_meet_across_shards_and_ticks_in_either_order() {
    let client = of_service("web", vec![linked(1, 2, 9, span("call", CLIENT, 0, 300_000, vec![]))]);
    let server = of_service("cart", vec![linked(1, 3, 2, span("serve", SERVER, 2, 200_000, vec![]))]);
    let expected = expect![[r#"
        resource {} scope traces_service_graph
          traces_service_graph_request_total unit="" sum temporality=2 monotonic=true
            {client=web,server=cart,connection_type=,failed=true} 0..60 = 1
          traces_service_graph_request_failed_total unit="" sum temporality=2 monotonic=true
            {client=web,server=cart,connection_type=,failed=true} 0..60 = 1
          traces_service_graph_request_server unit="s" histogram temporality=2
            {client=web,server=cart,connection_type=,failed=true} 0..60 count=1 sum=0.2 [1:1]
          traces_service_graph_request_client unit="s" histogram temporality=2
            {client=web,server=cart,connection_type=,failed=true} 0..60 count=1 sum=0.3 [1:1]
    "#]];
    let forward = told(&config(), &[client.clone(), server.clone()]);
    expected.assert_eq(&forward);
    assert_eq!(forward, told(&config(), &[server, client]));
}

#[test]
fn tempo_has_no_label_for_failure_and_wider_buckets() {
    let tempo = ServiceGraphConfig { flavor: GraphFlavor::Tempo, ..Default::default() };
    let both = of_service(
        "a",
        vec![
            linked(1, 2, 9, span("call", CLIENT, 2, 300_000, vec![])),
            linked(1, 3, 2, span("serve", SERVER, 0, 200_000, vec![])),
        ],
    );
    expect![[r#"
        resource {} scope traces_service_graph
          traces_service_graph_request_total unit="" sum temporality=2 monotonic=true
            {client=a,server=a,connection_type=} 0..60 = 1
          traces_service_graph_request_failed_total unit="" sum temporality=2 monotonic=true
            {client=a,server=a,connection_type=} 0..60 = 1
          traces_service_graph_request_server unit="s" histogram temporality=2
            {client=a,server=a,connection_type=} 0..60 count=1 sum=0.2 [0.2:1]
          traces_service_graph_request_client unit="s" histogram temporality=2
            {client=a,server=a,connection_type=} 0..60 count=1 sum=0.3 [0.4:1]
    "#]]
    .assert_eq(&told(&tempo, &[both]));
}

#[test]
fn databases_messages_users_and_unseen_servers_are_nodes() {
    let config =
        ServiceGraphConfig { virtual_node_extra_label: true, dimensions: vec!["region".into()], ..config() };
    let spans = vec![
        linked(1, 1, 0, span("root", SERVER, 0, 1_000, vec![text("region", "eu")])),
        linked(1, 2, 1, span("query", CLIENT, 0, 1_000, vec![text("db.name", "orders")])),
        linked(1, 3, 1, span("send", PRODUCER, 0, 1_000, vec![])),
        linked(1, 4, 1, span("unseen", CLIENT, 2, 1_000, vec![text("peer.service", "bank")])),
        linked(1, 5, 1, span("unknown", CLIENT, 0, 1_000, vec![])),
        linked(1, 6, 77, span("orphan", SERVER, 0, 1_000, vec![])),
        linked(1, 7, 1, span("inner", 1, 0, 1_000, vec![])),
    ];
    let consumers = of_service(
        "mail",
        vec![
            linked(1, 8, 3, span("first", CONSUMER, 0, 1_000, vec![])),
            linked(1, 9, 3, span("second", CONSUMER, 0, 1_000, vec![])),
        ],
    );
    let told = told(&config, &[of_service("shop", spans), consumers]);
    let totals: Vec<&str> = told.lines().take_while(|line| !line.contains("request_server")).collect();
    expect![[r#"
        resource {} scope traces_service_graph
          traces_service_graph_request_total unit="" sum temporality=2 monotonic=true
            {client=shop,server=bank,connection_type=virtual_node,failed=true,virtual_node=server} 0..60 = 1
            {client=shop,server=mail,connection_type=messaging_system,failed=false} 0..60 = 2
            {client=shop,server=orders,connection_type=database,failed=false} 0..60 = 1
            {client=shop,server=unknown,connection_type=virtual_node,failed=false,virtual_node=server} 0..60 = 1
            {client=user,server=shop,connection_type=virtual_node,failed=false,server_region=eu,virtual_node=client} 0..60 = 1
          traces_service_graph_request_failed_total unit="" sum temporality=2 monotonic=true
            {client=shop,server=bank,connection_type=virtual_node,failed=true,virtual_node=server} 0..60 = 1"#]].assert_eq(&totals.join("\n"));
}

#[test]
fn what_finds_no_room_is_counted() {
    let mut small = config();
    small.store.max_items = 3;
    let mut harness = harness(&small, 1);
    let clients = (1..=10).map(|n| linked(n, n, 9, span("call", CLIENT, 0, 1, vec![]))).collect();
    push(&mut harness, 0, &of_service("web", clients));
    harness.tick(at(1));
    assert_eq!(harness.bench.rejected, [(7, "service_graph_store_full")]);
    harness.tick(at(11));
    let value = |name: &str| {
        let all = harness.telemetry.read();
        all.iter().find(|it| it.name == format!("otelcol_connector_servicegraph_{name}")).map(|it| it.value)
    };
    assert_eq!(
        (value("dropped_spans"), value("expired_edges"), value("total_edges")),
        (Some(7), Some(3), Some(3))
    );
}

fn sampled(trace_state: &str, span: Span) -> Span {
    Span { trace_state: trace_state.to_owned(), ..span }
}

fn totals(told: &str) -> String {
    told.lines().take_while(|line| !line.contains("request_server")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_sampled_call_counts_for_those_it_stands_for() {
    let spans = vec![
        sampled("ot=th:8", linked(1, 1, 0, span("root", SERVER, 0, 1_000, vec![]))),
        sampled("ot=th:8", linked(1, 2, 1, span("call", CLIENT, 0, 300_000, vec![]))),
        sampled("ot=th:8", linked(1, 4, 1, span("query", CLIENT, 2, 1_000, vec![text("db.name", "orders")]))),
        sampled(
            "ot=th:8",
            linked(1, 5, 1, span("unseen", CLIENT, 0, 1_000, vec![text("peer.service", "bank")])),
        ),
    ];
    // Kept more rarely than its client: the edge is as rare as it.
    let server = sampled("ot=th:c", linked(1, 3, 2, span("serve", SERVER, 0, 200_000, vec![])));
    expect![[r#"
        resource {} scope traces_service_graph
          traces_service_graph_request_total unit="" sum temporality=2 monotonic=true
            {client=shop,server=bank,connection_type=virtual_node,failed=false} 0..60 = 2
            {client=shop,server=cart,connection_type=,failed=false} 0..60 = 4
            {client=shop,server=orders,connection_type=database,failed=true} 0..60 = 2
            {client=user,server=shop,connection_type=virtual_node,failed=false} 0..60 = 2
          traces_service_graph_request_failed_total unit="" sum temporality=2 monotonic=true
            {client=shop,server=orders,connection_type=database,failed=true} 0..60 = 2
          traces_service_graph_request_server unit="s" histogram temporality=2
            {client=shop,server=bank,connection_type=virtual_node,failed=false} 0..60 count=2 sum=0.002 [1:2]
            {client=shop,server=cart,connection_type=,failed=false} 0..60 count=4 sum=0.8 [1:4]
            {client=shop,server=orders,connection_type=database,failed=true} 0..60 count=2 sum=0.002 [1:2]
            {client=user,server=shop,connection_type=virtual_node,failed=false} 0..60 count=2 sum=0.002 [1:2]
          traces_service_graph_request_client unit="s" histogram temporality=2
            {client=shop,server=bank,connection_type=virtual_node,failed=false} 0..60 count=2 sum=0.002 [1:2]
            {client=shop,server=cart,connection_type=,failed=false} 0..60 count=4 sum=1.2 [1:4]
            {client=shop,server=orders,connection_type=database,failed=true} 0..60 count=2 sum=0.002 [1:2]
            {client=user,server=shop,connection_type=virtual_node,failed=false} 0..60 count=2 sum=0.002 [1:2]
    "#]]
    .assert_eq(&told(&config(), &[of_service("shop", spans), of_service("cart", vec![server])]));
}

#[test]
fn both_sides_of_a_sampled_call_round_alike() {
    // Each stands for 1.5 calls; were the sides rounded apart, the greater would be 1.75 on average.
    let third = "ot=th:55555555555555";
    let clients =
        (1..=250).map(|trace| sampled(third, linked(trace, 2, 9, span("call", CLIENT, 0, 1, vec![]))));
    let servers =
        (1..=250).map(|trace| sampled(third, linked(trace, 3, 2, span("serve", SERVER, 0, 1, vec![]))));
    let told = told(&config(), &[of_service("a", clients.collect()), of_service("b", servers.collect())]);
    let count = told.lines().find(|line| line.contains("client=a")).and_then(|line| line.rsplit(' ').next());
    let count: u64 = count.unwrap().parse().unwrap();
    assert!((350..400).contains(&count), "{count} of 375");
}

#[test]
fn edges_over_capacity_keep_the_client_the_connection_and_whether_they_failed() {
    let small = ServiceGraphConfig { max_edges: 1, dimensions: vec!["pod".into()], ..config() };
    let calls = |service: &str, trace: u8| {
        let call = |n: u8| {
            let attributes = vec![text("db.name", &format!("db{n}")), text("pod", &format!("{service}-{n}"))];
            linked(trace, n, 99, span("query", CLIENT, if n == 5 { 2 } else { 0 }, 1_000, attributes))
        };
        of_service(service, (1..6).map(call).collect())
    };
    let mut harness = harness(&small, 2);
    push(&mut harness, 0, &calls("cart", 1));
    push(&mut harness, 1, &calls("shop", 2));
    expect![[r#"
        resource {} scope traces_service_graph
          traces_service_graph_request_total unit="" sum temporality=2 monotonic=true
            {client=cart,server=db1,connection_type=database,failed=false,client_pod=cart-1} 0..60 = 1
            {client=cart,server=db2,connection_type=database,failed=false,client_pod=cart-2} 0..60 = 1
            {client=cart,server=db3,connection_type=database,failed=false,client_pod=cart-3} 0..60 = 1
            {client=cart,connection_type=database,failed=false,otel.metric.overflow=true} 0..60 = 1
            {client=cart,connection_type=database,failed=true,otel.metric.overflow=true} 0..60 = 1
            {client=shop,connection_type=database,failed=false,otel.metric.overflow=true} 0..60 = 4
            {client=shop,connection_type=database,failed=true,otel.metric.overflow=true} 0..60 = 1
          traces_service_graph_request_failed_total unit="" sum temporality=2 monotonic=true
            {client=cart,connection_type=database,failed=true,otel.metric.overflow=true} 0..60 = 1
            {client=shop,connection_type=database,failed=true,otel.metric.overflow=true} 0..60 = 1"#]]
    .assert_eq(&totals(&lines(&harness.tick(at(60)))));
}

#[test]
fn past_the_room_of_overflow_clients_are_no_longer_told_apart() {
    let small = ServiceGraphConfig { max_edges: 1, ..config() };
    let mut harness = harness(&small, 1);
    for n in 0..100 {
        let call = linked(n + 1, 2, 9, span("query", CLIENT, 0, 1_000, vec![text("db.name", "db")]));
        push(&mut harness, 0, &of_service(&format!("s{n:02}"), vec![call]));
    }
    let told = totals(&lines(&harness.tick(at(60))));
    let count = |line: &str| line.rsplit(' ').next().and_then(|count| count.parse::<u64>().ok());
    assert_eq!(told.lines().filter_map(count).sum::<u64>(), 100, "{told}");
    assert!(told.contains("{otel.metric.overflow=true}"), "{told}");
}

/// Traces of few ids, so that halves meet, repeat and miss each other.
fn any_request() -> impl Strategy<Value = ExportTraceServiceRequest> {
    let of_span = (1..3_u8, 1..6_u8, 0..6_u8, 1..6_i32, 0..3_i32, 0..3_000_000_u64, any::<bool>());
    let span = of_span.prop_map(|(trace, id, parent, kind, status, micros, to_database)| {
        let attributes =
            if to_database { vec![text("db.name", "db"), text("peer.service", "p")] } else { vec![] };
        // Some stand for 1.5 calls, and so for one or two.
        let state = if micros % 2 == 0 { "ot=th:55555555555555" } else { "" };
        sampled(state, linked(trace, id, parent, span("x", kind, status, micros, attributes)))
    });
    ("[ab]", prop::collection::vec(span, 0..8)).prop_map(|(service, spans)| of_service(&service, spans))
}

fn run(
    requests: &[ExportTraceServiceRequest],
    shards: usize,
    restart_after: Option<usize>,
) -> Vec<bytes::Bytes> {
    let mut harness = harness(&config(), shards);
    let mut out = Vec::new();
    // Two requests a tick, a tick every four seconds.
    for (index, pair) in requests.chunks(2).enumerate() {
        if restart_after == Some(index) {
            harness.drain();
            let (snapshot, now) = (harness.analysis().snapshot().unwrap(), harness.now);
            harness = Harness::new::<ServiceGraph>(&config(), shards, now);
            harness.analysis().restore(snapshot).unwrap();
        }
        for (shard, request) in pair.iter().enumerate() {
            push(&mut harness, shard % shards, request);
        }
        out.extend(metrics_bytes(&harness.tick(at(4 * (index as u64 + 1)))));
    }
    out.extend(metrics_bytes(&harness.tick(at(60))));
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn shards_do_not_change_a_byte(requests in prop::collection::vec(any_request(), 1..10)) {
        prop_assert_eq!(run(&requests, 1, None), run(&requests, 2, None));
    }

    #[test]
    fn a_restart_does_not_change_a_byte(requests in prop::collection::vec(any_request(), 1..10), after in 0..5_usize) {
        prop_assert_eq!(run(&requests, 2, None), run(&requests, 2, Some(after)));
    }

    #[test]
    fn edges_are_the_pairs_of_client_and_server_spans(clients in prop::collection::btree_set(1..9_u8, 0..6), servers in prop::collection::vec(1..9_u8, 0..9)) {
        let client_spans = clients.iter().map(|&id| linked(1, id, 99, span("c", CLIENT, 0, 1, vec![]))).collect();
        let server_spans = servers.iter().enumerate().map(|(n, &parent)| linked(1, 100 + n as u8, parent, span("s", SERVER, 0, 1, vec![]))).collect();
        let mut harness = harness(&config(), 2);
        push(&mut harness, 0, &of_service("b", server_spans));
        push(&mut harness, 1, &of_service("a", client_spans));
        let told = lines(&harness.drain());
        let expected = servers.iter().filter(|parent| clients.contains(parent)).count();
        let found = told.lines().find(|line| line.contains("failed=false")).map_or("0", |line| line.rsplit(' ').next().unwrap());
        prop_assert_eq!(found, expected.to_string());
    }
}

#[test]
fn a_snapshot_holds_what_came_in_its_second() {
    let spans = vec![
        linked(1, 2, 9, span("call", CLIENT, 0, 1, vec![])),
        linked(1, 3, 2, span("serve", SERVER, 0, 1, vec![])),
    ];
    let request = of_service("a", spans);
    let (payload, _) = scanned(&request, &harness(&config(), 1));
    let [told, restored] = crashed_and_not::<ServiceGraph>(&config(), vec![payload]);
    assert!(!told.is_empty());
    assert_eq!(told, restored);
}

proptest! {
    #[test]
    fn damaged_bytes_do_not_panic(request in any_request(), damage in prop::collection::vec((any::<usize>(), any::<u8>()), 1..6)) {
        let (payload, _) = scanned(&request, &harness(&config(), 1));
        survive_damage::<ServiceGraph>(&config(), vec![payload], &damage);
    }
}
