//! The way of a question to the stage that answers it, on the analysis thread.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use component::{Answer, AskError, Asks, Desk, Question, Responds};
use futures_util::future::LocalBoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::{graph::NodeId, plan::Plan};

/// So many questions may wait; more are refused.
const MAX_WAITING: usize = 64;
/// Names the component that is meant, where several have the topic.
const COMPONENT: &str = "component";

/// A question that waits for the analysis thread.
pub(crate) struct Asked {
    pub(crate) node: NodeId,
    pub(crate) question: Question,
    pub(crate) reply: oneshot::Sender<Answer>,
}

/// Who answers about what, and the channel to them.
pub(crate) struct Questions {
    /// By topic: the components that have it.
    topics: BTreeMap<&'static str, Vec<(String, NodeId)>>,
    asked: mpsc::Sender<Asked>,
    /// Until the analysis thread takes it.
    inbox: Mutex<Option<mpsc::Receiver<Asked>>>,
    analyses: bool,
    /// What exporters answer.
    pub(crate) desk: Desk,
}

impl Questions {
    pub(crate) fn of(plan: &Plan, analyses: bool) -> Self {
        let mut topics: BTreeMap<&'static str, Vec<(String, NodeId)>> = BTreeMap::new();
        for (node, stage) in plan.stages().enumerate() {
            for topic in stage.configured.topics() {
                topics.entry(topic).or_default().push((stage.id.to_owned(), node));
            }
        }
        let (asked, inbox) = mpsc::channel(MAX_WAITING);
        Self { topics, asked, inbox: Mutex::new(Some(inbox)), analyses, desk: Desk::default() }
    }

    /// Takes the end that is asked.
    pub(crate) fn inbox(&self) -> Option<mpsc::Receiver<Asked>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn node(&self, question: &Question) -> Result<NodeId, AskError> {
        let Some(known) = self.topics.get(question.topic()) else {
            return Err(AskError::UnknownTopic(question.topic().to_owned()));
        };
        the_one(question, known).copied()
    }

    fn send(&self, question: Question) -> Result<oneshot::Receiver<Answer>, AskError> {
        if !self.analyses {
            return Err(AskError::NotHere);
        }
        let node = self.node(&question)?;
        let (reply, answer) = oneshot::channel();
        self.asked.try_send(Asked { node, question, reply }).map_err(|problem| match problem {
            mpsc::error::TrySendError::Full(_) => AskError::Busy,
            mpsc::error::TrySendError::Closed(_) => AskError::Ends,
        })?;
        Ok(answer)
    }
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

    fn topics(&self) -> BTreeMap<&'static str, Vec<String>> {
        let names = |known: &Vec<(String, NodeId)>| known.iter().map(|(id, _)| id.clone()).collect();
        let stages = self.topics.iter().map(|(topic, known)| (*topic, names(known)));
        stages.chain(self.desk.topics()).collect()
    }
}
