//! The spans that are sent: HTTP server spans of 536 bytes with ten attributes, encoded once.
//!
//! A pool of different requests is walked round and round, so that the bytes are out of the
//! caches when they come again. Nothing here is shared with trueline's own encoders.

mod sdk;

use std::io::Write;

use anyhow::{Context, Result};
use bytes::{Bytes, BytesMut};
use flate2::{Compression, write::GzEncoder};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// Bytes of one span within its `ScopeSpans`, tag and length included.
pub(crate) const SPAN_BYTES: usize = 536;
/// Spans in a pool, however they are cut into requests: 35 MB, beyond every second-level cache.
const POOL_SPANS: usize = 65_536;
/// Spans of one resource that stand together; a request of 512 comes from five services.
const SPANS_PER_RESOURCE: usize = 103;
const ROUTES: usize = 25;
/// Method, status code and span status of what each route answers.
const ANSWERS: [(&str, i64, u64); 5] =
    [("GET", 200, 0), ("GET", 404, 0), ("POST", 201, 0), ("PUT", 204, 0), ("POST", 503, 2)];
const SERIES_PER_SERVICE: usize = ROUTES * ANSWERS.len();
pub(crate) const NOUNS: [&str; ROUTES] = [
    "orders",
    "carts",
    "products",
    "payments",
    "refunds",
    "shipments",
    "quotes",
    "users",
    "sessions",
    "reviews",
    "wishlists",
    "coupons",
    "invoices",
    "addresses",
    "returns",
    "stores",
    "suppliers",
    "campaigns",
    "bundles",
    "prices",
    "taxes",
    "reports",
    "alerts",
    "devices",
    "tokens",
];

/// What a pool consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    pub(crate) spans_per_request: usize,
    /// Distinct combinations of service, span name, kind, status and the three dimensions.
    pub(crate) series: usize,
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Traffic {
    /// HTTP server spans, each of a trace of its own.
    Servers(Shape),
    /// What the SDKs of services make of requests that pass two of them, see `sdk`.
    Sdks { spans_per_request: usize },
}

/// Encoded requests, each with the five bytes of gRPC framing before it.
pub(crate) struct Pool {
    pub(crate) frames: Vec<Bytes>,
    pub(crate) spans_per_request: usize,
    /// By frame where trace ids begin; empty where they need not differ from round to round.
    trace_ids: Vec<Vec<u32>>,
}

impl Pool {
    /// Encodes a pool; the same seed and time give the same bytes.
    pub(crate) fn new(shape: Shape, seed: u64, now_nanos: u64) -> Self {
        let mut draw = Draw::new(shape.series, seed, now_nanos);
        let n_requests = POOL_SPANS.div_ceil(shape.spans_per_request);
        let frames =
            (0..n_requests).map(|_| frame(0, &request(shape.spans_per_request, &mut draw))).collect();
        Self { frames, spans_per_request: shape.spans_per_request, trace_ids: Vec::new() }
    }

    pub(crate) fn of(traffic: Traffic, seed: u64, now_nanos: u64) -> Self {
        match traffic {
            Traffic::Servers(shape) => Self::new(shape, seed, now_nanos),
            Traffic::Sdks { spans_per_request } => {
                let requests = sdk::requests(spans_per_request, POOL_SPANS, seed, now_nanos);
                let trace_ids = requests.iter().map(|request| request.trace_ids.clone()).collect();
                let frames = requests.iter().map(|request| frame(0, &request.message)).collect();
                Self { frames, spans_per_request, trace_ids }
            }
        }
    }

    /// Compresses every message with gzip, as most SDKs are set up to.
    pub(crate) fn gzipped(self) -> Result<Self> {
        let gzipped = |message: &[u8]| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(message)?;
            Ok(frame(1, &encoder.finish()?))
        };
        let frames = self.messages().map(gzipped).collect::<Result<_>>().context("compressing the pool")?;
        Ok(Self { frames, spans_per_request: self.spans_per_request, trace_ids: Vec::new() })
    }

    /// Returns a frame by its place in an endless row of rounds, with trace ids that differ from those of other rounds.
    ///
    /// *Cost*: a copy, where ids are known.
    pub(crate) fn frame(&self, index: usize) -> Bytes {
        let (round, place) = (index / self.frames.len(), index % self.frames.len());
        let frame = &self.frames[place];
        let Some(ids) = self.trace_ids.get(place).filter(|_| round > 0) else { return frame.clone() };
        let mut fresh = BytesMut::from(&frame[..]);
        // The bytes at the end of the id are those that sampling by thresholds looks at.
        for &at in ids {
            let at = at as usize;
            for (byte, salt) in fresh[at + 8..at + 16].iter_mut().zip(sdk::salt(round)) {
                *byte ^= salt;
            }
        }
        fresh.freeze()
    }

    /// Returns the messages without their framing.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &[u8]> {
        self.frames.iter().filter_map(|frame| frame.get(5..))
    }
}

/// Puts the gRPC prefix before a message: whether it is compressed, and its length.
fn frame(is_compressed: u8, message: &[u8]) -> Bytes {
    let mut framed = Vec::with_capacity(message.len() + 5);
    framed.push(is_compressed);
    framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
    framed.extend_from_slice(message);
    framed.into()
}

/// Whatever differs from span to span.
struct Draw {
    rng: Pcg64Mcg,
    now_nanos: u64,
    services: Deck,
    /// For each service, its routes with their answers.
    series: Vec<Deck>,
}

impl Draw {
    fn new(series: usize, seed: u64, now_nanos: u64) -> Self {
        let n_services = (series / SERIES_PER_SERVICE).max(1);
        Self {
            rng: Pcg64Mcg::seed_from_u64(seed),
            now_nanos,
            services: Deck::new(n_services),
            series: (0..n_services).map(|_| Deck::new(SERIES_PER_SERVICE)).collect(),
        }
    }
}

/// Numbers in random order, each once before any comes again: every series is in the pool.
struct Deck {
    cards: Vec<usize>,
    n_left: usize,
}

impl Deck {
    fn new(n_cards: usize) -> Self {
        Self { cards: (0..n_cards).collect(), n_left: 0 }
    }

    fn next(&mut self, rng: &mut Pcg64Mcg) -> usize {
        if self.n_left == 0 {
            self.cards.shuffle(rng);
            self.n_left = self.cards.len();
        }
        self.n_left -= 1;
        self.cards[self.n_left]
    }
}

/// Encodes one `ExportTraceServiceRequest`.
fn request(n_spans: usize, draw: &mut Draw) -> Vec<u8> {
    let mut out = Vec::with_capacity(n_spans * (SPAN_BYTES + 8));
    let mut left = n_spans;
    while left > 0 {
        let group_spans = left.min(SPANS_PER_RESOURCE);
        put_bytes(&mut out, 1, &resource_spans(group_spans, draw));
        left -= group_spans;
    }
    out
}

fn resource_spans(n_spans: usize, draw: &mut Draw) -> Vec<u8> {
    let service = draw.services.next(&mut draw.rng);
    let mut resource = Vec::new();
    for (key, value) in [
        ("service.name", format!("shop-service-{service:03}")),
        ("service.namespace", "shop".to_owned()),
        ("service.version", "4.18.2".to_owned()),
        ("deployment.environment.name", "production".to_owned()),
        ("k8s.pod.name", format!("shop-service-{service:03}-7d9c5b6f4-x2k9q")),
        ("telemetry.sdk.language", "java".to_owned()),
    ] {
        put_attribute(&mut resource, 1, key, Value::Text(&value));
    }
    let mut scope = Vec::new();
    put_bytes(&mut scope, 1, b"io.opentelemetry.tomcat-10.0");
    put_bytes(&mut scope, 2, b"2.20.1-alpha");

    let mut scope_spans = Vec::with_capacity(n_spans * SPAN_BYTES + 64);
    put_bytes(&mut scope_spans, 1, &scope);
    for _ in 0..n_spans {
        put_bytes(&mut scope_spans, 2, &span(service, draw));
    }
    let mut out = Vec::with_capacity(scope_spans.len() + resource.len() + 16);
    put_bytes(&mut out, 1, &resource);
    put_bytes(&mut out, 2, &scope_spans);
    out
}

/// Encodes a span whose last attribute fills it up to the wanted size.
fn span(service: usize, draw: &mut Draw) -> Vec<u8> {
    const TAG_AND_LENGTH: usize = 3;
    let body_bytes = SPAN_BYTES - TAG_AND_LENGTH;
    let head = span_head(service, draw);
    // The filler's own framing is 17 to 20 bytes, by its length: the second guess is exact.
    let mut filler_bytes = body_bytes.saturating_sub(head.len() + 20);
    loop {
        let filler: String =
            (0..filler_bytes).map(|_| char::from(draw.rng.random_range(b'a'..=b'z'))).collect();
        let mut span = head.clone();
        put_attribute(&mut span, 9, "url.query", Value::Text(&filler));
        if span.len() >= body_bytes {
            return span;
        }
        filler_bytes += body_bytes - span.len();
    }
}

fn span_head(service: usize, draw: &mut Draw) -> Vec<u8> {
    let Draw { rng, now_nanos, series, .. } = draw;
    let series_idx = series[service].next(rng);
    let route_idx = series_idx / ANSWERS.len();
    let (method, code, status) = ANSWERS[series_idx % ANSWERS.len()];
    let route = format!("/api/v2/{}/{{id}}", NOUNS[route_idx]);
    let path = format!("/api/v2/{}/{}", NOUNS[route_idx], rng.random_range(100_000..1_000_000));
    let address = format!("10.12.{}.{}", rng.random_range(0..256), rng.random_range(1..255));
    let server = format!("shop-service-{service:03}.shop.svc");
    // Log-uniform between 0.5 ms and 4 s.
    let duration_nanos = (500_000.0 * f64::exp2(rng.random_range(0.0..13.0))) as u64;
    let start = *now_nanos - rng.random_range(0..1_000_000_000) - duration_nanos;

    let mut span = Vec::with_capacity(SPAN_BYTES);
    put_bytes(&mut span, 1, &rng.random::<[u8; 16]>());
    put_bytes(&mut span, 2, &rng.random::<[u8; 8]>());
    put_bytes(&mut span, 4, &rng.random::<[u8; 8]>());
    put_bytes(&mut span, 5, format!("{method} {route}").as_bytes());
    put_varint(&mut span, 6 << 3);
    put_varint(&mut span, 2); // SPAN_KIND_SERVER
    put_fixed64(&mut span, 7, start);
    put_fixed64(&mut span, 8, start + duration_nanos);
    put_attribute(&mut span, 9, "http.request.method", Value::Text(method));
    put_attribute(&mut span, 9, "url.scheme", Value::Text("https"));
    put_attribute(&mut span, 9, "url.path", Value::Text(&path));
    put_attribute(&mut span, 9, "http.route", Value::Text(&route));
    put_attribute(&mut span, 9, "http.response.status_code", Value::Int(code));
    put_attribute(&mut span, 9, "server.address", Value::Text(&server));
    put_attribute(&mut span, 9, "server.port", Value::Int(8443));
    put_attribute(&mut span, 9, "client.address", Value::Text(&address));
    put_attribute(&mut span, 9, "network.protocol.version", Value::Text("1.1"));
    if status != 0 {
        put_bytes(&mut span, 15, &[3 << 3, status as u8]);
    }
    span
}

enum Value<'a> {
    Text(&'a str),
    Int(i64),
}

fn put_attribute(out: &mut Vec<u8>, field: u64, key: &str, value: Value<'_>) {
    let mut any = Vec::new();
    match value {
        Value::Text(text) => put_bytes(&mut any, 1, text.as_bytes()),
        Value::Int(int) => {
            put_varint(&mut any, 3 << 3);
            put_varint(&mut any, int as u64);
        }
    }
    let mut pair = Vec::new();
    put_bytes(&mut pair, 1, key.as_bytes());
    put_bytes(&mut pair, 2, &any);
    put_bytes(out, field, &pair);
}

fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_varint(out, field << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_fixed64(out: &mut Vec<u8>, field: u64, value: u64) {
    put_varint(out, field << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests;
