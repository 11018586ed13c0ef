//! The walk over a trace request: one pass that checks every byte of structure and fills the span table.
//!
//! Senders agree on how they spell a span: fields in ascending order, short lengths in one byte. The walk
//! compares that spelling in a few words and falls back to a loop over any fields in any order. It counts
//! instructions, because branchy code costs more than memory here: see the example `scan_cost`.

use model::{ResourceRec, ScopeRec, Slice, SpanRec, SpanTable};

use crate::{
    Malformed, Matcher,
    check::{self, check},
    cursor::{self, framed, plain_attribute},
    schema::{self, Message},
};

/// Checks an encoded `ExportTraceServiceRequest` and fills `table` with its spans.
///
/// The structure is checked whole, down to nested attribute values; text is not checked for UTF-8, which is
/// done once where a series is created. Of duplicate attributes the first wins, of repeated scalar fields
/// the last. A parent id of eight zero bytes counts as none.
///
/// *Errors*: [`Malformed`]; the table is then empty. A request that is legal but unusually spelled
/// ([`Malformed::is_only_unusual`]) must pass [`crate::canonical`] first, as [`crate::read_traces`] does.
/// *Cost*: one pass; allocates only when the table grows.
pub fn scan_traces(request: &[u8], matcher: &Matcher, table: &mut SpanTable) -> Result<(), Malformed> {
    scan(request, matcher, table, check::max_spans(request))
}

/// Scans a trace request that this process wrote of requests that were scanned before. However many spans it has,
/// their tables were in memory already; and a request of which only small spans are left has many for its length.
pub fn scan_own_traces(request: &[u8], matcher: &Matcher, table: &mut SpanTable) -> Result<(), Malformed> {
    scan(request, matcher, table, usize::MAX)
}

fn scan(request: &[u8], matcher: &Matcher, table: &mut SpanTable, max_spans: usize) -> Result<(), Malformed> {
    table.clear();
    table.stride = matcher.len();
    let room = table.spans.capacity().min(max_spans);
    let mut scan = Scan { matcher, table: &mut *table, max_spans, room };
    if request.len() < u32::MAX as usize && scan.request(request).is_some() {
        return Ok(());
    }
    table.clear();
    // The second pass costs no more than the first and happens only to requests that are refused.
    match check(model::Signal::Traces, request) {
        Err(malformed) => Err(malformed),
        Ok(_) => Err(Malformed { reason: "the walk and the check disagree", offset: 0 }),
    }
}

/// Nesting that remains below a span's own fields.
const BELOW_SPAN: u32 = check::MAX_DEPTH - 4;

struct Scan<'a> {
    matcher: &'a Matcher,
    table: &'a mut SpanTable,
    max_spans: usize,
    /// How many spans there may be before the table grows.
    room: usize,
}

/// From as many spans on a table gets all the room that the request can need at once, which is only touched as far as
/// it is used: growing by doubling would touch three times as much.
const MANY_SPANS: usize = 16_384;

impl Scan<'_> {
    fn request(&mut self, request: &[u8]) -> Option<()> {
        let mut rest = request;
        while let Some(&first) = rest.first() {
            if first == 0x0a {
                let body = framed(&mut rest)?;
                self.resource_spans(body, request.len() - rest.len())?;
            } else {
                skip_unknown(&mut rest, &schema::TRACES)?;
            }
        }
        Some(())
    }

    /// `end` is the offset of the end of `body`, here and below.
    fn resource_spans(&mut self, body: &[u8], end: usize) -> Option<()> {
        self.has_room_for_a_group()?;
        let index = self.table.resources.len();
        self.table.resources.push(ResourceRec { body: slice(body, end), resource: Slice::ABSENT });
        let mut rest = body;
        while let Some(&first) = rest.first() {
            match first {
                0x12 => {
                    let scope_spans = framed(&mut rest)?;
                    self.scope_spans(scope_spans, end - rest.len(), index as u32)?;
                }
                0x0a => {
                    let record = self.table.resources.last_mut()?;
                    let resource = head(&mut rest, &schema::RESOURCE, record.resource, check::MAX_DEPTH - 2)?;
                    record.resource = slice(resource, end - rest.len());
                }
                _ => skip_unknown(&mut rest, &schema::RESOURCE_SPANS)?,
            }
        }
        Some(())
    }

    fn scope_spans(&mut self, body: &[u8], end: usize, resource: u32) -> Option<()> {
        self.has_room_for_a_group()?;
        let index = self.table.scopes.len();
        self.table.scopes.push(ScopeRec { body: slice(body, end), scope: Slice::ABSENT, resource });
        let mut rest = body;
        while let Some(&first) = rest.first() {
            match first {
                0x12 => {
                    let span = framed(&mut rest)?;
                    self.span(span, end - rest.len(), resource, index as u32)?;
                }
                0x0a => {
                    let record = self.table.scopes.last_mut()?;
                    let scope = head(&mut rest, &schema::SCOPE, record.scope, check::MAX_DEPTH - 3)?;
                    record.scope = slice(scope, end - rest.len());
                }
                _ => skip_unknown(&mut rest, &schema::SCOPE_SPANS)?,
            }
        }
        Some(())
    }

    /// Of resources and scopes together there may be as many as spans.
    fn has_room_for_a_group(&self) -> Option<()> {
        (self.table.resources.len() + self.table.scopes.len() < self.max_spans).then_some(())
    }

    /// Makes room for more spans; none where there may be no more.
    #[cold]
    fn grow(&mut self) -> Option<()> {
        let table = &mut *self.table;
        let left = self.max_spans.checked_sub(table.spans.len()).filter(|left| *left > 0)?;
        // What this process wrote itself has no limit that says how many there can be.
        if table.spans.len() >= MANY_SPANS && self.max_spans != usize::MAX {
            table.spans.reserve_exact(left);
            table.values.reserve_exact(left * table.stride);
        } else {
            table.spans.reserve(1);
        }
        self.room = table.spans.capacity().min(self.max_spans);
        Some(())
    }

    #[inline(always)]
    fn span(&mut self, body: &[u8], end: usize, resource: u32, scope: u32) -> Option<()> {
        if self.table.spans.len() >= self.room {
            self.grow()?;
        }
        let row = self.table.values.len();
        self.table.values.resize(row + self.table.stride, Slice::ABSENT);
        let row = self.table.values.get_mut(row..)?;
        // Filled in place: a record is too large to be built on the stack and copied.
        self.table.spans.push(SpanRec { body: slice(body, end), resource, scope, ..BLANK });
        let span = self.table.spans.last_mut()?;
        let mut rest = usual_head(body, end, span);
        while let Some(tail) = attribute_field(rest, end, self.matcher, row)? {
            rest = tail;
        }
        if is_usual_tail(rest, span) {
            return Some(());
        }
        any_fields(rest, end, self.matcher, row, span)
    }
}

const BLANK: SpanRec = SpanRec {
    body: Slice::ABSENT,
    resource: 0,
    scope: 0,
    name: Slice::ABSENT,
    trace_id_at: u32::MAX,
    span_id_at: u32::MAX,
    parent_id_at: u32::MAX,
    trace_state: Slice::ABSENT,
    start: 0,
    end: 0,
    kind: 0,
    status: 0,
    has_events: false,
};

/// Reads the fields before the attributes as long as they come in the usual order and spelling, and
/// returns the rest.
#[inline(always)]
fn usual_head<'a>(body: &'a [u8], end: usize, span: &mut SpanRec) -> &'a [u8] {
    let mut rest = body;
    let Some((ids, tail)) = rest.split_first_chunk::<28>() else { return rest };
    if (ids[0], ids[1], ids[18], ids[19]) != (0x0a, 16, 0x12, 8) {
        return rest;
    }
    span.trace_id_at = (end - rest.len() + 2) as u32;
    span.span_id_at = (end - rest.len() + 20) as u32;
    rest = tail;
    if let Some(([0x22, 8, id @ ..], tail)) = rest.split_first_chunk::<10>() {
        if *id != [0; 8] {
            span.parent_id_at = (end - rest.len() + 2) as u32;
        }
        rest = tail;
    }
    if let [0x2a, len, tail @ ..] = rest
        && *len < 0x80
        && let Some((name, tail)) = tail.split_at_checked(usize::from(*len))
    {
        rest = tail;
        span.name = slice(name, end - rest.len());
    }
    if let [0x30, kind, tail @ ..] = rest
        && *kind < 0x80
    {
        span.kind = *kind;
        rest = tail;
    }
    if let Some((start, tail)) = rest.split_first_chunk::<9>()
        && let Some((stop, tail)) = tail.split_first_chunk::<9>()
        && let ([0x39, start @ ..], [0x41, stop @ ..]) = (start, stop)
    {
        span.start = u64::from_le_bytes(*start);
        span.end = u64::from_le_bytes(*stop);
        rest = tail;
    }
    rest
}

/// Whether `rest` is what most spans end in, which is then read: a status code or an empty status or
/// none, then flags or none.
#[inline(always)]
fn is_usual_tail(rest: &[u8], span: &mut SpanRec) -> bool {
    let (code, rest) = match rest {
        [0x7a, 0, rest @ ..] => (0, rest),
        [0x7a, 2, 0x18, code, rest @ ..] if *code < 0x80 => (*code, rest),
        _ => (0, rest),
    };
    if !matches!(rest, [] | [0x85, 0x01, _, _, _, _]) {
        return false;
    }
    span.status = code;
    true
}

/// Reads fields of a span in any order and spelling: what follows the attributes, or all of it.
fn any_fields(
    body: &[u8],
    end: usize,
    matcher: &Matcher,
    row: &mut [Slice],
    span: &mut SpanRec,
) -> Option<()> {
    let mut has_status = false;
    let mut rest = body;
    while !rest.is_empty() {
        let tag = cursor::tag(&mut rest)?;
        match tag {
            0x0a => span.trace_id_at = id_at(cursor::bytes(&mut rest)?, end - rest.len(), 16),
            0x12 => span.span_id_at = id_at(cursor::bytes(&mut rest)?, end - rest.len(), 8),
            0x1a => {
                let state = cursor::bytes(&mut rest)?;
                span.trace_state =
                    if state.is_empty() { Slice::ABSENT } else { slice(state, end - rest.len()) };
            }
            0x22 => {
                let id = cursor::bytes(&mut rest)?;
                let is_zero = id.iter().all(|&byte| byte == 0);
                span.parent_id_at = if is_zero { u32::MAX } else { id_at(id, end - rest.len(), 8) };
            }
            0x2a => {
                let name = cursor::bytes(&mut rest)?;
                span.name = slice(name, end - rest.len());
            }
            0x30 => span.kind = enumeration(cursor::varint(&mut rest)?),
            0x39 => span.start = cursor::fixed64(&mut rest)?,
            0x41 => span.end = cursor::fixed64(&mut rest)?,
            0x4a => {
                let attribute = cursor::bytes(&mut rest)?;
                note_attribute(attribute, end - rest.len(), matcher, row)?;
            }
            0x5a => {
                span.has_events = true;
                let event = cursor::bytes(&mut rest)?;
                is_sound(&schema::EVENT, event)?;
            }
            0x6a => {
                let link = cursor::bytes(&mut rest)?;
                is_sound(&schema::LINK, link)?;
            }
            0x7a => {
                let status = cursor::bytes(&mut rest)?;
                if has_status {
                    return None;
                }
                has_status = true;
                span.status = status_code(status)?;
            }
            // Dropped counts and flags.
            0x50 | 0x60 | 0x70 => drop(cursor::varint(&mut rest)?),
            0x85 => drop(cursor::fixed32(&mut rest)?),
            _ if schema::SPAN.field(tag >> 3).is_some() => return None,
            _ => cursor::skip(&mut rest, tag)?,
        }
    }
    Some(())
}

/// The tag of a span's attribute: field 9, length-delimited.
const ATTRIBUTE: u8 = 0x4a;

/// Reads a span's next field if it is an attribute, and returns what follows it.
///
/// The usual spelling of a short text attribute is compared as two words of four bytes: tag, length, key's
/// tag, key's length; then behind the key value's tag, length, text's tag, text's length.
#[inline(always)]
fn attribute_field<'a>(
    rest: &'a [u8],
    end: usize,
    matcher: &Matcher,
    row: &mut [Slice],
) -> Option<Option<&'a [u8]>> {
    // Lengths below 128 have a clear highest bit.
    const MASK: u32 = u32::from_le_bytes([0xff, 0x80, 0xff, 0x80]);
    const USUAL: u32 = u32::from_le_bytes([ATTRIBUTE, 0, 0x0a, 0]);
    let Some(head) = rest.first_chunk::<4>() else { return Some(None) };
    let head = u32::from_le_bytes(*head);
    if head & MASK != USUAL {
        return if head as u8 == ATTRIBUTE {
            any_attribute_field(rest, end, matcher, row)
        } else {
            Some(None)
        };
    }
    let (len, key_len) = ((head >> 8 & 0x7f) as usize, (head >> 24) as usize);
    let (field, tail) = rest.split_at_checked(len + 2)?;
    // An attribute of less than two bytes has no key: then what looked like one belongs to the next field.
    if let Some((key, value)) = field.split_at_checked(key_len + 4)
        && let Some(header) = value.first_chunk::<4>()
        && u32::from_le_bytes(*header) == text_header(value.len() as u32)
    {
        // The first four bytes precede the key.
        if let Some(slot) = matcher.find_behind::<4>(key) {
            let value_len = value.len() - 2;
            note(row, slot, Slice { at: (end - tail.len() - value_len) as u32, len: value_len as u32 });
        }
    } else {
        note_attribute(&field[2..], end - tail.len(), matcher, row)?;
    }
    Some(Some(tail))
}

#[inline(never)]
fn any_attribute_field<'a>(
    rest: &'a [u8],
    end: usize,
    matcher: &Matcher,
    row: &mut [Slice],
) -> Option<Option<&'a [u8]>> {
    let mut rest = rest.get(1..)?;
    let attribute = cursor::bytes(&mut rest)?;
    match cursor::text_attribute(attribute) {
        Some((key, value)) => {
            if let Some(slot) = matcher.find(key) {
                note(row, slot, slice(value, end - rest.len()));
            }
        }
        None => note_attribute(attribute, end - rest.len(), matcher, row)?,
    }
    Some(Some(rest))
}

/// Returns the first four bytes of an attribute's value field of `len` bytes that holds a text: value's tag and
/// length, text's tag and length.
#[inline(always)]
const fn text_header(len: u32) -> u32 {
    const TAGS: u32 = u32::from_le_bytes([0x12, 0, 0x0a, 0]);
    len.wrapping_mul(1 << 8 | 1 << 24).wrapping_add(TAGS.wrapping_sub(2 << 8).wrapping_sub(4 << 24))
}

/// Keeps the first of duplicates.
#[inline(always)]
fn note(row: &mut [Slice], slot: usize, value: Slice) {
    if let Some(found) = row.get_mut(slot)
        && found.is_absent()
    {
        *found = value;
    }
}

/// Notes an attribute's value if it is wanted, and checks it in any case.
#[inline(always)]
fn note_attribute(attribute: &[u8], end: usize, matcher: &Matcher, row: &mut [Slice]) -> Option<()> {
    let Some((key, value)) = plain_attribute(attribute) else {
        return note_any_attribute(attribute, end, matcher, row);
    };
    if let Some(slot) = matcher.find(key) {
        note(row, slot, slice(value, end));
    }
    Some(())
}

/// The same for any spelling: long values, arrays, maps, fields in another order.
#[inline(never)]
fn note_any_attribute(attribute: &[u8], end: usize, matcher: &Matcher, row: &mut [Slice]) -> Option<()> {
    let mut key: &[u8] = &[];
    // An attribute without a value has an empty one.
    let mut value = Slice { at: (end - attribute.len()) as u32, len: 0 };
    let mut has_value = false;
    let mut rest = attribute;
    while !rest.is_empty() {
        let tag = cursor::tag(&mut rest)?;
        match tag {
            0x0a => key = cursor::bytes(&mut rest)?,
            0x12 if has_value => return None,
            0x12 => {
                has_value = true;
                let body = cursor::bytes(&mut rest)?;
                value = slice(body, end - rest.len());
                if !cursor::is_text(body) {
                    check::is_sound(&schema::ANY_VALUE, body, BELOW_SPAN - 1).then_some(())?;
                }
            }
            0x18 => drop(cursor::varint(&mut rest)?),
            _ if tag >> 3 <= 3 => return None,
            _ => cursor::skip(&mut rest, tag)?,
        }
    }
    if let Some(slot) = matcher.find(key) {
        note(row, slot, value);
    }
    Some(())
}

fn status_code(status: &[u8]) -> Option<u8> {
    let mut code = 0;
    let mut rest = status;
    while !rest.is_empty() {
        let tag = cursor::tag(&mut rest)?;
        match tag {
            0x12 => drop(cursor::bytes(&mut rest)?),
            0x18 => code = enumeration(cursor::varint(&mut rest)?),
            _ if schema::STATUS.field(tag >> 3).is_some() => return None,
            _ => cursor::skip(&mut rest, tag)?,
        }
    }
    Some(code)
}

/// Reads a `Resource` or `InstrumentationScope`, which must not have come before, and checks it.
fn head<'a>(rest: &mut &'a [u8], message: &'static Message, before: Slice, depth: u32) -> Option<&'a [u8]> {
    let body = framed(rest)?;
    (before.is_absent() && check::is_sound(message, body, depth)).then_some(body)
}

fn is_sound(message: &'static Message, body: &[u8]) -> Option<()> {
    check::is_sound(message, body, BELOW_SPAN).then_some(())
}

/// Skips a field that `message` does not know, and refuses a known one: its wire type is wrong, or its
/// tag is padded.
#[inline(never)]
fn skip_unknown(rest: &mut &[u8], message: &'static Message) -> Option<()> {
    let tag = cursor::tag(rest)?;
    match message.field(tag >> 3) {
        // The schema URL, in either place.
        Some(field) if field.number == 3 && tag == field.tag() => cursor::skip(rest, tag),
        Some(_) => None,
        None => cursor::skip(rest, tag),
    }
}

/// Enumerations are 32 bits wide; what does not fit a record's byte is capped.
fn enumeration(value: u64) -> u8 {
    u8::try_from(value as i32).unwrap_or(u8::MAX)
}

fn id_at(id: &[u8], end: usize, len: usize) -> u32 {
    if id.len() == len { (end - len) as u32 } else { u32::MAX }
}

#[inline(always)]
fn slice(bytes: &[u8], end: usize) -> Slice {
    Slice { at: (end - bytes.len()) as u32, len: bytes.len() as u32 }
}

#[cfg(test)]
mod tests;
