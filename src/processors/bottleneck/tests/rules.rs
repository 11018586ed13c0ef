//! Each kind of bottleneck, on scripted traces: it is found where it is, and nothing else is said.

use expect_test::{Expect, expect};

use super::{
    super::BottleneckConfig,
    scene::{Stage, jitter},
};

/// Serves twelve calm minutes, eight of a fault, and ten calm ones again; compares what is told.
fn check(calm: impl Fn(f64) -> String, fault: impl Fn(f64) -> String, expected: Expect) {
    let mut stage = Stage::new(&BottleneckConfig::default(), 2);
    stage.serve(12, |n| calm(jitter(n)));
    assert_eq!(stage.events(), "", "nothing is wrong yet");
    stage.serve(8, |n| fault(jitter(n)));
    stage.serve(10, |n| calm(jitter(n)));
    expected.assert_eq(&stage.events());
}

/// A shop that asks a cart, which asks a database.
fn shop(work: f64, wait: f64, network: f64, query: f64) -> String {
    let begin = 5.0 + wait;
    let serve = begin + network;
    let select = serve + 5.0;
    let selected = select + query;
    let served = selected + work;
    let end = served + network;
    format!(
        "
        shop GET/cart server 0..{}
          shop get client {begin}..{end}
            cart get server {serve}..{served}
              cart SELECT client {select}..{selected} db=carts",
        end + 5.0
    )
}

#[test]
fn a_step_that_takes_longer_than_usual_is_found() {
    check(
        |x| shop(20.0 * x, 0.0, 2.0, 10.0 * x),
        |x| shop(90.0 * x, 0.0, 2.0, 10.0 * x),
        expect![[r#"
            detected slow_step of cart get: warning score 51.71 confidence 0.90 impact 0.80 improvement 0.59
              get of cart takes 103 ms of its own, usually 26.8 ms (p95): 80 % of shop GET/cart; profile the operation, look at what was released lately, and compare the exemplar with a fast trace
            cleared slow_step of cart get: warning score 51.95 confidence 0.90 impact 0.80 improvement 0.59
              get of cart takes 104 ms of its own, usually 26.8 ms (p95): this is over
        "#]],
    );
}

#[test]
fn a_slow_database_is_found() {
    check(
        |x| shop(20.0 * x, 0.0, 2.0, 10.0 * x),
        |x| shop(20.0 * x, 0.0, 2.0, 60.0 * x),
        expect![[r#"
            detected slow_database of cart SELECT: warning score 52.15 confidence 0.90 impact 0.61 improvement 0.50
              cart waits 66.0 ms for its database in SELECT, usually 11.0 ms (p95): 61 % of shop GET/cart; look at the query's plan, its indexes and the locks that it waits for
            cleared slow_database of cart SELECT: warning score 52.17 confidence 0.90 impact 0.61 improvement 0.50
              cart waits 66.0 ms for its database in SELECT, usually 11.0 ms (p95): this is over
        "#]],
    );
}

#[test]
fn time_between_caller_and_callee_is_found() {
    check(
        |x| shop(20.0 * x, 0.0, 2.0 * x, 10.0 * x),
        |x| shop(20.0 * x, 0.0, 40.0 * x, 10.0 * x),
        expect![[r#"
            detected network of shop get: critical score 64.00 confidence 0.70 impact 0.64 improvement 0.61
              shop waits 87.9 ms for get beyond the work of its callee, usually 4.36 ms (p95): 64 % of shop GET/cart; look at the network and the callee's accept queue, and keep connections open between calls
            cleared network of shop get: critical score 64.01 confidence 0.70 impact 0.64 improvement 0.61
              shop waits 88.2 ms for get beyond the work of its callee, usually 4.36 ms (p95): this is over
        "#]],
    );
}

#[test]
fn a_wait_before_a_call_is_found_and_stands_for_the_step() {
    check(
        |x| shop(20.0 * x, 1.0 * x, 2.0, 10.0 * x),
        |x| shop(20.0 * x, 80.0 * x, 2.0, 10.0 * x),
        expect![[r#"
            detected call_wait of shop get: critical score 65.89 confidence 0.60 impact 0.66 improvement 0.62
              93.0 ms pass in shop before it calls get, usually 6.16 ms (p95): 66 % of shop GET/cart; look at the pool that the call takes its connection from, and at locks before it
            cleared call_wait of shop get: critical score 65.90 confidence 0.60 impact 0.66 improvement 0.62
              93.2 ms pass in shop before it calls get, usually 6.16 ms (p95): this is over
        "#]],
    );
}

#[test]
fn messages_that_wait_are_found() {
    let mail = |wait: f64| {
        format!(
            "
        shop order server 0..20
          shop publish producer 5..6
            mail send consumer {}..{}",
            6.0 + wait,
            36.0 + wait
        )
    };
    check(
        |x| mail(10.0 * x),
        |x| mail(900.0 * x),
        expect![[r#"
            detected queue_wait of mail send: critical score 96.16 confidence 0.70 impact 0.96 improvement 0.95
              messages wait 979 ms for send of mail, usually 11.0 ms (p95): 96 % of mail send; add consumers or make them faster
            cleared queue_wait of mail send: critical score 96.78 confidence 0.70 impact 0.97 improvement 0.96
              messages wait 987 ms for send of mail, usually 11.0 ms (p95): this is over
        "#]],
    );
}

#[test]
fn a_call_for_each_item_is_found() {
    let list = |n: usize, x: f64| {
        let query = |at: usize| {
            let start = 5.0 + at as f64 * 6.0 * x;
            format!("\n  shop SELECT client {start}..{} db=items", start + 5.5 * x)
        };
        let end = 10.0 + n as f64 * 6.0 * x;
        format!("shop list server 0..{end}{}", (0..n).map(query).collect::<String>())
    };
    check(
        |x| list(3, x),
        |x| list(14, x),
        expect![[r#"
            detected repeated_calls of shop SELECT: critical score 76.07 confidence 0.90 impact 0.76 improvement 0.76
              shop calls SELECT many times, one after the other, which costs 71.5 ms: 76 % of shop list; fetch all items with one call
            cleared repeated_calls of shop SELECT: critical score 76.07 confidence 0.90 impact 0.76 improvement 0.76
              shop calls SELECT many times, one after the other, which costs 71.5 ms: this is over
        "#]],
    );
}

#[test]
fn calls_that_could_be_made_at_the_same_time_are_found() {
    let page = |is_parallel: bool, x: f64| {
        let call = |(at, name): (usize, &str)| {
            let start = if is_parallel { 2.0 } else { 2.0 + 31.0 * at as f64 * x };
            format!("\n  shop {name} client {start}..{} peer={name}", start + 30.0 * x)
        };
        let calls: String = ["ads", "cart", "news", "stock"].into_iter().enumerate().map(call).collect();
        let end = if is_parallel { 38.0 * x } else { 5.0 + 124.0 * x };
        format!("shop page server 0..{end}{calls}")
    };
    check(
        |x| page(true, x),
        |x| page(false, x),
        expect![[r#"
            detected sequential_calls of shop page: info score 69.77 confidence 0.40 impact 0.70 improvement 0.70
              page of shop makes calls one after the other, which costs 90.0 ms: 70 % of shop page; make those calls at the same time that do not need each other's answers
            cleared sequential_calls of shop page: info score 69.77 confidence 0.40 impact 0.70 improvement 0.70
              page of shop makes calls one after the other, which costs 90.1 ms: this is over
        "#]],
    );
}

/// A page for which a service asks ten others, one after the other. The spans of all calls have the name of the method
/// alone, as clients that know no path have it.
fn asks_ten(is_parallel: bool, mark: &str, x: f64) -> String {
    let call = |at: usize| {
        let start = if is_parallel { 2.0 } else { 2.0 + 31.0 * at as f64 * x };
        format!("\n  shop GET client {start}..{} peer=api-{at} {mark}", start + 30.0 * x)
    };
    let end = if is_parallel { 38.0 * x } else { 5.0 + 310.0 * x };
    format!("shop page server 0..{end}{}", (0..10).map(call).collect::<String>())
}

#[test]
fn calls_of_several_services_with_one_method_are_not_one_call_again_and_again() {
    check(
        |x| asks_ten(true, "", x),
        |x| asks_ten(false, "", x),
        expect![[r#"
        detected sequential_calls of shop page: info score 85.71 confidence 0.40 impact 0.86 improvement 0.86
          page of shop makes calls one after the other, which costs 270 ms: 86 % of shop page; make those calls at the same time that do not need each other's answers
        cleared sequential_calls of shop page: info score 85.72 confidence 0.40 impact 0.86 improvement 0.86
          page of shop makes calls one after the other, which costs 270 ms: this is over
    "#]],
    );
    let mut stage = Stage::new(&BottleneckConfig::default(), 1);
    stage.serve(12, |n| asks_ten(true, "", jitter(n)));
    stage.serve(8, |n| asks_ten(false, "!", jitter(n)));
    let told = stage.events();
    assert!(
        !told.contains("retry_storm"),
        "a call after a failed one of another service is no attempt: {told}"
    );
}

#[test]
fn a_peer_that_takes_longer_is_told_apart_from_others_that_are_asked_with_the_same_method() {
    let page = |bank: f64, x: f64| {
        let (paid, end) = (2.0 + bank * x, 50.0 * x + bank * x);
        format!(
            "shop page server 0..{end}
              shop GET client 2..{paid} peer=bank
              shop GET client {paid}..{} peer=ads",
            paid + 30.0 * x
        )
    };
    check(
        |x| page(20.0, x),
        |x| page(150.0, x),
        expect![[r#"
        detected slow_peer of shop GET bank: critical score 72.42 confidence 0.90 impact 0.75 improvement 0.65
          shop waits 164 ms for GET bank, usually 22.0 ms (p95): 75 % of shop page; ask whoever runs it, set a timeout and a fallback, or cache its answers
        cleared slow_peer of shop GET bank: critical score 72.44 confidence 0.90 impact 0.75 improvement 0.65
          shop waits 164 ms for GET bank, usually 22.0 ms (p95): this is over
    "#]],
    );
}

#[test]
fn attempts_in_vain_are_found() {
    let pay = |n: usize, x: f64| {
        let attempt = |at: usize| {
            let start = 2.0 + 21.0 * at as f64 * x;
            let mark = if at + 1 < n { "!" } else { "" };
            format!("\n  shop pay client {start}..{} peer=bank {mark}", start + 20.0 * x)
        };
        let attempts: String = (0..n).map(attempt).collect();
        format!("shop order server 0..{}{attempts}", 4.0 + 21.0 * n as f64 * x)
    };
    check(
        |x| pay(1, x),
        |x| pay(4, x),
        expect![[r#"
        detected retry_storm of shop pay: warning score 68.18 confidence 0.90 impact 0.68 improvement 0.68
          shop tries pay again and again, which costs 60.0 ms: 68 % of shop order; mend the callee first; back off with jitter, and stop retrying when most attempts fail
        cleared retry_storm of shop pay: warning score 68.18 confidence 0.90 impact 0.68 improvement 0.68
          shop tries pay again and again, which costs 60.0 ms: this is over
    "#]],
    );
}

#[test]
fn very_many_calls_are_found() {
    // By two services, so that none makes many after each other.
    let page = |n: usize, x: f64| {
        let call = |at: usize| {
            let start = 1.0 + 2.0 * x * at as f64;
            let name = ["read", "write", "list"][at % 3];
            format!("\n  shop {name}{} client {start}..{} db=items", at / 24, start + 1.9 * x)
        };
        let calls: String = (0..n).map(call).collect();
        format!("shop page server 0..{}{calls}", 2.0 + 2.0 * x * n as f64)
    };
    check(
        |x| page(60, x),
        |x| page(180, x),
        expect![[r#"
        detected many_calls of shop page: warning score 42.28 confidence 0.60 impact 0.42 improvement 0.42
          page of shop makes very many calls, which costs 153 ms: 42 % of shop page; fetch more with each call, and keep what seldom changes
        cleared many_calls of shop page: warning score 42.28 confidence 0.60 impact 0.42 improvement 0.42
          page of shop makes very many calls, which costs 153 ms: this is over
    "#]],
    );
}

#[test]
fn the_slowest_of_calls_at_the_same_time_is_found() {
    let search = |slowest: f64, x: f64| {
        let call = |at: usize| {
            let length = if at == 3 { slowest } else { 20.0 };
            format!("\n  shop shard client 2..{} peer=index", 2.0 + length * x)
        };
        format!("shop search server 0..{}{}", 5.0 + slowest * x, (0..6).map(call).collect::<String>())
    };
    check(
        |x| search(22.0, x),
        |x| search(90.0, x),
        expect![[r#"
            detected straggler of shop shard: critical score 73.69 confidence 0.70 impact 0.74 improvement 0.74
              shop waits 70.0 ms for the last shard of those that it makes at once: 74 % of shop search; spread the work evenly, or send a second request when one is late
            cleared straggler of shop shard: critical score 73.69 confidence 0.70 impact 0.74 improvement 0.74
              shop waits 70.0 ms for the last shard of those that it makes at once: this is over
        "#]],
    );
}

#[test]
fn a_slow_step_off_the_critical_path_is_no_bottleneck() {
    let page = |aside: f64| {
        format!(
            "
        shop page server 0..200
          shop main client 5..190
            cart main server 6..189
          shop aside client 5..{}
            ads aside server 6..{}",
            7.0 + aside,
            6.0 + aside
        )
    };
    check(|x| page(10.0 * x), |x| page(100.0 * x), expect![[""]]);
}

#[test]
fn ten_times_the_usual_is_told_after_one_minute() {
    let mut stage = Stage::new(&BottleneckConfig::default(), 1);
    stage.serve(12, |n| shop(20.0 * jitter(n), 0.0, 2.0, 10.0));
    stage.serve(2, |n| shop(500.0 * jitter(n), 0.0, 2.0, 10.0));
    let told = stage.events();
    assert!(told.starts_with("detected slow_step of cart get: critical"), "{told}");
}

#[test]
fn a_gentle_course_of_the_day_is_no_bottleneck() {
    let mut stage = Stage::new(&BottleneckConfig::default(), 1);
    // Four times as slow after four hours: a fifth each half hour.
    stage.serve(120, |n| {
        let load = 1.0 + n as f64 / 14_400.0;
        shop(20.0 * jitter(n) * load, 0.0, 2.0, 10.0 * load)
    });
    assert_eq!(stage.events(), "");
}

#[test]
fn calls_without_a_usual_course_are_no_bottleneck() {
    let mut stage = Stage::new(&BottleneckConfig::default(), 1);
    // Log-normal with a deviation of one, some thirty calls in five minutes.
    stage.serve_rarely(240, 10, |n| {
        let uniform = |n: u64| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) as f64 / (1_u64 << 53) as f64;
        let angle = std::f64::consts::TAU * uniform(n + 7);
        let normal = (-2.0 * uniform(n + 1_000_003).max(1e-9).ln()).sqrt() * angle.cos();
        shop(20.0 * normal.exp(), 0.0, 2.0, 10.0)
    });
    let told = stage.events();
    assert!(told.matches("detected").count() <= 1, "{told}");
}

#[test]
fn nothing_is_told_of_time_that_is_excluded_and_nothing_learned() {
    let mut stage = Stage::new(&BottleneckConfig::default(), 1);
    let calm = |n: u64| shop(20.0 * jitter(n), 0.0, 2.0, 10.0);
    stage.serve(12, calm);
    for _ in 0..30 {
        stage.exclude();
        stage.serve(1, |n| shop(500.0 * jitter(n), 0.0, 2.0, 10.0));
    }
    // What is left of the last excluded minute.
    stage.serve(1, calm);
    assert_eq!(stage.events(), "");
    stage.serve(4, |n| shop(90.0 * jitter(n), 0.0, 2.0, 10.0));
    assert!(stage.events().starts_with("detected slow_step of cart get"));
}
