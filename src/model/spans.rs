//! The table of spans: what one walk over a trace request leaves for every stage.
//!
//! A record holds offsets into the request's bytes, not copies. The walk that fills the table
//! (`wire::scan_traces`) has checked every offset, so readers may slice without asking again.

/// A range of a request's bytes.
///
/// *Units*: bytes from the start of the request. Absent is `at == u32::MAX`; a field that is present
/// and empty has `len == 0`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slice {
    pub at: u32,
    pub len: u32,
}

impl Slice {
    pub const ABSENT: Self = Self { at: u32::MAX, len: 0 };

    pub const fn is_absent(self) -> bool {
        self.at == u32::MAX
    }

    /// Returns the bytes, empty when absent.
    #[inline(always)]
    pub fn of(self, request: &[u8]) -> &[u8] {
        if self.is_absent() {
            return &[];
        }
        let at = self.at as usize;
        request.get(at..at + self.len as usize).unwrap_or(&[])
    }

    /// Moves the range by as many bytes as were written before it.
    pub fn shifted(self, by: i64) -> Self {
        if self.is_absent() {
            return self;
        }
        Self { at: (i64::from(self.at) + by) as u32, len: self.len }
    }
}

/// One span.
#[derive(Clone, Copy, Debug)]
pub struct SpanRec {
    /// The span's message, without tag and length.
    pub body: Slice,
    /// Index into [`SpanTable::resources`].
    pub resource: u32,
    /// Index into [`SpanTable::scopes`].
    pub scope: u32,
    pub name: Slice,
    /// Offset of the 16 bytes of the trace id; `u32::MAX` when absent or of another length.
    pub trace_id_at: u32,
    /// Offset of the 8 bytes of the span id; `u32::MAX` when absent or of another length.
    pub span_id_at: u32,
    /// Offset of the 8 bytes of the parent's span id; `u32::MAX` for a root span.
    pub parent_id_at: u32,
    /// W3C tracestate, absent when empty.
    pub trace_state: Slice,
    /// *Units*: nanoseconds since the epoch, as sent.
    pub start: u64,
    /// *Units*: nanoseconds since the epoch, as sent.
    pub end: u64,
    /// OTLP `SpanKind`; numbers above 5 are kept as they came, capped at 255.
    pub kind: u8,
    /// OTLP `StatusCode`; capped at 255.
    pub status: u8,
    /// Whether the span holds at least one event.
    pub has_events: bool,
}

/// No operation takes longer: one of its times was not set, or a clock is wrong. *Units*: nanoseconds; a year.
const LONGEST_NANOS: u64 = 366 * 86_400 * 1_000_000_000;

impl SpanRec {
    /// Returns end − start. A negative duration counts as zero, as in the collector, and so does one of more than a
    /// year: it would spoil a sum for ever.
    #[inline(always)]
    pub fn duration_nanos(&self) -> u64 {
        let nanos = self.end.saturating_sub(self.start);
        if nanos > LONGEST_NANOS { 0 } else { nanos }
    }

    /// Whether the span would have taken more than a year.
    pub fn is_implausible(&self) -> bool {
        self.end.saturating_sub(self.start) > LONGEST_NANOS
    }

    pub fn trace_id<'a>(&self, request: &'a [u8]) -> Option<&'a [u8; 16]> {
        request.get(self.trace_id_at as usize..)?.first_chunk()
    }

    /// Returns the span's message with its tag and length, which the walk has found to be spelled shortest.
    pub fn field(&self) -> Slice {
        let length_bytes = (32 - (self.body.len | 1).leading_zeros()).div_ceil(7);
        let before = 1 + length_bytes;
        Slice { at: self.body.at.saturating_sub(before), len: self.body.len + before }
    }

    pub fn span_id<'a>(&self, request: &'a [u8]) -> Option<&'a [u8; 8]> {
        request.get(self.span_id_at as usize..)?.first_chunk()
    }

    pub fn parent_id<'a>(&self, request: &'a [u8]) -> Option<&'a [u8; 8]> {
        request.get(self.parent_id_at as usize..)?.first_chunk()
    }
}

/// The names of OTLP's span kinds, by number.
pub const SPAN_KINDS: [&str; 6] = [
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];

/// One `ResourceSpans`.
#[derive(Clone, Copy, Debug)]
pub struct ResourceRec {
    /// The `ResourceSpans` message, without tag and length.
    pub body: Slice,
    /// The `Resource` message within it; absent when none was sent.
    pub resource: Slice,
}

/// One `ScopeSpans`.
#[derive(Clone, Copy, Debug)]
pub struct ScopeRec {
    /// The `ScopeSpans` message, without tag and length.
    pub body: Slice,
    /// The `InstrumentationScope` message within it; absent when none was sent.
    pub scope: Slice,
    /// Index into [`SpanTable::resources`].
    pub resource: u32,
}

/// All spans of one request, in the order in which they stand in it.
#[derive(Clone, Debug, Default)]
pub struct SpanTable {
    pub spans: Vec<SpanRec>,
    pub resources: Vec<ResourceRec>,
    pub scopes: Vec<ScopeRec>,
    /// Values of the wanted attributes: `spans × keys`, row by row. A value is the body of an
    /// `AnyValue` message. The first of duplicate attributes wins, as in the collector.
    pub values: Vec<Slice>,
    /// How many keys were wanted.
    pub stride: usize,
}

impl SpanTable {
    /// Forgets the last request and keeps the memory.
    pub fn clear(&mut self) {
        self.spans.clear();
        self.resources.clear();
        self.scopes.clear();
        self.values.clear();
    }

    /// Returns how many bytes it takes, whatever is in it.
    pub fn heap_bytes(&self) -> usize {
        self.spans.capacity() * size_of::<SpanRec>()
            + self.resources.capacity() * size_of::<ResourceRec>()
            + self.scopes.capacity() * size_of::<ScopeRec>()
            + self.values.capacity() * size_of::<Slice>()
    }

    /// Returns the wanted values of the span at `index`, by slot.
    #[inline(always)]
    pub fn values_of(&self, index: usize) -> &[Slice] {
        self.values.get(index * self.stride..(index + 1) * self.stride).unwrap_or(&[])
    }
}

/// Where a wanted attribute's value stands in a row of [`SpanTable::values`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot(pub usize);

/// The span attributes that the stages of a chain read: asked for once, found by one walk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet {
    keys: Vec<String>,
}

impl KeySet {
    /// Asks for an attribute; the same key always has the same slot.
    pub fn want(&mut self, key: &str) -> Slot {
        if let Some(index) = self.keys.iter().position(|known| known == key) {
            return Slot(index);
        }
        self.keys.push(key.to_owned());
        Slot(self.keys.len() - 1)
    }

    /// Returns the wanted keys, by slot.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }
}
