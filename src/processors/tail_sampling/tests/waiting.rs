//! How long traces wait, what has no room, and what comes late.

use expect_test::expect;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::InstrumentationScope,
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans},
};
use prost::Message;

use super::scene::{Scene, of, requests};
use crate::testing::*;

const ALL: &str = "policies: [{name: all, type: always_sample}]";
const ERRORS: &str = "policies: [{name: e, type: status_code, status_code: {status_codes: [ERROR]}}]";

fn scene(rest: &str) -> Scene {
    Scene::new(&format!("{ALL}\n{rest}"), 2)
}

#[test]
fn parts_of_a_trace_come_together_over_shards_and_time() {
    let mut scene = Scene::new(&format!("{ERRORS}\ndecision_wait: 3s\n"), 3);
    scene.send_each(&[of(1, 1), of(1, 2).service("cart"), of(2, 1)]);
    assert!(scene.pass(2).is_empty());
    scene.send_each(&[of(1, 3).service("pay").status(2), of(3, 1).status(2)]);
    assert_eq!(scene.pass(2), ["1.1", "1.2", "1.3"], "three seconds after the first was told");
    assert_eq!(scene.pass(2), ["3.1"]);
    assert_eq!(scene.dropped(), [("not_sampled", 1)].into());
    assert_eq!(scene.metric("new_trace_id_received"), 3);
    assert_eq!(scene.metric("bytes_on_memory"), 3 * 352, "decisions are known, no span waits");
}

#[test]
fn what_comes_out_is_what_came_in() {
    let mut scene = scene("decision_wait: 1s\n");
    let spans =
        [of(2, 1).attribute(text("long", &"x".repeat(300))), of(1, 2).service("cart"), of(1, 1), of(1, 3)];
    scene.send(&spans);
    let out = scene.pass_raw(2);
    let [told] = &requests(&out)[..] else { panic!("one request comes out") };
    let expected = request(vec![
        resource_spans(vec![text("service.name", "cart")], vec![spans[1].span.clone()]),
        resource_spans(
            vec![text("service.name", "shop")],
            vec![spans[2].span.clone(), spans[3].span.clone(), spans[0].span.clone()],
        ),
    ]);
    assert_eq!(*told, expected, "each resource once; traces by id");
}

#[test]
fn after_its_root_a_trace_waits_less() {
    let mut scene = scene("decision_wait: 10s\ndecision_wait_after_root_received: 2s\n");
    scene.send_each(&[of(1, 2), of(2, 2)]);
    assert!(scene.pass(3).is_empty());
    scene.send_each(&[of(1, 1)]);
    assert!(scene.pass(2).is_empty());
    assert_eq!(scene.pass(1), ["1.1", "1.2"]);
    assert_eq!(scene.pass(5), ["2.2"]);
}

#[test]
fn late_spans_follow_the_decision_while_it_is_known() {
    let mut scene = Scene::new(&format!("{ERRORS}\ndecision_wait: 1s\nnum_traces: 3\n"), 2);
    scene.send_each(&[of(1, 1).status(2), of(2, 1)]);
    assert_eq!(scene.pass(2), ["1.1"]);
    scene.send_each(&[of(1, 2), of(2, 2).status(2)]);
    assert_eq!(scene.pass(1), ["1.2"]);
    assert_eq!(scene.dropped(), [("not_sampled", 2)].into());
    assert_eq!(scene.metric("bytes_on_memory"), 2 * 352, "decisions are known, late spans have left");
    // Two newer traces take the place of the older one: of what comes of it nothing is known.
    scene.send_each(&[of(3, 1), of(4, 1)]);
    scene.pass(2);
    scene.send_each(&[of(1, 3), of(4, 2)]);
    assert!(scene.pass(3).is_empty());
    assert_eq!(scene.metric("new_trace_id_received"), 5);
}

#[test]
fn decisions_are_remembered_beyond_their_traces() {
    let yaml = format!(
        "{ERRORS}\ndecision_wait: 1s\nnum_traces: 1\ndecision_cache: {{sampled_cache_size: 2, non_sampled_cache_size: 1}}\n"
    );
    let mut scene = Scene::new(&yaml, 2);
    let mut told = Vec::new();
    for trace in 1..=3 {
        scene.send_each(&[of(trace, 1).status(2)]);
        told.extend(scene.pass(2));
    }
    assert_eq!(told, ["1.1", "2.1", "3.1"]);
    scene.send_each(&[of(2, 2), of(3, 2)]);
    assert_eq!(scene.pass(1), ["2.2", "3.2"]);
    scene.send_each(&[of(1, 2)]);
    assert!(scene.pass(2).is_empty(), "forgotten, and without an error not sampled again");
    scene.send_each(&[of(1, 3).status(2)]);
    assert!(scene.pass(2).is_empty(), "remembered as not sampled");
    assert_eq!(scene.metric("early_releases_from_cache_decision"), 3);
    assert_eq!(scene.metric("sampling_traces_on_memory"), 0);
}

#[test]
fn the_oldest_traces_give_way() {
    let mut scene = scene("decision_wait: 5s\nnum_traces: 3\n");
    scene.send_each(&[of(5, 1), of(4, 1)]);
    scene.pass(1);
    scene.send_each(&[of(3, 1), of(3, 2), of(2, 1), of(1, 1)]);
    scene.pass(1);
    assert_eq!(scene.dropped(), [("dropped_too_early", 2)].into());
    assert_eq!(scene.metric("sampling_trace_dropped_too_early"), 2);
    assert_eq!(scene.drain(), ["1.1", "2.1", "3.1", "3.2"]);
}

#[test]
fn bytes_are_bounded_and_given_back() {
    let mut scene = scene("decision_wait: 5s\nmax_bytes: 1100KiB\n");
    let large = |trace| of(trace, 1).attribute(text("large", &"x".repeat(200_000)));
    for trace in 1..=5 {
        scene.send(&[large(trace)]);
    }
    scene.pass(1);
    assert!(scene.dropped().is_empty());
    let held = scene.metric("bytes_on_memory");
    assert!((1_062_000..1_072_000).contains(&held), "{held}, a sixteenth for room that is not used");
    // A resource counts too.
    let resources = |trace| of(trace, 1).of_resource(text("large", &"y".repeat(200_000)));
    scene.send(&[resources(6), resources(7)]);
    scene.pass(1);
    assert_eq!(scene.dropped(), [("dropped_too_early", 1)].into(), "both have the same resource");
    assert_eq!(scene.drain().len(), 6);
    assert_eq!(scene.metric("bytes_on_memory"), 6 * 352, "only decisions are left");
}

#[test]
fn traces_that_are_too_large_are_dropped_at_once_and_stay_so() {
    let mut scene = scene("decision_wait: 3s\nmaximum_trace_size_bytes: 1000\n");
    let large = |id| of(1, id).attribute(text("large", &"x".repeat(600)));
    scene.send_each(&[large(1), of(2, 1)]);
    scene.pass(1);
    scene.send_each(&[large(2)]);
    scene.pass(1);
    assert_eq!(scene.dropped(), [("trace_too_large", 2)].into());
    scene.send_each(&[of(1, 3)]);
    assert_eq!(scene.pass(5), ["2.1"]);
    assert_eq!(scene.metric("traces_dropped_too_large"), 1);
    assert_eq!(scene.dropped(), [("trace_too_large", 2), ("not_sampled", 1)].into());
}

#[test]
fn what_comes_behind_a_trace_that_is_too_large_is_kept() {
    let mut scene = scene("decision_wait: 1s\nmaximum_trace_size_bytes: 1000\n");
    let large = of(1, 1).attribute(text("large", &"x".repeat(2_000)));
    scene.send(&[large, of(2, 1), of(3, 1)]);
    assert_eq!(scene.pass(2), ["2.1", "3.1"]);
    assert_eq!(scene.dropped(), [("trace_too_large", 1)].into());
}

#[test]
fn a_trace_is_measured_as_it_grows() {
    let mut scene = scene("decision_wait: 20s\nmaximum_trace_size_bytes: 20000\n");
    for id in 1..100 {
        scene.send(&[of(1, id).attribute(text("wide", &"x".repeat(300)))]);
        scene.pass_raw(if id % 10 == 0 { 1 } else { 0 });
    }
    scene.pass(1);
    let dropped = scene.dropped();
    let [(_, n_too_large)] =
        dropped.iter().filter(|(it, _)| **it == "trace_too_large").collect::<Vec<_>>()[..]
    else {
        panic!("{dropped:?}")
    };
    // A span takes some 350 bytes, resource and scope once.
    assert!((50..70).contains(n_too_large), "{dropped:?}");
    assert_eq!(scene.metric("traces_dropped_too_large"), 1);
}

#[test]
fn late_spans_do_not_make_those_give_way_that_wait() {
    let mut scene = scene("decision_wait: 1s\nmax_bytes: 1MiB\ndecision_cache: {sampled_cache_size: 100}\n");
    scene.send(&[of(1, 1)]);
    assert_eq!(scene.pass(2), ["1.1"]);
    scene.send(&[of(2, 1)]);
    let late = |id| of(1, id).attribute(text("wide", &"x".repeat(300_000)));
    (2..8).for_each(|id| scene.send(&[late(id)]));
    let told = scene.pass(2);
    assert_eq!(told, ["1.2", "1.3", "1.4", "1.5", "1.6", "1.7", "2.1"]);
    assert!(scene.dropped().is_empty(), "{:?}", scene.dropped());
}

#[test]
fn at_the_stop_pending_traces_are_decided_or_dropped() {
    let mut decided = Scene::new(ERRORS, 2);
    decided.send_each(&[of(1, 1), of(1, 2).status(2), of(2, 1)]);
    assert_eq!(decided.drain(), ["1.1", "1.2"]);
    let mut dropped = scene("drop_pending_traces_on_shutdown: true\n");
    dropped.send_each(&[of(1, 1), of(1, 2)]);
    assert!(dropped.drain().is_empty());
    assert_eq!(dropped.dropped(), [("dropped_at_the_stop", 2)].into());
}

#[test]
fn spans_without_a_trace_are_one() {
    let mut scene = scene("decision_wait: 1s\n");
    let nameless = |id, trace_id| of(0, id).with(|span| span.trace_id = trace_id);
    scene.send(&[nameless(1, vec![0; 16]), nameless(2, vec![0; 16])]);
    assert_eq!(scene.pass(2), ["0.1", "0.2"]);
    assert_eq!(scene.metric("new_trace_id_received"), 1);
}

#[test]
fn a_shard_that_is_told_too_much_counts_what_it_leaves_out() {
    let mut scene = Scene::new(&format!("{ALL}\nmax_bytes: 1MiB\n"), 1);
    let large = |trace| of(trace, 1).attribute(text("large", &"x".repeat(9_000_000)));
    scene.send(&[large(1)]);
    scene.send(&[large(2)]);
    assert_eq!(scene.dropped(), [("more_than_a_shard_holds", 1)].into());
}

#[test]
fn decisions_are_counted_by_policy() {
    let yaml = "
decision_wait: 1s
policies:
- {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}
- {name: all, type: always_sample}
- name: health
  type: drop
  drop: {drop_sub_policy: [{name: h, type: string_attribute, string_attribute: {key: r, values: [h]}}]}
";
    for (first_match, expected) in [
        (
            false,
            expect![[r#"
                count_traces_sampled health dropped 1
                count_traces_sampled errors not_sampled 1
                count_traces_sampled health not_sampled 2
                count_traces_sampled all sampled 2
                count_traces_sampled errors sampled 1
                global_count_traces_sampled - dropped 1
                global_count_traces_sampled - sampled 2
            "#]],
        ),
        (
            true,
            expect![[r#"
                count_traces_sampled health dropped 1
                count_traces_sampled errors not_sampled 1
                count_traces_sampled health not_sampled 2
                count_traces_sampled all sampled 1
                count_traces_sampled errors sampled 1
                global_count_traces_sampled - dropped 1
                global_count_traces_sampled - sampled 2
            "#]],
        ),
    ] {
        let mut scene = Scene::new(&format!("sample_on_first_match: {first_match}{yaml}"), 1);
        scene.send_each(&[of(1, 1).status(2), of(2, 1), of(3, 1).attribute(text("r", "h"))]);
        assert_eq!(scene.pass(2), ["1.1", "2.1"]);
        let mut told = String::new();
        for row in scene.harness.telemetry.read() {
            let label =
                |name: &str| row.labels.iter().find(|it| it.0 == name).map_or("-", |it| it.1.as_str());
            let name = row.name.trim_start_matches("otelcol_processor_tail_sampling_");
            if name.ends_with("count_traces_sampled") && row.value > 0 {
                told.push_str(&format!("{name} {} {} {}\n", label("policy"), label("decision"), row.value));
            }
        }
        expected.assert_eq(&told);
    }
}

#[test]
fn many_traces_leave_in_requests_that_hold_each_trace_whole() {
    let mut scene = scene("decision_wait: 1s\n");
    for trace in 1..=200 {
        let wide = |id| of(trace, id).attribute(text("wide", &"x".repeat(5_000)));
        scene.send(&[wide(1), wide(2)]);
    }
    let out = scene.pass_raw(2);
    assert!(out.len() >= 3, "{}", out.len());
    let mut seen = Vec::new();
    for request in requests(&out) {
        let size = request.encoded_len();
        assert!(size < 600 << 10, "{size}");
        let mut traces: Vec<u8> = spans_of(&request).map(|it| it.trace_id[0]).collect();
        assert!(traces.chunk_by(|a, b| a == b).all(|spans| spans.len() == 2), "a trace is in one request");
        traces.dedup();
        seen.extend(traces);
    }
    assert_eq!(seen, (1..=200).collect::<Vec<u8>>());
}

fn spans_of(
    request: &ExportTraceServiceRequest,
) -> impl Iterator<Item = &opentelemetry_proto::tonic::trace::v1::Span> {
    let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    scopes.flat_map(|scope| &scope.spans)
}

#[test]
fn damaged_partials_do_no_harm() {
    use component::{BuildCx, Cx, ProcessorDef, Telemetry, Workbench};
    use model::{Ack, Batch, KeySet, Partial, Payload};

    let config = super::scene::config(&format!("{ALL}\ndecision_wait: 1s\n"));
    let telemetry = Telemetry::default();
    let cx = BuildCx { id: "t", telemetry: &telemetry, instance_id: "i", started_at: T0, is_watched: false };
    let mut bench = Workbench::default();
    let mut shard = super::super::TailSampling::ingest(&config, &cx);
    shard.want(&mut KeySet::default());
    let harness = component::testing::Harness::new::<super::super::TailSampling>(&config, 1, T0);
    let spans = (1..4).map(|trace| of(trace, 1).span).collect();
    let (payload, items) = scanned(&of_service("s", spans), &harness);
    shard.process(Batch { payload, items, ack: Ack::none() }, &mut Cx::new(T0, &mut bench));
    shard.tick(&mut Cx::new(T0, &mut bench));
    let whole = bench.out.pop().and_then(|batch| batch.payload.bytes().cloned()).expect("spans are told");
    let mut random = wire::testing::Random(5);
    let mut half = super::super::TailSampling::analysis(&config, &cx).expect("there are two halves");
    for round in 0..2_000_u64 {
        let mut bytes = whole.to_vec();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = random.word() as u8;
        }
        let now = at(round);
        let payload = Payload::Partial(Partial { bytes: bytes.into(), at: now });
        half.process(Batch { payload, items: 1, ack: Ack::none() }, &mut Cx::new(now, &mut bench));
        half.tick(&mut Cx::new(now, &mut bench));
        bench.out.clear();
    }
    half.drain(&mut Cx::new(at(5_000), &mut bench));
}

/// What a request repeats is kept once: a resource of 64 KiB with 20,000 scopes is told and held in a few of its sizes.
#[test]
fn a_resource_is_kept_once_for_all_its_scopes() {
    let mut scene = scene("decision_wait: 2s\n");
    let large = text("large", &"x".repeat(64 << 10));
    let scope = |at: usize| ScopeSpans {
        scope: Some(InstrumentationScope { name: format!("scope-{at}"), ..Default::default() }),
        spans: vec![of(1, 1).span],
        ..ScopeSpans::default()
    };
    let sent = request(vec![ResourceSpans {
        resource: Some(Resource { attributes: vec![large], ..Resource::default() }),
        scope_spans: (0..20_000).map(scope).collect(),
        ..ResourceSpans::default()
    }]);
    assert!(push(&mut scene.harness, 0, &sent).is_empty());
    assert!(scene.pass_raw(1).is_empty());
    let held = scene.metric("bytes_on_memory");
    assert!(held < 4 * sent.encoded_len() as u64, "{held} bytes wait");
    let told = requests(&scene.pass_raw(3));
    let n_scopes: usize = told.iter().flat_map(|it| &it.resource_spans).map(|it| it.scope_spans.len()).sum();
    assert_eq!(n_scopes, 20_000);
    assert_eq!(scene.metric("bytes_on_memory"), 352, "one decision is known");
}

/// Messages of a megabyte each: traces that stand in several come together, and resources are in each that needs them.
#[test]
fn what_a_shard_tells_in_many_messages_is_whole() {
    let mut scene = scene("decision_wait: 1s\n");
    let wide =
        |trace, id, service| of(trace, id).service(service).attribute(text("wide", &"x".repeat(100_000)));
    let first: Vec<_> = (1..=20).map(|trace| wide(trace, 1, "shop")).collect();
    let second: Vec<_> = (1..=20).map(|trace| wide(trace, 2, "cart")).collect();
    scene.send(&first);
    scene.send(&second);
    let out = scene.pass_raw(2);
    let mut seen = Vec::new();
    for request in requests(&out) {
        for resource in &request.resource_spans {
            let service = &resource.resource.as_ref().expect("each has its resource").attributes[0];
            let spans = resource.scope_spans.iter().flat_map(|scope| &scope.spans);
            seen.extend(spans.map(|span| (span.clone(), service.clone())));
        }
    }
    let expected = |told: &super::scene::Told, service| (told.span.clone(), text("service.name", service));
    let expected =
        first.iter().map(|it| expected(it, "shop")).chain(second.iter().map(|it| expected(it, "cart")));
    let by_ids = |(span, _): &(opentelemetry_proto::tonic::trace::v1::Span, _)| {
        (span.trace_id.clone(), span.span_id.clone())
    };
    let mut expected: Vec<_> = expected.collect();
    expected.sort_by_key(by_ids);
    seen.sort_by_key(by_ids);
    assert!(seen == expected, "{} spans of {}", seen.len(), expected.len());
    assert_eq!(scene.metric("new_trace_id_received"), 20);
}

/// Spans that wait stay whole when those that came with them have left, and their memory is put together.
#[test]
fn spans_outlive_those_that_came_with_them() {
    let mut scene = scene("decision_wait: 20s\ndecision_wait_after_root_received: 1s\n");
    let rootless = |trace: u8| of(trace, 9).attribute(text("mark", &format!("of {trace}")));
    for round in 0..12 {
        // A megabyte of traces that leave at once, and one span that stays.
        let rooted = |at: u8| {
            of(100 + at, 1)
                .with(|span| span.trace_id[1] = round)
                .attribute(text("wide", &"x".repeat(100_000)))
        };
        let mut spans: Vec<_> = (0..10).map(rooted).collect();
        spans.push(rootless(round + 1));
        scene.send(&spans);
    }
    assert_eq!(scene.pass(3).len(), 120);
    let out = scene.pass_raw(20);
    let told = requests(&out);
    let spans: Vec<_> = told.iter().flat_map(spans_of).cloned().collect();
    assert_eq!(spans, (1..=12).map(|trace| rootless(trace).span).collect::<Vec<_>>());
}

/// Another process may tell anything: spans that lie over each other are taken once.
#[test]
fn spans_are_not_taken_of_the_same_bytes_twice() {
    use component::{BuildCx, Cx, ProcessorDef, Telemetry, Workbench};
    use model::{Ack, Batch, Partial, Payload};

    use super::super::partial::{Head, TailPartial, TracePart, VERSION};

    let config = super::scene::config(&format!("{ALL}\ndecision_wait: 1s\n"));
    let telemetry = Telemetry::default();
    let cx = BuildCx { id: "t", telemetry: &telemetry, instance_id: "i", started_at: T0, is_watched: false };
    let mut half = super::super::TailSampling::analysis(&config, &cx).expect("there are two halves");
    let mut bench = Workbench::default();
    let span = of(1, 1).span.encode_to_vec();
    let field = [&[2 << 3 | 2, span.len() as u8], &span[..]].concat();
    let message = |n_spans: u32, lists: usize| TailPartial {
        version: VERSION,
        heads: vec![Head::default()],
        traces: vec![TracePart { trace_low: 1, n_spans, ..TracePart::default() }],
        resources: vec![Default::default()],
        spans: field.clone().into(),
        span_heads: vec![0; lists],
        span_begins: vec![0; lists],
        span_lens: vec![field.len() as u32; 3],
    };
    let mut tell = |message: TailPartial, secs: u64| {
        let payload = Payload::Partial(Partial { bytes: message.encode_to_vec().into(), at: at(secs) });
        half.process(Batch { payload, items: 3, ack: Ack::none() }, &mut Cx::new(at(secs), &mut bench));
        half.tick(&mut Cx::new(at(secs), &mut bench));
        std::mem::take(&mut bench.rejected)
    };
    assert_eq!(tell(message(3, 3), 1), [(2, "unreadable")]);
    assert_eq!(tell(message(3, 3), 2), [(2, "unreadable")], "as late spans too");
    assert_eq!(tell(message(2, 3), 3), [(3, "unreadable")], "spans of nobody");
    assert_eq!(tell(message(3, 2), 4), [(3, "unreadable")], "spans without a head");
}
