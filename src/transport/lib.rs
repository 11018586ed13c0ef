//! What receivers and exporters share below HTTP: how bytes go to sockets, and on which
//! thread connections work.

mod corked;
mod executor;

pub use corked::Corked;
pub use executor::LocalExecutor;
