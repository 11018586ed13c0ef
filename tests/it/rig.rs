//! The whole engine in the test's own process, under a clock that the test moves.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use component::{Clock, Registry, ServiceState, Telemetry, testing::ManualClock};
use config::{ConfigUri, MapEnvironment};
use model::{Signal, Timestamp};

/// Nothing in a test may take longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// A service and its clock.
pub(crate) struct Rig {
    pub(crate) clock: ManualClock,
    pub(crate) telemetry: Telemetry,
    running: engine::Running,
}

pub(crate) fn registry() -> Registry {
    Registry {
        receivers: receivers::table(),
        processors: processors::processors(),
        connectors: processors::connectors(),
        exporters: exporters::table(),
        extensions: extensions::table(),
    }
}

/// Makes the plan of a configuration that must be free of problems.
pub(crate) fn plan(yaml: String) -> Result<engine::Plan> {
    let loaded = engine::load(&[ConfigUri::Yaml(yaml)], &MapEnvironment::default(), &registry());
    loaded.plan.with_context(|| config::render(&loaded.problems.sorted()))
}

/// On a busy machine what is queued at the end takes its time. A test of the end itself says less.
const PATIENT_END: &str = "service: {trueline: {shutdown_timeout: 120s}}";

impl Rig {
    /// Starts a configuration that must be free of problems.
    pub(crate) fn start(yaml: &str, clock: &ManualClock) -> Result<Self> {
        Self::start_with(yaml, clock, &registry())
    }

    /// Starts a configuration of other components than the program's own.
    pub(crate) fn start_with(yaml: &str, clock: &ManualClock, registry: &Registry) -> Result<Self> {
        let uris = [PATIENT_END, yaml].map(|yaml| ConfigUri::Yaml(yaml.to_owned()));
        let loaded = engine::load(&uris, &MapEnvironment::default(), registry);
        let Some(plan) = loaded.plan else {
            bail!("the configuration is refused:\n{}", config::render(&loaded.problems.sorted()));
        };
        let telemetry = Telemetry::default();
        let running = engine::start(plan, Arc::new(clock.clone()), telemetry.clone())?;
        Ok(Self { clock: clock.clone(), telemetry, running })
    }

    /// Moves the time and waits until the analysis half has seen everything before it.
    pub(crate) fn advance_to(&self, now: Timestamp) -> Result<()> {
        self.clock.advance_to(now);
        let since = Instant::now();
        while self.running.reached() < now {
            ensure!(since.elapsed() < PATIENCE, "the analysis half did not reach {now:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Puts another configuration in place while the time goes on, second by second.
    pub(crate) fn reload(&self, yaml: &str) -> Result<engine::Reloaded> {
        let uris = [PATIENT_END, yaml].map(|yaml| ConfigUri::Yaml(yaml.to_owned()));
        let loaded = engine::load(&uris, &MapEnvironment::default(), &registry());
        let plan = loaded.plan.with_context(|| config::render(&loaded.problems.sorted()))?;
        let reloads = self.running.reloads();
        let reloading = std::thread::spawn(move || reloads.reload(plan));
        while !reloading.is_finished() {
            self.advance_to(self.clock.now() + Duration::from_secs(1))?;
        }
        Ok(reloading.join().expect("a reload does not panic")?)
    }

    /// Opens a connection to the HTTP address of the receiver `otlp`.
    pub(crate) fn connect(&self) -> Result<Client> {
        let address = self.running.receiver_address("otlp", 0).context("the receiver listens")?;
        Client::connect(address)
    }

    /// Where a service that analyses is told by those that ingest.
    pub(crate) fn hop_address(&self) -> Result<SocketAddr> {
        self.running.hop_address().context("the service analyses")
    }

    /// Adds up a self-metric over all its labels.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        self.telemetry.read().iter().filter(|row| row.name == name).map(|row| row.value).sum()
    }

    /// How the service says it is.
    pub(crate) fn state(&self) -> Arc<dyn ServiceState> {
        self.running.state()
    }

    pub(crate) fn stop(self) {
        self.running.stop();
    }
}

/// One connection that stays open, so that it stays with its shard.
pub(crate) struct Client(TcpStream);

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    /// Sends a request and returns the status of the answer.
    pub(crate) fn send(&mut self, signal: Signal, request: &[u8]) -> Result<u16> {
        self.post(signal, request)?;
        self.answer()
    }

    /// Sends a request with one more header and returns the status of the answer.
    pub(crate) fn send_with(&mut self, header: &str, signal: Signal, request: &[u8]) -> Result<u16> {
        self.post_with(&format!("{header}\r\n"), signal, request)?;
        self.answer()
    }

    /// Sends a request whose answer is awaited later.
    pub(crate) fn post(&mut self, signal: Signal, request: &[u8]) -> Result<()> {
        self.post_with("", signal, request)
    }

    fn post_with(&mut self, headers: &str, signal: Signal, request: &[u8]) -> Result<()> {
        let head = format!(
            "POST /v1/{signal} HTTP/1.1\r\nhost: test\r\ncontent-type: application/x-protobuf\r\n{headers}content-length: {}\r\n\r\n",
            request.len()
        );
        self.0.write_all(head.as_bytes())?;
        self.0.write_all(request)?;
        Ok(())
    }

    /// Sends until the request is taken, as an SDK does, and returns how often it was refused.
    pub(crate) fn insist(&mut self, signal: Signal, request: &[u8]) -> Result<u64> {
        let since = Instant::now();
        let mut refused = 0;
        loop {
            match self.send(signal, request)? {
                200 => return Ok(refused),
                429 | 503 => refused += 1,
                status => bail!("status {status}"),
            }
            ensure!(since.elapsed() < PATIENCE, "refused {refused} times");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for an answer and returns its status.
    pub(crate) fn answer(&mut self) -> Result<u16> {
        let mut bytes = Vec::new();
        let body_at = loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            self.read_more(&mut bytes)?;
        };
        let head = String::from_utf8_lossy(&bytes[..body_at]).to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        let length: usize = length.context("the answer has a length")?.parse()?;
        while bytes.len() < body_at + length {
            self.read_more(&mut bytes)?;
        }
        Ok(head.split(' ').nth(1).context("the answer has a status")?.parse()?)
    }

    fn read_more(&mut self, bytes: &mut Vec<u8>) -> Result<()> {
        let mut chunk = [0; 4096];
        let read = self.0.read(&mut chunk)?;
        ensure!(read > 0, "the connection was closed");
        bytes.extend_from_slice(&chunk[..read]);
        Ok(())
    }
}

/// Reads what `otlp_file` wrote, line by line.
pub(crate) fn lines(path: &Path) -> Result<Vec<serde_json::Value>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

/// The last value of each series of a sum, added up.
pub(crate) fn total(path: &Path, metric: &str) -> Result<u64> {
    let mut last = std::collections::BTreeMap::new();
    for line in lines(path)? {
        for resource in array(&line["resourceMetrics"]) {
            for scope in array(&resource["scopeMetrics"]) {
                for found in array(&scope["metrics"]).iter().filter(|found| found["name"] == metric) {
                    for point in array(&found["sum"]["dataPoints"]) {
                        let key = format!("{}{}", resource["resource"], point["attributes"]);
                        let value: u64 = point["asInt"].as_str().context("an integer")?.parse()?;
                        last.insert(key, value);
                    }
                }
            }
        }
    }
    Ok(last.values().sum())
}

fn array(value: &serde_json::Value) -> &[serde_json::Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A folder that goes with its value.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(tempfile::tempdir()?))
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}
