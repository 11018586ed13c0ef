//! Request bodies: memory that is used again, and decompression under a cap.

mod decompress;
mod pool;

pub(super) use decompress::{Encoding, Fit, Inflater};
pub(super) use pool::{Buffer, Pool};

#[cfg(test)]
mod tests;
