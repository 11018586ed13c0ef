//! The sink: a gRPC server over the bare `h2` crate that reads every request and answers with an
//! empty response. Its frames are those of a Go server (16 KiB).

use std::cell::Cell;
use std::io::Read;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use wire::raw::{self, Raw};

use crate::clock;
use crate::sender::Door;

const STREAM_WINDOW_BYTES: u32 = 8 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 24 << 20;
/// Of gRPC, before every message.
const PREFIX_BYTES: usize = 5;
/// No message is longer.
const MOST_BYTES: u64 = 1 << 30;

/// What has arrived.
#[derive(Default)]
pub(crate) struct Arrivals {
    /// Of messages and their framing, decompressed.
    pub(crate) bytes: Cell<u64>,
    /// Where they are counted.
    pub(crate) spans: Cell<u64>,
    pub(crate) requests: Cell<u64>,
}

/// Starts a sink on the current `LocalSet`; it goes on until the set is dropped.
///
/// Every answer waits for `delay`, so that requests stay in flight. Requests must be compressed as those of the sender.
pub(crate) async fn start(door: &Door, delay: Duration) -> Result<(SocketAddr, Rc<Arrivals>)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("binding the sink")?;
    let address = listener.local_addr()?;
    let arrivals = Rc::new(Arrivals::default());
    let (counted, door) = (Rc::clone(&arrivals), door.clone());
    tokio::task::spawn_local(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (arrivals, door) = (Rc::clone(&counted), door.clone());
            tokio::task::spawn_local(async move {
                if let Err(error) = greet(socket, door, delay, arrivals).await {
                    eprintln!("the sink lost a connection: {error:#}");
                }
            });
        }
    });
    Ok((address, arrivals))
}

async fn greet(socket: TcpStream, door: Door, delay: Duration, arrivals: Rc<Arrivals>) -> Result<()> {
    socket.set_nodelay(true)?;
    match &door.tls {
        Some(tls) => serve(tls.accept(socket).await?, &door, delay, arrivals).await,
        None => serve(socket, &door, delay, arrivals).await,
    }
}

async fn serve(
    socket: impl AsyncRead + AsyncWrite + Unpin,
    door: &Door,
    delay: Duration,
    arrivals: Rc<Arrivals>,
) -> Result<()> {
    let mut connection = h2::server::Builder::new()
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(1024)
        .handshake::<_, Bytes>(socket)
        .await?;
    while let Some(stream) = connection.accept().await {
        let (request, respond) = stream?;
        let (arrivals, door) = (Rc::clone(&arrivals), door.clone());
        tokio::task::spawn_local(async move {
            if let Err(error) = answer(request, respond, &door, delay, &arrivals).await {
                eprintln!("the sink refused a request: {error:#}");
            }
        });
    }
    Ok(())
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    door: &Door,
    delay: Duration,
    arrivals: &Arrivals,
) -> Result<()> {
    // Requests that are compressed in another way would be another work than the one that is compared.
    let said = request.headers().get("grpc-encoding").map_or(Ok("identity"), HeaderValue::to_str)?;
    if said != door.encoding {
        bail!("a request came with grpc-encoding {said:?}, the path is configured for {:?}", door.encoding);
    }
    let is_compressed = door.encoding != "identity";
    let mut body = request.into_body();
    let mut message = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        if is_compressed || door.counts_spans {
            message.extend_from_slice(&chunk);
        } else {
            arrivals.bytes.set(arrivals.bytes.get() + chunk.len() as u64);
        }
        body.flow_control().release_capacity(chunk.len())?;
    }
    if door.counts_spans {
        arrivals.bytes.set(arrivals.bytes.get() + message.len() as u64);
        arrivals.spans.set(arrivals.spans.get() + n_spans(message.get(PREFIX_BYTES..).unwrap_or_default()));
    } else if is_compressed {
        let n_bytes = decompressed_len(&message).context("a request is not compressed as it says")?;
        arrivals.bytes.set(arrivals.bytes.get() + n_bytes);
    }
    arrivals.requests.set(arrivals.requests.get() + 1);
    if !delay.is_zero() {
        clock::sleep(delay).await;
    }
    let response = Response::builder().header("content-type", "application/grpc").body(())?;
    let mut stream = respond.send_response(response, false)?;
    stream.send_data(Bytes::from_static(&[0; 5]), false)?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    stream.send_trailers(trailers)?;
    Ok(())
}

/// Counts the spans of a request that is not compressed.
fn n_spans(request: &[u8]) -> u64 {
    let messages = |message, number| {
        let fields = raw::fields(message).filter(move |(_, field)| field.number == number);
        fields.filter_map(|(_, field)| if let Raw::Bytes(body) = field.value { Some(body) } else { None })
    };
    let scopes = messages(request, 1).flat_map(|resource| messages(resource, 2));
    scopes.map(|scope| messages(scope, 2).count() as u64).sum()
}

/// Returns how long a message with its framing is without compression.
fn decompressed_len(framed: &[u8]) -> Result<u64> {
    let Some((prefix, message)) = framed.split_at_checked(PREFIX_BYTES) else { bail!("it has no framing") };
    let n_bytes = match prefix[0] {
        0 => message.len() as u64,
        _ => std::io::copy(&mut MultiGzDecoder::new(message).take(MOST_BYTES), &mut std::io::sink())?,
    };
    Ok(n_bytes + PREFIX_BYTES as u64)
}
