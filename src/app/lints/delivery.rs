//! Queues and retries that give less than they seem to.

use config::{Collector, Component, Node, Problem, Reference, Value};

use super::warning;

pub(super) fn check(collector: &Collector, found: &mut Vec<Problem>) {
    for exporter in &collector.exporters {
        retries(exporter, found);
        queue(exporter, collector, found);
    }
}

pub(super) fn is_off(section: Option<&Node>) -> bool {
    section.and_then(|section| section.get("enabled")).is_some_and(|node| node.value == Value::Bool(false))
}

/// Both are on unless somebody switched them off.
fn retries(exporter: &Component, found: &mut Vec<Problem>) {
    let (retry, queue) = (exporter.settings.get("retry_on_failure"), exporter.settings.get("sending_queue"));
    let waits =
        queue.and_then(|queue| queue.get("wait_for_result")).is_some_and(|it| it.value == Value::Bool(true));
    if is_off(retry) && !is_off(queue) && !waits {
        let place = retry.map_or(&exporter.place, |node| &node.place);
        let message = "without retry_on_failure, what a destination refuses once is dropped";
        let help =
            "remove `enabled: false`, or set `sending_queue.wait_for_result`, so that senders hear of it";
        found.push(warning("no_retry", place, exporter.path() + "::retry_on_failure", message, help));
    }
    if is_off(queue) {
        let place = queue.map_or(&exporter.place, |node| &node.place);
        let message =
            "without sending_queue, senders wait for each export, and no request is sent beside another";
        let help =
            "remove `enabled: false`; `wait_for_result: true` answers senders after delivery just as well";
        found.push(warning("no_retry", place, exporter.path() + "::sending_queue", message, help));
    }
}

const DEFAULT_BATCH: i128 = 8192;

/// A queue that is full before a batch is: requests are refused until the batch's time is over.
fn queue(exporter: &Component, collector: &Collector, found: &mut Vec<Problem>) {
    let Some(queue) = exporter.settings.get("sending_queue").filter(|queue| !is_off(Some(queue))) else {
        return;
    };
    let counts_items = queue.get("sizer").and_then(Node::as_str) == Some("items");
    let Some(size) = queue.get("queue_size").filter(|_| counts_items) else { return };
    // A batch of its own is judged where the section is read, and counts before that of the pipeline.
    let Value::Int(room) = size.value else { return };
    if queue.get("batch").is_some_and(|batch| !is_off(Some(batch))) {
        return;
    }
    let goes_there = |list: &[Reference]| list.iter().any(|reference| reference.id == exporter.id);
    let lines = collector.service.pipelines.iter().filter(|line| goes_there(&line.exporters));
    let batches =
        lines.filter_map(|line| line.processors.iter().rev().find(|it| it.id.component_type == "batch"));
    let configured = batches.filter_map(|it| collector.processors.iter().find(|row| row.id == it.id));
    let needed = configured.map(|batch| (batch, items_of(batch))).max_by_key(|(_, items)| *items);
    if let Some((batch, items)) = needed.filter(|(_, items)| *items > room) {
        let message = format!(
            "the queue is full at {room} items, before \"{}\" has the {items} of a batch: requests are refused until \
             its timeout",
            batch.id
        );
        let help = format!("set queue_size to several times {items}, or count requests: `sizer: requests`");
        found.push(warning(
            "queue_below_batch",
            &size.place,
            exporter.path() + "::sending_queue::queue_size",
            message,
            help,
        ));
    }
}

fn items_of(batch: &Component) -> i128 {
    match batch.settings.get("send_batch_size").map(|size| &size.value) {
        Some(Value::Int(items)) => *items,
        _ => DEFAULT_BATCH,
    }
}
