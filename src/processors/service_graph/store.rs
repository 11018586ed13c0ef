//! Where halves of edges wait for each other.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use model::Timestamp;

use super::edges::{Edge, EdgeKey, Half};

/// Halves that wait.
///
/// A client's half stays for its whole time, because several servers may answer it: consumers of one
/// message, or a proxy's targets. So the edges do not depend on the order in which halves come.
pub(super) struct Store {
    ttl: Duration,
    max_items: usize,
    clients: BTreeMap<EdgeKey, Client>,
    servers: BTreeMap<EdgeKey, Vec<Server>>,
    n_servers: usize,
    /// Keys by the time their halves came.
    due: VecDeque<(Timestamp, EdgeKey)>,
}

struct Client {
    half: Half,
    arrived: Timestamp,
    has_met: bool,
}

struct Server {
    half: Half,
    arrived: Timestamp,
}

/// What became of halves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Fate {
    /// Halves whose other side did not come in time.
    pub(super) expired: u64,
    /// Halves that found no room.
    pub(super) dropped: u64,
}

impl Store {
    pub(super) fn new(ttl: Duration, max_items: usize) -> Self {
        let (clients, servers, due) = (BTreeMap::new(), BTreeMap::new(), VecDeque::new());
        Self { ttl, max_items, clients, servers, n_servers: 0, due }
    }

    /// Takes the halves of a tick, in any order, and completes what has met.
    pub(super) fn take(
        &mut self,
        mut halves: Vec<Half>,
        now: Timestamp,
        complete: &mut impl FnMut(Edge<'_>),
    ) -> Fate {
        halves.sort();
        let (servers, clients): (Vec<_>, Vec<_>) = halves.into_iter().partition(|half| half.is_server);
        let mut fate = Fate::default();
        for client in clients {
            fate.dropped += u64::from(!self.take_client(client, now, complete));
        }
        for server in servers {
            fate.dropped += u64::from(!self.take_server(server, now, complete));
        }
        fate
    }

    /// Ends the wait of halves that came too long ago.
    pub(super) fn expire(&mut self, now: Timestamp, complete: &mut impl FnMut(Edge<'_>)) -> Fate {
        let mut fate = Fate::default();
        while let Some(&(arrived, key)) = self.due.front() {
            if arrived + self.ttl > now {
                break;
            }
            self.due.pop_front();
            if self.clients.get(&key).is_some_and(|client| client.arrived == arrived)
                && let Some(client) = self.clients.remove(&key)
                && !client.has_met
            {
                fate.expired += 1;
                complete(Edge::of_unseen_server(&client.half));
            }
            if let Some(waiting) = self.servers.get_mut(&key) {
                let before = waiting.len();
                waiting.retain(|server| server.arrived != arrived);
                let gone = before - waiting.len();
                if waiting.is_empty() {
                    self.servers.remove(&key);
                }
                self.n_servers -= gone;
                fate.expired += gone as u64;
            }
        }
        fate
    }

    pub(super) fn len(&self) -> usize {
        self.clients.len() + self.n_servers
    }

    /// Walks what waits: half, when it came, whether it has met another.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Half, Timestamp, bool)> {
        let clients = self.clients.values().map(|client| (&client.half, client.arrived, client.has_met));
        clients.chain(self.servers.values().flatten().map(|server| (&server.half, server.arrived, false)))
    }

    /// Takes back what [`Self::iter`] returned; in ascending order of arrival.
    pub(super) fn put_back(&mut self, half: Half, arrived: Timestamp, has_met: bool) {
        self.due.push_back((arrived, half.key));
        if half.is_server {
            self.n_servers += 1;
            self.servers.entry(half.key).or_default().push(Server { half, arrived });
        } else {
            self.clients.insert(half.key, Client { half, arrived, has_met });
        }
    }

    fn take_client(&mut self, half: Half, now: Timestamp, complete: &mut impl FnMut(Edge<'_>)) -> bool {
        if let Some(database) = &half.database {
            complete(Edge::of_database(&half, database));
            return true;
        }
        if self.clients.contains_key(&half.key) {
            // The same span again.
            return true;
        }
        let servers = self.servers.remove(&half.key).unwrap_or_default();
        self.n_servers -= servers.len();
        for server in &servers {
            complete(Edge::paired(&half, &server.half));
        }
        let has_met = !servers.is_empty();
        if !self.has_room() {
            return has_met;
        }
        self.put_back(half, now, has_met);
        true
    }

    fn take_server(&mut self, half: Half, now: Timestamp, complete: &mut impl FnMut(Edge<'_>)) -> bool {
        if half.key.span == 0 {
            complete(Edge::of_user(&half));
            return true;
        }
        if let Some(client) = self.clients.get_mut(&half.key) {
            client.has_met = true;
            complete(Edge::paired(&client.half, &half));
            return true;
        }
        let has_room = self.has_room();
        if has_room {
            self.put_back(half, now, false);
        }
        has_room
    }

    /// Makes room, where there is none, by giving up clients that have met a server.
    fn has_room(&mut self) -> bool {
        if self.len() >= self.max_items {
            self.clients.retain(|_, client| !client.has_met);
        }
        self.len() < self.max_items
    }
}
