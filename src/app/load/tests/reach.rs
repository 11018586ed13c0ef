//! What is said, and with which code it ends, when the destination does not take what is sent.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::LocalSet;

use super::super::args::Protocol;
use super::super::client::Target;
use super::super::clock;
use super::super::reach::Reach;
use super::super::run::verdict;
use super::super::send::{Load, Patience, send_all};
use super::{START, args};
use crate::exit;

const IMPATIENT: Patience = Patience {
    attempts: 3,
    first_backoff: Duration::from_millis(1),
    longest_backoff: Duration::from_millis(2),
    grace: Duration::from_secs(10),
};

/// Sends 600 spans over HTTP to a server that gives these answers, and then the last one for ever; without
/// answers nobody listens. Returns what was said, the tally and the exit code.
async fn sent(answers: &'static [&'static str]) -> (Vec<String>, Rc<Load>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    if answers.is_empty() {
        drop(listener);
    } else {
        tokio::task::spawn_local(serve(listener, answers));
    }
    let args = args("--rate 0 --spans 600 --signals traces --protocol http/protobuf");
    let target = Target::new(&address, Protocol::HttpProtobuf).unwrap();
    let said = Rc::new(RefCell::new(Vec::new()));
    let voice = Rc::clone(&said);
    let say = move |line: &str| voice.borrow_mut().push(line.replace(&address, "ADDRESS"));
    let load = Rc::new(Load::new(&args, START, &target, IMPATIENT, say));
    send_all(Rc::clone(&load), target, 1, 1).await;
    let code = format!("{:?}", verdict(&load.tally));
    let said = said.borrow().clone();
    (said, load, code)
}

async fn serve(listener: TcpListener, answers: &'static [&'static str]) {
    let mut answers = answers.iter().copied().peekable();
    loop {
        let (mut socket, _) = listener.accept().await.unwrap();
        while read_request(&mut socket).await.is_some() {
            let answer = *answers.peek().unwrap();
            if answers.len() > 1 {
                answers.next();
            }
            if answer.is_empty() {
                break;
            }
            let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    }
}

async fn read_request(socket: &mut tokio::net::TcpStream) -> Option<()> {
    let mut request = Vec::new();
    loop {
        if socket.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
        let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).into_owned();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let mut left = vec![0; end + 4 + length.parse::<usize>().unwrap() - request.len()];
        return socket.read_exact(&mut left).await.ok().map(drop);
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(LocalSet::new().run_until(future))
}

fn code(code: u8) -> String {
    format!("{:?}", std::process::ExitCode::from(code))
}

#[test]
fn a_dead_destination_is_named_at_once_and_the_load_ends_with_its_own_code() {
    let (said, load, ended) = run(sent(&[]));
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("warning: ADDRESS does not answer: can not connect: "), "{}", said[0]);
    assert!(said[0].contains("refused") && said[0].contains("--endpoint"), "{}", said[0]);
    assert!(said[1].contains("given up after 3 attempts"), "{}", said[1]);
    let spans = &load.tally.spans;
    assert_eq!((spans.acked.get(), spans.refused.get()), (0, spans.sent.get()));
    assert!(spans.sent.get() >= 600);
    assert_eq!(ended, code(exit::UNREACHED));
}

#[test]
fn a_destination_that_comes_back_is_told_of_and_nothing_is_lost() {
    let (said, load, ended) = run(sent(&["", "200 OK"]));
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("does not answer"), "{}", said[0]);
    assert!(said[1].starts_with("ADDRESS answers, after 0."), "{}", said[1]);
    let spans = &load.tally.spans;
    assert_eq!(spans.acked.get(), spans.sent.get());
    assert!(spans.retried.get() > 0);
    assert_eq!(ended, code(0));
}

#[test]
fn spans_that_are_refused_are_told_of_at_once_and_make_the_load_fail() {
    let (said, load, ended) = run(sent(&["400 Bad Request", "200 OK"]));
    assert_eq!(said, ["warning: ADDRESS did not take what was sent: HTTP 400 Bad Request: "]);
    let spans = &load.tally.spans;
    assert!(spans.refused.get() > 0 && spans.acked.get() > 0);
    assert_eq!(spans.refused.get() + spans.acked.get(), spans.sent.get());
    assert_eq!(ended, code(exit::RUNTIME));
}

#[test]
fn a_destination_that_comes_and_goes_is_not_spoken_of_all_the_time() {
    let reach = Reach::new("there:4317");
    let begin = clock::now();
    let after = |seconds| begin + Duration::from_secs(seconds);
    assert!(reach.failed(begin, "gone").unwrap().contains("there:4317 does not answer: gone"));
    assert_eq!(reach.failed(after(60), "gone"), None);
    assert_eq!(reach.answered(after(61)).unwrap(), "there:4317 answers, after 61.0 s without");
    assert_eq!(reach.answered(after(62)), None);
    assert!(reach.failed(after(63), "gone").is_some());
    assert!(reach.answered(after(64)).is_some());
    assert_eq!(reach.failed(after(65), "gone"), None, "said two seconds ago");
    assert_eq!(reach.answered(after(66)), None);
    assert!(reach.failed(after(80), "gone").is_some());
}
