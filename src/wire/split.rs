//! Cutting requests without decoding them.
//!
//! A request is nothing but repeated `Resource…` messages, so requests that stand one behind the other are one. Cutting goes
//! down as far as it must: between resources, then between scopes, then between items, and repeats the heads (resource, scope,
//! schema URL) of what it cuts.

use bytes::Bytes;
use model::Signal;

use crate::{check, cursor, encode};

/// Cuts a request into parts of at most `max_bytes`, in order, nothing lost. An item that is larger
/// with its heads travels alone; so do more where heads are so large that repeating them would not end well.
///
/// The request has been checked; what can not be read stays whole.
pub fn split(signal: Signal, request: &Bytes, max_bytes: usize) -> Vec<Bytes> {
    cut(signal, request, Limit::Bytes(max_bytes.max(1)))
}

/// Cuts a request into parts of at most `max_items` spans, data points or log records. A metric is
/// not cut: one with more points travels alone.
pub fn split_items(signal: Signal, request: &Bytes, max_items: usize) -> Vec<Bytes> {
    cut(signal, request, Limit::Items(max_items.max(1) as u64))
}

#[derive(Clone, Copy)]
enum Limit {
    Bytes(usize),
    Items(u64),
}

impl Limit {
    fn holds(self, signal: Signal, request: &[u8]) -> bool {
        match self {
            Self::Bytes(most) => request.len() <= most,
            Self::Items(most) => check(signal, request).is_ok_and(|items| items <= most),
        }
    }
}

/// All signals use these field numbers.
const RESOURCES: u32 = 1;
const SCOPES: u32 = 2;
const ITEMS: u32 = 2;

fn cut(signal: Signal, request: &Bytes, limit: Limit) -> Vec<Bytes> {
    if request.is_empty() || limit.holds(signal, request) {
        return vec![request.clone()];
    }
    let budget = request.len().saturating_mul(8).saturating_add(REPEATED_BYTES);
    let mut cutter = Cutter { signal, limit, budget, parts: Vec::new(), part: Part::default() };
    match cutter.request(request) {
        Some(()) => cutter.finish(),
        None => vec![request.clone()],
    }
}

/// How many bytes of heads may be repeated beside eight times the request: without a bound, a request of a
/// few large heads and many tiny items would grow to terabytes.
const REPEATED_BYTES: usize = 16 << 20;

struct Cutter {
    signal: Signal,
    limit: Limit,
    /// How many bytes of heads may still be repeated; when it is spent, parts grow beyond the limit.
    budget: usize,
    parts: Vec<Bytes>,
    part: Part,
}

/// The part that is being filled.
#[derive(Default)]
struct Part {
    out: Vec<u8>,
    items: u64,
    /// Where the body of the open resource and scope begin.
    resource_at: Option<usize>,
    scope_at: Option<usize>,
}

/// What an item stands in: all fields of both messages but the repeated ones.
struct Heads<'a> {
    resource: &'a [FieldBytes<'a>],
    scope: &'a [FieldBytes<'a>],
    /// Bytes of both.
    len: usize,
}

impl Cutter {
    fn request(&mut self, request: &[u8]) -> Option<()> {
        for resource in fields(request)? {
            match resource.message(RESOURCES) {
                Some(body) => self.resource(body)?,
                None => self.part.out.extend_from_slice(resource.whole),
            }
        }
        Some(())
    }

    fn resource(&mut self, body: &[u8]) -> Option<()> {
        let (scopes, resource) = parted(body, SCOPES)?;
        let resource_len = total_len(&resource);
        if scopes.is_empty() {
            self.make_room(&Heads { resource: &resource, scope: &[], len: resource_len }, &[], 0);
            self.part.open_resource(&resource);
        }
        for scope in scopes {
            let (items, scope) = parted(scope.message(SCOPES)?, ITEMS)?;
            let heads = Heads { resource: &resource, scope: &scope, len: resource_len + total_len(&scope) };
            if items.is_empty() {
                self.make_room(&heads, &[], 0);
                self.part.open(&heads);
            }
            for item in items {
                self.item(&heads, item.whole);
            }
            self.part.close_scope();
        }
        self.part.close_resource();
        Some(())
    }

    fn item(&mut self, heads: &Heads<'_>, whole: &[u8]) {
        let items = self.items_of(whole);
        self.make_room(heads, whole, items);
        self.part.open(heads);
        self.part.out.extend_from_slice(whole);
        self.part.items += items;
    }

    /// Closes the part if what comes next would take it over the limit.
    fn make_room(&mut self, heads: &Heads<'_>, whole: &[u8], items: u64) {
        let is_full = match self.limit {
            Limit::Bytes(most) => self.part.size_with(heads, whole) > most,
            Limit::Items(most) => self.part.items + items > most,
        };
        if is_full
            && !self.part.out.is_empty()
            && let Some(budget) = self.budget.checked_sub(heads.len)
        {
            self.budget = budget;
            self.flush();
        }
    }

    /// Counts the points of a metric; spans and log records count one.
    fn items_of(&self, whole: &[u8]) -> u64 {
        if self.signal != Signal::Metrics {
            return 1;
        }
        let mut alone = Part::default();
        alone.open(&Heads { resource: &[], scope: &[], len: 0 });
        alone.out.extend_from_slice(whole);
        check(Signal::Metrics, &alone.close()).unwrap_or(1)
    }

    fn flush(&mut self) {
        self.parts.push(std::mem::take(&mut self.part).close());
    }

    fn finish(mut self) -> Vec<Bytes> {
        self.flush();
        self.parts
    }
}

impl Part {
    /// The size of the part with one more item: exact but for lengths, which take at most so much.
    fn size_with(&self, heads: &Heads<'_>, item: &[u8]) -> usize {
        const LENGTHS: usize = 2 * (1 + 5);
        let missing = match (self.resource_at, self.scope_at) {
            (None, _) => heads.len,
            (_, None) => total_len(heads.scope),
            _ => 0,
        };
        self.out.len() + missing + item.len() + LENGTHS
    }

    fn open(&mut self, heads: &Heads<'_>) {
        self.open_resource(heads.resource);
        if self.scope_at.is_none() {
            self.scope_at = Some(encode::begin(&mut self.out, SCOPES));
            heads.scope.iter().for_each(|head| self.out.extend_from_slice(head.whole));
        }
    }

    fn open_resource(&mut self, heads: &[FieldBytes<'_>]) {
        if self.resource_at.is_none() {
            self.resource_at = Some(encode::begin(&mut self.out, RESOURCES));
            heads.iter().for_each(|head| self.out.extend_from_slice(head.whole));
        }
    }

    fn close_scope(&mut self) {
        if let Some(at) = self.scope_at.take() {
            encode::end(&mut self.out, at);
        }
    }

    fn close_resource(&mut self) {
        self.close_scope();
        if let Some(at) = self.resource_at.take() {
            encode::end(&mut self.out, at);
        }
    }

    fn close(mut self) -> Bytes {
        self.close_resource();
        self.out.into()
    }
}

fn total_len(heads: &[FieldBytes<'_>]) -> usize {
    heads.iter().map(|head| head.whole.len()).sum()
}

/// A field as it came, and its value when that is a message.
struct FieldBytes<'a> {
    number: u32,
    whole: &'a [u8],
    body: Option<&'a [u8]>,
}

impl<'a> FieldBytes<'a> {
    fn message(&self, number: u32) -> Option<&'a [u8]> {
        self.body.filter(|_| self.number == number)
    }
}

fn fields(message: &[u8]) -> Option<Vec<FieldBytes<'_>>> {
    let mut rest = message;
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let before = rest;
        let tag = cursor::tag(&mut rest)?;
        let body = match tag & 7 {
            cursor::LEN => Some(cursor::bytes(&mut rest)?),
            _ => {
                cursor::skip(&mut rest, tag)?;
                None
            }
        };
        let whole = before.get(..before.len() - rest.len())?;
        fields.push(FieldBytes { number: tag >> 3, whole, body });
    }
    Some(fields)
}

/// Parts a message into the repeated field of that number and all else.
fn parted(message: &[u8], number: u32) -> Option<(Vec<FieldBytes<'_>>, Vec<FieldBytes<'_>>)> {
    Some(fields(message)?.into_iter().partition(|field| field.message(number).is_some()))
}

#[cfg(test)]
mod tests;
