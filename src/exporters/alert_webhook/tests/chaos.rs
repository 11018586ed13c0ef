//! Crashes at any moment, and destinations at their worst: nothing accepted is lost, what is told again has the same
//! id, and no transition overtakes another of the same alert.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::Duration,
};

use component::{Clock, testing::ManualClock};
use serde_json::Value;

use super::support::{Running, Told, request};
use crate::http::testing::{NOW, Reply, Seen, Server, on_a_shard};

/// Alerts that fire and resolve by turns.
const ALERTS: usize = 6;

/// The crashes of one seed; four seeds make a hundred.
const CRASHES: usize = 25;

/// Numbers that look random, the same for the same seed.
#[derive(Clone)]
struct Dice(Rc<Cell<u64>>);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(Rc::new(Cell::new(seed)))
    }

    fn below(&self, most: u64) -> u64 {
        self.0.set(rapidhash::v3::rapidhash_v3(&self.0.get().to_le_bytes()));
        (self.0.get() >> 16) % most
    }
}

/// A destination that answers anything, or nothing, until it is told to be good.
struct Moody {
    server: Server,
    is_good: Rc<Cell<bool>>,
    /// What was answered with 200.
    taken: Rc<RefCell<Vec<Value>>>,
}

impl Moody {
    async fn start(dice: &Dice) -> Self {
        let (is_good, taken): (Rc<Cell<bool>>, Rc<RefCell<Vec<Value>>>) = Default::default();
        let (good, log, dice) = (Rc::clone(&is_good), Rc::clone(&taken), dice.clone());
        let server = Server::start(move |seen: Seen| {
            let mood = if good.get() { 0 } else { dice.below(6) };
            let log = Rc::clone(&log);
            Box::pin(async move {
                match mood {
                    0 | 1 => {
                        log.borrow_mut().push(serde_json::from_slice(&seen.body).unwrap());
                        Reply::of(200, &[], "")
                    }
                    2 => Reply::of(429, &[("retry-after", "1")], "slow down"),
                    3 => Reply::of(500, &[], "oops"),
                    4 => Reply::of(408, &[], "late"),
                    _ => std::future::pending().await,
                }
            })
        })
        .await;
        Self { server, is_good, taken }
    }
}

/// The stage's side: which transition of each alert is next, and which was accepted.
struct Stage {
    accepted: [u64; ALERTS],
}

impl Stage {
    fn transition(alert: usize, sequence: u64) -> Told {
        let state = if sequence % 2 == 1 { "firing" } else { "resolved" };
        Told::new(state, "A", &format!("s{alert}")).with(|told| told.sequence = sequence)
    }

    /// Tells the next transition of some alerts and may be cut off by a crash; what was not accepted is told again.
    async fn tell(&mut self, running: &Running, dice: &Dice) {
        let alerts: Vec<usize> = (0..ALERTS).filter(|_| dice.below(3) == 0).collect();
        let told: Vec<Told> =
            alerts.iter().map(|alert| Self::transition(*alert, self.accepted[*alert] + 1)).collect();
        let turns = dice.below(200);
        tokio::select! {
            biased;
            taken = running.export(request(&told)) => {
                taken.unwrap();
                alerts.into_iter().for_each(|alert| self.accepted[alert] += 1);
            }
            () = turns_of(turns) => {}
        }
    }
}

/// Lets everything else go on for some turns; a turn is as short as it gets, or as long as a disk takes.
async fn turns_of(turns: u64) {
    for turn in 0..turns {
        if turn % 20 == 19 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::task::yield_now().await;
    }
}

fn settings(directory: &std::path::Path, events: &Moody, groups: &Moody) -> String {
    format!(
        "
queue: {{directory: '{}'}}
retry: {{initial_interval: 100ms, max_interval: 1s}}
circuit_breaker: {{failures: 4, open_for: 1s}}
destinations:
  - {{name: events, format: cloudevents, url: 'http://{}', timeout: 2s, max_in_flight: 3}}
  - {{name: groups, url: 'http://{}', timeout: 2s, group_wait: 1s, group_interval: 2s, repeat_interval: 10h}}
",
        directory.display(),
        events.server.address,
        groups.server.address
    )
    .trim_start()
    .to_owned()
}

async fn crash_again_and_again(seed: u64) {
    let dice = Dice::new(seed);
    let (events, groups) = (Moody::start(&dice).await, Moody::start(&dice).await);
    let folder = tempfile::tempdir().unwrap();
    let yaml = settings(folder.path(), &events, &groups);
    let clock = ManualClock::new(NOW);
    let mut stage = Stage { accepted: [0; ALERTS] };
    for _ in 0..CRASHES {
        let running = Running::start_at(&yaml, &clock);
        for _ in 0..dice.below(6) {
            stage.tell(&running, &dice).await;
            turns_of(dice.below(60)).await;
            clock.advance_to(clock.now() + Duration::from_millis(dice.below(1500)));
            if dice.below(4) == 0 {
                events.server.cut();
            }
        }
        running.crash().await;
    }
    events.is_good.set(true);
    groups.is_good.set(true);
    let running = Running::start_at(&yaml, &clock);
    // Answered when the journals are read, so that what waits is counted from here on.
    running.tell(&[]).await;
    let settled = async {
        while running.metric("queue_items", &[]) > 0 || !is_level(&groups, &stage) {
            clock.advance_to(clock.now() + Duration::from_millis(200));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(120), settled).await;
    assert!(in_time.is_ok(), "seed {seed}: {} wait", running.metric("queue_items", &[]));
    check_events(seed, &events, &stage);
    running.stop().await;
}

/// Each transition was taken, in order, and whenever it was told it had one id.
fn check_events(seed: u64, events: &Moody, stage: &Stage) {
    let mut told: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut ids: BTreeMap<(String, u64), String> = BTreeMap::new();
    for seen in &*events.server.seen.borrow() {
        let body: Value = serde_json::from_slice(&seen.body).unwrap();
        let fingerprint = body["subject"].as_str().unwrap().to_owned();
        let sequence = body["data"]["sequence"].as_u64().unwrap();
        let id = body["id"].as_str().unwrap().to_owned();
        let known = ids.entry((fingerprint.clone(), sequence)).or_insert_with(|| id.clone());
        assert_eq!(*known, id, "seed {seed}: a duplicate has another id");
        told.entry(fingerprint).or_default().push(sequence);
    }
    for (alert, accepted) in stage.accepted.iter().enumerate() {
        let fingerprint = Stage::transition(alert, 1).fingerprint();
        let told = told.get(&fingerprint).cloned().unwrap_or_default();
        assert!(told.is_sorted(), "seed {seed}: alert {alert} was told out of order: {told:?}");
        let taken = events.taken.borrow();
        for sequence in 1..=*accepted {
            let is_taken = |body: &Value| {
                body["subject"] == fingerprint.as_str() && body["data"]["sequence"] == sequence
            };
            assert!(
                taken.iter().any(is_taken),
                "seed {seed}: transition {sequence} of alert {alert} is lost"
            );
        }
    }
}

/// Whether the last word on each alert is right. A transition that was cut off may have been accepted all the same.
fn is_level(groups: &Moody, stage: &Stage) -> bool {
    let mut last: BTreeMap<String, String> = BTreeMap::new();
    for body in &*groups.taken.borrow() {
        for alert in body["alerts"].as_array().unwrap() {
            let text = |key: &str| alert[key].as_str().unwrap().to_owned();
            last.insert(text("fingerprint"), text("status"));
        }
    }
    stage.accepted.iter().enumerate().all(|(alert, accepted)| {
        let status = |sequence: u64| if sequence % 2 == 1 { "firing" } else { "resolved" };
        let told = last.get(&Stage::transition(alert, 1).fingerprint());
        *accepted == 0 || told.is_some_and(|told| told == status(*accepted) || told == status(*accepted + 1))
    })
}

#[test]
fn a_hundred_crashes_lose_nothing_and_keep_the_order_of_each_alert() {
    for seed in [1, 2, 3, 4] {
        on_a_shard(crash_again_and_again(seed));
    }
}
