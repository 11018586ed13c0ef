//! One file of `proto/`, and whether structs are what it says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    path::Path,
};

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, MessageDescriptor};
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

use crate::values::{arbitrary, probe};

/// How many arbitrary messages of each kind go through its struct.
const ROUNDS: u64 = 64;

/// A compiled description whose messages are held to structs one by one.
pub struct Schema {
    messages: BTreeMap<String, MessageDescriptor>,
    /// Messages that no struct has been held to.
    open: BTreeSet<String>,
}

impl Schema {
    /// Compiles `proto/FILE`.
    ///
    /// *Panics* with the compiler's words when the file is no valid description.
    pub fn compile(file: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
        let files = protox::compile([file], [folder]).unwrap_or_else(|problem| panic!("{file}: {problem:?}"));
        Self::new(DescriptorPool::from_file_descriptor_set(files).unwrap())
    }

    pub(crate) fn new(pool: DescriptorPool) -> Self {
        let messages: BTreeMap<_, _> =
            pool.all_messages().map(|message| (message.name().to_owned(), message)).collect();
        assert_eq!(messages.len(), pool.all_messages().len(), "messages of one name");
        let open = messages.keys().cloned().collect();
        Self { messages, open }
    }

    /// Holds a struct to a message: the same fields by name, number and type, and nothing is lost or unknown
    /// on the way from one to the other and back.
    ///
    /// *Panics* where they differ.
    pub fn holds<M: Message + Default + Debug>(&mut self, name: &str) {
        self.holds_and::<M>(name, &[]);
    }

    /// As [`Self::holds`] for a struct that has more fields than this description.
    pub fn holds_and<M: Message + Default + Debug>(&mut self, name: &str, more: &[&str]) {
        let message = self.messages.get(name).unwrap_or_else(|| panic!("no message {name} is described"));
        assert!(self.open.remove(name), "{name} is held to a second struct");
        assert_names::<M>(message, more);
        message.fields().for_each(|field| assert_field::<M>(message, &field));
        for seed in 0..ROUNDS {
            assert_round_trip::<M>(message, seed);
        }
    }

    /// *Panics* when a message is described that no struct was held to.
    pub fn finish(&self) {
        assert_eq!(self.open, BTreeSet::new(), "described and held to no struct");
    }
}

/// What a field is called in a struct: members of a `oneof` by the name of that.
fn name_of(field: &FieldDescriptor) -> String {
    // An `optional` field is in a `oneof` of its own, which nobody sees.
    let of = field.containing_oneof().filter(|_| !field.field_descriptor_proto().proto3_optional());
    of.map_or_else(|| field.name().to_owned(), |of| of.name().to_owned())
}

fn assert_names<M: Default + Debug>(message: &MessageDescriptor, more: &[&str]) {
    let described: BTreeSet<_> = message
        .fields()
        .map(|field| name_of(&field))
        .chain(more.iter().map(|&name| name.to_owned()))
        .collect();
    let written: BTreeSet<_> = shown(&M::default()).into_keys().collect();
    assert_eq!(written, described, "fields of the struct and of {}", message.full_name());
}

/// One field set, and no other: the struct shows this value under this name and is otherwise unchanged.
fn assert_field<M: Message + Default + Debug>(message: &MessageDescriptor, field: &FieldDescriptor) {
    let probe = probe(message, field);
    let read =
        M::decode(&probe.bytes[..]).unwrap_or_else(|problem| panic!("{}: {problem}", field.full_name()));
    let (before, after) = (shown(&M::default()), shown(&read));
    let changed: Vec<_> = after.iter().filter(|(name, value)| before.get(*name) != Some(value)).collect();
    let [(name, value)] = changed[..] else {
        panic!("{} changes {changed:?}", field.full_name());
    };
    assert_eq!(*name, name_of(field), "number {} of {}", field.number(), message.full_name());
    let is_told = probe.texts.is_empty() || probe.texts.iter().any(|text| value.contains(text));
    assert!(is_told, "{} shows {value}, none of {:?}", field.full_name(), probe.texts);
}

fn assert_round_trip<M: Message + Default>(message: &MessageDescriptor, seed: u64) {
    let made = arbitrary(message, &mut Pcg64Mcg::seed_from_u64(seed));
    // Through the wire, as a value that is the default and a value that is absent look the same there.
    let made = DynamicMessage::decode(message.clone(), &made.encode_to_vec()[..]).unwrap();
    let read = M::decode(&made.encode_to_vec()[..]).unwrap();
    let back = DynamicMessage::decode(message.clone(), &read.encode_to_vec()[..]).unwrap();
    // What is unknown counts among the fields.
    assert_eq!(back, made, "{} through its struct", message.full_name());
}

/// The fields of a struct by name, each with its value as text without spaces.
pub(crate) fn shown(value: &impl Debug) -> BTreeMap<String, String> {
    let text = format!("{value:#?}");
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    let mut open = String::new();
    for line in text.lines() {
        let field =
            line.strip_prefix("    ").filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
        let field = field.and_then(|rest| rest.split_once(": "));
        if let Some((name, value)) = field {
            open = name.trim_start_matches("r#").to_owned();
            fields.insert(open.clone(), value.to_owned());
        } else if let Some(value) = fields.get_mut(&open) {
            value.push_str(line.trim());
        }
    }
    fields
}
