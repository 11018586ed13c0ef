//! Connections that bring much and mean nothing, or little and never end.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Result, ensure};
use testbed::eventually;

use super::bed::{Attack, Bed, SOON, connect};

pub(super) const ATTACKS: [Attack; 10] = [
    Attack {
        name: "heads a few letters at a time",
        sent: "2,000 connections over HTTP/1.1, 8 bytes of a head on each in turn",
        max_connections: 0,
        run: slow_heads,
    },
    Attack {
        name: "bodies that stop in the middle",
        sent: "400 requests of 100 kB over HTTP/1.1, half of each",
        max_connections: 0,
        run: slow_bodies,
    },
    Attack {
        name: "answers that nobody reads",
        sent: "100 connections over HTTP/1.1 that ask until nothing more is taken",
        max_connections: 0,
        run: never_reading,
    },
    Attack {
        name: "headers without an end",
        sent: "80 MB of header lines over HTTP/1.1, 120 MB of CONTINUATION over HTTP/2 on each port",
        max_connections: 0,
        run: endless_headers,
    },
    Attack {
        name: "rapid reset",
        sent: "10,000 HEADERS and RST_STREAM on each of 10 connections",
        max_connections: 0,
        run: rapid_reset,
    },
    Attack { name: "SETTINGS", sent: "1,000,000 frames", max_connections: 0, run: settings },
    Attack { name: "PING", sent: "1,000,000 frames, whose answers are read", max_connections: 0, run: pings },
    Attack {
        name: "more connections than there may be",
        sent: "600 connections over HTTP/2 without a request, where 500 may be open",
        max_connections: 500,
        run: crowd,
    },
    Attack {
        name: "connections that say nothing",
        sent: "2,000 connections without a byte",
        max_connections: 0,
        run: silence,
    },
    Attack {
        name: "connections that come and go",
        sent: "5,000 connections, each closed at once",
        max_connections: 0,
        run: coming_and_going,
    },
];

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, body: &[u8]) -> Vec<u8> {
    let mut frame = (u32::try_from(body.len()).unwrap_or(u32::MAX)).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(body);
    frame
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;
/// POST, http, `/` of HPACK's static table.
const HEAD: [u8; 3] = [0x83, 0x86, 0x84];
const CANCEL: [u8; 4] = [0, 0, 0, 8];

fn http2(address: SocketAddr) -> Result<TcpStream> {
    let mut stream = connect(address)?;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[]))?;
    Ok(stream)
}

/// What became of something that was written again and again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Poured {
    Closed,
    /// Nothing more was read of it.
    Stalled,
    Taken,
}

impl Poured {
    fn told(self) -> String {
        match self {
            Self::Closed => "closed",
            Self::Stalled => "read no further",
            Self::Taken => "taken",
        }
        .to_owned()
    }
}

fn pour(stream: &mut TcpStream, piece: &[u8], times: usize) -> Poured {
    for _ in 0..times {
        match stream.write_all(piece) {
            Ok(()) => {}
            Err(waits) if matches!(waits.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Poured::Stalled;
            }
            Err(_) => return Poured::Closed,
        }
    }
    Poured::Taken
}

fn slow_heads(bed: &Bed) -> Result<String> {
    let mut slow = (0..2000).map(|_| connect(bed.http)).collect::<Result<Vec<_>>>()?;
    let head = b"POST /v1/traces HTTP/1.1\r\nhost: a-name-that-goes-on-and-on";
    for letters in head.chunks(8) {
        for stream in &mut slow {
            stream.write_all(letters)?;
        }
    }
    Ok("nothing".to_owned())
}

fn slow_bodies(bed: &Bed) -> Result<String> {
    let mut slow = (0..400).map(|_| connect(bed.http)).collect::<Result<Vec<_>>>()?;
    let head = "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 100000\r\n\r\n";
    for stream in &mut slow {
        stream.write_all(head.as_bytes())?;
        stream.write_all(&[0x0a; 50_000])?;
    }
    for stream in &mut slow {
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        ensure!(answer.ends_with(b"408"), "{}", String::from_utf8_lossy(&answer));
    }
    Ok("408 to each".to_owned())
}

fn never_reading(bed: &Bed) -> Result<String> {
    const CLIENTS: usize = 100;
    let mut clients = (0..CLIENTS).map(|_| connect(bed.http)).collect::<Result<Vec<_>>>()?;
    let questions = b"POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n".repeat(1000);
    for client in &clients {
        client.set_nonblocking(true)?;
    }
    let mut written = [0; CLIENTS];
    eventually("they are closed", 2 * SOON, || {
        for (client, written) in clients.iter_mut().zip(&mut written) {
            while let Ok(more) = client.write(&questions[*written..]) {
                *written = (*written + more) % questions.len();
            }
        }
        let closed = bed.closed("takes_nothing")?;
        ensure!(closed >= CLIENTS as f64, "{closed} of {CLIENTS}");
        Ok(())
    })?;
    Ok("closed, each 30 s after it took the last answer".to_owned())
}

fn endless_headers(bed: &Bed) -> Result<String> {
    let mut http1 = connect(bed.http)?;
    http1.write_all(b"POST /v1/traces HTTP/1.1\r\n")?;
    let line = format!("x-bomb: {}\r\n", "x".repeat(4000));
    let poured = pour(&mut http1, line.as_bytes(), 20_000);
    ensure!(poured == Poured::Closed, "over HTTP/1.1 it was {poured:?}");
    for address in [bed.grpc, bed.http] {
        let mut stream = http2(address)?;
        stream.write_all(&frame(HEADERS, 0, 1, &HEAD))?;
        // A literal header without indexing, again and again.
        let field: Vec<u8> = [&[0, 1, b'a', 120][..], &[b'x'; 120]].concat();
        let more = frame(CONTINUATION, 0, 1, &field.repeat(100));
        let poured = pour(&mut stream, &more, 10_000);
        ensure!(poured == Poured::Closed, "over HTTP/2 it was {poured:?}");
    }
    eventually("the floods are counted", SOON, || {
        // Where the flood goes on, the other end may be found closed first.
        let counted = bed.closed("flood")?;
        ensure!(counted >= 1.0, "{counted}");
        Ok(())
    })?;
    Ok("closed".to_owned())
}

fn rapid_reset(bed: &Bed) -> Result<String> {
    for round in 0..10 {
        let mut stream = http2(if round % 2 == 0 { bed.grpc } else { bed.http })?;
        let mut frames = Vec::new();
        for n in 0..10_000_u32 {
            let id = 2 * n + 1;
            frames.extend(frame(HEADERS, END_HEADERS, id, &HEAD));
            frames.extend(frame(RST_STREAM, 0, id, &CANCEL));
        }
        // The connection may end before everything is written.
        let _closed = stream.write_all(&frames);
        let mut rest = Vec::new();
        let _reset = stream.read_to_end(&mut rest);
    }
    eventually("the floods are counted", SOON, || {
        let counted = bed.closed("flood")?;
        ensure!(counted == 10.0, "{counted} of 10");
        Ok(())
    })?;
    Ok("closed, each counted as a flood".to_owned())
}

/// Frames that want an answer each, which nobody reads.
fn settings(bed: &Bed) -> Result<String> {
    let mut stream = http2(bed.grpc)?;
    stream.set_write_timeout(Some(Duration::from_secs(3)))?;
    Ok(pour(&mut stream, &frame(SETTINGS, 0, 0, &[]).repeat(1000), 1000).told())
}

fn pings(bed: &Bed) -> Result<String> {
    let mut stream = http2(bed.grpc)?;
    let mut answers = stream.try_clone()?;
    let reading = std::thread::spawn(move || {
        let mut sink = vec![0; 1 << 16];
        while answers.read(&mut sink).is_ok_and(|read| read > 0) {}
    });
    let poured = pour(&mut stream, &frame(PING, 0, 0, &[7; 8]).repeat(1000), 1000);
    let _gone = stream.shutdown(std::net::Shutdown::Both);
    reading.join().map_err(|_| anyhow::anyhow!("the reader panicked"))?;
    Ok(poured.told())
}

fn crowd(bed: &Bed) -> Result<String> {
    let held: Vec<_> = (0..600).filter_map(|_| http2(bed.http).ok()).collect();
    let refused = eventually("who finds no place is refused", SOON, || {
        let metrics = bed.program.metrics()?;
        let refused =
            metrics.sum("trueline_refused_connections", &[("transport", "http")]).unwrap_or_default();
        // Of a machine that takes its time some have rested by then, and made room.
        ensure!(refused >= 50.0, "{refused} of {} were refused", held.len());
        Ok(refused)
    })?;
    // From then on every one that is turned away finds a place a moment later.
    std::thread::sleep(Duration::from_secs(8));
    let left = bed.closed("made_room")?;
    ensure!(left >= 1.0, "nobody made room");
    Ok(format!("{refused} closed at once; later one leaves for each that is refused"))
}

fn silence(bed: &Bed) -> Result<String> {
    let silent = (0..2000).map(|_| connect(bed.http)).collect::<Result<Vec<_>>>()?;
    eventually("they are closed", SOON, || {
        let closed = bed.closed("silent")?;
        ensure!(closed >= silent.len() as f64, "{closed}");
        Ok(())
    })?;
    Ok("closed after 10 s".to_owned())
}

fn coming_and_going(bed: &Bed) -> Result<String> {
    for round in 0..5000 {
        drop(connect(if round % 2 == 0 { bed.grpc } else { bed.http })?);
    }
    Ok("nothing".to_owned())
}
