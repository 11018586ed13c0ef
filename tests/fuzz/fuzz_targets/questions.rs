//! Any question is answered with a status and JSON, whatever its path, parameters and body; what a stage then knows can
//! be stored, and any archive is taken or refused.
#![no_main]

use component::{Question, Snapshot};
use fuzz::stage::{self, Half};
use libfuzzer_sys::fuzz_target;
use model::Payload;

const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];

fuzz_target!(|data: &[u8]| {
    let Some((&[choice, method, version], data)) = data.split_first_chunk() else { return };
    let stages = stage::answering();
    let (stage, topic) = stages[usize::from(choice) % stages.len()];
    // Path, query and body stand on lines, what is left is an archive.
    let mut lines = data.splitn(4, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let [path, query, body, archive] = [(); 4].map(|()| line());
    let parts = path.split(|byte| *byte == b'/').map(|part| String::from_utf8_lossy(part).into_owned());
    let mut parameters = std::collections::BTreeMap::new();
    for pair in query.split(|byte| *byte == b'&').take(32) {
        let mut sides = pair.splitn(2, |byte| *byte == b'=');
        let mut side = || String::from_utf8_lossy(sides.next().unwrap_or_default()).into_owned();
        parameters.insert(side(), side());
    }
    let question = Question {
        method: METHODS[usize::from(method) % METHODS.len()].to_owned(),
        path: std::iter::once(topic.to_owned()).chain(parts.take(31)).collect(),
        parameters,
        body: body.to_vec().into(),
        author: "fuzz".to_owned(),
    };
    let mut half = Half::new(stage);
    half.hear(vec![Payload::Rollups(Box::new(stage::window(Default::default(), false)))]);
    // What is refused changes nothing; of what another release wrote, a part may have been taken.
    let _refused =
        half.restore_archive(Snapshot { version: u32::from(version) % 4, bytes: archive.to_vec() });
    let answer = half.ask(&question);
    assert!((200..600).contains(&answer.status), "{}", answer.status);
    serde_json::from_slice::<serde_json::Value>(&answer.body).expect("an answer is JSON");
    half.tick();
    half.ask(&question);
    let stored = half.snapshot();
    let mut again = Half::new(stage);
    again.restore(stored).expect("an own snapshot can be read");
});
