//! What one stage is told makes it tell another: both are stored and done before the answer is given.

use std::time::Duration;

use anyhow::Result;
use component::{
    Answer, BuildCx, Cx, NoConfig, Processor, ProcessorDef, ProcessorEntry, Question, Registry,
    testing::ManualClock,
};
use model::{Batch, SignalSet, Timestamp};
use serde_json::{Value, json};
use testbed::{eventually, free_port, post};

use crate::rig::Rig;

const START: Timestamp = Timestamp::from_secs(1_800_000_000);
const TOKEN: &str = "0123456789abcdef";

/// Tells the other stage whatever it is told, and of a topic that nobody has.
struct Relays;

/// Keeps who told it what.
struct Keeps;

#[derive(Default)]
struct Half(Vec<Value>);

impl Processor for Half {
    fn process(&mut self, batch: Batch, cx: &mut Cx<'_>) {
        cx.pass(batch);
    }

    fn answer(&mut self, question: &Question, _: &mut Cx<'_>) -> Answer {
        match (question.topic(), question.rest().next()) {
            ("relayed", _) => {
                let to = |topic: &str| Question { path: vec![topic.to_owned()], ..question.clone() };
                Answer { next: vec![to("nobody"), to("kept")], ..Answer::ok("{}") }
            }
            (_, Some("read")) => Answer::ok(json!(self.0).to_string()),
            _ => {
                let said = String::from_utf8_lossy(&question.body).into_owned();
                self.0.push(json!([question.author, said]));
                Answer::done(200, "{}")
            }
        }
    }
}

macro_rules! stage {
    ($name:ident, $kind:literal, $topic:literal) => {
        impl ProcessorDef for $name {
            const KIND: &'static str = $kind;
            const TOPICS: &'static [&'static str] = &[$topic];
            type Config = NoConfig;
            fn consumes(_: &NoConfig) -> SignalSet {
                SignalSet::LOGS
            }
            fn emits(_: &NoConfig) -> SignalSet {
                SignalSet::LOGS
            }
            fn analysis(_: &NoConfig, _: &BuildCx<'_>) -> Option<Box<dyn Processor>> {
                Some(Box::new(Half::default()))
            }
        }
    };
}

stage!(Relays, "relays", "relayed");
stage!(Keeps, "keeps", "kept");

#[test]
fn what_a_stage_tells_another_because_it_was_told_something_is_done_when_it_answers() -> Result<()> {
    let port = free_port();
    let yaml = format!(
        "
receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:0'}}}}}}}}
processors: {{keeps: , relays: }}
exporters: {{nop: }}
extensions: {{api: {{endpoint: '127.0.0.1:{port}', tokens: [{{name: ann, token: {TOKEN}, access: write}}]}}}}
service:
  extensions: [api]
  pipelines:
    logs: {{receivers: [otlp], processors: [keeps, relays], exporters: [nop]}}
"
    );
    let mut registry: Registry = crate::rig::registry();
    registry.processors.extend([ProcessorEntry::of::<Keeps>(), ProcessorEntry::of::<Relays>()]);
    let rig = Rig::start_with(&yaml, &ManualClock::new(START), &registry)?;
    let url = |topic: &str| format!("http://127.0.0.1:{port}/api/v1/{topic}");
    let authorization = format!("Bearer {TOKEN}");
    let headers = [("authorization", authorization.as_str())];
    let kept = || post(&url("kept/read"), "application/json", &headers, b"")?.json();
    assert_eq!(eventually("an answer", Duration::from_secs(120), kept)?, json!([]));
    post(&url("relayed"), "application/json", &headers, b"it was noise")?.success()?;
    assert_eq!(kept()?, json!([["ann", "it was noise"]]));
    rig.stop();
    Ok(())
}
