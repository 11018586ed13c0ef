//! What is named as the cause.

use std::collections::BTreeSet;

use model::{Calls, Edge, Failure};
use wire::build::Attributes;

use super::{
    super::{
        cause::{Candidate, CauseKind, Finding},
        incidents::name,
    },
    Alert, Shop, Told, at, calm, deployment, edge, record, step,
};

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
fn what_requests_fail_with_is_told_and_whether_that_is_new() {
    let since = |seconds: u64| {
        let told = incident(&["checkout", "frontend"], &move |calls| {
            step(calls, "payment").failed_here = 40;
            let failure = Failure { kind: "CardDeclined".into(), calls: 40, since: at(seconds) };
            step(calls, "payment").failure = Some(failure);
        });
        told.incident("evidence")[0].as_str().unwrap().to_owned()
    };
    let told = "Charge fails by itself in 40.0 %, 0 % before, with CardDeclined";
    assert_eq!(since(600), format!("{told}, not seen in the half hour before"));
    assert_eq!(since(0), told);
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
    let title = told.incident("title").as_str().unwrap();
    assert!(title.starts_with("payment waits for its database"), "{title}");
    assert!(
        told.incident("evidence")[0].as_str().unwrap().starts_with("statements to payment-db take 90.0 ms")
    );
}

#[test]
fn a_database_that_several_ask_is_said_to_be_slow_or_to_fail_itself() {
    let shared = |calls: &mut Calls| {
        let like = edge(calls, "payment", "payment-db").clone();
        calls.edges.push(Edge { client: "cart".into(), ..like });
    };
    let title = |twist: &dyn Fn(&mut Edge)| {
        let mut shop = Shop::new("");
        shop.run_to(600, &shared);
        let twisted = |calls: &mut Calls| {
            shared(calls);
            calls.edges.iter_mut().filter(|edge| &*edge.server == "payment-db").for_each(twist);
        };
        shop.episode("payment", "1", 600, None);
        shop.run_to(660, &twisted);
        let incidents = shop.incidents();
        let told = incidents.into_values().next().unwrap();
        (told.causes()[0].to_owned(), told.incident("title").as_str().unwrap().to_owned())
    };
    let (cause, slow) = title(&|edge| edge.duration.mean = 90.0);
    assert_eq!(cause, "payment-db");
    assert!(slow.starts_with("payment-db answers slowly"), "{slow}");
    let (_, failing) = title(&|edge| (edge.failed, edge.lost) = (50, 50));
    assert!(failing.starts_with("payment-db fails"), "{failing}");
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
fn where_two_on_one_chain_are_alike_no_cause_is_named_and_both_are_listed() {
    let told = incident(&["frontend"], &|calls| {
        step(calls, "payment").own.mean = 80.0;
        step(calls, "checkout").own.mean = 95.0;
    });
    assert_eq!(told.incident("chain")[0]["role"], "suspected");
    assert_eq!(told.causes().len(), 2);
    assert!(told.incident("description").as_str().unwrap().starts_with("No cause stands out; look first at"));
}

#[test]
fn two_causes_of_which_neither_calls_the_other_are_two_incidents() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    let twist = |calls: &mut Calls| {
        step(calls, "payment").own.mean = 80.0;
        step(calls, "cart").own.mean = 74.0;
    };
    shop.run_to(660, &twist);
    shop.episode("frontend", "frontend", 600, None);
    shop.run_to(720, &twist);
    let incidents = shop.incidents();
    let causes: BTreeSet<&str> = incidents.values().map(|told| told.causes()[0]).collect();
    assert_eq!(causes, ["cart", "payment"].into(), "{incidents:?}");
    assert_eq!(incidents.len(), 2);
    // Both end, each by itself.
    shop.episode("frontend", "frontend", 600, Some(720));
    shop.run_to(1800, &calm);
    assert_eq!(shop.named("trueline.incident.closed").count(), 2);
}

#[test]
fn a_fault_that_costs_little_beside_another_is_an_incident_of_its_own() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    shop.run_to(720, &|calls| {
        step(calls, "payment").own.mean = 2_000.0;
        step(calls, "cart").own.mean = 30.0;
    });
    let incidents = shop.incidents();
    let causes: BTreeSet<&str> = incidents.values().map(|told| told.causes()[0]).collect();
    assert_eq!((causes, incidents.len()), (["cart", "payment"].into(), 2), "{incidents:?}");
}

#[test]
fn what_is_seldom_asked_is_looked_at_since_the_beginning() {
    let seldom = |ms: f64| {
        move |calls: &mut Calls| {
            let ad = step(calls, "ad");
            (ad.calls, ad.own.mean) = (1, ms);
        }
    };
    let mut shop = Shop::new("");
    shop.run_to(600, &seldom(2.4));
    shop.episode("ad", "a", 600, None);
    shop.run_to(660, &seldom(80.0));
    assert_eq!(shop.told[0].causes(), [""; 0], "six requests are too few");
    shop.run_to(720, &seldom(80.0));
    assert_eq!(shop.told.last().unwrap().causes(), ["ad"]);
}

#[test]
fn a_service_to_which_by_chance_nothing_comes_is_no_cause() {
    let twist = |calls: u64| move |all: &mut Calls| edge(all, "frontend", "cart").calls = calls;
    let mut shop = Shop::new("");
    shop.run_to(600, &twist(1));
    shop.episode("frontend", "a", 600, None);
    shop.run_to(660, &|calls| calls.edges.retain(|edge| &*edge.server != "cart"));
    assert_eq!(shop.told.last().unwrap().causes(), [""; 0], "five requests are missing");
}

/// A finding with one candidate.
pub(super) fn found(service: &str, score: f64, is_sure: bool) -> Finding {
    let service = name(service);
    let candidate = Candidate { service, kind: CauseKind::Logs, score, is_sure, evidence: Vec::new() };
    Finding { candidates: vec![candidate], peak: score, ..Finding::default() }
}

#[test]
fn a_cause_that_was_no_chance_gives_way_to_another_such_alone() {
    let known = || found("payment", 4.0, true);
    let named = |finding: Finding| finding.candidates[0].service.to_string();
    assert_eq!(named(known().or_newer(found("cart", 9.0, false))), "payment");
    assert_eq!(named(known().or_newer(found("cart", 9.0, true))), "cart");
    assert_eq!(named(known().or_newer(found("cart", 2.0, true))), "payment", "there is less of it");
    let kept = known().or_newer(found("payment", 3.5, false));
    assert!(kept.candidates[0].is_sure, "what was no chance once is none");
    assert_eq!(named(found("payment", 4.0, false).or_newer(found("cart", 9.0, false))), "cart");
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
fn alerts_wait_for_a_few_looks_and_the_others_follow_a_second_later() {
    let names: Vec<String> = (0..20).map(|n| format!("lonely-{n:02}")).collect();
    let lonely = |ms: f64| {
        let names = names.clone();
        move |calls: &mut Calls| {
            let like = step(calls, "ad").clone();
            calls
                .steps
                .extend(names.iter().map(|name| model::Step { service: (**name).into(), ..like.clone() }));
            calls.steps.iter_mut().for_each(|step| step.own.mean = ms);
        }
    };
    let mut shop = Shop::new("");
    shop.run_to(600, &lonely(3.0));
    // By less than what is seen without an alert.
    shop.run_to(660, &lonely(6.0));
    for service in &names {
        shop.push(&Alert { id: service, service, severity: "warning", slo: "" }.fires(600));
    }
    shop.tick();
    let n_with_cause =
        |shop: &Shop, name: &str| shop.named(name).filter(|told| !told.causes().is_empty()).count();
    assert_eq!(shop.named("trueline.alert.firing").count(), 20);
    assert_eq!(shop.named("trueline.incident.opened").count(), 20);
    assert_eq!(n_with_cause(&shop, "trueline.incident.opened"), 4);
    shop.harness.now = shop.harness.now + std::time::Duration::from_secs(1);
    shop.tick();
    assert_eq!(n_with_cause(&shop, "trueline.incident.updated"), 16);
}

#[test]
fn what_is_open_is_looked_at_in_the_second_after_alerts_left_and_no_later() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    shop.episode("checkout", "a", 600, None);
    shop.tick();
    let slow = |calls: &mut Calls| step(calls, "payment").own.mean = 80.0;
    let alert = |shop: &mut Shop, id: &str| {
        shop.push(&Alert { id, service: "checkout", severity: "warning", slo: "" }.fires(600));
    };
    shop.run_to(610, &slow);
    for id in ["1", "2", "3"] {
        alert(&mut shop, id);
        // A window ends with the first of them.
        let now = shop.harness.now + std::time::Duration::from_secs(1);
        match id {
            "1" => shop.run_to(620, &slow),
            _ => {
                shop.harness.now = now;
                shop.tick();
            }
        }
        let n = shop.named("trueline.incident.updated").count();
        assert_eq!(n, usize::from(id != "1"), "{id}: {:?}", shop.told);
    }
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

/// Evaluations of a feature flag as the semantic conventions describe them.
fn flag(variant: &str, seconds: u64) -> Vec<u8> {
    let mut attributes = Attributes::new();
    attributes.push_str("feature_flag.key", "new-cards");
    attributes.push_str("feature_flag.result.variant", variant);
    record("payment", "openfeature", "feature_flag.evaluation", seconds, "", &attributes)
}

#[test]
fn another_variant_of_a_feature_flag_speaks_for_a_service_that_moved() {
    let mut shop = Shop::new("");
    for window in 0..60 {
        shop.push(&flag(if window < 59 { "off" } else { "on" }, 10 * window));
        shop.run_to(10 * window + 10, &calm);
    }
    let twist = |calls: &mut Calls| step(calls, "payment").own.mean = 80.0;
    shop.run_to(660, &twist);
    shop.episode("checkout", "a", 610, None);
    shop.run_to(720, &twist);
    let incidents = shop.incidents();
    let told = incidents.values().next().unwrap();
    let evidence: Vec<_> = told.incident("evidence").as_array().unwrap().iter().collect();
    let changed: Vec<_> =
        evidence.iter().filter(|one| one.as_str().unwrap().starts_with("changed")).collect();
    assert_eq!(changed, [&"changed: feature flag new-cards of payment is on"]);
}
