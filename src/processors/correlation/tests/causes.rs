//! What is named as the cause.

use model::Calls;

use super::{Shop, Told, at, calm, deployment, edge, step};

/// The shop is calm for ten minutes, then something happens; a minute later episodes of these services open.
fn incident(services: &[&str], twist: &dyn Fn(&mut Calls)) -> Told {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    shop.run_to(660, twist);
    for service in services {
        shop.episode(service, service, 600, None);
    }
    shop.run_to(720, twist);
    let incidents = shop.incidents();
    assert_eq!(incidents.len(), 1, "{incidents:?}");
    (*incidents.values().next().unwrap()).clone()
}

fn kind(told: &Told) -> &str {
    told.incident("causes")[0]["kind"].as_str().unwrap()
}

#[test]
fn a_service_that_takes_longer_itself_is_the_cause_and_not_those_who_wait_for_it() {
    let told = incident(&["payment", "checkout", "frontend"], &|calls| {
        step(calls, "payment").own.mean = 80.0;
        edge(calls, "checkout", "payment").duration.mean = 85.0;
    });
    assert_eq!((told.causes()[0], kind(&told)), ("payment", "latency"));
    assert_eq!(told.incident("title"), "payment takes longer, 2 other services suffer");
    assert_eq!(told.incident("services"), &serde_json::json!(["payment", "checkout", "frontend"]));
    let evidence = told.incident("evidence")[0].as_str().unwrap();
    assert!(evidence.contains("time of its own in Charge is 80.0 ms, 9."), "{evidence}");
    assert!(told.incident("confidence").as_f64().unwrap() > 0.5);
}

#[test]
fn a_service_is_named_although_only_its_callers_were_told_of() {
    let told = incident(&["frontend", "checkout"], &|calls| step(calls, "payment").own.mean = 80.0);
    assert_eq!(told.causes()[0], "payment");
    assert_eq!(told.incident("chain")[0]["role"], "root");
    assert_eq!(told.incident("chain")[1]["role"], "propagated");
}

#[test]
fn failures_count_where_they_began() {
    let told = incident(&["checkout", "frontend"], &|calls| {
        for service in ["payment", "checkout", "frontend"] {
            step(calls, service).failed = 40;
        }
        step(calls, "payment").failed_here = 40;
    });
    assert_eq!((told.causes()[0], kind(&told)), ("payment", "errors"));
    let evidence = told.incident("evidence")[0].as_str().unwrap();
    assert_eq!(evidence, "Charge fails by itself in 40.0 %, 0 % before");
}

#[test]
fn a_service_that_no_call_reaches_is_the_cause() {
    let told = incident(&["checkout", "frontend"], &|calls| {
        calls.steps.retain(|step| &*step.service != "payment");
        let gone = edge(calls, "checkout", "payment");
        (gone.failed, gone.lost, gone.gap) = (100, 100, model::Spread::EMPTY);
    });
    assert_eq!((told.causes()[0], kind(&told)), ("payment", "unavailable"));
}

#[test]
fn a_database_with_one_caller_is_that_callers() {
    let told = incident(&["payment", "checkout"], &|calls| {
        edge(calls, "payment", "payment-db").duration.mean = 90.0;
    });
    assert_eq!((told.causes()[0], kind(&told)), ("payment", "database"));
    assert!(
        told.incident("evidence")[0].as_str().unwrap().starts_with("statements to payment-db take 90.0 ms")
    );
}

#[test]
fn a_slow_way_is_the_callees_when_most_callers_see_it() {
    let told = incident(&["checkout"], &|calls| edge(calls, "checkout", "payment").gap.mean = 60.0);
    assert_eq!((told.causes()[0], kind(&told)), ("payment", "network"));
}

#[test]
fn more_traffic_is_a_cause_where_it_begins() {
    let told = incident(&["frontend", "checkout"], &|calls| {
        for service in ["frontend", "checkout", "payment", "cart"] {
            step(calls, service).calls = 400;
        }
        calls.edges.iter_mut().for_each(|edge| edge.calls = 400);
    });
    assert_eq!((told.causes()[0], kind(&told)), ("frontend", "traffic"));
}

#[test]
fn where_nothing_moved_no_cause_is_named() {
    let told = incident(&["checkout"], &calm);
    assert_eq!(told.causes(), [""; 0]);
    assert_eq!(told.incident("description"), "Nothing that is measured tells a cause.");
    assert_eq!(told.incident("title"), "p95 of checkout is high");
}

#[test]
fn where_two_are_alike_no_cause_is_named_and_both_are_listed() {
    let told = incident(&["frontend"], &|calls| {
        step(calls, "payment").own.mean = 80.0;
        step(calls, "cart").own.mean = 74.0;
    });
    assert_eq!(told.incident("chain")[0]["role"], "suspected");
    assert_eq!(told.causes().len(), 2);
    assert!(told.incident("description").as_str().unwrap().starts_with("No cause stands out; look first at"));
}

#[test]
fn a_deployment_speaks_for_a_service_that_moved_and_for_no_other() {
    let mut shop = Shop::new("");
    shop.run_to(590, &calm);
    shop.push(&deployment("payment", 590, "payment 2.3"));
    shop.push(&deployment("cart", 590, "cart 1.1"));
    shop.run_to(600, &calm);
    let twist = |calls: &mut Calls| step(calls, "payment").own.mean = 80.0;
    shop.run_to(660, &twist);
    shop.episode("checkout", "a", 610, None);
    shop.run_to(720, &twist);
    let incidents = shop.incidents();
    let told = incidents.values().next().unwrap();
    assert_eq!(told.causes(), ["payment"]);
    let evidence = told.incident("evidence").as_array().unwrap();
    assert!(evidence.iter().any(|one| one == "changed: payment 2.3"), "{evidence:?}");
}

#[test]
fn a_cause_is_looked_for_again_while_more_is_seen() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    // The episode comes before the first window of the fault.
    shop.episode("checkout", "a", 600, None);
    shop.tick();
    shop.run_to(660, &|calls| step(calls, "payment").own.mean = 80.0);
    let names: Vec<&str> = shop.told.iter().map(|told| &*told.name).collect();
    assert_eq!(names, ["trueline.incident.opened", "trueline.incident.updated"]);
    assert_eq!(shop.told[0].causes(), [""; 0]);
    assert_eq!(shop.told[1].causes()[0], "payment");
    assert_eq!(shop.told[1].incident("start").as_u64(), Some(at(600).as_nanos()));
}
