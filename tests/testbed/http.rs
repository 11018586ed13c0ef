//! Blocking HTTP to what listens on this machine.

use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use ureq::Agent;

/// Loopback answers at once; what takes longer hangs.
const TIMEOUT: Duration = Duration::from_secs(60);

/// An answer larger than this is not one that a test wants to look at.
const MAX_BODY_BYTES: u64 = 64 << 20;

static AGENT: LazyLock<Agent> = LazyLock::new(|| {
    Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        .proxy(None)
        // Parts come and go: a kept connection may lead to one that is gone.
        .max_idle_connections(0)
        .build()
        .into()
});

/// What a server said, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub body: String,
}

impl Answer {
    /// Returns the body, or an error that quotes it when the status is not 2xx.
    pub fn success(self) -> Result<String> {
        if !(200..300).contains(&self.status) {
            bail!("status {}: {}", self.status, self.body.trim());
        }
        Ok(self.body)
    }

    pub fn json(self) -> Result<Value> {
        let body = self.success()?;
        serde_json::from_str(&body).with_context(|| format!("not JSON: {body}"))
    }
}

/// Sends a GET; any status is an answer.
pub fn get(url: &str) -> Result<Answer> {
    get_with(url, &[])
}

/// Sends a GET and reads a successful answer as JSON.
pub fn get_json(url: &str) -> Result<Value> {
    get(url)?.json().with_context(|| format!("GET {url}"))
}

/// Sends a POST with the given content type and further headers; any status is an answer.
pub fn post(url: &str, content_type: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer> {
    let mut request = AGENT.post(url).content_type(content_type);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(request.send(body).with_context(|| format!("POST {url}"))?)
}

pub(crate) fn get_with(url: &str, query: &[(&str, &str)]) -> Result<Answer> {
    let request = AGENT.get(url).query_pairs(query.iter().copied());
    answer(request.call().with_context(|| format!("GET {url}"))?)
}

/// Sends a form, as Prometheus' API takes queries of any length.
pub(crate) fn post_form(url: &str, form: &[(&str, &str)]) -> Result<Answer> {
    answer(AGENT.post(url).send_form(form.iter().copied()).with_context(|| format!("POST {url}"))?)
}

fn answer(mut response: ureq::http::Response<ureq::Body>) -> Result<Answer> {
    let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
    Ok(Answer {
        status: response.status().as_u16(),
        content_type: content_type.unwrap_or_default().to_owned(),
        // A server that is sent protobuf may complain in it.
        body: String::from_utf8_lossy(
            &response.body_mut().with_config().limit(MAX_BODY_BYTES).read_to_vec()?,
        )
        .into_owned(),
    })
}
