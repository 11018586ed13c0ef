//! From a request to a question, and from an answer to a response.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use component::{Answer, AskError, Asks, Counter, Lines, Question};
use http::{
    Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS},
};
use http_body::Body;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};

use super::{
    access::{Access, Denied, TapRight},
    reply::Reply,
};

pub(super) struct Answers {
    pub(super) access: Access,
    pub(super) stages: Arc<dyn Asks>,
    pub(super) refused: Counter,
}

const ROOT: &str = "/api/v1";
/// Larger bodies are refused.
const MAX_BODY: usize = 1 << 20;
/// A body that has not come by then is refused.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// A stage that has not answered by then is busy.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// More parts of a path or parameters than any question has.
const MAX_PARTS: usize = 32;

impl Answers {
    pub(super) async fn to<B>(&self, request: Request<B>) -> Response<Reply>
    where
        B: Body,
        B::Error: Into<component::BoxError>,
    {
        let author = match self.access.check(request.method(), request.headers()) {
            Ok(author) => author.to_owned(),
            Err(denied) => {
                self.refused.add(1);
                return deny(denied);
            }
        };
        let (head, body) = request.into_parts();
        let Some(path) = path_of(head.uri.path()) else {
            return problem(404, &format!("{} is not under {ROOT}/", head.uri.path()));
        };
        if !matches!(head.method.as_str(), "GET" | "HEAD" | "POST" | "PUT" | "DELETE") {
            let mut response = problem(405, &format!("{} is not understood", head.method));
            response.headers_mut().insert(ALLOW, http::HeaderValue::from_static("GET, POST, PUT, DELETE"));
            return response;
        }
        if path.is_empty() {
            return respond(Answer::ok(serde_json::json!({ "topics": self.stages.topics() }).to_string()));
        }
        let parameters = form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
        let parameters: BTreeMap<String, String> = parameters.into_owned().take(MAX_PARTS).collect();
        if let Some(wanted) = shows_telemetry(&path, &parameters)
            && let Err(denied) = self.access.check_tap(&head.headers, wanted)
        {
            self.refused.add(1);
            return deny(denied);
        }
        let body = match read(body).await {
            Ok(body) => body,
            Err(refused) => return refused,
        };
        let question = Question { method: head.method.as_str().to_owned(), path, parameters, body, author };
        match self.stages.follow(&question) {
            Some(Ok(lines)) => return follow(lines),
            Some(Err(refused)) => return respond(refused),
            None => {}
        }
        match tokio::time::timeout(ANSWER_TIMEOUT, self.stages.ask(question)).await {
            Ok(Ok(answer)) => respond(answer),
            Ok(Err(nobody)) => nobody_answered(&nobody),
            Err(_elapsed) => nobody_answered(&AskError::Busy),
        }
    }
}

/// Returns the parts of a path under the root, decoded; none when it is not there.
fn path_of(path: &str) -> Option<Vec<String>> {
    let rest = path.strip_prefix(ROOT)?;
    if !rest.is_empty() && !rest.starts_with('/') {
        return None;
    }
    let parts = rest.split('/').filter(|part| !part.is_empty()).take(MAX_PARTS);
    // A plus is itself in a path.
    let decode = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8().ok().map(String::from);
    parts.map(decode).collect()
}

async fn read<B>(body: B) -> Result<Bytes, Response<Reply>>
where
    B: Body,
    B::Error: Into<component::BoxError>,
{
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(problem(413, &format!("the body is larger than {MAX_BODY} bytes")))
        }
        Ok(Err(error)) => Err(problem(400, &format!("the body can not be read: {error}"))),
        Err(_elapsed) => Err(problem(408, &format!("the body did not come within {BODY_TIMEOUT:?}"))),
    }
}

fn nobody_answered(problem_is: &AskError) -> Response<Reply> {
    let status = match problem_is {
        AskError::UnknownTopic(_) => 404,
        AskError::SeveralComponents { .. } | AskError::UnknownComponent { .. } => 400,
        AskError::NotHere | AskError::Busy | AskError::Ends => 503,
    };
    let mut response = problem(status, &problem_is.to_string());
    if *problem_is == AskError::Busy {
        response.headers_mut().insert(RETRY_AFTER, http::HeaderValue::from_static("1"));
    }
    response
}

fn deny(denied: Denied) -> Response<Reply> {
    let mut response = problem(denied.status(), &denied.to_string());
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer"));
    }
    response
}

fn problem(status: u16, what: &str) -> Response<Reply> {
    respond(Answer::refused(status, what))
}

fn respond(answer: Answer) -> Response<Reply> {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/json")
        .header(CACHE_CONTROL, "no-store")
        .header(X_CONTENT_TYPE_OPTIONS, "nosniff")
        .body(Full::new(answer.body).into())
        .expect("status and headers are valid")
}

/// JSON, a line for each thing that happens.
fn follow(lines: Lines) -> Response<Reply> {
    Response::builder()
        .header(CONTENT_TYPE, "application/x-ndjson")
        .header(CACHE_CONTROL, "no-store")
        .header(X_CONTENT_TYPE_OPTIONS, "nosniff")
        .body(Reply::Lines(lines))
        .expect("headers are valid")
}

/// Whether a question is answered with telemetry that passes, and how much of it is to be seen.
fn shows_telemetry(path: &[String], parameters: &BTreeMap<String, String>) -> Option<TapRight> {
    let topic = path.first()?;
    // Which edges there are tells nothing of what passes.
    if topic != "tap" || path.get(1).is_some_and(|part| part == "edges") {
        return None;
    }
    // Whatever it says: nobody unmasks by another spelling.
    Some(if parameters.contains_key("secrets") { TapRight::Full } else { TapRight::Masked })
}
