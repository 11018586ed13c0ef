//! Where a command finds its configuration.

use clap::Args;
use config::ConfigUri;

use crate::terminal::printable;

/// Where the configuration comes from
#[derive(Args, Clone)]
pub(crate) struct ConfigArgs {
    /// A file, `file:PATH`, `env:NAME` or `yaml:TEXT`; several are merged, later ones win
    #[arg(long = "config", value_name = "URI")]
    pub(crate) config: Vec<String>,
    /// Set one key over everything else: `--set exporters.debug.verbosity=detailed`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Feature gates of the Go collector, as its command lines have them: they mean nothing here
    #[arg(long, value_name = "GATES", allow_hyphen_values = true)]
    feature_gates: Vec<String>,
}

impl ConfigArgs {
    /// Adds those that stand later on the command line.
    pub(crate) fn and(mut self, later: Self) -> Self {
        self.config.extend(later.config);
        self.set.extend(later.set);
        self.feature_gates.extend(later.feature_gates);
        self
    }

    /// Whether no location is given.
    pub(crate) fn is_empty(&self) -> bool {
        self.config.is_empty() && self.set.is_empty()
    }

    /// Says of each feature gate that it changes nothing. A command line that has one runs all the same.
    #[expect(clippy::print_stderr, reason = "a remark for the person who wrote the command line")]
    fn tell_gates(&self) {
        let gates = self.feature_gates.iter().flat_map(|list| list.split(',')).map(str::trim);
        for gate in gates.filter(|gate| !gate.is_empty()) {
            eprintln!(
                "warning: --feature-gates={}: the Go collector's feature gates mean nothing here, remove it",
                printable(gate)
            );
        }
    }

    /// Reads the locations; `--set` comes last, so it wins.
    pub(crate) fn uris(&self) -> Result<Vec<ConfigUri>, String> {
        self.tell_gates();
        if self.config.is_empty() {
            return Err("at least one config flag must be provided: trueline --config=FILE".to_owned());
        }
        let files =
            self.config.iter().map(|uri| uri.parse().map_err(|problem| format!("--config={uri}: {problem}")));
        let sets = self
            .set
            .iter()
            .map(|set| ConfigUri::set(set).map_err(|problem| format!("--set={set}: {problem}")));
        files.chain(sets).collect()
    }
}
