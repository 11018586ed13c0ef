use proptest::prelude::*;

use super::*;

/// Entries as lines, or what is wrong.
fn read(text: &[u8], dialect: Dialect) -> Result<Vec<String>, String> {
    let parser = Parser::new(text, dialect).map_err(|malformed| malformed.to_string())?;
    let mut lines = Vec::new();
    for entry in parser {
        lines.push(match entry.map_err(|malformed| malformed.to_string())? {
            Entry::Type(name, kind) => format!("TYPE {name} {}", kind.name()),
            Entry::Help(name, help) => format!("HELP {name} {help:?}"),
            Entry::Unit(name, unit) => format!("UNIT {name} {unit:?}"),
            Entry::Sample(sample) => {
                let mut line = told(sample.series)?;
                line += &format!(" = {}", sample.value);
                if let Some(timestamp) = sample.timestamp {
                    line += &format!(" at {timestamp}");
                }
                if let Some(exemplar) = sample.exemplar {
                    line += &format!(" e.g. {} = {}", told(exemplar.labels)?, exemplar.value);
                    line += &exemplar.timestamp.map(|at| format!(" at {at}")).unwrap_or_default();
                }
                line
            }
        });
    }
    Ok(lines)
}

fn told(series: &str) -> Result<String, String> {
    let mut labels = Vec::new();
    labels_of(series, |name, value| labels.push(format!("{name}={value:?}"))).map_err(str::to_owned)?;
    Ok(labels.join(" "))
}

fn text(text: &str) -> Vec<String> {
    read(text.as_bytes(), Dialect::Text).unwrap()
}

fn open(text: &str) -> Vec<String> {
    read(text.as_bytes(), Dialect::OpenMetrics).unwrap()
}

#[test]
fn the_text_format_is_read() {
    let page = "
# HELP go_gc_duration_seconds A \\\\ of \"pauses\",\\nin seconds.
# TYPE go_gc_duration_seconds summary
go_gc_duration_seconds{quantile=\"0\"} 4.9351e-05
go_gc_duration_seconds_sum 1.7560473e+07
  # a remark with \" a quote
\t# TYPEless
http_requests_total { method = \"post\" , code=\"200\", } 1027\t1395066363000
no_labels -Inf -7
rpc:rate5m{path=\"C:\\\\DIR\\\\FILE.TXT\",error=\"not \\\"found\\\"\\n\\t\",text=\"a\nb}\"} NaN
# TYPE untyped_thing untyped
untyped_thing{} +Inf
last 1";
    assert_eq!(
        text(page),
        [
            "HELP go_gc_duration_seconds \"A \\\\ of \\\"pauses\\\",\\nin seconds.\"",
            "TYPE go_gc_duration_seconds summary",
            "__name__=\"go_gc_duration_seconds\" quantile=\"0\" = 0.000049351",
            "__name__=\"go_gc_duration_seconds_sum\" = 17560473",
            "__name__=\"http_requests_total\" method=\"post\" code=\"200\" = 1027 at 1395066363000",
            "__name__=\"no_labels\" = -inf at -7",
            "__name__=\"rpc:rate5m\" path=\"C:\\\\DIR\\\\FILE.TXT\" error=\"not \\\"found\\\"\\n\\\\t\" text=\"a\\nb}\" = NaN",
            "TYPE untyped_thing unknown",
            "__name__=\"untyped_thing\" = inf",
            "__name__=\"last\" = 1",
        ]
    );
}

#[test]
fn names_of_any_characters_stand_in_quotes() {
    let page = "# TYPE \"http.server.duration\" gauge\n# HELP \"größe \\\"x\\\"\" of it\n{\"http.server.duration\", \"a.b\"=\"c\"} 1\n{\"größe \\\"x\\\"\"} 2\n{\"only.a.name\"} 3\n";
    assert_eq!(
        text(page),
        [
            "TYPE http.server.duration gauge",
            "HELP größe \"x\" \"of it\"",
            "__name__=\"http.server.duration\" a.b=\"c\" = 1",
            "__name__=\"größe \"x\"\" = 2".replace("größe \"x\"\"", "größe \\\"x\\\"\"").as_str(),
            "__name__=\"only.a.name\" = 3",
        ]
    );
}

#[test]
fn openmetrics_is_read_with_units_exemplars_and_seconds() {
    let page = "# TYPE latency_seconds histogram
# UNIT latency_seconds seconds
# HELP latency_seconds Says \\\"how long\\\".
latency_seconds_bucket{le=\"0.1\"} 8 # {} 0.054
latency_seconds_bucket{le=\"+Inf\"} 17 1520879607.789 # {trace_id=\"KOO5S4vxi0o\",x=\"}\"} 9.8 1520879607.123
latency_seconds_count 17
# TYPE build info
build_info{version=\"1\"} 1
# TYPE state stateset
state{state=\"on\"} 1
# TYPE size gaugehistogram
size_bucket{le=\"1\"} 2
# TYPE what unknown
what 3
# EOF";
    assert_eq!(
        open(page),
        [
            "TYPE latency_seconds histogram",
            "UNIT latency_seconds \"seconds\"",
            "HELP latency_seconds \"Says \\\"how long\\\".\"",
            "__name__=\"latency_seconds_bucket\" le=\"0.1\" = 8 e.g.  = 0.054",
            "__name__=\"latency_seconds_bucket\" le=\"+Inf\" = 17 at 1520879607789 e.g. trace_id=\"KOO5S4vxi0o\" x=\"}\" = 9.8 at 1520879607123",
            "__name__=\"latency_seconds_count\" = 17",
            "TYPE build info",
            "__name__=\"build_info\" version=\"1\" = 1",
            "TYPE state stateset",
            "__name__=\"state\" state=\"on\" = 1",
            "TYPE size gaugehistogram",
            "__name__=\"size_bucket\" le=\"1\" = 2",
            "TYPE what unknown",
            "__name__=\"what\" = 3",
        ]
    );
    assert_eq!(open("# EOF\n"), [""; 0]);
}

#[test]
fn what_is_not_right_says_in_which_line_and_why() {
    for (page, problem) in [
        ("a 1\nb", "line 2: a value is no number"),
        ("a one\n", "line 1: a value is no number"),
        ("a 0x1p4\n", "line 1: a value is no number"),
        ("a{b=\"c\"\n", "line 1: labels do not end"),
        ("a{b=\"c} 1\n", "line 1: a text in quotes does not end"),
        ("a 1 1.5\n", "line 1: a timestamp is no time"),
        ("a 1 2 3\n", "line 1: something follows a sample"),
        ("a 1 # {} 1\n", "line 1: something follows a sample"),
        ("1a 1\n", "line 1: the name of a metric is missing"),
        ("# TYPE a b\n", "line 1: there is no such type of metric"),
        ("# TYPE a info\n", "line 1: there is no such type of metric"),
        ("# TYPE\n", "line 1: the name of a metric is missing"),
        ("a-b 1\n", "line 1: a value is no number"),
        ("a 1\r\n", "line 1: a value is no number"),
        ("a{b} 1\n", "a label has no value"),
        ("a{=\"c\"} 1\n", "the name of a label is missing"),
        ("a{b=\"c\" d=\"e\"} 1\n", "a comma is missing between labels"),
        ("a{,} 1\n", "a label has no value"),
        ("a{b=c} 1\n", "a quote is missing"),
        ("{\"a\",\"b\"} 1\n", "a label has no value"),
    ] {
        assert_eq!(read(page.as_bytes(), Dialect::Text).unwrap_err(), problem, "{page:?}");
    }
    for (page, problem) in [
        ("a 1\n", "line 1: `# EOF` is missing at the end"),
        ("", "line 0: `# EOF` is missing at the end"),
        ("# EOF\na 1\n", "line 2: something follows `# EOF`"),
        ("\n# EOF\n", "line 1: a line is empty"),
        ("# remark\n# EOF\n", "line 1: a comment is neither TYPE, HELP, UNIT nor EOF"),
        ("# TYPE a untyped\n# EOF\n", "line 1: there is no such type of metric"),
        ("# UNIT a_bytes seconds\n# EOF\n", "line 1: a unit is not the end of its metric's name"),
        ("# EOF x\n", "line 1: `# EOF` goes on"),
        ("a 1 1e300\n# EOF\n", "line 1: a timestamp is no time"),
        ("a 1 # 1\n# EOF\n", "line 1: an exemplar has no labels"),
    ] {
        assert_eq!(read(page.as_bytes(), Dialect::OpenMetrics).unwrap_err(), problem, "{page:?}");
    }
    assert_eq!(
        read(b"a 1\n\xff 1\n", Dialect::Text).unwrap_err(),
        "line 2: it holds bytes that are no UTF-8"
    );
}

#[test]
fn the_content_type_names_the_format() {
    assert_eq!(Dialect::of("text/plain; version=0.0.4; charset=utf-8"), Some(Dialect::Text));
    assert_eq!(Dialect::of("Text/Plain"), Some(Dialect::Text));
    assert_eq!(Dialect::of("application/openmetrics-text; version=1.0.0"), Some(Dialect::OpenMetrics));
    assert_eq!(Dialect::of("text/html"), None);
    assert_eq!(Dialect::of(""), None);
}

/// A label's value as the text format escapes it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_again(
        name in "[a-zA-Z_:][a-zA-Z0-9_:]{0,9}",
        labels in prop::collection::btree_map("[a-zA-Z_][a-zA-Z0-9_]{0,9}", any::<String>(), 0..4),
        value in any::<f64>(),
        at in any::<Option<i64>>(),
    ) {
        let pairs: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let time = at.map(|at| format!(" {at}")).unwrap_or_default();
        let line = format!("{name}{{{}}} {value:?}{time}\n", pairs.join(","));
        let mut all = Parser::new(line.as_bytes(), Dialect::Text).unwrap();
        let Some(Ok(Entry::Sample(sample))) = all.next() else { panic!("{line}") };
        prop_assert!(sample.value == value || (sample.value.is_nan() && value.is_nan()));
        prop_assert_eq!(sample.timestamp, at);
        let mut read = Vec::new();
        labels_of(sample.series, |name, value| read.push((name.to_owned(), value.to_owned()))).unwrap();
        let mut expected = vec![("__name__".to_owned(), name)];
        expected.extend(labels);
        prop_assert_eq!(read, expected);
        prop_assert!(all.next().is_none());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for dialect in [Dialect::Text, Dialect::OpenMetrics] {
            let _read = read(&bytes, dialect);
        }
    }

    #[test]
    fn no_text_of_its_own_characters_makes_it_panic(text in "([a\"\\\\{}=, \n#1é]|# EOF\n|# TYPE |# HELP |# UNIT ){0,60}") {
        for dialect in [Dialect::Text, Dialect::OpenMetrics] {
            let _read = read(text.as_bytes(), dialect);
        }
    }
}
