//! Messages on a connection: four bytes of length, big-endian, and the message.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;
use tokio::io::{AsyncRead, AsyncReadExt};

/// A frame that claims to be larger is an error, not an allocation.
pub(super) const MAX_FRAME: usize = 256 << 20;

/// Makes the frame of a message.
pub(crate) fn frame(message: &impl Message) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u32(u32::try_from(message.encoded_len()).expect("a message is far below 4 GiB"));
    message.encode(&mut bytes).expect("a buffer that grows has room");
    bytes.freeze()
}

/// Reads one message of any size, or none at the end of the stream.
#[cfg(any(test, feature = "testing"))]
pub(crate) async fn read_frame<M: Message + Default>(
    reader: &mut (impl AsyncRead + Unpin),
) -> std::io::Result<Option<M>> {
    read_frame_up_to(reader, MAX_FRAME).await
}

/// Reads one message of at most so many bytes, or none at the end of the stream.
pub(super) async fn read_frame_up_to<M: Message + Default>(
    reader: &mut (impl AsyncRead + Unpin),
    most: usize,
) -> std::io::Result<Option<M>> {
    match read_length(reader, most).await? {
        Some(length) => read_body(reader, length).await,
        None => Ok(None),
    }
}

/// Reads how long the next message is, or none at the end of the stream.
pub(super) async fn read_length(
    reader: &mut (impl AsyncRead + Unpin),
    most: usize,
) -> std::io::Result<Option<usize>> {
    let mut length = [0; 4];
    if let Err(problem) = reader.read_exact(&mut length).await {
        return match problem.kind() {
            std::io::ErrorKind::UnexpectedEof => Ok(None),
            _ => Err(problem),
        };
    }
    let length = (&length[..]).get_u32() as usize;
    if length > most {
        let message = format!("a frame claims {length} bytes, at most {most} are read");
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, message));
    }
    Ok(Some(length))
}

/// Reads a message of this length, or none when the stream ends before.
pub(super) async fn read_body<M: Message + Default>(
    reader: &mut (impl AsyncRead + Unpin),
    length: usize,
) -> std::io::Result<Option<M>> {
    let mut body = Vec::new();
    // Grows with what arrives, not with what the length claims.
    reader.take(length as u64).read_to_end(&mut body).await?;
    if body.len() < length {
        return Ok(None);
    }
    let decoded = M::decode(body.as_slice());
    decoded.map(Some).map_err(|problem| std::io::Error::new(std::io::ErrorKind::InvalidData, problem))
}
