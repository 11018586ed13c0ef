//! What receivers, exporters and extensions share below HTTP: how bytes go to sockets, on which thread connections
//! work, what TLS offers, whom servers say they are, and whom they let in; and the HTTP client of those that ask.

mod corked;
mod cryptography;
mod door;
mod executor;
mod http;
mod tls;
mod write_deadline;

pub use self::http::{
    AddressGuard, AddressRefused, Answer, BodyFault, ClientSettings, HttpClient, MAX_ANSWER_BYTES, Room,
    Shown, UNACKNOWLEDGED_TIMEOUT, describe, quote, user_agent,
};
pub use corked::Corked;
pub use cryptography::{UnknownName, crypto_provider};
pub use door::Door;
pub use executor::LocalExecutor;
pub use tls::{
    ClientTls, ClientTlsConfig, ClientTlsError, ServerTls, ServerTlsConfig, ServerTlsProblem,
    TLS_NOT_SUPPORTED, TlsVersion, warn_of_open_secret,
};
pub use write_deadline::WriteDeadline;
