//! What is going on, and do what I ask? Answers questions to stages over HTTP, with a token.

mod access;
mod answer;
mod config;
mod reply;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use component::{BoxError, Extension, ExtensionCx, ExtensionDef, Listen, Stop};
use futures_util::future::LocalBoxFuture;

pub(crate) use self::config::ApiConfig;
use crate::serve::Front;

/// The extension `api`.
pub(crate) struct Api {
    front: Front,
    answers: answer::Answers,
}

impl ExtensionDef for Api {
    const KIND: &'static str = "api";
    type Config = ApiConfig;

    fn listens(config: &ApiConfig) -> Vec<Listen> {
        vec![Listen {
            name: "http",
            address: config.endpoint.clone(),
            max_connections: config.max_connections,
        }]
    }

    fn build(config: &ApiConfig, cx: ExtensionCx) -> Box<dyn Extension> {
        let refused = cx.telemetry.counter(
            "trueline_api_refused_requests",
            "Requests without a token that allows them.",
            "{request}",
        );
        // Its tokens say who may change something, which no authenticator does.
        let front = Front::new(&cx, &config.tls, None);
        let answers = answer::Answers { access: config.access(), stages: cx.stages, refused };
        Box::new(Api { front, answers })
    }
}

impl Extension for Api {
    fn run(self: Box<Self>, stop: Stop) -> LocalBoxFuture<'static, Result<(), BoxError>> {
        let Self { front, answers } = *self;
        let answers = Rc::new(answers);
        let answer = move |request| {
            let answers = Rc::clone(&answers);
            async move { answers.to(request).await }
        };
        Box::pin(front.serve(stop, answer))
    }
}
