//! Upper and lower case letter by letter, as in Go: no letter becomes two (`ß` stays), and none looks at its neighbours.

pub(super) fn upper(text: &str) -> String {
    text.chars().map(upper_letter).collect()
}

pub(super) fn lower(text: &str) -> String {
    text.chars().map(lower_letter).collect()
}

fn upper_letter(letter: char) -> char {
    let mut letters = letter.to_uppercase();
    match (letters.next(), letters.next()) {
        (Some(only), None) => only,
        // Greek vowels with an iota below have one letter for both; others that would become several have none.
        _ => match letter {
            '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => after(letter, 8),
            '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => after(letter, 9),
            _ => letter,
        },
    }
}

fn lower_letter(letter: char) -> char {
    // `İ` is the only letter whose small form is written with two.
    let mut letters = letter.to_lowercase();
    letters.next().unwrap_or(letter)
}

fn after(letter: char, n: u32) -> char {
    char::from_u32(u32::from(letter) + n).unwrap_or(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_letter_becomes_two() {
        assert_eq!(upper("größer, ŉ, ﬁn, 日本"), "GRÖßER, ŉ, ﬁN, 日本");
        assert_eq!(upper("ᾀ ᾗ ᾳ ῃ ῳ"), "ᾈ ᾟ ᾼ ῌ ῼ");
        assert_eq!(lower("GRÖSSE İ"), "grösse i");
    }

    #[test]
    fn a_sigma_at_the_end_of_a_word_is_like_any_other() {
        assert_eq!(lower("ΟΔΟΣ"), "οδοσ");
        assert_eq!(upper("οδος"), "ΟΔΟΣ");
    }
}
