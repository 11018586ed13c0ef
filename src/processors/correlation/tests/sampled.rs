//! Traces of which only a share is assembled: what comes is as much as before.

use model::Calls;

use super::{
    super::{
        graph::Name,
        signals::{Aspect, SignalKey, Signals},
    },
    Shop, WINDOW, at,
    departures::lines,
    step, usual,
};

/// Leaves of every count one in four, as a lower threshold does.
fn quarter(calls: &mut Calls) {
    calls.share = 0.25;
    calls.edges.iter_mut().for_each(|edge| edge.calls /= 4);
    calls.steps.iter_mut().for_each(|step| step.calls /= 4);
}

fn whole(_: &mut Calls) {}

/// A shop that writes its lines, of whose traces first this and from ten minutes on that share is assembled.
fn sampled(before: super::Twist<'_>, after: super::Twist<'_>) -> Shop {
    let mut shop = Shop::new("");
    for window in 0..80 {
        for service in ["payment", "checkout", "cart"] {
            lines(&mut shop, service, 10 * window, &["served order 4"; 20]);
        }
        shop.run_to(10 * window + 10, if window < 60 { before } else { after });
    }
    shop
}

#[test]
fn traffic_and_lines_do_not_change_with_the_share_of_traces_that_is_assembled() {
    for (before, after) in [(&whole as super::Twist<'_>, &quarter as super::Twist<'_>), (&quarter, &whole)] {
        let shop = sampled(before, after);
        assert!(shop.told.is_empty(), "{:?}", shop.told);
    }
}

#[test]
fn what_is_cause_of_an_incident_is_no_line_while_fewer_traces_are_assembled() {
    let slow = |calls: &mut Calls| {
        quarter(calls);
        step(calls, "payment").own.mean = 80.0;
    };
    let shop = sampled(&whole, &slow);
    let told = shop.told.last().expect("payment is slow");
    assert_eq!(told.causes(), ["payment"]);
    let evidence = told.incident("evidence").as_array().expect("it is slow");
    assert!(evidence.iter().all(|one| !one.as_str().unwrap().contains("writes")), "{evidence:?}");
}

#[test]
fn a_quarter_of_the_requests_tells_the_same_traffic_with_less_behind_it() {
    let taken = |twist: super::Twist<'_>| {
        let mut signals = Signals::new(WINDOW, 180, 1000, Default::default());
        let mut calls = usual(0);
        twist(&mut calls);
        let calls = Some(std::sync::Arc::new(calls));
        signals.take(&model::Rollups { start: at(0), width: WINDOW, calls, ..Default::default() });
        let name = |text: &str| -> Name { text.into() };
        let windows = 0..u64::MAX;
        let key = SignalKey { service: name("payment"), aspect: Aspect::Traffic, name: name("requests") };
        let found = signals.all().find(|(known, _)| **known == key).expect("requests came");
        let point = found.1.latest().expect("there is a window");
        (point.value, point.support, signals.served(&name("payment"), &windows), signals.share(&windows))
    };
    assert_eq!(taken(&whole), (10.0, 100.0, 100.0, 1.0));
    assert_eq!(taken(&quarter), (10.0, 25.0, 100.0, 0.25));
}
