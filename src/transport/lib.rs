//! What receivers and exporters share below HTTP: how bytes go to sockets, on which thread connections
//! work, and what TLS offers.

mod corked;
mod cryptography;
mod executor;

pub use corked::Corked;
pub use cryptography::{UnknownName, crypto_provider};
pub use executor::LocalExecutor;
