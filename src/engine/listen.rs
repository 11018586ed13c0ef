//! Listening sockets: all bound before anything starts, accepted in one place, handed to shards.

use std::{
    cell::RefCell,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use component::{Counter, Listen, Permit, Place, Places, Socket, Stop, Telemetry};
use futures_util::FutureExt;
use socket2::{Domain, Protocol, SockAddr, SockRef, Type};
use tokio::{
    net::TcpStream,
    sync::{Semaphore, mpsc},
    task::spawn_local,
};
use tracing::warn;

use crate::{
    plan::{HopRole, Plan},
    service::Shared,
    shard::ShardState,
};

/// Whose socket it is: a component, and what it knows the address by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Owner {
    pub(crate) kind: OwnerKind,
    pub(crate) id: String,
    pub(crate) listen: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum OwnerKind {
    Receiver,
    Exporter,
    Extension,
    /// The process that analyses, told by those that ingest.
    Hop,
}

/// An address that a plan wants to be listened on, as it is configured.
pub(crate) struct Wanted {
    pub(crate) owner: Owner,
    configured: String,
    max_connections: usize,
}

/// An address that is listened on.
#[derive(Clone)]
pub(crate) struct Listening {
    pub(crate) owner: Owner,
    configured: String,
    pub(crate) address: SocketAddr,
    /// Held open here too, until the address is left.
    socket: Arc<TcpListener>,
}

/// A wanted address, and how it is come by.
pub(crate) struct Door {
    pub(crate) wanted: Wanted,
    pub(crate) way: Way,
}

pub(crate) enum Way {
    Bound {
        address: SocketAddr,
        listener: TcpListener,
    },
    /// The socket is open and was this one's.
    Taken(Owner),
}

/// An address that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("{component}: can not listen on {address}: {source}")]
pub struct BindError {
    component: String,
    address: String,
    source: std::io::Error,
}

const BACKLOG: i32 = 1024;
/// Connections to one address of an exporter or extension, where nothing is configured.
const MAX_QUESTIONERS: usize = 256;
/// After a failed accept (no file descriptors left) the acceptor waits so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Returns every address that a plan listens on.
pub(crate) fn wanted(plan: &Plan) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    let most = usual_limit(plan);
    let mut add = |kind, id: &str, listens: Vec<Listen>| {
        wanted.extend(listens.into_iter().map(|Listen { name, address, max_connections }| Wanted {
            owner: Owner { kind, id: id.to_owned(), listen: name },
            configured: address,
            max_connections: match (max_connections, kind) {
                (0, OwnerKind::Receiver) => most,
                (0, _) => MAX_QUESTIONERS,
                (configured, _) => configured,
            },
        }));
    };
    let hop = &plan.settings.hop;
    if hop.role != HopRole::Analysis {
        plan.receivers.iter().for_each(|it| add(OwnerKind::Receiver, &it.id, it.configured.listens()));
    }
    plan.exporters.iter().for_each(|it| add(OwnerKind::Exporter, &it.id, it.configured.listens()));
    plan.extensions.iter().for_each(|it| add(OwnerKind::Extension, &it.id, it.configured.listens()));
    if hop.role == HopRole::Analysis {
        add(
            OwnerKind::Hop,
            "",
            vec![Listen { name: "hop", address: hop.endpoint.clone(), max_connections: 0 }],
        );
    }
    wanted
}

/// How many connections an address of a receiver may have, where nothing is configured. Of several none takes all that
/// there may be, so that who floods one keeps nobody from the others.
fn usual_limit(plan: &Plan) -> usize {
    let all = plan.settings.max_connections;
    match plan.receivers.iter().map(|it| it.configured.listens().len()).sum() {
        0 | 1 => all,
        _ => (all - all / 4).max(1),
    }
}

/// Binds what is not open already. An open socket stays with its owner, or goes to whoever has its address now.
///
/// # Errors
/// When a name does not resolve or an address is taken; the message names the component.
pub(crate) fn doors(wanted: Vec<Wanted>, open: &[Listening]) -> Result<Vec<Door>, BindError> {
    let mut left: Vec<&Listening> = open.iter().collect();
    let mut take = |is_it: &dyn Fn(&Listening) -> bool| {
        let place = left.iter().position(|listening| is_it(listening))?;
        Some(left.swap_remove(place).owner.clone())
    };
    let same: Vec<_> = wanted
        .iter()
        .map(|wanted| take(&|open| open.owner == wanted.owner && open.configured == wanted.configured))
        .collect();
    let door = |(wanted, same): (Wanted, Option<Owner>)| {
        let is_any_port = wanted.configured.ends_with(":0");
        let moved = || take(&|open| open.configured == wanted.configured && !is_any_port);
        let way = match same.or_else(moved) {
            Some(owner) => Way::Taken(owner),
            None => bind(&wanted, open)?,
        };
        Ok(Door { wanted, way })
    };
    wanted.into_iter().zip(same).map(door).collect()
}

/// Returns who listens where once these doors are open.
///
/// # Errors
/// When the system has no room for another handle of a socket.
pub(crate) fn listening(doors: &[Door], before: &[Listening]) -> std::io::Result<Vec<Listening>> {
    let mut all = Vec::new();
    for Door { wanted: Wanted { owner, configured, .. }, way } in doors {
        let (address, socket) = match way {
            Way::Bound { address, listener } => (*address, Arc::new(listener.try_clone()?)),
            Way::Taken(old) => {
                let Some(open) = before.iter().find(|open| open.owner == *old) else { continue };
                (open.address, Arc::clone(&open.socket))
            }
        };
        all.push(Listening { owner: owner.clone(), configured: configured.clone(), address, socket });
    }
    Ok(all)
}

fn bind(wanted: &Wanted, open: &[Listening]) -> Result<Way, BindError> {
    let bound = wanted.configured.to_socket_addrs().and_then(|mut addresses| {
        // A name with both families is bound on IPv4, where its clients look first.
        let all: Vec<_> = addresses.by_ref().collect();
        let address = all.iter().find(|address| address.is_ipv4()).or(all.first()).copied();
        let address = address.ok_or_else(|| std::io::Error::other("the name has no address"))?;
        let listener = match open_at(address, Port::Whole) {
            Err(problem) if problem.kind() == std::io::ErrorKind::AddrInUse => {
                beside_own(address, open).unwrap_or(Err(problem))?
            }
            bound => bound?,
        };
        Ok(Way::Bound { address: listener.local_addr()?, listener })
    });
    let component = match wanted.owner.kind {
        OwnerKind::Hop => "service::trueline::hop".to_owned(),
        _ => wanted.owner.id.clone(),
    };
    bound.map_err(|source| BindError { component, address: wanted.configured.clone(), source })
}

/// Binds an address whose port an open socket of ours has, such as `0.0.0.0` where `127.0.0.1` is listened on, so that
/// there is no moment without any of the two. None where no socket of ours has the port.
fn beside_own(address: SocketAddr, open: &[Listening]) -> Option<std::io::Result<TcpListener>> {
    let own: Vec<_> = open.iter().filter(|open| open.address.port() == address.port()).collect();
    if own.is_empty() {
        return None;
    }
    let share = |shares| own.iter().try_for_each(|open| SockRef::from(&*open.socket).set_reuse_port(shares));
    let bound = share(true).and_then(|()| open_at(address, Port::Shared));
    // Only for this moment: nobody else shall share the port.
    Some(bound.and_then(|bound| share(false).map(|()| bound)))
}

/// Whether a socket is to be the only one of its port.
enum Port {
    Whole,
    Shared,
}

fn open_at(address: SocketAddr, port: Port) -> std::io::Result<TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Lets a restarted service bind while old connections linger.
    socket.set_reuse_address(true)?;
    if let Port::Shared = port {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    if let Port::Shared = port {
        socket.set_reuse_port(false)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Where accepted sockets go.
#[derive(Clone)]
pub(crate) enum Target {
    /// To the shard with the fewest open sockets.
    Shards(Owner),
    /// To the one instance.
    One(mpsc::UnboundedSender<Socket>),
}

/// The sockets that are accepted on this thread.
pub(crate) struct Acceptors {
    shared: Arc<Shared>,
    open: Vec<Acceptor>,
}

#[derive(Clone)]
struct Acceptor {
    owner: Owner,
    target: Rc<RefCell<Target>>,
    places: Arc<Places>,
    until: Stop,
}

impl Acceptors {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), open: Vec::new() }
    }

    /// Opens doors, and closes what is behind none of them. `target` is none where accepted sockets go on to where
    /// they went; `until` ends an acceptor with others.
    pub(crate) fn change(
        &mut self,
        doors: Vec<Door>,
        mut target: impl FnMut(&Owner) -> Option<Target>,
        until: impl Fn(&Owner) -> Stop,
    ) {
        let mut before = std::mem::take(&mut self.open);
        for Door { wanted: Wanted { owner, max_connections, .. }, way } in doors {
            let target = target(&owner);
            match way {
                Way::Taken(old) => {
                    let place = before.iter().position(|acceptor| acceptor.owner == old);
                    let Some(acceptor) = place.map(|place| before.swap_remove(place)) else { continue };
                    if let Some(target) = target {
                        *acceptor.target.borrow_mut() = target;
                    }
                    acceptor.places.set_most(max_connections);
                    self.open.push(Acceptor { owner, ..acceptor });
                }
                Way::Bound { listener, .. } => {
                    let Some(target) = target else { continue };
                    let acceptor = Acceptor {
                        target: Rc::new(RefCell::new(target)),
                        places: Places::new(max_connections),
                        until: until(&owner),
                        owner,
                    };
                    spawn_local(accept(listener, acceptor.clone(), Arc::clone(&self.shared)));
                    self.open.push(acceptor);
                }
            }
        }
        before.iter().for_each(|acceptor| acceptor.until.cancel());
    }
}

/// So often it is tried to hand a connection out whose receiver is just being replaced.
const HAND_OUT_TRIES: usize = 400;
const HAND_OUT_PAUSE: Duration = Duration::from_millis(25);

/// Accepts until stopped.
async fn accept(listener: TcpListener, acceptor: Acceptor, shared: Arc<Shared>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(problem) => {
            shared.health.fail(format!("can not accept connections: {problem}"));
            return;
        }
    };
    let Acceptor { owner, target, places, until } = acceptor;
    let refused = Refused::new(&owner, &shared.telemetry);
    // Health checks and scrapes have room of their own, however many senders there are.
    let all = matches!(*target.borrow(), Target::Shards(_)).then(|| Arc::clone(&shared.connections));
    let take = || {
        let mut place = places.take().ok_or(&refused.at_the_listener)?;
        if let Some(all) = &all {
            let claim = Arc::clone(all).try_acquire_owned().map_err(|_| &refused.in_all)?;
            place.beside = Permit(Some(Box::new(claim)));
        }
        Ok::<_, &Counter>(place)
    };
    let seat = || {
        // Whoever is refused will come again, and shall then find a place.
        take().inspect_err(|refused| refused.add(1)).inspect_err(|_| places.ask_one_to_leave()).ok()
    };
    while let Some((stream, peer, place)) = next_connection(&listener, seat, &until).await {
        pass_on(stream, peer, place, &target, &shared, &until).await;
    }
    // Who has connected before an address is left may still speak to whoever serves it elsewhere.
    while let Some(Ok((stream, peer))) = listener.accept().now_or_never() {
        if let Ok(place) = take() {
            pass_on(stream, peer, place, &target, &shared, &until).await;
        }
    }
}

/// Counts connections that find no place.
struct Refused {
    at_the_listener: Counter,
    in_all: Counter,
}

impl Refused {
    fn new(owner: &Owner, telemetry: &Telemetry) -> Self {
        let kind = match owner.kind {
            OwnerKind::Receiver | OwnerKind::Hop => "receiver",
            OwnerKind::Exporter => "exporter",
            OwnerKind::Extension => "extension",
        };
        let telemetry = telemetry.with(kind, &owner.id).with("transport", owner.listen);
        let reason = |reason| {
            telemetry.with("reason", reason).counter(
                "trueline_refused_connections",
                "Connections closed at once because too many were open.",
                "{connection}",
            )
        };
        Self { at_the_listener: reason("listener"), in_all: reason("all_listeners") }
    }
}

/// Hands a connection to whoever serves it, or soon will.
async fn pass_on(
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
    target: &RefCell<Target>,
    shared: &Shared,
    stop: &Stop,
) {
    let stream = stream.set_nodelay(true).and_then(|()| stream.into_std());
    let mut socket = match stream {
        Ok(stream) => Socket { stream, peer, place },
        Err(problem) => {
            return warn!(error = %problem, %peer, "could not hand a connection to its receiver");
        }
    };
    for tried in 1..=HAND_OUT_TRIES {
        let goal = target.borrow().clone();
        match hand_out(socket, goal, shared) {
            Ok(()) => return,
            Err(_) if tried == HAND_OUT_TRIES || stop.is_cancelled() => {
                return warn!(%peer, "could not hand a connection to its receiver, which has ended");
            }
            Err(unsent) => socket = unsent,
        }
        tokio::time::sleep(HAND_OUT_PAUSE).await;
    }
}

/// Waits for a connection that finds a place; none once stopped. One that finds none is closed at once.
pub(crate) async fn next_connection(
    listener: &tokio::net::TcpListener,
    seat: impl Fn() -> Option<Place>,
    stop: &Stop,
) -> Option<(TcpStream, SocketAddr, Place)> {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return None,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(problem) => {
                warn!(error = %problem, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if let Some(place) = seat() {
            return Some((stream, peer, place));
        }
    }
}

/// Hands a connection to whoever serves it; gives it back when there is nobody now.
fn hand_out(mut socket: Socket, target: Target, shared: &Shared) -> Result<(), Socket> {
    let sender = match target {
        Target::One(sender) => sender,
        Target::Shards(owner) => {
            let Some((shard, sender)) = shared.calmest_shard(&owner) else { return Err(socket) };
            let claim = std::mem::replace(&mut socket.place.beside, Permit(None));
            socket.place.beside = Permit(Some(Box::new((claim, OpenSocket::new(shard.state)))));
            sender
        }
    };
    sender.send(socket).map_err(|unsent| unsent.0)
}

/// Counts a socket of a shard for as long as it is open.
struct OpenSocket(Arc<ShardState>);

impl OpenSocket {
    fn new(state: Arc<ShardState>) -> Self {
        state.open_sockets.fetch_add(1, Ordering::AcqRel);
        Self(state)
    }
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        self.0.open_sockets.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Makes the limit of open connections.
pub(crate) fn connection_limit(most: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)))
}
