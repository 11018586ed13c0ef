//! Names to addresses, with a say in which addresses may be connected to.

use std::{
    fmt::Debug,
    future::Future,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use component::BoxError;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower_service::Service;

/// Decides which addresses a client may connect to.
pub trait AddressGuard: Send + Sync + Debug {
    /// # Errors
    /// When the host must not be connected to at this address.
    fn check(&self, host: &str, address: IpAddr) -> Result<(), AddressRefused>;
}

/// Why a host is not connected to.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{host} is not connected to: {reason}")]
pub struct AddressRefused {
    pub host: String,
    pub reason: &'static str,
}

/// Resolves names as the system does. One address that is refused refuses the name, as whoever answers could put
/// it behind a harmless one; the connection is made to the addresses that were checked.
#[derive(Clone, Debug)]
pub(super) struct Lookup(pub(super) Option<Arc<dyn AddressGuard>>);

impl Service<Name> for Lookup {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let guard = self.0.clone();
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let addresses: Vec<SocketAddr> = GaiResolver::new().call(name).await?.collect();
            if let Some(guard) = guard {
                addresses.iter().try_for_each(|address| guard.check(&host, address.ip()))?;
            }
            Ok(addresses.into_iter())
        })
    }
}
