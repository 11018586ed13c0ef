//! The heartbeat goes over TLS, and says who it is.

use std::{collections::BTreeMap, sync::Arc};

use component::{Authenticator, Authenticators, BoxError, ClientAuth, Config, testing::ManualClock};
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue};
use model::Timestamp;
use serde_json::{Value, json};

use super::{super::heartbeat::Heartbeat, support::parse};
use crate::http::testing::{Authority, ClientCertificates, NOW, Reply, Server, exporter_cx, on_a_shard};

/// Says who the heart is.
struct Word;

impl ClientAuth for Word {
    fn authenticate<'a>(
        &'a self,
        headers: &'a mut HeaderMap,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<(), BoxError>> {
        headers.insert("authorization", HeaderValue::from_static("Word given"));
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Beats once as settings say; returns how often it was taken.
async fn beat(heartbeat: Value) -> u64 {
    let (config, _) = parse(&json!({ "heartbeat": heartbeat }).to_string());
    let mut cx = exporter_cx(&ManualClock::new(NOW));
    let word = Authenticator { server: None, client: Some(Arc::new(Word)) };
    cx.authenticators = Authenticators::new(BTreeMap::from([("word".to_owned(), word)]));
    let heart = Heartbeat::new(config.heartbeat.get().expect("the heartbeat is on"), &cx);
    heart.heard();
    heart.beat().await;
    let name = "trueline_alert_webhook_heartbeats_sent";
    cx.telemetry.read().iter().find(|it| it.name == name).map_or(0, |it| it.value)
}

#[test]
fn a_heartbeat_is_told_over_mutual_tls() {
    on_a_shard(async {
        let authority = Authority::new();
        let tls = authority.server("127.0.0.1", ClientCertificates::Required);
        let server = Server::with_tls(tls, Reply::of(200, &[], "said")).await;
        let url = format!("https://{}/ping", server.address);
        let (certificate, key) = authority.sign("trueline");
        let known = json!({"ca_pem": authority.pem, "cert_pem": certificate, "key_pem": key});
        assert_eq!(beat(json!({"url": url, "tls": known})).await, 1);
        assert_eq!(server.only().uri.path(), "/ping");
        for tls in [json!({}), json!({"ca_pem": authority.pem}), json!({"ca_pem": Authority::new().pem})] {
            assert_eq!(beat(json!({"url": url, "tls": tls})).await, 0, "{tls}");
        }
        assert_eq!(server.seen.borrow().len(), 1);
    });
}

#[test]
fn a_heartbeat_says_who_it_is() {
    on_a_shard(async {
        let server = Server::replying(Reply::of(200, &[], "said")).await;
        let url = format!("http://{}/ping", server.address);
        assert_eq!(beat(json!({"url": url, "auth": {"authenticator": "word"}})).await, 1);
        assert_eq!(server.only().headers["authorization"], "Word given");
        let nobody = json!({"url": url, "auth": {"authenticator": "nobody"}});
        assert_eq!(beat(nobody).await, 0, "an authenticator that is missing lets nothing out");
        assert_eq!(server.seen.borrow().len(), 1);
    });
}

#[test]
fn the_plan_learns_whom_the_heartbeat_asks_for_credentials() {
    let (config, _) = parse("heartbeat: {url: 'https://example.com', auth: {authenticator: word}}");
    let keys: Vec<_> = config.auth().into_iter().map(|it| (it.key, it.id)).collect();
    assert_eq!(keys, [("heartbeat.auth.authenticator".to_owned(), "word".to_owned())]);
}
