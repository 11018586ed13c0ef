//! What receivers and exporters share below HTTP: how bytes go to sockets.

mod corked;

pub use corked::Corked;
