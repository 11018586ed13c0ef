//! Traces of many services, as requests.

use bytes::Bytes;
use model::Timestamp;
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use wire::build::{Attributes, Span, SpansWriter};

pub(super) const SERVICES: u32 = 500;
/// Each is a name of spans, and a series of each statistic.
pub(super) const OPERATIONS: u32 = 4;
/// Services that another calls.
const CALLEES: u32 = 3;
/// An entry, and of each callee the client's span, the server's and that of a query.
const SPANS_OF_TRACE: u32 = 1 + 3 * CALLEES;
const TRACES_OF_REQUEST: u32 = 51;

const SERVER: u8 = 2;
const CLIENT: u8 = 3;
const FAILED: u8 = 2;

/// Customers.
pub(super) struct Traffic {
    rng: Pcg64Mcg,
    resources: Vec<Attributes>,
    /// By operation.
    served: Vec<Attributes>,
    called: Vec<Attributes>,
    query: Attributes,
    names: Vec<String>,
    /// A service whose requests fail and take ten times as long.
    pub(super) broken: Option<u32>,
}

/// A span before it is grouped with others of its service.
struct Draft {
    service: u32,
    operation: usize,
    kind: u8,
    is_query: bool,
    trace_id: [u8; 16],
    span_id: [u8; 8],
    parent_id: Option<[u8; 8]>,
    start: u64,
    end: u64,
    status: u8,
}

pub(super) fn service_name(service: u32) -> String {
    format!("service-{service:03}")
}

impl Traffic {
    pub(super) fn new() -> Self {
        let attributes = |pairs: &[(&str, &str)]| {
            let mut attributes = Attributes::new();
            pairs.iter().for_each(|(key, value)| attributes.push_str(key, value));
            attributes
        };
        let resource = |service| {
            let name = service_name(service);
            attributes(&[
                ("service.name", &name),
                ("service.namespace", "shop"),
                ("service.version", "4.18.2"),
                ("service.instance.id", &format!("{name}-7d9c5b6f4-x2k9q")),
                ("telemetry.sdk.language", "java"),
            ])
        };
        let names: Vec<_> = (0..OPERATIONS).map(|n| format!("GET /api/v2/operation-{n}/{{id}}")).collect();
        let served = |name: &String| {
            attributes(&[
                ("http.request.method", "GET"),
                ("http.route", name),
                ("http.response.status_code", "200"),
                ("url.path", "/api/v2/operation/4711"),
                ("url.scheme", "https"),
                ("server.address", "shop.svc"),
                ("client.address", "10.12.7.9"),
                ("network.protocol.version", "1.1"),
            ])
        };
        let called = |name: &String| {
            attributes(&[
                ("http.request.method", "GET"),
                ("url.full", name),
                ("http.response.status_code", "200"),
                ("server.address", "shop.svc"),
                ("server.port", "443"),
                ("network.protocol.version", "1.1"),
            ])
        };
        Self {
            rng: Pcg64Mcg::seed_from_u64(1),
            resources: (0..SERVICES).map(resource).collect(),
            served: names.iter().map(served).collect(),
            called: names.iter().map(called).collect(),
            query: attributes(&[
                ("db.system.name", "postgresql"),
                ("db.namespace", "shop"),
                ("db.operation.name", "SELECT"),
                ("db.query.text", "SELECT id, name, price FROM products WHERE id = $1"),
                ("server.address", "db.shop.svc"),
            ]),
            names,
            broken: None,
        }
    }

    /// Returns the requests of a second, about so many spans, and how many they are.
    pub(super) fn second(&mut self, begin: Timestamp, n_spans: u32) -> (Vec<Bytes>, u64) {
        let n_traces = n_spans.div_ceil(SPANS_OF_TRACE);
        let mut requests = Vec::new();
        let mut left = n_traces;
        while left > 0 {
            let n = left.min(TRACES_OF_REQUEST);
            let mut drafts = Vec::new();
            (0..n).for_each(|_| self.trace(begin, &mut drafts));
            drafts.sort_by_key(|draft| draft.service);
            requests.push(self.encode(&drafts).into());
            left -= n;
        }
        (requests, u64::from(n_traces * SPANS_OF_TRACE))
    }

    fn trace(&mut self, begin: Timestamp, out: &mut Vec<Draft>) {
        let entry = self.rng.random_range(0..SERVICES);
        let trace_id: [u8; 16] = self.rng.random();
        let root: [u8; 8] = self.rng.random();
        let start = begin.as_nanos() + self.rng.random_range(0..500_000_000);
        let mut now = start + 1_000_000;
        let at = out.len();
        let mut has_failed = false;
        for callee in 1..=CALLEES {
            let (begins, took, failed) =
                self.call((entry * CALLEES + callee) % SERVICES, entry, now, (trace_id, root), out);
            now = begins + took;
            has_failed |= failed;
        }
        let draft = Draft {
            service: entry,
            operation: self.rng.random_range(0..OPERATIONS) as usize,
            kind: SERVER,
            is_query: false,
            trace_id,
            span_id: root,
            parent_id: None,
            start,
            end: now + 1_000_000,
            status: if has_failed { FAILED } else { 0 },
        };
        out.insert(at, draft);
    }

    /// One service asks another, which asks its database. Returns when that began, how long it took, and whether it
    /// failed.
    fn call(
        &mut self,
        callee: u32,
        caller: u32,
        start: u64,
        (trace_id, parent): ([u8; 16], [u8; 8]),
        out: &mut Vec<Draft>,
    ) -> (u64, u64, bool) {
        let is_broken = self.broken == Some(callee);
        let (client, server): ([u8; 8], [u8; 8]) = (self.rng.random(), self.rng.random());
        let operation = self.rng.random_range(0..OPERATIONS) as usize;
        let work = self.rng.random_range(1_000_000..3_000_000) * if is_broken { 10 } else { 1 };
        let query = self.rng.random_range(500_000..2_000_000);
        let (served, asked) = (start + 200_000, start + 400_000);
        let until = asked + query + work;
        let failed = is_broken && self.rng.random_range(0..2) == 0;
        let status = if failed { FAILED } else { 0 };
        let of = |service, kind, is_query, span_id, parent, start, end, status| Draft {
            service,
            operation,
            kind,
            is_query,
            trace_id,
            span_id,
            parent_id: Some(parent),
            start,
            end,
            status,
        };
        out.push(of(caller, CLIENT, false, client, parent, start, until + 200_000, status));
        out.push(of(callee, SERVER, false, server, client, served, until, status));
        out.push(of(callee, CLIENT, true, self.rng.random(), server, asked, asked + query, 0));
        (start, until + 200_000 - start, failed)
    }

    fn encode(&self, drafts: &[Draft]) -> Vec<u8> {
        let mut writer = SpansWriter::new();
        for of_service in drafts.chunk_by(|a, b| a.service == b.service) {
            writer.resource(&self.resources[of_service[0].service as usize]);
            writer.scope("io.opentelemetry.tomcat-10.0", "2.20.1-alpha");
            for draft in of_service {
                let attributes = match (draft.is_query, draft.kind) {
                    (true, _) => &self.query,
                    (false, SERVER) => &self.served[draft.operation],
                    (false, _) => &self.called[draft.operation],
                };
                writer.span(&Span {
                    trace_id: draft.trace_id,
                    span_id: draft.span_id,
                    trace_state: "",
                    parent_id: draft.parent_id,
                    name: if draft.is_query { "SELECT products" } else { &self.names[draft.operation] },
                    kind: draft.kind,
                    start: draft.start,
                    end: draft.end,
                    attributes,
                    events: &[],
                    links: &[],
                    status: draft.status,
                    status_message: "",
                    flags: 0x101,
                });
            }
        }
        writer.take()
    }
}
