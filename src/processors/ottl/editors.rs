//! Functions that change the item; their names are in small letters.

use std::borrow::Cow;

use regex::bytes::Regex;

use super::{
    actions::{Action, act},
    arguments::Arguments,
    context::Context,
    convert::text,
    expression::{Expression, Resolver},
    fault::{Fault, unknown},
    fields::{Access, Field},
    item::{Item, MOST_BYTES, put_entries},
    metrics::MetricEditor,
    missing,
    places::Places,
    regexes,
    replace::Replace,
    syntax::{Call, Kind},
    value::{Failure, Map, Type, Value, elements, wrapped},
};

/// An editor with its arguments resolved.
#[derive(Debug)]
pub(super) enum Editor {
    Set(Access, Expression),
    DeleteKey(Access, Expression),
    DeleteMatchingKeys(Access, Regex),
    KeepKeys(Access, Vec<Expression>),
    KeepMatchingKeys(Access, Regex),
    Limit {
        target: Access,
        limit: usize,
        priority: Vec<Vec<u8>>,
    },
    TruncateAll {
        target: Access,
        limit: usize,
        is_safe: bool,
    },
    ReplacePattern(Access, Replace),
    ReplaceAllPatterns {
        target: Access,
        of_keys: bool,
        replace: Replace,
    },
    ReplaceMatch(Access, Replace),
    ReplaceAllMatches(Access, Replace),
    MergeMaps {
        target: Access,
        source: Expression,
        inserts: bool,
        updates: bool,
    },
    Flatten {
        target: Access,
        prefix: String,
        depth: u32,
        resolves_conflicts: bool,
    },
    Append(Access, Vec<Expression>),
    Metric(MetricEditor),
    /// What `attributes` and `resource` do; it has no name in the language.
    Act(Access, Vec<Action>),
}

/// An entry of a map: its key, and the body of its `AnyValue`.
pub(super) type Entry<'e> = (Cow<'e, [u8]>, Cow<'e, [u8]>);

const PATTERNS: &[&str] = &["target", "regex_pattern", "replacement", "function?", "replacement_format?"];
const MATCHES: &[&str] = &["target", "pattern", "replacement", "function?", "replacement_format?"];

const SIGNATURES: [(&str, &[&str]); 14] = [
    ("append", &["target", "value?", "values?"]),
    ("delete_key", &["target", "key"]),
    ("delete_matching_keys", &["target", "pattern"]),
    ("flatten", &["target", "prefix?", "depth?", "resolve_conflicts?"]),
    ("keep_keys", &["target", "keys"]),
    ("keep_matching_keys", &["target", "pattern"]),
    ("limit", &["target", "limit", "priority_keys"]),
    ("merge_maps", &["target", "source", "strategy"]),
    ("replace_all_matches", MATCHES),
    (
        "replace_all_patterns",
        &["target", "mode", "regex_pattern", "replacement", "function?", "replacement_format?"],
    ),
    ("replace_match", MATCHES),
    ("replace_pattern", PATTERNS),
    ("set", &["target", "value"]),
    ("truncate_all", &["target", "limit", "utf8_safe?"]),
];

impl Editor {
    pub(super) fn is_known(name: &str, context: Context) -> bool {
        SIGNATURES.iter().any(|(known, _)| *known == name) || MetricEditor::is_known(name, context)
    }

    /// Complains of a call of something that is no editor in any of these contexts.
    pub(super) fn unknown(call: &Call, contexts: &[Context]) -> Option<Fault> {
        let is_known = contexts.iter().any(|context| Self::is_known(&call.name, *context));
        (!is_known).then(|| Self::no_editor(call, contexts))
    }

    fn no_editor(call: &Call, contexts: &[Context]) -> Fault {
        let of_metrics = contexts.iter().flat_map(|context| MetricEditor::names(*context));
        let names: Vec<_> = SIGNATURES.iter().map(|(name, _)| *name).chain(of_metrics).collect();
        let message = missing::told(&call.name).unwrap_or_else(|| unknown("editor", &call.name, &names));
        Fault::new(call.at, message)
    }

    /// Resolves the call that a statement begins with.
    ///
    /// *Errors*: no such editor, or arguments that it does not take.
    pub(super) fn resolve(resolver: &mut Resolver, call: &Call) -> Result<Self, Fault> {
        if let Some(editor) = MetricEditor::resolve(resolver, call)? {
            return Ok(Self::Metric(editor));
        }
        let signature = SIGNATURES.iter().find(|(name, _)| *name == call.name);
        let (_, parameters) = signature.ok_or_else(|| Self::no_editor(call, &[resolver.context]))?;
        let given = Arguments::new(call, parameters)?;
        Ok(match call.name.as_str() {
            "set" => set(resolver, call.at, &given)?,
            "delete_key" => Self::DeleteKey(map(resolver, &given)?, given.typed(resolver, 1, Type::Text)?),
            "delete_matching_keys" => {
                Self::DeleteMatchingKeys(map(resolver, &given)?, given.pattern(1, regexes::compile)?)
            }
            "keep_matching_keys" => {
                Self::KeepMatchingKeys(map(resolver, &given)?, given.pattern(1, regexes::compile)?)
            }
            "keep_keys" => {
                let node = given.node(1)?;
                let Kind::List(keys) = &node.kind else {
                    return Err(Fault::new(node.at, "keys of keep_keys is a list: [\"one\", \"other\"]"));
                };
                let keys = keys.iter().map(|key| {
                    let expression = resolver.expression(key)?;
                    match expression.kind() {
                        Type::Any | Type::Text => Ok(expression),
                        other => Err(Fault::new(
                            key.at,
                            format!("a key is a string, and this is {}", other.name()),
                        )),
                    }
                });
                let keys = keys.collect::<Result<_, Fault>>()?;
                Self::KeepKeys(map(resolver, &given)?, keys)
            }
            "limit" => {
                let (limit, priority) = (count(&given, 1)?, literal_texts(&given, 2)?);
                if limit < priority.len() {
                    let message = format!("limit is {limit}, must be at least the number of priority keys");
                    return Err(Fault::new(given.node(1)?.at, message));
                }
                Self::Limit { target: map(resolver, &given)?, limit, priority }
            }
            "truncate_all" => Self::TruncateAll {
                target: map(resolver, &given)?,
                limit: count(&given, 1)?,
                is_safe: given.literal_bool(2, true)?,
            },
            "replace_pattern" => {
                let replace = Replace::resolve(resolver, &given, 1, regexes::compile)?;
                Self::ReplacePattern(given.path(resolver, 0)?, replace)
            }
            "replace_match" => {
                let replace = Replace::resolve(resolver, &given, 1, regexes::compile_glob)?;
                Self::ReplaceMatch(given.path(resolver, 0)?, replace)
            }
            "replace_all_matches" => {
                let replace = Replace::resolve(resolver, &given, 1, regexes::compile_glob)?;
                Self::ReplaceAllMatches(map(resolver, &given)?, replace)
            }
            "replace_all_patterns" => {
                let of_keys = match given.literal_text(1)? {
                    b"key" => true,
                    b"value" => false,
                    other => {
                        let name = String::from_utf8_lossy(other).into_owned();
                        let message = unknown("mode", &name, &["key", "value"]);
                        return Err(Fault::new(given.node(1)?.at, message));
                    }
                };
                let replace = Replace::resolve(resolver, &given, 2, regexes::compile)?;
                Self::ReplaceAllPatterns { target: map(resolver, &given)?, of_keys, replace }
            }
            "merge_maps" => {
                let (inserts, updates) = match given.literal_text(2)? {
                    b"insert" => (true, false),
                    b"update" => (false, true),
                    b"upsert" => (true, true),
                    other => {
                        let name = String::from_utf8_lossy(other).into_owned();
                        let message = unknown("strategy", &name, &["insert", "update", "upsert"]);
                        return Err(Fault::new(given.node(2)?.at, message));
                    }
                };
                let source = given.typed(resolver, 1, Type::Map)?;
                Self::MergeMaps { target: map(resolver, &given)?, source, inserts, updates }
            }
            "flatten" => {
                let prefix = match given.optional(1) {
                    Some(_) => String::from_utf8_lossy(given.literal_text(1)?).into_owned(),
                    None => String::new(),
                };
                let depth = match given.optional(2) {
                    None => u32::MAX,
                    Some(node) => match u32::try_from(given.literal_int(2)?) {
                        Ok(depth) if depth > 0 => depth,
                        _ => return Err(Fault::new(node.at, "depth of flatten must be above 0")),
                    },
                };
                let resolves_conflicts = given.literal_bool(3, false)?;
                Self::Flatten { target: map(resolver, &given)?, prefix, depth, resolves_conflicts }
            }
            "append" => {
                let mut values = Vec::new();
                if given.optional(1).is_some() {
                    values.push(given.typed(resolver, 1, Type::Any)?);
                }
                if let Some(node) = given.optional(2) {
                    let Kind::List(items) = &node.kind else {
                        return Err(Fault::new(node.at, "values of append is a list: values = [1, 2]"));
                    };
                    for item in items {
                        values.push(resolver.expression(item)?);
                    }
                }
                if values.is_empty() {
                    return Err(Fault::new(call.at, "append needs a value, or values"));
                }
                Self::Append(given.path(resolver, 0)?, values)
            }
            other => return Err(Fault::new(call.at, format!("{other} is no editor"))),
        })
    }

    /// Changes the item.
    ///
    /// *Errors*: a value of a type that does not fit. Nothing is changed then.
    pub(super) fn edit(&self, item: &mut Item<'_>) -> Result<(), Failure> {
        match self {
            Self::Metric(editor) => editor.edit(item),
            Self::Set(target, value) => {
                let value = value.value(item)?.into_owned();
                item.write(target, value)
            }
            Self::DeleteKey(target, key) => {
                let key = text(key.value(item)?)?.into_owned();
                edit_map(item, target, |entries| {
                    entries.retain(|(known, _)| known[..] != key[..]);
                    Ok(())
                })
            }
            Self::DeleteMatchingKeys(target, pattern) => edit_map(item, target, |entries| {
                entries.retain(|(key, _)| !pattern.is_match(key));
                Ok(())
            }),
            Self::KeepMatchingKeys(target, pattern) => edit_map(item, target, |entries| {
                entries.retain(|(key, _)| pattern.is_match(key));
                Ok(())
            }),
            Self::KeepKeys(target, keys) => {
                let keys = keys.iter().map(|key| Ok(text(key.value(item)?)?.into_owned()));
                let keys = keys.collect::<Result<Vec<_>, Failure>>()?;
                edit_map(item, target, |entries| {
                    entries.retain(|(key, _)| keys.iter().any(|kept| kept[..] == key[..]));
                    Ok(())
                })
            }
            Self::Limit { target, limit, priority } => edit_map(item, target, |entries| {
                limit_entries(entries, *limit, priority);
                Ok(())
            }),
            Self::TruncateAll { target, limit, is_safe } => edit_map(item, target, |entries| {
                for (_, value) in entries {
                    if let Value::Text(text) = Value::of(value)
                        && text.len() > *limit
                    {
                        *value = Cow::Owned(wrapped(1, truncated(&text, *limit, *is_safe)));
                    }
                }
                Ok(())
            }),
            Self::ReplacePattern(target, replace) => {
                let Value::Text(old) = item.read(target)? else { return Ok(()) };
                let replacement = text(replace.replacement.value(item)?)?;
                let Some(new) = replace.all(&old, &replacement)? else { return Ok(()) };
                item.write(target, Value::text(new))
            }
            Self::ReplaceMatch(target, replace) => {
                let replacement = replace.whole(item)?;
                match item.read(target)? {
                    Value::Text(old) if replace.pattern.is_match(&old) => {
                        item.write(target, Value::text(replacement))
                    }
                    _ => Ok(()),
                }
            }
            Self::ReplaceAllMatches(target, replace) => {
                let replacement = wrapped(1, &replace.whole(item)?);
                edit_map(item, target, |entries| {
                    for (_, value) in entries {
                        if let Value::Text(text) = Value::of(value)
                            && replace.pattern.is_match(&text)
                        {
                            *value = Cow::Owned(replacement.clone());
                        }
                    }
                    Ok(())
                })
            }
            Self::ReplaceAllPatterns { target, of_keys, replace } => {
                let replacement = text(replace.replacement.value(item)?)?.into_owned();
                edit_map(item, target, |entries| replace.entries(entries, &replacement, *of_keys))
            }
            Self::MergeMaps { target, source, inserts, updates } => {
                let Value::Map(source) = source.value(item)?.into_owned() else {
                    return Err(Failure("expected a map to merge"));
                };
                edit_map(item, target, |entries| {
                    let mut places = Places::of(entries.iter().map(|(key, _)| &key[..]));
                    for entry in source.entries() {
                        let value = || Cow::Owned(entry.value.to_vec());
                        match places.get(entry.key) {
                            Some(at) if *updates => entries[at].1 = value(),
                            None if *inserts => {
                                places.add(entry.key, entries.len());
                                entries.push((Cow::Owned(entry.key.to_vec()), value()));
                            }
                            _ => {}
                        }
                    }
                    Ok(())
                })
            }
            Self::Flatten { target, prefix, depth, resolves_conflicts } => {
                edit_map(item, target, |entries| {
                    let mut flat = Flat::new(*resolves_conflicts);
                    let prefix =
                        if prefix.is_empty() { Vec::new() } else { format!("{prefix}.").into_bytes() };
                    for (key, value) in entries.iter() {
                        flat.value(&[&prefix[..], &key[..]].concat(), value, *depth)?;
                    }
                    *entries = flat
                        .entries
                        .into_iter()
                        .map(|(key, value, _)| (Cow::Owned(key), Cow::Owned(value)))
                        .collect();
                    Ok(())
                })
            }
            Self::Act(target, actions) => act(item, target, actions),
            Self::Append(target, values) => {
                let mut list = match item.read(target)? {
                    Value::Nil => Vec::new(),
                    Value::List(list) => list.into_owned(),
                    Value::Map(_) | Value::Bytes(_) => {
                        return Err(Failure("nothing can be appended to a map or bytes"));
                    }
                    value => wrapped(1, &value.encode()?),
                };
                for value in values {
                    list.extend_from_slice(&wrapped(1, &value.value(item)?.encode()?));
                }
                item.write(target, Value::List(list.into()))
            }
        }
    }
}

fn set(resolver: &mut Resolver, at: usize, given: &Arguments<'_>) -> Result<Editor, Fault> {
    let target = given.path(resolver, 0)?;
    if target.field == Field::TraceState && !target.keys.is_empty() {
        return Err(Fault::new(given.node(0)?.at, "trace_state is set as a whole only"));
    }
    let node = given.node(1)?;
    let value = resolver.expression(node)?;
    match (target.takes(), value.kind()) {
        (_, Type::Nil) => resolver.doubts.push(Fault::new(node.at, "nil changes nothing")),
        (_, _) if target.field == Field::MetricType => {
            resolver.doubts.push(Fault::new(at, "the type of a metric stays as it is"));
        }
        (_, Type::Any) => {}
        (Some(wanted), kind) if kind == wanted => {}
        (Some(wanted), kind) => {
            let message = format!("the field takes {}, and this is {}", wanted.name(), kind.name());
            return Err(Fault::new(node.at, message));
        }
        (None, kind @ (Type::Time | Type::Duration | Type::TraceId | Type::SpanId)) => {
            let message = format!("{} is no value of an attribute; make text or a number of it", kind.name());
            return Err(Fault::new(node.at, message));
        }
        (None, _) => {}
    }
    Ok(Editor::Set(target, value))
}

/// Resolves the first argument as a map.
fn map(resolver: &Resolver, given: &Arguments<'_>) -> Result<Access, Fault> {
    let access = given.path(resolver, 0)?;
    match access.kind() {
        Type::Map | Type::Any => Ok(access),
        other => {
            let message = format!("target must be a map, such as attributes, and this is {}", other.name());
            Err(Fault::new(given.node(0)?.at, message))
        }
    }
}

fn count(given: &Arguments<'_>, index: usize) -> Result<usize, Fault> {
    let number = given.literal_int(index)?;
    let at = given.node(index)?.at;
    usize::try_from(number).map_err(|_| Fault::new(at, format!("the limit is {number}, must not be below 0")))
}

fn literal_texts(given: &Arguments<'_>, index: usize) -> Result<Vec<Vec<u8>>, Fault> {
    let node = given.node(index)?;
    let wrong = || Fault::new(node.at, "expected a list of strings that are written out");
    let Kind::List(items) = &node.kind else { return Err(wrong()) };
    let texts = items.iter().map(|item| match &item.kind {
        Kind::Text(text) => Ok(text.clone()),
        _ => Err(wrong()),
    });
    texts.collect()
}

/// Changes the entries of a map and writes it back.
pub(super) fn edit_map(
    item: &mut Item<'_>,
    target: &Access,
    change: impl FnOnce(&mut Vec<Entry<'_>>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let value = item.read(target)?;
    let Value::Map(map) = &value else { return Err(Failure("expected a map to change")) };
    let mut entries: Vec<Entry<'_>> =
        map.entries().map(|entry| (Cow::Borrowed(entry.key), Cow::Borrowed(entry.value))).collect();
    change(&mut entries)?;
    let left = entries.iter().map(|(key, value)| (&key[..], &value[..]));
    if left.eq(map.entries().map(|entry| (entry.key, entry.value))) {
        return Ok(());
    }
    let mut message = Vec::with_capacity(map.message.len());
    put_entries(&mut message, 1, entries.iter().map(|(key, value)| (&key[..], &value[..])));
    item.write(target, Value::Map(Map { message: message.into(), number: 1 }))
}

fn limit_entries(entries: &mut Vec<Entry<'_>>, limit: usize, priority: &[Vec<u8>]) {
    if entries.len() <= limit {
        return;
    }
    let is_first = |key: &[u8]| priority.iter().any(|first| first[..] == *key);
    let mut count =
        priority.iter().filter(|first| entries.iter().any(|(key, _)| key[..] == first[..])).count();
    entries.retain(|(key, _)| {
        if is_first(key) {
            return true;
        }
        count += 1;
        count <= limit
    });
}

fn truncated(text: &[u8], limit: usize, is_safe: bool) -> &[u8] {
    let mut end = limit.min(text.len());
    while is_safe && end > 0 && text.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}

/// A map without maps and lists in it.
struct Flat {
    /// Key, value, and how many others wanted the same key.
    entries: Vec<(Vec<u8>, Vec<u8>, u32)>,
    places: Places,
    resolves_conflicts: bool,
    bytes: usize,
}

impl Flat {
    fn new(resolves_conflicts: bool) -> Self {
        Self { entries: Vec::new(), places: Places::default(), resolves_conflicts, bytes: 0 }
    }

    /// Adds what is within a value down to a depth.
    fn value(&mut self, key: &[u8], value: &[u8], depth: u32) -> Result<(), Failure> {
        let below = |name: &[u8]| [key, b".", name].concat();
        match Value::of(value) {
            Value::Map(map) if depth > 0 => {
                map.entries().try_for_each(|entry| self.value(&below(entry.key), entry.value, depth - 1))
            }
            Value::List(list) if depth > 0 => {
                elements(&list).enumerate().try_for_each(|(index, element)| match Value::of(element) {
                    Value::Map(_) | Value::List(_) if depth > 1 => {
                        self.value(&below(index.to_string().as_bytes()), element, depth - 1)
                    }
                    _ if self.resolves_conflicts => self.put(key.to_vec(), element),
                    _ => self.put(below(index.to_string().as_bytes()), element),
                })
            }
            _ => self.put(key.to_vec(), value),
        }
    }

    fn put(&mut self, key: Vec<u8>, value: &[u8]) -> Result<(), Failure> {
        self.bytes += key.len() + value.len();
        if self.bytes > MOST_BYTES {
            return Err(Failure("the flat map is larger than 4 MiB"));
        }
        let next_at = self.entries.len();
        match self.places.add(&key, next_at) {
            None => self.entries.push((key, value.to_vec(), 0)),
            Some(at) if self.resolves_conflicts => {
                let number = self.entries[at].2;
                self.entries[at].2 += 1;
                let mut next = key;
                next.extend_from_slice(format!(".{number}").as_bytes());
                self.places.add(&next, next_at);
                self.entries.push((next, value.to_vec(), 0));
            }
            Some(at) => self.entries[at].1 = value.to_vec(),
        }
        Ok(())
    }
}
