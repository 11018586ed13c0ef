//! Paths with `*` for any text, to the files that there are.

use std::path::{Component, Path, PathBuf};

use config::Environment;

use crate::glob::fits;

/// More files are refused.
const MAX_FILES: usize = 10_000;

/// Returns the files that a path names, in the order of their names; one without `*` names itself.
///
/// *Errors*: a folder that can not be read, or nothing that fits.
pub(super) fn files(pattern: &str, environment: &dyn Environment) -> Result<Vec<String>, String> {
    if !pattern.contains('*') {
        return Ok(vec![pattern.to_owned()]);
    }
    if pattern.contains("**") {
        return Err(format!("{pattern} has two stars in a row; one stands for any text within a name"));
    }
    let mut found = vec![PathBuf::new()];
    for part in Path::new(pattern).components() {
        let name = part.as_os_str().to_string_lossy();
        let is_pattern = matches!(part, Component::Normal(_)) && name.contains('*');
        if !is_pattern {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        }
        found = found.iter().flat_map(|folder| fitting(folder, &name, environment)).collect();
        if found.len() > MAX_FILES {
            return Err(format!("{pattern} fits more than {MAX_FILES} files; name fewer"));
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(format!("no file fits {pattern}"));
    }
    Ok(found.into_iter().map(|path| path.to_string_lossy().into_owned()).collect())
}

/// A folder that is none, or can not be read, holds nothing that fits. Hidden files are meant only by their names.
fn fitting(folder: &Path, pattern: &str, environment: &dyn Environment) -> Vec<PathBuf> {
    let names = environment.list_folder(folder).unwrap_or_default();
    let is_meant =
        |name: &String| fits(pattern, name) && (pattern.starts_with('.') || !name.starts_with('.'));
    names.into_iter().filter(is_meant).map(|name| folder.join(name)).collect()
}
