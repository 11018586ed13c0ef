//! Caches that miss, calls that are refused as too many, and queues that grow.

use expect_test::expect;

use super::{
    super::BottleneckConfig,
    saturation,
    scene::{Stage, jitter},
};

/// A page that looks into a cache, and asks a database for what is not there.
fn page(n: u64, misses_of_ten: u64, command: &str) -> String {
    let x = jitter(n);
    let query = format!("\n  shop SELECT client 8..{} db=items", 8.0 + 30.0 * x);
    let query = if n % 10 < misses_of_ten { query } else { String::new() };
    format!("shop page server 0..{}\n  shop {command} client 5..7 redis={command}{query}", 12.0 + 30.0 * x)
}

#[test]
fn reads_of_a_cache_that_are_answered_by_the_database_more_often_than_usual_are_found() {
    let mut stage = Stage::new(&BottleneckConfig::default(), 2);
    stage.serve(12, |n| page(n, 1, "GET"));
    assert_eq!(stage.events(), "", "one of ten is usual");
    stage.serve(8, |n| page(n, 9, "GET"));
    stage.serve(10, |n| page(n, 1, "GET"));
    expect![[r#"
        detected cache_misses of shop GET: warning score 57.16 confidence 0.60 impact 0.64 improvement 0.57
          90 % of what shop reads with GET is not in the cache, usually 10 %: 64 % of shop page; look at evictions, the memory and the expiry of the cache, and let one request fill an entry for all
        cleared cache_misses of shop GET: warning score 57.19 confidence 0.60 impact 0.64 improvement 0.57
          90 % of what shop reads with GET is not in the cache, usually 10 %: this is over
    "#]].assert_eq(&stage.events());
}

#[test]
fn queries_that_always_follow_a_read_and_those_that_follow_a_write_are_no_misses() {
    for (misses, command) in [([10, 10], "GET"), ([1, 9], "SET")] {
        let mut stage = Stage::new(&BottleneckConfig::default(), 2);
        stage.serve(12, |n| page(n, misses[0], command));
        stage.serve(8, |n| page(n, misses[1], command));
        assert_eq!(stage.events(), "", "{command}");
    }
}

/// A page with a call that is refused in some of a hundred cases.
fn order(n: u64, refused_of_hundred: u64, mark: &str) -> String {
    let mark = if n % 100 < refused_of_hundred { mark } else { "" };
    let end = 10.0 + 10.0 * jitter(n);
    format!(
        "shop order server 0..40\n  shop pay client 5..{end} {mark}\n    bank pay server 6..{} {mark}",
        end - 1.0
    )
}

#[test]
fn calls_that_are_refused_as_too_many_are_found_at_the_caller() {
    let told = |mark| {
        let mut stage = Stage::new(&BottleneckConfig::default(), 2);
        stage.serve(12, |n| order(n, 3, mark));
        assert_eq!(stage.events(), "", "{mark} in 3 % of calls");
        stage.serve(8, |n| order(n, 30, mark));
        stage.serve(10, |n| order(n, 0, mark));
        stage.events()
    };
    let of_http = told("http=429");
    expect![[r#"
        detected throttled of shop pay: warning score 25.00 confidence 0.90 impact 0.09 improvement -
          25 % of pay of shop is refused as too many; make fewer calls or space them, back off when told to, or raise the quota
        cleared throttled of shop pay: warning score 41.67 confidence 0.90 impact 0.16 improvement -
          42 % of pay of shop is refused as too many: this is over
    "#]].assert_eq(&of_http);
    assert_eq!([told("grpc=8"), told("grpc=RESOURCE_EXHAUSTED")], [of_http.clone(), of_http]);
}

#[test]
fn calls_of_users_that_are_refused_as_too_many_are_found_at_the_service() {
    let mut stage = Stage::new(&BottleneckConfig::default(), 2);
    let page = |n: u64, of_ten: u64| {
        format!(
            "shop GET server 0..{} {}",
            20.0 * jitter(n),
            if n % 10 < of_ten { "http=429" } else { "http=200" }
        )
    };
    stage.serve(6, |n| page(n, 0));
    stage.serve(6, |n| page(n, 8));
    expect![[r#"
        detected throttled of shop GET: critical score 80.00 confidence 0.90 impact 0.80 improvement -
          80 % of GET of shop is refused as too many; make fewer calls or space them, back off when told to, or raise the quota
    "#]].assert_eq(&stage.events());
}

fn mail(wait: f64) -> String {
    format!(
        "
        shop order server 0..20
          shop publish producer 5..6
            mail send consumer {}..{}",
        6.0 + wait,
        36.0 + wait
    )
}

#[test]
fn messages_that_wait_longer_from_minute_to_minute_are_found_and_those_that_just_wait_are_not() {
    let mut stage = Stage::new(&BottleneckConfig::default(), 2);
    stage.serve(12, |n| mail(800.0 * jitter(n)));
    for minute in 1..=5 {
        stage.serve(1, |n| mail(800.0 + 700.0 * minute as f64 * jitter(n)));
    }
    stage.serve(8, |n| mail(4_300.0 * jitter(n)));
    let told = stage.events();
    let growth: Vec<_> = told.lines().filter(|line| line.contains("queue_growth")).collect();
    assert_eq!(growth.len(), 2, "{told}");
    assert!(growth[0].starts_with("detected") && growth[1].starts_with("cleared"), "{told}");
    assert!(told.contains("messages wait longer and longer for send of mail: "), "{told}");
}

#[test]
fn a_queue_in_which_there_is_more_every_minute_is_found_while_it_grows() {
    let mut stage = Stage::new(&BottleneckConfig::default(), 1);
    let serve = |stage: &mut Stage, minutes, depth: f64| {
        let rows = [
            ("mail", "a", "kafka.consumer_group.lag", "", depth / 2.0),
            ("mail", "b", "kafka.consumer_group.lag", "", depth / 2.0),
            ("mail", "a", "mail.batch.size", "", depth),
        ];
        saturation::serve(stage, minutes, 1.0, &rows);
    };
    for minute in 0..12 {
        serve(&mut stage, 1, if minute % 2 == 0 { 60.0 } else { 80.0 });
    }
    assert_eq!(stage.events(), "", "it goes up and down");
    for minute in 1..=6 {
        serve(&mut stage, 1, 80.0 + 200.0 * f64::from(minute));
    }
    serve(&mut stage, 6, 1_300.0);
    expect![[r#"
        detected backlog of mail kafka.consumer_group.lag: critical score 100.00 confidence 0.80 impact - improvement -
          kafka.consumer_group.lag of mail grows from minute to minute: 647 after 76.7; add consumers or make them faster, or slow the producers down
        cleared backlog of mail kafka.consumer_group.lag: critical score 100.00 confidence 0.80 impact - improvement -
          kafka.consumer_group.lag of mail grows from minute to minute: 647 after 76.7: this is over
    "#]].assert_eq(&stage.events());
}
