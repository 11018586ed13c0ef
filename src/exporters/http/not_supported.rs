//! What the collector's clients can and these can not.

use config::NotSupported;

/// Keys of every client.
pub(crate) const CLIENT_NOT_SUPPORTED: &[NotSupported] = &[
    NotSupported::new("middlewares", "there are no middleware extensions", "remove it"),
    NotSupported::new("batcher", "it has another place now", "write `sending_queue: {batch: …}`"),
];

/// Keys of clients over HTTP, beside those of every client.
pub(crate) const HTTP_CLIENT_NOT_SUPPORTED: &[NotSupported] = &[
    NotSupported::new(
        "proxy_url",
        "connections go straight to the endpoint",
        "remove it, and let the network route to the endpoint or name a reverse proxy as `endpoint`",
    ),
    NotSupported::new(
        "cookies",
        "cookies that a server sets are not kept",
        "remove it; a cookie that never changes can be set in `headers`",
    ),
];
