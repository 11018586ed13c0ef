use super::{super::tests::compress, Encoding, Fit, Inflater, Pool};

fn inflate(encoding: Encoding, input: &[u8], room: usize) -> Result<(Fit, Vec<u8>), String> {
    let mut output = Pool::new(1 << 20).take(room);
    let fit = Inflater::default().inflate(encoding, input, room, &mut output)?;
    Ok((fit, output.as_ref().to_vec()))
}

#[test]
fn a_buffer_comes_back_when_the_last_reader_lets_go() {
    let pool = Pool::new(1 << 20);
    let mut buffer = pool.take(100_000);
    buffer.extend(&[1; 100_000]);
    let bytes = buffer.freeze();
    let slice = bytes.slice(10..20);
    drop(bytes);
    assert_eq!(pool.kept_bytes(), 0);
    assert_eq!(slice, [1; 10][..]);
    std::thread::spawn(move || drop(slice)).join().unwrap();
    assert_eq!(pool.kept_bytes(), 114_688, "rounded up to a multiple of 16 KiB");
    let mut again = pool.take(90_000);
    assert_eq!(pool.kept_bytes(), 0);
    again.extend(&[2; 3]);
    assert_eq!(again.as_ref(), [2; 3], "nothing is left of the request before");
}

#[test]
fn the_shelf_keeps_neither_more_than_its_limit_nor_huge_buffers_nor_small_ones() {
    let pool = Pool::new(100_000);
    let buffers: Vec<_> = (0..10).map(|_| pool.take(32 << 10)).collect();
    drop(buffers);
    assert_eq!(pool.kept_bytes(), 98_304);
    let other = Pool::new(100 << 20);
    drop((other.take(3 << 20), other.take(100)));
    assert_eq!(other.kept_bytes(), 0);
}

#[test]
fn a_much_larger_buffer_is_not_wasted_on_a_small_request() {
    let pool = Pool::new(10 << 20);
    drop(pool.take(1 << 20));
    drop(pool.take(20 << 10));
    assert_eq!(pool.kept_bytes(), (1 << 20) + (32 << 10), "20 KiB did not take the large one");
}

#[test]
fn extending_writes_over_what_was_there_and_then_beyond() {
    let pool = Pool::new(1 << 20);
    let mut first = pool.take(20_000);
    first.extend(&[9; 50]);
    drop(first);
    let mut second = pool.take(20_000);
    for byte in 0..100_u8 {
        second.extend(&[byte; 3]);
    }
    let expected: Vec<u8> = (0..100).flat_map(|byte| [byte; 3]).collect();
    assert_eq!(second.freeze(), expected);
}

#[test]
fn what_does_not_fit_is_told_from_what_is_broken() {
    let text = vec![b'a'; 10_000];
    let compressed = zstd::bulk::compress(&text, 3).unwrap();
    assert_eq!(inflate(Encoding::Zstd, &compressed, 9_999).unwrap().0, Fit::TooSmall);
    assert_eq!(inflate(Encoding::Zstd, &compressed, 10_000).unwrap(), (Fit::Whole, text.clone()));
    assert_eq!(inflate(Encoding::Zstd, &compressed, 20_000).unwrap(), (Fit::Whole, text));
    let cut = &compressed[..compressed.len() - 1];
    assert!(inflate(Encoding::Zstd, cut, 20_000).is_err());
}

#[test]
fn the_room_to_try_first_is_exact_where_the_format_tells() {
    let text: Vec<u8> = (0..50_000_u32).map(|i| (i * i % 251) as u8).collect();
    let zstd = zstd::bulk::compress(&text, 3).unwrap();
    let snappy = snap::raw::Encoder::new().compress_vec(&text).unwrap();
    let mut gzip = flate2::bufread::GzEncoder::new(&text[..], flate2::Compression::fast());
    let mut gzipped = Vec::new();
    std::io::Read::read_to_end(&mut gzip, &mut gzipped).unwrap();
    for (encoding, input) in
        [(Encoding::Zstd, &zstd), (Encoding::Snappy, &snappy), (Encoding::Gzip, &gzipped)]
    {
        assert_eq!(encoding.first_room(input, usize::MAX), 50_000, "{encoding:?}");
        assert_eq!(encoding.first_room(input, 1_000), 1_000, "never above the cap");
    }
}

#[test]
fn no_cut_or_flipped_byte_makes_a_decoder_panic_or_overflow() {
    let text: Vec<u8> = (0..600_u32).map(|i| (i / 5 % 251) as u8).collect();
    let encodings = [
        (Encoding::Gzip, compress("gzip", &text)),
        (Encoding::Zlib, compress("zlib", &text)),
        (Encoding::Zlib, compress("raw deflate", &text)),
        (Encoding::Zstd, compress("zstd", &text)),
        (Encoding::Snappy, compress("snappy", &text)),
        (Encoding::Snappy, compress("x-snappy-framed", &text)),
        (Encoding::Lz4, compress("lz4", &text)),
    ];
    let mut inflater = Inflater::default();
    let pool = Pool::new(1 << 20);
    for (encoding, input) in encodings {
        let mut try_out = |input: &[u8]| {
            let mut output = pool.take(2_000);
            encoding.first_room(input, 2_000);
            // Either an error or some bytes within the room; a panic fails the test.
            if inflater.inflate(encoding, input, 2_000, &mut output) == Ok(Fit::Whole) {
                assert!(output.len() <= 2_000);
            }
        };
        for end in 0..input.len() {
            try_out(&input[..end]);
        }
        for at in 0..input.len() {
            for bit in 0..8 {
                let mut flipped = input.clone();
                flipped[at] ^= 1 << bit;
                try_out(&flipped);
            }
        }
    }
}
