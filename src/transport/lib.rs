//! What receivers, exporters and extensions share below HTTP: how bytes go to sockets, on which thread connections
//! work, what TLS offers, whom servers say they are, and whom they let in.

mod corked;
mod cryptography;
mod door;
mod executor;
mod tls;
mod write_deadline;

pub use corked::Corked;
pub use cryptography::{UnknownName, crypto_provider};
pub use door::Door;
pub use executor::LocalExecutor;
pub use tls::{
    ClientTls, ClientTlsConfig, ClientTlsError, ServerTls, ServerTlsConfig, ServerTlsProblem,
    TLS_NOT_SUPPORTED, TlsVersion, warn_of_open_secret,
};
pub use write_deadline::WriteDeadline;
