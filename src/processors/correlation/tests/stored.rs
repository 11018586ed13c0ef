//! What is described, what survives a restart, and what is asked.

use component::{RestoreError, Snapshot};
use schemas::Schema;
use serde_json::Value;

use super::{
    super::{
        ingest::{CorrelationPartial, FlagRow, LineRow},
        record::*,
    },
    Alert, Shop, calm, step,
};
use crate::aggregation::deployments::VersionRow;

#[test]
fn what_is_told_and_stored_is_as_described() {
    let mut schema = Schema::compile("correlation.proto");
    schema.holds::<CorrelationPartial>("CorrelationPartial");
    schema.holds::<LineRow>("LineRow");
    schema.holds::<FlagRow>("FlagRow");
    schema.holds::<VersionRow>("Version");
    schema.holds::<CorrelationState>("CorrelationState");
    schema.holds::<IncidentRecord>("IncidentRecord");
    schema.holds::<IncidentEvent>("IncidentEvent");
    schema.holds::<CandidateRecord>("CandidateRecord");
    schema.holds::<EvidenceRecord>("EvidenceRecord");
    schema.holds::<LinkRecord>("LinkRecord");
    schema.holds::<VoiceRecord>("VoiceRecord");
    schema.holds::<HeldRecord>("HeldRecord");
    schema.holds::<EdgeRecord>("EdgeRecord");
    schema.holds::<OpinionRecord>("OpinionRecord");
    schema.holds::<LossRecord>("LossRecord");
    schema.holds::<SampleRecord>("SampleRecord");
    schema.holds::<FeedbackRecord>("FeedbackRecord");
    schema.finish();
}

const ALERT: Alert<'_> = Alert { id: "aaaa", service: "checkout", severity: "warning", slo: "orders" };

fn in_trouble() -> Shop {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    shop.push(&ALERT.fires(600));
    shop.push(&super::deployment("payment", 590, "payment 2.3"));
    shop.run_to(660, &|calls| step(calls, "payment").own.mean = 80.0);
    shop
}

fn listed(shop: &mut Shop) -> Value {
    serde_json::from_slice(&shop.ask("GET", "incidents", "").body).unwrap()
}

#[test]
fn an_incident_goes_on_after_a_restart_and_its_alerts_stay_told() {
    let mut before = in_trouble();
    let snapshot = before.harness.analysis().snapshot().unwrap();
    let mut after = Shop::new("");
    after.harness.now = before.harness.now;
    after.harness.analysis().restore(snapshot.clone()).unwrap();
    assert_eq!(listed(&mut after), listed(&mut before));
    assert_eq!(after.harness.analysis().snapshot().unwrap().bytes, snapshot.bytes);
    // Another alert of the chain finds its incident, through the graph that was stored, and disturbs nobody.
    after.push(&Alert { id: "bbbb", service: "frontend", ..ALERT }.fires(660));
    after.tick();
    assert_eq!(after.incidents().len(), 0, "nothing is opened");
    let alert = after.named("trueline.alert.firing").next().unwrap();
    assert!(alert.attributes.contains_key("trueline.alert.suppressed_by"));
}

#[test]
fn a_snapshot_cut_or_changed_anywhere_is_refused_and_leaves_nothing_behind() {
    let Snapshot { version, bytes } = in_trouble().harness.analysis().snapshot().unwrap();
    let mut damaged: Vec<Vec<u8>> = (0..bytes.len()).map(|end| bytes[..end].to_vec()).collect();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        damaged.push(changed);
    }
    let mut shop = Shop::new("");
    for bytes in damaged {
        let read = shop.harness.analysis().restore(Snapshot { version, bytes });
        assert!(matches!(read, Err(RestoreError::Damaged(_))), "{read:?}");
    }
    let read = shop.harness.analysis().restore(Snapshot { version: version + 1, bytes });
    assert!(matches!(read, Err(RestoreError::Version { .. })), "{read:?}");
    assert_eq!(listed(&mut shop)["n"], 0);
}

#[test]
fn incidents_are_listed_and_shown_and_changes_are_told() {
    let mut shop = in_trouble();
    let all = listed(&mut shop);
    let id = all["incidents"][0]["id"].as_str().unwrap().to_owned();
    let one: Value = serde_json::from_slice(&shop.ask("GET", &format!("incidents/{id}"), "").body).unwrap();
    assert_eq!(one, all["incidents"][0]);
    assert_eq!(one["causes"][0]["service"], "payment");
    assert_eq!(one["slo_ids"], serde_json::json!(["orders"]));
    let told = shop.ask("POST", "changes", r#"{"service": "cart", "title": "flag new-cart is on"}"#);
    assert_eq!((told.status, told.is_changed), (201, true));
    let changes = String::from_utf8(shop.ask("GET", "changes", "").body.to_vec()).unwrap();
    assert!(changes.find("new-cart").unwrap() < changes.find("payment 2.3").unwrap(), "{changes}");
}

#[test]
fn what_can_not_be_answered_says_what_would_be_right() {
    let mut shop = Shop::new("");
    for (method, path, body, status, says) in [
        ("GET", "incidents/nobody", "", 404, "GET /api/v1/incidents lists these"),
        ("POST", "changes", "", 400, "say what was changed"),
        ("POST", "changes", r#"{"service": ""}"#, 400, "say what was changed"),
        ("DELETE", "incidents", "", 405, "asked by GET"),
        ("GET", "incidents/a/b", "", 404, "no such thing"),
    ] {
        let answer = shop.ask(method, path, body);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!((answer.status, text.contains(says)), (status, true), "{method} {path}: {text}");
    }
}
