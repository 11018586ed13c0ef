//! A file as requests in the order in which they stand in it, some of them read ahead.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use model::{Signal, Timestamp};

use super::{
    config::{Compression, FileFormat},
    content::{Content, Entries, Entry},
};

/// An open file and what was read ahead of it.
///
/// Whoever plays it asks [`Track::must_read`], lets it [`Track::read_on`] on a thread that may block as long as
/// the answer is yes, and then takes what is [`Track::next`].
pub struct Track {
    path: PathBuf,
    /// None when the file is at its end.
    entries: Option<Entries>,
    ahead: VecDeque<Result<Request, Damage>>,
    next: Option<Request>,
}

/// A request that was recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// Which one of the file it is, or on which line it stands; from 1.
    pub number: u64,
    pub signal: Signal,
    /// The latest time in it, which is the earliest at which it can have been sent; 0 when it has none.
    pub at: Timestamp,
    /// Protobuf.
    pub bytes: Bytes,
}

/// What can not be read, and has to be left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    pub place: String,
    pub problem: String,
}

impl Track {
    /// Reads the content of the file at `path`, compressed as its name says and in the format that its first
    /// byte tells.
    ///
    /// # Errors
    /// When no decoder can be made.
    pub fn of(content: impl Read + Send + 'static, path: &Path, longest: usize) -> io::Result<Self> {
        let entries = Entries::new(content, path, Compression::Auto, FileFormat::Auto, longest)?;
        Ok(Self::over(path, Some(entries)))
    }

    /// # Errors
    /// When the file can not be opened.
    pub(super) fn open(
        path: &Path,
        compression: Compression,
        format: FileFormat,
        longest: usize,
    ) -> io::Result<Self> {
        let entries = Entries::new(File::open(path)?, path, compression, format, longest)?;
        Ok(Self::over(path, Some(entries)))
    }

    /// Stands in the place of a file while that is read on another thread.
    pub(super) fn at_its_end() -> Self {
        Self::over(Path::new(""), None)
    }

    fn over(path: &Path, entries: Option<Entries>) -> Self {
        Self { path: path.to_owned(), entries, ahead: VecDeque::new(), next: None }
    }

    /// Makes the next request ready out of what was read ahead, and tells what is damaged before it. Returns
    /// whether more of the file must be read for that.
    pub fn must_read(&mut self, damaged: &mut impl FnMut(Damage)) -> bool {
        while self.next.is_none() {
            match self.ahead.pop_front() {
                Some(Ok(request)) => self.next = Some(request),
                Some(Err(damage)) => damaged(damage),
                None => return self.entries.is_some(),
            }
        }
        false
    }

    /// Reads and decodes the next chunk of the file.
    pub fn read_on(&mut self) {
        let Some(entries) = &mut self.entries else { return };
        let mut chunk = Vec::new();
        let result = entries.read_chunk(&mut chunk);
        if result.is_err() || chunk.is_empty() {
            self.entries = None;
        }
        let decoded = chunk.into_iter().map(|entry| self.decode(entry));
        self.ahead = decoded.collect();
        if let Err(problem) = result {
            let problem = format!("the rest can not be read: {problem}");
            self.ahead.push_back(Err(Damage { place: self.path.display().to_string(), problem }));
        }
    }

    fn decode(&self, entry: Entry) -> Result<Request, Damage> {
        let Entry { number, content } = entry;
        let request = match content {
            Content::Json(text) => {
                let read = wire::json::json_of_any_signal_to_wire(&text);
                read.map(|(signal, bytes)| (signal, bytes.into())).map_err(|problem| problem.to_string())
            }
            Content::Proto(request) => match wire::view::signal_of(&request) {
                Some(signal) => Ok((signal, Bytes::from(request))),
                None => Err("no spans, metrics or log records are in it".to_owned()),
            },
            Content::TooLong { longest } => Err(format!("it is longer than {longest} bytes")),
        };
        let (signal, bytes) = request.map_err(|problem| Damage { place: self.place(number), problem })?;
        let at = Timestamp(wire::view::latest_time(signal, &bytes));
        Ok(Request { number, signal, at, bytes })
    }

    /// What comes next; none at the end, and before [`Track::must_read`] was asked.
    pub fn next(&self) -> Option<&Request> {
        self.next.as_ref()
    }

    pub fn take(&mut self) -> Option<Request> {
        self.next.take()
    }

    /// Where a request stands, for people.
    pub fn place(&self, number: u64) -> String {
        format!("{}:{number}", self.path.display())
    }

    /// Returns the file whose next request is the oldest; the first of equals.
    pub fn earliest(tracks: &mut [Self]) -> Option<&mut Self> {
        let playing = tracks.iter_mut().filter(|track| track.next.is_some());
        playing.min_by_key(|track| track.next.as_ref().map(|request| request.at))
    }
}
