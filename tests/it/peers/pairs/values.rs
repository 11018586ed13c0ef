//! Attributes of every type, in few letters.

use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

/// The moment that times of the telemetry are ahead of: what comes out must not depend on today.
pub(super) const BASE: u64 = 1_790_000_000_000_000_000;

pub(super) const MILLISECOND: u64 = 1_000_000;
pub(super) const SECOND: u64 = 1_000 * MILLISECOND;

/// A value of an attribute or a body.
#[derive(Clone, Debug)]
pub(super) enum V {
    S(&'static str),
    I(i64),
    D(f64),
    B(bool),
    Bytes(&'static [u8]),
    L(Vec<V>),
    M(Vec<(&'static str, V)>),
    Nothing,
}

impl V {
    pub(super) fn any(self) -> AnyValue {
        let value = match self {
            Self::S(text) => Value::StringValue(text.to_owned()),
            Self::I(number) => Value::IntValue(number),
            Self::D(number) => Value::DoubleValue(number),
            Self::B(flag) => Value::BoolValue(flag),
            Self::Bytes(bytes) => Value::BytesValue(bytes.to_vec()),
            Self::L(values) => {
                Value::ArrayValue(ArrayValue { values: values.into_iter().map(V::any).collect() })
            }
            Self::M(entries) => Value::KvlistValue(KeyValueList { values: attributes(entries) }),
            Self::Nothing => return AnyValue::default(),
        };
        AnyValue { value: Some(value) }
    }
}

pub(super) fn attributes(entries: impl IntoIterator<Item = (&'static str, V)>) -> Vec<KeyValue> {
    let key_value = |(key, value): (&str, V)| KeyValue {
        key: key.to_owned(),
        value: Some(value.any()),
        ..KeyValue::default()
    };
    entries.into_iter().map(key_value).collect()
}

pub(super) fn text_attribute(key: &str, value: String) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value)) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

pub(super) fn resource(entries: impl IntoIterator<Item = (&'static str, V)>) -> Option<Resource> {
    Some(Resource { attributes: attributes(entries), ..Resource::default() })
}

/// The resource that most of the telemetry is of.
pub(super) fn shop() -> Option<Resource> {
    let mut shop = resource([
        ("service.name", V::S("shop")),
        ("service.version", V::S("1.4.2")),
        ("service.instance.id", V::S("shop-0")),
        ("deployment.environment.name", V::S("production")),
        ("k8s.pod.name", V::S("shop-6d4cf56db6-x2x7w")),
        ("process.pid", V::I(4711)),
        ("process.command_args", V::L(vec![V::S("shop"), V::S("--port=80")])),
        ("host.id", V::S("")),
        ("host.load", V::D(0.75)),
        ("host.spot", V::B(true)),
        ("host.mac", V::Bytes(&[0x02, 0x42, 0xac])),
        ("api.token", V::S("secret-of-the-shop")),
    ])
    .expect("a resource");
    shop.dropped_attributes_count = 2;
    Some(shop)
}

/// Another, with other types under the same keys.
pub(super) fn billing() -> Option<Resource> {
    resource([
        ("service.name", V::S("billing")),
        ("deployment.environment.name", V::S("test")),
        ("process.pid", V::S("12")),
        ("host.load", V::I(3)),
    ])
}

pub(super) fn scope(name: &str, version: &str) -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: name.to_owned(),
        version: version.to_owned(),
        attributes: attributes([("scope.kind", V::S("library")), ("scope.debug", V::B(false))]),
        dropped_attributes_count: 1,
    })
}

/// Attributes of every type, with what is to be masked, cut, converted and taken apart in them.
pub(super) fn rich() -> Vec<(&'static str, V)> {
    vec![
        ("http.request.method", V::S("GET")),
        ("http.route", V::S("/orders/{id}")),
        ("http.response.status_code", V::I(200)),
        ("url.full", V::S("https://shop.example.com/acme/orders/42?token=abc123&x=1")),
        ("user.id", V::S("u-17")),
        ("user.email", V::S("ann@example.org")),
        ("user.card", V::S("paid with 4111111111111111 today")),
        ("user.password", V::S("hunter2")),
        ("client.address", V::S("10.1.2.3")),
        ("cache.hit", V::B(true)),
        ("load", V::D(0.25)),
        ("weight", V::D(3.0)),
        ("big", V::D(1e21)),
        ("lowest", V::I(i64::MIN)),
        ("retries", V::S("7")),
        ("version", V::S("7x")),
        ("empty", V::S("")),
        ("nothing", V::Nothing),
        ("raw", V::Bytes(&[0, 1, 254, 255])),
        ("größe", V::S("ÄÖÜ größer 日本")),
        ("tags", V::L(vec![V::S("a"), V::I(2), V::D(0.5), V::B(true), V::L(vec![V::S("deep")])])),
        (
            "nested",
            V::M(vec![
                ("password", V::S("swordfish")),
                ("inner", V::M(vec![("list", V::L(vec![V::I(1), V::S("ann@example.org")]))])),
                ("n", V::I(5)),
            ]),
        ),
    ]
}
