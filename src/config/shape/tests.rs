//! Shapes of types of every kind.

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use super::*;
use crate::{ByteSize, Duration, Either, Secret, Section};

/// Writes a shape as one would note it.
fn noted(shape: &Shape) -> String {
    let list = |shapes: &[Shape]| shapes.iter().map(noted).collect::<Vec<_>>().join(" | ");
    match shape {
        Shape::Any => "any".to_owned(),
        Shape::Bool => "bool".to_owned(),
        Shape::Integer { is_signed: true } => "int".to_owned(),
        Shape::Integer { is_signed: false } => "uint".to_owned(),
        Shape::Number => "number".to_owned(),
        Shape::String => "string".to_owned(),
        Shape::Secret => "secret".to_owned(),
        Shape::OneOf(shapes) => format!("({})", list(shapes)),
        Shape::List(item) => format!("[{}]", noted(item)),
        Shape::Map(value) => format!("{{*: {}}}", noted(value)),
        Shape::Section(inner) => format!("section {}", noted(inner)),
        Shape::Again { structs_up } => format!("^{structs_up}"),
        Shape::Struct(fields) => {
            let fields: Vec<_> =
                fields.iter().map(|it| format!("{}: {}", it.name, noted(&it.shape))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Shape::Enum(variants) => {
            let one = |it: &Variant| match &it.content {
                None => format!("'{}'", it.name),
                Some(content) => format!("'{}' {}", it.name, noted(content)),
            };
            variants.iter().map(one).collect::<Vec<_>>().join(" / ")
        }
    }
}

fn check<T: DeserializeOwned>(expected: Expect) {
    expected.assert_eq(&noted(&shape::<T>()).replace(", ", "\n"));
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Plain {
    flag: bool,
    #[serde(alias = "older")]
    count: u32,
    offset: i64,
    share: f64,
    name: Option<String>,
    token: Secret,
    #[serde(deserialize_with = "crate::empty_is_unset")]
    pem: Option<Secret>,
    wait: Duration,
    size: ByteSize,
    headers: BTreeMap<String, Secret>,
    names: Vec<String>,
    pair: (String, u8),
    #[serde(skip)]
    hidden: u8,
}

#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
enum Choice {
    FirstOne,
    WithContent(Inner),
    WithKeys { key: String },
}

#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Inner {
    must: String,
    also: u8,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only its type counts")]
struct Outer {
    choice: Choice,
    section: Section<Inner>,
    off: Option<Section<Vec<Inner>>>,
    either: Either<String, Vec<Inner>>,
    children: Vec<Outer>,
    by_time: BTreeMap<Minutes, Box<Outer>>,
    anything: serde_json::Value,
    counted: std::collections::HashMap<String, BTreeMap<String, u8>>,
}

/// A key that is not any text.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Minutes(u64);

impl<'de> Deserialize<'de> for Minutes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.strip_suffix('m').and_then(|number| number.parse().ok());
        number.map(Self).ok_or_else(|| serde::de::Error::custom("no minutes"))
    }
}

#[test]
fn every_kind_of_value_is_told() {
    check::<Plain>(expect![[r#"
        {flag: bool
        count: uint
        older: uint
        offset: int
        share: number
        name: string
        token: secret
        pem: secret
        wait: string
        size: (string | int)
        headers: {*: secret}
        names: [string]
        pair: [string]}"#]]);
}

#[test]
fn settings_within_settings_are_told_whatever_is_required() {
    check::<Outer>(expect![[r#"
        {choice: 'first_one' / 'with_content' {must: string
        also: uint} / 'with_keys' {key: string}
        section: section {must: string
        also: uint}
        off: section [{must: string
        also: uint}]
        either: (string | [{must: string
        also: uint}])
        children: [^1]
        by_time: {*: ^1}
        anything: any
        counted: {*: {*: uint}}}"#]]);
}

#[test]
fn the_section_of_own_telemetry_is_told() {
    let told = noted(&shape::<crate::Telemetry>());
    for part in
        ["readers: [", "'periodic' {", "headers: ({*: secret} | [{*: any}])", "output_paths: [string]"]
    {
        assert!(told.contains(part), "{part} is not in {told}");
    }
}
