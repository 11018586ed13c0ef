//! Names without a context, as people type them: `service.name == "checkout"`.

use model::Signal;

use super::{
    context::Context,
    request::REQUEST_CONTEXTS,
    syntax::{Comparison, Key, Kind, Node, Path, Segment},
};

/// Puts what is meant in the place of each part of a condition that names attributes without saying of what: the
/// same of the resource, or of the span, point or record. `!=` is meant of both.
pub(super) fn spelled_out(node: &Node, signal: Signal) -> Node {
    let all = |nodes: &[Node]| nodes.iter().map(|node| spelled_out(node, signal)).collect();
    let kind = match &node.kind {
        Kind::Not(inner) => Kind::Not(Box::new(spelled_out(inner, signal))),
        Kind::All(nodes) => Kind::All(all(nodes)),
        Kind::Any(nodes) => Kind::Any(all(nodes)),
        leaf => {
            if !names_attributes(node) {
                return node.clone();
            }
            let both = [Context::Resource, of_item(signal)].map(|owner| {
                let mut meant = node.clone();
                meant.walk_mut(&mut |part| put(part, owner));
                meant
            });
            match leaf {
                Kind::Compare(Comparison::NotEqual, ..) => Kind::All(both.into()),
                _ => Kind::Any(both.into()),
            }
        }
    };
    Node { at: node.at, kind }
}

const fn of_item(signal: Signal) -> Context {
    match signal {
        Signal::Traces => Context::Span,
        Signal::Metrics => Context::DataPoint,
        Signal::Logs => Context::Log,
    }
}

fn names_attributes(node: &Node) -> bool {
    let mut names = false;
    node.walk(&mut |part| names |= matches!(&part.kind, Kind::Path(path) if is_name(path)));
    names
}

/// One word alone is a field of something, as in the collector.
fn is_name(path: &Path) -> bool {
    let first = path.segments.first().map_or("", |first| first.name.as_str());
    path.segments.len() > 1
        && path.segments.iter().all(|segment| segment.keys.is_empty())
        && Context::named(first).is_none()
        && !REQUEST_CONTEXTS.contains(&first)
}

fn put(node: &mut Node, owner: Context) {
    let at = node.at;
    if let Kind::Path(path) = &mut node.kind
        && is_name(path)
    {
        let names: Vec<_> = path.segments.iter().map(|segment| segment.name.as_str()).collect();
        let keys = vec![Key::Text(names.join(".").into_bytes())];
        let segment = |name: &str, keys| Segment { at, name: name.to_owned(), keys };
        path.segments = vec![segment(owner.name(), Vec::new()), segment("attributes", keys)];
    }
}
