//! What is asked of incidents, by people and programs.

use serde_json::{Value, json};

use super::{
    super::{
        cause::{CauseKind, Evidence},
        output,
    },
    Alert, Shop, calm, step,
};

const ALERT: Alert<'_> = Alert { id: "aaaa", service: "checkout", severity: "critical", slo: "orders" };

/// A slow payment that an alert of its caller tells of, and trouble of a service that nobody calls.
fn shop() -> Shop {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    shop.push(&ALERT.fires(600));
    shop.episode("ad", "odd", 600, None);
    shop.run_to(660, &|calls| step(calls, "payment").own.mean = 80.0);
    shop
}

fn get(shop: &mut Shop, path: &str, parameters: &[(&str, &str)]) -> (u16, Value) {
    let answer = shop.ask_with("GET", path, parameters, "");
    (answer.status, serde_json::from_slice(&answer.body).expect("the answer is JSON"))
}

fn ids(listed: &Value) -> Vec<String> {
    let all = listed["incidents"].as_array().expect("incidents are listed");
    all.iter().map(|one| one["id"].as_str().expect("an incident has an id").to_owned()).collect()
}

#[test]
fn an_incident_is_shown_with_times_that_people_read() {
    let mut shop = shop();
    let (_, all) = get(&mut shop, "incidents", &[]);
    let of_payment = |one: &&Value| one["causes"][0]["service"] == "payment";
    let one = all["incidents"].as_array().unwrap().iter().find(of_payment).unwrap();
    assert_eq!(one["title"], "payment takes longer, 1 other service suffers");
    assert_eq!((&one["start"], &one["duration_seconds"]), (&json!("2024-01-01T12:10:00Z"), &json!(60)));
    assert_eq!(one["chain"][1]["first_seen"], "2024-01-01T12:10:00Z");
    let events = one["events"].as_array().unwrap();
    let alert = events.iter().find(|event| event["id"] == "aaaa").unwrap();
    assert_eq!((&alert["start"], &alert["end"]), (&json!("2024-01-01T12:10:00Z"), &Value::Null));
    assert_eq!(one["n_events"], events.len());
}

#[test]
fn the_beginning_of_an_id_is_enough_where_no_other_has_it() {
    let mut shop = shop();
    let (_, all) = get(&mut shop, "incidents", &[]);
    let [younger, older] = &ids(&all)[..] else { panic!("{all}") };
    let alike = younger.bytes().zip(older.bytes()).take_while(|(a, b)| a == b).count();
    let (status, one) = get(&mut shop, &format!("incidents/{}", older[..=alike].to_lowercase()), &[]);
    assert_eq!((status, &one["id"]), (200, &json!(older)));
    let (status, refused) = get(&mut shop, &format!("incidents/{}", &older[..alike]), &[]);
    let problem = refused["error"].as_str().unwrap();
    assert!(status == 400 && problem.contains(older) && problem.contains(younger), "{status}: {problem}");
}

#[test]
fn an_incident_that_another_took_over_is_found_by_its_old_name() {
    let mut shop = Shop::new("causal: {silent_hops: 0}");
    shop.run_to(600, &calm);
    shop.episode("frontend", "1", 600, None);
    shop.episode("payment", "2", 600, None);
    shop.run_to(610, &calm);
    let before = ids(&get(&mut shop, "incidents", &[]).1);
    shop.episode("checkout", "3", 610, None);
    shop.run_to(620, &calm);
    for id in &before {
        let (status, one) = get(&mut shop, &format!("incidents/{id}"), &[]);
        assert_eq!((status, &one["id"]), (200, &json!(before[1])), "{id}");
    }
}

#[test]
fn incidents_are_chosen_by_their_state_and_one_that_is_none_is_refused() {
    let mut shop = shop();
    let n = |shop: &mut Shop, state: &str| get(shop, "incidents", &[("state", state)]).1["n"].clone();
    assert_eq!((n(&mut shop, "open"), n(&mut shop, "closed")), (json!(2), json!(0)));
    let (status, refused) = get(&mut shop, "incidents", &[("state", "firing")]);
    assert_eq!(status, 400);
    assert_eq!(refused["error"], "state is \"firing\", must be one of open, mitigating, resolved, closed");
}

#[test]
fn evidence_is_told_in_sentences_with_what_was_before() {
    let sentence = |kind, what: &str, unit: &str, before, after| {
        let (what, unit) = (what.to_owned(), unit.to_owned());
        output::sentence(&Evidence {
            kind,
            what,
            unit,
            before,
            after,
            strength: 1.0,
            exemplar: None,
            note: String::new(),
        })
    };
    for (told, expected) in [
        (
            sentence(CauseKind::Latency, "Charge", "ms", 8.0, 80.25),
            "time of its own in Charge is 80.2 ms, 8.00 ms before",
        ),
        (
            sentence(CauseKind::Errors, "Charge", "1", 0.0, 0.863),
            "Charge fails by itself in 86.3 %, 0 % before",
        ),
        (
            sentence(CauseKind::Traffic, "requests", "1/s", 1.9, 4.9),
            "4.90 requests come to it per second, 1.90 before",
        ),
        (
            sentence(CauseKind::Logs, "order of user", "records", -0.0, 12.0),
            "it writes `order of user` 12.0 times: by its requests 0 would be usual",
        ),
        (
            sentence(CauseKind::Logs, "order of user", "records", 21.0, 0.0),
            "it no longer writes `order of user`: by its requests 21.0 times would be usual",
        ),
    ] {
        assert_eq!(told, expected);
    }
}
