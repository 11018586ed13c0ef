//! What differs from its description is found.

use std::panic::{AssertUnwindSafe, catch_unwind};

use prost::Message;
use prost_reflect::DescriptorPool;
use protox::file::{ChainFileResolver, File, FileResolver};

use super::Schema;

const SOURCE: &str = r#"
syntax = "proto3";
package test;
message Outer {
  uint32 count = 1;
  sint64 change = 2;
  repeated Inner inner = 3;
  optional double level = 4;
  bytes key = 5;
  oneof choice { string name = 6; bool flag = 7; }
}
message Inner { fixed64 at = 1; }
"#;

struct Given;

impl FileResolver for Given {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        File::from_source(name, SOURCE)
    }
}

fn schema() -> Schema {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Given);
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.open_file("given.proto").unwrap();
    Schema::new(DescriptorPool::from_file_descriptor_set(compiler.file_descriptor_set()).unwrap())
}

#[derive(Clone, PartialEq, Message)]
struct Inner {
    #[prost(fixed64, tag = "1")]
    at: u64,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Choice {
    #[prost(string, tag = "6")]
    Name(String),
    #[prost(bool, tag = "7")]
    Flag(bool),
}

/// An `Outer` of which one thing may be otherwise.
macro_rules! outer {
    ($name:ident, $count:ident $count_tag:literal $count_kind:ident $count_type:ty, $change:ident $change_type:ty) => {
        #[derive(Clone, PartialEq, Message)]
        struct $name {
            #[prost($count_kind, tag = $count_tag)]
            $count: $count_type,
            #[prost($change, tag = "2")]
            change: $change_type,
            #[prost(message, repeated, tag = "3")]
            inner: Vec<Inner>,
            #[prost(double, optional, tag = "4")]
            level: Option<f64>,
            #[prost(bytes = "vec", tag = "5")]
            key: Vec<u8>,
            #[prost(oneof = "Choice", tags = "6, 7")]
            choice: Option<Choice>,
        }
    };
}
outer!(Right, count "1" uint32 u32, sint64 i64);
outer!(OtherName, number "1" uint32 u32, sint64 i64);
outer!(OtherNumber, count "8" uint32 u32, sint64 i64);
outer!(Wider, count "1" uint64 u64, sint64 i64);
outer!(NoZigzag, count "1" uint32 u32, int64 i64);

#[derive(Clone, PartialEq, Message)]
struct Fewer {}

#[derive(Clone, PartialEq, Message)]
struct More {
    #[prost(fixed64, tag = "1")]
    at: u64,
    #[prost(bool, tag = "2")]
    late: bool,
}

fn is_refused<M: Message + Default + std::fmt::Debug>(name: &str) -> bool {
    let mut schema = schema();
    catch_unwind(AssertUnwindSafe(|| schema.holds::<M>(name))).is_err()
}

#[test]
fn a_struct_that_is_as_described_is_held() {
    let mut schema = schema();
    schema.holds::<Right>("Outer");
    schema.holds_and::<More>("Inner", &["late"]);
    schema.finish();
}

#[test]
fn what_differs_in_name_number_or_type_is_refused() {
    assert!(is_refused::<OtherName>("Outer"));
    assert!(is_refused::<OtherNumber>("Outer"));
    assert!(is_refused::<Wider>("Outer"));
    assert!(is_refused::<NoZigzag>("Outer"));
    assert!(is_refused::<Fewer>("Inner"));
    assert!(is_refused::<More>("Inner"));
    assert!(is_refused::<Inner>("Missing"));
}

#[test]
fn a_message_that_no_struct_is_held_to_is_named() {
    let mut schema = schema();
    schema.holds::<Inner>("Inner");
    let problem = catch_unwind(AssertUnwindSafe(|| schema.finish())).unwrap_err();
    assert!(problem.downcast_ref::<String>().unwrap().contains("{\"Outer\"}"));
}
