//! Halves of edges, and what they are when they have met.

use std::collections::HashMap;

use super::partial::{HalfRow, ServiceGraphPartial, VERSION};
use crate::aggregation::weight::MAX_WEIGHT;

/// Where two halves meet: trace id and the client's span id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct EdgeKey {
    pub(super) trace: u128,
    pub(super) span: u64,
}

/// What one span says of an edge. The order decides which of two halves with one key counts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Half {
    pub(super) key: EdgeKey,
    pub(super) is_server: bool,
    pub(super) service: String,
    pub(super) nanos: u64,
    pub(super) failed: bool,
    pub(super) is_messaging: bool,
    pub(super) database: Option<String>,
    pub(super) peer: Option<String>,
    pub(super) dimensions: Vec<Option<String>>,
    /// Calls that this one stands for beside itself, because the span was sampled.
    pub(super) unseen: u64,
}

/// A completed edge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Edge<'a> {
    pub(super) client: &'a str,
    pub(super) server: &'a str,
    pub(super) connection: Connection,
    pub(super) failed: bool,
    pub(super) client_nanos: u64,
    pub(super) server_nanos: u64,
    pub(super) client_dimensions: &'a [Option<String>],
    pub(super) server_dimensions: &'a [Option<String>],
    /// How many calls this one stands for.
    pub(super) weight: u64,
}

/// What connects two nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Connection {
    Request,
    Messaging,
    Database,
    /// One side was not seen.
    VirtualClient,
    VirtualServer,
}

impl Connection {
    /// Returns the value of the attribute `connection_type`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Request => "",
            Self::Messaging => "messaging_system",
            Self::Database => "database",
            Self::VirtualClient | Self::VirtualServer => "virtual_node",
        }
    }
}

impl<'a> Edge<'a> {
    pub(super) fn paired(client: &'a Half, server: &'a Half) -> Self {
        let is_messaging = client.is_messaging || server.is_messaging;
        Self {
            client: &client.service,
            server: &server.service,
            connection: if is_messaging { Connection::Messaging } else { Connection::Request },
            failed: client.failed || server.failed,
            client_nanos: client.nanos,
            server_nanos: server.nanos,
            client_dimensions: &client.dimensions,
            server_dimensions: &server.dimensions,
            // Both sides were kept, so the one that is kept more rarely tells how often that happens.
            weight: client.weight().max(server.weight()),
        }
    }

    /// A call of a database, which sends no span: the client's span tells both sides.
    pub(super) fn of_database(client: &'a Half, database: &'a str) -> Self {
        Self { server: database, connection: Connection::Database, ..Self::of_unseen_server(client) }
    }

    /// A call whose other side was not seen. The client's time stands for both, as for databases; the
    /// collector counts 0 s for the server, which pulls averages down.
    pub(super) fn of_unseen_server(client: &'a Half) -> Self {
        Self {
            client: &client.service,
            server: client.peer.as_deref().unwrap_or("unknown"),
            connection: Connection::VirtualServer,
            failed: client.failed,
            client_nanos: client.nanos,
            server_nanos: client.nanos,
            client_dimensions: &client.dimensions,
            server_dimensions: &[],
            weight: client.weight(),
        }
    }

    /// A root span of a server: somebody outside called.
    pub(super) fn of_user(server: &'a Half) -> Self {
        Self {
            client: "user",
            server: &server.service,
            connection: Connection::VirtualClient,
            failed: server.failed,
            client_nanos: server.nanos,
            server_nanos: server.nanos,
            client_dimensions: &[],
            server_dimensions: &server.dimensions,
            weight: server.weight(),
        }
    }
}

/// Writes halves into a partial, each text once.
#[derive(Default)]
pub(super) struct HalfWriter {
    message: ServiceGraphPartial,
    places: HashMap<String, u32>,
}

impl HalfWriter {
    pub(super) fn len(&self) -> usize {
        self.message.halves.len()
    }

    /// Returns the place of a text.
    pub(super) fn text(&mut self, text: &str) -> u32 {
        if let Some(&place) = self.places.get(text) {
            return place;
        }
        self.message.texts.push(text.to_owned());
        let place = self.message.texts.len() as u32;
        self.places.insert(text.to_owned(), place);
        place
    }

    pub(super) fn push(&mut self, row: HalfRow) {
        self.message.halves.push(row);
    }

    pub(super) fn push_half(&mut self, half: &Half) {
        let optional =
            |writer: &mut Self, text: &Option<String>| text.as_ref().map_or(0, |text| writer.text(text));
        let row = HalfRow {
            trace_high: (half.key.trace >> 64) as u64,
            trace_low: half.key.trace as u64,
            span: half.key.span,
            is_server: half.is_server,
            failed: half.failed,
            is_messaging: half.is_messaging,
            service: self.text(&half.service),
            database: optional(self, &half.database),
            peer: optional(self, &half.peer),
            nanos: half.nanos,
            dimensions: half.dimensions.iter().map(|text| optional(self, text)).collect(),
            unseen: half.unseen,
        };
        self.push(row);
    }

    /// Returns the message and begins a new one.
    pub(super) fn take(&mut self, n_dimensions: u32) -> ServiceGraphPartial {
        self.places.clear();
        ServiceGraphPartial { version: VERSION, n_dimensions, ..std::mem::take(&mut self.message) }
    }
}

impl Half {
    pub(super) fn of(row: &HalfRow, message: &ServiceGraphPartial) -> Self {
        let text = |at: u32| message.text(at).map(str::to_owned);
        Self {
            key: EdgeKey {
                trace: u128::from(row.trace_high) << 64 | u128::from(row.trace_low),
                span: row.span,
            },
            is_server: row.is_server,
            service: text(row.service).unwrap_or_default(),
            nanos: row.nanos,
            failed: row.failed,
            is_messaging: row.is_messaging,
            database: text(row.database),
            peer: text(row.peer),
            dimensions: row.dimensions.iter().map(|&at| text(at)).collect(),
            unseen: row.unseen,
        }
    }

    fn weight(&self) -> u64 {
        self.unseen.saturating_add(1).min(MAX_WEIGHT)
    }
}
