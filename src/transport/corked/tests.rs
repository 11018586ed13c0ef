use std::cell::Cell;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    task::{LocalSet, yield_now},
};

use super::*;

/// Counts the writes and reads that reach a stream.
struct Counted {
    stream: DuplexStream,
    writes: Rc<Cell<usize>>,
    reads: Rc<Cell<usize>>,
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.writes.set(self.writes.get() + 1);
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.reads.set(self.reads.get() + 1);
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

fn corked(room: usize) -> (Corked<Counted>, DuplexStream, Rc<Cell<usize>>) {
    let (stream, peer) = duplex(room);
    let writes = Rc::new(Cell::new(0));
    let reads = Rc::default();
    (Corked::new(Counted { stream, writes: Rc::clone(&writes), reads }), peer, writes)
}

/// A corked stream in which so many bytes of a pattern wait to be read, and the number of reads.
async fn filled(len: usize) -> (Corked<Counted>, DuplexStream, Rc<Cell<usize>>) {
    let (stream, mut peer) = duplex(len);
    peer.write_all(&pattern(len)).await.unwrap();
    let (writes, reads) = (Rc::default(), Rc::default());
    (Corked::new(Counted { stream, writes, reads: Rc::clone(&reads) }), peer, reads)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at / 1000 + at) as u8).collect()
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

#[test]
fn many_small_writes_of_one_turn_go_out_in_one() {
    run(async {
        let (mut corked, mut peer, writes) = corked(1 << 20);
        yield_now().await;
        for part in [&b"one "[..], b"two ", b"three"] {
            corked.write_all(part).await.unwrap();
            corked.flush().await.unwrap();
        }
        assert_eq!(writes.get(), 0);
        let mut got = [0; 13];
        peer.read_exact(&mut got).await.unwrap();
        assert_eq!((&got, writes.get()), (b"one two three", 1));
    });
}

#[test]
fn a_peer_that_reads_slowly_holds_the_writer_back_and_loses_nothing() {
    run(async {
        let (mut corked, mut peer, _) = corked(1000);
        let sent: Vec<u8> = (0..1_000_000_u32).map(|n| n as u8).collect();
        let expected = sent.clone();
        let writer = spawn_local(async move {
            for chunk in sent.chunks(16 << 10) {
                corked.write_all(chunk).await.unwrap();
                assert!(corked.shared.borrow().collected.len() < FULL + (16 << 10));
            }
            corked.shutdown().await.unwrap();
        });
        let mut got = Vec::new();
        peer.read_to_end(&mut got).await.unwrap();
        writer.await.unwrap();
        assert!(got == expected);
    });
}

#[test]
fn a_shutdown_comes_after_everything_written() {
    run(async {
        let (mut corked, mut peer, _) = corked(64);
        corked.write_all(&[7; 300]).await.unwrap();
        let reader = spawn_local(async move {
            let mut got = Vec::new();
            peer.read_to_end(&mut got).await.unwrap();
            got.len()
        });
        corked.shutdown().await.unwrap();
        assert_eq!(reader.await.unwrap(), 300);
    });
}

#[test]
fn what_was_written_before_a_drop_still_goes_out() {
    run(async {
        let (mut corked, mut peer, _) = corked(64);
        corked.write_all(&[7; 300]).await.unwrap();
        drop(corked);
        let mut got = Vec::new();
        peer.read_to_end(&mut got).await.unwrap();
        assert_eq!(got.len(), 300);
    });
}

#[test]
fn a_peer_that_is_gone_is_an_error() {
    run(async {
        let (mut corked, peer, _) = corked(64);
        drop(peer);
        corked.write_all(b"x").await.unwrap();
        yield_now().await;
        yield_now().await;
        assert_eq!(corked.write(b"y").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn what_is_read_in_small_parts_is_read_ahead() {
    run(async {
        const LEN: usize = 160 << 10;
        let (mut corked, _peer, reads) = filled(LEN).await;
        let mut got = vec![0; LEN];
        for part in got.chunks_mut(8 << 10) {
            corked.read_exact(part).await.unwrap();
        }
        assert!(got == pattern(LEN), "the bytes are those that were sent");
        assert_eq!(reads.get(), 5, "four of eight kilobytes, then one of all the rest");
    });
}

#[test]
fn a_place_for_large_frames_is_filled_without_reading_ahead() {
    run(async {
        const LEN: usize = 240 << 10;
        let (mut corked, _peer, reads) = filled(LEN).await;
        let mut got = vec![0; LEN];
        for frame in got.chunks_mut(48 << 10) {
            let (head, body) = frame.split_at_mut(8 << 10);
            corked.read_exact(head).await.unwrap();
            corked.read_exact(body).await.unwrap();
        }
        assert!(got == pattern(LEN), "the bytes are those that were sent");
        assert_eq!(reads.get(), 10, "a read for each place");
    });
}
