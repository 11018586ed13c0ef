//! The command line. Data goes to standard output, diagnostics to standard error.

mod components;
mod deliveries;
mod effective;
mod graph;
mod healthcheck;
mod run;
pub(crate) mod validate;

use std::process::ExitCode;

use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand};

pub(crate) use self::effective::is_good;
use self::validate::ValidateArgs;
use crate::{
    ask::{self, AlertsArgs, ChangesArgs, ExplainArgs, IncidentsArgs, SilencesArgs, SlosArgs},
    backtest::{self, BacktestArgs},
    cardinality::{self, CardinalityArgs},
    compare::{self, CompareArgs},
    config_args::ConfigArgs,
    detect::{self, DetectArgs},
    exit::{self, fail, tell},
    import::{self, ImportRules, ImportSlos},
    inbox::{self, InboxArgs},
    load::{self, LoadArgs},
    migrate::{self, MigrateArgs},
    pipeline_test::{self, TestArgs},
    replay::{self, ReplayArgs},
    schema,
    tap::{self, TapArgs},
    terminal::{self, Manners, printable},
};

/// An OpenTelemetry collector that knows what normal looks like
#[derive(Parser)]
#[command(name = "trueline", version, disable_help_subcommand = true, disable_version_flag = true)]
pub(crate) struct Cli {
    /// Print the version; `-v` is how the Go collector is asked
    #[arg(short = 'v', visible_short_alias = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
    #[command(subcommand)]
    command: Option<Command>,
    /// Without a command, `--config` runs the collector; before `run` and `validate` it is theirs
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    manners: Manners,
}

/// `trueline run`
#[derive(Args)]
struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Read the configuration again when one of its files changes, and not on SIGHUP alone
    #[arg(long)]
    watch: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Run the collector until it is told to stop; SIGHUP has it read its configuration again
    Run(RunArgs),
    /// Check a configuration as the start would, and say everything that is wrong with it
    Validate(ValidateArgs),
    /// Write the configuration that is in force, or compare two
    #[command(subcommand)]
    Config(effective::ConfigCommand),
    /// Write the configuration that is in force, as the Go collector spells it
    #[command(name = "print-config", alias = "print-initial-config")]
    PrintConfig(effective::PrintArgs),
    /// Show what is connected with what, and what each stage reads and adds
    Graph(graph::GraphArgs),
    /// Ask whether a collector is up, for images without another program to ask with
    Healthcheck(healthcheck::HealthcheckArgs),
    /// List every component with the names it answers to
    Components(components::ComponentsArgs),
    /// Tell what of a Go collector's configuration runs here, and what does not
    Migrate(MigrateArgs),
    /// Write the JSON Schema of the configuration, for editors
    Schema,
    /// Write what completes this command line for a shell
    #[command(alias = "completion")]
    Completions {
        /// bash, elvish, fish, powershell or zsh
        shell: clap_complete::Shell,
    },
    /// List feature gates, of which there are none: for scripts that ask the Go collector
    #[command(name = "featuregate", hide = true)]
    FeatureGate {
        /// The one to tell about
        id: Option<String>,
    },
    /// Tell which attribute of which service makes the series that leave
    Cardinality(CardinalityArgs),
    /// Set the series of two collectors side by side, before one takes the other's place
    Compare(CompareArgs),
    /// Check that pipelines do with telemetry what is expected
    Test(TestArgs),
    /// Try what the stages would say of series in files
    Detect(DetectArgs),
    /// Show what a configuration would have found in telemetry of the past
    Replay(ReplayArgs),
    /// Compare what configurations would have told of the past
    Backtest(BacktestArgs),
    /// Show alerts that no destination took, and send them again
    Deliveries(deliveries::DeliveriesArgs),
    /// Send the traffic of a small shop, for trying out and measuring
    Load(LoadArgs),
    /// Receive alerts as webhooks and print them, for trying out
    Inbox(InboxArgs),
    /// Show a sample of what passes an edge of a running collector
    Tap(TapArgs),
    /// Show which alerts fire, and take care of them
    Alerts(AlertsArgs),
    /// Show incidents: what belongs together, and what is behind it
    Incidents(IncidentsArgs),
    /// Show what was changed of late, or tell of a change
    Changes(ChangesArgs),
    /// Show what is silenced, begin a silence, end one
    Silences(SilencesArgs),
    /// Show objectives and what is left of their budgets
    #[command(alias = "slo")]
    Slos(SlosCommand),
    /// Make rules of those of others
    #[command(subcommand)]
    Rules(RulesAction),
    /// Say why something called somebody at a time, or why it did not
    Explain(ExplainArgs),
}

/// `trueline slos`
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
struct SlosCommand {
    #[command(subcommand)]
    command: Option<SlosAction>,
    #[command(flatten)]
    show: SlosArgs,
}

#[derive(Subcommand)]
enum SlosAction {
    /// Make objectives of files of Sloth
    Import(ImportSlos),
}

/// `trueline rules`
#[derive(Subcommand)]
enum RulesAction {
    /// Make rules of Prometheus's files of rules
    Import(ImportRules),
}

impl Cli {
    pub(crate) fn run(self) -> ExitCode {
        terminal::mind(self.manners);
        let RunArgs { config: before, watch } = self.run;
        match self.command {
            None => run::run(&before, watch),
            Some(Command::Run(args)) => run::run(&before.and(args.config), watch || args.watch),
            Some(_) if watch => fail(exit::USAGE, "--watch is for run"),
            Some(Command::Validate(args)) => validate::validate(&before, &args),
            Some(Command::Config(command)) => effective::run(&before, &command),
            Some(Command::PrintConfig(args)) => effective::print(&before, &args),
            Some(Command::Graph(args)) => graph::run(&before, &args),
            Some(_) if !before.is_empty() => fail(
                exit::USAGE,
                "--config and --set go behind this command, if it takes them: trueline COMMAND --help tells",
            ),
            Some(Command::Healthcheck(args)) => healthcheck::run(&args),
            Some(Command::Components(args)) => components::list(&args),
            Some(Command::Migrate(args)) => migrate::run(&args),
            Some(Command::Test(args)) => pipeline_test::run(&args),
            Some(Command::Cardinality(args)) => cardinality::run(&args),
            Some(Command::Compare(args)) => compare::run(&args),
            Some(Command::Schema) => schema::write(),
            Some(Command::Completions { shell }) => completions(shell),
            Some(Command::FeatureGate { id }) => feature_gates(id.as_deref()),
            Some(Command::Detect(args)) => detect::run(&args),
            Some(Command::Replay(args)) => replay::run(&args),
            Some(Command::Backtest(args)) => backtest::run(&args),
            Some(Command::Deliveries(args)) => deliveries::run(&args),
            Some(Command::Load(args)) => load::run(args),
            Some(Command::Inbox(args)) => inbox::run(&args),
            Some(Command::Tap(args)) => tap::run(&args),
            Some(Command::Alerts(args)) => ask::alerts(&args),
            Some(Command::Incidents(args)) => ask::incidents(&args),
            Some(Command::Changes(args)) => ask::changes(&args),
            Some(Command::Silences(args)) => ask::silences(&args),
            Some(Command::Slos(SlosCommand { command: Some(SlosAction::Import(args)), .. })) => {
                import::import_slos(&args)
            }
            Some(Command::Slos(SlosCommand { command: None, show })) => ask::slos(&show),
            Some(Command::Rules(RulesAction::Import(args))) => import::import_rules(&args),
            Some(Command::Explain(args)) => ask::explain(&args),
        }
    }
}

/// Writes the script in which a shell looks up words of this command line.
fn completions(shell: clap_complete::Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "trueline", &mut script);
    tell(&String::from_utf8_lossy(&script))
}

/// Answers as the Go collector does where it has no gate: with the head of its table.
fn feature_gates(id: Option<&str>) -> ExitCode {
    match id {
        Some(id) => {
            fail(exit::USAGE, &format!("there is no feature gate `{}`: there are none", printable(id)))
        }
        None => tell("ID  Enabled  Stage  Description\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the files that a command line has `validate` read.
    fn validated(line: &str) -> Vec<String> {
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        let Some(Command::Validate(args)) = cli.command else { panic!("{line} is no validate") };
        cli.run.config.and(args.config).config
    }

    #[test]
    fn every_command_can_be_read() {
        Cli::command().debug_assert();
    }

    #[test]
    fn where_to_ask_may_stand_behind_what_is_asked() {
        for line in [
            "trueline incidents --state open --format json",
            "trueline incidents list --state open --format json",
            "trueline incidents show 01K --api http://localhost:1 --format json",
            "trueline changes add payment 2.3 --api http://localhost:1",
            "trueline alerts show 00ab --format json",
            "trueline silences end 7 --token-file token",
            "trueline slos shop-up --format json",
        ] {
            let read = Cli::try_parse_from(line.split(' '));
            assert!(
                read.is_ok(),
                "{line}: {}",
                read.err().map(|problem| problem.to_string()).unwrap_or_default()
            );
        }
    }

    #[test]
    fn a_configuration_may_stand_before_and_behind_validate() {
        assert_eq!(validated("trueline --config=a validate"), ["a"]);
        assert_eq!(validated("trueline validate --config=a"), ["a"]);
        assert_eq!(validated("trueline --config=a validate --config=b"), ["a", "b"], "later ones win");
    }

    #[test]
    fn a_command_that_takes_no_configuration_before_it_says_so() {
        let cli = Cli::try_parse_from(["trueline", "--config=a", "components"]).unwrap();
        assert_eq!(cli.run(), ExitCode::from(exit::USAGE));
    }
}
