//! What people and programs ask of stages while they run, in the terms of HTTP.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;

/// A request under `/api/v1/`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Question {
    /// In capitals: `GET`, `POST`, `PUT`, `DELETE`.
    pub method: String,
    /// The parts of the path after `/api/v1/`; the first is the topic.
    pub path: Vec<String>,
    /// The parameters of the query, decoded; of one name the last counts.
    pub parameters: BTreeMap<String, String>,
    pub body: Bytes,
    /// Who asks, as the one who let them in knows them; empty when nobody had to say.
    pub author: String,
}

impl Question {
    /// Returns what it is about.
    pub fn topic(&self) -> &str {
        self.path.first().map_or("", String::as_str)
    }

    /// Returns the parts of the path after the topic.
    pub fn rest(&self) -> impl Iterator<Item = &str> {
        self.path.iter().skip(1).map(String::as_str)
    }
}

/// What a stage says to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// HTTP's status code.
    pub status: u16,
    /// JSON.
    pub body: Bytes,
    /// Whether the stage has changed and must be stored before the answer is given.
    pub is_changed: bool,
    /// What stages of other topics are to be told because of it, before it is given; what they say to that goes to
    /// nobody.
    pub next: Vec<Question>,
}

impl Answer {
    /// An answer to a question that changes nothing.
    pub fn ok(json: impl Into<Bytes>) -> Self {
        Self { status: 200, body: json.into(), is_changed: false, next: Vec::new() }
    }

    /// The answer to what has been done.
    pub fn done(status: u16, json: impl Into<Bytes>) -> Self {
        Self { status, body: json.into(), is_changed: true, next: Vec::new() }
    }

    /// Refuses what was asked, saying what is wrong and what would be right.
    pub fn refused(status: u16, problem: &str) -> Self {
        let body = serde_json::json!({ "error": problem }).to_string();
        Self { status, body: body.into(), is_changed: false, next: Vec::new() }
    }

    pub fn not_found() -> Self {
        Self::refused(404, "there is no such thing here")
    }
}

/// A way to ask the stages of the running service.
pub trait Asks: Send + Sync {
    /// Asks the stage that has the topic. When several have it, the parameter `component` names one.
    fn ask(&self, question: Question) -> LocalBoxFuture<'static, Result<Answer, AskError>>;

    /// Asks what is answered with lines as they come; none when nothing here answers so.
    fn follow(&self, _question: &Question) -> Option<Result<Lines, Answer>> {
        None
    }

    /// Returns the topics that stages of this configuration have, each with its components.
    fn topics(&self) -> BTreeMap<&'static str, Vec<String>>;
}

/// Something beside the stages that answers, on the thread of whoever asks.
pub trait Responds: Send + Sync {
    fn answer(&self, question: &Question) -> Answer;

    /// Answers with lines as they come; none for what is answered at once.
    fn follow(&self, _question: &Question) -> Option<Result<Lines, Answer>> {
        None
    }
}

/// Lines that come until their sender has said all, each with its end. Who has heard enough drops it.
pub type Lines = tokio::sync::mpsc::Receiver<Bytes>;

/// Where exporters offer answers about topics that no stage has.
#[derive(Clone, Default)]
pub struct Desk(Arc<Mutex<Offers>>);

/// By topic: the components that have it.
type Offers = BTreeMap<&'static str, BTreeMap<String, Arc<dyn Responds>>>;

impl Desk {
    /// Offers answers about a topic; an offer of the same component before is replaced.
    pub fn open(&self, topic: &'static str, component: &str, responds: Arc<dyn Responds>) {
        self.lock().entry(topic).or_default().insert(component.to_owned(), responds);
    }

    /// Forgets the offers of components that are no more.
    pub fn keep(&self, is_kept: impl Fn(&str) -> bool) {
        let mut offers = self.lock();
        offers.values_mut().for_each(|known| known.retain(|component, _| is_kept(component)));
        offers.retain(|_, known| !known.is_empty());
    }

    /// Returns who answers about a topic; nobody for one that is not offered.
    pub fn of(&self, topic: &str) -> Vec<(String, Arc<dyn Responds>)> {
        let offers = self.lock();
        let known = offers.get(topic).into_iter().flatten();
        known.map(|(component, responds)| (component.clone(), Arc::clone(responds))).collect()
    }

    /// Returns all topics, each with its components.
    pub fn topics(&self) -> Vec<(&'static str, Vec<String>)> {
        self.lock().iter().map(|(topic, known)| (*topic, known.keys().cloned().collect())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Offers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why nobody answered.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AskError {
    #[error("no stage of this configuration answers about {0:?}")]
    UnknownTopic(String),
    #[error("{topic:?} is answered by {}; say which with the parameter `component`", components.join(", "))]
    SeveralComponents { topic: String, components: Vec<String> },
    #[error("{component:?} does not answer about {topic:?}; {} do", components.join(", "))]
    UnknownComponent { topic: String, component: String, components: Vec<String> },
    #[error("this process only ingests; ask the one that analyses")]
    NotHere,
    #[error("too many questions wait; ask again in a second")]
    Busy,
    #[error("the service ends")]
    Ends,
}
