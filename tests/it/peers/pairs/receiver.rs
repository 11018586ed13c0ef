//! `otlp`: what senders are told over HTTP.

use anyhow::Result;
use prost::Message;
use testbed::post;

use super::{
    run::{Collector, address},
    zoo::traces,
};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// What is sent: path, content type, content encoding, body; and why the answers differ where they are meant to.
pub(super) struct Sent {
    pub(super) what: &'static str,
    path: &'static str,
    content_type: &'static str,
    encoding: &'static str,
    body: Body,
    pub(super) meant: Option<&'static str>,
}

#[derive(Clone, Copy)]
enum Body {
    /// Spans that are right, as the content type says.
    Spans,
    Text(&'static str),
}

const fn sent(what: &'static str, path: &'static str, content_type: &'static str, body: Body) -> Sent {
    Sent { what, path, content_type, encoding: "", body, meant: None }
}

pub(super) const REQUESTS: &[Sent] = &[
    sent("protobuf", "/v1/traces", PROTOBUF, Body::Spans),
    sent("JSON", "/v1/traces", JSON, Body::Spans),
    sent("JSON with a charset", "/v1/traces", "application/json; charset=utf-8", Body::Spans),
    sent("protobuf that is empty", "/v1/traces", PROTOBUF, Body::Text("")),
    sent("JSON that is an empty object", "/v1/traces", JSON, Body::Text("{}")),
    sent(
        "JSON with a key that there is not",
        "/v1/traces",
        JSON,
        Body::Text("{\"resourceSpans\":[],\"more\":1}"),
    ),
    sent("protobuf that breaks off", "/v1/traces", PROTOBUF, Body::Text("\n\u{7f}x")),
    sent("JSON that breaks off", "/v1/traces", JSON, Body::Text("{\"resourceSpans\":[")),
    sent("JSON of another type", "/v1/traces", JSON, Body::Text("{\"resourceSpans\":3}")),
    sent("a path that there is not", "/v1/tracks", PROTOBUF, Body::Spans),
    sent("a content type that there is not", "/v1/traces", "text/plain", Body::Text("spans")),
    Sent {
        encoding: "gzip",
        ..sent("what is not compressed as it says", "/v1/traces", PROTOBUF, Body::Text("no gzip"))
    },
    Sent {
        encoding: "rar",
        meant: Some("415 with what is taken, there 400"),
        ..sent("an encoding that there is not", "/v1/traces", PROTOBUF, Body::Spans)
    },
];

fn body(sent: &Sent) -> Result<Vec<u8>> {
    Ok(match sent.body {
        Body::Text(text) => text.as_bytes().to_vec(),
        Body::Spans if sent.content_type == PROTOBUF => traces().encode_to_vec(),
        Body::Spans => serde_json::to_vec(&traces())?,
    })
}

/// Starts a collector and returns the status and the content type of each answer.
fn answers(is_ours: bool) -> Result<Vec<(u16, String)>> {
    let (health, to) = (address(), address());
    let yaml = format!(
        "extensions: {{health_check: {{endpoint: '{health}'}}}}
receivers: {{otlp: {{protocols: {{http: {{endpoint: '{to}'}}}}}}}}
exporters: {{nop: {{}}}}
service:
  extensions: [health_check]
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [nop]}}}}
"
    );
    let _collector = Collector::start(is_ours, &yaml, &health)?;
    let one = |sent: &Sent| {
        let headers = [("Content-Encoding", sent.encoding)];
        let headers = if sent.encoding.is_empty() { &[][..] } else { &headers[..] };
        let answer = post(&format!("http://{to}{}", sent.path), sent.content_type, headers, &body(sent)?)?;
        let content_type = answer.content_type.split(';').next().unwrap_or_default().to_owned();
        Ok((answer.status, content_type))
    };
    REQUESTS.iter().map(one).collect()
}

#[test]
fn senders_are_told_the_same() {
    let (ours, theirs) = (answers(true).unwrap(), answers(false).unwrap());
    let mut wrong = Vec::new();
    for (sent, (own, other)) in REQUESTS.iter().zip(ours.iter().zip(&theirs)) {
        if (own == other) == sent.meant.is_some() {
            wrong.push(format!("{}: ours {own:?}, theirs {other:?}", sent.what));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
