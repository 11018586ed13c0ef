//! Editors' patterns and what takes the place of what fits them.

use std::borrow::Cow;

use regex::bytes::{Captures, Regex};

use super::{
    arguments::Arguments,
    convert::text,
    digests::Digest,
    editors::Entry,
    expression::{Expression, Resolver},
    fault::{Fault, unknown},
    item::{Item, MOST_BYTES},
    letters,
    places::Places,
    syntax::Kind,
    value::{Failure, Type, Value, wrapped},
};

/// What is put in the place of what fits a pattern.
#[derive(Debug)]
pub(super) struct Replace {
    pub(super) pattern: Regex,
    pub(super) replacement: Expression,
    function: Option<Function>,
    /// What stands around the function's result.
    format: Option<(Vec<u8>, Vec<u8>)>,
}

/// A function that is handed over by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Function {
    Digest(Digest),
    Lower,
    Upper,
}

impl Replace {
    pub(super) fn resolve(
        resolver: &mut Resolver,
        given: &Arguments<'_>,
        index: usize,
        compile: fn(&[u8]) -> Result<Regex, String>,
    ) -> Result<Self, Fault> {
        let function = match given.optional(index + 2) {
            None => None,
            Some(node) => {
                let Kind::Name(name) = &node.kind else {
                    return Err(Fault::new(
                        node.at,
                        "function is the name of one, without arguments: SHA256",
                    ));
                };
                Some(match name.as_str() {
                    "MD5" => Function::Digest(Digest::Md5),
                    "SHA1" => Function::Digest(Digest::Sha1),
                    "SHA256" => Function::Digest(Digest::Sha256),
                    "SHA512" => Function::Digest(Digest::Sha512),
                    "ToLowerCase" => Function::Lower,
                    "ToUpperCase" => Function::Upper,
                    other => {
                        let known = ["MD5", "SHA1", "SHA256", "SHA512", "ToLowerCase", "ToUpperCase"];
                        return Err(Fault::new(
                            node.at,
                            unknown("function that can be handed over", other, &known),
                        ));
                    }
                })
            }
        };
        let format = match given.optional(index + 3) {
            None => None,
            Some(node) => {
                let text = given.literal_text(index + 3)?;
                let place = text.windows(2).position(|pair| pair == b"%s");
                let signs = text.iter().filter(|byte| **byte == b'%').count();
                match (place, signs) {
                    (Some(at), 1) => Some((text[..at].to_vec(), text[at + 2..].to_vec())),
                    _ => {
                        return Err(Fault::new(
                            node.at,
                            "replacement_format holds %s once and no other percent sign",
                        ));
                    }
                }
            }
        };
        Ok(Self {
            pattern: given.pattern(index, compile)?,
            replacement: given.typed(resolver, index + 1, Type::Text)?,
            function,
            format,
        })
    }

    /// Replaces all that fits within a text; none when nothing does.
    pub(super) fn all(&self, old: &[u8], replacement: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        if !self.pattern.is_match(old) {
            return Ok(None);
        }
        let mut new = Vec::with_capacity(old.len());
        let mut copied = 0;
        for captures in self.pattern.captures_iter(old) {
            let Some(found) = captures.get(0) else { continue };
            new.extend_from_slice(&old[copied..found.start()]);
            self.expand(&captures, replacement, &mut new);
            copied = found.end();
            if new.len() > MOST_BYTES {
                return Err(Failure("the text is longer than 4 MiB"));
            }
        }
        new.extend_from_slice(&old[copied..]);
        Ok(Some(new))
    }

    fn expand(&self, captures: &Captures<'_>, replacement: &[u8], out: &mut Vec<u8>) {
        match self.function {
            None => captures.expand(replacement, out),
            Some(function) => {
                let mut expanded = Vec::new();
                captures.expand(replacement, &mut expanded);
                self.formatted(function, &expanded, out);
            }
        }
    }

    fn formatted(&self, function: Function, text: &[u8], out: &mut Vec<u8>) {
        let result = function.of(text);
        match &self.format {
            None => out.extend_from_slice(&result),
            Some((before, after)) => {
                out.extend_from_slice(before);
                out.extend_from_slice(&result);
                out.extend_from_slice(after);
            }
        }
    }

    /// Returns what takes the place of a whole text.
    pub(super) fn whole(&self, item: &Item<'_>) -> Result<Vec<u8>, Failure> {
        let replacement = text(self.replacement.value(item)?)?;
        let Some(function) = self.function else { return Ok(replacement.into_owned()) };
        let mut out = Vec::new();
        self.formatted(function, &replacement, &mut out);
        Ok(out)
    }

    pub(super) fn entries(
        &self,
        entries: &mut Vec<Entry<'_>>,
        replacement: &[u8],
        of_keys: bool,
    ) -> Result<(), Failure> {
        if !of_keys {
            for (_, value) in entries {
                let new = match Value::of(value) {
                    Value::Text(text) => self.all(&text, replacement)?,
                    _ => None,
                };
                if let Some(new) = new {
                    *value = Cow::Owned(wrapped(1, &new));
                }
            }
            return Ok(());
        }
        let mut renamed: Vec<Entry<'_>> = Vec::with_capacity(entries.len());
        let mut places = Places::default();
        for (key, value) in std::mem::take(entries) {
            let key = match self.all(&key, replacement)? {
                Some(new) => Cow::Owned(new),
                None => key,
            };
            // Of two that get the same name the later stays, in the place of the first.
            match places.add(&key, renamed.len()) {
                Some(at) => renamed[at].1 = value,
                None => renamed.push((key, value)),
            }
        }
        *entries = renamed;
        Ok(())
    }
}

impl Function {
    fn of(self, text: &[u8]) -> Vec<u8> {
        match self {
            Self::Digest(digest) => digest.of(text),
            Self::Lower => letters::lower(&String::from_utf8_lossy(text)).into_bytes(),
            Self::Upper => letters::upper(&String::from_utf8_lossy(text)).into_bytes(),
        }
    }
}
