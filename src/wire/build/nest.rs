//! Messages within messages, whose lengths are known only when they end.

use crate::encode;

/// A request being written. Messages end when a message of the same or an outer level begins.
#[derive(Clone, Default, Debug)]
pub(super) struct Nest {
    out: Vec<u8>,
    /// Where the bodies of the open messages begin, from the outermost in.
    open: Vec<usize>,
}

impl Nest {
    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    pub(super) fn written(&self) -> &[u8] {
        &self.out
    }

    /// Ends messages until `depth` are open.
    pub(super) fn close_to(&mut self, depth: usize) {
        while self.open.len() > depth {
            if let Some(body_at) = self.open.pop() {
                encode::end(&mut self.out, body_at);
            }
        }
    }

    pub(super) fn begin(&mut self, number: u32) {
        let body_at = encode::begin(&mut self.out, number);
        self.open.push(body_at);
    }

    /// Writes a whole message of field `number`.
    pub(super) fn message(&mut self, number: u32, write: impl FnOnce(&mut Vec<u8>)) {
        message(&mut self.out, number, write);
    }

    /// Begins `ResourceSpans` or a sibling, with its resource.
    pub(super) fn resource(&mut self, attributes: &super::Attributes) {
        self.close_to(0);
        self.begin(1);
        self.message(1, |out| attributes.write(out, 1));
    }

    /// Begins `ScopeSpans` or a sibling, with its scope.
    pub(super) fn scope(&mut self, name: &str, version: &str) {
        self.scope_of(name, version, &super::Attributes::new());
    }

    /// Begins it with a scope that has attributes.
    pub(super) fn scope_of(&mut self, name: &str, version: &str, attributes: &super::Attributes) {
        if self.depth() == 0 {
            self.begin(1);
        }
        self.close_to(1);
        self.begin(2);
        self.message(1, |out| {
            text(out, 1, name.as_bytes());
            text(out, 2, version.as_bytes());
            attributes.write(out, 3);
        });
    }

    /// Ends what is open down to a scope, and opens one where there is none.
    pub(super) fn within_scope(&mut self) {
        self.close_to(2);
        while self.depth() < 2 {
            let number = self.depth() as u32 + 1;
            self.begin(number);
        }
    }

    /// Ends everything and takes the request.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.close_to(0);
        std::mem::take(&mut self.out)
    }
}

pub(super) fn message(out: &mut Vec<u8>, number: u32, write: impl FnOnce(&mut Vec<u8>)) {
    let body_at = encode::begin(out, number);
    write(out);
    encode::end(out, body_at);
}

/// Writes text or bytes unless empty, as proto3 does.
pub(super) fn text(out: &mut Vec<u8>, number: u32, text: &[u8]) {
    if !text.is_empty() {
        encode::put_bytes(out, number, text);
    }
}

pub(super) fn uint(out: &mut Vec<u8>, number: u32, value: u64) {
    if value != 0 {
        encode::put_uint(out, number, value);
    }
}

pub(super) fn fixed64(out: &mut Vec<u8>, number: u32, value: u64) {
    if value != 0 {
        encode::put_fixed64(out, number, value);
    }
}

pub(super) fn fixed32(out: &mut Vec<u8>, number: u32, value: u32) {
    if value != 0 {
        encode::put_fixed32(out, number, value);
    }
}

pub(super) fn optional_double(out: &mut Vec<u8>, number: u32, value: Option<f64>) {
    if let Some(value) = value {
        encode::put_double(out, number, value);
    }
}

/// Writes eight-byte values packed.
pub(super) fn packed_fixed64(out: &mut Vec<u8>, number: u32, values: impl ExactSizeIterator<Item = u64>) {
    if values.len() == 0 {
        return;
    }
    encode::put_header(out, number, values.len() * 8);
    for value in values {
        out.extend_from_slice(&value.to_le_bytes());
    }
}
