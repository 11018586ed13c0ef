//! What people say of incidents, and who hears of it.

use std::collections::BTreeMap;

use component::{Answer, Cx, Question, Workbench};
use serde_json::{Value, json};

use super::{Shop, at, calm, step};

/// Two episodes of one service: one incident.
fn shop() -> Shop {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    shop.episode("payment", "00000000000000ab", 590, None);
    shop.episode("payment", "00000000000000ac", 600, None);
    shop.run_to(660, &|calls| step(calls, "payment").own.mean = 80.0);
    shop
}

fn id(shop: &mut Shop) -> String {
    let all: Value = serde_json::from_slice(&shop.ask("GET", "incidents", "").body).unwrap();
    assert_eq!(all["n"], 1);
    all["incidents"][0]["id"].as_str().unwrap().to_owned()
}

fn say(shop: &mut Shop, id: &str, body: &str) -> Answer {
    let question = Question {
        method: "POST".to_owned(),
        path: ["incidents", id, "feedback"].map(str::to_owned).to_vec(),
        body: body.as_bytes().to_vec().into(),
        author: "ann".to_owned(),
        ..Question::default()
    };
    let now = shop.harness.now;
    shop.harness.analysis().answer(&question, &mut Cx::new(now, &mut Workbench::default()))
}

fn shown(answer: &Answer) -> Value {
    serde_json::from_slice::<Value>(&answer.body).unwrap()["feedback"].clone()
}

/// How many incidents were called what, by the metrics of the next ten seconds.
fn counted(shop: &mut Shop) -> BTreeMap<String, f64> {
    shop.gauge("trueline.incidents.feedback")
}

fn counts(of_true: f64, of_noise: f64, of_wrong_cause: f64) -> BTreeMap<String, f64> {
    let all = [("true", of_true), ("noise", of_noise), ("wrong_cause", of_wrong_cause)];
    all.map(|(verdict, n)| (format!("{{verdict={verdict}}}"), n)).into()
}

#[test]
fn the_last_word_on_an_incident_is_shown_told_counted_and_kept() {
    let mut shop = shop();
    let id = id(&mut shop);
    assert_eq!(counted(&mut shop), counts(0.0, 0.0, 0.0));
    assert_eq!(say(&mut shop, &id, r#"{"verdict": "true"}"#).status, 200);
    assert_eq!(counted(&mut shop), counts(1.0, 0.0, 0.0));
    let second = say(&mut shop, &id, r#"{"verdict": "wrong_cause", "root": "payment-db"}"#);
    assert!(second.is_changed && second.next.is_empty(), "no episode was a false alarm: {second:?}");
    let said = json!({"verdict": "wrong_cause", "root": "payment-db", "author": "ann", "at": "2024-01-01T12:11:20Z"});
    assert_eq!(shown(&second), said);
    assert_eq!(counted(&mut shop), counts(0.0, 0.0, 1.0));
    let told = shop.named("trueline.incident.feedback").last().unwrap();
    assert_eq!(
        (&told.incident("id"), &told.incident("feedback")["root"]),
        (&&json!(id), &json!("payment-db"))
    );

    let snapshot = shop.harness.analysis().snapshot().unwrap();
    let mut after = Shop::new("");
    after.harness.now = shop.harness.now;
    after.harness.analysis().restore(snapshot).unwrap();
    let kept: Value = serde_json::from_slice(&after.ask("GET", &format!("incidents/{id}"), "").body).unwrap();
    assert_eq!(kept["feedback"], said);
    assert_eq!(counted(&mut after), counts(0.0, 0.0, 1.0));
}

#[test]
fn the_episodes_of_an_incident_that_was_noise_are_told_as_false_alarms_once() {
    let mut shop = shop();
    let id = id(&mut shop);
    let answer = say(&mut shop, &id[..20], r#"{"verdict": "noise"}"#);
    let [next] = &answer.next[..] else { panic!("{answer:?}") };
    assert_eq!(
        (next.method.as_str(), &next.path[..]),
        ("POST", &["anomalies", "feedback"].map(str::to_owned)[..])
    );
    assert_eq!(next.author, "ann");
    let told: Value = serde_json::from_slice(&next.body).unwrap();
    let start = |second: u64| at(second).as_nanos().to_string();
    let episodes = json!([{"id": "00000000000000ab", "start_unix_nano": start(590)},
        {"id": "00000000000000ac", "start_unix_nano": start(600)}]);
    assert_eq!(told, json!({"verdict": "noise", "episodes": &episodes}));
    assert_eq!(say(&mut shop, &id, r#"{"verdict": "noise"}"#).next, [], "said again it is no other alarm");
    assert_eq!(counted(&mut shop), counts(0.0, 1.0, 0.0));
    let answer = say(&mut shop, &id, r#"{"verdict": "true"}"#);
    let told: Value = serde_json::from_slice(&answer.next[0].body).unwrap();
    assert_eq!(told, json!({"verdict": "useful", "episodes": episodes}), "it is taken back");
    assert_eq!(
        say(&mut shop, &id, r#"{"verdict": "wrong_cause"}"#).next,
        [],
        "there is nothing to take back"
    );
    assert_eq!(counted(&mut shop), counts(0.0, 0.0, 1.0));
}

#[test]
fn an_incident_that_is_closed_can_still_be_judged() {
    let mut shop = shop();
    let id = id(&mut shop);
    shop.episode("payment", "00000000000000ab", 590, Some(660));
    shop.episode("payment", "00000000000000ac", 600, Some(660));
    shop.run_to(1500, &calm);
    assert_eq!(shop.named("trueline.incident.closed").count(), 1);
    assert_eq!(shown(&say(&mut shop, &id, r#"{"verdict": "noise"}"#))["verdict"], "noise");
    assert_eq!(counted(&mut shop), counts(0.0, 1.0, 0.0));
}

#[test]
fn words_that_mean_nothing_are_refused_with_those_that_do() {
    let mut shop = shop();
    let id = id(&mut shop);
    for body in [
        "",
        "{}",
        r#"{"verdict": "false"}"#,
        r#"{"verdict": "noise", "root": "payment"}"#,
        r#"{"verdict": "wrong_cause", "root": 7}"#,
    ] {
        let answer = say(&mut shop, &id, body);
        let problem = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(answer.status == 400 && problem.contains("wrong_cause"), "{body}: {problem}");
    }
    assert_eq!(say(&mut shop, "7", r#"{"verdict": "noise"}"#).status, 404);
    assert_eq!(counted(&mut shop), counts(0.0, 0.0, 0.0));
}
