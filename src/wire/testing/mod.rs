//! Requests for tests and benchmarks, made from a seed.

#[cfg(test)]
pub(crate) mod arbitrary;
#[cfg(test)]
pub(crate) mod scramble;
#[cfg(test)]
pub(crate) mod verdict;

use crate::build::{Attributes, Event, Span, SpansWriter};

/// The span attributes that the generated spans carry and span metrics usually read.
pub const DIMENSIONS: [&str; 3] = ["http.request.method", "http.response.status_code", "http.route"];

/// Makes a trace request of a web shop: spans of 536 bytes on average with ten attributes each, every tenth
/// with an event, over five resources.
pub fn trace_request(seed: u64, n_spans: usize) -> Vec<u8> {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut writer = SpansWriter::new();
    let n_resources = n_spans.clamp(1, 5);
    for resource in 0..n_resources {
        writer.resource(&resource_attributes(&mut random));
        writer.scope("io.opentelemetry.tomcat-10.0", "2.9.0-alpha");
        let share = n_spans / n_resources + usize::from(resource < n_spans % n_resources);
        for _ in 0..share {
            write_span(&mut writer, &mut random);
        }
    }
    writer.take()
}

fn resource_attributes(random: &mut Random) -> Attributes {
    let mut attributes = Attributes::new();
    let service =
        random.pick(&["frontend", "cart", "checkout", "payment", "shipping", "catalog", "currency", "ad"]);
    attributes.push_str("service.name", service);
    attributes.push_str("service.namespace", "shop");
    attributes.push_str("service.instance.id", &format!("{service}-{:016x}", random.word()));
    attributes.push_str("deployment.environment.name", "production");
    attributes.push_str("host.name", &format!("node-{}", random.below(20)));
    attributes
}

fn write_span(writer: &mut SpansWriter, random: &mut Random) {
    const ROUTES: [&str; 6] = [
        "/api/cart/{id}",
        "/api/products/{id}",
        "/api/checkout",
        "/api/recommendations",
        "/",
        "/api/shipping",
    ];
    let method = random.pick(&["GET", "POST", "PUT", "DELETE"]);
    let route = random.pick(&ROUTES);
    let is_error = random.below(20) == 0;
    let mut attributes = Attributes::new();
    attributes.push_str("http.request.method", method);
    attributes.push_str("url.scheme", "https");
    attributes.push_str("server.address", "shop.example.com");
    attributes.push_int("server.port", 8443);
    attributes.push_str("http.route", route);
    attributes.push_str(
        "user_agent.original",
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0 (shop-app/4.2.1)",
    );
    attributes.push_str("network.peer.address", &format!("10.{}.{}.7", random.below(256), random.below(256)));
    attributes.push_int("http.response.status_code", if is_error { 500 } else { 200 });
    attributes.push_str("session.id", &format!("{:016x}{:016x}", random.word(), random.word()));
    attributes.push_str("app.request.path", &format!("/api/v1/items/{:08x}/details", random.word() as u32));
    let start = 1_760_000_000_000_000_000 + random.below(1_000_000_000);
    let exception = {
        let mut attributes = Attributes::new();
        attributes.push_str("exception.type", "java.lang.IllegalStateException");
        attributes
    };
    let events = [Event { time: start + 1000, name: "exception", attributes: &exception }];
    let has_event = random.below(10) == 0;
    let name = format!("{method} {route}");
    writer.span(&Span {
        trace_id: random.id(),
        span_id: random.id(),
        trace_state: "",
        parent_id: (random.below(10) > 0).then(|| random.id()),
        name: &name,
        kind: random.below(5) as u8 + 1,
        start,
        end: start + 1_000_000 + random.below(200_000_000),
        attributes: &attributes,
        events: if has_event { &events } else { &[] },
        links: &[],
        status: if is_error { 2 } else { 0 },
        status_message: "",
        flags: 0x101,
    });
}

/// A generator of numbers that need not be good, only the same every time (xorshift, Marsaglia 2003).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn word(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Returns a number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        (self.word() >> 16) % limit
    }

    pub fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u64) as usize]
    }

    fn id<const N: usize>(&mut self) -> [u8; N] {
        let words = [self.word().to_le_bytes(), self.word().to_le_bytes()];
        std::array::from_fn(|index| words[index / 8][index % 8])
    }
}
