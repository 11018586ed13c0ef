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

/// Returns `some_name_2` of `SomeName2`, byte by byte; capitals in a row are one word.
///
/// *Source*: the library `strcase` of Go, which the collector uses.
pub(super) fn snake(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let text = text.trim().as_bytes();
    let mut out = Vec::with_capacity(text.len() + 2);
    for (at, byte) in text.iter().enumerate() {
        let (this, next) = (Class::of(*byte), text.get(at + 1).map_or(Class::Other, |next| Class::of(*next)));
        let is_new_word = this != next && this != Class::Other && next != Class::Other;
        let ends_acronym = (this, next) == (Class::Capital, Class::Small)
            && at.checked_sub(1).is_some_and(|before| text[before].is_ascii_uppercase());
        if ends_acronym {
            out.push(b'_');
        }
        out.push(match byte {
            b' ' | b'_' | b'-' | b'.' => b'_',
            other => other.to_ascii_lowercase(),
        });
        if is_new_word && (this, next) != (Class::Capital, Class::Small) {
            out.push(b'_');
        }
    }
    out
}

/// Returns `SomeName` of `some_name`, byte by byte; what is neither letter nor digit goes.
///
/// *Source*: the library `strcase` of Go, which the collector uses.
pub(super) fn camel(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    // The one acronym that the library knows.
    let text = if text.trim() == "ID" { "Id" } else { text.trim() };
    let (mut begins_word, mut after_capital) = (true, false);
    let mut out = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        let is_capital = byte.is_ascii_uppercase();
        match Class::of(byte) {
            Class::Other => begins_word = matches!(byte, b' ' | b'_' | b'-' | b'.'),
            Class::Digit => {
                out.push(byte);
                begins_word = true;
            }
            Class::Small | Class::Capital => {
                out.push(match (begins_word, after_capital && is_capital) {
                    (true, _) => byte.to_ascii_uppercase(),
                    (false, true) => byte.to_ascii_lowercase(),
                    (false, false) => byte,
                });
                begins_word = false;
            }
        }
        after_capital = is_capital;
    }
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Small,
    Capital,
    Digit,
    Other,
}

impl Class {
    const fn of(byte: u8) -> Self {
        match byte {
            b'a'..=b'z' => Self::Small,
            b'A'..=b'Z' => Self::Capital,
            b'0'..=b'9' => Self::Digit,
            _ => Self::Other,
        }
    }
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
    fn words_are_found_by_capitals_digits_and_what_stands_between() {
        for (text, snaked, cameled) in [
            ("someName", "some_name", "SomeName"),
            ("JSONData", "json_data", "Jsondata"),
            ("http.status-code", "http_status_code", "HttpStatusCode"),
            ("v2Api", "v_2_api", "V2Api"),
            ("A1", "a_1", "A1"),
            ("ID", "id", "Id"),
            (" ABC ", "abc", "Abc"),
            ("aB", "a_b", "AB"),
            ("größe", "größe", "Gre"),
        ] {
            assert_eq!(String::from_utf8_lossy(&snake(text.as_bytes())), snaked, "{text}");
            assert_eq!(String::from_utf8_lossy(&camel(text.as_bytes())), cameled, "{text}");
        }
    }

    #[test]
    fn a_sigma_at_the_end_of_a_word_is_like_any_other() {
        assert_eq!(lower("ΟΔΟΣ"), "οδοσ");
        assert_eq!(upper("οδος"), "ΟΔΟΣ");
    }
}
