//! What a person's terminal is shown: colours, progress, text of others.

use std::{
    io::{self, IsTerminal},
    sync::OnceLock,
};

use clap::{Args, ColorChoice};

/// How the person wants to be told; stands before or behind any command.
#[derive(Args, Clone, Copy)]
pub(crate) struct Manners {
    /// Whether problems and the log have colours; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    color: ColorChoice,
    /// Show no progress
    #[arg(long, global = true)]
    quiet: bool,
}

/// What the command line says. Tests have none, which is to say nothing.
static MANNERS: OnceLock<Manners> = OnceLock::new();

/// Takes what the command line says, once.
pub(crate) fn mind(manners: Manners) {
    MANNERS.get_or_init(|| manners);
}

/// Whether what is written to a standard stream has colours.
pub(crate) fn is_colored(is_terminal: bool) -> bool {
    match MANNERS.get().map_or(ColorChoice::Auto, |manners| manners.color) {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        // <https://no-color.org>
        ColorChoice::Auto => is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    }
}

/// Whether somebody watches how far the work is.
pub(crate) fn shows_progress() -> bool {
    io::stderr().is_terminal() && !MANNERS.get().is_some_and(|manners| manners.quiet)
}

/// Returns the text without what steers a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// Writes a number for reading: four digits are enough.
pub(crate) fn short(value: f64) -> String {
    if value == 0.0 || value.abs() >= 10_000.0 {
        return format!("{value:.0}");
    }
    let digits = (3.0 - value.abs().log10().floor()).clamp(0.0, 9.0) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
