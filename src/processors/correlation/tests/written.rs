//! Lines with names in them, services that write very many, and what all that is remembered takes.

use std::collections::BTreeSet;

use super::{
    super::{
        graph::Name,
        signals::{Aspect, SignalKey, Signals},
    },
    Shop, WINDOW, at, calm,
    departures::lines,
    step, usual,
};

/// A word without digits for each number.
fn word(n: u64) -> String {
    n.to_string().bytes().map(|digit| char::from(b'a' + digit - b'0')).collect()
}

fn lines_of(signals: &Signals, service: &str) -> BTreeSet<String> {
    let of = signals.all().filter(|(key, _)| *key.service == *service && key.aspect == Aspect::Line);
    of.map(|(key, _)| key.name.to_string()).collect()
}

/// Signals that took this line in each of so many seconds.
fn written(capacity: usize, seconds: u64, line: impl Fn(u64) -> String) -> Signals {
    let mut signals = Signals::new(WINDOW, 180, capacity, Default::default());
    for second in 0..seconds {
        let (service, line): (Name, Name) = ("shop".into(), line(second).into());
        signals.take_lines(&service, &line, false, 2, at(second));
        signals.settle_lines(at(second + 1));
    }
    signals.settle_lines(at(seconds) + WINDOW);
    signals
}

#[test]
fn lines_with_a_name_in_them_are_one_with_all_of_its_past() {
    let signals = written(1000, 50, |second| format!("user {} logged", word(second)));
    assert_eq!(lines_of(&signals, "shop"), ["user * logged".to_owned()].into());
    let (_, track) = signals.all().next().expect("there is one");
    let windows = signals.window_of(at(0))..signals.window_of(at(60));
    assert_eq!(track.values(&windows), [20.0; 5], "two in each second, before and after they were joined");
}

#[test]
fn users_who_come_and_go_are_no_news_of_a_service() {
    let mut shop = Shop::new("");
    for window in 0..90 {
        let name = word(window / 10);
        let texts = [format!("user {name} logged in"), format!("user {name} paid at last")];
        let texts: Vec<&str> = texts.iter().map(|text| &**text).cycle().take(20).collect();
        // More names than are told apart came before.
        let others: Vec<String> = (0..25).map(|n| format!("user {} logged in", word(100 + n))).collect();
        lines(&mut shop, "payment", 10 * window, &others.iter().map(|text| &**text).collect::<Vec<_>>());
        lines(&mut shop, "payment", 10 * window, &texts);
        shop.run_to(10 * window + 10, &calm);
    }
    assert!(shop.told.is_empty(), "{:?}", shop.told);
}

#[test]
fn lines_beyond_those_of_a_service_are_counted_as_one() {
    let signals = written(50_000, 1000, |n| format!("{} {} {}", word(n % 90), word(n % 17), word(n % 19)));
    let known = lines_of(&signals, "shop");
    assert!(known.contains("other") && known.len() == 201, "{}", known.len());
    let all: f64 = signals.all().map(|(_, track)| track.total(&(0..u64::MAX))).sum();
    assert_eq!(all, 2000.0, "none is lost");
    assert!(signals.counted_as_other >= 2 * (1000 - 200), "{}", signals.counted_as_other);
}

#[test]
fn a_chatty_service_does_not_blind_what_requests_tell() {
    let mut shop = Shop::new("{rca: {max_signals: 100}}");
    for window in 0..70 {
        for service in ["ad", "cart", "stock"] {
            let texts: Vec<String> = (0..30).map(|n| format!("{} {} x", word(n), word(window))).collect();
            lines(&mut shop, service, 10 * window, &texts.iter().map(|text| &**text).collect::<Vec<_>>());
        }
        shop.run_to(10 * window + 10, &|calls| {
            step(calls, "payment").own.mean = if window < 60 { 9.6 } else { 90.0 };
        });
    }
    let told = shop.told.last().expect("payment is slow");
    assert_eq!(told.causes(), ["payment"]);
    let all = shop.harness.telemetry.read();
    let value = |name: &str| {
        let name = format!("otelcol_processor_correlation_{name}");
        all.iter().find(|it| it.name == name).expect("it is told").value
    };
    assert!(value("other_lines") > 0);
    assert!(value("signals") <= 100);
}

#[test]
fn what_is_remembered_of_a_signal_for_half_an_hour_takes_three_kilobytes_and_not_more_after_a_day() {
    // As the page says.
    const MOST: usize = 3_200;
    let mut signals = Signals::new(WINDOW, 180, 1000, Default::default());
    for window in 0..24 * 360 {
        let calls = Some(std::sync::Arc::new(usual(window % 7)));
        let start = at(10 * window);
        signals.take(&model::Rollups { start, width: WINDOW, calls, ..Default::default() });
        signals.take_lines(&"cart".into(), &"served order of".into(), false, 4, start);
        signals.settle_lines(start + WINDOW);
    }
    let key = |key: &SignalKey| size_of::<SignalKey>() + key.name.len() + 2 * size_of::<usize>();
    let sizes: Vec<usize> = signals.all().map(|(it, track)| key(it) + track.bytes()).collect();
    assert!(sizes.len() > 20 && sizes.iter().all(|size| (2_900..MOST).contains(size)), "{sizes:?}");
}
