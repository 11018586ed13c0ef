//! What `alert_webhook` sends, read by vendors' own libraries; and the same through `kill -9`.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testbed::{clients, eventually, free_port};

use super::{
    SOON,
    alertmanager::{Transition, tell},
    gateway::{Gateway, Recipe},
};
use crate::rig::Folder;

const PIPELINES: &str = "
logs: {receivers: [otlp], exporters: [alert_webhook]}
traces: {receivers: [otlp], exporters: [nop]}
metrics: {receivers: [otlp], exporters: [nop]}";

#[test]
fn vendors_own_libraries_take_what_is_sent() -> Result<()> {
    let port = free_port();
    let receiver = clients::webhook_receiver(port)?;
    let folder = Folder::new()?;
    let (secret, rotated) = (folder.file("secret"), folder.file("rotated"));
    std::fs::write(&secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
    std::fs::write(&rotated, "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX")?;
    let gateway = Gateway::start(&Recipe {
        components: &format!(
            "exporters:
  alert_webhook:
    queue: {{directory: '{queue}'}}
    destinations:
      - name: standard
        format: standard_webhook
        url: http://127.0.0.1:{port}/standard
        signing: {{secret_file: '{secret}', rotate_secret_file: '{rotated}'}}
      - {{name: cloudevents, format: cloudevents, url: 'http://127.0.0.1:{port}/cloudevents'}}
      - {{name: slack, format: slack, url: 'http://127.0.0.1:{port}/slack', group_wait: 0s, group_interval: 1s}}
  nop:",
            queue = folder.file("queue").display(),
            secret = secret.display(),
            rotated = rotated.display(),
        ),
        pipelines: PIPELINES,
        ..Recipe::default()
    })?;
    for (state, sequence) in [("firing", 1), ("resolved", 2)] {
        tell(&gateway.http, &Transition { state, service: "shop <b> & \"co\"", sequence })?;
        for destination in ["standard", "cloudevents", "slack"] {
            eventually("the library has taken it", SOON, || {
                let sent = gateway
                    .counter("trueline_alert_webhook_sent_messages", &[("destination", destination)])?;
                ensure!(sent == sequence as f64, "{destination} took {sent}; it says: {}", receiver.log());
                Ok(())
            })?;
        }
    }
    Ok(())
}

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

/// A destination that answers 200, 429 and 500, hangs and drops connections, until it is told to be good.
struct Moody {
    address: SocketAddr,
    is_good: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

struct Seen {
    body: Value,
    is_taken: bool,
}

impl Moody {
    fn start(seed: u64) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (is_good, seen): (Arc<AtomicBool>, Arc<Mutex<Vec<Seen>>>) = Default::default();
        let (good, log, dice) =
            (Arc::clone(&is_good), Arc::clone(&seen), Arc::new(Dice(AtomicU64::new(seed))));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (good, log, dice) = (Arc::clone(&good), Arc::clone(&log), Arc::clone(&dice));
                // A connection ends when its peer does, or when the destination drops it.
                std::thread::spawn(move || while answer(&stream, &good, &log, &dice).is_ok() {});
            }
        });
        Ok(Self { address, is_good, seen })
    }
}

/// Answers one request as the mood is.
fn answer(mut stream: &TcpStream, good: &AtomicBool, log: &Mutex<Vec<Seen>>, dice: &Dice) -> Result<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        ensure!(reader.read_line(&mut line)? > 0, "the peer has gone");
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mood = if good.load(Ordering::Acquire) { 0 } else { dice.below(6) };
    let seen = Seen { body: serde_json::from_slice(&body)?, is_taken: mood < 2 };
    log.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    let status = match mood {
        0 | 1 => "200 OK",
        2 => "429 Too Many Requests\r\nretry-after: 1",
        3 => "500 Internal Server Error",
        // Says nothing until the other side gives up.
        4 => return Ok(reader.read_exact(&mut [0])?),
        _ => anyhow::bail!("the connection is dropped"),
    };
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")?;
    Ok(())
}

fn start(queue: &str, address: SocketAddr) -> Result<Gateway> {
    Gateway::start(&Recipe {
        components: &format!(
            "exporters:
  alert_webhook:
    queue: {{directory: '{queue}'}}
    retry: {{initial_interval: 20ms, max_interval: 200ms}}
    circuit_breaker: {{failures: 0}}
    destinations: [{{name: events, format: cloudevents, url: 'http://{address}', timeout: 1s}}]
  nop:"
        ),
        pipelines: PIPELINES,
        ..Recipe::default()
    })
}

const SERVICES: [&str; 3] = ["shop", "cart", "payment"];

/// The state and number of an alert's next transition.
fn next(accepted: u64) -> (&'static str, u64) {
    (if accepted.is_multiple_of(2) { "firing" } else { "resolved" }, accepted + 1)
}

#[test]
fn kill_9_at_random_moments_loses_no_transition_and_keeps_the_order_of_each_alert() -> Result<()> {
    const SEED: u64 = 0x9E37_79B9;
    let dice = Dice(AtomicU64::new(SEED));
    let moody = Moody::start(SEED)?;
    let folder = Folder::new()?;
    let queue = folder.file("queue").display().to_string();
    let mut accepted: BTreeMap<&str, u64> = SERVICES.map(|service| (service, 0)).into();
    for _ in 0..6 {
        let gateway = start(&queue, moody.address)?;
        let (pid, wait) = (gateway.trueline.id().to_string(), Duration::from_millis(20 + dice.below(400)));
        let killer = std::thread::spawn(move || {
            std::thread::sleep(wait);
            Command::new("kill").args(["-9", &pid]).status()
        });
        // What is not answered was not accepted and is told again, as its stage would.
        'running: loop {
            for (service, accepted) in &mut accepted {
                let (state, sequence) = next(*accepted);
                if tell(&gateway.http, &Transition { state, service, sequence }).is_err() {
                    break 'running;
                }
                *accepted += 1;
            }
        }
        ensure!(killer.join().ok().context("the killer ends")??.success());
    }
    moody.is_good.store(true, Ordering::Release);
    let _gateway = start(&queue, moody.address)?;
    eventually("everything accepted is delivered", SOON, || check(&moody, &accepted))
        .with_context(|| format!("seed {SEED}"))
}

fn check(moody: &Moody, accepted: &BTreeMap<&str, u64>) -> Result<()> {
    let seen = moody.seen.lock().unwrap_or_else(PoisonError::into_inner);
    for (service, accepted) in accepted {
        let of_service: Vec<&Seen> =
            seen.iter().filter(|seen| seen.body["data"]["labels"]["service.name"] == *service).collect();
        let number = |seen: &&Seen| seen.body["data"]["sequence"].as_u64().unwrap_or(0);
        let told: Vec<u64> = of_service.iter().map(&number).collect();
        ensure!(told.is_sorted(), "{service} was told out of order: {told:?}");
        let taken: BTreeSet<u64> = of_service.iter().filter(|seen| seen.is_taken).map(&number).collect();
        let missing: Vec<u64> = (1..=*accepted).filter(|sequence| !taken.contains(sequence)).collect();
        ensure!(missing.is_empty(), "{service}: {missing:?} of {accepted} are not delivered");
        let ids: BTreeSet<String> =
            of_service.iter().map(|seen| format!("{} {}", number(seen), seen.body["id"])).collect();
        let numbers: BTreeSet<u64> = told.into_iter().collect();
        ensure!(ids.len() == numbers.len(), "{service}: a duplicate has another id: {ids:?}");
    }
    Ok(())
}
