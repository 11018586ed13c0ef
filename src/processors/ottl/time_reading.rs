//! Times that are written in a format, read as Go does.

use super::{
    time_format::{MONTHS, Piece, Shape, TimeFormat, Unit, WEEKDAYS},
    times::Zone,
    value::Failure,
};

const UNREADABLE: Failure = Failure("the text is no time of that format");
const NO_SUCH_DAY: Failure = Failure("there is no such day or hour");

impl TimeFormat {
    /// Reads a time. *Units*: nanoseconds since the epoch.
    ///
    /// *Errors*: a text of another format, a day that there is not, a name of a zone that is not known.
    pub(super) fn read(&self, text: &[u8]) -> Result<(i64, Zone), Failure> {
        let mut found = Found::default();
        let mut rest = text;
        for (index, piece) in self.pieces.iter().enumerate() {
            let has_fraction = matches!(self.pieces.get(index + 1), Some(Piece::Fraction { .. }));
            rest = match found.take(piece, rest, has_fraction) {
                Ok(rest) => rest,
                // Blanks before a number are no part of it.
                Err(_) if is_number(piece) && rest.first().is_some_and(|byte| is_blank(*byte)) => {
                    let number = rest.iter().position(|byte| !is_blank(*byte)).unwrap_or(rest.len());
                    found.take(piece, &rest[number..], has_fraction)?
                }
                Err(failure) => return Err(failure),
            };
        }
        if !rest.is_empty() {
            return Err(UNREADABLE);
        }
        found.time(&self.zone)
    }
}

const fn is_number(piece: &Piece) -> bool {
    matches!(
        piece,
        Piece::LongYear
            | Piece::ShortYear
            | Piece::Number { .. }
            | Piece::SlashDate
            | Piece::Offset(Shape::Zulu)
    )
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c)
}

/// What has been read of a text.
#[derive(Default)]
struct Found {
    year: i32,
    month: Option<i64>,
    day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanosecond: i64,
    /// Whether it is after noon, where that was said.
    half: Option<bool>,
    is_utc: bool,
    offset: Option<i32>,
    zone: String,
}

impl Found {
    /// Takes a piece from the begin of a text and returns what is left.
    fn take<'t>(&mut self, piece: &Piece, text: &'t [u8], has_fraction: bool) -> Result<&'t [u8], Failure> {
        match piece {
            Piece::Literal(literal) => skip(text, literal.as_bytes()),
            Piece::LongYear => {
                let (year, rest) = digits(text, 4)?;
                self.year = year;
                Ok(rest)
            }
            Piece::ShortYear => {
                let (year, rest) = digits(text, 2)?;
                self.year = year + if year >= 69 { 1900 } else { 2000 };
                Ok(rest)
            }
            Piece::MonthName { is_long } => {
                let (month, rest) = name(text, &MONTHS, *is_long)?;
                self.month = Some(month + 1);
                Ok(rest)
            }
            Piece::WeekdayName { is_long } => Ok(name(text, &WEEKDAYS, *is_long)?.1),
            Piece::Number { of, .. } => self.number(*of, text, has_fraction),
            Piece::Half { is_capital } => {
                let (half, rest) = text.split_at_checked(2).ok_or(UNREADABLE)?;
                self.half = Some(match (half, is_capital) {
                    (b"PM", true) | (b"pm", false) => true,
                    (b"AM", true) | (b"am", false) => false,
                    _ => return Err(UNREADABLE),
                });
                Ok(rest)
            }
            Piece::Fraction { .. } => Ok(self.fraction(text)),
            Piece::Offset(Shape::Zulu) => {
                if let Some(rest) = text.strip_prefix(b"Z") {
                    self.is_utc = true;
                    return Ok(rest);
                }
                self.offset(text, Shape::Minutes { colon: false })
                    .or_else(|_| self.offset(text, Shape::Minutes { colon: true }))
                    .or_else(|_| self.offset(text, Shape::Hours))
            }
            Piece::Offset(shape) => self.offset(text, *shape),
            Piece::ZoneName => {
                if let Some(rest) = text.strip_prefix(b"UTC") {
                    self.is_utc = true;
                    return Ok(rest);
                }
                let (zone, rest) = text.split_at(zone_name(text).ok_or(UNREADABLE)?);
                self.zone = String::from_utf8_lossy(zone).into_owned();
                Ok(rest)
            }
            Piece::SlashDate => {
                let rest = skip(self.number(Unit::Month, text, false)?, b"/")?;
                let rest = skip(self.number(Unit::Day, rest, false)?, b"/")?;
                self.take(&Piece::LongYear, rest, false)
                    .or_else(|_| self.take(&Piece::ShortYear, rest, false))
            }
        }
    }

    fn number<'t>(&mut self, of: Unit, text: &'t [u8], has_fraction: bool) -> Result<&'t [u8], Failure> {
        let n_digits = text.iter().take(2).take_while(|byte| byte.is_ascii_digit()).count();
        if n_digits == 0 {
            return Err(UNREADABLE);
        }
        let (number, mut rest) = digits(text, n_digits)?;
        let number = i64::from(number);
        let (place, range) = match of {
            Unit::Month => (self.month.insert(0), 1..=12),
            Unit::Day => (self.day.insert(0), 0..=99),
            Unit::Hour => (&mut self.hour, 0..=23),
            Unit::HalfHour => (&mut self.hour, 0..=12),
            Unit::Minute => (&mut self.minute, 0..=59),
            Unit::Second => (&mut self.second, 0..=59),
        };
        if !range.contains(&number) {
            return Err(NO_SUCH_DAY);
        }
        *place = number;
        if of == Unit::Second && !has_fraction {
            // A fraction that the format does not speak of.
            rest = self.fraction(rest);
        }
        Ok(rest)
    }

    /// Takes any number of digits behind a point or a comma, if there are some; nine are looked at.
    fn fraction<'t>(&mut self, text: &'t [u8]) -> &'t [u8] {
        let Some((b'.' | b',', behind)) = text.split_first() else { return text };
        let n_digits = behind.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if n_digits == 0 {
            return text;
        }
        let digit =
            |at: usize| behind.get(at).filter(|_| at < n_digits).map_or(0, |byte| i64::from(byte - b'0'));
        self.nanosecond = (0..9).fold(0, |number, at| number * 10 + digit(at));
        &behind[n_digits..]
    }

    fn offset<'t>(&mut self, text: &'t [u8], shape: Shape) -> Result<&'t [u8], Failure> {
        let (sign, mut rest) = text.split_first().ok_or(UNREADABLE)?;
        let sign = match sign {
            b'+' => 1,
            b'-' => -1,
            _ => return Err(UNREADABLE),
        };
        let (parts, colon) = match shape {
            Shape::Hours => (1, false),
            Shape::Zulu => (2, false),
            Shape::Minutes { colon } => (2, colon),
            Shape::Seconds { colon } => (3, colon),
        };
        let mut offset = 0;
        for (index, (seconds, most)) in [(3600, 24), (60, 60), (1, 60)].into_iter().take(parts).enumerate() {
            if colon && index > 0 {
                rest = rest.strip_prefix(b":").ok_or(UNREADABLE)?;
            }
            let (number, behind) = digits(rest, 2)?;
            if number > most {
                return Err(NO_SUCH_DAY);
            }
            offset += number * seconds;
            rest = behind;
        }
        self.offset = Some(sign * offset);
        Ok(rest)
    }

    fn time(self, zone: &Zone) -> Result<(i64, Zone), Failure> {
        let hour = match (self.half, self.hour) {
            (Some(true), hour) if hour < 12 => hour + 12,
            (Some(false), 12) => 0,
            (_, hour) => hour,
        };
        let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        let date =
            jiff::civil::Date::new(self.year as i16, month as i8, day as i8).map_err(|_| NO_SUCH_DAY)?;
        let days = i64::from((date - jiff::civil::date(1970, 1, 1)).get_days());
        // As if it were told in Greenwich.
        let told = days * 86_400 + hour * 3600 + self.minute * 60 + self.second;
        let (offset, zone) = match (self.is_utc, self.offset) {
            (true, _) => (0, Zone::Utc),
            (false, Some(offset)) => {
                let (here, name) = zone.at(told - i64::from(offset));
                let is_here = here == offset && (self.zone.is_empty() || name == self.zone);
                let fixed = || match (offset, self.zone.is_empty()) {
                    (0, true) => Ok(Zone::Utc),
                    (0, false) => Zone::named(&self.zone).ok_or(UNKNOWN_ZONE),
                    (_, is_unnamed) => {
                        Ok(Zone::Fixed(offset, (!is_unnamed).then(|| self.zone.clone().into_boxed_str())))
                    }
                };
                (offset, if is_here { zone.clone() } else { fixed()? })
            }
            (false, None) if self.zone.is_empty() => (offset_at(zone, told), zone.clone()),
            (false, None) => self.in_named_zone(zone, told)?,
        };
        let nanos = (told - i64::from(offset)).checked_mul(1_000_000_000);
        let nanos = nanos.and_then(|nanos| nanos.checked_add(self.nanosecond));
        Ok((nanos.ok_or(Failure("the time is out of range"))?, zone))
    }

    /// Finds out what the name of a zone means: one that the default zone uses, or an offset from `GMT`, or a zone that is
    /// called so.
    fn in_named_zone(&self, zone: &Zone, told: i64) -> Result<(i32, Zone), Failure> {
        // Half a year to either side sees summer and winter.
        for around in [0, -1, 1] {
            let (offset, name) = zone.at(told + around * 182 * 86_400);
            if name == self.zone {
                return Ok((offset, zone.clone()));
            }
        }
        let hours = self.zone.strip_prefix("GMT").and_then(|hours| hours.parse::<i32>().ok());
        if let Some(hours) = hours.filter(|hours| *hours != 0) {
            // Go takes the offset for the zone and not for the time, which is as in Greenwich.
            return Ok((0, Zone::Fixed(hours * 3600, Some(self.zone.clone().into_boxed_str()))));
        }
        let named = Zone::named(&self.zone).ok_or(UNKNOWN_ZONE)?;
        Ok((offset_at(&named, told), named))
    }
}

const UNKNOWN_ZONE: Failure = Failure("the name of the zone is not known");

/// Returns the offset of a zone for a second that is told in it; of hours that are there twice or not at all as Go does.
fn offset_at(zone: &Zone, told: i64) -> i32 {
    match zone.at(told).0 {
        0 => 0,
        guess => zone.at(told - i64::from(guess)).0,
    }
}

/// Takes so many digits.
fn digits(text: &[u8], n: usize) -> Result<(i32, &[u8]), Failure> {
    let (number, rest) = text.split_at_checked(n).ok_or(UNREADABLE)?;
    if !number.iter().all(u8::is_ascii_digit) {
        return Err(UNREADABLE);
    }
    Ok((number.iter().fold(0, |number, digit| number * 10 + i32::from(digit - b'0')), rest))
}

/// Takes a text; a blank in it stands for any number of blanks, but not for none before something else.
fn skip<'t>(mut text: &'t [u8], literal: &[u8]) -> Result<&'t [u8], Failure> {
    let mut after_blank = false;
    for byte in literal {
        if *byte == b' ' {
            if !after_blank && text.first().is_some_and(|next| *next != b' ') {
                return Err(UNREADABLE);
            }
            let n_blanks = text.iter().take_while(|next| **next == b' ').count();
            text = &text[n_blanks..];
            after_blank = true;
            continue;
        }
        after_blank = false;
        text = text.strip_prefix(&[*byte]).ok_or(UNREADABLE)?;
    }
    Ok(text)
}

/// Takes one of some names, in small letters or capitals; returns its place.
fn name<'t>(text: &'t [u8], names: &[&str], is_long: bool) -> Result<(i64, &'t [u8]), Failure> {
    for (place, name) in names.iter().enumerate() {
        let name = if is_long { name } else { &name[..3] };
        if let Some((begin, rest)) = text.split_at_checked(name.len())
            && begin.eq_ignore_ascii_case(name.as_bytes())
        {
            return Ok((place as i64, rest));
        }
    }
    Err(UNREADABLE)
}

/// Returns how long the name of a zone at the begin of a text is: three to five capitals, or an offset.
fn zone_name(text: &[u8]) -> Option<usize> {
    let signed = |text: &[u8]| {
        let Some((b'+' | b'-', behind)) = text.split_first() else { return 0 };
        let n_digits = behind.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let hours = behind.get(..n_digits).and_then(|hours| digits(hours, n_digits.min(4)).ok());
        match hours {
            Some((hours, [])) if n_digits > 0 && hours <= 23 => n_digits + 1,
            _ => 0,
        }
    };
    if text.len() < 3 {
        return None;
    }
    if text.starts_with(b"ChST") || text.starts_with(b"MeST") {
        return Some(4);
    }
    if let Some(behind) = text.strip_prefix(b"GMT") {
        return Some(3 + signed(behind));
    }
    if matches!(text[0], b'+' | b'-') {
        return Some(signed(text)).filter(|length| *length > 0);
    }
    match text.iter().take(6).take_while(|byte| byte.is_ascii_uppercase()).count() {
        3 => Some(3),
        4 if text[3] == b'T' || text.starts_with(b"WITA") => Some(4),
        5 if text[4] == b'T' => Some(5),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{NO_SUCH_DAY, UNREADABLE};
    use crate::ottl::{time_format::TimeFormat, times::Zone, value::Failure};

    fn read(format: &str, text: &str) -> Result<i64, Failure> {
        TimeFormat::new(format).expect("the format is sound").read(text.as_bytes()).map(|(nanos, _)| nanos)
    }

    #[test]
    fn an_hour_that_is_told_twice_or_never_is_that_of_go() {
        let berlin = |text: &str| {
            let format = TimeFormat::new("%F %R").unwrap().within(Zone::named("Europe/Berlin").unwrap());
            format.read(text.as_bytes()).map(|(nanos, _)| nanos / 1_000_000_000)
        };
        assert_eq!(berlin("2023-03-26 02:30"), Ok(1_679_794_200));
        assert_eq!(berlin("2023-10-29 02:30"), Ok(1_698_543_000));
    }

    #[test]
    fn times_beyond_what_telemetry_can_tell_are_told_from_texts_that_are_none() {
        assert_eq!(read("%F", "2262-04-12"), Err(Failure("the time is out of range")));
        assert_eq!(read("%F", "0001-01-01"), Err(Failure("the time is out of range")));
        assert_eq!(read("%F", "2262-04-11"), Ok(9_223_286_400_000_000_000));
        assert_eq!(read("%F", "2023-02-29"), Err(NO_SUCH_DAY));
        assert_eq!(read("%F", "2023-02-2x"), Err(UNREADABLE));
    }

    #[test]
    fn what_is_wrong_with_a_format_is_told() {
        let told = |format| TimeFormat::new(format).expect_err("the format is not sound");
        assert_eq!(told(""), "a format must not be empty");
        assert_eq!(told("2006-01-02"), "a format has no digits, write directives such as %Y-%m-%d");
        assert_eq!(told("%Y%L"), "%L stands behind a point or a comma: %S.%L");
        assert_eq!(told("%Q"), "%Q is no directive of a format, see the page for those that are");
        assert_eq!(told("%é"), "%é is no directive of a format, see the page for those that are");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(nanos in any::<i64>()) {
            for format in ["%Y-%m-%dT%H:%M:%S.%s%z", "%c ,%s", "%D %r.%s %Z", "%A, %e. %B %Y %l:%M:%S,%s %P %k"] {
                let format = TimeFormat::new(format).unwrap();
                let text = format.write(nanos, &Zone::Utc).unwrap();
                prop_assert_eq!(format.read(text.as_bytes()), Ok((nanos, Zone::Utc)), "{}", text);
            }
        }

        #[test]
        fn no_format_and_no_text_break_it(format in "(%[a-zA-Z%]|[ .,:/A-Za-zé-]){0,12}", text in any::<Vec<u8>>(), like in "[-+0-9:., A-Za-z]{0,40}") {
            if let Ok(format) = TimeFormat::new(&format) {
                for text in [&text[..], like.as_bytes()] {
                    if let Ok((nanos, zone)) = format.read(text) {
                        prop_assert!(format.write(nanos, &zone).is_ok());
                    }
                }
            }
        }
    }
}
