use super::*;
use proptest::prelude::*;

fn pushed(harness: &mut Harness, attributes: &[KeyValue]) -> Vec<KeyValue> {
    let out = harness.push(0, Payload::Logs(log_request(attributes.to_vec()).encode_to_vec().into()), 1);
    let bytes = out[0].bytes().expect("requests have bytes").clone();
    let mut logs = ExportLogsServiceRequest::decode(bytes).expect("the request is sound");
    logs.resource_logs.remove(0).scope_logs.remove(0).log_records.remove(0).attributes
}

/// Checks what an action makes of one value; of all kinds of items alike.
fn check_value(action: &str, value: Value, expected: &Value) {
    let yaml = format!("actions:\n- {{key: k, {action}}}");
    let sent = [text("x", "1"), attribute("k", value.clone())];
    let left = pushed(&mut harness(&yaml), &sent);
    assert_eq!(left, [text("x", "1"), attribute("k", expected.clone())], "{action} of {value:?}");
    let mut all = edited(&yaml, &sent);
    all.dedup();
    assert_eq!(all.len(), 1, "spans, points and records differ: {all:?}");
}

fn string(text: &str) -> Value {
    Value::StringValue(text.to_owned())
}

#[test]
fn a_hash_is_of_the_bytes_that_the_collector_takes() {
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let three = "35be322d094f9d154a8aba4733b8497f180353bd7ae7b0a15f90b586b549f28b";
    let one_and_a_half = "e163f8cb0f7067a7fc78ca859a77f849aea3214f38fb75b884e4a16be725c905";
    let one = "4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a";
    let zero = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
    for (value, expected) in [
        (string("abc"), abc),
        (Value::IntValue(3), three),
        (Value::DoubleValue(1.5), one_and_a_half),
        (Value::BoolValue(true), one),
        (Value::BoolValue(false), zero),
        // The digest of no bytes at all.
        (string(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (Value::BytesValue(vec![1, 2]), ""),
        (Value::ArrayValue(Default::default()), ""),
    ] {
        check_value("action: hash", value, &string(expected));
    }
}

#[test]
fn patterns_hash_and_delete_by_key() {
    let hashed = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let sent = [("user.id", "abc"), ("user.name", "abc"), ("other", "abc")];
    check("{pattern: '^user\\.', action: delete}", &sent, expect!["{other=abc}"]);
    check("{pattern: '^user\\.', key: other, action: DELETE}", &sent, expect!["{}"]);
    check("{pattern: '^none', action: hash}", &sent, expect!["{user.id=abc,user.name=abc,other=abc}"]);
    let mut harness = harness("actions: [{pattern: 'user\\.\\w+', action: hash}]");
    let left = pushed(&mut harness, &sent.map(|(key, value)| text(key, value)));
    assert_eq!(left, [text("user.id", hashed), text("user.name", hashed), text("other", "abc")]);
}

#[test]
fn groups_become_attributes() {
    let pattern =
        r"{key: url, action: extract, pattern: '^(?P<scheme>\w+):\/\/(?P<host>[^/]+)(?P<path>/.*)?$'}";
    let of_url = |sent: &[(&str, &str)], expected: Expect| check(pattern, sent, expected);
    of_url(&[("url", "http://a.b/c?d")], expect!["{url=http://a.b/c?d,scheme=http,host=a.b,path=/c?d}"]);
    of_url(&[("host", "old"), ("url", "http://a.b")], expect!["{host=a.b,url=http://a.b,scheme=http,path=}"]);
    of_url(&[("url", "mailto:a")], expect!["{url=mailto:a}"]);
    of_url(&[("uri", "http://a.b")], expect!["{uri=http://a.b}"]);
    check("{key: k, action: extract, pattern: '(?P<k>.)(?P<x>.)'}", &[("k", "ab")], expect!["{k=a,x=b}"]);
    let yaml = "actions: [{key: k, action: extract, pattern: '(?P<x>.)'}]";
    let number = [attribute("k", Value::IntValue(7))];
    assert_eq!(pushed(&mut harness(yaml), &number), number, "numbers are not texts");
}

#[test]
fn values_are_converted_as_the_collector_does() {
    let (int, double) = (Value::IntValue, Value::DoubleValue);
    for (to, value, expected) in [
        ("int", string("42"), int(42)),
        ("int", string("-7"), int(-7)),
        ("int", string("4.2"), string("4.2")),
        ("int", string(" 4"), string(" 4")),
        ("int", string("9223372036854775808"), string("9223372036854775808")),
        ("int", double(-2.9), int(-2)),
        ("int", Value::BoolValue(true), int(1)),
        ("int", int(5), int(5)),
        ("int", Value::BytesValue(vec![1]), Value::BytesValue(vec![1])),
        ("double", string("1e3"), double(1000.0)),
        ("double", string("one"), string("one")),
        ("double", string("1e999"), string("1e999")),
        ("double", string("-Inf"), double(f64::NEG_INFINITY)),
        ("double", int(3), double(3.0)),
        ("double", Value::BoolValue(false), double(0.0)),
        ("string", int(-3), string("-3")),
        ("string", double(1e21), string("1e+21")),
        ("string", double(0.5), string("0.5")),
        ("string", Value::BoolValue(true), string("true")),
        ("string", Value::BytesValue(vec![1, 2]), string("AQI=")),
        ("string", string("s"), string("s")),
    ] {
        check_value(&format!("action: convert, converted_type: {to}"), value, &expected);
    }
    check("{key: k, action: convert, converted_type: int}", &[("x", "1")], expect!["{x=1}"]);
}

#[test]
fn what_looks_at_values_leaves_the_table_of_spans_right() {
    let mut harness = harness("actions: [{key: k, action: hash}]");
    let spans = vec![span("a", 1, 0, 1, vec![text("k", "v")]), span("b", 1, 0, 1, vec![text("x", "1")])];
    let out = push(&mut harness, 0, &of_service("s", spans));
    let [Payload::Traces(traces)] = &out[..] else { panic!("one request in, one out") };
    let mut scanned = SpanTable::default();
    wire::scan_traces(&traces.bytes, &wire::Matcher::new(&harness.keys), &mut scanned).unwrap();
    assert_eq!(format!("{:?}", scanned.spans), format!("{:?}", traces.table.spans));
}

#[test]
fn what_looks_at_values_and_finds_none_copies_nothing() {
    let mut harness = harness(
        "actions: [{key: k, action: hash}, {pattern: ^y, action: delete}, {key: k, action: convert, converted_type: int}, \
         {key: x, action: insert, value: 1}, {key: k, action: extract, pattern: '(?P<z>.)'}]",
    );
    let attributes = vec![text("x", "1")];
    let requests = [
        Payload::Metrics(metric_request(&attributes).encode_to_vec().into()),
        Payload::Logs(log_request(attributes.clone()).encode_to_vec().into()),
        scanned(&of_service("s", vec![span("a", 1, 0, 1, attributes)]), &harness).0,
    ];
    for request in requests {
        let at = request.bytes().unwrap().as_ptr();
        assert_eq!(harness.push(0, request, 1)[0].bytes().unwrap().as_ptr(), at);
    }
}

/// Actions with what each does to decoded attributes.
type Plain = (&'static str, fn(&mut Vec<KeyValue>));

fn has(all: &[KeyValue], key: &str) -> Option<usize> {
    all.iter().position(|one| one.key == key)
}

fn set(all: &mut Vec<KeyValue>, key: &str, value: Value) {
    match has(all, key) {
        Some(at) => all[at] = attribute(key, value),
        None => all.push(attribute(key, value)),
    }
}

fn value_of(all: &[KeyValue], key: &str) -> Option<Value> {
    has(all, key).and_then(|at| all[at].value.clone()).and_then(|value| value.value)
}

const PLAIN: [Plain; 7] = [
    ("{key: a, action: insert, value: 1}", |all| {
        if has(all, "a").is_none() {
            set(all, "a", Value::IntValue(1));
        }
    }),
    ("{key: b, action: update, from_attribute: a}", |all| {
        if let (Some(_), Some(value)) = (has(all, "b"), value_of(all, "a")) {
            set(all, "b", value);
        }
    }),
    ("{key: c, action: upsert, value: x1}", |all| set(all, "c", string("x1"))),
    ("{key: c, action: delete}", |all| all.retain(|one| one.key != "c")),
    ("{pattern: '[ab]', action: delete}", |all| all.retain(|one| one.key != "a" && one.key != "b")),
    ("{key: c, action: extract, pattern: '(?P<a>[a-z])(?P<b>[0-9])'}", |all| {
        let Some(Value::StringValue(text)) = value_of(all, "c") else { return };
        let letters: Vec<char> = text.chars().collect();
        let fits = |pair: &[char]| pair[0].is_ascii_lowercase() && pair[1].is_ascii_digit();
        if let Some(pair) = letters.windows(2).find(|pair| fits(pair)) {
            set(all, "a", string(&pair[0].to_string()));
            set(all, "b", string(&pair[1].to_string()));
        }
    }),
    ("{key: b, action: convert, converted_type: int}", |all| match value_of(all, "b") {
        Some(Value::StringValue(text)) => {
            if let Ok(number) = text.parse() {
                set(all, "b", Value::IntValue(number));
            }
        }
        Some(Value::DoubleValue(number)) => set(all, "b", Value::IntValue(number as i64)),
        _ => {}
    }),
];

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[a-z]{0,2}[0-9]{0,2}".prop_map(Value::StringValue),
        any::<i64>().prop_map(Value::IntValue),
        (-1e6..1e6).prop_map(Value::DoubleValue),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn actions_do_what_they_would_to_decoded_attributes(
        steps in prop::collection::vec(0..PLAIN.len(), 1..6),
        values in prop::collection::btree_map("[abcd]", values(), 0..4),
    ) {
        let mut attributes: Vec<KeyValue> =
            values.into_iter().map(|(key, value)| attribute(&key, value)).collect();
        // The pattern is one that no key fits; with it none of the steps is spliced.
        let lines: Vec<&str> = steps.iter().map(|step| PLAIN[*step].0).collect();
        let yaml = format!("actions:\n- {{pattern: ^none$, action: hash}}\n- {}", lines.join("\n- "));
        let left = pushed(&mut harness(&yaml), &attributes);
        steps.iter().for_each(|step| PLAIN[*step].1(&mut attributes));
        prop_assert_eq!(left, attributes, "{}", yaml);
    }
}
