use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde::Deserialize;

use crate::{
    ByteSize, Duration, Either, Environment, MapEnvironment, Node, Problems, Secret, Section, Source, decode,
    expand, parse, render,
};

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Settings {
    endpoint: String,
    port: u16,
    ratio: f64,
    verbose: bool,
    timeout: Duration,
    max_size: ByteSize,
    names: Vec<String>,
    headers: BTreeMap<String, Secret>,
    level: Level,
    protocols: Protocols,
    queue: Section<Queue>,
    routes: Vec<Route>,
    limit: Option<u32>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    #[default]
    Normal,
    Detailed,
    Only(Queue),
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Protocols {
    grpc: Section<Server>,
    http: Section<Server>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(default)]
struct Server {
    endpoint: String,
    max_streams: u32,
}

impl Default for Server {
    fn default() -> Self {
        Self { endpoint: "localhost:4317".to_owned(), max_streams: 100 }
    }
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Queue {
    size: u64,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Route {
    to: String,
    #[serde(default)]
    weight: i8,
}

fn tree(yaml: &str, environment: &dyn Environment) -> Node {
    let node = parse(&Source::new("t.yaml", yaml)).unwrap();
    expand(node, environment, &mut Problems::default())
}

fn read(yaml: &str) -> (Option<Settings>, Problems) {
    let environment = MapEnvironment::default()
        .with_variable("PORT", "4317")
        .with_variable("CODE", "007")
        .with_variable("FLAG", "true")
        .with_variable("EMPTY", "");
    let mut problems = Problems::default();
    let settings = decode(&tree(yaml, &environment), "exporters::x", &mut problems);
    (settings, problems)
}

fn good(yaml: &str) -> Settings {
    let (settings, problems) = read(yaml);
    assert_eq!(render(&problems.sorted()), "");
    settings.unwrap()
}

fn check(yaml: &str, expected: Expect) {
    let (_, problems) = read(yaml);
    expected.assert_eq(&render(&problems.sorted()));
}

#[test]
fn every_mistake_is_told_at_once_and_the_rest_is_kept() {
    let yaml = "\
endpont: a
port: 70000
ratio: high
verbose: \"true\"
timeout: 5
max_size: 4 loaves
names: [a, 7]
level: detaled
protocols: {grpc: {endpoint: 4317, max_stream: 5}, htpp: }
queue: 9
routes: [{to: a}, {weight: 5}, {to: b, weight: 300}]
limit: 12
";
    check(
        yaml,
        expect![[r#"
        error: exporters::x: unknown key `endpont`
         --> t.yaml:1:1
          |
        1 | endpont: a
          | ^^^^^^^
          |
          = help: did you mean `endpoint`? valid keys: `endpoint`, `port`, `ratio`, `verbose`, `timeout`, `max_size`, `names`, `headers`, `level`, `protocols`, `queue`, `routes`, `limit`

        error: exporters::x::port: 70000 is out of range, expected an integer from 0 to 65535
         --> t.yaml:2:7
          |
        2 | port: 70000
          |       ^^^^^

        error: exporters::x::ratio: expected a number, found the string "high"
         --> t.yaml:3:8
          |
        3 | ratio: high
          |        ^^^^

        error: exporters::x::verbose: expected true or false, found the string "true"
         --> t.yaml:4:10
          |
        4 | verbose: "true"
          |          ^^^^^^
          |
          = help: write true without quotes

        error: exporters::x::timeout: `5` has no unit
         --> t.yaml:5:10
          |
        5 | timeout: 5
          |          ^
          |
          = help: write `5s` for seconds

        error: exporters::x::max_size: `4 loaves` is not a size such as `4MiB`, or a number of bytes
         --> t.yaml:6:11
          |
        6 | max_size: 4 loaves
          |           ^^^^^^^^

        error: exporters::x::names::1: expected a string, found the number 7
         --> t.yaml:7:12
          |
        7 | names: [a, 7]
          |            ^
          |
          = help: write "7" in quotes

        error: exporters::x::level: unknown value `detaled`
         --> t.yaml:8:8
          |
        8 | level: detaled
          |        ^^^^^^^
          |
          = help: did you mean `detailed`? valid values: `normal`, `detailed`, `only`

        error: exporters::x::protocols::grpc::endpoint: expected a string, found the number 4317
         --> t.yaml:9:30
          |
        9 | protocols: {grpc: {endpoint: 4317, max_stream: 5}, htpp: }
          |                              ^^^^
          |
          = help: write "4317" in quotes

        error: exporters::x::protocols::grpc: unknown key `max_stream`
         --> t.yaml:9:36
          |
        9 | protocols: {grpc: {endpoint: 4317, max_stream: 5}, htpp: }
          |                                    ^^^^^^^^^^
          |
          = help: did you mean `max_streams`? valid keys: `endpoint`, `max_streams`

        error: exporters::x::protocols: unknown key `htpp`
         --> t.yaml:9:52
          |
        9 | protocols: {grpc: {endpoint: 4317, max_stream: 5}, htpp: }
          |                                                    ^^^^
          |
          = help: did you mean `http`? valid keys: `grpc`, `http`

        error: exporters::x::queue: expected a map, found the number 9
          --> t.yaml:10:8
           |
        10 | queue: 9
           |        ^

        error: exporters::x::routes::1: missing required key `to`
          --> t.yaml:11:19
           |
        11 | routes: [{to: a}, {weight: 5}, {to: b, weight: 300}]
           |                   ^

        error: exporters::x::routes::2::weight: 300 is out of range, expected an integer from -128 to 127
          --> t.yaml:11:48
           |
        11 | routes: [{to: a}, {weight: 5}, {to: b, weight: 300}]
           |                                                ^^^"#]],
    );
    let (settings, _) = read(yaml);
    let settings = settings.unwrap();
    assert_eq!(settings.limit, Some(12));
    assert_eq!(settings.names, ["a"]);
    assert_eq!(
        settings.routes,
        [Route { to: "a".to_owned(), weight: 0 }, Route { to: "b".to_owned(), weight: 0 }]
    );
    assert_eq!(settings.protocols.grpc.get(), Some(&Server::default()));
}

#[test]
fn a_section_is_on_by_its_name_alone_and_off_when_absent_or_disabled() {
    let protocols = |yaml: &str| good(yaml).protocols;
    assert_eq!(protocols("protocols: {grpc: }").grpc.get(), Some(&Server::default()));
    assert!(!protocols("protocols: {grpc: }").http.is_on());
    assert!(protocols("protocols: {grpc: {enabled: true}}").grpc.is_on());
    assert!(!protocols("protocols: {grpc: {enabled: false, endpoint: x}}").grpc.is_on());
    check(
        "protocols: {grpc: {enabled: maybe}}",
        expect![[r#"
        error: exporters::x::protocols::grpc::enabled: expected true or false, found the string "maybe"
         --> t.yaml:1:29
          |
        1 | protocols: {grpc: {enabled: maybe}}
          |                             ^^^^^"#]],
    );
}

#[test]
fn nothing_after_the_colon_means_the_default() {
    let settings = good(
        "port:\nendpoint:\ntimeout:\nmax_size:\nnames:\nheaders:\nlevel:\nprotocols:\nroutes:\nlimit:\n",
    );
    assert_eq!(settings, Settings::default());
    let server: Server =
        decode(&tree("max_streams:\nendpoint:", &MapEnvironment::default()), "", &mut Problems::default())
            .unwrap();
    assert_eq!(server, Server::default());
}

#[test]
fn an_expanded_value_fits_numbers_and_strings_alike() {
    let settings =
        good("port: ${env:PORT}\nendpoint: ${env:CODE}\nverbose: ${FLAG}\nheaders: {a: \"${FLAG}\"}\n");
    assert_eq!((settings.port, settings.endpoint.as_str(), settings.verbose), (4317, "007", true));
    assert_eq!(settings.headers["a"].expose(), "true");
    assert_eq!(good("endpoint: ${env:EMPTY}\nnames: [\"${env:EMPTY}\"]").names, [""]);
}

#[test]
fn commas_make_a_list_of_strings_and_of_nothing_else() {
    assert_eq!(good("names: a, b,c").names, ["a", "b", "c"]);
    assert_eq!(good("names: ''").names, Vec::<String>::new());
    check(
        "routes: a,b",
        expect![[r#"
        error: exporters::x::routes: expected a list, found the string "a,b"
         --> t.yaml:1:9
          |
        1 | routes: a,b
          |         ^^^"#]],
    );
}

#[test]
fn a_forgotten_space_after_a_colon_is_recognised() {
    check(
        "protocols:\n  grpc:\n    endpoint:0.0.0.0\n",
        expect![[r#"
        error: exporters::x::protocols::grpc: expected a map, found the string "endpoint:0.0.0.0"
         --> t.yaml:3:5
          |
        3 |     endpoint:0.0.0.0
          |     ^^^^^^^^^^^^^^^^
          |
          = help: put a space after the colon: `endpoint: 0.0.0.0`"#]],
    );
}

#[test]
fn a_boolean_of_yaml_1_1_is_told_what_to_write() {
    let help = |text: &str| {
        let node = parse(&Source::new("t.yaml", format!("verbose: {text}\n"))).unwrap();
        let mut problems = Problems::default();
        let _settings = decode::<Settings>(&node, "x", &mut problems);
        problems.iter().next().and_then(|problem| problem.help.clone())
    };
    assert_eq!(help("yes").as_deref(), Some("write `true`"));
    assert_eq!(help("Off").as_deref(), Some("write `false`"));
    assert_eq!(help("maybe"), None);
    assert_eq!(help("true"), None);
}

#[test]
fn a_number_or_boolean_is_no_string() {
    check(
        "endpoint: 0012\nheaders: {a: yes, b: true, c: 1.50}\n",
        expect![[r#"
            error: exporters::x::endpoint: expected a string, found the number 12
             --> t.yaml:1:11
              |
            1 | endpoint: 0012
              |           ^^^^
              |
              = help: write "0012" in quotes

            error: exporters::x::headers::b: expected a string, found something else that is not shown
             --> t.yaml:2:29
              |
            2 | headers: {a: [REDACTED], b: [REDACTED], c: [REDACTED]}
              |                             ^^^^^^^^^^
              |
              = help: write it in quotes

            error: exporters::x::headers::c: expected a string, found something else that is not shown
             --> t.yaml:2:44
              |
            2 | headers: {a: [REDACTED], b: [REDACTED], c: [REDACTED]}
              |                                            ^^^^^^^^^^
              |
              = help: write it in quotes"#]],
    );
}

#[test]
fn a_missing_required_key_is_told_once_and_not_again_when_it_was_wrong() {
    check(
        "routes:\n  - weight: 1\n  - to: [x]\n  - to:\n",
        expect![[r#"
        error: exporters::x::routes::0: missing required key `to`
         --> t.yaml:2:5
          |
        2 |   - weight: 1
          |     ^

        error: exporters::x::routes::1::to: expected a string, found a list
         --> t.yaml:3:9
          |
        3 |   - to: [x]
          |         ^

        error: exporters::x::routes::2: missing required key `to`
         --> t.yaml:4:5
          |
        4 |   - to:
          |     ^"#]],
    );
}

#[test]
fn a_choice_with_content_reports_what_is_wrong_inside() {
    assert_eq!(good("level: {only: {size: 5}}").level, Level::Only(Queue { size: 5 }));
    check(
        "level: {only: {size: -5, sise: 1}}",
        expect![[r#"
        error: exporters::x::level::only::size: -5 is out of range, expected an integer from 0 to 18446744073709551615
         --> t.yaml:1:22
          |
        1 | level: {only: {size: -5, sise: 1}}
          |                      ^^"#]],
    );
    check(
        "level: {only: {size: 5}, normal: }",
        expect![[r#"
        error: exporters::x::level: expected a map with one key, found a map
         --> t.yaml:1:8
          |
        1 | level: {only: {size: 5}, normal: }
          |        ^
          |
          = help: valid keys: `normal`, `detailed`, `only`"#]],
    );
    check(
        "level: only",
        expect![[r#"
        error: exporters::x::level: expected a map with the key `only`, found the string "only"
         --> t.yaml:1:8
          |
        1 | level: only
          |        ^^^^"#]],
    );
    check(
        "level: {detailed: 5}",
        expect![[r#"
        error: exporters::x::level: `detailed` takes nothing below it
         --> t.yaml:1:8
          |
        1 | level: {detailed: 5}
          |        ^"#]],
    );
}

#[test]
fn a_wrong_root_gives_nothing() {
    for yaml in ["[1, 2]", "text", "5"] {
        let (settings, problems) = read(yaml);
        assert_eq!((settings, problems.error_count()), (None, 1), "{yaml}");
    }
    assert_eq!(good(""), Settings::default());
}

#[test]
fn a_check_of_a_value_that_was_not_written_points_at_its_nearest_ancestor() {
    let node = tree("queue:\n  size: 0\nprotocols:\n  grpc:\n", &MapEnvironment::default());
    let mut problems = Problems::default();
    problems.at(&node, "exporters::x", "queue.size", "size is 0, must be above 0").help =
        Some("write a number such as 1000".to_owned());
    problems.report(&node, "exporters::x", "protocols.grpc.endpoint", "endpoint is empty", true);
    problems.at(&node, "exporters::x", &["protocols", "a.b"], "a.b is wrong");
    expect![[r#"
        error: exporters::x::queue::size: size is 0, must be above 0
         --> t.yaml:2:9
          |
        2 |   size: 0
          |         ^
          |
          = help: write a number such as 1000

        warning: exporters::x::protocols::grpc::endpoint: endpoint is empty
         --> t.yaml:4:3
          |
        4 |   grpc:
          |   ^^^^

        error: exporters::x::protocols::a.b: a.b is wrong
         --> t.yaml:4:3
          |
        4 |   grpc:
          |   ^"#]]
    .assert_eq(&render(&problems.sorted()));
}

#[test]
fn thousands_of_mistakes_come_to_an_end() {
    let yaml = format!("names:\n{}", "  - 7\n".repeat(5000));
    let (settings, problems) = read(&yaml);
    assert_eq!(settings, None);
    assert_eq!(problems.len(), super::MOST_READINGS + 1);
}

#[test]
fn an_integer_with_leading_zeros_is_refused_with_what_to_write() {
    check(
        "port: 0080\nlimit: 1e3\n",
        expect![[r#"
        error: exporters::x::port: expected an integer, found the number 80
         --> t.yaml:1:7
          |
        1 | port: 0080
          |       ^^^^
          |
          = help: write 80

        error: exporters::x::limit: expected an integer, found the number 1000
         --> t.yaml:2:8
          |
        2 | limit: 1e3
          |        ^^^
          |
          = help: write 1000"#]],
    );
}

const GOOD: &str = "\
endpoint: a
port: 80
ratio: 0.5
verbose: true
timeout: 5s
max_size: 4MiB
names: [a, b]
headers: {a: b}
level: {only: {size: 1}}
protocols: {grpc: , http: {endpoint: x}}
queue: {size: 1}
routes: [{to: a, weight: 1}]
limit: 5
";

proptest! {
    #![proptest_config(crate::testing::cases(500))]

    #[test]
    fn nothing_is_lost_without_an_error(
        line in 0..GOOD.lines().count(),
        value in "|-?[a-z0-9][a-z0-9.]{0,3}|\\{\\}|\\[\\]|\\[\\[1\\]\\]|\\{a: 1\\}|\\{only: x\\}|[0-9]{1,30}",
    ) {
        let key = GOOD.lines().nth(line).and_then(|line| line.split(':').next()).unwrap();
        let lines = GOOD.lines().enumerate();
        let yaml: String =
            lines.map(|(at, text)| if at == line { format!("{key}: {value}\n") } else { format!("{text}\n") }).collect();
        let (settings, problems) = read(&yaml);
        prop_assert!(settings.is_some() || problems.has_errors(), "{}", yaml);
        prop_assert!(problems.len() <= 2, "{}", render(&problems.sorted()));
        for problem in &problems {
            prop_assert_eq!(problem.place.as_ref().map(|place| place.line as usize), Some(line + 1));
        }
    }
}

const NOT_SUPPORTED: crate::NotSupportedKeys = &[
    ("queue", &[crate::NotSupported::new("storage", "queues are kept in memory", "remove it")]),
    ("routes.*", &[crate::NotSupported::new("via", "there is one way only", "write `to`")]),
    ("", &[crate::NotSupported::new("auth", "there are no authenticators", "set headers")]),
];

#[test]
fn a_key_that_is_not_supported_is_refused_with_its_reason() {
    let node = tree(
        "auth: {authenticator: x}\nqueue: {storage: disk, auth: x}\nroutes: [{to: a, via: b}]\n",
        &MapEnvironment::default(),
    );
    let mut problems = Problems::default();
    let settings =
        super::decode_telling::<Settings>(&node, "exporters::x", NOT_SUPPORTED, &mut problems).unwrap();
    assert_eq!(settings.routes.len(), 1);
    expect![[r#"
        error: exporters::x: key `auth` of the collector is not supported: there are no authenticators
         --> t.yaml:1:1
          |
        1 | auth: {authenticator: [REDACTED]}
          | ^^^^
          |
          = help: set headers

        error: exporters::x::queue: key `storage` of the collector is not supported: queues are kept in memory
         --> t.yaml:2:9
          |
        2 | queue: {storage: disk, auth: [REDACTED]}
          |         ^^^^^^^
          |
          = help: remove it

        error: exporters::x::queue: unknown key `auth`
         --> t.yaml:2:24
          |
        2 | queue: {storage: disk, auth: [REDACTED]}
          |                        ^^^^
          |
          = help: valid keys: `size`

        error: exporters::x::routes::0: key `via` of the collector is not supported: there is one way only
         --> t.yaml:3:18
          |
        3 | routes: [{to: a, via: b}]
          |                  ^^^
          |
          = help: write `to`"#]]
    .assert_eq(&render(&problems.sorted()));
}

#[test]
fn a_number_that_is_not_finite_hides_no_other_problem() {
    check(
        "ratio: .nan\nport: .inf\nendpont: -.inf\ntimeout: 1e999\nendpoint: .inf\nlimit: x\n",
        expect![[r#"
            error: exporters::x::ratio: `.nan` is not a finite number
             --> t.yaml:1:8
              |
            1 | ratio: .nan
              |        ^^^^

            error: exporters::x::port: expected an integer, found the number inf
             --> t.yaml:2:7
              |
            2 | port: .inf
              |       ^^^^

            error: exporters::x: unknown key `endpont`
             --> t.yaml:3:1
              |
            3 | endpont: -.inf
              | ^^^^^^^
              |
              = help: did you mean `endpoint`? valid keys: `endpoint`, `port`, `ratio`, `verbose`, `timeout`, `max_size`, `names`, `headers`, `level`, `protocols`, `queue`, `routes`, `limit`

            error: exporters::x::timeout: `1e999` is not a finite number
             --> t.yaml:4:10
              |
            4 | timeout: 1e999
              |          ^^^^^

            error: exporters::x::endpoint: expected a string, found the number inf
             --> t.yaml:5:11
              |
            5 | endpoint: .inf
              |           ^^^^
              |
              = help: write ".inf" in quotes

            error: exporters::x::limit: expected an integer, found the string "x"
             --> t.yaml:6:8
              |
            6 | limit: x
              |        ^"#]],
    );
    let node = tree(
        "ratio: ${env:INFINITE}\nendpoint: ${env:INFINITE}\n",
        &MapEnvironment::default().with_variable("INFINITE", ".inf"),
    );
    let mut problems = Problems::default();
    let settings: Option<Settings> = decode(&node, "", &mut problems);
    assert_eq!(settings.unwrap().endpoint, ".inf");
    let told: Vec<_> = problems.iter().map(|problem| problem.title()).collect();
    assert_eq!(told, ["ratio: `.inf` is not a finite number"]);
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Group {
    conditions: Vec<String>,
}

/// A buffered map would lose them, and a misspelt key would pass in silence.
#[test]
fn the_long_form_of_a_value_keeps_its_keys_known() {
    type Entries = BTreeMap<String, Vec<Either<String, Group>>>;
    let read = |yaml: &str| {
        let node = tree(yaml, &MapEnvironment::default());
        let mut problems = Problems::default();
        let read: Option<Entries> = decode(&node, "x", &mut problems);
        let told: Vec<_> = problems.iter().map(|problem| problem.title()).collect();
        (read.and_then(|mut read| read.remove("a")).unwrap_or_default(), told)
    };
    let group = Group { conditions: vec!["b".to_owned()] };
    let both = vec![Either::Short("a".to_owned()), Either::Long(group)];
    assert_eq!(read("a: [a, {conditions: [b]}]"), (both, Vec::new()));
    assert_eq!(read("a: [{conditons: [b]}]").1, ["x::a::0: unknown key `conditons`"]);
    assert_eq!(read("a: [5]").1, ["x::a::0: expected a string, found the number 5"]);
}
