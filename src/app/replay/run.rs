//! From options to an exit code.

use std::{
    io::{self, ErrorKind, Write},
    process::ExitCode,
};

use engine::Plan;

use super::{
    ReplayArgs,
    args::Format,
    console::Console,
    events::Event,
    files::Files,
    output::{self, rfc3339_seconds, short_span},
    player::Player,
    prometheus::{self, History},
    source::{Recorded, on_its_own_thread},
    state::StateDirectory,
};
use crate::{
    commands::validate,
    exit::{self, fail},
};

/// How a replay can end early.
enum Ended {
    /// What is wrong with the configuration, rendered.
    Refused(String),
    /// Options that contradict one another.
    Misused(anyhow::Error),
    Unreached(anyhow::Error),
    Failed(anyhow::Error),
}

pub(crate) fn run(args: &ReplayArgs) -> ExitCode {
    let uris = match args.config.uris() {
        Ok(uris) => uris,
        Err(problem) => return fail(exit::USAGE, &problem),
    };
    let loaded = validate::check(&uris);
    if !loaded.problems.is_empty() {
        // Nobody is there to be told when standard error is closed.
        drop(writeln!(io::stderr(), "{}", validate::render(&loaded.problems, false)));
    }
    let Some(plan) = loaded.plan else {
        return fail(exit::CONFIG, "the configuration is refused; every problem is listed above");
    };
    match replay(args, plan) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(left_out) => fail(exit::RUNTIME, &format!("{left_out} damaged lines were left out")),
        Err(Ended::Refused(problem)) => fail(exit::CONFIG, &problem),
        Err(Ended::Misused(problem)) => fail(exit::USAGE, &format!("{problem:#}")),
        Err(Ended::Unreached(problem)) => fail(exit::UNREACHED, &format!("{problem:#}")),
        Err(Ended::Failed(problem)) => fail(exit::RUNTIME, &format!("{problem:#}")),
    }
}

/// Replays everything. Returns how much was left out as damaged.
fn replay(args: &ReplayArgs, plan: Plan) -> Result<u64, Ended> {
    if args.save_state && plan.state_directory().is_none() {
        return Err(Ended::Refused(StateDirectory::NOWHERE.to_owned()));
    }
    if args.if_empty
        && let Some(found) = StateDirectory::stored(&plan)?
    {
        // Nobody is there to be told when standard error is closed.
        drop(writeln!(io::stderr(), "{} is stored already, nothing is replayed", found.display()));
        return Ok(0);
    }
    let state = args.save_state.then(|| StateDirectory::open(&plan)).transpose()?;
    let player = Player::new(plan);
    let (player, console) = match &args.prometheus.url {
        None => {
            let console = Console::new(Files::length(&args.files)?);
            let files = Files::open(&args.files, &console)?;
            (play(files, player, &mut Printer::new(args, &console))?, console)
        }
        Some(url) => {
            let range = prometheus::range_of(&args.prometheus).map_err(Ended::Misused)?;
            let console = Console::new(range.n_points());
            let history = History::new(url, &args.prometheus, range, &console).map_err(Ended::Misused)?;
            (play(history, player, &mut Printer::new(args, &console))?, console)
        }
    };
    finish(player, state, &console)
}

/// Gives everything to the pipelines and prints what they find.
fn play<S>(source: S, mut player: Player, printer: &mut Printer<'_>) -> anyhow::Result<Player>
where
    S: Iterator<Item = anyhow::Result<Recorded>> + Send,
{
    let mut found = Vec::new();
    let played = on_its_own_thread(source, |recorded| {
        if let Err(problem) = player.take(&recorded, &mut found) {
            printer.console.damaged(&recorded.place, &problem.to_string());
        }
        printer.print(&mut found)?;
        printer.console.reached(recorded.at);
        Ok(())
    });
    let printed = played.and_then(|()| {
        found.extend(player.end());
        Ok(printer.print(&mut found)?)
    });
    match printed {
        // Whoever reads has seen enough.
        Err(problem) if is_closed_pipe(&problem) => Ok(player),
        printed => printed.map(|()| player),
    }
}

/// Standard output.
struct Printer<'a> {
    out: io::BufWriter<io::Stdout>,
    format: Format,
    console: &'a Console,
    /// Whether the replay is for more than what is printed, and goes on when nobody reads.
    goes_on: bool,
    is_closed: bool,
}

impl<'a> Printer<'a> {
    fn new(args: &ReplayArgs, console: &'a Console) -> Self {
        let out = io::BufWriter::new(io::stdout());
        Self { out, format: args.format, console, goes_on: args.save_state, is_closed: false }
    }

    /// Prints events and takes them.
    fn print(&mut self, found: &mut Vec<Event>) -> io::Result<()> {
        if found.is_empty() || self.is_closed {
            found.clear();
            return Ok(());
        }
        let (out, format) = (&mut self.out, self.format);
        let printed = self.console.print(|| {
            found.drain(..).try_for_each(|event| output::write(&event, format, out))?;
            out.flush()
        });
        match printed {
            Err(problem) if problem.kind() == ErrorKind::BrokenPipe && self.goes_on => {
                self.is_closed = true;
                Ok(())
            }
            printed => printed,
        }
    }
}

fn is_closed_pipe(problem: &anyhow::Error) -> bool {
    problem.downcast_ref::<io::Error>().is_some_and(|it| it.kind() == ErrorKind::BrokenPipe)
}

/// Stores what was learned and sums up.
fn finish(mut player: Player, state: Option<StateDirectory>, console: &Console) -> Result<u64, Ended> {
    let elapsed = console.finish();
    let Some((begin, end)) = player.played() else {
        return Err(anyhow::anyhow!("there was nothing to replay").into());
    };
    let span = end.since(begin);
    console.say(&format!(
        "replayed {} ({} to {}) in {}, {:.0} times real time: {} items in {} requests, {} events",
        short_span(span),
        rfc3339_seconds(begin),
        rfc3339_seconds(end),
        short_span(elapsed),
        span.as_secs_f64() / elapsed.as_secs_f64().max(1e-9),
        player.n_items,
        player.n_requests,
        player.n_events,
    ));
    if let Some(state) = state {
        console.say(&state.save(player.snapshots(), end)?);
    }
    Ok(console.n_damaged())
}

impl From<anyhow::Error> for Ended {
    fn from(problem: anyhow::Error) -> Self {
        if problem.is::<prometheus::Unreached>() { Self::Unreached(problem) } else { Self::Failed(problem) }
    }
}
