//! JSON as values of attributes: numbers are doubles, and objects are sorted by key.

use serde_json::Value as Json;

use super::{
    item::{MOST_BYTES, put_entries},
    value::{Failure, Value, wrapped},
};

/// Requests nest 64 deep at most, and the value stands within one.
const DEEPEST: u32 = 20;

/// Reads an object or a list.
///
/// *Errors*: text that is none, or nests deeper than 20.
pub(super) fn parse(text: &[u8]) -> Result<Value<'static>, Failure> {
    if text.len() > MOST_BYTES {
        return Err(Failure("the JSON is longer than 4 MiB"));
    }
    let parsed: Json = serde_json::from_slice(text).map_err(|_| Failure("the text is no JSON"))?;
    if !matches!(parsed, Json::Object(_) | Json::Array(_)) {
        return Err(Failure("the JSON is neither an object nor a list"));
    }
    Ok(Value::of(&encode(&parsed, DEEPEST)?).into_owned())
}

/// Returns the body of an `AnyValue`.
fn encode(json: &Json, depth: u32) -> Result<Vec<u8>, Failure> {
    let deeper = || depth.checked_sub(1).ok_or(Failure("the JSON nests deeper than 20"));
    match json {
        Json::Null => Ok(Vec::new()),
        Json::Bool(flag) => Value::Bool(*flag).encode(),
        Json::Number(number) => Value::Double(number.as_f64().unwrap_or_default()).encode(),
        Json::String(text) => Ok(wrapped(1, text.as_bytes())),
        Json::Array(items) => {
            let depth = deeper()?;
            let mut list = Vec::new();
            for item in items {
                list.extend_from_slice(&wrapped(1, &encode(item, depth)?));
            }
            Ok(wrapped(5, &list))
        }
        Json::Object(entries) => {
            let depth = deeper()?;
            let mut map = Vec::new();
            for (key, item) in entries {
                let value = encode(item, depth)?;
                put_entries(&mut map, 1, [(key.as_bytes(), &value[..])].into_iter());
            }
            Ok(wrapped(6, &map))
        }
    }
}
