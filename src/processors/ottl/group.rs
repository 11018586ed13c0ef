//! Groups of statements that change what they are run for.

use model::Signal;

use super::{
    actions::Action,
    conditions::{ErrorMode, Failures, Faults, Told},
    context::{Context, Depth, inferred},
    editors::Editor,
    expression::{Condition, Dialect, Resolver},
    fault::Fault,
    fields::Place,
    functions,
    item::Item,
    matching::{self, Property},
    syntax::{self, Kind, Node, Statement},
    value::Failure,
    walk::{Visitor, rewritten},
};

/// Statements that are run one after the other for each item of a context.
pub(crate) struct Group {
    signal: Signal,
    context: Context,
    /// One of them must hold; none for always.
    conditions: Vec<Told<Condition>>,
    statements: Vec<Told<(Editor, Option<Condition>)>>,
    error_mode: ErrorMode,
    n_shared: usize,
    pub(crate) failures: Failures,
}

/// For which items actions are meant: those that all of one list holds for, if there is one, without those that all of
/// the other holds for.
#[derive(Clone, Default, Debug)]
pub(crate) struct Chosen {
    pub(crate) included: Option<Vec<Property>>,
    pub(crate) excluded: Option<Vec<Property>>,
}

/// What there is to complain about in a group: in its conditions, and in its statements.
#[derive(Default, Debug)]
pub(crate) struct GroupFaults {
    pub(crate) conditions: Faults,
    pub(crate) statements: Faults,
}

/// A group as it is written, each part with its place in the list and its text.
#[derive(Default)]
struct Parts<'t> {
    conditions: Vec<(usize, &'t str, Node)>,
    statements: Vec<(usize, &'t str, Statement)>,
}

impl Group {
    /// Reads conditions and statements; without a context all are meant for the innermost that their paths begin with.
    ///
    /// Returns mistakes and doubts beside the group, which has what is not mistaken.
    pub(crate) fn new(
        signal: Signal,
        context: Option<Context>,
        conditions: &[String],
        statements: &[String],
        error_mode: ErrorMode,
    ) -> (Option<Self>, GroupFaults, GroupFaults) {
        let mut faults = GroupFaults::default();
        let parts = Parts::read(conditions, statements, &mut faults);
        let Some(context) = context.or_else(|| parts.context(signal, &mut faults)) else {
            return (None, faults, GroupFaults::default());
        };
        let mut group = Self {
            signal,
            context,
            conditions: Vec::new(),
            statements: Vec::new(),
            error_mode,
            n_shared: 0,
            failures: Failures::default(),
        };
        let doubts = group.resolve(&parts, &mut faults);
        (Some(group), faults, doubts)
    }

    /// Makes a group of actions on the attributes of the items of a context.
    pub(crate) fn of_actions(
        signal: Signal,
        context: Context,
        chosen: &Chosen,
        actions: Vec<Action>,
    ) -> Self {
        let mut resolver = resolver(context);
        let included = chosen.included.iter().map(|asked| matching::condition(&mut resolver, asked));
        let mut asked: Vec<Condition> = included.collect();
        let excluded = chosen.excluded.iter().map(|asked| matching::condition(&mut resolver, asked));
        asked.extend(excluded.map(|condition| Condition::Not(Box::new(condition))));
        let editor = Editor::Act(matching::access(context, &["attributes"]), actions);
        Self {
            signal,
            context,
            conditions: (!asked.is_empty())
                .then(|| Told::new("include and exclude", Condition::All(asked)))
                .into_iter()
                .collect(),
            statements: vec![Told::new("actions", (editor, None))],
            error_mode: ErrorMode::Ignore,
            n_shared: resolver.n_shared,
            failures: Failures::default(),
        }
    }

    fn resolve(&mut self, parts: &Parts<'_>, faults: &mut GroupFaults) -> GroupFaults {
        let mut doubts = GroupFaults::default();
        let mut resolver = resolver(self.context);
        for (index, text, node) in &parts.conditions {
            match resolver.condition(node) {
                Ok(what) => self.conditions.push(Told::new(text, what)),
                Err(fault) => faults.conditions.push((*index, fault.told(text))),
            }
            doubts.conditions.extend(resolver.doubts.drain(..).map(|doubt| (*index, doubt.told(text))));
        }
        for (index, text, statement) in &parts.statements {
            match resolved(&mut resolver, statement) {
                Ok(what) => self.statements.push(Told::new(text, what)),
                Err(found) => {
                    faults.statements.extend(found.iter().map(|fault| (*index, fault.told(text))));
                }
            }
            doubts.statements.extend(resolver.doubts.drain(..).map(|doubt| (*index, doubt.told(text))));
        }
        self.n_shared = resolver.n_shared;
        doubts
    }

    /// Runs the statements over a request and returns it written anew; none when nothing changed.
    pub(crate) fn run(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        rewritten(self.signal, request, Item::new(self.n_shared), self)
    }

    #[cfg(test)]
    pub(super) fn context(&self) -> Context {
        self.context
    }

    /// Whether the statements are run for an item.
    fn applies(&mut self, item: &mut Item<'_>) -> bool {
        if self.conditions.is_empty() {
            return true;
        }
        for condition in &mut self.conditions {
            match condition.what.holds(item) {
                Ok(true) => return true,
                Ok(false) => {}
                Err(failure) => {
                    condition.fail(failure, self.error_mode, &mut self.failures);
                    if self.error_mode == ErrorMode::Propagate {
                        return false;
                    }
                }
            }
        }
        false
    }

    fn edit(&mut self, item: &mut Item<'_>) {
        item.open(Place::Cache, &[]);
        if !self.applies(item) {
            return;
        }
        for statement in &mut self.statements {
            if let Err(failure) = run(&statement.what, item) {
                statement.fail(failure, self.error_mode, &mut self.failures);
                if self.error_mode == ErrorMode::Propagate {
                    return;
                }
            }
        }
    }
}

fn run((editor, condition): &(Editor, Option<Condition>), item: &mut Item<'_>) -> Result<(), Failure> {
    let applies = match condition {
        Some(condition) => condition.holds(item)?,
        None => true,
    };
    if applies { editor.edit(item) } else { Ok(()) }
}

fn resolver(context: Context) -> Resolver {
    Resolver { context, dialect: Dialect::Transform, n_shared: 0, doubts: Vec::new() }
}

fn resolved(
    resolver: &mut Resolver,
    statement: &Statement,
) -> Result<(Editor, Option<Condition>), Vec<Fault>> {
    let editor = Editor::resolve(resolver, &statement.editor);
    let condition = statement.condition.as_ref().map(|node| resolver.condition(node)).transpose();
    match (editor, condition) {
        (Ok(editor), Ok(condition)) => Ok((editor, condition)),
        (editor, condition) => Err([editor.err(), condition.err()].into_iter().flatten().collect()),
    }
}

impl<'t> Parts<'t> {
    fn read(conditions: &'t [String], statements: &'t [String], faults: &mut GroupFaults) -> Self {
        let mut parts = Self::default();
        for (index, text) in conditions.iter().enumerate() {
            match syntax::condition(text) {
                Ok(node) => parts.conditions.push((index, text, node)),
                Err(fault) => faults.conditions.push((index, fault.told(text))),
            }
        }
        for (index, text) in statements.iter().enumerate() {
            match syntax::statement(text) {
                Ok(statement) => parts.statements.push((index, text, statement)),
                Err(fault) => faults.statements.push((index, fault.told(text))),
            }
        }
        parts
    }

    /// Finds out what the group is meant for. Where that can not be said each part is judged alone, so that all
    /// mistakes are told at once.
    fn context(&self, signal: Signal, faults: &mut GroupFaults) -> Option<Context> {
        let is_known = |name: &str, context| {
            functions::is_known(name, context, Dialect::Transform) || Editor::is_known(name, context)
        };
        let of_statements: Vec<Vec<Node>> =
            self.statements.iter().map(|(_, _, statement)| nodes(statement)).collect();
        let of_conditions = self.conditions.iter().map(|(_, _, node)| node);
        let all = of_statements.iter().flatten().chain(of_conditions);
        if let Ok(context) = inferred(all, signal, is_known) {
            return Some(context);
        }
        for (nodes, (index, text, statement)) in of_statements.iter().zip(&self.statements) {
            let found = match inferred(nodes.iter(), signal, is_known) {
                Ok(context) => resolved(&mut resolver(context), statement).err().unwrap_or_default(),
                // A misspelt editor is told beside a path whose context nobody named.
                Err(fault) => {
                    let unknown = Editor::unknown(&statement.editor, Context::of(signal));
                    unknown.into_iter().chain([fault]).collect()
                }
            };
            faults.statements.extend(found.iter().map(|fault| (*index, fault.told(text))));
        }
        for (index, text, node) in &self.conditions {
            let found = match inferred([node].into_iter(), signal, is_known) {
                Ok(context) => resolver(context).condition(node).err(),
                Err(fault) => Some(fault),
            };
            faults.conditions.extend(found.map(|fault| (*index, fault.told(text))));
        }
        None
    }
}

/// The parts of a statement that name something.
fn nodes(statement: &Statement) -> Vec<Node> {
    let editor = Node { at: statement.editor.at, kind: Kind::Call(statement.editor.clone()) };
    [Some(editor), statement.condition.clone()].into_iter().flatten().collect()
}

impl Visitor for Group {
    fn deepest(&self) -> Depth {
        self.context.depth()
    }

    fn drops_empty(&self) -> bool {
        false
    }

    fn remembers_points(&self) -> bool {
        self.statements.iter().any(|it| match &it.what.0 {
            Editor::Metric(editor) => editor.looks_at_points(),
            _ => false,
        })
    }

    /// No, where what is asked of the resource and the scope alone says that nothing is done.
    fn looks_within(&mut self, item: &mut Item<'_>) -> bool {
        let mut never = |condition: &Condition| condition.of_all_items(item) == Some(false);
        let none_applies = !self.conditions.is_empty() && self.conditions.iter().all(|it| never(&it.what));
        let nothing_is_done = self.statements.iter().all(|it| it.what.1.as_ref().is_some_and(&mut never));
        !none_applies && !nothing_is_done
    }

    fn visit(&mut self, depth: Depth, item: &mut Item<'_>) -> bool {
        // After a failure that ends the request nothing that is still done counts.
        if depth == self.context.depth() && !self.failures.ends_request {
            self.edit(item);
        }
        true
    }

    fn dropped(&mut self, _: u64) {}
}
