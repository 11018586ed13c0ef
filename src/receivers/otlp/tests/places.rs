//! Connections that keep a place and do not use it.

use std::{rc::Rc, time::Duration};

use model::Signal;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    time::timeout,
};

use super::{
    super::config::{GrpcConfig, HttpConfig},
    fixture::{Http2, Server, eventually, grpc_only, http_only, run, settle, start},
};

/// Comes when all places are taken.
async fn refused(server: &Server) {
    let mut late = TcpStream::connect(server.address()).await.unwrap();
    let _closed = late.read(&mut [0]).await;
}

async fn pass(time: Duration) {
    settle().await;
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
    settle().await;
}

#[test]
fn for_who_finds_no_place_a_stranger_leaves_then_one_who_rests_and_nobody_who_is_busy() {
    run(async {
        let server = start(&grpc_only(GrpcConfig::default())).await;
        server.places[0].set_most(3);
        let mut rests = Http2::connect(server.address()).await;
        assert_eq!(rests.export(Signal::Traces, None, b"first").await.grpc_status(), "0");
        let gate = Rc::new(Notify::new());
        *server.intake.gate.borrow_mut() = Some(Rc::clone(&gate));
        let mut client = Http2::connect(server.address()).await;
        let busy = tokio::task::spawn_local(async move {
            let answer = client.export(Signal::Traces, None, b"busy").await;
            (client, answer)
        });
        let stranger = Http2::connect(server.address()).await;
        refused(&server).await;
        settle().await;
        assert!(!stranger.is_closed(), "it has only just come");

        pass(Duration::from_secs(6)).await;
        refused(&server).await;
        eventually(|| stranger.is_closed()).await;
        assert!(!rests.is_closed());
        let comes = Http2::connect(server.address()).await;
        refused(&server).await;
        eventually(|| rests.is_closed()).await;
        let comes_too = Http2::connect(server.address()).await;
        refused(&server).await;
        settle().await;
        assert_eq!(server.turned_away("made_room"), 2);
        assert!(!comes.is_closed() && !comes_too.is_closed());

        gate.notify_waiters();
        let (client, answer) = busy.await.unwrap();
        assert_eq!(answer.grpc_status(), "0");
        assert!(!client.is_closed());
    });
}

#[test]
fn who_asks_and_never_reads_the_answers_is_closed_and_counted() {
    run(async {
        let server = start(&http_only(HttpConfig::default())).await;
        let mut client = TcpStream::connect(server.address()).await.unwrap();
        let questions = b"POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n".repeat(1000);
        // Both systems' buffers fill with answers, then with questions.
        let asked = async { while client.write_all(&questions).await.is_ok() {} };
        timeout(Duration::from_secs(1), asked).await.unwrap_err();
        assert_eq!(server.turned_away("takes_nothing"), 0);
        pass(Duration::from_secs(31)).await;
        eventually(|| server.turned_away("takes_nothing") == 1).await;
    });
}
