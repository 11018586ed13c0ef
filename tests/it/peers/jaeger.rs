//! Edges of the service graph beside Jaeger's dependencies of the same traces.

use anyhow::{Result, ensure};
use testbed::{Edge, Jaeger, Prometheus, Version, eventually};

use super::{
    SOON,
    gateway::{Gateway, Recipe},
    spans::{
        Attribute::Text, Draft, ExportTraceServiceRequest, MILLISECOND, SpanKind, StatusCode, request,
        service, span,
    },
};

/// Edges that Jaeger knows: between two services that both sent spans.
const BETWEEN_SERVICES: &str = "connection_type=~\"|messaging_system\"";

struct Map {
    gateway: Gateway,
    prometheus: Prometheus,
    jaeger: Jaeger,
}

impl Map {
    fn start() -> Result<Self> {
        let (prometheus, jaeger) = (Prometheus::start(Version::Three)?, Jaeger::start()?);
        let gateway = Gateway::start(&Recipe {
            components: &format!(
                "connectors:
  service_graph: {{metrics_flush_interval: 1s, store: {{ttl: 5s}}}}
exporters:
  otlp_grpc: {{endpoint: '{}', tls: {{insecure: true}}}}
  prometheus_remote_write: {{endpoint: '{}', protobuf_message: io.prometheus.write.v2.Request}}",
                jaeger.otlp_grpc(),
                prometheus.remote_write_url()
            ),
            pipelines: "
traces: {receivers: [otlp], exporters: [service_graph, otlp_grpc]}
metrics: {receivers: [service_graph], exporters: [prometheus_remote_write]}",
            ..Recipe::default()
        })?;
        Ok(Self { gateway, prometheus, jaeger })
    }

    /// Returns the edges of a selection of connection types.
    fn edges(&self, selection: &str) -> Result<Vec<Edge>> {
        let query = format!("sum by (client, server) (traces_service_graph_request_total{{{selection}}})");
        let found = self.prometheus.query(&query)?;
        let edge = |sample: &testbed::Sample| {
            let (parent, child) = (sample.label("client").to_owned(), sample.label("server").to_owned());
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a small whole count"
            )]
            Ok(Edge { parent, child, calls: sample.float()? as u64 })
        };
        let mut edges = found.iter().map(edge).collect::<Result<Vec<Edge>>>()?;
        edges.sort();
        Ok(edges)
    }
}

fn edge(parent: &str, child: &str, calls: u64) -> Edge {
    Edge { parent: parent.to_owned(), child: child.to_owned(), calls }
}

/// The spans of the shop's services, in the order in which services are listed.
#[derive(Default)]
struct Shop {
    frontend: Vec<Draft>,
    checkout: Vec<Draft>,
    cart: Vec<Draft>,
    payment: Vec<Draft>,
    mailer: Vec<Draft>,
    fraud: Vec<Draft>,
}

impl Shop {
    /// A page that looks at the cart twice, the second time in vain.
    fn add_page(&mut self, trace: u64) {
        self.frontend.push(span("GET /", trace, 1, 90 * MILLISECOND).kind(SpanKind::Server));
        for call in [10, 20] {
            let client = span("cart.Get", trace, call, 30 * MILLISECOND).kind(SpanKind::Client).parent(1);
            let server =
                span("cart.Get", trace, call + 1, 20 * MILLISECOND).kind(SpanKind::Server).parent(call);
            let inside = span("lookup", trace, call + 2, 10 * MILLISECOND).parent(call + 1);
            let redis =
                span("GET cart", trace, call + 3, MILLISECOND).kind(SpanKind::Client).parent(call + 2);
            self.frontend.push(client);
            self.cart.push(if call == 20 { server.status(StatusCode::Error) } else { server });
            self.cart.push(inside);
            self.cart.push(redis.attributes(&[("db.system", Text("redis")), ("db.name", Text("carts"))]));
        }
    }

    /// An order: the cart is read, the card charged, and the mailer told over a queue.
    fn add_order(&mut self, trace: u64) {
        self.frontend.push(span("POST /checkout", trace, 1, 300 * MILLISECOND).kind(SpanKind::Server));
        self.frontend.push(span("checkout", trace, 2, 280 * MILLISECOND).kind(SpanKind::Client).parent(1));
        self.checkout.push(span("checkout", trace, 3, 270 * MILLISECOND).kind(SpanKind::Server).parent(2));
        self.checkout.push(span("cart.Get", trace, 4, 20 * MILLISECOND).kind(SpanKind::Client).parent(3));
        self.cart.push(span("cart.Get", trace, 5, 15 * MILLISECOND).kind(SpanKind::Server).parent(4));
        self.checkout.push(span("charge", trace, 6, 100 * MILLISECOND).kind(SpanKind::Client).parent(3));
        self.payment.push(span("charge", trace, 7, 95 * MILLISECOND).kind(SpanKind::Server).parent(6));
        self.checkout.push(span("orders publish", trace, 8, MILLISECOND).kind(SpanKind::Producer).parent(3));
        self.mailer
            .push(span("orders process", trace, 9, 40 * MILLISECOND).kind(SpanKind::Consumer).parent(8));
    }

    /// Payment asks for an opinion of each charge over a queue, and fraud calls it back.
    fn add_review(&mut self, trace: u64) {
        self.payment.push(span("review publish", trace, 1, MILLISECOND).kind(SpanKind::Producer));
        self.fraud.push(span("review process", trace, 2, 9 * MILLISECOND).kind(SpanKind::Consumer).parent(1));
        self.fraud.push(span("verdict", trace, 3, 5 * MILLISECOND).kind(SpanKind::Client).parent(2));
        self.payment.push(span("verdict", trace, 4, 4 * MILLISECOND).kind(SpanKind::Server).parent(3));
    }

    /// Returns a request for each service: halves of an edge come apart, and servers before clients.
    fn into_requests(self) -> Vec<ExportTraceServiceRequest> {
        let services = [
            service("fraud", self.fraud),
            service("mailer", self.mailer),
            service("payment", self.payment),
            service("cart", self.cart),
            service("checkout", self.checkout),
            service("frontend", self.frontend),
        ];
        services.into_iter().map(|spans| request([spans])).collect()
    }
}

#[test]
fn edges_between_services_are_jaegers_dependencies() {
    let map = Map::start().unwrap();
    let mut shop = Shop::default();
    (1..=20).for_each(|trace| shop.add_page(trace));
    (101..=113).for_each(|trace| shop.add_order(trace));
    (201..=207).for_each(|trace| shop.add_review(trace));
    for request in shop.into_requests() {
        map.gateway.send(&request).unwrap();
    }
    let expected = [
        edge("checkout", "cart", 13),
        edge("checkout", "mailer", 13),
        edge("checkout", "payment", 13),
        edge("fraud", "payment", 7),
        edge("frontend", "cart", 40),
        edge("frontend", "checkout", 13),
        edge("payment", "fraud", 7),
    ];
    eventually("the edges", SOON, || {
        let (jaeger, ours) = (map.jaeger.dependencies()?, map.edges(BETWEEN_SERVICES)?);
        ensure!(jaeger == expected, "Jaeger has {jaeger:?}");
        ensure!(ours == jaeger, "the service graph has {ours:?}, Jaeger {jaeger:?}");
        Ok(())
    })
    .unwrap();
    // Jaeger knows no edge to what sends no spans; the service graph does.
    eventually("the database", SOON, || {
        let databases = map.edges("connection_type=\"database\"")?;
        ensure!(databases == [edge("cart", "carts", 40)], "{databases:?}");
        Ok(())
    })
    .unwrap();
    let messaging = map.edges("connection_type=\"messaging_system\"").unwrap();
    assert_eq!(messaging, [edge("checkout", "mailer", 13), edge("payment", "fraud", 7)]);
}

#[test]
fn a_message_that_two_services_receive_is_an_edge_to_each_as_in_jaeger() {
    let map = Map::start().unwrap();
    let sent = |id| span("orders publish", 1, id, MILLISECOND).kind(SpanKind::Producer);
    let taken = |id, from| span("orders process", 1, id, MILLISECOND).kind(SpanKind::Consumer).parent(from);
    map.gateway.send(&request([service("mailer", [taken(2, 1)])])).unwrap();
    map.gateway.send(&request([service("checkout", [sent(1)]), service("fraud", [taken(3, 1)])])).unwrap();
    eventually("the edges", SOON, || {
        let (jaeger, ours) = (map.jaeger.dependencies()?, map.edges(BETWEEN_SERVICES)?);
        ensure!(
            jaeger == [edge("checkout", "fraud", 1), edge("checkout", "mailer", 1)],
            "Jaeger has {jaeger:?}"
        );
        ensure!(ours == jaeger, "the service graph has {ours:?}, Jaeger {jaeger:?}");
        Ok(())
    })
    .unwrap();
}
