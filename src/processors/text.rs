//! Numbers and foreign texts as people read them.

/// Writes a number with so many significant digits, and at most so many decimals.
pub(crate) fn significant(value: f64, digits: i32, most_decimals: usize) -> String {
    let is_plain = value == 0.0 || !value.is_finite();
    let decimals = if is_plain { 0.0 } else { f64::from(digits - 1) - value.abs().log10().floor() };
    format!("{value:.*}", decimals.clamp(0.0, most_decimals as f64) as usize)
}

/// Cuts a text at a character's boundary.
pub(crate) fn cut(mut text: String, most_bytes: usize) -> String {
    text.truncate(text.floor_char_boundary(most_bytes));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_as_many_digits_as_are_asked_for() {
        let written = [0.0, 12.345_6, 123_456.0, 0.000_123_4, 1e-9, f64::NAN].map(|it| significant(it, 3, 6));
        assert_eq!(written, ["0", "12.3", "123456", "0.000123", "0.000000", "NaN"]);
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("aé".to_owned(), 2), "a");
        assert_eq!(cut("aé".to_owned(), 3), "aé");
        assert_eq!(cut("aé".to_owned(), 9), "aé");
    }
}
