//! With which token do we come, that somebody else gives us? OAuth 2.0 client credentials for clients.

mod answer;
mod config;
mod request;
mod source;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use component::{Authenticator, BoxError, Clock, Extension, ExtensionCx, ExtensionDef, Stop, Telemetry};
use futures_util::future::LocalBoxFuture;

pub(crate) use self::config::OAuth2ClientConfig;
use self::source::TokenSource;
use crate::rotating::keep_current;

/// The extension `oauth2client`.
pub(crate) struct OAuth2Client {
    source: Option<Arc<TokenSource>>,
    clock: Arc<dyn Clock>,
    telemetry: Telemetry,
}

impl ExtensionDef for OAuth2Client {
    const KIND: &'static str = "oauth2client";
    type Config = OAuth2ClientConfig;

    fn authenticator(config: &OAuth2ClientConfig) -> Option<Authenticator> {
        let client = config.source().map(|source| source as _);
        Some(Authenticator { server: None, client })
    }

    fn build(config: &OAuth2ClientConfig, cx: ExtensionCx) -> Box<dyn Extension> {
        let source = config.source();
        Box::new(OAuth2Client { source, clock: cx.clock, telemetry: cx.telemetry })
    }
}

impl Extension for OAuth2Client {
    fn run(self: Box<Self>, stop: Stop) -> LocalBoxFuture<'static, Result<(), BoxError>> {
        Box::pin(async move {
            let Some(source) = self.source else { return Ok(()) };
            let files = source.files();
            tokio::select! {
                () = source.keep(&self.clock, &self.telemetry) => {}
                () = keep_current(files, &*self.clock, &stop) => {}
            }
            Ok(())
        })
    }
}
