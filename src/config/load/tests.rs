use crate::{ConfigUri, MapEnvironment, Node, Problems, UriError, Value, load};

fn loaded(uris: &[ConfigUri]) -> Node {
    let environment = MapEnvironment::default()
        .with_file("a.yaml", "exporters:\n  otlp:\n    endpoint: a:1\n    tls: {insecure: true}\n")
        .with_variable("DOC", "exporters: {debug: }");
    let mut problems = Problems::default();
    let node = load(uris, &environment, &mut problems).unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    node
}

fn uri(text: &str) -> ConfigUri {
    text.parse().unwrap()
}

#[test]
fn schemes_are_told_from_paths() {
    assert_eq!(uri("file:/etc/x.yaml"), ConfigUri::File("/etc/x.yaml".into()));
    assert_eq!(uri("./x:y.yaml"), ConfigUri::File("./x:y.yaml".into()));
    assert_eq!(uri("env:DOC"), ConfigUri::Env("DOC".to_owned()));
    assert_eq!(uri("yaml:a: b"), ConfigUri::Yaml("a: b".to_owned()));
    assert_eq!("http://x".parse::<ConfigUri>(), Err(UriError::OverNetwork("http".to_owned())));
    assert_eq!("s3:x".parse::<ConfigUri>(), Err(UriError::UnknownScheme("s3".to_owned())));
    assert_eq!("".parse::<ConfigUri>(), Err(UriError::Empty));
    assert_eq!(ConfigUri::set("novalue"), Err(UriError::NoEquals("novalue".to_owned())));
}

#[test]
fn a_set_flag_reaches_one_value_and_leaves_its_neighbours() {
    let node = loaded(&[uri("a.yaml"), ConfigUri::set("exporters.otlp.endpoint=b:2").unwrap()]);
    let otlp = node.get("exporters").and_then(|n| n.get("otlp")).unwrap();
    assert_eq!(otlp.get("endpoint").and_then(Node::as_str), Some("b:2"));
    assert_eq!(otlp.get("endpoint").unwrap().place.to_string(), "--set exporters.otlp.endpoint:1:28");
    assert_eq!(otlp.get("tls").and_then(|n| n.get("insecure")).map(|n| &n.value), Some(&Value::Bool(true)));
}

#[test]
fn colons_in_keys_at_the_top_unfold_and_join() {
    let node = loaded(&[uri("yaml:{a::b: 1, a::c: 2, d: 3}")]);
    let expected = loaded(&[uri("yaml:{d: 3, a: {b: 1, c: 2}}")]);
    assert_eq!(node, expected);
}

#[test]
fn later_documents_lie_on_earlier_ones_and_empty_ones_erase_nothing() {
    let node = loaded(&[uri("a.yaml"), uri("env:DOC"), uri("yaml:")]);
    let names: Vec<&str> = node
        .get("exporters")
        .and_then(Node::as_map)
        .unwrap()
        .entries
        .iter()
        .map(|e| e.key.name.as_str())
        .collect();
    assert_eq!(names, ["otlp", "debug"]);
}
