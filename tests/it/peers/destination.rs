//! A destination of webhooks, on a thread of the test: it keeps what it is sent and answers as it is told.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Result, ensure};
use serde_json::Value;

/// How a request is answered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Mood {
    /// 200.
    Takes,
    /// 429, to be asked again in a second.
    IsBusy,
    /// 500.
    Fails,
    /// Says nothing until the other side gives up.
    Hangs,
    /// Closes the connection.
    Drops,
    /// 404.
    Refuses,
}

/// A request, whatever became of it.
pub(crate) struct Seen {
    pub(crate) body: Value,
    pub(crate) mood: Mood,
}

pub(crate) struct Destination {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Destination {
    /// Starts one that takes everything.
    pub(crate) fn good() -> Result<Self> {
        Self::start(|| Mood::Takes)
    }

    /// Starts one that is asked before each answer how it feels.
    pub(crate) fn start(mood: impl Fn() -> Mood + Send + Sync + 'static) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (log, mood) = (Arc::clone(&seen), Arc::new(mood));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, mood) = (Arc::clone(&log), Arc::clone(&mood));
                // A connection ends when its peer does, or when it is dropped here.
                std::thread::spawn(move || while answer(&stream, &log, &*mood).is_ok() {});
            }
        });
        Ok(Self { address, seen })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Looks at all requests up to now, in the order in which they came.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&[Seen]) -> T) -> T {
        look(&self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Answers one request.
///
/// *Errors*: nothing follows on this connection.
fn answer(mut stream: &TcpStream, log: &Mutex<Vec<Seen>>, mood: &impl Fn() -> Mood) -> Result<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        ensure!(reader.read_line(&mut line)? > 0, "the peer has gone");
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mood = mood();
    let seen = Seen { body: serde_json::from_slice(&body)?, mood };
    log.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    let status = match mood {
        Mood::Takes => "200 OK",
        Mood::IsBusy => "429 Too Many Requests\r\nretry-after: 1",
        Mood::Fails => "500 Internal Server Error",
        Mood::Refuses => "404 Not Found",
        Mood::Hangs => return Ok(reader.read_exact(&mut [0])?),
        Mood::Drops => anyhow::bail!("the connection is dropped"),
    };
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")?;
    Ok(())
}
