//! The pages: JSON, or HTML where a browser asks.

use std::sync::Arc;

use bytes::Bytes;
use component::{Clock, ServiceState};
use http::{
    Method, Request, Response, StatusCode,
    header::{ACCEPT, ALLOW, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::times::go_duration;

/// Every page, and what it tells.
const PAGES: [(&str, &str); 4] = [
    ("/debug/servicez", "the service: version, since when it runs, whether its pipelines move"),
    ("/debug/pipelinez", "pipelines: from where data comes, what stages it passes, where it goes"),
    ("/debug/extensionz", "extensions that are started"),
    ("/debug/featurez", "feature gates: there are none"),
];

pub(super) struct Pages {
    pub(super) state: Arc<dyn ServiceState>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Pages {
    pub(super) fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut refusal =
                answer(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "ask with GET\n".to_owned());
            refusal.headers_mut().insert(ALLOW, http::HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        let path = request.uri().path().trim_end_matches('/');
        let told = match path {
            "" | "/debug" => json!({"pages": PAGES.map(|(path, _)| path)}),
            "/debug/servicez" => self.service(),
            "/debug/pipelinez" => self.pipelines(),
            "/debug/extensionz" => json!({"extensions": self.state.parts().extensions}),
            "/debug/featurez" => json!({"features": []}),
            _ => {
                let known = PAGES.map(|(path, _)| path).join(", ");
                let text = format!("there is no such page; there are {known}\n");
                return answer(StatusCode::NOT_FOUND, "text/plain", text);
            }
        };
        let accepts = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match accepts.contains("text/html") {
            true => answer(StatusCode::OK, "text/html; charset=utf-8", html(path, &told)),
            false => answer(StatusCode::OK, "application/json", format!("{told}\n")),
        }
    }

    fn service(&self) -> Value {
        let (up_since, config) = (self.state.up_since(), self.state.config());
        let is_ready = self.state.is_ready();
        let mut told = json!({
            "command": "trueline",
            "version": env!("CARGO_PKG_VERSION"),
            "ready": is_ready,
            "config": {"hash": config.hash, "since": config.since.rfc3339()},
        });
        if is_ready {
            told["up_since"] = up_since.rfc3339().into();
            told["uptime"] = go_duration(self.clock.now().since(up_since)).into();
        } else {
            told["reason"] = self.state.reason().into();
        }
        let degraded = self.state.degraded();
        if !degraded.is_empty() {
            told["degraded"] = degraded.into();
        }
        if let Some(refused) = config.refused {
            // The lines that are wrong are not for everybody: the log and the API show them.
            told["config"]["refused_at"] = refused.at.rfc3339().into();
            told["config"]["refused_because"] = refused.reason.into();
        }
        told
    }

    fn pipelines(&self) -> Value {
        let pipelines = self.state.parts().pipelines.into_iter().map(|line| {
            json!({
                "id": line.id,
                "signals": line.signals,
                "receivers": line.receivers,
                "processors": line.processors,
                "exporters": line.exporters,
            })
        });
        json!({"pipelines": pipelines.collect::<Vec<_>>()})
    }
}

/// A page for people: every value in a table, and the way to the other pages.
fn html(path: &str, told: &Value) -> String {
    let mut body = String::new();
    write(&mut body, told);
    let links = PAGES.map(|(path, what)| format!("<li><a href=\"{path}\">{path}</a>: {what}</li>"));
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>trueline {title}</title></head>\
         <body><h1>trueline</h1>{body}<h2>Pages</h2><ul>{links}</ul></body></html>\n",
        title = escaped(path),
        links = links.concat()
    )
}

fn write(out: &mut String, value: &Value) {
    match value {
        Value::Object(entries) => {
            out.push_str("<table>");
            for (key, value) in entries {
                out.push_str(&format!("<tr><th scope=\"row\">{}</th><td>", escaped(key)));
                write(out, value);
                out.push_str("</td></tr>");
            }
            out.push_str("</table>");
        }
        Value::Array(items) if items.is_empty() => out.push('–'),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let items = items.iter().filter_map(Value::as_str).map(escaped);
            out.push_str(&items.collect::<Vec<_>>().join(", "));
        }
        Value::Array(items) => items.iter().for_each(|item| write(out, item)),
        Value::String(text) => out.push_str(&escaped(text)),
        other => out.push_str(&escaped(&other.to_string())),
    }
}

/// Names are the operator's, and reasons may quote what telemetry says.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status).header(CONTENT_TYPE, content_type);
    let response = response.header(CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    response.body(Full::new(Bytes::from(body))).expect("status and headers are constants")
}
