//! Other spellings of the same kind of message: protobuf allows far more than any encoder writes.

use crate::{
    cursor::{Field, Fields, Raw},
    encode,
    schema::{Kind, Message},
    testing::Random,
};

/// Respells a message: fields in any order, unknown fields in between, singular fields repeated or in parts,
/// padded tags and lengths, packed fields unpacked. What it means is what the oracle decodes.
pub(crate) fn scramble(message: &'static Message, body: &[u8], random: &mut Random) -> Vec<u8> {
    let mut fields: Vec<Vec<u8>> = Vec::new();
    // Leave many messages in their usual order, so that the usual spelling is met as well.
    let is_wild = random.below(3) == 0;
    for field in Fields::new(body) {
        for part in respell(message, &field, random, is_wild) {
            let at = if is_wild { random.below(fields.len() as u64 + 1) as usize } else { fields.len() };
            fields.insert(at, part);
        }
        if random.below(20) == 0 {
            fields.push(unknown(random));
        }
    }
    fields.concat()
}

/// Returns the spelling of one field, in several parts at times.
fn respell(message: &'static Message, field: &Field<'_>, random: &mut Random, is_wild: bool) -> Vec<Vec<u8>> {
    let known = message.field(field.number);
    let Raw::Bytes(body) = field.value else {
        let mut out = Vec::new();
        put(&mut out, field, random, is_wild);
        return vec![out];
    };
    match known.map(|known| known.kind) {
        Some(Kind::Message(nested)) => {
            let body = scramble(nested, body, random);
            let cut = (is_wild && random.below(4) == 0 && !known.is_some_and(|known| known.repeated))
                .then(|| boundary(&body, random))
                .flatten();
            let parts = match cut {
                Some(at) => vec![&body[..at], &body[at..]],
                None => vec![&body[..]],
            };
            let parts = parts.into_iter().map(|part| {
                let mut out = Vec::new();
                put(&mut out, &Field { number: field.number, value: Raw::Bytes(part) }, random, is_wild);
                out
            });
            parts.collect()
        }
        Some(Kind::Fixed64 | Kind::Double) if is_wild => {
            let values = body.as_chunks::<8>().0.iter().map(|bytes| {
                let mut out = Vec::new();
                encode::put_fixed64(&mut out, field.number, u64::from_le_bytes(*bytes));
                out
            });
            values.collect()
        }
        _ => {
            let mut out = Vec::new();
            put(&mut out, field, random, is_wild);
            vec![out]
        }
    }
}

/// Finds a place between two fields.
fn boundary(body: &[u8], random: &mut Random) -> Option<usize> {
    let n_fields = Fields::new(body).count() as u64;
    let mut fields = Fields::new(body);
    for _ in 0..random.below(n_fields + 1) {
        fields.next();
    }
    Some(body.len() - fields.rest().len())
}

fn put(out: &mut Vec<u8>, field: &Field<'_>, random: &mut Random, is_wild: bool) {
    let is_padded = is_wild && random.below(8) == 0;
    let wire_type = match field.value {
        Raw::Varint(_) => 0,
        Raw::Fixed64(_) => 1,
        Raw::Bytes(_) => 2,
        Raw::Fixed32(_) => 5,
    };
    put_varint(out, u64::from(field.number << 3 | wire_type), is_padded && random.below(2) == 0);
    match field.value {
        Raw::Varint(value) => put_varint(out, value, is_padded),
        Raw::Fixed64(value) => out.extend_from_slice(&value.to_le_bytes()),
        Raw::Fixed32(value) => out.extend_from_slice(&value.to_le_bytes()),
        Raw::Bytes(bytes) => {
            put_varint(out, bytes.len() as u64, is_padded);
            out.extend_from_slice(bytes);
        }
    }
}

fn put_varint(out: &mut Vec<u8>, value: u64, is_padded: bool) {
    encode::put_varint(out, value);
    if is_padded
        && value < 1 << 56
        && let Some(last) = out.last_mut()
    {
        *last |= 0x80;
        out.push(0);
    }
}

fn unknown(random: &mut Random) -> Vec<u8> {
    let value = match random.below(4) {
        0 => Raw::Varint(random.word()),
        1 => Raw::Fixed64(random.word()),
        2 => Raw::Bytes(b"\xffunknown"),
        _ => Raw::Fixed32(random.word() as u32),
    };
    let mut out = Vec::new();
    put(&mut out, &Field { number: 100 + random.below(1000) as u32, value }, random, true);
    out
}

/// Cuts a request short, or changes some of its bytes.
pub(crate) fn damage(mut request: Vec<u8>, random: &mut Random) -> Vec<u8> {
    if request.is_empty() {
        return request;
    }
    if random.below(4) == 0 {
        request.truncate(random.below(request.len() as u64) as usize);
        return request;
    }
    for _ in 0..=random.below(3) {
        let at = random.below(request.len() as u64) as usize;
        request[at] =
            if random.below(2) == 0 { request[at] ^ (1 << random.below(8)) } else { random.word() as u8 };
    }
    request
}
