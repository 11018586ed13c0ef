//! What the head of a request says, for stages that ask for it.

use std::{slice, sync::Arc};

use http::HeaderMap;

/// Names of headers, in lower case.
pub type MetadataKeys = Arc<[String]>;

/// Headers of a request, as far as stages read them: what a stage emits at a tick has none, as it is of many requests.
///
/// Not for the log: a header may be a credential. *Cost*: nothing where no stage reads a header, otherwise what those
/// that are read take; servers bound the head of a request.
#[derive(Clone, Default)]
pub struct Metadata {
    /// None of what no sender brought.
    asked: Option<MetadataKeys>,
    shown: Shown,
    /// The place of the name in `asked`, and a value, in the order in which they came.
    values: Vec<(usize, String)>,
}

/// By which names of OpenTelemetry's collector the headers are to be found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Shown {
    /// As metadata of the client, which an operator asks a receiver for.
    pub as_client: bool,
    /// As metadata of gRPC.
    pub as_grpc: bool,
}

/// Where a stage looks for a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MetadataSource {
    Client,
    Grpc,
    Either,
}

impl Metadata {
    /// Keeps of a head what was asked for.
    pub fn new(asked: MetadataKeys, headers: &HeaderMap, shown: Shown) -> Self {
        let mut values = Vec::new();
        if shown != Shown::default() {
            for (place, name) in asked.iter().enumerate() {
                let of_name = headers.get_all(name.as_str()).into_iter();
                values.extend(
                    of_name.map(|value| (place, String::from_utf8_lossy(value.as_bytes()).into_owned())),
                );
            }
        }
        Self { asked: Some(asked), shown, values }
    }

    /// Whether it has been asked for just these, or nobody could ask.
    pub fn answers(&self, keys: &[String]) -> bool {
        self.asked.as_ref().is_none_or(|asked| **asked == *keys)
    }

    /// Returns the values of a header by its name in lower case, in the order in which they came.
    pub fn values<'m>(&'m self, source: MetadataSource, name: &str) -> impl Iterator<Item = &'m str> {
        let is_shown = match source {
            MetadataSource::Client => self.shown.as_client,
            MetadataSource::Grpc => self.shown.as_grpc,
            MetadataSource::Either => self.shown.as_client || self.shown.as_grpc,
        };
        let mut names = self.asked.as_deref().map_or([].iter(), <[String]>::iter);
        let place = names.position(|asked| asked == name).filter(|_| is_shown);
        let all: slice::Iter<'m, _> = self.values.iter();
        all.filter(move |(of, _)| Some(*of) == place).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(shown: Shown) -> Metadata {
        let mut headers = HeaderMap::new();
        for (name, value) in [("x-tenant", "a"), ("authorization", "Bearer t"), ("x-tenant", "b")] {
            headers.append(name, value.parse().unwrap());
        }
        Metadata::new(["x-tenant".to_owned(), "x-other".to_owned()].into(), &headers, shown)
    }

    #[test]
    fn what_nobody_asked_for_is_not_kept() {
        let metadata = metadata(Shown { as_client: true, as_grpc: false });
        let values = |source, name| metadata.values(source, name).collect::<Vec<_>>();
        assert_eq!(values(MetadataSource::Client, "x-tenant"), ["a", "b"]);
        assert_eq!(values(MetadataSource::Either, "x-tenant"), ["a", "b"]);
        assert!(values(MetadataSource::Client, "x-other").is_empty());
        assert!(values(MetadataSource::Client, "authorization").is_empty());
        assert!(values(MetadataSource::Grpc, "x-tenant").is_empty(), "it came by other means");
        assert_eq!(metadata.values.len(), 2);
    }

    #[test]
    fn it_answers_those_who_asked_for_it() {
        let metadata = metadata(Shown::default());
        assert!(metadata.values.is_empty(), "the receiver shows nothing");
        assert!(metadata.answers(&["x-tenant".to_owned(), "x-other".to_owned()]));
        assert!(!metadata.answers(&["x-tenant".to_owned()]));
        assert!(Metadata::default().answers(&["x-tenant".to_owned()]), "no sender brought it");
    }
}
