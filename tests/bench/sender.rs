//! The sender: gRPC requests over the bare `h2` crate, as fast as they are acknowledged or at a
//! fixed rate. It shares no code with trueline.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::clock;
use crate::spans::Pool;
use crate::tls::Tls;

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// How long a refused request waits before it is sent again.
const REFUSED_PAUSE: Duration = Duration::from_millis(20);

/// How requests are offered.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    /// Requests in flight on each connection.
    pub(crate) in_flight: usize,
    /// *Units*: spans per second over all connections; `None` is as fast as acknowledged.
    pub(crate) rate: Option<f64>,
    /// The longest DATA frame we write even where the receiver allows more.
    pub(crate) frame_bytes: usize,
    pub(crate) to: Door,
}

/// How the collector is reached.
#[derive(Clone)]
pub(crate) struct Door {
    /// `None` is plaintext.
    pub(crate) tls: Option<Tls>,
    /// What requests say of their compression.
    pub(crate) encoding: &'static str,
    /// Whether the sink counts spans, which takes it a walk over each request. They are not compressed then.
    pub(crate) counts_spans: bool,
}

/// What has happened so far.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) acked_requests: Cell<u64>,
    pub(crate) refused_requests: Cell<u64>,
    pub(crate) acked_bytes: Cell<u64>,
    /// Acknowledgement latencies since the last [`Tally::forget_latencies`].
    pub(crate) latencies: RefCell<Vec<Duration>>,
    /// Why the first connection died.
    pub(crate) failure: RefCell<Option<String>>,
}

impl Tally {
    pub(crate) fn forget_latencies(&self) {
        self.latencies.borrow_mut().clear();
    }

    fn acked(&self, latency: Duration, bytes: usize) {
        self.acked_requests.set(self.acked_requests.get() + 1);
        self.acked_bytes.set(self.acked_bytes.get() + bytes as u64);
        self.latencies.borrow_mut().push(latency);
    }
}

/// The next request of the pool and the time at which it is due, over all slots of a run.
struct Schedule {
    pool: Rc<Pool>,
    begin: Instant,
    /// Time between two requests; zero when saturated.
    interval: Duration,
    next: Cell<usize>,
}

impl Schedule {
    /// Waits until a request is due, and returns it with the instant from which its latency
    /// counts: when all slots were busy at the time at which it was due, the wait is part of it;
    /// the timer's own delay is not.
    async fn next(&self) -> (Bytes, Instant) {
        let index = self.next.get();
        self.next.set(index + 1);
        let frame = self.pool.frame(index);
        if self.interval.is_zero() {
            return (frame, clock::now());
        }
        let due = self.begin + self.interval.mul_f64(index as f64);
        if due <= clock::now() {
            return (frame, due);
        }
        clock::sleep_until(due).await;
        (frame, clock::now())
    }
}

/// Starts the load on the current `LocalSet`, its connections spread over the addresses; it goes on until the set
/// is dropped.
pub(crate) async fn start(
    addresses: &[SocketAddr],
    pool: Rc<Pool>,
    load: Load,
    tally: &Rc<Tally>,
) -> Result<()> {
    let interval = load
        .rate
        .map_or(Duration::ZERO, |rate| Duration::from_secs_f64(pool.spans_per_request as f64 / rate));
    let schedule = Rc::new(Schedule { pool, begin: clock::now(), interval, next: Cell::new(0) });
    for address in addresses.iter().cycle().take(load.connections) {
        let client = connect(*address, &load.to).await?;
        for _ in 0..load.in_flight {
            let (client, schedule, tally) = (client.clone(), Rc::clone(&schedule), Rc::clone(tally));
            let frame_bytes = load.frame_bytes;
            tokio::task::spawn_local(async move {
                if let Err(error) = keep_one_in_flight(client, &schedule, frame_bytes, &tally).await {
                    tally.failure.borrow_mut().get_or_insert(format!("{error:#}"));
                }
            });
        }
    }
    Ok(())
}

/// Sends one request and tells whether it was acknowledged.
pub(crate) async fn probe(address: SocketAddr, door: &Door, frame: Bytes) -> Result<()> {
    match call(&connect(address, door).await?, frame, usize::MAX).await? {
        Answer::Acked => Ok(()),
        Answer::Refused => bail!("the first request was refused"),
    }
}

/// A connection with what its requests say of their compression.
#[derive(Clone)]
struct Client {
    requests: SendRequest<Bytes>,
    encoding: &'static str,
}

async fn connect(address: SocketAddr, door: &Door) -> Result<Client> {
    let socket = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
    socket.set_nodelay(true)?;
    let requests = match &door.tls {
        Some(tls) => open(tls.connect(socket).await?).await?,
        None => open(socket).await?,
    };
    Ok(Client { requests, encoding: door.encoding })
}

async fn open(socket: impl AsyncRead + AsyncWrite + Unpin + 'static) -> Result<SendRequest<Bytes>> {
    let (client, connection) = h2::client::handshake(socket).await.context("opening HTTP/2")?;
    // Its error also ends every request, where it is reported.
    tokio::task::spawn_local(async move { connection.await.is_ok() });
    Ok(client)
}

async fn keep_one_in_flight(
    client: Client,
    schedule: &Schedule,
    frame_bytes: usize,
    tally: &Tally,
) -> Result<()> {
    loop {
        let (frame, begin) = schedule.next().await;
        let n_bytes = frame.len();
        while let Answer::Refused = call(&client, frame.clone(), frame_bytes).await? {
            tally.refused_requests.set(tally.refused_requests.get() + 1);
            clock::sleep(REFUSED_PAUSE).await;
        }
        tally.acked(begin.elapsed(), n_bytes);
    }
}

enum Answer {
    Acked,
    /// UNAVAILABLE or RESOURCE_EXHAUSTED: to be sent again.
    Refused,
}

async fn call(client: &Client, frame: Bytes, frame_bytes: usize) -> Result<Answer> {
    let mut requests = client.requests.clone().ready().await?;
    let request = Request::post(format!("http://127.0.0.1{EXPORT}"))
        .header("content-type", "application/grpc")
        .header("grpc-encoding", client.encoding)
        .header("te", "trailers")
        .header("user-agent", "trueline-bench")
        .body(())?;
    let (response, mut stream) = requests.send_request(request, false)?;
    // A receiver may refuse before it has read everything: its answer decides, not our error.
    let sent = send(&mut stream, frame, frame_bytes).await;
    match response.await {
        Ok(response) => read_status(response).await,
        Err(error) => Err(sent.err().unwrap_or_else(|| error.into())),
    }
}

async fn send(stream: &mut SendStream<Bytes>, mut frame: Bytes, frame_bytes: usize) -> Result<()> {
    while !frame.is_empty() {
        stream.reserve_capacity(frame.len());
        let capacity = match poll_fn(|cx| stream.poll_capacity(cx)).await {
            Some(capacity) => capacity?,
            None => bail!("the stream was closed"),
        };
        let chunk = frame.split_to(capacity.min(frame.len()).min(frame_bytes));
        stream.send_data(chunk, frame.is_empty())?;
    }
    Ok(())
}

async fn read_status(response: Response<RecvStream>) -> Result<Answer> {
    let (head, mut body) = response.into_parts();
    if !head.status.is_success() {
        bail!("answered HTTP {}", head.status);
    }
    while let Some(chunk) = body.data().await {
        let n_bytes = chunk?.len();
        body.flow_control().release_capacity(n_bytes)?;
    }
    let trailers = body.trailers().await?.unwrap_or_default();
    let status = grpc_status(&trailers).or_else(|| grpc_status(&head.headers));
    match status {
        Some("0") => Ok(Answer::Acked),
        Some("8" | "14") => Ok(Answer::Refused),
        status => {
            let message =
                [&trailers, &head.headers].iter().find_map(|headers| headers.get("grpc-message").cloned());
            bail!("answered gRPC status {} {message:?}", status.unwrap_or("none"))
        }
    }
}

fn grpc_status(headers: &HeaderMap) -> Option<&str> {
    headers.get("grpc-status")?.to_str().ok()
}
