//! The answers: the collector's JSON, which scripts search for `"status":"Server available"`.

use std::sync::Arc;

use super::HealthCheckConfig;
use crate::times::go_duration;
use bytes::Bytes;
use component::{Clock, ServiceState};
use http::{Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;

pub(super) struct Answers {
    pub(super) config: HealthCheckConfig,
    pub(super) state: Arc<dyn ServiceState>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Answers {
    pub(super) fn to<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if request.uri().path() != self.config.path {
            return answer(StatusCode::NOT_FOUND, "text/plain", "404 page not found\n".to_owned());
        }
        let is_ready = self.state.is_ready();
        let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        match &self.config.response_body {
            Some(bodies) => {
                let body = if is_ready { &bodies.healthy } else { &bodies.unhealthy };
                answer(status, "text/plain", body.clone())
            }
            None => answer(status, "application/json", self.json(is_ready)),
        }
    }

    /// What the collector does not tell: which configuration is in force, and whether a later one was refused.
    fn config_json(&self) -> String {
        let config = self.state.config();
        if config.hash.is_empty() {
            return String::new();
        }
        // The lines that are wrong are not for everybody: the log and the API show them.
        let refused = config.refused.map(|refused| {
            let reason = serde_json::Value::String(refused.reason);
            format!(r#","refusedAt":"{}","refusedBecause":{reason}"#, refused.at.rfc3339())
        });
        format!(
            r#","config":{{"hash":{},"since":"{}"{}}}"#,
            serde_json::Value::String(config.hash),
            config.since.rfc3339(),
            refused.unwrap_or_default()
        )
    }

    fn json(&self, is_ready: bool) -> String {
        if !is_ready {
            let reason = serde_json::Value::String(self.state.reason());
            return format!(r#"{{"status":"Server not available","reason":{reason}}}"#);
        }
        let up_since = self.state.up_since();
        let uptime = self.clock.now().since(up_since);
        let degraded = match self.state.degraded() {
            what if what.is_empty() => String::new(),
            what => format!(r#","degraded":{}"#, serde_json::Value::String(what)),
        };
        format!(
            r#"{{"status":"Server available","upSince":"{}","uptime":"{}"{degraded}{}}}"#,
            up_since.rfc3339(),
            go_duration(uptime),
            self.config_json()
        )
    }
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status).header(CONTENT_TYPE, content_type);
    response.body(Full::new(Bytes::from(body))).expect("status and header are constants")
}
