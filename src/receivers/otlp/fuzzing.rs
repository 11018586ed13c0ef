//! What fuzz targets reach of this receiver.

use super::body::{Encoding, Fit, Inflater, Pool};

/// Decompresses a body as the receiver does; none when it does not fit `limit`.
///
/// # Errors
/// Why the body is not what its encoding says, or that the encoding is unknown.
pub fn decompress(encoding: &str, body: &[u8], limit: usize) -> Result<Option<Vec<u8>>, String> {
    let encoding = Encoding::parse(encoding).ok_or_else(|| format!("encoding {encoding} is unknown"))?;
    let (mut inflater, pool) = (Inflater::default(), Pool::new(0));
    let mut room = encoding.first_room(body, limit);
    loop {
        let mut output = pool.take(room);
        match inflater.inflate(encoding, body, room, &mut output)? {
            Fit::Whole => return Ok(Some(output.as_ref().to_vec())),
            Fit::TooSmall if room >= limit => return Ok(None),
            Fit::TooSmall => room = room.saturating_mul(4).min(limit),
        }
    }
}
