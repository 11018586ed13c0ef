//! An endpoint for webhooks that takes everything and prints it.

use std::{
    convert::Infallible,
    io::Write,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context;
use bytes::Bytes;
use clap::Args;
use http::{Method, Request, Response, StatusCode, header::ALLOW};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore};

use super::text::{self, Known};
use crate::exit::{self, fail};

/// Receives alerts as webhooks and prints them, until Ctrl-C
#[derive(Args)]
pub(crate) struct InboxArgs {
    /// Where to listen: HOST:PORT. Whoever reaches it can have text printed here
    #[arg(long, value_name = "ADDRESS", default_value = "localhost:8391")]
    listen: String,
}

/// A larger notification is refused.
const MAX_BODY_BYTES: usize = 4 << 20;
/// More connections wait.
const MAX_CONNECTIONS: usize = 64;
/// A client that has not sent its headers, or its body, by then is closed.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn run(args: &InboxArgs) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let served = runtime.context("could not start").and_then(|runtime| runtime.block_on(serve(&args.listen)));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => fail(exit::RUNTIME, &format!("{problem:#}")),
    }
}

/// Ends with Ctrl-C, or when nobody reads what is printed.
#[expect(clippy::print_stderr, reason = "the person is told where to send")]
async fn serve(address: &str) -> anyhow::Result<()> {
    let taken = || format!("--listen: can not listen on `{address}`; name a HOST:PORT that is free");
    let listener = TcpListener::bind(address).await.with_context(taken)?;
    eprintln!("alerts that are posted to http://{} are printed here", listener.local_addr()?);
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let known = Arc::<Mutex<Known>>::default();
    loop {
        let place = Arc::clone(&room).acquire_owned().await.expect("nobody closes the semaphore");
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted.context("connections can not be accepted any more")?,
            stopped = tokio::signal::ctrl_c() => return stopped.context("waiting for Ctrl-C"),
        };
        let known = Arc::clone(&known);
        tokio::spawn(async move {
            let service = service_fn(|request| async { Ok::<_, Infallible>(take(request, &known).await) });
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
            // A client that hangs up early is nothing to report.
            let _hung_up = server.serve_connection(TokioIo::new(stream), service).await;
            drop(place);
        });
    }
}

/// Prints a notification. Only what was printed is answered with 200, so that the sender does not take it for told.
async fn take(request: Request<Incoming>, known: &Mutex<Known>) -> Response<Full<Bytes>> {
    if request.method() != Method::POST {
        let mut answer = answer(StatusCode::METHOD_NOT_ALLOWED, "post notifications here\n".to_owned());
        answer.headers_mut().insert(ALLOW, http::HeaderValue::from_static("POST"));
        return answer;
    }
    let body = Limited::new(request.into_body(), MAX_BODY_BYTES).collect();
    let body = match tokio::time::timeout(PATIENCE, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(problem)) if problem.is::<LengthLimitError>() => {
            let text = format!("the body is larger than {MAX_BODY_BYTES} bytes\n");
            return answer(StatusCode::PAYLOAD_TOO_LARGE, text);
        }
        Ok(Err(_)) | Err(_) => {
            return answer(StatusCode::BAD_REQUEST, "the body did not come whole\n".to_owned());
        }
    };
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    let mut out = std::io::stdout().lock();
    match out.write_all(text::notification(&body, &mut known).as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => answer(StatusCode::OK, String::new()),
        Err(problem) => {
            answer(StatusCode::SERVICE_UNAVAILABLE, format!("it can not be printed: {problem}\n"))
        }
    }
}

fn answer(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let body = Full::new(Bytes::from(text));
    Response::builder().status(status).body(body).expect("a status is all that there is")
}
