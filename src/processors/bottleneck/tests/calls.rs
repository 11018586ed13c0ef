//! Who called whom.

use expect_test::expect;
use opentelemetry_proto::tonic::trace::v1::span::Event;

use super::{
    super::{BottleneckConfig, config::TraceConfig},
    scene::{Stage, lines, request},
};
use crate::testing::{T0, text};

const SHOP: &str = "
    shop GET/cart server 0..100
      shop call client 10..60
        cart get server 20..50
          cart SELECT client 25..45 db=carts
      shop call client 60..90 peer=bank
      shop publish producer 92..93
        mail send consumer 150..190
          mail smtp client 155..185 peer=smtp.example !
";

#[test]
fn calls_are_told_by_who_called_whom_with_the_callers_wait_and_the_gap() {
    let mut stage = Stage::new(&BottleneckConfig::default(), 1);
    stage.push(0, &request(1, 0, SHOP));
    stage.pass(20);
    expect![[r#"
        coverage 1.00
        cart > carts database: 1 calls, 0 failed, 20/21 ms, gap -, trace 1
        mail > smtp.example peer: 1 calls, 1 failed, 30/31 ms, gap -, trace 1
        shop > bank peer: 1 calls, 0 failed, 30/31 ms, gap -, trace 1
        shop > cart request: 1 calls, 0 failed, 50/51 ms, gap 20/21, trace 1
        shop > mail message: 1 calls, 0 failed, 1/1 ms, gap 57/59, trace 1
        user > shop request: 1 calls, 0 failed, 101/103 ms, gap -, trace 1
        cart get: 1 calls, 0 failed, 0 here, own 10/10 ms, trace 1
        mail send: 1 calls, 0 failed, 0 here, own 10/10 ms, trace 1
        shop GET/cart: 1 calls, 0 failed, 0 here, own 19/19 ms, trace 1
    "#]]
    .assert_eq(&lines(&stage.calls(0)));
}

#[test]
fn a_failure_is_told_where_it_began() {
    let mut stage = Stage::new(&BottleneckConfig::default(), 1);
    let script = "
        shop GET server 0..100 !
          shop call client 10..60 !
            cart get server 20..50 !
              cart log internal 25..26";
    stage.push(0, &request(1, 0, script));
    stage.pass(20);
    let calls = stage.calls(0);
    let lost: u64 = calls.edges.iter().map(|edge| edge.lost).sum();
    let told = lines(&calls);
    assert_eq!(lost, 0, "the callee has a span of it");
    assert!(told.contains("cart get: 1 calls, 1 failed, 1 here"), "{told}");
    assert!(told.contains("shop GET: 1 calls, 1 failed, 0 here"), "{told}");
}

#[test]
fn the_exemplar_is_failed_before_slow_before_fast() {
    let mut stage = Stage::new(&BottleneckConfig::default(), 1);
    for (trace, end, mark) in [(1, 50, ""), (2, 90, ""), (3, 10, "!"), (4, 20, "!")] {
        stage.push(0, &request(trace, 0, &format!("shop GET server 0..{end} {mark}")));
    }
    stage.pass(20);
    let told = lines(&stage.calls(0));
    assert!(told.contains("user > shop request: 4 calls, 2 failed, 21/90 ms, gap -, trace 4"), "{told}");
}

#[test]
fn a_trace_counts_in_the_window_in_which_it_ended_or_in_the_first_that_is_open() {
    let mut stage = Stage::new(&BottleneckConfig::default(), 1);
    stage.push(0, &request(1, 9_000, "shop GET server 0..100"));
    stage.pass(12);
    stage.push(0, &request(2, 11_000, "shop GET server 0..100"));
    stage.pass(8);
    assert!(lines(&stage.calls(0)).contains("user > shop request: 1 calls"));
    // Late: its window has been handed on.
    stage.push(0, &request(3, 9_500, "shop GET server 0..100"));
    stage.pass(20);
    assert!(lines(&stage.calls(10)).contains("user > shop request: 2 calls"));
    assert_eq!(lines(&stage.calls(20)), "coverage 0.00\n");
}

#[test]
fn a_trace_of_which_spans_are_missing_lowers_the_coverage() {
    let mut stage = Stage::new(&BottleneckConfig::default(), 1);
    stage.push(0, &request(1, 0, "shop GET server 0..100"));
    let mut cut =
        request(2, 0, "shop GET server 0..100\n  shop work internal 0..50\n    shop inner internal 1..2");
    cut.resource_spans.remove(1);
    stage.push(0, &cut);
    stage.pass(20);
    assert!(lines(&stage.calls(0)).starts_with("coverage 0.50\n"));
}

#[test]
fn a_trace_waits_for_its_root_and_then_for_what_comes_soon_after() {
    let mut stage = Stage::new(&BottleneckConfig::default(), 2);
    let whole = request(1, 0, SHOP);
    let (mut first, mut second) = (whole.clone(), whole);
    let rest = second.resource_spans.split_off(1);
    first.resource_spans = rest;
    stage.push(0, &first);
    stage.pass(12);
    stage.push(1, &second);
    stage.pass(17);
    assert_eq!(lines(&stage.calls(0)), "coverage 0.00\n", "it came until 20 s, and the grace is 5 s: 30 s");
    stage.pass(1);
    let told = lines(&stage.calls(10));
    assert!(told.starts_with("coverage 1.00\n") && told.contains("shop > cart request: 1 calls"), "{told}");
}

#[test]
fn a_call_that_fails_and_does_not_come_to_its_callee_is_lost() {
    let mut stage = Stage::new(&BottleneckConfig::default(), 1);
    for (trace, mark) in [(1, "!"), (2, "!"), (3, "")] {
        let script =
            format!("shop GET server 0..100\n  shop call client 10..{} peer=cart {mark}", 20 * trace);
        stage.push(0, &request(trace, 0, &script));
    }
    stage.pass(20);
    let calls = stage.calls(0);
    let edge = calls.edges.iter().find(|edge| &*edge.server == "cart").expect("the peer is named");
    assert_eq!((edge.calls, edge.failed, edge.lost), (3, 2, 2));
    assert_eq!(edge.duration.mean, 30.0);
    assert!(edge.gap.mean.is_nan(), "nobody knows what the callee did");
}

#[test]
fn a_call_that_is_done_and_whose_answer_does_not_come_back_is_lost_and_no_failure_of_its_caller() {
    let lost = |script: &str| {
        let mut stage = Stage::new(&BottleneckConfig::default(), 1);
        stage.push(0, &request(1, 0, script));
        stage.pass(20);
        let calls = stage.calls(0);
        let edge = calls.edges.iter().find(|edge| &*edge.server == "cart").expect("it is called");
        let of_shop = calls.steps.iter().filter(|step| &*step.service == "shop");
        (edge.failed, edge.lost, of_shop.map(|step| step.failed_here).sum::<u64>())
    };
    let call = |mark: &str, callee: &str| {
        lost(&format!(
            "shop GET server 0..100 ! error=502
  shop handler internal 1..99
    shop call client 10..60 {mark}
      cart get server 20..{callee}"
        ))
    };
    assert_eq!(call("! error=UND_ERR_SOCKET", "50"), (1, 1, 0), "the handler does not say that it failed");
    assert_eq!(call("! error=UNAVAILABLE", "50"), (1, 1, 0));
    assert_eq!(call("! error=404", "50"), (1, 0, 0), "it was answered");
    assert_eq!(call("! error=NOT_FOUND", "50"), (1, 0, 0), "it was answered");
    assert_eq!(call("! error=TimeoutError", "70"), (1, 0, 0), "the caller did not wait for it");
    assert_eq!(call("! error=TimeoutError", "50 ! error=Full"), (1, 0, 0), "the callee failed");
    assert_eq!(call("!", "50"), (1, 0, 0), "nobody knows what it failed with");
    assert_eq!(call("", "50"), (0, 0, 1), "it failed with a good answer");
}

#[test]
fn traces_that_were_given_up_count_among_all() {
    let trace = TraceConfig { max_traces: 10, ..TraceConfig::default() };
    let mut stage = Stage::new(&BottleneckConfig { trace, ..BottleneckConfig::default() }, 1);
    for trace in 1..=20 {
        stage.push(0, &request(trace, 0, "a GET server 0..9"));
    }
    stage.pass(20);
    let calls = stage.calls(0);
    assert_eq!((calls.edges[0].calls, calls.share), (9, 0.45));
    assert_eq!(calls.of_all(9), 20.0);
    assert_eq!(stage.calls(10).share, 1.0, "nothing was left out of nothing");
}

#[test]
fn a_service_behind_a_gateway_that_tells_nothing_is_called_by_users() {
    let mut stage = Stage::new(&BottleneckConfig::default(), 1);
    for trace in 1..=3 {
        // The gateway's span goes to somebody else.
        let mut sent = request(
            trace,
            0,
            "gateway route server 0..100\n  shop GET server 1..99\n    shop work internal 2..50",
        );
        sent.resource_spans.remove(0);
        stage.push(0, &sent);
    }
    // Nobody knows that no root will come.
    stage.pass(20);
    assert_eq!(lines(&stage.calls(0)), "coverage 0.00\n");
    stage.pass(20);
    let told = lines(&stage.calls(10));
    assert!(told.contains("user > shop request: 3 calls, 0 failed, 97/98 ms"), "{told}");
    assert!(told.contains("coverage 1.00"), "{told}");
}

#[test]
fn a_service_whose_caller_is_missing_from_a_trace_that_has_a_root_is_called_by_nobody() {
    let mut stage = Stage::new(&BottleneckConfig::default(), 1);
    let script = "
        shop GET server 0..100
          shop call client 10..60
            cart get server 20..50";
    let mut sent = request(1, 0, script);
    sent.resource_spans.remove(1);
    stage.push(0, &sent);
    stage.pass(20);
    let told = lines(&stage.calls(0));
    assert!(told.contains("user > shop") && !told.contains("user > cart"), "{told}");
}

/// What most requests of the shop fail with in the window that begins then.
fn failure(stage: &mut Stage, from: u64) -> Option<(String, u64, u64)> {
    let calls = stage.calls(from);
    let failure = calls.steps.first().and_then(|step| step.failure.clone())?;
    Some((failure.kind.to_string(), failure.calls, failure.since.since(T0).as_secs()))
}

#[test]
fn a_step_tells_what_it_fails_with_most_and_since_when() {
    let mut stage = Stage::new(&BottleneckConfig::default(), 1);
    let mut told = Vec::new();
    // In a few windows, and once again after two hours without.
    for window in (0..36).step_by(10).chain([800]) {
        stage.pass(10 * window - stage.secs);
        for (n, kind) in ["declined", "timeout", "declined", ""].into_iter().enumerate() {
            let mark = if kind.is_empty() { String::new() } else { format!("! error={kind}") };
            let script = format!("shop GET server 0..100 {mark}\n  shop pay client 1..99");
            stage.push(0, &request(10 * window + n as u64 + 1, 10_000 * window, &script));
        }
        stage.pass(20);
        told.push(failure(&mut stage, 10 * window));
    }
    let declined = |since| Some(("declined".to_owned(), 2, since));
    assert_eq!(told, [declined(0), declined(0), declined(0), declined(0), declined(8000)]);
}

#[test]
fn what_a_callee_failed_with_is_told_of_the_callee() {
    let mut stage = Stage::new(&BottleneckConfig::default(), 1);
    let script = "
        shop GET server 0..100 ! error=500
          shop call client 10..60 ! error=503
            cart get server 20..50 ! error=Full";
    stage.push(0, &request(1, 0, script));
    stage.pass(20);
    let calls = stage.calls(0);
    let told: Vec<_> = calls.steps.iter().map(|it| it.failure.as_ref().map(|it| &*it.kind)).collect();
    assert_eq!(told, [Some("Full"), None]);
}

#[test]
fn what_failed_is_read_from_the_exception_and_from_the_status_where_no_type_is_told() {
    let mut stage = Stage::new(&BottleneckConfig::default(), 1);
    let mut sent = request(1, 0, "shop GET server 0..100 !");
    let span = &mut sent.resource_spans[0].scope_spans[0].spans[0];
    let status = span.status.as_mut().expect("it failed");
    status.message = format!("no room for order 17 of {}", "x".repeat(100));
    let mut raised = request(2, 0, "shop POST server 0..100 !");
    raised.resource_spans[0].scope_spans[0].spans[0].events = vec![Event {
        name: "exception".to_owned(),
        attributes: vec![text("exception.type", "java.io.IOException")],
        ..Event::default()
    }];
    stage.push(0, &sent);
    stage.push(0, &raised);
    stage.pass(20);
    let calls = stage.calls(0);
    let told: Vec<_> = calls.steps.iter().filter_map(|it| Some(&*it.failure.as_ref()?.kind)).collect();
    assert_eq!(told, [format!("no room for order of {}", "x".repeat(43)).as_str(), "java.io.IOException"]);
}

#[test]
fn kinds_of_failures_beyond_those_of_a_step_are_counted() {
    let mut stage = Stage::new(&BottleneckConfig::default(), 1);
    for n in 1..=40 {
        stage.push(0, &request(n, 0, &format!("shop GET server 0..100 ! error=e{n}")));
    }
    stage.pass(20);
    let rejected = stage.harness.bench.rejected.iter().filter(|(_, of)| *of == "errors_limit");
    assert_eq!(rejected.map(|(n, _)| n).sum::<u64>(), 24);
}
