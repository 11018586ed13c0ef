//! Senders that never wait: each sends its next request as soon as the last one is answered, however it was answered.

use std::{
    future::poll_fn,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail, ensure};
use bytes::{BufMut, Bytes, BytesMut};
use data_encoding::BASE64_NOPAD;
use h2::client::SendRequest;
use http::Request;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::{LocalSet, spawn_local},
};
use wire::build::{Attributes, Span, SpansWriter};

/// Spans are made anew so often: what an objective counts has a time.
const FRESH: Duration = Duration::from_millis(200);
/// Answers that nobody expected, of which a report tells a few.
const MOST_TOLD: usize = 20;

/// How much is offered at once.
#[derive(Clone, Copy)]
pub(super) struct Offer {
    pub(super) grpc_connections: usize,
    /// Requests under way on each.
    pub(super) streams: usize,
    pub(super) http_connections: usize,
}

impl Offer {
    pub(super) fn requests(self) -> usize {
        self.grpc_connections * self.streams + self.http_connections
    }
}

/// What came of it.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) offered: AtomicU64,
    pub(super) acknowledged: AtomicU64,
    /// Told to come back, and when.
    pub(super) refused: AtomicU64,
    /// Everything else.
    pub(super) wrong: Mutex<Vec<String>>,
}

impl Tally {
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Acquire)
    }

    pub(super) fn wrong(&self) -> Vec<String> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, answer: Result<Answer>, is_over: &AtomicBool) {
        match answer {
            Ok(Answer::Acknowledged) => {
                self.acknowledged.fetch_add(1, Ordering::AcqRel);
            }
            Ok(Answer::ComeBack) => {
                self.refused.fetch_add(1, Ordering::AcqRel);
            }
            Err(_) if is_over.load(Ordering::Acquire) => {}
            Err(wrong) => {
                let mut all = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
                if all.len() < MOST_TOLD {
                    all.push(format!("{wrong:#}"));
                }
            }
        }
    }
}

enum Answer {
    Acknowledged,
    ComeBack,
}

/// A request of spans of now.
struct Load {
    body: Bytes,
    /// As a message of gRPC.
    message: Bytes,
}

pub(super) struct Generator {
    pub(super) tally: Arc<Tally>,
    is_over: Arc<AtomicBool>,
    fails: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<()>>>,
}

impl Generator {
    /// Sends requests of so many spans.
    pub(super) fn start(grpc: SocketAddr, http: SocketAddr, offer: Offer, n_spans: usize) -> Result<Self> {
        let (tally, is_over): (Arc<Tally>, Arc<AtomicBool>) = Default::default();
        let fails = Arc::new(AtomicBool::new(false));
        let load = Arc::new(RwLock::new(Arc::new(load(n_spans, false))));
        let making = {
            let (load, is_over, fails) = (Arc::clone(&load), Arc::clone(&is_over), Arc::clone(&fails));
            std::thread::spawn(move || {
                while !is_over.load(Ordering::Acquire) {
                    let fresh = Arc::new(self::load(n_spans, fails.load(Ordering::Acquire)));
                    *load.write().unwrap_or_else(PoisonError::into_inner) = fresh;
                    std::thread::sleep(FRESH);
                }
                Ok(())
            })
        };
        let sending = {
            let sender = Sender { load, tally: Arc::clone(&tally), is_over: Arc::clone(&is_over) };
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                LocalSet::new().block_on(&runtime, send_all(sender, grpc, http, offer))
            })
        };
        Ok(Self { tally, is_over, fails, threads: vec![making, sending] })
    }

    /// From now on every span that is made is an error.
    pub(super) fn burn(&self) {
        self.fails.store(true, Ordering::Release);
    }

    pub(super) fn stop(self) -> Result<Arc<Tally>> {
        self.is_over.store(true, Ordering::Release);
        for thread in self.threads {
            thread.join().map_err(|_| anyhow::anyhow!("a sender panicked"))??;
        }
        Ok(self.tally)
    }
}

#[derive(Clone)]
struct Sender {
    load: Arc<RwLock<Arc<Load>>>,
    tally: Arc<Tally>,
    is_over: Arc<AtomicBool>,
}

impl Sender {
    fn next(&self) -> Option<Arc<Load>> {
        self.tally.offered.fetch_add(1, Ordering::AcqRel);
        let load = Arc::clone(&self.load.read().unwrap_or_else(PoisonError::into_inner));
        (!self.is_over.load(Ordering::Acquire)).then_some(load)
    }
}

async fn send_all(sender: Sender, grpc: SocketAddr, http: SocketAddr, offer: Offer) -> Result<()> {
    let mut all = Vec::new();
    for _ in 0..offer.grpc_connections {
        let client = connect(grpc).await?;
        for _ in 0..offer.streams {
            let (sender, client) = (sender.clone(), client.clone());
            all.push(spawn_local(async move {
                while let Some(load) = sender.next() {
                    let answer = call(&client, load.message.clone()).await;
                    let has_ended = answer.is_err();
                    sender.tally.note(answer, &sender.is_over);
                    if has_ended {
                        return;
                    }
                }
            }));
        }
    }
    for _ in 0..offer.http_connections {
        let (sender, mut stream) = (sender.clone(), TcpStream::connect(http).await?);
        all.push(spawn_local(async move {
            while let Some(load) = sender.next() {
                let answer = post(&mut stream, &load.body).await;
                let has_ended = answer.is_err();
                sender.tally.note(answer, &sender.is_over);
                if has_ended {
                    return;
                }
            }
        }));
    }
    for task in all {
        task.await?;
    }
    Ok(())
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Bytes>> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let (client, connection) = h2::client::handshake(socket).await?;
    // Its error ends every request, where it is reported.
    spawn_local(async move { connection.await.is_ok() });
    Ok(client)
}

async fn call(client: &SendRequest<Bytes>, mut message: Bytes) -> Result<Answer> {
    let mut client = client.clone().ready().await?;
    let request =
        Request::post("http://127.0.0.1/opentelemetry.proto.collector.trace.v1.TraceService/Export")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())?;
    let (response, mut stream) = client.send_request(request, false)?;
    while !message.is_empty() {
        stream.reserve_capacity(message.len());
        let capacity = match poll_fn(|cx| stream.poll_capacity(cx)).await {
            Some(Ok(capacity)) => capacity,
            // It was answered before it was read to its end: the answer tells.
            Some(Err(_)) | None => break,
        };
        let piece = message.split_to(capacity.min(message.len()));
        if stream.send_data(piece, message.is_empty()).is_err() {
            break;
        }
    }
    let (head, mut body) = response.await?.into_parts();
    while let Some(piece) = body.data().await {
        body.flow_control().release_capacity(piece?.len())?;
    }
    let trailers = body.trailers().await?.unwrap_or_default();
    let field = |name: &str| trailers.get(name).or_else(|| head.headers.get(name));
    let status = field("grpc-status").and_then(|status| status.to_str().ok()).unwrap_or("none");
    match (status, field("grpc-status-details-bin")) {
        ("0", _) => Ok(Answer::Acknowledged),
        ("8" | "14", Some(details)) => {
            let details = BASE64_NOPAD.decode(details.as_bytes())?;
            ensure!(contains(&details, b"google.rpc.RetryInfo"), "status {status} without RetryInfo");
            Ok(Answer::ComeBack)
        }
        (status, details) => bail!("gRPC status {status} with details {details:?}"),
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

async fn post(stream: &mut TcpStream, body: &[u8]) -> Result<Answer> {
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    let mut answer = Vec::new();
    let head_ends = loop {
        if let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        ensure!(stream.read_buf(&mut answer).await? > 0, "closed before an answer");
    };
    let head = String::from_utf8_lossy(&answer[..head_ends]).to_ascii_lowercase();
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let length: usize = field("content-length:").context("a length")?.parse()?;
    while answer.len() < head_ends + length {
        ensure!(stream.read_buf(&mut answer).await? > 0, "closed within an answer");
    }
    let status = head.split(' ').nth(1).unwrap_or_default();
    match (status, field("retry-after:")) {
        ("200", _) => Ok(Answer::Acknowledged),
        ("429" | "503", Some(_)) => Ok(Answer::ComeBack),
        (status, retry_after) => bail!("HTTP status {status} with Retry-After {retry_after:?}"),
    }
}

/// Returns how long a request of so many spans is.
pub(super) fn request_bytes(n_spans: usize) -> usize {
    load(n_spans, false).body.len()
}

/// Makes a request of the service `shop`, all of whose spans fail or none.
fn load(n_spans: usize, fails: bool) -> Load {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let end = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
    let (mut resource, mut attributes, mut writer) =
        (Attributes::new(), Attributes::new(), SpansWriter::new());
    resource.push_str("service.name", "shop");
    attributes.push_str("http.route", "/api/cart/{id}");
    attributes.push_str("user_agent.original", &"a client of the shop ".repeat(15));
    writer.resource(&resource);
    writer.scope("overload", "");
    for place in 0..n_spans as u64 {
        writer.span(&Span {
            trace_id: u128::from(end + place).to_be_bytes(),
            span_id: (end + place).to_be_bytes(),
            trace_state: "",
            parent_id: None,
            name: "GET /cart",
            kind: 2,
            start: end - 1_000_000,
            end,
            attributes: &attributes,
            events: &[],
            links: &[],
            status: if fails { 2 } else { 0 },
            status_message: "",
            flags: 0,
        });
    }
    let body = Bytes::from(writer.take());
    let mut message = BytesMut::with_capacity(body.len() + 5);
    message.put_u8(0);
    message.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
    message.put_slice(&body);
    Load { body, message: message.freeze() }
}
