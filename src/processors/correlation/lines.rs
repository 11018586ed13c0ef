//! Which line of a program wrote a log record, as far as its text tells.

use wire::view::{AnyValue, LogRecord};

/// So far a text is read.
const MOST_READ: usize = 256;
/// Words of a text that make its key.
const WORDS: usize = 3;
/// OTLP's severity from which a record complains.
const WARN: i32 = 13;

/// A line of a program: its place in the source if the record tells it, else its first words without those that
/// change.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Line {
    pub(super) key: String,
    /// Whether it is a warning or worse: that such a line is no longer written is no trouble.
    pub(super) is_complaint: bool,
}

/// Where structured logs have their text, the first that is there.
const TEXTS: [&[u8]; 4] = [b"message", b"msg", b"event", b"body"];

/// Reads the line of a record; none of a record without a text. *Cost*: a look at the first words.
pub(super) fn line_of(record: &LogRecord<'_>) -> Option<Line> {
    let text = text_of(record.body)?;
    let text = String::from_utf8_lossy(&text[..text.len().min(MOST_READ)]);
    let is_loud = |word: &str| matches!(word, "WARN" | "WARNING" | "ERROR" | "FATAL" | "CRITICAL");
    let is_complaint = match record.severity_number {
        0 => text.split(|c: char| !c.is_alphanumeric()).take(16).any(is_loud),
        number => number >= WARN,
    };
    let key = place_of(record).unwrap_or_else(|| words_of(&text));
    (!key.is_empty()).then_some(Line { key, is_complaint })
}

fn text_of(body: AnyValue<'_>) -> Option<&[u8]> {
    match body {
        AnyValue::Str(text) => Some(text),
        AnyValue::Map(fields) => {
            TEXTS.iter().find_map(|name| match fields.entries().find(|field| field.key == *name)?.value() {
                AnyValue::Str(text) => Some(text),
                _ => None,
            })
        }
        _ => None,
    }
}

/// `code.file.path` and `code.line.number`, where the instrumentation gives them.
fn place_of(record: &LogRecord<'_>) -> Option<String> {
    let (mut file, mut number) = (None, None);
    for attribute in record.attributes() {
        match attribute.key {
            b"code.file.path" | b"code.filepath" => file = Some(attribute.value().to_label_string()),
            b"code.line.number" | b"code.lineno" => number = Some(attribute.value().to_label_string()),
            _ => {}
        }
    }
    Some(format!("{}:{}", file?, number?))
}

/// The first words that hold no digit; a place in the source counts as a word although it does.
fn words_of(text: &str) -> String {
    let mut key = String::new();
    let words = text.split_whitespace();
    let kept = words.filter(|word| is_place(word) || !word.bytes().any(|byte| byte.is_ascii_digit()));
    for word in kept.take(WORDS) {
        if !key.is_empty() {
            key.push(' ');
        }
        key.push_str(word);
    }
    key
}

/// Whether a word is like `com.shop.Cart#34` or `cart.go:34`.
pub(super) fn is_place(word: &str) -> bool {
    let Some((source, number)) = word.rsplit_once(['#', ':']) else { return false };
    let is_source = |byte: u8| byte.is_ascii_alphanumeric() || b"_.[]$/-".contains(&byte);
    source.contains('.')
        && source.bytes().all(is_source)
        && source.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use wire::build::{Attributes, LogRecord as Written, LogsWriter, Tree};

    use super::*;

    fn read(body: &str, severity_number: u8, attributes: &Attributes) -> Option<Line> {
        read_body(AnyValue::Str(body.as_bytes()), severity_number, attributes)
    }

    fn read_body(body: AnyValue<'_>, severity_number: u8, attributes: &Attributes) -> Option<Line> {
        let mut writer = LogsWriter::new();
        writer.resource(&Attributes::new());
        writer.scope("", "");
        writer.record(&Written {
            time: 1,
            observed_time: 1,
            severity_number,
            severity_text: "",
            body,
            attributes,
            flags: 0,
            trace_id: None,
            span_id: None,
            event_name: "",
        });
        let request = writer.take();
        let group = wire::view::groups(&request).next().unwrap();
        let message = group.items().next().unwrap();
        line_of(&LogRecord::of(message))
    }

    #[test]
    fn words_that_change_are_no_part_of_a_line() {
        for (body, key) in [
            ("order 17 of user 4 was placed", "order of user"),
            ("2023-01-29 08:50:01.123 INFO com.shop.Cart#34 - [get] cart 9", "INFO com.shop.Cart#34 -"),
            ("served cart.go:34 at 10:15", "served cart.go:34 at"),
            ("  listening ", "listening"),
        ] {
            assert_eq!(read(body, 9, &Attributes::new()).unwrap().key, key, "{body}");
        }
        assert_eq!(read("1234 5678", 9, &Attributes::new()), None);
    }

    #[test]
    fn a_structured_record_has_its_line_in_a_field() {
        let read = |fields: &[(&'static str, &str)]| {
            let fields = fields.iter().map(|(name, text)| (*name, Some(Tree::text(*text))));
            let encoded = Tree::map(fields).encode();
            read_body(AnyValue::of(&encoded), 9, &Attributes::new()).map(|line| line.key)
        };
        let told = Some("order was placed".to_owned());
        assert_eq!(read(&[("level", "info"), ("message", "order 17 was placed")]), told);
        assert_eq!(read(&[("event", "placed"), ("msg", "order 17 was placed")]), told);
        assert_eq!(read(&[("body", "order 17 was placed")]), told);
        assert_eq!(read(&[("level", "info")]), None);
    }

    #[test]
    fn a_place_in_the_source_is_the_line() {
        let mut attributes = Attributes::new();
        attributes.push_str("code.file.path", "src/cart.rs");
        attributes.push_int("code.line.number", 34);
        assert_eq!(read("cart 9", 9, &attributes).unwrap().key, "src/cart.rs:34");
    }

    #[test]
    fn complaints_are_known_by_severity_and_without_one_by_their_words() {
        for (body, severity, is_complaint) in
            [("x", 17, true), ("x", 9, false), ("08:50 WARN x", 0, true), ("a warning", 0, false)]
        {
            let line = read(body, severity, &Attributes::new()).unwrap();
            assert_eq!(line.is_complaint, is_complaint, "{body} {severity}");
        }
    }

    #[test]
    fn a_text_cut_within_a_character_is_read() {
        let long = "é".repeat(1000);
        assert!(read(&long, 9, &Attributes::new()).unwrap().key.len() <= MOST_READ + 3);
    }
}
