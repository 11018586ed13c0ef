//! Tests that need more than one crate: the shape of the repository, the binary, real peers.

mod tidy;
