//! The queue against an exporter that does what the test says, under a clock that the test moves.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use component::{
    Clock, Delivered, Delivery, ExportError, Exporter, QueueConfig, RetryConfig, Stop, Telemetry,
    testing::ManualClock,
};
use futures_util::future::LocalBoxFuture;
use model::{AckFuture, Outcome, Signal, Timestamp};
use tokio::task::{LocalSet, spawn_local, yield_now};

use super::*;

type Answer = Result<Delivered, ExportError>;

/// Answers as listed, then delivers everything.
#[derive(Default)]
struct Scripted {
    answers: RefCell<VecDeque<Answer>>,
    exported: RefCell<Vec<Export>>,
    attempts: Cell<usize>,
    hold: RefCell<Option<Stop>>,
}

impl Exporter for Scripted {
    fn export(&self, export: Export) -> LocalBoxFuture<'_, Answer> {
        Box::pin(async move {
            self.attempts.set(self.attempts.get() + 1);
            let hold = self.hold.borrow().clone();
            if let Some(hold) = hold {
                hold.cancelled().await;
            }
            let answer = self.answers.borrow_mut().pop_front().unwrap_or(Ok(Delivered::default()));
            if answer.is_ok() {
                self.exported.borrow_mut().push(export);
            }
            answer
        })
    }
}

struct Rig {
    exporter: Rc<Scripted>,
    inbox: Inbox,
    clock: ManualClock,
    hurry: Stop,
    handover: Rc<Handover>,
    telemetry: Telemetry,
    consumer: tokio::task::JoinHandle<()>,
}

fn delivery(queue: QueueConfig) -> Delivery {
    Delivery {
        queue,
        retry: RetryConfig { randomization_factor: 0.0, ..Default::default() },
        timeout: Duration::ZERO,
    }
}

fn rig(delivery: Delivery, answers: Vec<Answer>) -> Rig {
    rig_after(delivery, answers, None)
}

fn rig_after(delivery: Delivery, answers: Vec<Answer>, before: Option<Rc<Handover>>) -> Rig {
    let exporter = Rc::new(Scripted { answers: RefCell::new(answers.into()), ..Default::default() });
    let telemetry = Telemetry::default();
    let meters = Arc::new(Meters::new(&telemetry, Some(delivery.queue.queue_size)));
    let bound = Bound::new(&delivery);
    let clock = ManualClock::new(Timestamp::from_secs(1000));
    let (hurry, handover) = (Stop::new(), Rc::new(Handover::default()));
    let (sender, items) = mpsc::unbounded_channel();
    let consumer = Consumer {
        id: "test".to_owned(),
        exporter: Rc::clone(&exporter) as Rc<dyn Exporter>,
        delivery: delivery.clone(),
        meters: Arc::clone(&meters),
        clock: Arc::new(clock.clone()),
        closing: Stop::new(),
        hurry: hurry.clone(),
        handover: Rc::clone(&handover),
        before: before.map(|handover| Before { handover, bound: Arc::clone(&bound) }),
    };
    let consumer = spawn_local(consumer.run(items));
    let inbox = Inbox::new("test", &delivery, bound, meters, sender);
    Rig { exporter, inbox, clock, hurry, handover, telemetry, consumer }
}

fn logs(text: &'static str) -> Export {
    Export { signal: Signal::Logs, bytes: text.into(), items: 1 }
}

async fn settle() {
    for _ in 0..50 {
        yield_now().await;
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

impl Rig {
    fn send(&self, export: Export) -> AckFuture {
        let (ack, answer) = Ack::new();
        self.inbox.send(export, ack, None);
        answer
    }

    fn counter(&self, name: &str) -> u64 {
        let read = self.telemetry.read();
        read.iter().find(|row| row.name == name).map_or(0, |row| row.value)
    }

    async fn advance(&self, seconds: u64) {
        self.clock.advance_to(self.clock.now() + Duration::from_secs(seconds));
        settle().await;
    }
}

fn retryable(after: Option<Duration>) -> Answer {
    Err(ExportError::Retryable { after, source: "busy".into() })
}

#[test]
fn a_request_is_answered_when_the_queue_has_it() {
    run(async {
        let rig = rig(delivery(QueueConfig::default()), vec![retryable(None)]);
        assert_eq!(rig.send(logs("a")).await, Outcome::DELIVERED);
        settle().await;
        assert_eq!(rig.exporter.exported.borrow().len(), 0);
        rig.advance(5).await;
        assert_eq!(rig.exporter.exported.borrow().len(), 1);
        assert_eq!(rig.counter("otelcol_exporter_sent_log_records"), 1);
    });
}

#[test]
fn with_wait_for_result_the_answer_is_the_deliverys() {
    run(async {
        let queue = QueueConfig { wait_for_result: true, ..Default::default() };
        let refused = Err(ExportError::Permanent("no".into()));
        let rejected = Ok(Delivered { rejected: 1, message: "one".to_owned() });
        let rig = rig(delivery(queue), vec![refused, rejected]);
        assert_eq!(rig.send(logs("a")).await, Outcome::Permanent("no".to_owned()));
        assert_eq!(rig.send(logs("b")).await, Outcome::Delivered { rejected: 1, message: "one".to_owned() });
        assert_eq!(rig.counter("otelcol_exporter_send_failed_log_records"), 2);
        assert_eq!(rig.counter("otelcol_exporter_sent_log_records"), 0);
    });
}

#[test]
fn waits_grow_and_never_undercut_what_the_destination_asked() {
    run(async {
        let asked = retryable(Some(Duration::from_secs(20)));
        let rig = rig(delivery(QueueConfig::default()), vec![retryable(None), retryable(None), asked]);
        rig.send(logs("a")).await;
        settle().await;
        let mut attempts = vec![];
        for _ in 0..40 {
            attempts.push(rig.exporter.attempts.get());
            rig.advance(1).await;
        }
        // The first after 5 s, the second 7.5 s later, the third not before the 20 s asked for.
        let seconds_of = |n: usize| attempts.iter().position(|&a| a >= n).unwrap();
        assert_eq!((seconds_of(2), seconds_of(3), seconds_of(4)), (5, 13, 33));
    });
}

#[test]
fn after_max_elapsed_time_the_data_is_dropped_and_counted() {
    run(async {
        let mut delivery = delivery(QueueConfig::default());
        delivery.retry.max_elapsed_time = Duration::from_secs(10).into();
        let rig = rig(delivery, (0..10).map(|_| retryable(None)).collect());
        rig.send(logs("a")).await;
        for _ in 0..20 {
            rig.advance(1).await;
        }
        assert_eq!(rig.exporter.attempts.get(), 2);
        assert_eq!(rig.counter("otelcol_exporter_send_failed_log_records"), 1);
        assert_eq!(rig.inbox.bound.used(), 0);
    });
}

#[test]
fn a_full_queue_refuses_and_takes_again_when_there_is_room() {
    run(async {
        let queue = QueueConfig { queue_size: 2, num_consumers: 1, ..Default::default() };
        let rig = rig(delivery(queue), vec![]);
        let hold = Stop::new();
        *rig.exporter.hold.borrow_mut() = Some(hold.clone());
        for text in ["a", "b"] {
            assert!(rig.inbox.try_reserve(1, 1, 1));
            rig.send(logs(text)).await;
            rig.inbox.release();
        }
        assert!(!rig.inbox.try_reserve(1, 1, 1));
        rig.send(logs("c")).await;
        assert_eq!(rig.counter("otelcol_exporter_enqueue_failed_log_records"), 1);
        hold.cancel();
        settle().await;
        assert!(rig.inbox.try_reserve(1, 1, 1));
        assert_eq!(rig.exporter.exported.borrow().len(), 2);
    });
}

#[test]
fn what_was_reserved_and_not_used_is_given_back() {
    run(async {
        let queue = QueueConfig { sizer: Sizer::Bytes, queue_size: 100, ..Default::default() };
        let rig = rig(delivery(queue), vec![]);
        assert!(rig.inbox.try_reserve(1, 60, 1));
        assert_eq!(rig.inbox.bound.used(), 60);
        rig.inbox.release();
        assert_eq!(rig.inbox.bound.used(), 0);
    });
}

#[test]
fn the_bound_in_bytes_holds_beside_the_sizer() {
    run(async {
        let queue = QueueConfig { max_bytes: config::ByteSize(100), ..Default::default() };
        let rig = rig(delivery(queue), vec![]);
        // An empty queue takes a request of any size, or it could never be sent.
        assert!(rig.inbox.try_reserve(1, 1000, 1));
        rig.inbox.release();
        *rig.exporter.hold.borrow_mut() = Some(Stop::new());
        rig.send(logs("a")).await;
        assert!(!rig.inbox.try_reserve(1, 100, 1));
        assert!(rig.inbox.try_reserve(1, 99, 1));
    });
}

#[test]
fn one_consumer_keeps_the_order() {
    run(async {
        let queue = QueueConfig { num_consumers: 1, ..Default::default() };
        let rig = rig(delivery(queue), vec![retryable(None)]);
        for text in ["a", "b", "c"] {
            rig.send(logs(text)).await;
        }
        for _ in 0..10 {
            rig.advance(1).await;
        }
        let order: Vec<_> =
            rig.exporter.exported.borrow().iter().map(|export| export.bytes.whole()).collect();
        assert_eq!(order, ["a", "b", "c"]);
    });
}

#[test]
fn the_end_empties_the_queue_with_one_last_attempt_each() {
    run(async {
        let rig = rig(delivery(QueueConfig::default()), (0..100).map(|_| retryable(None)).collect());
        rig.send(logs("a")).await;
        settle().await;
        let Rig { inbox, hurry, consumer, exporter, telemetry, .. } = rig;
        drop(inbox);
        hurry.cancel();
        consumer.await.unwrap();
        assert_eq!(exporter.attempts.get(), 2);
        let failed =
            telemetry.read().into_iter().find(|row| row.name == "otelcol_exporter_send_failed_log_records");
        assert_eq!(failed.unwrap().value, 1);
    });
}

#[test]
fn what_a_broken_thread_held_is_counted_answered_and_its_room_given_back() {
    let queue = QueueConfig { wait_for_result: true, num_consumers: 1, ..Default::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let thread = LocalSet::new();
    let (inbox, telemetry, answers) = thread.block_on(&runtime, async {
        let rig = rig(delivery(queue), vec![]);
        *rig.exporter.hold.borrow_mut() = Some(Stop::new());
        // One is being exported, one waits for its turn, one is not taken from the queue yet.
        let answers = ["a", "b"].map(|text| rig.send(logs(text)));
        settle().await;
        let last = rig.send(logs("c"));
        assert_eq!(rig.inbox.bound.used(), 3);
        let [first, second] = answers;
        (rig.inbox, rig.telemetry, [first, second, last])
    });
    drop(thread);
    assert_eq!(inbox.bound.used(), 0);
    let counter = |name: &str| telemetry.read().iter().find(|row| row.name == name).map(|row| row.value);
    assert_eq!(counter("otelcol_exporter_send_failed_log_records"), Some(3));
    assert_eq!(counter("otelcol_exporter_dropped_items"), Some(3));
    assert_eq!(counter("otelcol_exporter_in_flight_requests"), Some(0));
    for answer in answers {
        let outcome = runtime.block_on(answer);
        assert!(matches!(outcome, Outcome::Retryable { .. }), "{outcome:?}");
    }
    let (ack, answer) = Ack::new();
    inbox.send(logs("d"), ack, None);
    assert!(matches!(runtime.block_on(answer), Outcome::Retryable { .. }), "there is nobody to deliver it");
    assert_eq!(inbox.bound.used(), 0);
}

#[test]
fn a_batch_that_is_due_leaves_while_the_queue_is_never_empty() {
    run(async {
        let batch = component::BatchConfig { min_size: 1000, ..Default::default() };
        let queue = QueueConfig { batch: config::Section::on(batch), ..Default::default() };
        let rig = rig(delivery(queue), vec![]);
        rig.send(logs("a")).await;
        settle().await;
        // The time is over, and the queue holds more than the batcher can take in one turn.
        rig.clock.advance_to(rig.clock.now() + Duration::from_secs(1));
        for _ in 0..200 {
            rig.send(logs("b")).await;
        }
        settle().await;
        assert_eq!(rig.exporter.exported.borrow()[0].bytes.whole(), "a");
    });
}

#[test]
fn a_request_that_comes_twice_has_room_for_both() {
    run(async {
        let rig = rig(delivery(QueueConfig { queue_size: 3, ..Default::default() }), vec![]);
        *rig.exporter.hold.borrow_mut() = Some(Stop::new());
        let reach = [Reached { inbox: Rc::new(rig.inbox), deliveries: 2 }];
        let inbox = &reach[0].inbox;
        let reservation = Reservation::make(&reach, 1, 10).ok().unwrap();
        // Stages have made the first copy larger than both together were: the second is taken all the same.
        inbox.send(logs("as long as three of these words"), Ack::none(), None);
        inbox.send(logs("b"), Ack::none(), None);
        drop(reservation);
        assert_eq!(inbox.bound.used(), 2);
        assert!(Reservation::make(&reach, 1, 10).is_err(), "there is room for one alone");
        assert_eq!(inbox.bound.used(), 2);
        settle().await;
        assert_eq!(rig.exporter.attempts.get(), 2);
    });
}

#[test]
fn room_wakes_those_who_wait_one_at_a_time_and_all_in_turn() {
    run(async {
        let rig = rig(delivery(QueueConfig { queue_size: 2, ..Default::default() }), vec![]);
        let (inbox, woken) = (Rc::new(rig.inbox), Rc::new(Cell::new(0)));
        assert!(inbox.try_reserve(2, 1, 2));
        for _ in 0..5 {
            let (inbox, woken) = (Rc::clone(&inbox), Rc::clone(&woken));
            spawn_local(async move {
                inbox.wait_for_room().await;
                woken.set(woken.get() + 1);
            });
        }
        settle().await;
        inbox.bound.give_back(Cost { units: 1, bytes: 1 });
        settle().await;
        assert_eq!(woken.get(), 1);
        for expected in 2..=5 {
            inbox.pass_on_room();
            settle().await;
            assert_eq!(woken.get(), expected);
        }
    });
}

/// As a `batch` processor wants it.
fn batching(min_size: u64, seconds: u64) -> Arc<Batching> {
    let flush_timeout = Duration::from_secs(seconds).into();
    let config = component::BatchConfig { min_size, flush_timeout, max_size: 0, sizer: None };
    Batching::new(config, Sizer::Items)
}

impl Rig {
    fn send_for(&self, batching: &Arc<Batching>, text: &'static str) {
        self.inbox.send(logs(text), Ack::none(), Some(batching));
    }

    fn exported(&self) -> Vec<Bytes> {
        self.exporter.exported.borrow().iter().map(|export| export.bytes.whole()).collect()
    }
}

#[test]
fn requests_of_a_pipeline_with_batch_are_joined_and_those_of_others_are_not() {
    run(async {
        let rig = rig(delivery(QueueConfig::default()), vec![]);
        let (two, slow) = (batching(2, 1), batching(100, 5));
        two.count(&rig.telemetry);
        rig.send_for(&two, "a");
        rig.send_for(&slow, "x");
        rig.send(logs("alone")).await;
        settle().await;
        assert_eq!(rig.exported(), ["alone"]);
        rig.send_for(&two, "b");
        rig.send_for(&slow, "y");
        settle().await;
        assert_eq!(rig.exported(), ["alone", "ab"]);
        assert_eq!(rig.inbox.bound.used(), 2, "what waits to be joined has its place in the queue");
        rig.advance(1).await;
        assert_eq!(rig.exported().len(), 2);
        rig.advance(4).await;
        assert_eq!(rig.exported(), ["alone", "ab", "xy"]);
        assert_eq!(rig.inbox.bound.used(), 0);
        rig.send_for(&two, "c");
        settle().await;
        rig.advance(1).await;
        let counted = |what: &str| rig.counter(&format!("otelcol_processor_batch_{what}_trigger_send"));
        assert_eq!((counted("batch_size"), counted("timeout")), (1, 1));
    });
}

#[test]
fn an_exporter_that_joins_by_itself_does_so_whatever_its_pipelines_want() {
    run(async {
        let own = component::BatchConfig { min_size: 3, ..Default::default() };
        let queue = QueueConfig { batch: config::Section::on(own), ..Default::default() };
        let rig = rig(delivery(queue), vec![]);
        for (text, of) in [("a", batching(1, 1)), ("b", batching(2, 1)), ("c", batching(100, 1))] {
            rig.send_for(&of, text);
        }
        settle().await;
        assert_eq!(rig.exported(), ["abc"]);
    });
}

/// What is sent to an exporter with such a queue, one request after the other; how many of them are answered
/// before the batch of two is complete.
async fn answered_before_the_batch_is_full(queue: QueueConfig) -> usize {
    let rig = rig(delivery(queue), vec![]);
    let of = batching(2, 1);
    let (ack, first) = Ack::new();
    rig.inbox.send(logs("a"), ack, Some(&of));
    settle().await;
    let n_answered = usize::from(first.is_done());
    let (ack, second) = Ack::new();
    rig.inbox.send(logs("b"), ack, Some(&of));
    for answer in [first, second] {
        assert!(matches!(answer.await, Outcome::Delivered { .. }));
    }
    settle().await;
    assert_eq!(rig.exported(), ["ab"]);
    n_answered
}

#[test]
fn a_batch_is_answered_when_it_is_taken_unless_senders_shall_wait() {
    run(async {
        let no_queue = QueueConfig { enabled: false, ..Default::default() };
        assert_eq!(answered_before_the_batch_is_full(no_queue).await, 1);
        let waits = QueueConfig { wait_for_result: true, ..Default::default() };
        assert_eq!(answered_before_the_batch_is_full(waits).await, 0);
    });
}

#[test]
fn at_the_end_batches_leave_however_small() {
    run(async {
        let rig = rig(delivery(QueueConfig::default()), vec![]);
        rig.send_for(&batching(100, 5), "a");
        settle().await;
        let Rig { exporter, inbox, consumer, .. } = rig;
        drop(inbox);
        consumer.await.unwrap();
        assert_eq!(exporter.exported.borrow()[0].bytes.whole(), "a");
    });
}

#[test]
fn what_an_exporter_leaves_comes_first_at_the_one_that_takes_its_place() {
    run(async {
        let queue = QueueConfig { num_consumers: 1, ..Default::default() };
        let old = rig(delivery(queue.clone()), (0..100).map(|_| retryable(None)).collect());
        let answers: Vec<_> = ["a", "b", "c"].map(|text| old.send(logs(text))).into();
        settle().await;
        let next = rig_after(delivery(queue), Vec::new(), Some(Rc::clone(&old.handover)));
        next.send(logs("d")).await;
        settle().await;
        assert_eq!(next.exporter.attempts.get(), 0, "it waits for the one before");
        let Rig { handover, consumer, exporter, telemetry, inbox, .. } = old;
        handover.begun.cancel();
        consumer.await.unwrap();
        handover.ended.cancel();
        settle().await;
        let order: Vec<_> =
            next.exporter.exported.borrow().iter().map(|export| export.bytes.whole()).collect();
        assert_eq!(order, ["a", "b", "c", "d"]);
        assert_eq!((exporter.attempts.get(), inbox.bound.used(), next.inbox.bound.used()), (1, 0, 0));
        for answer in answers {
            assert_eq!(answer.await, Outcome::DELIVERED);
        }
        let failed = |telemetry: &Telemetry| {
            let rows = telemetry.read();
            rows.iter().filter(|row| row.name.contains("failed")).map(|row| row.value).sum::<u64>()
        };
        assert_eq!((failed(&telemetry), failed(&next.telemetry)), (0, 0));
        assert_eq!(next.counter("otelcol_exporter_sent_log_records"), 4);
    });
}

#[test]
fn an_attempt_that_takes_too_long_is_made_by_the_next_exporter() {
    run(async {
        let old = rig(delivery(QueueConfig::default()), Vec::new());
        *old.exporter.hold.borrow_mut() = Some(Stop::new());
        old.send(logs("a")).await;
        settle().await;
        let next = rig_after(delivery(QueueConfig::default()), Vec::new(), Some(Rc::clone(&old.handover)));
        old.handover.begun.cancel();
        settle().await;
        assert!(!old.consumer.is_finished(), "an attempt under way may succeed");
        old.handover.overdue.cancel();
        old.consumer.await.unwrap();
        old.handover.ended.cancel();
        settle().await;
        assert_eq!(next.exporter.exported.borrow().len(), 1);
    });
}
