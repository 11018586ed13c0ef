//! Graph, shards, hop, queues, retry.
