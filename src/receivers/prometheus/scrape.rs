//! From the answer of a target to requests of OTLP, on a thread that may take its time.

use std::{borrow::Cow, io::Read, sync::Arc};

use component::Clock;
use flate2::read::MultiGzDecoder;
use model::Timestamp;

use super::{
    config::Job,
    exposition::Dialect,
    families::{Drops, Families, Told},
    fetch::{Failure, Fetched},
    history::{Counts, History},
    labels::{Labels, NAME},
    metadata::Catalogue,
    target::Target,
    write::{Request, write},
};

/// One scrape of a target.
pub(super) struct Scrape {
    pub(super) history: History,
    pub(super) job: Arc<Job>,
    pub(super) target: Arc<Target>,
    /// The time of all values that bear none of their own.
    pub(super) at: Timestamp,
    pub(super) began: Timestamp,
    pub(super) clock: Arc<dyn Clock>,
}

/// What came of it.
pub(super) struct Digest {
    pub(super) history: History,
    pub(super) requests: Vec<Request>,
    pub(super) failure: Option<Failure>,
    pub(super) counts: Counts,
    pub(super) drops: Drops,
}

impl Scrape {
    pub(super) fn digest(mut self, answer: Result<Fetched, Failure>) -> Digest {
        let at = i64::try_from(self.at.as_nanos() / 1_000_000).unwrap_or(i64::MAX);
        let (mut counts, mut n_bytes) = (Counts::default(), 0);
        let read = answer.and_then(|fetched| {
            let (bytes, dialect) = self.unpack(&fetched)?;
            n_bytes = bytes.len();
            self.read(&bytes, dialect, at, &mut counts)
        });
        let (mut families, failure) = match read {
            Ok(families) => (families, None),
            Err(failure) => (Families::default(), Some(failure)),
        };
        for labels in self.history.ended(failure.is_some()) {
            let told = Told { labels: &labels, time: at, value: None, exemplar: None };
            families.add(&self.history.catalogue, &self.target, &told);
        }
        self.report(&mut families, at, (counts, n_bytes), failure.as_ref());
        let mut drops = families.drops;
        let requests = write(&families, &mut drops);
        Digest { history: self.history, requests, failure, counts, drops }
    }

    /// Returns the text, decompressed, and its format.
    fn unpack<'a>(&self, fetched: &'a Fetched) -> Result<(Cow<'a, [u8]>, Dialect), Failure> {
        let limit = self.job.limits.body;
        let bytes = if fetched.is_gzip {
            let mut plain = Vec::new();
            let mut decoder = MultiGzDecoder::new(&fetched.body[..]).take(limit.saturating_add(1));
            decoder
                .read_to_end(&mut plain)
                .map_err(|_| Failure::new("malformed", "its answer is no gzip"))?;
            Cow::Owned(plain)
        } else {
            Cow::Borrowed(&fetched.body[..])
        };
        if bytes.len() as u64 > limit {
            return Err(Failure::too_long(limit));
        }
        let dialect = Dialect::of(&fetched.content_type).unwrap_or(self.job.fallback);
        // Nothing is a right answer in both formats.
        Ok(if bytes.is_empty() { (bytes, Dialect::Text) } else { (bytes, dialect) })
    }

    fn read(
        &mut self,
        bytes: &[u8],
        dialect: Dialect,
        at: i64,
        counts: &mut Counts,
    ) -> Result<Families, Failure> {
        let mut families = Families::default();
        let target = &self.target;
        let read =
            self.history.read((bytes, dialect), (&self.job, target), at, counts, &mut |catalogue, value| {
                let exemplar = value.exemplar.as_ref();
                let told =
                    Told { labels: value.labels, time: value.time, value: Some(value.value), exemplar };
                families.add(catalogue, target, &told)
            });
        read.map_err(|rejection| Failure::new(rejection.reason(), rejection.to_string()))?;
        Ok(families)
    }

    /// Adds the series that tell of the scrape itself.
    fn report(
        &self,
        families: &mut Families,
        at: i64,
        (counts, n_bytes): (Counts, usize),
        failure: Option<&Failure>,
    ) {
        let took = self.clock.now().since(self.began);
        let limits = &self.job.limits;
        let mut rows = vec![
            ("up", f64::from(u8::from(failure.is_none()))),
            ("scrape_duration_seconds", took.as_secs_f64()),
            ("scrape_samples_scraped", counts.scraped as f64),
            ("scrape_samples_post_metric_relabeling", counts.kept as f64),
            ("scrape_series_added", counts.added as f64),
        ];
        if self.job.tells_extra {
            let was_too_long = failure.is_some_and(Failure::is_too_long);
            rows.extend([
                ("scrape_timeout_seconds", self.target.timeout.as_secs_f64()),
                ("scrape_sample_limit", limits.told_samples as f64),
                ("scrape_body_size_bytes", if was_too_long { -1.0 } else { n_bytes as f64 }),
            ]);
        }
        // What a target says of these names is not theirs.
        let nothing = Catalogue::default();
        for (name, value) in rows {
            let mut labels: Labels = self.target.public.clone();
            labels.set(NAME, name);
            self.job.external_labels.iter().for_each(|(name, value)| labels.set(name, value));
            let told = Told { labels: &Arc::new(labels), time: at, value: Some(value), exemplar: None };
            families.add(&nothing, &self.target, &told);
        }
    }
}
