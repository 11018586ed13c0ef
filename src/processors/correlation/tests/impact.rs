//! What an incident takes of budgets, and what it costs.

use std::time::Duration;

use model::{Budget, Conditions, Payload, Spending};
use serde_json::{Value, json};

use super::{Alert, Shop, at, calm};

const ALERT: Alert<'_> = Alert { id: "aaaa", service: "checkout", severity: "critical", slo: "orders" };

/// An evaluation: so many events were counted, and so many of them were bad. One of a hundred may be, and each costs
/// 0.8.
fn evaluate(shop: &mut Shop, seconds: u64, events: u64, bad_events: u64) {
    let spending = Some(Spending { amount: 0.8 * bad_events as f64, currency: "EUR".into() });
    tell(shop, seconds, Budget { spending, ..budget(events, bad_events) });
}

fn budget(events: u64, bad_events: u64) -> Budget {
    let slo_id = "orders".into();
    let (share_of_event, remaining) = (Some(1.0 / 64.0), Some(-0.25));
    Budget { slo_id, events, bad_events, allowed: 0.01, share_of_event, remaining, spending: None }
}

fn tell(shop: &mut Shop, seconds: u64, budget: Budget) {
    let every = Duration::from_secs(10);
    let (all, budgets) = (Vec::new(), vec![budget]);
    let told = Conditions { source: "sla".into(), at: at(seconds), every, all, budgets };
    shop.harness.hear(Payload::Conditions(Box::new(told)), 1);
}

/// A budget that burns from second 580 on, and its alert at 600.
fn burning() -> Shop {
    let mut shop = Shop::new("");
    shop.run_to(550, &calm);
    for (seconds, events, bad) in [(560, 1000, 0), (570, 1010, 0), (580, 1020, 0), (590, 1030, 5)] {
        evaluate(&mut shop, seconds, events, bad);
        shop.run_to(seconds, &calm);
    }
    evaluate(&mut shop, 600, 1040, 15);
    shop.run_to(600, &calm);
    shop.push(&ALERT.fires(600));
    shop.tick();
    shop
}

fn asked(shop: &mut Shop) -> Value {
    let all: Value = serde_json::from_slice(&shop.ask("GET", "incidents", "").body).unwrap();
    all["incidents"][0].clone()
}

#[test]
fn an_incident_says_what_was_lost_since_the_budget_began_to_burn_until_it_ends() {
    let mut shop = burning();
    let opened = shop.named("trueline.incident.opened").next().unwrap();
    let lost = &opened.incident("impact")[0];
    assert_eq!(
        (&lost["events"], &lost["bad_events"]),
        (&json!(20), &json!(15)),
        "what the alert is about: {lost}"
    );
    evaluate(&mut shop, 610, 1050, 25);
    evaluate(&mut shop, 620, 1060, 35);
    shop.run_to(620, &calm);
    let lost = json!([{"slo_id": "orders", "start": "2024-01-01T12:09:40Z", "events": 40, "bad_events": 35,
        "bad_share": 0.875, "budget_consumed": 0.546875, "budget_remaining": -0.25, "cost": 28.0, "currency": "EUR"}]);
    assert_eq!(asked(&mut shop)["impact"], lost);
    shop.push(&ALERT.ends(600, 620));
    evaluate(&mut shop, 630, 1070, 36);
    shop.run_to(630, &calm);
    evaluate(&mut shop, 640, 1080, 37);
    shop.run_to(640, &calm);
    let ended = asked(&mut shop);
    assert_eq!(
        (&ended["state"], &ended["impact"]),
        (&json!("mitigating"), &lost),
        "what is bad later is not its"
    );
    let description = ended["description"].as_str().unwrap();
    let line = "orders: 35 of 40 events were bad (87.5 %), which took 54.7 % of its error budget; \
                the error budget is overspent by 25.0 %. Cost: 28.00 EUR.";
    assert!(description.lines().any(|it| it == line), "{description}");
    assert!(!description.contains("at stake"), "{description}");
}

#[test]
fn an_objective_without_events_or_rates_says_what_is_known() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    shop.push(&ALERT.fires(600));
    let none = Budget { share_of_event: None, remaining: Some(0.5), ..budget(0, 0) };
    tell(&mut shop, 600, none.clone());
    shop.run_to(610, &calm);
    tell(&mut shop, 610, none);
    shop.run_to(620, &calm);
    let shown = asked(&mut shop);
    let lost = json!([{"slo_id": "orders", "start": "2024-01-01T12:10:00Z", "budget_remaining": 0.5}]);
    assert_eq!(shown["impact"], lost);
    let description = shown["description"].as_str().unwrap();
    assert!(description.ends_with("\norders: 50.0 % of the error budget is left."), "{description}");
}

#[test]
fn counts_that_were_lost_in_a_crash_take_nothing_away_and_add_nothing() {
    let mut shop = burning();
    evaluate(&mut shop, 610, 900, 2);
    shop.run_to(610, &calm);
    let lost = asked(&mut shop)["impact"][0].clone();
    assert_eq!((&lost["events"], &lost["bad_events"], &lost["cost"]), (&json!(20), &json!(15), &json!(12.0)));
    evaluate(&mut shop, 620, 910, 4);
    shop.run_to(620, &calm);
    let lost = asked(&mut shop)["impact"][0].clone();
    assert_eq!((&lost["events"], &lost["bad_events"]), (&json!(30), &json!(17)));
}

#[test]
fn what_was_lost_is_counted_on_after_a_restart() {
    let mut before = burning();
    let snapshot = before.harness.analysis().snapshot().unwrap();
    let mut after = Shop::new("");
    after.harness.now = before.harness.now;
    after.harness.analysis().restore(snapshot).unwrap();
    assert_eq!(asked(&mut after), asked(&mut before));
    evaluate(&mut after, 610, 1050, 25);
    after.run_to(610, &calm);
    let lost = asked(&mut after)["impact"][0].clone();
    assert_eq!((&lost["events"], &lost["bad_events"], &lost["cost"]), (&json!(30), &json!(25), &json!(20.0)));
}
