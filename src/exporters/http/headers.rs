//! What the operator adds to every request.

use std::collections::BTreeMap;

use component::Checks;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Names and values; values are secrets, since most are credentials.
pub(crate) type HeadersConfig = BTreeMap<String, config::Secret>;

/// Reports names and values that no request can carry. `reserved` are those the exporter sets itself.
pub(crate) fn validate_headers(headers: &HeadersConfig, reserved: &[&str], checks: &mut Checks) {
    for (name, value) in headers {
        let path = format!("headers.{name}");
        match HeaderName::try_from(name.as_str()) {
            Err(_) => {
                checks.error(&path, format!("{name:?} is not a header name, use letters, digits and dashes"))
            }
            Ok(known) if reserved.contains(&known.as_str()) => {
                checks.error(&path, format!("{name} is set by the exporter itself, remove it"));
            }
            Ok(_) => {}
        }
        if HeaderValue::try_from(value.expose()).is_err() {
            checks.error(&path, format!("the value of {name} holds characters that a header can not carry"));
        }
    }
}

/// Returns the headers; those that [`validate_headers`] reports are left out.
pub(crate) fn header_map(headers: &HeadersConfig) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(headers.len() + 8);
    for (name, value) in headers {
        let (Ok(name), Ok(mut value)) =
            (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.expose()))
        else {
            continue;
        };
        value.set_sensitive(true);
        map.insert(name, value);
    }
    map
}
