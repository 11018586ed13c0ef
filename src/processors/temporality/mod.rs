//! What the stages share that change the temporality of metrics: what shards tell, how streams are told apart and kept,
//! buckets.

mod buckets;
mod ingest;
mod key;
mod partial;
mod table;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use buckets::{Buckets, bucket_start, last_bucket_below};
pub(crate) use ingest::IngestHalf;
pub(crate) use key::{Key, Resource};
pub(crate) use partial::RequestsPartial;
pub(crate) use table::{Kept, Table};
