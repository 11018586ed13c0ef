//! Hides what nobody shall see in requests as JSON.

use component::Masks;
use regex::bytes::{Captures, Regex};
use serde_json::{Map, Value, json};

use crate::ottl::pattern;

/// Keys whose values are hidden, whatever they hold.
const KEYS: [&str; 3] = [
    r"(?i)(authorization|cookie|passw(or)?d|passphrase|secret|token|api[-_.]?key|access[-_.]?key|private[-_.]?key)",
    r"(?i)(credential|session[-_.]?(id|key)|csrf|xsrf|credit[-_.]?card|card[-_.]?(number|no\b)|pan[-_.]?number)",
    r"(?i)(^|[-_.])(pwd|cvv|cvc|ssn|iban|pin|otp|jwt)($|[-_.])",
];
/// Texts that are hidden within others: what is shown in their place stands beside.
const VALUES: [(&str, &str); 5] = [
    (r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*", "****"),
    (r"eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+\.?[A-Za-z0-9_-]*", "****"),
    (r"(?i)\b(bearer|basic|digest)\s+[a-z0-9._~+/=-]{6,}", "$1 ****"),
    (r"(://)[^/\s:@]*:[^/\s@]+@", "$1****@"),
    (
        r#"(?i)((?:passw(?:or)?d|pwd|secret|token|api[-_]?key|access[-_]?key|authorization|cookie|session[-_]?id)["']?\s*[=:]\s*)("[^"]*"?|'[^']*'?|(?:bearer |basic |digest )?[^\s"'&,;}]+)"#,
        "$1****",
    ),
];
/// What may be the number of a card; whether it is tells its last digit.
const CARD: &str = r"\b[3-6][0-9](?:[ -]?[0-9]){11,17}\b";

const HIDDEN: &str = "****";

/// Hides secrets.
pub struct Mask {
    keys: Vec<Regex>,
    values: Vec<(Regex, Vec<u8>)>,
    card: Regex,
}

impl Mask {
    /// Hides what is known to be secret, and what the configuration hides.
    pub fn new(more: &Masks) -> Self {
        let sound = |text: &str| pattern(text).expect("the pattern is sound");
        let of_config =
            |texts: &[String]| texts.iter().filter_map(|text| pattern(text).ok()).collect::<Vec<_>>();
        let values = VALUES.iter().map(|(text, shown)| (sound(text), shown.as_bytes().to_vec()));
        let more_values =
            of_config(&more.values).into_iter().map(|known| (known, HIDDEN.as_bytes().to_vec()));
        Self {
            keys: KEYS.iter().map(|text| sound(text)).chain(of_config(&more.keys)).collect(),
            values: more_values.chain(values).collect(),
            card: sound(CARD),
        }
    }

    /// Hides secrets in an OTLP request as JSON: in attributes and bodies, wherever they stand, and in texts. What is
    /// bytes is hidden whole, as nobody can say what it is.
    ///
    /// Returns how many values it hid, whole or in part.
    pub fn hide(&self, request: &mut Value) -> u64 {
        match request {
            Value::Array(items) => items.iter_mut().map(|item| self.hide(item)).sum(),
            Value::Object(entries) => self.hide_in(entries),
            _ => 0,
        }
    }

    fn hide_in(&self, entries: &mut Map<String, Value>) -> u64 {
        if let Some(key) = entries.get("key").and_then(Value::as_str)
            && entries.contains_key("value")
            && self.is_secret(key)
        {
            entries.insert("value".to_owned(), json!({ "stringValue": HIDDEN }));
            return 1;
        }
        let mut hidden = 0;
        let mut instead = None;
        for (name, value) in entries.iter_mut() {
            match (name.as_str(), &mut *value) {
                ("bytesValue", Value::String(bytes)) if !bytes.is_empty() => {
                    instead = Some(HIDDEN.to_owned())
                }
                ("intValue", Value::String(digits)) if self.shown(digits).is_some() => {
                    instead = Some(HIDDEN.to_owned());
                }
                (name, Value::String(_)) if is_plain(name) => {}
                (_, Value::String(text)) => {
                    if let Some(shown) = self.shown(text) {
                        *text = shown;
                        hidden += 1;
                    }
                }
                (name, Value::Array(_)) if is_plain(name) => {}
                (_, inner) => hidden += self.hide(inner),
            }
        }
        if let Some(text) = instead {
            entries.clear();
            entries.insert("stringValue".to_owned(), text.into());
            hidden += 1;
        }
        hidden
    }

    fn is_secret(&self, key: &str) -> bool {
        self.keys.iter().any(|known| known.is_match(key.as_bytes()))
    }

    /// Returns what is shown of a text; none when that is all of it.
    fn shown(&self, text: &str) -> Option<String> {
        let mut shown = text.as_bytes().to_vec();
        for (known, instead) in &self.values {
            if known.is_match(&shown) {
                shown = known.replace_all(&shown, instead.as_slice()).into_owned();
            }
        }
        if self.card.is_match(&shown) {
            let card = |found: &Captures<'_>| match is_card(&found[0]) {
                true => HIDDEN.as_bytes().to_vec(),
                false => found[0].to_vec(),
            };
            shown = self.card.replace_all(&shown, card).into_owned();
        }
        (shown != text.as_bytes()).then(|| String::from_utf8_lossy(&shown).into_owned())
    }
}

/// Whether a field holds ids, times or numbers, which JSON of protobuf writes as texts.
fn is_plain(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        "traceId",
        "spanId",
        "parentSpanId",
        "asInt",
        "intValue",
        "count",
        "zeroCount",
        "bucketCounts",
        "schemaUrl",
    ];
    NAMES.contains(&name) || name.ends_with("UnixNano")
}

/// Whether the digits end in the check digit of ISO/IEC 7812-1, annex B (Luhn).
fn is_card(text: &[u8]) -> bool {
    let digits = text.iter().rev().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0'));
    let sum: u32 = digits
        .enumerate()
        .map(|(place, digit)| match place % 2 {
            0 => digit,
            _ => digit * 2 / 10 + digit * 2 % 10,
        })
        .sum();
    sum.is_multiple_of(10)
}
