//! The answers: the collector's JSON, which scripts search for `"status":"Server available"`.

use std::sync::Arc;

use super::HealthCheckConfig;
use crate::times::go_duration;
use bytes::Bytes;
use component::{Clock, ServiceState};
use http::{
    HeaderName, HeaderValue, Request, Response, StatusCode,
    header::{CONTENT_TYPE, LOCATION, X_CONTENT_TYPE_OPTIONS},
};
use http_body_util::Full;

pub(super) struct Answers {
    config: HealthCheckConfig,
    state: Arc<dyn ServiceState>,
    clock: Arc<dyn Clock>,
    /// Those of every answer.
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Answers {
    pub(super) fn new(
        config: &HealthCheckConfig,
        state: Arc<dyn ServiceState>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let headers = config.response_headers.iter().filter_map(|(name, value)| header(name, value.expose()));
        Self { config: config.clone(), state, clock, headers: headers.collect() }
    }

    pub(super) fn to<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let mut response = self.routed(request);
        for (name, value) in &self.headers {
            response.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
        response
    }

    /// Answers as a server of Go does that has one handler at the path: a path that ends with a slash has all below
    /// it, one without the slash is sent there, and so is one that is written in a roundabout way.
    fn routed<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let (path, cleaned) = (request.uri().path(), cleaned(request.uri().path()));
        let (wanted, query) = (&self.config.path, request.uri().query());
        if wanted.strip_suffix('/') == Some(&cleaned) {
            return moved(wanted, query);
        }
        if cleaned != path {
            return moved(&cleaned, query);
        }
        let is_found = cleaned == *wanted || (wanted.ends_with('/') && cleaned.starts_with(wanted));
        if is_found { self.found() } else { not_found() }
    }

    fn found(&self) -> Response<Full<Bytes>> {
        let is_ready = self.state.is_ready();
        let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        match &self.config.response_body {
            Some(bodies) => {
                let body = if is_ready { &bodies.healthy } else { &bodies.unhealthy };
                answer(status, TEXT, body.clone())
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
            return format!(
                r#"{{"status":"Server not available","upSince":"0001-01-01T00:00:00Z","uptime":"","reason":{reason}}}"#
            );
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

const TEXT: &str = "text/plain; charset=utf-8";

/// Reads a header that is set; none for what is no header, which the configuration's check has refused.
pub(super) fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
}

/// Writes a path without empty parts, `.` and `..`; a slash at its end stays.
fn cleaned(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let mut cleaned = format!("/{}", parts.join("/"));
    if path.ends_with('/') && cleaned != "/" {
        cleaned.push('/');
    }
    cleaned
}

fn moved(path: &str, query: Option<&str>) -> Response<Full<Bytes>> {
    let to = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let Ok(location) = HeaderValue::try_from(to) else { return not_found() };
    let page = "<p>Moved Permanently</p>\n".to_owned();
    let mut response = answer(StatusCode::MOVED_PERMANENTLY, "text/html; charset=utf-8", page);
    response.headers_mut().insert(LOCATION, location);
    response
}

fn not_found() -> Response<Full<Bytes>> {
    let mut response = answer(StatusCode::NOT_FOUND, TEXT, "404 page not found\n".to_owned());
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status).header(CONTENT_TYPE, content_type);
    response.body(Full::new(Bytes::from(body))).expect("status and header are constants")
}
