//! Patterns of paths: `*` and `?` within a name, `**` for any folders.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Component, Path, PathBuf},
};

/// A tree deeper than this below a `**` is not followed.
const DEEPEST: usize = 32;

/// A pattern, cut at its slashes.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    parts: Vec<String>,
    is_absolute: bool,
}

impl Pattern {
    /// # Errors
    /// What is wrong with the pattern.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let parts: Vec<_> =
            text.split('/').filter(|part| !matches!(*part, "" | ".")).map(str::to_owned).collect();
        if parts.is_empty() {
            return Err(format!("pattern {text:?} names no file"));
        }
        if let Some(part) = parts.iter().find(|part| part.contains("**") && *part != "**") {
            return Err(format!("pattern {text:?} has {part:?}, \"**\" must stand alone between slashes"));
        }
        Ok(Self { parts, is_absolute: text.starts_with('/') })
    }

    /// Whether a path fits the whole pattern.
    pub(super) fn matches(&self, path: &Path) -> bool {
        let names: Vec<_> = path
            .components()
            .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        path.is_absolute() == self.is_absolute && parts_match(&self.parts, &names)
    }
}

/// Finds every file that one of `include` fits and none of `exclude`, each once, in the order of paths.
///
/// # Errors
/// Which folder can not be read.
pub(super) fn find(include: &[Pattern], exclude: &[Pattern]) -> io::Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    for pattern in include {
        let start = if pattern.is_absolute { PathBuf::from("/") } else { PathBuf::new() };
        walk(&start, &pattern.parts, DEEPEST, &mut found)?;
    }
    found.retain(|path| !exclude.iter().any(|pattern| pattern.matches(path)));
    Ok(found)
}

/// Follows the pattern from `folder` on.
fn walk(folder: &Path, parts: &[String], depth: usize, found: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    let Some((part, rest)) = parts.split_first() else { return Ok(()) };
    if part == "**" {
        walk(folder, rest, depth, found)?;
        if depth > 0 {
            for name in names(folder)? {
                let path = folder.join(name);
                // Links may lead back up, so only real folders are followed.
                if fs::symlink_metadata(&path).is_ok_and(|data| data.is_dir()) {
                    walk(&path, parts, depth - 1, found)?;
                }
            }
        }
        return Ok(());
    }
    let candidates = if is_plain(part) { vec![part.clone()] } else { names(folder)? };
    for name in candidates.iter().filter(|name| name_matches(part.as_bytes(), name.as_bytes())) {
        let path = folder.join(name);
        if rest.is_empty() && path.is_file() {
            found.insert(path);
        } else if !rest.is_empty() && path.is_dir() {
            walk(&path, rest, depth, found)?;
        }
    }
    Ok(())
}

/// Returns the names in a folder that are UTF-8.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let place = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = fs::read_dir(place)
        .map_err(|e| io::Error::new(e.kind(), format!("{}: can not be listed: {e}", place.display())))?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
}

fn is_plain(part: &str) -> bool {
    !part.contains(['*', '?'])
}

fn parts_match(parts: &[String], names: &[String]) -> bool {
    match (parts.split_first(), names.split_first()) {
        (None, None) => true,
        (Some((part, rest)), _) if part == "**" => {
            parts_match(rest, names)
                || names.split_first().is_some_and(|(_, names)| parts_match(parts, names))
        }
        (Some((part, rest)), Some((name, names))) => {
            name_matches(part.as_bytes(), name.as_bytes()) && parts_match(rest, names)
        }
        _ => false,
    }
}

/// Matches one name, going back to the last `*` on a mismatch.
///
/// *Cost*: pattern × name, whatever they hold.
fn name_matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                p = at + 1;
                n = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}
