mod metrics;

use expect_test::{Expect, expect};
use model::Signal;
use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    resource::v1::Resource,
};
use proptest::prelude::*;
use prost::Message;

use super::{Context, ErrorMode, Group, Sieve, syntax};
use crate::testing::{attribute, text};

fn value(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn map(entries: Vec<KeyValue>) -> Value {
    Value::KvlistValue(KeyValueList { values: entries })
}

fn list(values: Vec<Value>) -> Value {
    Value::ArrayValue(ArrayValue { values: values.into_iter().map(value).collect() })
}

/// A record with a value of every kind.
fn record() -> LogRecord {
    LogRecord {
        time_unix_nano: 1_500_000_000_123_456_789,
        severity_number: 17,
        severity_text: "ERROR".to_owned(),
        body: Some(value(Value::StringValue("{\"a\": {\"b\": [1, null, \"x\"]}, \"c\": true}".to_owned()))),
        attributes: vec![
            text("s", "Some Text"),
            attribute("n", Value::IntValue(3)),
            attribute("d", Value::DoubleValue(1.5)),
            attribute("b", Value::BoolValue(true)),
            attribute("by", Value::BytesValue(vec![1, 255])),
            attribute("l", list(vec![Value::StringValue("a".to_owned()), Value::IntValue(1)])),
            attribute(
                "m",
                map(vec![text("k", "v"), attribute("deep", map(vec![attribute("x", Value::IntValue(7))]))]),
            ),
            KeyValue { key: "e".to_owned(), value: Some(AnyValue { value: None }), ..KeyValue::default() },
            text("dur", "1h30m"),
            text("num", "12"),
        ],
        trace_id: (0..16).collect(),
        span_id: vec![9; 8],
        flags: 1,
        observed_time_unix_nano: 1_500_000_001_123_456_789,
        event_name: "happened".to_owned(),
        ..LogRecord::default()
    }
}

fn request(record: LogRecord) -> Vec<u8> {
    let scope = InstrumentationScope {
        name: "lib".to_owned(),
        version: "1.2".to_owned(),
        attributes: vec![text("scoped", "yes")],
        ..InstrumentationScope::default()
    };
    let scope_logs =
        vec![ScopeLogs { scope: Some(scope), log_records: vec![record], schema_url: "of scope".to_owned() }];
    let resource =
        Resource { attributes: vec![text("service.name", "cart"), text("zone", "a")], ..Resource::default() };
    let resource_logs =
        vec![ResourceLogs { resource: Some(resource), scope_logs, schema_url: "of resource".to_owned() }];
    ExportLogsServiceRequest { resource_logs }.encode_to_vec()
}

/// Whether a condition holds for the record: `yes`, `no`, `fails`, or what is wrong with it.
fn judged(condition: &str) -> String {
    let mut sieve = Sieve::new(Signal::Logs, ErrorMode::Silent);
    let (faults, _) = sieve.add(&[condition.to_owned()], Some(Context::Log));
    if let Some((_, fault)) = faults.into_iter().next() {
        return fault;
    }
    let request = request(record());
    let is_cut = sieve.cut(&request).is_some();
    assert_eq!(sieve.dropped, u64::from(is_cut));
    match (is_cut, sieve.failures.count) {
        (true, 0) => "yes".to_owned(),
        (false, 0) => "no".to_owned(),
        (false, _) => "fails".to_owned(),
        (true, _) => "both holds and fails".to_owned(),
    }
}

#[track_caller]
fn check(expected: &str, conditions: &[&str]) {
    for condition in conditions {
        assert_eq!(judged(condition), expected, "{condition}");
    }
}

#[test]
fn values_are_compared_as_the_collector_does() {
    check(
        "yes",
        &[
            "attributes[\"s\"] == \"Some Text\"",
            "\"Some Text\" == attributes[\"s\"]",
            "attributes[\"s\"] > \"Som\" and attributes[\"s\"] <= \"Some Text\"",
            "attributes[\"n\"] == 3",
            "attributes[\"n\"] == 3.0",
            "attributes[\"d\"] > 1",
            "1 < attributes[\"d\"]",
            "attributes[\"b\"] == true",
            "attributes[\"b\"] > false",
            "attributes[\"by\"] == 0x01ff",
            "attributes[\"by\"] > 0x01",
            "attributes[\"none\"] == nil",
            "nil == attributes[\"none\"]",
            "attributes[\"none\"] <= nil",
            "attributes[\"e\"] == nil",
            "attributes[\"s\"] != nil",
            "attributes[\"s\"] != 1",
            "attributes[\"n\"] != \"3\"",
            "attributes[\"none\"] != \"x\"",
            "attributes[\"l\"] == [\"a\", 1]",
            "attributes[\"l\"] != [\"a\", 1.0]",
            "attributes[\"l\"] != [\"a\"]",
            "attributes[\"m\"] == {\"deep\": {\"x\": 7}, \"k\": \"v\"}",
            "attributes[\"m\"] != {\"k\": \"v\"}",
            "attributes[\"m\"][\"deep\"][\"x\"] == 7",
            "attributes[\"m\"][\"none\"][\"x\"] == nil",
            "attributes[\"l\"][1] == 1",
            "severity_number >= SEVERITY_NUMBER_ERROR",
            "severity_number == SEVERITY_NUMBER_ERROR and severity_number < SEVERITY_NUMBER_ERROR2",
            "log.severity_text == \"ERROR\"",
            "resource.attributes[\"service.name\"] == \"cart\"",
            "scope.name == \"lib\" and instrumentation_scope.version == \"1.2\"",
            "scope.attributes[\"scoped\"] == \"yes\"",
            "resource.schema_url == \"of resource\" and scope.schema_url == \"of scope\"",
            "trace_id == TraceID(0x000102030405060708090a0b0c0d0e0f)",
            "trace_id == TraceID(\"000102030405060708090a0b0c0d0e0f\")",
            "trace_id.string == \"000102030405060708090a0b0c0d0e0f\"",
            "span_id == SpanID(0x0909090909090909) and span_id != SpanID(0x0000000000000000)",
            "flags == 1 and event_name == \"happened\" and dropped_attributes_count == 0",
            "time_unix_nano == 1500000000123456789",
            "observed_time > time and observed_time - time == Duration(\"1s\")",
        ],
    );
    check(
        "no",
        &[
            "attributes[\"s\"] == 1",
            "attributes[\"s\"] < 1",
            "attributes[\"n\"] == \"3\"",
            "attributes[\"none\"] > 0",
            "attributes[\"none\"] == \"\"",
            "attributes[\"none\"] != nil",
            "attributes[\"l\"] > [1]",
            "trace_id == 0x000102030405060708090a0b0c0d0e0f",
            "attributes[\"b\"] == \"true\"",
        ],
    );
    check(
        "fails",
        &[
            "attributes[\"s\"][\"x\"] == 1",
            "attributes[\"l\"][2] == 1",
            "attributes[\"l\"][\"a\"] == 1",
            "body[\"a\"] == 1",
        ],
    );
}

#[test]
fn conditions_are_joined_and_calculated() {
    check(
        "yes",
        &[
            "true",
            "not false",
            "false or true and true",
            "not (false or false)",
            "not attributes[\"n\"] == 4",
            "(attributes[\"n\"] + 1) * 2 == 8",
            "1 + 2 * 3 == 7",
            "10 / 4 == 2",
            "10 / 4.0 == 2.5",
            "-attributes[\"n\"] == -3",
            "attributes[\"n\"] - 3 == 0",
            "attributes[\"n\"]-3 == 0",
            "(attributes[\"n\"]) == 3",
            "((attributes[\"n\"] == 3))",
            // What decides first is all that is looked at.
            "true or attributes[\"s\"] / 1 == 2",
            "attributes[\"n\"] == 3 or attributes[\"s\"][\"x\"] == 1",
        ],
    );
    check("no", &["false", "false and attributes[\"s\"][\"x\"] == 1", "not true", "1 > 2 or 3 > 4"]);
    check(
        "fails",
        &["attributes[\"n\"] / 0 == 1", "attributes[\"n\"] / 0.0 == 1", "attributes[\"s\"] + 1 == 2"],
    );
}

#[test]
fn functions_return_what_those_of_the_collector_do() {
    check(
        "yes",
        &[
            r#"IsMatch(attributes["s"], "^Some")"#,
            r#"IsMatch(attributes["n"], "^3$")"#,
            r#"IsMatch(attributes["by"], "^01ff$")"#,
            r#"IsMatch(attributes["m"], "\"deep\":\\{\"x\":7\\}")"#,
            r#"IsMatch(pattern = "^S", target = attributes["s"])"#,
            r#"IsString(attributes["s"]) and not IsString(attributes["n"]) and not IsString(attributes["none"])"#,
            r#"IsInt(attributes["n"]) and not IsInt(attributes["d"])"#,
            r#"IsDouble(attributes["d"]) and IsBool(attributes["b"])"#,
            r#"IsMap(attributes["m"]) and IsMap(attributes) and IsList(attributes["l"])"#,
            r#"Concat([attributes["s"], attributes["n"], attributes["none"]], "-") == "Some Text-3-<nil>""#,
            r#"Concat([], "-") == """#,
            r#"Split(attributes["s"], " ") == ["Some", "Text"]"#,
            r#"Split("a,b,", ",") == ["a", "b", ""]"#,
            r#"Split("aé", "") == ["a", "é"]"#,
            r#"Split(attributes["s"], " ")[1] == "Text""#,
            r#"Substring(attributes["s"], 5, 4) == "Text""#,
            r#"Substring("aéb", 2, 2, utf8_safe = true) == "b""#,
            r#"Len(attributes["s"]) == 9 and Len(attributes["l"]) == 2 and Len(attributes["m"]) == 2"#,
            r#"Len("é") == 2 and Len(attributes["by"]) == 2"#,
            r#"Int(attributes["num"]) == 12 and Int(attributes["d"]) == 1 and Int(true) == 1"#,
            r#"Int(attributes["s"]) == nil and Int(attributes["none"]) == nil"#,
            r#"Double(attributes["num"]) == 12.0 and Double(attributes["n"]) == 3"#,
            r#"Bool("T") == true and Bool(attributes["n"]) == true and Bool(0) == false"#,
            r#"String(attributes["n"]) == "3" and String(attributes["d"]) == "1.5""#,
            r#"String(attributes["b"]) == "true" and String(attributes["l"]) == "[\"a\",1]""#,
            r#"ToLowerCase(attributes["s"]) == "some text" and ToUpperCase("é") == "É""#,
            r#"ConvertCase(attributes["s"], "upper") == "SOME TEXT""#,
            r#"Trim("  a b  ") == "a b" and Trim("--a-", "-") == "a""#,
            r#"TrimPrefix("aab", "a") == "ab" and TrimSuffix("aab", "ab") == "a""#,
            r#"HasPrefix(attributes["s"], "Some") and HasSuffix(attributes["s"], "Text")"#,
            r#"ContainsValue(attributes["l"], "a") and ContainsValue(attributes["l"], 1.0)"#,
            r#"not ContainsValue(attributes["l"], "b") and ContainsValue(["x", "y"], "y")"#,
            r#"Index("banana", "na") == 2 and Index(attributes["l"], 1) == 1 and Index("a", "b") == -1"#,
            r#"Keys(attributes["m"]) == ["k", "deep"]"#,
            r#"SHA256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855""#,
            r#"ParseJSON(body)["a"]["b"][2] == "x" and ParseJSON(body)["c"] == true"#,
            r#"ParseJSON(body)["a"]["b"][0] == 1.0 and ParseJSON(body)["a"]["b"][1] == nil"#,
            r#"Milliseconds(Duration("1.5s")) == 1500 and Seconds(Duration("1500ms")) == 1.5"#,
            r#"Minutes(Duration(attributes["dur"])) == 90.0 and Hours(Duration("-1h")) == -1.0"#,
            r#"Nanoseconds(Duration("1us")) == 1000 and Microseconds(Duration("1ms")) == 1000"#,
            r#"UnixSeconds(time) == 1500000000 and UnixMilli(time) == 1500000000123"#,
            r#"UnixNano(Unix(1, 5)) == 1000000005 and UnixMicro(Unix(2)) == 2000000"#,
            r#"MD5("") == "d41d8cd98f00b204e9800998ecf8427e" and FNV("a") == -5808556873153909620"#,
            r#"SHA1("abc") == "a9993e364706816aba3e25717850c26c9cd0d89d""#,
            r#"Year(time) == 2017 and Month(time) == 7 and Day(time) == 14 and Weekday(time) == 5"#,
            r#"Hour(time) == 2 and Minute(time) == 40 and Second(time) == 0 and Nanosecond(time) == 123456789"#,
            r#"FormatTime(time, "%Y-%m-%dT%H:%M:%S.%LZ") == "2017-07-14T02:40:00.123Z""#,
            r#"Time("14/Jul/2017:04:40:00 +0200", "%d/%b/%Y:%H:%M:%S %z") < time"#,
            r#"Hour(Time("2017-07-14T04:40:00+02:00", "%Y-%m-%dT%H:%M:%S%z")) == 4"#,
            r#"TruncateTime(time, Duration("1h")) == Unix(1499997600)"#,
            r#"ExtractPatterns(attributes["s"], "(?P<first>\\w+) (?P<last>\\w+)")["last"] == "Text""#,
            r#"ExtractPatterns(attributes["s"], "(?P<digit>\\d)") == {}"#,
            r#"ParseKeyValue("b=2 a='1 2' b=3") == {"a": "1 2", "b": "3"}"#,
            r#"ParseKeyValue("a:1,b:2", pair_delimiter = ",", delimiter = ":")["b"] == "2""#,
            r#"ToKeyValueString(attributes["m"], sort_output = true) == "deep={\\\"x\\\":7} k=v""#,
            r#"ToKeyValueString({"b": 1, "a": "x y"}, sort_output = true) == "a=\"x y\" b=1""#,
            r#"Hex(attributes["by"]) == "01ff" and Hex(attributes["none"]) == "" and Hex(true) == "01""#,
            r#"Base64Encode("a?>") == "YT8+" and Decode("YT8-", "base64-url") == "a?>""#,
            r#"Decode(attributes["by"], "utf-8") == "\u0001\ufffd""#,
            r#"ParseInt("7f", 16) == 127 and ParseInt("-0b11", 0) == -3"#,
            r#"IsInCIDR("10.1.2.3", ["192.168.0.0/16", "10.0.0.0/8"])"#,
            r#"Sort([3, 1.5, 2], "desc") == [3, 2, 1.5] and Sort(["b", 10, nil]) == [nil, 10, "b"]"#,
            r#"Values(attributes["m"])[0] == "v" and Coalesce([attributes["none"], attributes["n"]]) == 3"#,
            r#"ToSnakeCase("someName") == "some_name" and ConvertCase("some_name", "camel") == "SomeName""#,
        ],
    );
    check(
        "no",
        &[
            r#"IsMatch(attributes["none"], "")"#,
            r#"IsMatch(attributes["s"], "^some$")"#,
            r#"IsList(attributes)"#,
            r#"IsInCIDR("no address", ["0.0.0.0/0"])"#,
        ],
    );
    check(
        "fails",
        &[
            r#"Substring(attributes["s"], 5, 40) == "x""#,
            r#"Split(attributes["n"], " ") == nil"#,
            r#"Len(attributes["n"]) == 1"#,
            r#"Double(attributes["s"]) == 1"#,
            r#"Bool(attributes["s"]) == true"#,
            r#"ParseJSON(attributes["s"]) == nil"#,
            r#"ParseJSON(attributes["num"]) == nil"#,
            r#"Duration(attributes["s"]) == nil"#,
            r#"ContainsValue(attributes["s"], "S")"#,
            r#"TraceID(attributes["s"]) == trace_id"#,
            r#"HasPrefix(attributes["none"], "x")"#,
            r#"MD5(attributes["n"]) == "x""#,
            r#"Hex(attributes["m"]) == "x""#,
            r#"Base64Decode("YQ==YQ==") == "aa""#,
            r#"Base64Decode("//8=") == "x""#,
            r#"Decode(attributes["n"], "base64") == "x""#,
            r#"ParseInt("", 10) == 0"#,
            r#"ParseInt("1", 1) == 1"#,
            r#"ParseKeyValue("") == {}"#,
            r#"ParseKeyValue("a") == {}"#,
            r#"ParseKeyValue("a='1") == {}"#,
            r#"ToKeyValueString(attributes["s"]) == "x""#,
            r#"Sort(attributes["s"]) == []"#,
            r#"Hour(attributes["n"]) == 1"#,
            r#"Time(attributes["s"], "%F") == time"#,
            r#"ExtractPatterns(attributes["n"], "(?P<digit>.)") == {}"#,
        ],
    );
}

#[test]
fn what_a_function_makes_is_bounded() {
    let with = |condition: &str, bytes: usize| {
        let mut sieve = Sieve::new(Signal::Logs, ErrorMode::Silent);
        let (faults, _) = sieve.add(&[condition.to_owned()], Some(Context::Log));
        assert_eq!(faults, []);
        let body = value(Value::StringValue("x".repeat(bytes)));
        let is_cut = sieve.cut(&request(LogRecord { body: Some(body), ..record() })).is_some();
        (is_cut, sieve.failures.count)
    };
    for condition in [
        r#"Len(Hex(body)) > 0"#,
        r#"Len(Base64Encode(body)) > 0"#,
        r#"Len(ExtractPatterns(body, "(?P<a>(?P<b>.*))")) == 2"#,
    ] {
        assert_eq!(with(condition, 1 << 20), (true, 0), "{condition}");
        assert_eq!(with(condition, (2 << 20) + 1), (false, 1), "{condition}");
    }
}

#[test]
fn what_is_wrong_with_a_function_is_told() {
    let told = |conditions: &[&str], expected: Expect| {
        let lines: Vec<_> = conditions.iter().map(|it| format!("{it}\n  {}\n", judged(it))).collect();
        expected.assert_eq(&lines.concat());
    };
    told(
        &[
            r#"Time("May 5", "%b %e") == time"#,
            r#"Time("5", "%d.%Q") == time"#,
            r#"Time("2020", "%Y", "Europe/Nowhere") == time"#,
            r#"Time("2020", "%Y", "europe/berlin") == time"#,
            r#"Time("2020", "%Y", "UTC", "de") == time"#,
            r#"Time("2020", body) == time"#,
            r#"FormatTime(body, 5) == "x""#,
            r#"FormatTime(attributes["n"], "") == "x""#,
            r#"Hour("12:00") == 12"#,
            r#"TruncateTime(time, 5) == time"#,
            r#"ExtractPatterns(body, "(.*)") == {}"#,
            r#"ParseKeyValue(body, "") == {}"#,
            r#"ParseKeyValue(body, " ") == {}"#,
            r#"Decode(body, "base32") == "x""#,
            r#"Base64Encode(body, "hex") == "x""#,
            r#"IsInCIDR("1.2.3.4", ["10.0.0.0/33"])"#,
            r#"IsInCIDR("1.2.3.4", "10.0.0.0/8")"#,
            r#"Sort(attributes["l"], "up") == []"#,
            r#"Coalesce([]) == nil"#,
            r#"ExtractGrokPatterns(body, "%{WORD:x}") == {}"#,
            r#"URL("http://example.com")["url.path"] == "/""#,
            r#"ParseXML(body) == {}"#,
            r#"ParseKeyValues(body) == {}"#,
        ],
        expect![[r#"
            Time("May 5", "%b %e") == time
              at character 15 ("%b %e") == time): the format has no year, and a stage has no clock to take it from; add %Y or %y
            Time("5", "%d.%Q") == time
              at character 11 ("%d.%Q") == time): %Q is no directive of a format, see the page for those that are
            Time("2020", "%Y", "Europe/Nowhere") == time
              at character 20 ("Europe/Nowhere") == time): Europe/Nowhere is no zone, write its name in the time zone database: Europe/Berlin
            Time("2020", "%Y", "europe/berlin") == time
              at character 20 ("europe/berlin") == time): europe/berlin is no zone, write its name in the time zone database: Europe/Berlin
            Time("2020", "%Y", "UTC", "de") == time
              at character 27 ("de") == time): names of months and days are read in English alone, leave locale out
            Time("2020", body) == time
              at character 14 (body) == time): format of Time must be a string that is written out, and this is something else
            FormatTime(body, 5) == "x"
              at character 18 (5) == "x"): format of FormatTime must be a string that is written out, and this is something else
            FormatTime(attributes["n"], "") == "x"
              at character 29 ("") == "x"): a format must not be empty
            Hour("12:00") == 12
              at character 6 ("12:00") == 12): time of Hour must be a time, and this is a string
            TruncateTime(time, 5) == time
              at character 20 (5) == time): duration of TruncateTime must be a duration, and this is an integer
            ExtractPatterns(body, "(.*)") == {}
              at character 23 ("(.*)") == {}): the pattern has no group with a name, write one: (?P<name>…)
            ParseKeyValue(body, "") == {}
              at character 21 ("") == {}): a delimiter must not be empty
            ParseKeyValue(body, " ") == {}
              at character 1 (ParseKeyValue(body, " ") == {}): delimiter and pair_delimiter must not be the same
            Decode(body, "base32") == "x"
              at character 14 ("base32") == "x"): base32 is no encoding that is offered, did you mean base64? write one of base64, base64-raw, base64-raw-url, base64-url, utf-8, us-ascii
            Base64Encode(body, "hex") == "x"
              at character 20 ("hex") == "x"): hex is no encoding that is offered, write one of base64, base64-raw, base64-raw-url, base64-url
            IsInCIDR("1.2.3.4", ["10.0.0.0/33"])
              at character 22 ("10.0.0.0/33"])): a network is written out, like "10.0.0.0/8"
            IsInCIDR("1.2.3.4", "10.0.0.0/8")
              at character 21 ("10.0.0.0/8")): networks of IsInCIDR must be a list that is written out, and this is something else
            Sort(attributes["l"], "up") == []
              at character 23 ("up") == []): up is no order, write one of asc, desc
            Coalesce([]) == nil
              at character 10 ([]) == nil): values of Coalesce must be a list of at least one value, and this is empty
            ExtractGrokPatterns(body, "%{WORD:x}") == {}
              at character 1 (ExtractGrokPatterns(body, "%{W…): ExtractGrokPatterns is a function of the collector that trueline does not have; write the pattern out for ExtractPatterns, with groups that have names: (?P<name>…)
            URL("http://example.com")["url.path"] == "/"
              at character 1 (URL("http://example.com")["url…): URL is a function of the collector that trueline does not have; take the text apart by ExtractPatterns, with groups that have names
            ParseXML(body) == {}
              at character 1 (ParseXML(body) == {}): ParseXML is a function of the collector that trueline does not have
            ParseKeyValues(body) == {}
              at character 1 (ParseKeyValues(body) == {}): ParseKeyValues is no function, did you mean ParseKeyValue? write one of Bool, Concat, ContainsValue, ConvertCase, Double, Duration, HasPrefix, HasSuffix, Hours, Index, Int, IsBool, IsDouble, IsInt, IsList, IsMap, IsMatch, IsString, Keys, Len, Microseconds, Milliseconds, Minutes, Nanoseconds, ParseJSON, Seconds, SpanID, Split, String, Substring, ToLowerCase, ToUpperCase, TraceID, Trim, TrimPrefix, TrimSuffix, Unix, UnixMicro, UnixMilli, UnixNano, UnixSeconds, Base64Decode, Base64Encode, Coalesce, Day, Decode, ExtractPatterns, FNV, FormatTime, Hex, Hour, IsInCIDR, MD5, Minute, Month, Nanosecond, ParseInt, ParseKeyValue, SHA1, SHA256, SHA512, Second, Sort, Time, ToCamelCase, ToKeyValueString, ToSnakeCase, TruncateTime, Values, Weekday, Year
        "#]],
    );
}

#[test]
fn what_is_wrong_with_a_condition_is_told_with_its_place() {
    let told = |conditions: &[&str], expected: Expect| {
        let lines: Vec<_> = conditions.iter().map(|it| format!("{it}\n  {}\n", judged(it))).collect();
        expected.assert_eq(&lines.concat());
    };
    told(
        &[
            "",
            "attributes[\"a\"]",
            "attributes[\"a\"] = 1",
            "attributes[\"a\"] == 'x'",
            "attributes[\"a\"] == \"x",
            "attributes[\"a\"] == \"\\q\"",
            "attributes[\"a\"] == 1 && true",
            "attributes[\"a\"] == 1 true",
            "attributes[\"a\"] == 0x123",
            "attributes[\"a\"] == 99999999999999999999",
            "(attributes[\"a\"] == 1",
            "attributes.a == 1",
            "attributes[0] == 1",
            "attributes[body] == 1",
            "sevrity_number > 1",
            "severity_number[\"a\"] > 1",
            "severity_text.string == \"\"",
            "trace_id.hex == \"\"",
            "span.name == \"x\"",
            "serviceName == \"x\"",
            "severity_number == SEVERITY_NUMBER_EROR",
            "severity_number == STATUS_CODE_ERROR",
            "severity_number == IsMatch",
            "1 == 2 == 3",
            "isMatch(body, \"x\")",
            "IsMatsh(body, \"x\")",
            "IsMatch(body)",
            "IsMatch(body, \"x\", 1)",
            "IsMatch(body, patern = \"x\")",
            "IsMatch(body, \"(\")",
            "IsMatch(body, severity_text)",
            "IsMatch(trace_id, \"x\")",
            "Substring(severity_number, 0, 1) == \"x\"",
            "Concat(body, \"x\") == \"x\"",
            "Concat([1 == 2], \"x\") == \"x\"",
            "Duration(\"soon\") == nil",
            "TraceID(\"12\") == trace_id",
            "ConvertCase(body, \"snake\") == \"x\"",
            "IsRootSpan()",
            "Now() > time",
            "Len(body)",
            "severity_text + 1 == 2",
            "cache[\"a\"] == nil and resource.cache[\"a\"] == nil",
        ],
        expect![[r#"

              at the end: expected a value, found the end
            attributes["a"]
              at character 1 (attributes["a"]): a value alone is no condition, compare it: == true, != nil
            attributes["a"] = 1
              at character 17 (= 1): values are compared by ==
            attributes["a"] == 'x'
              at character 20 ('x'): strings stand in double quotes
            attributes["a"] == "x
              at character 20 ("x): the string has no end, add a double quote
            attributes["a"] == "\q"
              at character 21 (\q"): no such escape; a backslash that shall stay is written \\
            attributes["a"] == 1 && true
              at character 22 (&& true): conditions are joined by the word and
            attributes["a"] == 1 true
              at character 22 (true): expected and, or, a comparison or the end, found true
            attributes["a"] == 0x123
              at character 20 (0x123): bytes have two digits each, add the missing one
            attributes["a"] == 99999999999999999999
              at character 20 (99999999999999999999): the integer exceeds 64 bits
            (attributes["a"] == 1
              at the end: expected a closing parenthesis, found the end
            attributes.a == 1
              at character 12 (a == 1): an entry is reached by its key: attributes["a"]
            attributes[0] == 1
              at character 1 (attributes[0] == 1): the first key of attributes is a string
            attributes[body] == 1
              at character 12 (body] == 1): a key is a string in double quotes or a number; computed keys are not supported
            sevrity_number > 1
              at character 1 (sevrity_number > 1): sevrity_number is no field of log, did you mean severity_number? write one of attributes, body, dropped_attributes_count, event_name, flags, observed_time, observed_time_unix_nano, severity_number, severity_text, span_id, time, time_unix_nano, trace_id
            severity_number["a"] > 1
              at character 1 (severity_number["a"] > 1): severity_number has no such key
            severity_text.string == ""
              at character 15 (string == ""): severity_text of log has nothing below it
            trace_id.hex == ""
              at character 10 (hex == ""): hex is no part of trace_id, write one of string
            span.name == "x"
              at character 1 (span.name == "x"): span can not be reached from the context log
            serviceName == "x"
              at character 1 (serviceName == "x"): names in a path are in small letters; an attribute's name stands in brackets: attributes["serviceName"]
            severity_number == SEVERITY_NUMBER_EROR
              at character 20 (SEVERITY_NUMBER_EROR): SEVERITY_NUMBER_EROR is no name in the context log, did you mean SEVERITY_NUMBER_ERROR? write one of SEVERITY_NUMBER_UNSPECIFIED, SEVERITY_NUMBER_TRACE, SEVERITY_NUMBER_DEBUG, SEVERITY_NUMBER_INFO, SEVERITY_NUMBER_WARN, SEVERITY_NUMBER_ERROR, SEVERITY_NUMBER_FATAL
            severity_number == STATUS_CODE_ERROR
              at character 20 (STATUS_CODE_ERROR): STATUS_CODE_ERROR is no name in the context log, write one of SEVERITY_NUMBER_UNSPECIFIED, SEVERITY_NUMBER_TRACE, SEVERITY_NUMBER_DEBUG, SEVERITY_NUMBER_INFO, SEVERITY_NUMBER_WARN, SEVERITY_NUMBER_ERROR, SEVERITY_NUMBER_FATAL
            severity_number == IsMatch
              at character 20 (IsMatch): IsMatch is a function, give it arguments: IsMatch(…)
            1 == 2 == 3
              at character 11 (3): a comparison is not compared again, join two by and
            isMatch(body, "x")
              at character 1 (isMatch(body, "x")): isMatch is no function that returns a value; those begin with a capital letter
            IsMatsh(body, "x")
              at character 1 (IsMatsh(body, "x")): IsMatsh is no function, did you mean IsMatch? write one of Bool, Concat, ContainsValue, ConvertCase, Double, Duration, HasPrefix, HasSuffix, Hours, Index, Int, IsBool, IsDouble, IsInt, IsList, IsMap, IsMatch, IsString, Keys, Len, Microseconds, Milliseconds, Minutes, Nanoseconds, ParseJSON, Seconds, SpanID, Split, String, Substring, ToLowerCase, ToUpperCase, TraceID, Trim, TrimPrefix, TrimSuffix, Unix, UnixMicro, UnixMilli, UnixNano, UnixSeconds, Base64Decode, Base64Encode, Coalesce, Day, Decode, ExtractPatterns, FNV, FormatTime, Hex, Hour, IsInCIDR, MD5, Minute, Month, Nanosecond, ParseInt, ParseKeyValue, SHA1, SHA256, SHA512, Second, Sort, Time, ToCamelCase, ToKeyValueString, ToSnakeCase, TruncateTime, Values, Weekday, Year
            IsMatch(body)
              at character 1 (IsMatch(body)): pattern is missing: write IsMatch(target, pattern)
            IsMatch(body, "x", 1)
              at character 20 (1)): too many arguments: write IsMatch(target, pattern)
            IsMatch(body, patern = "x")
              at character 24 ("x")): patern is no parameter of IsMatch, did you mean pattern? write one of target, pattern
            IsMatch(body, "(")
              at character 15 ("(")): the pattern "(" is no regular expression: unclosed group
            IsMatch(body, severity_text)
              at character 15 (severity_text)): pattern of IsMatch must be a string that is written out, and this is something else
            IsMatch(trace_id, "x")
              at character 9 (trace_id, "x")): IsMatch takes text and this is a trace id, add .string to the path
            Substring(severity_number, 0, 1) == "x"
              at character 11 (severity_number, 0, 1) == "x"): target of Substring must be a string, and this is an integer
            Concat(body, "x") == "x"
              at character 8 (body, "x") == "x"): vals of Concat is a list: Concat([one, other], " ")
            Concat([1 == 2], "x") == "x"
              at character 11 (== 2], "x") == "x"): expected a comma or the closing bracket, found ==
            Duration("soon") == nil
              at character 10 ("soon") == nil): a duration is written like 1h30m, 1.5s or 300ms
            TraceID("12") == trace_id
              at character 1 (TraceID("12") == trace_id): target of TraceID must be 16 bytes, or 32 hexadecimal digits, and this is neither
            ConvertCase(body, "snake") == "x"
              no
            IsRootSpan()
              at character 1 (IsRootSpan()): IsRootSpan does not exist in the context log here
            Now() > time
              at character 1 (Now() > time): Now is not supported: a stage has no clock, so that the same telemetry gives the same output whenever it comes
            Len(body)
              at character 1 (Len(body)): Len returns an integer, which is no condition; compare it
            severity_text + 1 == 2
              at character 1 (severity_text + 1 == 2): one calculates with numbers, times and durations; this is a string
            cache["a"] == nil and resource.cache["a"] == nil
              at character 32 (cache["a"] == nil): each context has its own cache, write log.cache
        "#]],
    );
    let deep = format!("{}true{}", "(".repeat(100), ")".repeat(100));
    assert!(judged(&deep).contains("nested deeper than 40"), "{}", judged(&deep));
    assert!(judged(&"x".repeat(100_000)).contains("longer than 64 KiB"));
}

#[test]
fn comparisons_that_never_hold_are_doubted() {
    let doubts = |text: &str| {
        Sieve::new(Signal::Logs, ErrorMode::Ignore).add(&[text.to_owned()], Some(Context::Log)).1
    };
    assert_eq!(doubts("severity_number == \"ERROR\"").len(), 1);
    assert_eq!(doubts("trace_id == 0x01").len(), 1);
    for sound in ["severity_number > 1.5", "attributes[\"a\"] == 1", "severity_text == nil", "body == true"] {
        assert!(doubts(sound).is_empty(), "{sound}");
    }
}

#[test]
fn contexts_are_inferred_from_paths_functions_and_names() {
    let context = |signal: Signal, statements: &[&str]| {
        let statements: Vec<_> = statements.iter().map(|text| (*text).to_owned()).collect();
        let (group, faults, _) = Group::new(signal, None, &[], &statements, ErrorMode::Ignore);
        match faults.statements.into_iter().next() {
            Some((_, fault)) => fault,
            None => group.expect("a group without faults").context().name().to_owned(),
        }
    };
    let set = "set(resource.attributes[\"a\"], \"b\")";
    assert_eq!(context(Signal::Traces, &[set]), "resource");
    assert_eq!(context(Signal::Traces, &[set, "set(span.name, \"x\")"]), "span");
    assert_eq!(context(Signal::Traces, &["set(span.name, spanevent.name)"]), "spanevent");
    assert_eq!(context(Signal::Traces, &["set(resource.attributes[\"a\"], 1) where IsRootSpan()"]), "span");
    assert_eq!(
        context(Signal::Metrics, &["set(metric.description, \"x\") where datapoint.attributes[\"a\"] == 1"]),
        "datapoint"
    );
    assert_eq!(
        context(Signal::Metrics, &["set(scope.name, \"x\") where metric.type == METRIC_DATA_TYPE_SUM"]),
        "metric"
    );
    let fault = context(Signal::Traces, &["set(attributes[\"a\"], 1)"]);
    assert!(fault.contains("resource.attributes, scope.attributes, span.attributes"), "{fault}");
    let fault = context(Signal::Traces, &["set(attribute[\"a\"], 1)"]);
    assert!(fault.contains("attribute is no field of traces, did you mean attributes?"), "{fault}");
    assert!(!fault.contains("span.attribute,"), "{fault}");
    let fault = context(Signal::Logs, &["set(body, 1)"]);
    assert!(fault.ends_with("say of what body is: write one of log.body"), "{fault}");
    let fault = context(Signal::Traces, &["delete_kye(attributes, \"x\")"]);
    assert!(fault.contains("delete_kye is no editor, did you mean delete_key?"), "{fault}");
    let fault = context(Signal::Traces, &["set(log.body, 1)"]);
    assert!(fault.contains("log is nothing of traces"), "{fault}");
}

/// What statements leave of the record, its scope and its resource.
fn edited(statements: &[&str]) -> ExportLogsServiceRequest {
    let statements: Vec<_> = statements.iter().map(|text| (*text).to_owned()).collect();
    let (group, faults, _) =
        Group::new(Signal::Logs, Some(Context::Log), &[], &statements, ErrorMode::Silent);
    assert!(faults.statements.is_empty(), "{:?}", faults.statements);
    let request = request(record());
    let out = group.expect("the statements are sound").run(&request).unwrap_or(request);
    wire::check_logs(&out).expect("what comes out is sound");
    ExportLogsServiceRequest::decode(&out[..]).unwrap()
}

fn edited_record(statements: &[&str]) -> LogRecord {
    edited(statements).resource_logs.remove(0).scope_logs.remove(0).log_records.remove(0)
}

/// Checks what statements leave of the record's attributes, other than that they had before.
fn changed(statements: &[&str]) -> Vec<String> {
    let before = record().attributes;
    let after = edited_record(statements).attributes;
    let show = |attribute: &KeyValue| {
        let body = attribute.value.clone().unwrap_or_default().encode_to_vec();
        let json = wire::view::AnyValue::of(&body).to_label_string();
        format!("{}={json}", attribute.key)
    };
    let gone = before
        .iter()
        .filter(|old| after.iter().all(|new| new.key != old.key))
        .map(|old| format!("-{}", old.key));
    let new = after.iter().filter(|new| !before.contains(new)).map(show);
    gone.chain(new).collect()
}

#[test]
fn editors_change_what_those_of_the_collector_do() {
    let check =
        |statement: &str, expected: &[&str]| assert_eq!(changed(&[statement]), expected, "{statement}");
    check(r#"set(attributes["new"], "x")"#, &["new=x"]);
    check(r#"set(attributes["n"], attributes["d"])"#, &["n=1.5"]);
    check(r#"set(attributes["new"], attributes["none"])"#, &[]);
    check(r#"set(attributes["new"], nil)"#, &[]);
    check(r#"set(attributes["new"], severity_number)"#, &["new=17"]);
    check(r#"set(attributes["new"], resource.attributes["zone"]) where body == "other""#, &[]);
    check(r#"set(attributes["m"]["k"], 2)"#, &[r#"m={"deep":{"x":7},"k":2}"#]);
    check(r#"set(attributes["m"]["deep"]["y"], true)"#, &[r#"m={"deep":{"x":7,"y":true},"k":"v"}"#]);
    check(r#"set(attributes["l"][0], "z")"#, &[r#"l=["z",1]"#]);
    check(r#"set(attributes["l"][5], "z")"#, &[]);
    check(r#"set(attributes["s"]["x"], 1)"#, &[]);
    check(r#"set(attributes["new"]["a"][1], 1)"#, &[r#"new={"a":[null,1]}"#]);
    check(r#"set(attributes["new"], {"a": [1, "b"], "c": nil})"#, &[r#"new={"a":[1,"b"],"c":null}"#]);
    check(r#"delete_key(attributes, "s")"#, &["-s"]);
    check(r#"delete_key(attributes, "none")"#, &[]);
    check(r#"delete_key(attributes["m"], "deep")"#, &[r#"m={"k":"v"}"#]);
    check(r#"delete_key(attributes["s"], "deep")"#, &[]);
    check(r#"delete_matching_keys(attributes, "^(s|n.*|d)$")"#, &["-s", "-n", "-d", "-num"]);
    check(
        r#"keep_keys(attributes, ["s", "n", "none"])"#,
        &["-d", "-b", "-by", "-l", "-m", "-e", "-dur", "-num"],
    );
    check(r#"keep_matching_keys(attributes, "^.$")"#, &["-by", "-dur", "-num"]);
    check(r#"limit(attributes, 3, ["num"])"#, &["-d", "-b", "-by", "-l", "-m", "-e", "-dur"]);
    check("limit(attributes, 100, [])", &[]);
    check("truncate_all(attributes, 4)", &["s=Some", "dur=1h30"]);
    check(r#"replace_pattern(attributes["s"], "(\\w+) (\\w+)", "$2 ${1}!")"#, &["s=Text Some!"]);
    check(r#"replace_pattern(attributes["s"], "q", "y")"#, &[]);
    check(r#"replace_pattern(attributes["n"], "3", "y")"#, &[]);
    check(r#"replace_pattern(attributes["s"], "e", "$$")"#, &["s=Som$ T$xt"]);
    check(r#"replace_pattern(attributes["s"], "(Some) .*", "$1", ToUpperCase, "<%s>")"#, &["s=<SOME>"]);
    check(
        r#"replace_pattern(attributes["s"], "Some", "$0", function = SHA256)"#,
        &["s=dadbbb9327c711e4b626f7820fb299871d23d6020683bbd1e08d37e0246c7e90 Text"],
    );
    check(r#"replace_all_patterns(attributes, "value", "[oe]", "_")"#, &["s=S_m_ T_xt"]);
    check(
        r#"replace_all_patterns(attributes, "key", "^(n|d)", "x.$1")"#,
        &["-n", "-d", "-dur", "-num", "x.n=3", "x.d=1.5", "x.dur=1h30m", "x.num=12"],
    );
    check(r#"replace_match(attributes["s"], "Some*", "all")"#, &["s=all"]);
    check(r#"replace_match(attributes["s"], "Text", "all")"#, &[]);
    check(r#"replace_all_matches(attributes, "1*", "one")"#, &["dur=one", "num=one"]);
    check(r#"merge_maps(attributes, {"s": "x", "new": 1}, "insert")"#, &["new=1"]);
    check(r#"merge_maps(attributes, {"s": "x", "new": 1}, "update")"#, &["s=x"]);
    check(r#"merge_maps(attributes, ParseJSON("{\"s\": \"x\", \"new\": 1}"), "upsert")"#, &["s=x", "new=1"]);
    check("flatten(attributes)", &["-l", "-m", "l.0=a", "l.1=1", "m.k=v", "m.deep.x=7"]);
    check("flatten(attributes, depth = 1)", &["-l", "-m", "l.0=a", "l.1=1", "m.k=v", r#"m.deep={"x":7}"#]);
    check(r#"flatten(attributes["m"], "p")"#, &[r#"m={"p.deep.x":7,"p.k":"v"}"#]);
    check(r#"append(attributes["l"], 2)"#, &[r#"l=["a",1,2]"#]);
    check(r#"append(attributes["s"], values = ["x", 1])"#, &[r#"s=["Some Text","x",1]"#]);
    check(r#"append(attributes["new"], "x")"#, &[r#"new=["x"]"#]);
}

#[test]
fn fields_are_written_and_read_again_by_the_next_statement() {
    let record = edited_record(&[
        "set(severity_number, SEVERITY_NUMBER_WARN)",
        "set(severity_text, Concat([severity_text, \"ish\"], \"\"))",
        "set(severity_text, ToLowerCase(severity_text))",
        "set(time_unix_nano, 5)",
        "set(observed_time, time)",
        "set(trace_id, TraceID(0x0f0e0d0c0b0a09080706050403020100))",
        "set(span_id.string, \"0102030405060708\")",
        "set(flags, 257)",
        "set(event_name, \"x\")",
        "set(body, ParseJSON(body))",
        "set(body[\"c\"], attributes[\"s\"])",
    ]);
    assert_eq!((record.severity_number, record.severity_text.as_str()), (13, "errorish"));
    assert_eq!((record.time_unix_nano, record.observed_time_unix_nano), (5, 5));
    assert_eq!(record.trace_id, (0..16).rev().collect::<Vec<u8>>());
    assert_eq!(record.span_id, (1..9).collect::<Vec<u8>>());
    assert_eq!((record.flags, record.event_name.as_str()), (257, "x"));
    let body = record.body.unwrap_or_default().encode_to_vec();
    let body = wire::view::AnyValue::of(&body).to_label_string();
    assert_eq!(body, r#"{"a":{"b":[1,null,"x"]},"c":"Some Text"}"#);
    let cached = changed(&[
        "merge_maps(cache, ParseJSON(body), \"upsert\") where IsMatch(body, \"^\\\\{\")",
        "set(attributes[\"c\"], cache[\"c\"])",
        "set(attributes[\"none\"], cache[\"none\"])",
    ]);
    assert_eq!(cached, ["c=true"]);
}

#[test]
fn what_an_item_stands_in_is_changed_too() {
    let edited = edited(&[
        "set(resource.attributes[\"zone\"], \"b\")",
        "set(scope.name, resource.attributes[\"zone\"])",
        "set(resource.schema_url, \"new\")",
        "keep_keys(scope.attributes, [])",
        "set(attributes, {\"only\": 1})",
    ]);
    let group = &edited.resource_logs[0];
    let zone = &group.resource.as_ref().unwrap().attributes[1];
    assert_eq!(crate::testing::value_text(zone), "b");
    assert_eq!(group.schema_url, "new");
    let scope_group = &group.scope_logs[0];
    let scope = scope_group.scope.as_ref().unwrap();
    assert_eq!((scope.name.as_str(), scope.attributes.len()), ("b", 0));
    assert_eq!(scope_group.schema_url, "of scope");
    assert_eq!(scope_group.log_records[0].attributes, [attribute("only", Value::IntValue(1))]);
}

#[test]
fn what_is_wrong_with_a_statement_is_told_with_its_place() {
    let statements = [
        "",
        "Set(attributes[\"a\"], 1)",
        "attributes[\"a\"]",
        "sett(attributes[\"a\"], 1)",
        "set(attributes[\"a\"])",
        "set(\"a\", 1)",
        "set(attributes, 1)",
        "set(severity_number, \"x\")",
        "set(attributes[\"a\"], time)",
        "set(attributes[\"a\"], 1) where",
        "set(attributes[\"a\"], 1) where attributes[\"b\"]",
        "set(attributes[\"a\"], 1) if true",
        "delete_key(severity_text, \"a\")",
        "keep_keys(attributes, \"a\")",
        "limit(attributes, -1, [])",
        "limit(attributes, 1, [\"a\", \"b\"])",
        "merge_maps(attributes, body, \"both\")",
        "replace_all_patterns(attributes, \"values\", \"a\", \"b\")",
        "replace_pattern(attributes[\"a\"], \"(\", \"b\")",
        "replace_pattern(attributes[\"a\"], \"a\", \"b\", MD5)",
        "flatten(attributes, \"\", 0)",
    ];
    let told = |statement: &&str| {
        let statements = [(*statement).to_owned()];
        let (_, faults, _) =
            Group::new(Signal::Logs, Some(Context::Log), &[], &statements, ErrorMode::Silent);
        let faults: Vec<_> = faults.statements.into_iter().map(|(_, fault)| format!("  {fault}\n")).collect();
        format!("{statement}\n{}", faults.concat())
    };
    expect![[r#"

          at the end: a statement begins with an editor, such as set(…)
        Set(attributes["a"], 1)
          at character 1 (Set(attributes["a"], 1)): Set returns a value and changes nothing, hand it to an editor such as set(…)
        attributes["a"]
          at character 1 (attributes["a"]): a statement begins with an editor and its arguments, such as set(…)
        sett(attributes["a"], 1)
          at character 1 (sett(attributes["a"], 1)): sett is no editor, did you mean set? write one of append, delete_key, delete_matching_keys, flatten, keep_keys, keep_matching_keys, limit, merge_maps, replace_all_matches, replace_all_patterns, replace_match, replace_pattern, set, truncate_all
        set(attributes["a"])
          at character 1 (set(attributes["a"])): value is missing: write set(target, value)
        set("a", 1)
          at character 5 ("a", 1)): target of set must be a path, such as attributes["key"], and this is something else
        set(attributes, 1)
          at character 17 (1)): the field takes a map, and this is an integer
        set(severity_number, "x")
          at character 22 ("x")): the field takes an integer, and this is a string
        set(attributes["a"], time)
          at character 22 (time)): a time is no value of an attribute; make text or a number of it
        set(attributes["a"], 1) where
          at the end: expected a value, found the end
        set(attributes["a"], 1) where attributes["b"]
          at character 31 (attributes["b"]): a value alone is no condition, compare it: == true, != nil
        set(attributes["a"], 1) if true
          at character 25 (if true): expected and, or, a comparison or the end, found if
        delete_key(severity_text, "a")
          at character 12 (severity_text, "a")): target must be a map, such as attributes, and this is a string
        keep_keys(attributes, "a")
          at character 23 ("a")): keys of keep_keys is a list: ["one", "other"]
        limit(attributes, -1, [])
          at character 19 (-1, [])): the limit is -1, must not be below 0
        limit(attributes, 1, ["a", "b"])
          at character 19 (1, ["a", "b"])): limit is 1, must be at least the number of priority keys
        merge_maps(attributes, body, "both")
          at character 30 ("both")): both is no strategy, write one of insert, update, upsert
        replace_all_patterns(attributes, "values", "a", "b")
          at character 34 ("values", "a", "b")): values is no mode, did you mean value? write one of key, value
        replace_pattern(attributes["a"], "(", "b")
          at character 34 ("(", "b")): the pattern "(" is no regular expression: unclosed group
        replace_pattern(attributes["a"], "a", "b", MD5)
        flatten(attributes, "", 0)
          at character 25 (0)): depth of flatten must be above 0
    "#]].assert_eq(&statements.iter().map(told).collect::<String>());
}

/// Parts of conditions, put together at random.
const PARTS: [&str; 36] = [
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ".",
    ":",
    "=",
    "==",
    "!=",
    "<",
    "+",
    "-",
    "*",
    "/",
    "\"a\"",
    "\"",
    "\\",
    "0x1f",
    "1",
    "1.5e3",
    "nil",
    "true",
    "not",
    "and",
    "or",
    "where",
    "attributes",
    "span.name",
    "IsMatch",
    "set",
    "SPAN_KIND_SERVER",
    "é",
    " ",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_text_breaks_the_parser(text in ".{0,60}", parts in proptest::collection::vec(0..PARTS.len(), 0..40)) {
        let put_together: String = parts.into_iter().map(|part| PARTS[part]).collect();
        for text in [text, put_together] {
            for read in [syntax::condition(&text).map(drop), syntax::statement(&text).map(drop)] {
                if let Err(fault) = read {
                    prop_assert!(!fault.told(&text).is_empty());
                }
            }
            for signal in Signal::ALL {
                let mut sieve = Sieve::new(signal, ErrorMode::Silent);
                sieve.add(std::slice::from_ref(&text), None);
                sieve.add(std::slice::from_ref(&text), Some(Context::Resource));
                Group::new(signal, None, &[], std::slice::from_ref(&text), ErrorMode::Silent);
            }
        }
    }

    #[test]
    fn no_bytes_break_what_is_run(bytes in proptest::collection::vec(any::<u8>(), 0..200), at: prop::sample::Index) {
        let mut damaged = request(record());
        let at = at.index(damaged.len());
        damaged.truncate(at);
        damaged.extend_from_slice(&bytes);
        for request in [&bytes, &damaged] {
            for (signal, context) in [
                (Signal::Logs, Context::Log),
                (Signal::Traces, Context::SpanEvent),
                (Signal::Metrics, Context::DataPoint),
            ] {
                let mut sieve = Sieve::new(signal, ErrorMode::Silent);
                sieve.add(&["attributes[\"s\"] == \"x\" or time > Unix(1)".to_owned()], Some(context));
                sieve.cut(request);
                let statements = [
                    "set(attributes[\"x\"], 1)".to_owned(),
                    "flatten(attributes)".to_owned(),
                    "set(resource.attributes[\"x\"], scope.name)".to_owned(),
                ];
                let (group, ..) = Group::new(signal, Some(context), &[], &statements, ErrorMode::Silent);
                group.expect("the statements are sound").run(request);
            }
        }
    }
}
