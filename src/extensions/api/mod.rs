//! What is going on, and do what I ask? Answers questions to stages over HTTP, with a token.

mod access;
mod answer;
mod config;
#[cfg(test)]
mod tests;

use std::{convert::Infallible, rc::Rc, time::Duration};

use component::{BoxError, Extension, ExtensionCx, ExtensionDef, Listen, Sockets, Stop};
use futures_util::future::LocalBoxFuture;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::spawn_local;

pub(crate) use self::config::ApiConfig;

/// The extension `api`.
pub(crate) struct Api {
    sockets: Vec<Sockets>,
    answers: answer::Answers,
}

impl ExtensionDef for Api {
    const KIND: &'static str = "api";
    type Config = ApiConfig;

    fn listens(config: &ApiConfig) -> Vec<Listen> {
        vec![Listen { name: "http", address: config.endpoint.clone() }]
    }

    fn build(config: &ApiConfig, cx: ExtensionCx) -> Box<dyn Extension> {
        let refused = cx.telemetry.counter(
            "trueline_api_refused_requests",
            "Requests without a token that allows them.",
            "{request}",
        );
        let answers = answer::Answers { access: config.access(), stages: cx.stages, refused };
        Box::new(Api { sockets: cx.sockets.into_inner(), answers })
    }
}

/// A client that has not sent its headers by then is closed.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

impl Extension for Api {
    fn run(self: Box<Self>, stop: Stop) -> LocalBoxFuture<'static, Result<(), BoxError>> {
        Box::pin(async move {
            let Self { mut sockets, answers } = *self;
            let answers = Rc::new(answers);
            let Some(mut sockets) = sockets.pop() else { return Ok(()) };
            loop {
                let socket = tokio::select! {
                    socket = sockets.next() => socket,
                    () = stop.cancelled() => return Ok(()),
                };
                let Some(socket) = socket else { return Ok(()) };
                let (stream, _, claim) = socket.into_tokio()?;
                let answers = Rc::clone(&answers);
                spawn_local(async move {
                    let service = service_fn(move |request| {
                        let answers = Rc::clone(&answers);
                        async move { Ok::<_, Infallible>(answers.to(request).await) }
                    });
                    let mut server = http1::Builder::new();
                    server.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
                    // A client that hangs up early is nothing to report.
                    let _hung_up = server.serve_connection(TokioIo::new(stream), service).await;
                    drop(claim);
                });
            }
        })
    }
}
