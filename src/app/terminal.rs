//! Text of others for a person's terminal.

/// Whether colours are wanted where a terminal shows them: <https://no-color.org>.
pub(crate) fn may_color() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
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
