//! What receivers, exporters and extensions share below HTTP: how bytes go to sockets, on which thread connections
//! work, what TLS offers, and whom servers say they are.

mod corked;
mod cryptography;
mod executor;
mod tls;

pub use corked::Corked;
pub use cryptography::{UnknownName, crypto_provider};
pub use executor::LocalExecutor;
pub use tls::{
    ClientTls, ClientTlsConfig, ClientTlsError, ServerTls, ServerTlsConfig, ServerTlsProblem,
    TLS_NOT_SUPPORTED, TlsVersion, warn_of_open_secret,
};
