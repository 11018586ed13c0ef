//! The answers: the collector's JSON, which scripts search for `"status":"Server available"`.

use std::{fmt::Write, sync::Arc, time::Duration};

use bytes::Bytes;
use component::{Clock, ServiceState};
use http::{Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use model::{Civil, Timestamp};

use super::HealthCheckConfig;

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
        // The problems may quote what is written, which is not for everybody: the log and the API tell them.
        let refused = config.refused.map(|refused| format!(r#","refusedAt":"{}""#, rfc3339(refused.at)));
        format!(
            r#","config":{{"hash":{},"since":"{}"{}}}"#,
            serde_json::Value::String(config.hash),
            rfc3339(config.since),
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
            rfc3339(up_since),
            go_duration(uptime),
            self.config_json()
        )
    }
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status).header(CONTENT_TYPE, content_type);
    response.body(Full::new(Bytes::from(body))).expect("status and header are constants")
}

/// Writes an instant as Go's `time.Time` marshals itself, in UTC.
fn rfc3339(at: Timestamp) -> String {
    let Civil { year, month, day, hour, minute, second, nanosecond } = Civil::of(at);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if nanosecond > 0 {
        let fraction = format!("{nanosecond:09}");
        write!(text, ".{}", fraction.trim_end_matches('0')).expect("a string takes all");
    }
    text.push('Z');
    text
}

/// Writes a duration as Go does: `10h35m9.49s`.
fn go_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let fraction = format!("{:09}", duration.subsec_nanos());
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { String::new() } else { format!(".{fraction}") };
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, second) => format!("{second}{point}s"),
        (0, minute, second) => format!("{minute}m{second}{point}s"),
        (hour, minute, second) => format!("{hour}h{minute}m{second}{point}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_and_durations_are_written_as_go_writes_them() {
        assert_eq!(rfc3339(Timestamp(0)), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(Timestamp(951_782_400_500_000_000)), "2000-02-29T00:00:00.5Z");
        assert_eq!(rfc3339(Timestamp(1_795_219_199_000_000_001)), "2026-11-20T23:59:59.000000001Z");
        assert_eq!(go_duration(Duration::from_millis(38_109_490)), "10h35m9.49s");
        assert_eq!(go_duration(Duration::from_secs(61)), "1m1s");
        assert_eq!(go_duration(Duration::ZERO), "0s");
    }
}
