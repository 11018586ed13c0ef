//! Requests that a busy shard hands to an idle one.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, sync::Arc};

use bytes::Bytes;
use component::{Metadata, Receipt, Refusal, Stop};
use model::Signal;
use tokio::{
    sync::{mpsc, oneshot},
    task::{JoinHandle, JoinSet},
};
use tracing::error;

use crate::{intake::ShardIntake, service::Shared};

/// A whole request that a busy shard hands to an idle one.
pub(crate) struct Job {
    /// The id of the receiver that brought it.
    pub(crate) receiver: Arc<str>,
    pub(crate) signal: Signal,
    pub(crate) bytes: Bytes,
    pub(crate) transport: &'static str,
    pub(crate) metadata: Metadata,
    /// None is said where no such receiver is known, as this shard works by another configuration.
    pub(crate) reply: oneshot::Sender<Option<Result<Receipt, Refusal>>>,
}

/// The ways into the pipelines of a shard, by receiver.
pub(super) type Intakes = Rc<RefCell<BTreeMap<String, Rc<ShardIntake>>>>;

/// Serves requests that other shards hand over, and ends when all of them have been answered.
pub(super) async fn serve_jobs(mut jobs: mpsc::UnboundedReceiver<Job>, intakes: Intakes, broken: Stop) {
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            job = jobs.recv() => {
                let Some(job) = job else { break };
                let intake = intakes.borrow().get(&*job.receiver).map(Rc::clone);
                match intake.filter(|intake| intake.takes(job.signal)) {
                    Some(intake) => {
                        under_way.spawn_local(serve_job(intake, job));
                    }
                    // Who handed it over may have gone.
                    None => drop(job.reply.send(None)),
                }
            }
            Some(_ended) = under_way.join_next() => {}
            () = broken.cancelled(), if !jobs.is_closed() => jobs.close(),
        }
    }
    while under_way.join_next().await.is_some() {}
}

/// Waits until requests of other shards are answered; what is not in time, is refused there.
pub(super) async fn end_jobs(mut jobs: JoinHandle<()>, shared: &Shared) {
    match tokio::time::timeout(shared.edition().plan.settings.receiver_grace(), &mut jobs).await {
        Ok(Ok(())) => {}
        Ok(Err(problem)) => error!(error = %problem, "the task that serves other shards failed"),
        Err(_elapsed) => jobs.abort(),
    }
}

async fn serve_job(intake: Rc<ShardIntake>, job: Job) {
    let Job { signal, bytes, transport, metadata, mut reply, .. } = job;
    tokio::select! {
        // A client that left takes its request back, unless it has been folded.
        () = reply.closed() => {}
        result = intake.take(signal, bytes, transport, metadata) => {
            // The client may have left in this very moment.
            let _gone = reply.send(Some(result));
        }
    }
}
