//! The sink: a gRPC server over the bare `h2` crate that reads every request and answers with an
//! empty response. Its frames are those of a Go server (16 KiB).

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::net::{TcpListener, TcpStream};

use crate::clock;

const STREAM_WINDOW_BYTES: u32 = 8 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 24 << 20;

/// What has arrived.
#[derive(Default)]
pub(crate) struct Arrivals {
    pub(crate) bytes: Cell<u64>,
}

/// Starts a sink on the current `LocalSet`; it goes on until the set is dropped.
///
/// Every answer waits for `delay`, so that requests stay in flight.
pub(crate) async fn start(delay: Duration) -> Result<(SocketAddr, Rc<Arrivals>)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("binding the sink")?;
    let address = listener.local_addr()?;
    let arrivals = Rc::new(Arrivals::default());
    let counted = Rc::clone(&arrivals);
    tokio::task::spawn_local(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let arrivals = Rc::clone(&counted);
            tokio::task::spawn_local(async move {
                if let Err(error) = serve(socket, delay, arrivals).await {
                    eprintln!("the sink lost a connection: {error:#}");
                }
            });
        }
    });
    Ok((address, arrivals))
}

async fn serve(socket: TcpStream, delay: Duration, arrivals: Rc<Arrivals>) -> Result<()> {
    socket.set_nodelay(true)?;
    let mut connection = h2::server::Builder::new()
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(1024)
        .handshake::<_, Bytes>(socket)
        .await?;
    while let Some(stream) = connection.accept().await {
        let (request, respond) = stream?;
        let arrivals = Rc::clone(&arrivals);
        tokio::task::spawn_local(async move {
            if let Err(error) = answer(request, respond, delay, &arrivals).await {
                eprintln!("the sink refused a request: {error:#}");
            }
        });
    }
    Ok(())
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    delay: Duration,
    arrivals: &Arrivals,
) -> Result<()> {
    // Compressed requests would be another work than the one that is compared.
    if let Some(encoding) = request.headers().get("grpc-encoding").filter(|encoding| *encoding != "identity")
    {
        bail!("a request came with grpc-encoding {encoding:?}, the paths are configured without compression");
    }
    let mut body = request.into_body();
    while let Some(chunk) = body.data().await {
        let n_bytes = chunk?.len();
        arrivals.bytes.set(arrivals.bytes.get() + n_bytes as u64);
        body.flow_control().release_capacity(n_bytes)?;
    }
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
