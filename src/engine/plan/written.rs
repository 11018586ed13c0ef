//! What was written, so that a later configuration can be compared with the one that runs.

use std::path::{Path, PathBuf};

use config::{Component, FileRead, Node, Value};
use rapidhash::v3::rapidhash_v3 as rapidhash;

/// The settings of a component, and what was in the files that they name.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Written {
    settings: Node,
    files: Vec<FileRead>,
}

/// A key that ends so names a file that its component reads at the start: `cert_file`, `token_file`.
const NAMES_A_FILE: &str = "_file";

impl Written {
    /// `read` is what was read while the settings were decoded.
    pub(super) fn of(component: &Component, read: Vec<FileRead>) -> Self {
        let mut paths = Vec::new();
        named_files(&component.settings, &mut paths);
        let mut files = read;
        files.extend(paths.iter().map(|path| FileRead::of(path)));
        files.sort_unstable();
        files.dedup();
        Self { settings: component.settings.clone(), files }
    }

    pub(super) fn files(&self) -> &[FileRead] {
        &self.files
    }
}

fn named_files(node: &Node, paths: &mut Vec<PathBuf>) {
    match &node.value {
        Value::Seq(items) => items.iter().for_each(|item| named_files(item, paths)),
        Value::Map(map) => {
            for entry in &map.entries {
                let name = node_text(&entry.value).filter(|_| entry.key.name.ends_with(NAMES_A_FILE));
                match name {
                    Some(path) => paths.push(Path::new(path).to_owned()),
                    None => named_files(&entry.value, paths),
                }
            }
        }
        _ => {}
    }
}

fn node_text(node: &Node) -> Option<&str> {
    node.as_str().filter(|text| !text.is_empty())
}

/// Returns a name for a whole configuration: the same wherever and in whichever order it is written, another when a
/// setting or a file that it names is another.
pub(super) fn fingerprint(tree: Option<&Node>, files: &[FileRead]) -> String {
    let mut bytes = Vec::new();
    if let Some(tree) = tree {
        write(tree, &mut bytes);
    }
    for file in files {
        write_text(&file.path.to_string_lossy(), &mut bytes);
        bytes.extend(file.content.unwrap_or_default().to_le_bytes());
    }
    format!("{:016x}", rapidhash(&bytes))
}

/// Every value begins with a byte that says what it is, and texts and lists with their length.
fn write(node: &Node, out: &mut Vec<u8>) {
    match &node.value {
        Value::Null => out.push(0),
        Value::Bool(value) => out.extend([1, u8::from(*value)]),
        Value::Int(value) => {
            out.push(2);
            out.extend(value.to_le_bytes());
        }
        Value::Float(value) => {
            out.push(3);
            out.extend(value.to_bits().to_le_bytes());
        }
        Value::String(text) => {
            out.push(4);
            write_text(text, out);
        }
        Value::Seq(items) => {
            out.push(5);
            out.extend((items.len() as u64).to_le_bytes());
            items.iter().for_each(|item| write(item, out));
        }
        Value::Map(map) => {
            out.push(6);
            out.extend((map.entries.len() as u64).to_le_bytes());
            let mut entries: Vec<_> = map.entries.iter().collect();
            entries.sort_unstable_by(|a, b| a.key.name.cmp(&b.key.name));
            for entry in entries {
                write_text(&entry.key.name, out);
                write(&entry.value, out);
            }
        }
    }
    if let Some(original) = &node.original {
        out.push(7);
        write_text(original.text(), out);
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {

    use config::Source;

    use super::*;

    fn tree(yaml: &str) -> Node {
        config::parse(&Source::new("test", yaml)).unwrap()
    }

    #[test]
    fn a_configuration_is_another_when_a_setting_or_a_file_is_another_and_not_when_its_order_is() {
        let file = |content| FileRead { path: PathBuf::from("rules.yaml"), content };
        let name = |yaml: &str, content| fingerprint(Some(&tree(yaml)), &[file(content)]);
        let first = name("a: {b: 1, c: [x, 'y']}", Some(1));
        assert_eq!(first.len(), 16);
        assert_eq!(first, name("# in other words\na:\n  c: ['x', y]\n  b: 1\n", Some(1)));
        for other in ["a: {b: 2, c: [x, y]}", "a: {b: '1', c: [x, y]}", "a: {b: 1, c: [y, x]}", "a: {b: 1}"] {
            assert_ne!(first, name(other, Some(1)), "{other}");
        }
        assert_ne!(first, name("a: {b: 1, c: [x, y]}", Some(2)));
        assert_ne!(first, name("a: {b: 1, c: [x, y]}", None));
    }

    #[test]
    fn files_are_found_by_the_names_of_their_keys() {
        let mut paths = Vec::new();
        let text =
            "tls: {cert_file: a.pem, key_pem: b}\ndestinations: [{url_file: c}, {path: d}]\ntoken_file: ''";
        named_files(&tree(text), &mut paths);
        assert_eq!(paths, [PathBuf::from("a.pem"), PathBuf::from("c")]);
    }
}
