//! Where both sides page: takes Alertmanager's webhook, which trueline speaks as well. As a pager has it, the first message
//! of a group wakes somebody, and what joins the group until all of it is over does not.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::clock;

/// Larger than any notification of a shop with eight objectives.
const MAX_BODY_BYTES: usize = 4 << 20;

/// Who paged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Trueline,
    Prometheus,
}

/// Somebody was woken.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) side: Side,
    pub(crate) at: Instant,
    /// The first alert of the group.
    pub(crate) alert: String,
    /// The labels of the group, as Alertmanager writes them.
    pub(crate) group: String,
}

#[derive(Default)]
struct Told {
    pages: Vec<Page>,
    /// Groups that have not ended.
    open: BTreeSet<(Side, String)>,
    /// Alerts that fired, each as often as it began.
    alerts: BTreeSet<(Side, String)>,
}

/// A server that lives as long as the process.
#[derive(Clone)]
pub(crate) struct Inbox {
    told: Arc<Mutex<Told>>,
    url: String,
}

impl Inbox {
    pub(crate) fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let inbox = Self { told: Arc::default(), url: format!("http://{}", listener.local_addr()?) };
        let server = inbox.clone();
        // One thread each: there are two who connect, and both keep their connections open.
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let inbox = server.clone();
                std::thread::spawn(move || {
                    if let Err(problem) = inbox.serve(connection) {
                        eprintln!("shop: inbox: {problem:#}");
                    }
                });
            }
        });
        Ok(inbox)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns all pages so far, the first one first.
    pub(crate) fn pages(&self) -> Vec<Page> {
        self.told().pages.clone()
    }

    /// Returns how many alerts somebody was told of, in pages or in what joined them.
    pub(crate) fn n_alerts(&self, side: Side) -> usize {
        self.told().alerts.iter().filter(|(of, _)| *of == side).count()
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().expect("no thread panics while it holds the lock")
    }

    fn serve(&self, connection: TcpStream) -> Result<()> {
        connection.set_read_timeout(Some(Duration::from_secs(600)))?;
        let mut answers = connection.try_clone()?;
        let mut reader = BufReader::new(connection);
        while let Some((path, body)) = read_request(&mut reader)? {
            let side = if path.starts_with("/trueline") { Side::Trueline } else { Side::Prometheus };
            self.take(side, &body)?;
            answers.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
        }
        Ok(())
    }

    fn take(&self, side: Side, body: &[u8]) -> Result<()> {
        let at = clock::now();
        let message: Value = serde_json::from_slice(body).context("a notification is not JSON")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let alerts = message["alerts"].as_array().context("a notification has no alerts")?;
        let firing: Vec<&Value> = alerts.iter().filter(|alert| alert["status"] == "firing").collect();
        let group = text(&message["groupKey"]);
        let mut told = self.told();
        let identity = |alert: &&Value| (side, format!("{} {}", alert["labels"], text(&alert["startsAt"])));
        told.alerts.extend(firing.iter().map(identity));
        match firing.first() {
            None => drop(told.open.remove(&(side, group))),
            Some(first) if told.open.insert((side, group.clone())) => {
                let alert = text(&first["labels"]["alertname"]);
                told.pages.push(Page { side, at, alert, group });
            }
            Some(_) => {}
        }
        Ok(())
    }
}

/// Reads a request with a body of known length; nothing when the other side is done.
fn read_request(reader: &mut impl BufRead) -> Result<Option<(String, Vec<u8>)>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).context("a request has no path")?.to_owned();
    let mut length = 0;
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            bail!("a request ends in its head");
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().context("content-length is not a number")?;
        }
    }
    if length > MAX_BODY_BYTES {
        bail!("a notification of {length} bytes");
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some((path, body)))
}

#[cfg(test)]
mod tests {
    use super::{Inbox, Side, read_request};

    /// A message of a group with alerts, each as it is.
    fn message(group: &str, alerts: &[(&str, &str)]) -> Vec<u8> {
        let alert = |(name, status): &(&str, &str)| serde_json::json!({"status": status, "labels": {"alertname": name}, "startsAt": "T"});
        let alerts: Vec<_> = alerts.iter().map(alert).collect();
        serde_json::json!({"groupKey": group, "alerts": alerts}).to_string().into_bytes()
    }

    #[test]
    fn the_first_message_of_a_group_pages_until_all_of_it_is_over() {
        let inbox = Inbox::start().unwrap();
        let messages = [
            (Side::Trueline, message("I", &[("A", "firing")])),
            (Side::Trueline, message("I", &[("B", "firing"), ("A", "firing")])),
            (Side::Prometheus, message("I", &[("A", "firing")])),
            (Side::Trueline, message("I", &[("B", "firing"), ("A", "resolved")])),
            (Side::Trueline, message("I", &[("B", "resolved")])),
            (Side::Trueline, message("I", &[("C", "firing")])),
        ];
        for (side, body) in messages {
            inbox.take(side, &body).unwrap();
        }
        let pages: Vec<_> = inbox.pages().into_iter().map(|page| (page.side, page.alert)).collect();
        let page = |side, alert: &str| (side, alert.to_owned());
        assert_eq!(
            pages,
            [page(Side::Trueline, "A"), page(Side::Prometheus, "A"), page(Side::Trueline, "C")]
        );
        assert_eq!([Side::Trueline, Side::Prometheus].map(|side| inbox.n_alerts(side)), [3, 1]);
    }

    #[test]
    fn a_request_is_read_by_its_length() {
        let mut bytes: &[u8] = b"POST /trueline HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
        let (path, body) = read_request(&mut bytes).unwrap().unwrap();
        assert_eq!((path.as_str(), body.as_slice()), ("/trueline", b"{}".as_slice()));
        assert!(read_request(&mut bytes).unwrap().is_none());
    }
}
