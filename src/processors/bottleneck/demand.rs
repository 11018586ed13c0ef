//! What a span's attributes tell of demand: what was asked of a cache, and whether too much was asked of anybody.

use model::{KeySet, Slice, Slot};
use wire::view::AnyValue;

/// Where the attributes of the semantic conventions stand, the present name of each before the one that it had.
#[derive(Clone, Default)]
pub(super) struct Demand {
    systems: Vec<Slot>,
    operations: Vec<Slot>,
    http_codes: Vec<Slot>,
    rpc_codes: Vec<Slot>,
}

const SYSTEMS: [&str; 2] = ["db.system.name", "db.system"];
const OPERATIONS: [&str; 2] = ["db.operation.name", "db.operation"];
const HTTP_CODES: [&str; 2] = ["http.response.status_code", "http.status_code"];
const RPC_CODES: [&str; 2] = ["rpc.response.status_code", "rpc.grpc.status_code"];
/// "Too Many Requests", RFC 6585 section 4.
const TOO_MANY_REQUESTS: &[u8] = b"429";
/// As gRPC numbers and names it.
const RESOURCE_EXHAUSTED: [&[u8]; 2] = [b"8", b"RESOURCE_EXHAUSTED"];
/// Commands that answer with what is there; whoever gets nothing looks for it elsewhere.
const READS: [&[u8]; 8] = [b"get", b"gets", b"getex", b"mget", b"hget", b"hmget", b"hgetall", b"get_multi"];

impl Demand {
    pub(super) fn new(keys: &mut KeySet) -> Self {
        let mut slots = |names: [&str; 2]| names.map(|name| keys.want(name)).to_vec();
        Self {
            systems: slots(SYSTEMS),
            operations: slots(OPERATIONS),
            http_codes: slots(HTTP_CODES),
            rpc_codes: slots(RPC_CODES),
        }
    }

    /// Whether the answer was that too much is asked.
    pub(super) fn is_throttled(&self, values: &[Slice], request: &[u8]) -> bool {
        let is_one = |slots, codes: &[&[u8]]| {
            first(slots, values, request).is_some_and(|code| match code {
                AnyValue::Str(text) => codes.contains(&text),
                AnyValue::Int(number) => codes.contains(&number.to_string().as_bytes()),
                _ => false,
            })
        };
        is_one(&self.http_codes, &[TOO_MANY_REQUESTS]) || is_one(&self.rpc_codes, &RESOURCE_EXHAUSTED)
    }

    /// What a client's span asks of a cache, as partials tell it: 0 for nothing, 2 for what is in it.
    pub(super) fn of_cache(&self, values: &[Slice], name: &[u8], request: &[u8], caches: &[String]) -> u32 {
        let Some(AnyValue::Str(system)) = first(&self.systems, values, request) else { return 0 };
        if !caches.iter().any(|cache| cache.as_bytes() == system) {
            return 0;
        }
        let operation = match first(&self.operations, values, request) {
            Some(AnyValue::Str(operation)) => operation,
            _ => name,
        };
        let command = operation.split(|byte| *byte == b' ').next().unwrap_or_default();
        if READS.iter().any(|read| command.eq_ignore_ascii_case(read)) { 2 } else { 1 }
    }
}

fn first<'a>(slots: &[Slot], values: &[Slice], request: &'a [u8]) -> Option<AnyValue<'a>> {
    let mut values = slots.iter().filter_map(|slot| values.get(slot.0));
    values.find(|value| !value.is_absent()).map(|value| AnyValue::of(value.of(request)))
}
