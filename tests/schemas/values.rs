//! Values for described fields: arbitrary ones, and such as tell their type.

use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint},
};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use rand::Rng;
use rand_pcg::Pcg64Mcg;

/// A message of which one field is set.
pub(crate) struct Probe {
    pub(crate) bytes: Vec<u8>,
    /// How the value looks in a struct of the right type, in one of these ways; none where it can not be told.
    pub(crate) texts: Vec<String>,
}

/// What numbers of 32 bits on the wire carry beside them: who reads 64 bits shows another number.
const TOO_WIDE: u64 = 1 << 40;

/// Makes a message with a value in one field that a struct with another type shows as another value.
pub(crate) fn probe(message: &MessageDescriptor, field: &FieldDescriptor) -> Probe {
    let number = |value: u64, text: &str| {
        let mut bytes = Vec::new();
        encode_key(field.number(), WireType::Varint, &mut bytes);
        encode_varint(value, &mut bytes);
        Probe { bytes, texts: vec![text.to_owned()] }
    };
    let value = match field.kind() {
        Kind::Int32 => return number(-1_234_567_i64 as u64 ^ TOO_WIDE, "-1234567"),
        Kind::Sint32 => return number(2_469_133 | TOO_WIDE, "-1234567"),
        Kind::Uint32 => return number(u64::from(u32::MAX - 5) | TOO_WIDE, "4294967290"),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(-1_234_567_890_123),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(u64::MAX - 5),
        Kind::Sfixed32 => Value::I32(-1_234_567),
        Kind::Fixed32 => Value::U32(u32::MAX - 5),
        Kind::Double => Value::F64(1234.5),
        Kind::Float => Value::F32(1234.5),
        Kind::Bool => Value::Bool(true),
        Kind::String => Value::String("probe".to_owned()),
        Kind::Bytes => Value::Bytes(b"probe\xff".as_slice().into()),
        Kind::Enum(of) => Value::EnumNumber(of.values().map(|value| value.number()).max().unwrap_or(0)),
        // Every field of it, so that it differs from its default.
        Kind::Message(of) => Value::Message(full(&of)),
    };
    let texts = texts(&value);
    let mut made = DynamicMessage::new(message.clone());
    made.set_field(field, if field.is_list() { Value::List(vec![value]) } else { value });
    Probe { bytes: made.encode_to_vec(), texts }
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::I64(number) => vec![number.to_string()],
        Value::U64(number) => vec![number.to_string()],
        Value::I32(number) => vec![number.to_string()],
        Value::U32(number) => vec![number.to_string()],
        Value::F64(number) => vec![number.to_string()],
        Value::F32(number) => vec![number.to_string()],
        Value::Bool(_) => vec!["true".to_owned()],
        // Strings may be kept as bytes, which look the same on the wire.
        Value::String(text) => vec![format!("{text:?}")],
        Value::Bytes(bytes) => {
            let listed: String = bytes.iter().map(|byte| format!("{byte},")).collect();
            vec![format!("[{listed}]"), format!("{bytes:?}")]
        }
        _ => Vec::new(),
    }
}

fn full(message: &MessageDescriptor) -> DynamicMessage {
    let mut made = DynamicMessage::new(message.clone());
    for field in message.fields() {
        let probed = DynamicMessage::decode(message.clone(), &probe(message, &field).bytes[..]);
        made.set_field(&field, probed.expect("a probe can be read").get_field(&field).into_owned());
    }
    made
}

/// Makes a message with arbitrary values. Single messages within are always there, as structs may require them.
pub(crate) fn arbitrary(message: &MessageDescriptor, random: &mut Pcg64Mcg) -> DynamicMessage {
    let mut made = DynamicMessage::new(message.clone());
    for field in message.fields() {
        let is_required = matches!(field.kind(), Kind::Message(_)) && field.containing_oneof().is_none();
        if field.is_list() {
            let values = (0..random.random_range(0..4)).map(|_| value(&field.kind(), random)).collect();
            made.set_field(&field, Value::List(values));
        } else if is_required || random.random_range(0..4) > 0 {
            made.set_field(&field, value(&field.kind(), random));
        }
    }
    made
}

fn value(kind: &Kind, random: &mut Pcg64Mcg) -> Value {
    // Of any magnitude.
    let word = random.random::<u64>() >> random.random_range(0..64);
    match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(word as i32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(word as i64),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(word as u32),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(word),
        Kind::Double => Value::F64(word as f64 / 8.0),
        Kind::Float => Value::F32(word as f32 / 8.0),
        Kind::Bool => Value::Bool(word % 2 == 0),
        Kind::String => Value::String(format!("ä{word}")),
        Kind::Bytes => Value::Bytes(word.to_be_bytes().to_vec().into()),
        Kind::Enum(of) => {
            let numbers: Vec<_> = of.values().map(|value| value.number()).collect();
            Value::EnumNumber(numbers[random.random_range(0..numbers.len())])
        }
        Kind::Message(of) => Value::Message(arbitrary(of, random)),
    }
}
