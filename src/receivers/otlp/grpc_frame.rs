//! The five bytes before a gRPC message: a flag, and the length in big-endian order.

use bytes::{Buf, Bytes};

use super::{answer::Failure, collect::Reader};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Prefix {
    pub(super) is_compressed: bool,
    /// *Units*: bytes.
    pub(super) len: usize,
}

const PREFIX_LEN: usize = 5;

/// Reads the prefix and returns what came after it in the same chunk.
///
/// # Errors
/// [`Failure::Malformed`] when the call has no message or an unknown flag.
pub(super) async fn read_prefix(reader: &mut Reader) -> Result<(Prefix, Bytes), Failure> {
    let mut bytes = [0; PREFIX_LEN];
    let mut have = 0;
    loop {
        let Some(mut chunk) = reader.next().await? else {
            return Err(Failure::Malformed(format!(
                "call ends after {have} of the 5 bytes before a message"
            )));
        };
        let taken = chunk.len().min(PREFIX_LEN - have);
        chunk.copy_to_slice(&mut bytes[have..have + taken]);
        have += taken;
        if have == PREFIX_LEN {
            return Ok((parse(bytes)?, chunk));
        }
    }
}

fn parse([flag, len @ ..]: [u8; PREFIX_LEN]) -> Result<Prefix, Failure> {
    if flag > 1 {
        return Err(Failure::Malformed(format!("message starts with flag {flag}, must be 0 or 1")));
    }
    let len = usize::try_from(u32::from_be_bytes(len)).unwrap_or(usize::MAX);
    Ok(Prefix { is_compressed: flag == 1, len })
}
