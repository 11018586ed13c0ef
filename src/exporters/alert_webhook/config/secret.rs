//! Secrets, which stand in the environment or in files.

use std::path::PathBuf;

use component::Checks;

/// No secret is longer; what is longer is another file.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// Where a secret is found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in super::super) struct SecretSource {
    /// For URLs, which are secrets only with some services.
    pub(in super::super) value: config::Secret,
    pub(in super::super) env: Option<String>,
    pub(in super::super) file: Option<PathBuf>,
}

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum SecretError {
    #[error("the environment variable {0} is not set; set it and start again")]
    Unset(String),
    #[error("the file {path} can not be read: {source}; make it readable")]
    Read { path: String, source: std::io::Error },
    #[error("{0} is empty")]
    Empty(String),
}

impl SecretSource {
    pub(in super::super) fn of(env: &Option<String>, file: &Option<PathBuf>) -> Option<Self> {
        let source = Self { env: env.clone(), file: file.clone(), ..Self::default() };
        (source.env.is_some() || source.file.is_some()).then_some(source)
    }

    fn ways(&self) -> usize {
        usize::from(!self.value.is_empty())
            + usize::from(self.env.is_some())
            + usize::from(self.file.is_some())
    }

    /// Reads the secret, anew each time: a file may be rotated while we run.
    ///
    /// *Cost*: reads a small file; call it where blocking is allowed.
    pub(in super::super) fn read(&self) -> Result<config::Secret, SecretError> {
        let (text, place) = match (&self.env, &self.file) {
            (Some(name), _) => (
                std::env::var(name).map_err(|_| SecretError::Unset(name.clone()))?,
                format!("the environment variable {name}"),
            ),
            (None, Some(path)) => {
                let place = path.display().to_string();
                let text =
                    read_file(path).map_err(|source| SecretError::Read { path: place.clone(), source })?;
                (text, format!("the file {place}"))
            }
            (None, None) => return Ok(self.value.clone()),
        };
        let text = text.trim();
        if text.is_empty() {
            return Err(SecretError::Empty(place));
        }
        Ok(config::Secret::new(text))
    }

    /// Reports a secret that is given twice, or that can not be read here and now: only a warning, since a
    /// configuration may be checked where its secrets are not.
    pub(super) fn validate(&self, path: &str, key: &str, checks: &mut Checks) {
        if self.ways() > 1 {
            checks.error(
                path,
                format!("{key} is given in several ways, keep one of {key}, {key}_env and {key}_file"),
            );
            return;
        }
        if self.ways() == 0 {
            return;
        }
        if let Err(problem) = self.read() {
            checks.warn(
                path,
                format!("{key}: {problem}; until then nothing is sent and all waits in the queue"),
            );
        }
        if let Some(file) = &self.file
            && is_readable_by_all(file)
        {
            checks.warn(path, format!("{} can be read by everybody; run chmod 600 on it", file.display()));
        }
    }
}

fn read_file(path: &std::path::Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_SECRET_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

fn is_readable_by_all(path: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|found| found.permissions().mode() & 0o004 != 0)
}
