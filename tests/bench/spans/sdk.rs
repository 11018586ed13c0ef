//! Spans as SDKs send them: requests of one service, of a few scopes, whose traces pass two services.
//!
//! In a service a trace has a server span, the work within it, a query of a database and a call of another service, with
//! the attributes that the instrumentations of Java set. One in fifty fails and says so with a stack trace. Most traces
//! have eight spans in two services; their requests are sent one after the other, as those of real services are.

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::{NOUNS, Value, put_attribute, put_bytes, put_fixed64, put_varint};

const SERVICES: usize = 20;
/// Operations of each service.
const ROUTES: usize = 8;
/// Spans of a trace in one service.
const SPANS_PER_PART: usize = 4;
const STACK: &str = "java.net.SocketTimeoutException: Read timed out\n\tat java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:278)\n\tat java.base/sun.nio.ch.NioSocketImpl.implRead(NioSocketImpl.java:304)\n\tat java.base/java.net.Socket$SocketInputStream.read(Socket.java:966)\n\tat okhttp3.internal.connection.RealCall.execute(RealCall.kt:154)\n\tat shop.orders.Gateway.call(Gateway.java:88)\n\tat shop.orders.Checkout.place(Checkout.java:41)";
const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "okhttp/4.12.0",
    "shop-mobile/7.14.2 (Android 15; Pixel 8)",
];

/// A message with the places of its trace ids in the frame.
pub(super) struct Request {
    pub(super) message: Vec<u8>,
    pub(super) trace_ids: Vec<u32>,
}

/// The part of a trace in one service.
struct Part {
    trace: [u8; 16],
    /// The span of the caller; none in the first service.
    parent: Option<[u8; 8]>,
    route: usize,
    failed: bool,
    start: u64,
    nanos: u64,
}

/// Encodes so many spans in requests of a service each. Of a request's parts the first half begins traces, which go on in
/// the second half of the next request.
pub(super) fn requests(spans_per_request: usize, n_spans: usize, seed: u64, now_nanos: u64) -> Vec<Request> {
    assert!(spans_per_request.is_multiple_of(SPANS_PER_PART), "requests have whole parts of traces");
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let n_parts = spans_per_request / SPANS_PER_PART;
    let mut called: Vec<Part> = Vec::new();
    (0..n_spans.div_ceil(spans_per_request))
        .map(|index| {
            let mut parts = std::mem::take(&mut called);
            while parts.len() < n_parts {
                let part = Part::begin(&mut rng, now_nanos);
                if called.len() < n_parts / 2 {
                    called.push(part.callee(&mut rng));
                }
                parts.push(part);
            }
            request(index % SERVICES, &parts, &mut rng)
        })
        .collect()
}

/// Returns what trace ids are changed by in a round.
pub(super) fn salt(round: usize) -> [u8; 8] {
    // Spread over all bits, as ids are.
    (round as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()
}

impl Part {
    fn begin(rng: &mut Pcg64Mcg, now_nanos: u64) -> Self {
        // Log-uniform between 1 ms and 4 s.
        let nanos = (1e6 * f64::exp2(rng.random_range(0.0..12.0))) as u64;
        Self {
            trace: rng.random(),
            parent: None,
            route: rng.random_range(0..ROUTES),
            failed: rng.random_range(0..50) == 0,
            start: now_nanos - rng.random_range(0..1_000_000_000) - nanos,
            nanos,
        }
    }

    /// What the other service does for this one; the id of its client span is made of the trace's.
    fn callee(&self, rng: &mut Pcg64Mcg) -> Self {
        Self {
            trace: self.trace,
            parent: Some(self.span_id(3)),
            route: rng.random_range(0..ROUTES),
            failed: false,
            start: self.start + self.nanos / 2,
            nanos: self.nanos / 3,
        }
    }

    fn span_id(&self, place: u8) -> [u8; 8] {
        let mut id = [0; 8];
        id.copy_from_slice(&self.trace[..8]);
        id[0] = place + if self.parent.is_some() { 0x81 } else { 1 };
        id
    }
}

fn request(service: usize, parts: &[Part], rng: &mut Pcg64Mcg) -> Request {
    let name = format!("shop-{}-service", NOUNS[service % NOUNS.len()]);
    let mut body = Vec::new();
    put_bytes(&mut body, 1, &resource(service, &name));
    let scopes: [(&str, &[u8]); 3] = [
        ("io.opentelemetry.tomcat-10.0", &[0, 1]),
        ("io.opentelemetry.jdbc", &[2]),
        ("io.opentelemetry.okhttp-3.0", &[3]),
    ];
    for (scope, places) in scopes {
        let mut head = Vec::new();
        put_bytes(&mut head, 1, scope.as_bytes());
        put_bytes(&mut head, 2, b"2.20.1-alpha");
        let mut spans = Vec::new();
        put_bytes(&mut spans, 1, &head);
        for part in parts {
            for &place in places {
                put_bytes(&mut spans, 2, &span(part, place, &name, rng));
            }
        }
        put_bytes(&mut body, 2, &spans);
    }
    let mut message = Vec::with_capacity(body.len() + 8);
    put_bytes(&mut message, 1, &body);
    Request { trace_ids: trace_ids(&message, parts), message }
}

/// Finds the ids of the traces, which are so long that they stand nowhere else.
fn trace_ids(message: &[u8], parts: &[Part]) -> Vec<u32> {
    const FRAMING: usize = 5;
    let is_of_part = |id: &[u8]| parts.iter().any(|part| part.trace == id);
    let windows = message.windows(18).enumerate();
    let found = windows.filter(|(_, bytes)| bytes[..2] == [0x0a, 16] && is_of_part(&bytes[2..]));
    found.map(|(at, _)| (at + 2 + FRAMING) as u32).collect()
}

fn resource(service: usize, name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let pod = format!("{name}-5f7d8c9b6d-{service:02}k7x");
    for (key, value) in [
        ("service.name", name),
        ("service.namespace", "shop"),
        ("service.version", "4.18.2"),
        ("service.instance.id", "6f1c1f0e-3b0b-4a55-9c5e-0d7f6b2a9e41"),
        ("deployment.environment.name", "production"),
        ("host.name", &*pod),
        ("host.arch", "amd64"),
        ("os.type", "linux"),
        ("os.description", "Linux 6.8.0-45-generic"),
        ("process.executable.path", "/opt/java/openjdk/bin/java"),
        ("process.runtime.name", "OpenJDK Runtime Environment"),
        ("process.runtime.version", "21.0.4+7-LTS"),
        ("telemetry.sdk.language", "java"),
        ("telemetry.sdk.name", "opentelemetry"),
        ("telemetry.sdk.version", "1.54.1"),
        ("telemetry.distro.name", "opentelemetry-java-instrumentation"),
        ("k8s.namespace.name", "shop"),
        ("k8s.pod.name", &*pod),
    ] {
        put_attribute(&mut out, 1, key, Value::Text(value));
    }
    put_attribute(&mut out, 1, "process.pid", Value::Int(7));
    out
}

fn span(part: &Part, place: u8, service: &str, rng: &mut Pcg64Mcg) -> Vec<u8> {
    const CLIENT: u64 = 3;
    let noun = NOUNS[part.route];
    let parent = if place == 0 { part.parent } else { Some(part.span_id(0)) };
    let (name, kind) = match place {
        0 => (format!("GET /api/v2/{noun}/{{id}}"), 2),
        1 => (format!("{noun}.Controller.find"), 1),
        2 => (format!("SELECT shop.{noun}"), CLIENT),
        _ => ("GET".to_owned(), CLIENT),
    };
    // Each within the one before it.
    let (start, nanos) =
        (part.start + u64::from(place) * part.nanos / 8, part.nanos - u64::from(place) * part.nanos / 5);
    let mut out = Vec::with_capacity(1024);
    put_bytes(&mut out, 1, &part.trace);
    put_bytes(&mut out, 2, &part.span_id(place));
    if let Some(parent) = parent {
        put_bytes(&mut out, 4, &parent);
    }
    put_bytes(&mut out, 5, name.as_bytes());
    put_varint(&mut out, 6 << 3);
    put_varint(&mut out, kind);
    put_fixed64(&mut out, 7, start);
    put_fixed64(&mut out, 8, start + nanos);
    attributes(&mut out, part, place, service, rng);
    if part.failed && place != 1 {
        exception(&mut out, start + nanos);
        put_bytes(&mut out, 15, &[3 << 3, 2]);
    }
    // W3C flags: sampled, and whether the parent is remote is known.
    put_varint(&mut out, 16 << 3 | 5);
    out.extend_from_slice(&0x101_u32.to_le_bytes());
    out
}

fn attributes(out: &mut Vec<u8>, part: &Part, place: u8, service: &str, rng: &mut Pcg64Mcg) {
    let noun = NOUNS[part.route];
    let id = rng.random_range(100_000..1_000_000);
    let code = if part.failed { 504 } else { 200 };
    let mut text = |key: &str, value: &str| put_attribute(out, 9, key, Value::Text(value));
    text("thread.name", &format!("http-nio-8080-exec-{}", id % 40));
    match place {
        0 => {
            text("http.request.method", "GET");
            text("url.scheme", "https");
            text("url.path", &format!("/api/v2/{noun}/{id}"));
            text("http.route", &format!("/api/v2/{noun}/{{id}}"));
            text("server.address", &format!("{service}.shop.svc"));
            text("client.address", &format!("10.12.{}.{}", id % 251, id % 241));
            text("network.peer.address", &format!("10.9.{}.{}", id % 13, id % 239));
            text("network.protocol.version", "1.1");
            text("user_agent.original", AGENTS[id % AGENTS.len()]);
            put_attribute(out, 9, "server.port", Value::Int(8443));
            put_attribute(out, 9, "network.peer.port", Value::Int(32_768 + (id % 28_000) as i64));
            put_attribute(out, 9, "http.response.status_code", Value::Int(code));
        }
        1 => {
            text("code.function.name", &format!("shop.{noun}.Controller.find"));
        }
        2 => {
            text("db.system.name", "postgresql");
            text("db.namespace", "shop");
            text("db.operation.name", "SELECT");
            text("db.collection.name", noun);
            text(
                "db.query.text",
                &format!("select p.id, p.name, p.price, p.updated_at from {noun} p where p.id = $1"),
            );
            text("server.address", "postgres.shop.svc");
            put_attribute(out, 9, "server.port", Value::Int(5432));
        }
        _ => {
            text("http.request.method", "GET");
            text(
                "url.full",
                &format!("https://shop-{noun}-service.shop.svc:8443/api/v2/{noun}/{id}?expand=price"),
            );
            text("server.address", &format!("shop-{noun}-service.shop.svc"));
            text("network.protocol.version", "1.1");
            put_attribute(out, 9, "server.port", Value::Int(8443));
            put_attribute(out, 9, "http.response.status_code", Value::Int(code));
        }
    }
    put_attribute(out, 9, "thread.id", Value::Int((id % 40) as i64 + 60));
}

/// The event that instrumentations add to a span that fails.
fn exception(out: &mut Vec<u8>, at: u64) {
    let mut event = Vec::with_capacity(STACK.len() + 128);
    put_fixed64(&mut event, 1, at);
    put_bytes(&mut event, 2, b"exception");
    put_attribute(&mut event, 3, "exception.type", Value::Text("java.net.SocketTimeoutException"));
    put_attribute(&mut event, 3, "exception.message", Value::Text("Read timed out"));
    put_attribute(&mut event, 3, "exception.stacktrace", Value::Text(STACK));
    put_bytes(out, 11, &event);
}
