//! Which web pages may send telemetry: the CORS protocol of the Fetch standard, with the collector's
//! keys.

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request};

use super::{answer::Reply, config::CorsConfig};

/// What pages may always send, as in the collector.
const ALWAYS_ALLOWED: [&str; 4] = ["accept", "content-type", "origin", "x-requested-with"];

/// The rules of one server.
pub(super) struct Cors {
    origins: Vec<Pattern>,
    /// In lower case; `*` allows all.
    headers: Vec<String>,
    exposed: Option<HeaderValue>,
    max_age: Option<HeaderValue>,
}

/// An origin with at most one `*`, in lower case.
enum Pattern {
    Any,
    Exact(String),
    Around { start: String, end: String },
}

impl Cors {
    /// Returns none when no origin is allowed, which is the same as no rules.
    pub(super) fn new(config: &CorsConfig) -> Option<Self> {
        if config.allowed_origins.is_empty() {
            return None;
        }
        let exposed = config.exposed_headers.join(", ");
        let exposed = if exposed.is_empty() { None } else { HeaderValue::try_from(exposed).ok() };
        Some(Self {
            origins: config.allowed_origins.iter().map(|origin| Pattern::new(origin)).collect(),
            headers: config.allowed_headers.iter().map(|name| name.to_ascii_lowercase()).collect(),
            exposed,
            max_age: (config.max_age > 0).then(|| HeaderValue::from(config.max_age)),
        })
    }

    /// Whether a browser asks what it may do.
    pub(super) fn is_preflight(head: &request::Parts) -> bool {
        head.method == Method::OPTIONS && head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// Answers the question; without the headers that allow, it is a refusal.
    pub(super) fn preflight(&self, asked: &HeaderMap) -> Response<Reply> {
        let mut response = Response::new(Reply::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.append(
            header::VARY,
            HeaderValue::from_static("Access-Control-Request-Method, Access-Control-Request-Headers"),
        );
        let wants_post =
            asked.get(header::ACCESS_CONTROL_REQUEST_METHOD).is_some_and(|method| method == "POST");
        let wanted = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
        if self.allow_origin(asked).is_none()
            || !wants_post
            || !wanted.is_none_or(|wanted| self.allows(wanted))
        {
            return response;
        }
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
        if let Some(wanted) = wanted {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
        if let Some(max_age) = &self.max_age {
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, max_age.clone());
        }
        response
    }

    /// Adds to any answer what lets the page read it.
    pub(super) fn decorate(&self, asked: &HeaderMap, answer: &mut HeaderMap) {
        answer.append(header::VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = self.allow_origin(asked) else { return };
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        answer.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        if let Some(exposed) = &self.exposed {
            answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
        }
    }

    fn allow_origin(&self, asked: &HeaderMap) -> Option<HeaderValue> {
        let origin = asked.get(header::ORIGIN)?;
        let text = origin.to_str().ok()?.to_ascii_lowercase();
        match self.origins.iter().find(|pattern| pattern.matches(&text))? {
            Pattern::Any => Some(HeaderValue::from_static("*")),
            _ => Some(origin.clone()),
        }
    }

    fn allows(&self, wanted: &HeaderValue) -> bool {
        let Ok(wanted) = wanted.to_str() else { return false };
        wanted.split(',').map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty()).all(
            |name| {
                ALWAYS_ALLOWED.contains(&name.as_str())
                    || self.headers.iter().any(|known| known == "*" || *known == name)
            },
        )
    }
}

impl Pattern {
    fn new(origin: &str) -> Self {
        let origin = origin.to_ascii_lowercase();
        if origin == "*" {
            return Self::Any;
        }
        match origin.split_once('*') {
            Some((start, end)) => Self::Around { start: start.to_owned(), end: end.to_owned() },
            None => Self::Exact(origin),
        }
    }

    fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => exact == origin,
            Self::Around { start, end } => {
                origin.len() >= start.len() + end.len() && origin.starts_with(start) && origin.ends_with(end)
            }
        }
    }
}
