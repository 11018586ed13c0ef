//! Decompression of whole bodies into a buffer of known size.
//!
//! A body is decompressed in one call into memory that was claimed before, never by a stream that
//! grows as the sender likes. Where the size is not known the caller tries again with more room, up
//! to its cap; what does not fit the cap is refused.

use std::io::{self, Read};

use libdeflater::{DecompressionError, Decompressor};
use zstd::zstd_safe::{self, DCtx, DParameter, InBuffer, OutBuffer, ResetDirective};

use super::Buffer;

/// No compressor of telemetry needs a larger window than 8 MiB; RFC 8878 section 3.1.1.1.2
/// recommends to support it.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// How much deflate can expand: 258 bytes from two bits, which is 1032 to 1 with its framing.
const DEFLATE_MAX_RATIO: usize = 1032;

/// How much snappy's blocks can expand: 64 bytes from a copy of three.
const SNAPPY_MAX_RATIO: usize = 22;

/// What telemetry usually expands to, used where the format does not say.
const USUAL_RATIO: usize = 8;

const SMALLEST_ROOM: usize = 16 << 10;

/// Starts every member of a gzip file: magic number and the method deflate.
const GZIP_MAGIC: &[u8] = b"\x1f\x8b\x08";

/// The stream identifier that starts framed snappy.
const SNAPPY_FRAME_MAGIC: &[u8] = b"\xff\x06\x00\x00sNaPpY";

/// How a body is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    /// zlib's framing (RFC 1950); HTTP and gRPC call it `deflate`. Raw deflate is understood as well.
    Zlib,
    Zstd,
    /// A block, or a framed stream: senders use one name for both.
    Snappy,
    Lz4,
}

/// Whether the decompressed body fitted the room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fit {
    Whole,
    TooSmall,
}

/// Decompresses; keeps the decoders' memory.
#[derive(Default)]
pub(crate) struct Inflater {
    deflate: Option<Decompressor>,
    zstd: Option<DCtx<'static>>,
}

impl Encoding {
    /// Reads a content coding's name; none when it is not known here.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "" | "identity" => Self::Identity,
            "gzip" => Self::Gzip,
            "zlib" | "deflate" => Self::Zlib,
            "zstd" => Self::Zstd,
            "snappy" | "x-snappy-framed" => Self::Snappy,
            "lz4" => Self::Lz4,
            _ => return None,
        })
    }

    /// Returns how much room to try first, never above `cap`; exact where the format tells.
    ///
    /// The hint comes from the sender, so it is believed only as far as the format can expand.
    pub(crate) fn first_room(self, input: &[u8], cap: usize) -> usize {
        let usual = input.len().saturating_mul(USUAL_RATIO).max(SMALLEST_ROOM);
        let room = match self {
            Self::Identity => input.len(),
            Self::Gzip => gzip_size(input).map_or(usual, |size| size.min(input.len() * DEFLATE_MAX_RATIO)),
            Self::Zstd => zstd_size(input).unwrap_or(usual),
            Self::Snappy if input.starts_with(SNAPPY_FRAME_MAGIC) => usual,
            Self::Snappy => snap::raw::decompress_len(input).unwrap_or(0),
            Self::Zlib | Self::Lz4 => usual,
        };
        room.clamp(1, cap.max(1))
    }
}

/// Reads the size in the trailer of a gzip file; none when there may be several members.
fn gzip_size(input: &[u8]) -> Option<usize> {
    let trailer: [u8; 4] = *input.last_chunk()?;
    (!is_multi_member(input)).then_some(u32::from_le_bytes(trailer) as usize)
}

/// Whether another gzip member may follow the first. May be wrong about compressed bytes that happen
/// to look like one, which costs time and nothing else.
fn is_multi_member(input: &[u8]) -> bool {
    let body = input.get(GZIP_MAGIC.len()..).unwrap_or_default();
    memchr::memmem::find(body, GZIP_MAGIC).is_some()
}

/// Reads the content size of the first zstd frame. Not believed beyond 64 MiB at once for a tiny
/// frame: the caller grows the room if the rest turns out to be there.
fn zstd_size(input: &[u8]) -> Option<usize> {
    let size = zstd_safe::get_frame_content_size(input).ok()??;
    let size = usize::try_from(size).ok()?;
    // A frame of repeated bytes expands at most 128 KiB per block of four bytes.
    let possible = (input.len() / 4 + 1).saturating_mul(128 << 10);
    Some(size.min(possible))
}

impl Inflater {
    /// Decompresses `input` into the first `room` bytes of `output`.
    ///
    /// # Errors
    /// Why the input is not what its encoding says.
    pub(crate) fn inflate(
        &mut self,
        encoding: Encoding,
        input: &[u8],
        room: usize,
        output: &mut Buffer,
    ) -> Result<Fit, String> {
        let into = output.room(room);
        let written = match encoding {
            Encoding::Identity => copy(input, into),
            Encoding::Gzip if is_multi_member(input) => {
                read_all(flate2::bufread::MultiGzDecoder::new(input), into, "gzip")?
            }
            Encoding::Gzip => self.one_shot(|inflater| inflater.gzip_decompress(input, into), "gzip")?,
            Encoding::Zlib if has_zlib_header(input) => {
                self.one_shot(|inflater| inflater.zlib_decompress(input, into), "zlib")?
            }
            Encoding::Zlib => {
                self.one_shot(|inflater| inflater.deflate_decompress(input, into), "deflate")?
            }
            Encoding::Zstd => self.zstd(input, into)?,
            Encoding::Snappy if input.starts_with(SNAPPY_FRAME_MAGIC) => {
                read_all(snap::read::FrameDecoder::new(input), into, "snappy")?
            }
            Encoding::Snappy => snappy_block(input, into)?,
            Encoding::Lz4 => read_all(lz4_flex::frame::FrameDecoder::new(input), into, "lz4")?,
        };
        let Some(written) = written else { return Ok(Fit::TooSmall) };
        output.set_len(written);
        Ok(Fit::Whole)
    }

    fn one_shot(
        &mut self,
        run: impl FnOnce(&mut Decompressor) -> Result<usize, DecompressionError>,
        name: &str,
    ) -> Result<Option<usize>, String> {
        match run(self.deflate.get_or_insert_with(Decompressor::new)) {
            Ok(written) => Ok(Some(written)),
            Err(DecompressionError::InsufficientSpace) => Ok(None),
            Err(DecompressionError::BadData) => Err(format!("body is not valid {name}")),
        }
    }

    /// The streaming call decodes a frame of known size straight into the output and needs a window
    /// only for others.
    fn zstd(&mut self, input: &[u8], into: &mut [u8]) -> Result<Option<usize>, String> {
        let bad = |code| format!("body is not valid zstd: {}", zstd_safe::get_error_name(code));
        let context = self.zstd.get_or_insert_with(DCtx::create);
        context.reset(ResetDirective::SessionOnly).map_err(bad)?;
        context.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX)).map_err(bad)?;
        let (mut from, mut to) = (InBuffer::around(input), OutBuffer::around(into));
        loop {
            let before = (from.pos(), to.pos());
            let more = context.decompress_stream(&mut to, &mut from).map_err(bad)?;
            if more == 0 && from.pos() == input.len() {
                return Ok(Some(to.pos()));
            }
            if to.pos() == to.capacity() {
                return Ok(None);
            }
            if before == (from.pos(), to.pos()) {
                return Err("body is not valid zstd: it ends within a frame".to_owned());
            }
        }
    }
}

fn copy(input: &[u8], into: &mut [u8]) -> Option<usize> {
    into.get_mut(..input.len())?.copy_from_slice(input);
    Some(input.len())
}

/// Whether the two bytes of RFC 1950 section 2.2 are there: method 8 and a check sum.
fn has_zlib_header(input: &[u8]) -> bool {
    matches!(*input, [method, flags, ..] if method & 0x0f == 8 && u16::from_be_bytes([method, flags]) % 31 == 0)
}

fn snappy_block(input: &[u8], into: &mut [u8]) -> Result<Option<usize>, String> {
    let bad = |e: snap::Error| format!("body is not valid snappy: {e}");
    let size = snap::raw::decompress_len(input).map_err(bad)?;
    if size > input.len().saturating_mul(SNAPPY_MAX_RATIO) {
        return Err(format!(
            "body is not valid snappy: {} bytes can not hold the {size} they state",
            input.len()
        ));
    }
    if size > into.len() {
        return Ok(None);
    }
    snap::raw::Decoder::new().decompress(input, into).map(Some).map_err(bad)
}

/// Reads a decoder to its end; none when there is more than fits.
fn read_all(mut decoder: impl Read, into: &mut [u8], name: &str) -> Result<Option<usize>, String> {
    let bad = |e: io::Error| format!("body is not valid {name}: {e}");
    let mut written = 0;
    while written < into.len() {
        match decoder.read(&mut into[written..]) {
            Ok(0) => return Ok(Some(written)),
            Ok(n) => written += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(bad(e)),
        }
    }
    let mut probe = [0];
    Ok((decoder.read(&mut probe).map_err(bad)? == 0).then_some(written))
}
