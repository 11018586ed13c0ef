//! One request of a customer, played through the shop: the spans of a trace.
//!
//! Nothing here reads a clock: the same seed, script and instants give the same spans.

use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use wire::build::Attributes;
use wire::view::AnyValue;

use super::fault::{Kind, Script};
use super::shop::{self, Call, ENTRIES, Endpoint, Surface};

pub(crate) const SERVER: u8 = 2;
pub(crate) const CLIENT: u8 = 3;
pub(crate) const PRODUCER: u8 = 4;
pub(crate) const CONSUMER: u8 = 5;
pub(crate) const STATUS_ERROR: u8 = 2;

/// A span before it is encoded.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// Index into [`shop::SERVICES`].
    pub(crate) service: usize,
    pub(crate) trace_id: [u8; 16],
    pub(crate) span_id: [u8; 8],
    pub(crate) parent_id: Option<[u8; 8]>,
    pub(crate) name: String,
    pub(crate) kind: u8,
    /// *Units*: nanoseconds since the epoch.
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) attributes: Attributes,
    /// The type and message of the exception that failed it.
    pub(crate) exception: Option<(&'static str, String)>,
    /// The span that a consumer's message came from.
    pub(crate) link: Option<[u8; 8]>,
}

impl Draft {
    pub(crate) fn is_failed(&self) -> bool {
        self.exception.is_some()
    }
}

/// The customers and the shop.
pub(crate) struct Simulation {
    rng: Pcg64Mcg,
    script: Script,
    /// Distinct values of `shop.customer.segment`; 0 leaves it out.
    cardinality: u64,
    /// *Units*: nanoseconds since the epoch; the script's times count from here.
    start: u64,
    /// The trace that is being played.
    trace: Trace,
}

#[derive(Default)]
struct Trace {
    id: [u8; 16],
    segment: Option<String>,
    spans: Vec<Draft>,
}

/// When a call was over, and whether it failed.
struct Done {
    at: u64,
    failed: bool,
}

impl Simulation {
    pub(crate) fn new(seed: u64, script: Script, cardinality: u64, start: u64) -> Self {
        Self { rng: Pcg64Mcg::seed_from_u64(seed), script, cardinality, start, trace: Trace::default() }
    }

    /// Plays the request of a customer who comes at `at` (nanoseconds since the epoch); a span that
    /// waits for another ends after it, and parents stand before their children.
    pub(crate) fn play(&mut self, at: u64) -> Vec<Draft> {
        self.trace.id = self.rng.random();
        let n_segments = self.cardinality;
        self.trace.segment =
            (n_segments > 0).then(|| format!("segment-{:06}", self.rng.random_range(0..n_segments)));
        let entry = self.pick_entry(at);
        if !self.script.is_dead(entry.service, self.since_start(at)) {
            self.serve(entry, at, None);
        }
        std::mem::take(&mut self.trace.spans)
    }

    /// Returns how many times as many customers come as without a surge.
    pub(crate) fn surge(&self, at: u64) -> f64 {
        let usual: f64 = ENTRIES.iter().map(|(_, weight)| weight).sum();
        ENTRIES.iter().map(|(entry, weight)| weight * self.entry_factor(entry, at)).sum::<f64>() / usual
    }

    fn entry_factor(&self, entry: &Endpoint, at: u64) -> f64 {
        let surges = self.script.active(Kind::Surge, self.since_start(at));
        surges.filter(|fault| entry.reaches(&fault.service)).map(|fault| fault.factor).product()
    }

    fn pick_entry(&mut self, at: u64) -> &'static Endpoint {
        let weights = ENTRIES.map(|(entry, weight)| weight * self.entry_factor(entry, at));
        let mut left = self.rng.random_range(0.0..weights.iter().sum());
        for ((entry, _), weight) in ENTRIES.iter().zip(weights) {
            if left < weight {
                return entry;
            }
            left -= weight;
        }
        ENTRIES[0].0
    }

    /// Plays the receiving side of a request.
    fn serve(&mut self, endpoint: &'static Endpoint, at: u64, parent_id: Option<[u8; 8]>) -> Done {
        let slowness = self.script.factor(endpoint.service, Kind::Latency, self.since_start(at));
        let work = self.log_normal_nanos(endpoint.work_ms * slowness);
        let index = self.begin(endpoint.service, serving_kind(endpoint.surface), at, parent_id);
        let own_id = self.trace.spans[index].span_id;

        let mut now = at + work / 2;
        let mut failure = None;
        for call in endpoint.calls {
            let done = self.call(endpoint.service, call, now, own_id);
            now = done.at;
            if done.failed && !matches!(call, Call::Maybe(_)) {
                failure = Some((
                    "shop.DependencyError",
                    "a call that the request depends on has failed".to_owned(),
                ));
                break;
            }
        }
        let error_ratio =
            endpoint.error_ratio.max(self.script.error_ratio(endpoint.service, self.since_start(at)));
        if failure.is_none() && self.rng.random_bool(error_ratio) {
            failure = Some(("shop.InternalError", format!("{} could not do its work", endpoint.service)));
        }
        let end = now + work / 2;
        let failed = failure.is_some();
        let (name, attributes) = self.describe_serving(endpoint, failed);
        self.end(index, name, end, attributes, failure);
        Done { at: end, failed }
    }

    /// Plays one outgoing call.
    fn call(&mut self, caller: &'static str, call: &'static Call, at: u64, parent_id: [u8; 8]) -> Done {
        match call {
            Call::Maybe(endpoint) => self.request(caller, endpoint, at, parent_id, 0),
            Call::To(endpoint) => {
                let first = self.request(caller, endpoint, at, parent_id, 0);
                if !first.failed {
                    return first;
                }
                let pause = self.log_normal_nanos(20.0);
                self.request(caller, endpoint, first.at + pause, parent_id, 1)
            }
            Call::Query { operation, table, text, ms } => {
                self.query(caller, [operation, table, text], *ms, at, parent_id)
            }
            Call::Cache { command } => self.cache(caller, command, at, parent_id),
            Call::Publish { topic, consumers } => self.publish(caller, topic, consumers, at, parent_id),
        }
    }

    /// Plays a request between services: a client span around the server's.
    fn request(
        &mut self,
        caller: &'static str,
        endpoint: &'static Endpoint,
        at: u64,
        parent_id: [u8; 8],
        resend_count: i64,
    ) -> Done {
        let index = self.begin(caller, CLIENT, at, Some(parent_id));
        let own_id = self.trace.spans[index].span_id;
        let network = self.log_normal_nanos(0.25);
        let is_dead = self.script.is_dead(endpoint.service, self.since_start(at));
        let served = if is_dead {
            Done { at: at + network, failed: true }
        } else {
            self.serve(endpoint, at + network, Some(own_id))
        };
        let end = served.at + network;
        let failure = match (is_dead, served.failed) {
            (true, _) => Some(("ConnectionRefused", format!("no connection to {}", endpoint.service))),
            (false, true) => Some(("RemoteError", format!("{} answered with an error", endpoint.service))),
            (false, false) => None,
        };
        let (name, attributes) = self.describe_request(endpoint, is_dead, served.failed, resend_count);
        let failed = failure.is_some();
        self.end(index, name, end, attributes, failure);
        Done { at: end, failed }
    }

    fn query(
        &mut self,
        caller: &'static str,
        [operation, table, text]: [&str; 3],
        ms: f64,
        at: u64,
        parent_id: [u8; 8],
    ) -> Done {
        let slowness = self.script.factor(caller, Kind::SlowQuery, self.since_start(at));
        let end = at + self.log_normal_nanos(ms * slowness);
        let index = self.begin(caller, CLIENT, at, Some(parent_id));
        let mut attributes = self.attributes();
        attributes.push_str("db.system.name", "postgresql");
        attributes.push_str("db.namespace", "shop");
        attributes.push_str("db.collection.name", table);
        attributes.push_str("db.operation.name", operation);
        attributes.push_str("db.query.text", text);
        attributes.push_str("db.query.summary", &format!("{operation} {table}"));
        attributes.push_str("server.address", "postgresql.shop.svc");
        attributes.push_int("server.port", 5432);
        self.end(index, format!("{operation} {table}"), end, attributes, None);
        Done { at: end, failed: false }
    }

    fn cache(&mut self, caller: &'static str, command: &str, at: u64, parent_id: [u8; 8]) -> Done {
        let end = at + self.log_normal_nanos(0.3);
        let index = self.begin(caller, CLIENT, at, Some(parent_id));
        let mut attributes = self.attributes();
        attributes.push_str("db.system.name", "redis");
        attributes.push_str("db.operation.name", command);
        attributes.push_str("server.address", "redis.shop.svc");
        attributes.push_int("server.port", 6379);
        self.end(index, command.to_owned(), end, attributes, None);
        Done { at: end, failed: false }
    }

    /// Plays a message: the producer waits for the broker only, consumers begin later.
    fn publish(
        &mut self,
        caller: &'static str,
        topic: &str,
        consumers: &'static [&'static Endpoint],
        at: u64,
        parent_id: [u8; 8],
    ) -> Done {
        let end = at + self.log_normal_nanos(1.2);
        let index = self.begin(caller, PRODUCER, at, Some(parent_id));
        let own_id = self.trace.spans[index].span_id;
        let mut attributes = self.attributes();
        put_message(&mut attributes, topic, "send");
        attributes.push_str("server.address", "kafka.shop.svc");
        attributes.push_int("server.port", 9092);
        self.end(index, format!("send {topic}"), end, attributes, None);
        for endpoint in consumers {
            if self.script.is_dead(endpoint.service, self.since_start(at)) {
                continue;
            }
            let lag = self.log_normal_nanos(15.0);
            let first = self.trace.spans.len();
            self.serve(endpoint, end + lag, Some(own_id));
            self.trace.spans[first].link = Some(own_id);
        }
        Done { at: end, failed: false }
    }

    /// Opens a span; what it was is known when it ends.
    fn begin(&mut self, service: &'static str, kind: u8, start: u64, parent_id: Option<[u8; 8]>) -> usize {
        self.trace.spans.push(Draft {
            service: shop::service_index(service).expect("every endpoint belongs to a service of the shop"),
            trace_id: self.trace.id,
            span_id: self.rng.random(),
            parent_id,
            name: String::new(),
            kind,
            start,
            end: start,
            attributes: Attributes::new(),
            exception: None,
            link: None,
        });
        self.trace.spans.len() - 1
    }

    fn end(
        &mut self,
        index: usize,
        name: String,
        end: u64,
        mut attributes: Attributes,
        exception: Option<(&'static str, String)>,
    ) {
        if let Some((kind, _)) = &exception {
            attributes.push_str("error.type", kind);
        }
        let span = &mut self.trace.spans[index];
        (span.name, span.end, span.attributes, span.exception) = (name, end, attributes, exception);
    }

    /// Returns the attributes that all spans of the trace have.
    fn attributes(&self) -> Attributes {
        let mut attributes = Attributes::new();
        if let Some(segment) = &self.trace.segment {
            attributes.push_str("shop.customer.segment", segment);
        }
        attributes
    }

    fn describe_serving(&mut self, endpoint: &Endpoint, failed: bool) -> (String, Attributes) {
        let mut attributes = self.attributes();
        match endpoint.surface {
            Surface::Http { method, route } => {
                let path = route.replace("{id}", &self.rng.random_range(1_000..10_000).to_string());
                let client =
                    format!("10.4.{}.{}", self.rng.random_range(0..16), self.rng.random_range(1..255));
                attributes.push_str("http.request.method", method);
                attributes.push_str("http.route", route);
                attributes.push_int("http.response.status_code", if failed { 500 } else { 200 });
                attributes.push_str("url.path", &path);
                attributes.push_str("url.scheme", "http");
                attributes.push_str("server.address", &host(endpoint.service));
                attributes.push_int("server.port", 8080);
                attributes.push_str("client.address", &client);
                attributes.push_str("network.protocol.version", "1.1");
                (format!("{method} {route}"), attributes)
            }
            Surface::Grpc { method } => {
                put_call(&mut attributes, endpoint, method, if failed { "INTERNAL" } else { "OK" });
                (method.to_owned(), attributes)
            }
            Surface::Topic { name } => {
                put_message(&mut attributes, name, "process");
                attributes.push_str("messaging.consumer.group.name", endpoint.service);
                attributes
                    .push_str("messaging.destination.partition.id", &self.rng.random_range(0..6).to_string());
                attributes.push("messaging.batch.message_count", AnyValue::Int(1));
                (format!("process {name}"), attributes)
            }
        }
    }

    fn describe_request(
        &self,
        endpoint: &Endpoint,
        is_dead: bool,
        failed: bool,
        resend_count: i64,
    ) -> (String, Attributes) {
        let mut attributes = self.attributes();
        match endpoint.surface {
            Surface::Http { method, route } => {
                attributes.push_str("http.request.method", method);
                attributes.push_str("url.full", &format!("http://{}:8080{route}", host(endpoint.service)));
                attributes.push_str("server.address", &host(endpoint.service));
                attributes.push_int("server.port", 8080);
                if !is_dead {
                    attributes.push_int("http.response.status_code", if failed { 500 } else { 200 });
                }
                if resend_count > 0 {
                    attributes.push_int("http.request.resend_count", resend_count);
                }
                (method.to_owned(), attributes)
            }
            Surface::Grpc { method } => {
                let status = match (is_dead, failed) {
                    (true, _) => "UNAVAILABLE",
                    (false, true) => "INTERNAL",
                    (false, false) => "OK",
                };
                put_call(&mut attributes, endpoint, method, status);
                (method.to_owned(), attributes)
            }
            Surface::Topic { name } => unreachable!("nobody calls the consumer of {name} directly"),
        }
    }

    fn since_start(&self, at: u64) -> Duration {
        Duration::from_nanos(at.saturating_sub(self.start))
    }

    /// Draws a duration of this median; one in six is above 1.6 times it, one in a thousand above 4.4.
    fn log_normal_nanos(&mut self, median_ms: f64) -> u64 {
        // The sum of twelve uniform numbers is as good as normal here, and cheap.
        let normal: f64 = (0..12).map(|_| self.rng.random::<f64>()).sum::<f64>() - 6.0;
        (median_ms * 1e6 * (0.48 * normal).exp()) as u64
    }
}

fn serving_kind(surface: Surface) -> u8 {
    match surface {
        Surface::Http { .. } | Surface::Grpc { .. } => SERVER,
        Surface::Topic { .. } => CONSUMER,
    }
}

fn put_call(attributes: &mut Attributes, endpoint: &Endpoint, method: &str, status: &str) {
    attributes.push_str("rpc.system.name", "grpc");
    attributes.push_str("rpc.method", method);
    attributes.push_str("rpc.response.status_code", status);
    attributes.push_str("server.address", &host(endpoint.service));
    attributes.push_int("server.port", 9090);
}

fn put_message(attributes: &mut Attributes, topic: &str, operation: &str) {
    attributes.push_str("messaging.system", "kafka");
    attributes.push_str("messaging.destination.name", topic);
    attributes.push_str("messaging.operation.name", operation);
    attributes.push_str("messaging.operation.type", operation);
}

fn host(service: &str) -> String {
    format!("{service}.shop.svc")
}
