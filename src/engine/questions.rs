//! The way of a question to the stage that answers it, on the analysis thread.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use component::{Answer, AskError, Asks, Desk, Lines, Question, Responds};
use futures_util::future::LocalBoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::plan::Plan;

/// So many questions may wait; more are refused.
const MAX_WAITING: usize = 64;
/// Names the component that is meant, where several have the topic.
const COMPONENT: &str = "component";
/// Under which the program itself offers answers.
const SERVICE: &str = "service";

/// A question that waits for the analysis thread.
pub(crate) struct Asked {
    /// The key of the stage.
    pub(crate) stage: String,
    pub(crate) question: Question,
    pub(crate) reply: oneshot::Sender<Answer>,
}

/// By topic: the components that have it, and the keys of their stages.
type Topics = BTreeMap<&'static str, Vec<(String, String)>>;

/// Who answers about what, and the channel to them.
pub(crate) struct Questions {
    topics: RwLock<Topics>,
    asked: mpsc::Sender<Asked>,
    /// Until the analysis thread takes it.
    inbox: Mutex<Option<mpsc::Receiver<Asked>>>,
    analyses: bool,
    /// What exporters answer.
    pub(crate) desk: Desk,
}

impl Questions {
    pub(crate) fn of(plan: &Plan, analyses: bool) -> Self {
        let (asked, inbox) = mpsc::channel(MAX_WAITING);
        let topics = RwLock::new(topics_of(plan));
        Self { topics, asked, inbox: Mutex::new(Some(inbox)), analyses, desk: Desk::default() }
    }

    /// From now on questions are for the stages of another plan, and for its exporters.
    pub(crate) fn change(&self, plan: &Plan) {
        *self.topics.write().unwrap_or_else(PoisonError::into_inner) = topics_of(plan);
        let is_planned = |id: &str| plan.exporters.iter().any(|planned| planned.id == id);
        self.desk.keep(|component| component == SERVICE || is_planned(component));
    }

    /// Takes the end that is asked.
    pub(crate) fn inbox(&self) -> Option<mpsc::Receiver<Asked>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn stage(&self, question: &Question) -> Result<String, AskError> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = topics.get(question.topic()) else {
            return Err(AskError::UnknownTopic(question.topic().to_owned()));
        };
        the_one(question, known).cloned()
    }

    fn send(&self, question: Question) -> Result<oneshot::Receiver<Answer>, AskError> {
        if !self.analyses {
            return Err(AskError::NotHere);
        }
        let stage = self.stage(&question)?;
        let (reply, answer) = oneshot::channel();
        self.asked.try_send(Asked { stage, question, reply }).map_err(|problem| match problem {
            mpsc::error::TrySendError::Full(_) => AskError::Busy,
            mpsc::error::TrySendError::Closed(_) => AskError::Ends,
        })?;
        Ok(answer)
    }
}

fn topics_of(plan: &Plan) -> Topics {
    let mut topics = Topics::new();
    for node in &plan.nodes {
        for topic in node.configured.topics() {
            topics.entry(topic).or_default().push((node.id.clone(), node.key.clone()));
        }
    }
    topics
}

/// Chooses the component that a question is for.
fn the_one<'a, T>(question: &Question, known: &'a [(String, T)]) -> Result<&'a T, AskError> {
    let topic = || question.topic().to_owned();
    let components = || known.iter().map(|(id, _)| id.clone()).collect();
    match (question.parameters.get(COMPONENT), known) {
        (None, [(_, only)]) => Ok(only),
        (None, _) => Err(AskError::SeveralComponents { topic: topic(), components: components() }),
        (Some(component), _) => {
            let found = known.iter().find(|(id, _)| id == component).map(|(_, found)| found);
            found.ok_or_else(|| AskError::UnknownComponent {
                topic: topic(),
                component: component.clone(),
                components: components(),
            })
        }
    }
}

impl Asks for Questions {
    fn ask(&self, question: Question) -> LocalBoxFuture<'static, Result<Answer, AskError>> {
        let exporters: Vec<(String, Arc<dyn Responds>)> = self.desk.of(question.topic());
        if !exporters.is_empty() {
            let answer = the_one(&question, &exporters).map(|exporter| exporter.answer(&question));
            return Box::pin(async move { answer });
        }
        let sent = self.send(question);
        Box::pin(async move { sent?.await.map_err(|_ended| AskError::Ends) })
    }

    fn follow(&self, question: &Question) -> Option<Result<Lines, Answer>> {
        let offers = self.desk.of(question.topic());
        the_one(question, &offers).ok().and_then(|responds| responds.follow(question))
    }

    fn topics(&self) -> BTreeMap<&'static str, Vec<String>> {
        let names = |known: &Vec<(String, String)>| known.iter().map(|(id, _)| id.clone()).collect();
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        let stages = topics.iter().map(|(topic, known)| (*topic, names(known)));
        stages.chain(self.desk.topics()).collect()
    }
}
