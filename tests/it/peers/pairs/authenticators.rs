//! `basicauth` and `bearertokenauth`: whom servers let in, and what clients show.

use anyhow::{Result, ensure};
use data_encoding::BASE64;
use prost::Message;
use testbed::{eventually, post};

use super::{
    run::{Collector, address, named},
    zoo::zoo,
};
use crate::peers::SOON;

/// Whom servers know.
pub(super) const SERVERS: [&str; 13] = [
    "basicauth: {htpasswd: {inline: 'agent:plain'}}",
    "basicauth: {htpasswd: {inline: 'agent:$$2y$$04$$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW'}}",
    "basicauth: {htpasswd: {inline: 'agent:{SHA}0nofEXcSAJSXFLGvmfBIpBb11vQ='}}",
    "basicauth: {htpasswd: {inline: 'agent:$$apr1$$abcdefgh$$tPMe7lknrFZeX55XJF00t0'}}",
    "basicauth: {htpasswd: {inline: 'agent:$$5$$abcdefgh$$C7VyRZs0npbCFai/XpQEnaVXYbZWFch0rqUEsU32AU/'}}",
    "basicauth: {htpasswd: {inline: 'agent:$$6$$abcdefgh$$vR/yd6VXABFTBRyOupJyJyD09twBc54Fjx1W8tzKdqxOfohxeZRb508btnHrxVQLY86b/u4pA/7OgxagBH8130'}}",
    "basicauth: {htpasswd: {inline: \"other:other\\nagent:right:with:colons\"}}",
    "bearertokenauth: {token: first}",
    "bearertokenauth: {tokens: [first, second]}",
    "bearertokenauth: {scheme: Token, token: first}",
    "bearertokenauth: {scheme: '', token: first}",
    "bearertokenauth: {header: X-Api-Key, token: first}",
    "bearertokenauth: {header: X-Api-Key, scheme: '', token: first}",
];

/// What is shown to each of them: a name and a value of a header; basic credentials are encoded first.
const SHOWN: [(&str, &str); 24] = [
    ("", ""),
    ("Authorization", "Basic agent:plain"),
    ("Authorization", "Basic agent:secret"),
    ("Authorization", "Basic agent:right"),
    ("Authorization", "Basic agent:right:with:colons"),
    ("Authorization", "Basic other:other"),
    ("Authorization", "Basic agent:"),
    ("Authorization", "Basic agent"),
    ("Authorization", "Basic :plain"),
    ("Authorization", "basic agent:plain"),
    ("Authorization", "BASIC agent:plain"),
    ("authorization", "Basic agent:plain"),
    ("Authorization", "Basic"),
    ("Authorization", "Bearer first"),
    ("Authorization", "Bearer second"),
    ("Authorization", "bearer first"),
    ("Authorization", "Bearer  first"),
    ("Authorization", "Bearer"),
    ("Authorization", "Token first"),
    ("Authorization", "first"),
    ("X-Api-Key", "Bearer first"),
    ("X-Api-Key", "first"),
    ("x-api-key", "first"),
    ("X-Api-Key", "second"),
];

/// Who shows what to whom: settings of a client and of a server that lets it in.
pub(super) const CLIENTS: [(&str, &str); 5] = [
    ("basicauth: {client_auth: {username: agent, password: plain}}", SERVERS[0]),
    ("basicauth: {client_auth: {username: agent, password: 'right:with:colons'}}", SERVERS[6]),
    ("bearertokenauth: {token: first}", SERVERS[7]),
    ("bearertokenauth: {scheme: Token, token: first}", SERVERS[9]),
    ("bearertokenauth: {header: X-Api-Key, token: first}", SERVERS[11]),
];

/// Starts a collector with a receiver behind each of some extensions; what it takes goes into a file for each.
fn servers(is_ours: bool, extensions: &[&str]) -> Result<(Collector, Vec<String>)> {
    let (health, addresses) = (address(), extensions.iter().map(|_| address()).collect::<Vec<_>>());
    let (mut own, mut names) = (String::new(), vec!["health_check".to_owned()]);
    let (mut receivers, mut exporters, mut pipelines) = (String::new(), String::new(), String::new());
    for (place, (extension, address)) in extensions.iter().zip(&addresses).enumerate() {
        let (yaml, id) = named(extension, &place.to_string());
        let name = id.concat();
        own += &yaml;
        receivers += &format!(
            "  otlp/{place}: {{protocols: {{http: {{endpoint: '{address}', auth: {{authenticator: {name}}}}}}}}}\n"
        );
        exporters += &format!("  file/{place}: {{path: 'taken.{place}'}}\n");
        pipelines +=
            &format!("    traces/{place}: {{receivers: [otlp/{place}], exporters: [file/{place}]}}\n");
        names.push(name);
    }
    let yaml = format!(
        "extensions:\n  health_check: {{endpoint: '{health}'}}\n{own}receivers:\n{receivers}exporters:\n{exporters}service:
  extensions: [{}]
  telemetry: {{metrics: {{level: none}}}}
  pipelines:\n{pipelines}",
        names.join(", ")
    );
    Ok((Collector::start(is_ours, &yaml, &health)?, addresses))
}

/// Returns the status of each answer, by server and by what was shown.
fn answers(is_ours: bool) -> Result<Vec<Vec<u16>>> {
    let (_collector, addresses) = servers(is_ours, &SERVERS)?;
    let request = zoo().traces.first().expect("there are traces").encode_to_vec();
    let ask = |address: &String, (name, value): &(&str, &str)| {
        let value = match value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic")) {
            Some((scheme, credentials)) => format!("{scheme} {}", BASE64.encode(credentials.as_bytes())),
            None => (*value).to_owned(),
        };
        let headers = [(*name, value.as_str())];
        let headers = if name.is_empty() { &headers[..0] } else { &headers[..] };
        let url = format!("http://{address}/v1/traces");
        Ok(post(&url, "application/x-protobuf", headers, &request)?.status)
    };
    addresses.iter().map(|address| SHOWN.iter().map(|shown| ask(address, shown)).collect()).collect()
}

#[test]
fn the_same_are_let_in() {
    let (ours, theirs) = (answers(true).unwrap(), answers(false).unwrap());
    let mut wrong = Vec::new();
    for ((server, own), other) in SERVERS.iter().zip(&ours).zip(&theirs) {
        for ((shown, own), other) in SHOWN.iter().zip(own).zip(other) {
            if own != other {
                wrong.push(format!("{server}, shown {shown:?}: ours {own}, theirs {other}"));
            }
        }
        assert!(other.contains(&200), "{server}: nobody is let in");
        assert!(other.contains(&401), "{server}: everybody is let in");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Starts a collector that hands on what it receives to each of some servers, as one of their clients.
fn clients(is_ours: bool, servers: &[String]) -> Result<(Collector, String)> {
    let (health, data) = (address(), address());
    let (mut own, mut names) = (String::new(), vec!["health_check".to_owned()]);
    let (mut exporters, mut ids) = (String::new(), Vec::new());
    for (place, ((client, _), server)) in CLIENTS.iter().zip(servers).enumerate() {
        let (yaml, id) = named(client, &place.to_string());
        let name = id.concat();
        own += &yaml;
        exporters += &format!(
            "  otlphttp/{place}: {{endpoint: 'http://{server}', auth: {{authenticator: {name}}}, sending_queue: {{enabled: false}}, retry_on_failure: {{enabled: false}}}}\n"
        );
        names.push(name);
        ids.push(format!("otlphttp/{place}"));
    }
    let yaml = format!(
        "extensions:\n  health_check: {{endpoint: '{health}'}}\n{own}receivers: {{otlp: {{protocols: {{http: {{endpoint: '{data}'}}}}}}}}
exporters:\n{exporters}service:
  extensions: [{}]
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [{}]}}}}\n",
        names.join(", "),
        ids.join(", ")
    );
    Ok((Collector::start(is_ours, &yaml, &health)?, data))
}

#[test]
fn each_lets_the_other_in() -> Result<()> {
    let request = zoo().traces.first().expect("there are traces").encode_to_vec();
    for ours_asks in [true, false] {
        let (server, addresses) = servers(!ours_asks, &CLIENTS.map(|(_, server)| server))?;
        let (_client, data) = clients(ours_asks, &addresses)?;
        let answer = post(&format!("http://{data}/v1/traces"), "application/x-protobuf", &[], &request)?;
        ensure!(answer.status == 200, "ours asks: {ours_asks}: {answer:?}");
        for (place, (client, _)) in CLIENTS.iter().enumerate() {
            eventually(client, SOON, || {
                let taken = std::fs::read_to_string(server.dir().join(format!("taken.{place}")))?;
                ensure!(taken.contains("traceId"), "nothing has come");
                Ok(())
            })?;
        }
    }
    Ok(())
}
