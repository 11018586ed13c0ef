//! Real SDKs as senders: the programs of `tests/clients`, set up once into the cache.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::cache::cache_dir;
use crate::http::get;
use crate::process::{Launch, Process, last_lines};

/// How a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Grpc,
    HttpProtobuf,
    /// Only the JavaScript SDK speaks it.
    HttpJson,
}

/// What a client is to send, and where to.
#[derive(Clone, Debug)]
pub struct Args {
    pub protocol: Protocol,
    /// `127.0.0.1:PORT`, without TLS.
    pub address: String,
    pub service: String,
    /// Two spans are one request to the service; see `tests/clients/README.md` for what they hold.
    pub n_spans: u64,
    /// Spans, or log records, in one export at most.
    pub max_batch: u64,
    /// The SDK's own settings, such as `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE`.
    pub env: Vec<(String, String)>,
}

impl Args {
    /// Fills in batches of 512, the SDKs' default, and no environment.
    pub fn new(protocol: Protocol, address: &str, service: &str, n_spans: u64) -> Self {
        let (address, service) = (address.to_owned(), service.to_owned());
        Self { protocol, address, service, n_spans, max_batch: 512, env: Vec::new() }
    }
}

/// What a client says it sent, all of it acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub n_spans: u64,
    /// Spans with status ERROR, half of them of kind SERVER and half CLIENT.
    pub n_errors: u64,
    pub n_log_records: u64,
    /// Server spans; also the value of the counter `client.orders` over all routes, and the counts
    /// of the histograms `client.order.duration` and `client.order.size`.
    pub n_requests: u64,
    /// Sum of the durations of the server spans.
    pub server_millis: u64,
    /// Sum of the durations of the client spans.
    pub client_millis: u64,
    /// The trace of the first request, in hex.
    pub trace_id: String,
}

/// Sends with the Python SDK.
///
/// *Errors*: it could not be set up, or the SDK reported a failed export; its output is quoted.
pub fn python(args: &Args) -> Result<Sent> {
    let dir = set_up_python("python")?;
    send(Command::new(dir.join("venv/bin/python")).arg(dir.join("main.py")), args)
}

/// Starts a receiver of webhooks that has vendors' own libraries read what comes; see `tests/clients/webhooks`.
///
/// It listens on `127.0.0.1:PORT` and answers 400, with the reason in its log, to what a library refuses.
pub fn webhook_receiver(port: u16) -> Result<Process> {
    let dir = set_up_python("webhooks")?;
    let launch = Launch::new("webhooks", dir.join("venv/bin/python"))?;
    let launch = launch.args([dir.join("main.py").display().to_string(), port.to_string()]);
    launch.start_until(|_| get(&format!("http://127.0.0.1:{port}/")).is_ok_and(|answer| answer.status == 200))
}

/// Starts a receiver of messages for Microsoft Teams that has Microsoft's own library read the cards; see
/// `tests/clients/cards`. It listens and answers as [`webhook_receiver`].
pub fn card_receiver(port: u16) -> Result<Process> {
    let dir = set_up("cards", |source, into| {
        copy(source, into, &["package.json", "package-lock.json", "main.js"])?;
        // The library is for browsers, and a peer of it shows what no card of ours has.
        let args = ["ci", "--omit=peer", "--ignore-scripts", "--no-audit", "--no-fund"];
        run(Command::new("npm").current_dir(into).args(args))
    })?;
    let launch = Launch::new("cards", "node")?;
    let launch = launch.args([dir.join("main.js").display().to_string(), port.to_string()]);
    launch.start_until(|_| get(&format!("http://127.0.0.1:{port}/")).is_ok_and(|answer| answer.status == 200))
}

fn set_up_python(name: &str) -> Result<PathBuf> {
    set_up(name, |source, into| {
        run(Command::new("python3").args(["-m", "venv"]).arg(into.join("venv")))?;
        let pip = into.join("venv/bin/python");
        run(Command::new(pip)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(source.join("requirements.txt")))?;
        copy(source, into, &["main.py"])
    })
}

/// Sends with the JavaScript SDK.
///
/// *Errors*: as [`python`].
pub fn javascript(args: &Args) -> Result<Sent> {
    let dir = set_up("js", |source, into| {
        copy(source, into, &["package.json", "package-lock.json", "main.js"])?;
        run(Command::new("npm").current_dir(into).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))
    })?;
    send(Command::new("node").arg(dir.join("main.js")), args)
}

/// Returns the folder of a page that sends with the web SDK, bundled; see `tests/clients/browser`.
pub(crate) fn web_page() -> Result<PathBuf> {
    set_up("browser", |source, into| {
        copy(source, into, &["package.json", "package-lock.json", "index.html", "page.js"])?;
        for args in [&["ci", "--ignore-scripts", "--no-audit", "--no-fund"][..], &["run", "bundle"]] {
            run(Command::new("npm").current_dir(into).args(args))?;
        }
        Ok(())
    })
}

/// Sends with the Go SDK.
///
/// *Errors*: as [`python`].
pub fn go(args: &Args) -> Result<Sent> {
    let dir = set_up("go", |source, into| {
        run(Command::new("go").arg("build").arg("-C").arg(source).arg("-o").arg(into.join("client")).arg("."))
    })?;
    send(&mut Command::new(dir.join("client")), args)
}

/// Returns the folder of a client, set up for exactly the files that lie in its source folder.
///
/// A lock in the cache lets one process do it while others wait; an attempt that failed leaves nothing.
fn set_up(name: &str, install: impl FnOnce(&Path, &Path) -> Result<()>) -> Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients").join(name).canonicalize()?;
    let cache = cache_dir()?;
    std::fs::create_dir_all(&cache)?;
    let place = cache.join(format!("client-{name}-{:016x}", hash_of(&source)?));
    let lock = File::create(cache.join(format!(".client-{name}.lock")))?;
    lock.lock()?;
    if !place.is_dir() {
        let temp = tempfile::Builder::new().prefix(&format!(".client-{name}-")).tempdir_in(&cache)?;
        install(&source, temp.path()).with_context(|| format!("setting up tests/clients/{name}"))?;
        std::fs::rename(temp.path(), &place)?;
    }
    Ok(place)
}

fn hash_of(dir: &Path) -> Result<u64> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))?;
    let mut files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files.iter().filter(|file| file.is_file()) {
        file.file_name().hash(&mut hasher);
        std::fs::read(file)?.hash(&mut hasher);
    }
    Ok(hasher.finish())
}

fn copy(from: &Path, to: &Path, files: &[&str]) -> Result<()> {
    for file in files {
        std::fs::copy(from.join(file), to.join(file)).with_context(|| format!("copying {file}"))?;
    }
    Ok(())
}

fn send(command: &mut Command, args: &Args) -> Result<Sent> {
    let protocol = match args.protocol {
        Protocol::Grpc => "grpc",
        Protocol::HttpProtobuf => "http/protobuf",
        Protocol::HttpJson => "http/json",
    };
    command
        .args(["--protocol", protocol, "--service", &args.service])
        .args(["--endpoint", &format!("http://{}", args.address)])
        .args(["--spans", &args.n_spans.to_string(), "--batch", &args.max_batch.to_string()])
        .envs(args.env.iter().map(|(name, value)| (name, value)));
    let output = run_for_output(command)?;
    let line = output.lines().last().context("the client printed nothing")?;
    let said: Value = serde_json::from_str(line).with_context(|| format!("the client printed {line}"))?;
    let sent = read_sent(&said).with_context(|| format!("the client printed {line}"))?;
    ensure!(
        sent.n_spans == args.n_spans,
        "asked for {} spans, the client sent {}",
        args.n_spans,
        sent.n_spans
    );
    Ok(sent)
}

fn read_sent(said: &Value) -> Result<Sent> {
    let count = |field: &str| said[field].as_u64().with_context(|| format!("{field} is not a count"));
    Ok(Sent {
        n_spans: count("spans")?,
        n_errors: count("errors")?,
        n_log_records: count("logs")?,
        n_requests: count("requests")?,
        server_millis: count("server_ms")?,
        client_millis: count("client_ms")?,
        trace_id: said["trace_id"].as_str().context("trace_id is not text")?.to_owned(),
    })
}

fn run(command: &mut Command) -> Result<()> {
    run_for_output(command).map(|_| ())
}

fn run_for_output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output();
    let program = command.get_program().to_string_lossy().into_owned();
    let output = output.with_context(|| format!("starting {program}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let text = format!("{stdout}{}", String::from_utf8_lossy(&output.stderr));
        bail!("{program} ended with {}; its output ends:\n{}", output.status, last_lines(&text, 30));
    }
    Ok(stdout)
}
