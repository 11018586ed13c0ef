//! `kill -9` at random moments before a destination of many moods: nothing accepted is lost, what is told twice has
//! the same id, and of each alert the order is kept.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use testbed::{eventually, free_port, trueline_binary};

use super::{
    SOON,
    alertmanager::{Transition, tell},
    destination::{Destination, Mood, Seen},
};
use crate::rig::Folder;

const N_KILLS: u64 = 100;
/// Printed when the test fails.
const SEED: u64 = 0x9E37_79B9;
const SERVICES: [&str; 4] = ["shop", "cart", "payment", "search"];
/// What is told at most between two kills, so that everything can be delivered in the end.
const MOST_TOLD: u64 = 8;

/// Numbers that look random, the same for the same seed.
struct Dice(AtomicU64);

impl Dice {
    fn below(&self, most: u64) -> u64 {
        let mut x = self.0.load(Ordering::Acquire);
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.store(x, Ordering::Release);
        x % most
    }
}

/// Takes a third of all it is sent, until it is good.
fn mood(dice: &Dice, is_good: &AtomicBool) -> Mood {
    match if is_good.load(Ordering::Acquire) { 0 } else { dice.below(6) } {
        0 | 1 => Mood::Takes,
        2 => Mood::IsBusy,
        3 => Mood::Fails,
        4 => Mood::Hangs,
        _ => Mood::Drops,
    }
}

/// The binary with as little around it as can be, so that it starts quickly.
struct Subject {
    program: PathBuf,
    folder: Folder,
    http: String,
}

impl Subject {
    fn new(destination: &Destination) -> Result<Self> {
        let (folder, http) = (Folder::new()?, format!("127.0.0.1:{}", free_port()));
        let yaml = format!(
            "
receivers: {{otlp: {{protocols: {{http: {{endpoint: '{http}'}}}}}}}}
exporters:
  alert_webhook:
    queue: {{directory: '{queue}'}}
    retry: {{initial_interval: 20ms, max_interval: 200ms}}
    circuit_breaker: {{failures: 0}}
    destinations: [{{name: events, format: cloudevents, url: '{url}', timeout: 500ms}}]
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{logs: {{receivers: [otlp], exporters: [alert_webhook]}}}}
",
            queue = folder.file("queue").display(),
            url = destination.url(),
        );
        std::fs::write(folder.file("config.yaml"), yaml)?;
        Ok(Self { program: trueline_binary()?, folder, http })
    }

    /// Starts it and returns at once.
    fn start(&self) -> Result<Running> {
        let log = File::create(self.folder.file("log"))?;
        let child = Command::new(&self.program)
            .arg(format!("--config={}", self.folder.file("config.yaml").display()))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Running(child))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.file("log")).unwrap_or_default()
    }
}

/// A process that does not outlive its value.
struct Running(Child);

impl Running {
    /// Ends it as `kill -9` does.
    fn kill(&mut self) -> Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }

    fn has_ended(&mut self) -> Result<bool> {
        Ok(self.0.try_wait()?.is_some())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that it is gone already.
        self.kill().ok();
    }
}

/// By service, how many transitions were accepted: its alert fires, is resolved, fires again.
type Accepted = BTreeMap<&'static str, u64>;

/// Tells of the next transition of a service. What is not answered was not accepted, and is told again as its stage
/// would.
fn tell_next(subject: &Subject, service: &'static str, accepted: &mut Accepted) -> bool {
    let known = accepted.entry(service).or_default();
    let state = if known.is_multiple_of(2) { "firing" } else { "resolved" };
    let is_told = tell(&subject.http, &Transition { state, service, sequence: *known + 1 }).is_ok();
    *known += u64::from(is_told);
    is_told
}

/// Starts the subject, tells of alerts and kills it: at times while it still starts, else soon after it has accepted
/// something.
fn live_and_die(subject: &Subject, dice: &Dice, accepted: &mut Accepted) -> Result<()> {
    let mut running = subject.start()?;
    if dice.below(4) == 0 {
        std::thread::sleep(Duration::from_millis(dice.below(200)));
        return running.kill();
    }
    let mut place = dice.below(SERVICES.len() as u64);
    let mut next = |accepted: &mut Accepted| {
        place += 1;
        tell_next(subject, SERVICES[place as usize % SERVICES.len()], accepted)
    };
    eventually("something is accepted", SOON, || {
        ensure!(!running.has_ended()?, "it ended by itself: {}", subject.log());
        ensure!(next(accepted), "nothing is accepted yet");
        Ok(())
    })?;
    let n_told = dice.below(MOST_TOLD);
    let wait = Duration::from_millis(dice.below(250));
    let killer = std::thread::spawn(move || {
        std::thread::sleep(wait);
        running.kill()
    });
    for _ in 0..n_told {
        if !next(accepted) {
            break;
        }
    }
    killer.join().ok().context("the killer ends")?
}

#[test]
fn kill_9_at_a_hundred_random_moments_loses_nothing_and_keeps_the_order_of_each_alert() -> Result<()> {
    println!("seed {SEED:#x}");
    survive(SEED)
}

fn survive(seed: u64) -> Result<()> {
    let dice = Dice(AtomicU64::new(seed));
    let is_good = Arc::new(AtomicBool::new(false));
    let destination = {
        let (moods, is_good) = (Dice(AtomicU64::new(!seed)), Arc::clone(&is_good));
        Destination::start(move || mood(&moods, &is_good))?
    };
    let subject = Subject::new(&destination)?;
    let (mut accepted, mut n_left_waiting) = (Accepted::new(), 0);
    for kill in 1..=N_KILLS {
        live_and_die(&subject, &dice, &mut accepted).with_context(|| format!("kill {kill}"))?;
        n_left_waiting += u64::from(destination.look(|seen| check(seen, &accepted)).is_err());
    }
    ensure!(n_left_waiting >= N_KILLS / 10, "only {n_left_waiting} kills left something undelivered");
    is_good.store(true, Ordering::Release);
    let _running = subject.start()?;
    eventually("everything accepted is delivered", SOON, || destination.look(|seen| check(seen, &accepted)))?;
    let moods: BTreeSet<Mood> = destination.look(|seen| seen.iter().map(|seen| seen.mood).collect());
    ensure!(moods.len() == 5, "the destination was never but {moods:?}");
    Ok(())
}

/// Whether all is delivered, and everything was in order and under one id.
fn check(seen: &[Seen], accepted: &Accepted) -> Result<()> {
    for (service, accepted) in accepted {
        let of_service: Vec<&Seen> =
            seen.iter().filter(|seen| seen.body["data"]["labels"]["service.name"] == *service).collect();
        let number = |seen: &&Seen| seen.body["data"]["sequence"].as_u64().unwrap_or(0);
        let told: Vec<u64> = of_service.iter().map(&number).collect();
        assert!(told.is_sorted(), "{service} was told out of order: {told:?}");
        let taken = of_service.iter().filter(|seen| seen.mood == Mood::Takes).map(&number);
        let taken: BTreeSet<u64> = taken.collect();
        let ids = of_service.iter().map(|seen| format!("{} {}", number(seen), seen.body["id"]));
        let (ids, numbers): (BTreeSet<String>, BTreeSet<u64>) = (ids.collect(), told.into_iter().collect());
        assert_eq!(ids.len(), numbers.len(), "{service}: a duplicate has another id: {ids:?}");
        let missing: Vec<u64> = (1..=*accepted).filter(|sequence| !taken.contains(sequence)).collect();
        ensure!(missing.is_empty(), "{service}: {missing:?} of {accepted} are not delivered");
    }
    Ok(())
}
