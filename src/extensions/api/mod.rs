//! What is going on, and do what I ask? Answers questions to stages over HTTP, with a token.

mod access;
mod answer;
mod config;
#[cfg(test)]
mod tests;

use std::{rc::Rc, sync::Arc};

use component::{BoxError, Clock, Extension, ExtensionCx, ExtensionDef, Listen, Sockets, Stop, Telemetry};
use futures_util::future::LocalBoxFuture;
use transport::{ServerTls, ServerTlsConfig};

pub(crate) use self::config::ApiConfig;
use crate::serve::{Locks, serve};

/// The extension `api`.
pub(crate) struct Api {
    sockets: Vec<Sockets>,
    tls: Option<ServerTlsConfig>,
    answers: answer::Answers,
    clock: Arc<dyn Clock>,
    telemetry: Telemetry,
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
        Box::new(Api {
            sockets: cx.sockets.into_inner(),
            tls: config.tls.get().cloned(),
            answers,
            clock: cx.clock,
            telemetry: cx.telemetry,
        })
    }
}

impl Extension for Api {
    fn run(self: Box<Self>, stop: Stop) -> LocalBoxFuture<'static, Result<(), BoxError>> {
        Box::pin(async move {
            let Self { mut sockets, tls, answers, clock, telemetry } = *self;
            let Some(sockets) = sockets.pop() else { return Ok(()) };
            let tls = tls.map(|tls| ServerTls::new(&tls, &[b"http/1.1"], clock, &telemetry)).transpose()?;
            let answers = Rc::new(answers);
            let answer = move |request| {
                let answers = Rc::clone(&answers);
                async move { answers.to(request).await }
            };
            serve(sockets, Locks { tls, door: None }, stop, answer).await
        })
    }
}
