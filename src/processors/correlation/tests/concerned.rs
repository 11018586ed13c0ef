//! What stages behind it are told of open incidents.

use std::collections::BTreeMap;

use model::Severity;
use serde_json::Value;

use super::{
    super::{
        concerned::Concerned,
        events::{Event, Kind},
        incident::{Incident, Link, Role, State},
        incidents::Incidents,
    },
    Alert, Shop, at, calm, step,
};

const ALERT: Alert<'_> = Alert { id: "aaaa", service: "checkout", severity: "critical", slo: "orders" };

/// What was told last, by service.
fn told(shop: &Shop) -> BTreeMap<&str, &str> {
    let last = shop.open.last().expect("something was told");
    last.of_services.iter().map(|(service, id)| (&**service, &**id)).collect()
}

#[test]
fn the_cause_and_who_suffers_are_told_with_the_id_that_the_api_shows_until_the_incident_is_resolved() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    assert!(shop.open.is_empty(), "nothing is wrong: {:?}", shop.open);
    shop.push(&ALERT.fires(600));
    shop.run_to(660, &|calls| step(calls, "payment").own.mean = 80.0);
    let listed: Value = serde_json::from_slice(&shop.ask("GET", "incidents", "").body).unwrap();
    let [incident] = &listed["incidents"].as_array().unwrap()[..] else { panic!("{listed}") };
    let id = incident["id"].as_str().unwrap();
    assert_eq!(told(&shop), BTreeMap::from([("checkout", id), ("payment", id)]));
    let n_told = shop.open.len();
    shop.run_to(680, &|calls| step(calls, "payment").own.mean = 80.0);
    assert_eq!(shop.open.len(), n_told, "what has not changed is not told again");
    shop.push(&ALERT.ends(600, 680));
    shop.run_to(900, &calm);
    assert_eq!(told(&shop), BTreeMap::new());
}

#[test]
fn while_no_cause_is_named_every_service_with_an_event_is_told() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    shop.episode("frontend", "1", 600, None);
    shop.run_to(610, &calm);
    assert_eq!(told(&shop).into_keys().collect::<Vec<_>>(), ["frontend"]);
}

/// An incident with an event of a service, seconds after the beginning.
fn incident(id: &str, service: &str, severity: Severity, second: u64) -> Incident {
    let mut incident = Incident::of(Event {
        start: at(second),
        kind: Kind::Anomaly,
        id: id.to_owned(),
        service: service.into(),
        severity,
        end: None,
        title: String::new(),
        slo_id: String::new(),
        resend: None,
        is_lost: false,
        trace: None,
    });
    incident.chain =
        vec![Link { service: service.into(), role: Role::Suspected, first_seen: incident.start }];
    incident
}

#[test]
fn of_several_incidents_of_a_service_the_worst_is_told_and_of_these_the_oldest() {
    let first = incident("1", "cart", Severity::Warning, 1);
    let worse = incident("2", "cart", Severity::Critical, 2);
    let as_bad = incident("3", "cart", Severity::Critical, 3);
    let over = Incident { state: State::Resolved, ..incident("4", "cart", Severity::Emergency, 4) };
    let mut all = Incidents::default();
    let mut concerned = Concerned::default();
    for (known, expected) in
        [(&first, &first.id), (&worse, &worse.id), (&as_bad, &worse.id), (&over, &worse.id)]
    {
        all.insert(known.clone());
        let told = concerned.news(&all).map(|open| open.of_services["cart"].clone());
        let is_news = known.id == *expected;
        assert_eq!(told, is_news.then(|| expected.clone()));
    }
}
