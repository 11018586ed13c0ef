//! The structural check of a whole request by the tables of the schema.

use std::ptr;

use model::Signal;

use crate::{
    Malformed,
    cursor::{self, LEN, VARINT},
    malformed::{PADDED, SPLIT},
    schema::{self, Field, Kind, Message, Role},
};

/// How deep messages may be nested below the request.
pub(crate) const MAX_DEPTH: u32 = 64;

/// How deep attributes stand at most: those of an exemplar of a data point.
const DEEPEST_ATTRIBUTES: u32 = 7;

/// Checks an encoded `ExportMetricsServiceRequest` and counts its data points (of gauges, sums,
/// histograms, exponential histograms and summaries).
///
/// Text is not checked for UTF-8: whoever shows it does.
///
/// *Errors*: [`Malformed`]; answer with `InvalidArgument`.
/// *Cost*: one pass, no allocation.
pub fn check_metrics(request: &[u8]) -> Result<u64, Malformed> {
    check(Signal::Metrics, request)
}

/// Checks an encoded `ExportLogsServiceRequest` and counts its log records; otherwise like [`check_metrics`].
pub fn check_logs(request: &[u8]) -> Result<u64, Malformed> {
    check(Signal::Logs, request)
}

/// Checks a request of any signal and counts its items. For traces [`crate::scan_traces`] is several
/// times faster, and accepts and refuses the same requests.
pub fn check(signal: Signal, request: &[u8]) -> Result<u64, Malformed> {
    if request.len() >= u32::MAX as usize {
        return Err(Malformed { reason: "the request is 4 GiB or longer", offset: 0 });
    }
    let mut check = Check { items: 0, groups: 0 };
    check.message(schema::request(signal), request, request.len(), MAX_DEPTH)?;
    if signal == Signal::Traces && check.items > max_spans(request) as u64 {
        return Err(Malformed {
            reason: "more spans than spans of 30 bytes would fit",
            offset: request.len(),
        });
    }
    if signal == Signal::Traces && check.groups > max_spans(request) as u64 {
        return Err(Malformed {
            reason: "more resources and scopes than spans of 30 bytes would fit",
            offset: request.len(),
        });
    }
    Ok(check.items)
}

/// Returns how many spans a request may hold, and how many resources and scopes, so that its table is not larger than a few
/// times itself: an honest span takes 30 bytes for its ids alone, a hostile one needs two, and so does a resource without any.
pub(crate) const fn max_spans(request: &[u8]) -> usize {
    request.len() / 30 + 1024
}

/// Tells whether bytes are a list of attributes (`KeyValue` messages in field 1, as in a `Resource`) that a
/// request can hold at any of its places.
pub fn is_attribute_list(list: &[u8]) -> bool {
    is_sound(&schema::RESOURCE, list, MAX_DEPTH - DEEPEST_ATTRIBUTES)
}

/// Checks a message inside a request whose scan keeps no reasons.
pub(crate) fn is_sound(message: &'static Message, body: &[u8], depth: u32) -> bool {
    Check { items: 0, groups: 0 }.message(message, body, body.len(), depth).is_ok()
}

struct Check {
    items: u64,
    /// `ResourceSpans` and `ScopeSpans`.
    groups: u64,
}

impl Check {
    /// Checks one message that ends at the offset `end`; `depth` more levels may follow.
    fn message(
        &mut self,
        message: &'static Message,
        body: &[u8],
        end: usize,
        depth: u32,
    ) -> Result<(), Malformed> {
        if matches!(message.role, Role::Span | Role::Item) {
            self.items += 1;
        }
        if message.role == Role::Frame
            && (ptr::eq(message, &schema::RESOURCE_SPANS) || ptr::eq(message, &schema::SCOPE_SPANS))
        {
            self.groups += 1;
        }
        let mut seen = 0_u32;
        let mut rest = body;
        while !rest.is_empty() {
            let offset = end - rest.len();
            let bad = |reason| Malformed { reason, offset };
            let tag = cursor::tag(&mut rest).ok_or_else(|| bad("bad field tag"))?;
            let Some(field) = message.field(tag >> 3) else {
                cursor::skip(&mut rest, tag).ok_or_else(|| bad("bad unknown field"))?;
                continue;
            };
            let wire_type = tag & 7;
            if wire_type != field.kind.wire_type() {
                if wire_type != LEN || !field.is_packable() {
                    return Err(bad("known field of a wrong wire type"));
                }
                let packed = cursor::bytes(&mut rest).ok_or_else(|| bad("length beyond the end"))?;
                check_packed(field, packed).ok_or_else(|| bad("bad packed field"))?;
                continue;
            }
            let Kind::Message(nested) = field.kind else {
                cursor::skip(&mut rest, tag).ok_or_else(|| bad("bad field value"))?;
                continue;
            };
            let body = cursor::bytes(&mut rest).ok_or_else(|| bad("length beyond the end"))?;
            if !field.repeated && seen & 1 << field.number != 0 {
                return Err(bad(SPLIT));
            }
            seen |= 1 << field.number;
            let header = end - rest.len() - body.len() - offset;
            if matches!(nested.role, Role::Frame | Role::Span)
                && header + body.len() != cursor::framed_len(body.len())
            {
                return Err(bad(PADDED));
            }
            if nested.role == Role::Attribute && depth >= 2 && cursor::plain_attribute(body).is_some() {
                continue;
            }
            let depth = depth.checked_sub(1).ok_or_else(|| bad("messages nested deeper than 64"))?;
            self.message(nested, body, end - rest.len(), depth)?;
        }
        Ok(())
    }
}

fn check_packed(field: &Field, packed: &[u8]) -> Option<()> {
    match field.kind.wire_type() {
        VARINT => {
            let mut rest = packed;
            while !rest.is_empty() {
                cursor::varint(&mut rest)?;
            }
            Some(())
        }
        cursor::FIXED64 => packed.len().is_multiple_of(8).then_some(()),
        _ => packed.len().is_multiple_of(4).then_some(()),
    }
}
