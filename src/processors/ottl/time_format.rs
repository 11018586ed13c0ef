//! Formats of times with percent signs, as `Time` reads and `FormatTime` writes by them; and how times are written.
//!
//! *Source*: the collector's `ctimefmt`, which translates them to the layouts of Go's package `time`; so the names of
//! months, days and halves of a day are directives where they stand in a format as they are, fractions end in no zeros,
//! and `%o` writes an underscore. `time_reading` reads by them.

use super::{
    times::{Date, Zone},
    value::Failure,
};

/// A part of a format.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Piece {
    Literal(String),
    LongYear,
    ShortYear,
    MonthName {
        is_long: bool,
    },
    WeekdayName {
        is_long: bool,
    },
    /// A month, day, hour, minute or second.
    Number {
        of: Unit,
        pad: Pad,
    },
    /// `AM`, or `am`.
    Half {
        is_capital: bool,
    },
    /// A separator and so many digits at most.
    Fraction {
        separator: char,
        digits: usize,
    },
    /// An offset from Greenwich.
    Offset(Shape),
    ZoneName,
    /// A date of slashes, whose year has four digits or two where it is read.
    SlashDate,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unit {
    Month,
    Day,
    Hour,
    /// From 1 to 12.
    HalfHour,
    Minute,
    Second,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pad {
    None,
    Zero,
    Blank,
}

/// How an offset is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// `Z`, or `+0100`; `+01:00` and `+01` are read as well.
    Zulu,
    Hours,
    Minutes {
        colon: bool,
    },
    Seconds {
        colon: bool,
    },
}

/// A format that has been checked.
#[derive(Clone, Debug)]
pub(super) struct TimeFormat {
    pub(super) pieces: Vec<Piece>,
    /// The zone of times that name none.
    pub(super) zone: Zone,
}

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub(super) const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

impl TimeFormat {
    /// Reads a format. *Errors*: what is wrong with it.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("a format must not be empty".to_owned());
        }
        if text.bytes().any(|byte| byte.is_ascii_digit()) {
            return Err("a format has no digits, write directives such as %Y-%m-%d".to_owned());
        }
        let mut format = Self { pieces: Vec::new(), zone: Zone::Utc };
        let mut letters = text.char_indices();
        let mut literal_from = 0;
        while let Some((at, letter)) = letters.next() {
            if letter != '%' {
                continue;
            }
            // A sign at the end stands for itself.
            let Some((behind, directive)) = letters.next() else { break };
            format.literal(&text[literal_from..at]);
            format.directive(directive)?;
            literal_from = behind + directive.len_utf8();
        }
        format.literal(&text[literal_from..]);
        Ok(format)
    }

    /// Sets the zone of times that name none.
    pub(super) fn within(self, zone: Zone) -> Self {
        Self { zone, ..self }
    }

    /// Whether a time of this format says its year.
    pub(super) fn has_year(&self) -> bool {
        let tells = |piece: &Piece| matches!(piece, Piece::LongYear | Piece::ShortYear | Piece::SlashDate);
        self.pieces.iter().any(tells)
    }

    fn directive(&mut self, directive: char) -> Result<(), String> {
        let number = |of, pad| Piece::Number { of, pad };
        let piece = match directive {
            'Y' => Piece::LongYear,
            'y' => Piece::ShortYear,
            'm' => number(Unit::Month, Pad::Zero),
            'o' => number(Unit::Month, Pad::Blank),
            'q' => number(Unit::Month, Pad::None),
            'b' | 'h' => Piece::MonthName { is_long: false },
            'B' => Piece::MonthName { is_long: true },
            'd' => number(Unit::Day, Pad::Zero),
            'e' => number(Unit::Day, Pad::Blank),
            'g' => number(Unit::Day, Pad::None),
            'a' => Piece::WeekdayName { is_long: false },
            'A' => Piece::WeekdayName { is_long: true },
            'H' => number(Unit::Hour, Pad::Zero),
            'l' => number(Unit::HalfHour, Pad::None),
            'I' => number(Unit::HalfHour, Pad::Zero),
            'p' => Piece::Half { is_capital: true },
            'P' => Piece::Half { is_capital: false },
            'M' => number(Unit::Minute, Pad::Zero),
            'S' => number(Unit::Second, Pad::Zero),
            'L' => self.fraction(directive, 3)?,
            'f' => self.fraction(directive, 6)?,
            's' => self.fraction(directive, 9)?,
            'Z' => Piece::ZoneName,
            'z' => Piece::Offset(Shape::Zulu),
            'w' => Piece::Offset(Shape::Seconds { colon: false }),
            'i' => Piece::Offset(Shape::Hours),
            'j' => Piece::Offset(Shape::Minutes { colon: true }),
            'k' => Piece::Offset(Shape::Seconds { colon: true }),
            'D' | 'x' => Piece::SlashDate,
            'F' => return self.several("Y-m-d"),
            'T' | 'X' => return self.several("H:M:S"),
            'r' => return self.several("I:M:S P"),
            'R' => return self.several("H:M"),
            'c' => return self.several("a b d H:M:S Y"),
            'n' | 't' | '%' => {
                self.put(match directive {
                    'n' => '\n',
                    't' => '\t',
                    _ => '%',
                });
                return Ok(());
            }
            other => {
                return Err(format!("%{other} is no directive of a format, see the page for those that are"));
            }
        };
        self.pieces.push(piece);
        Ok(())
    }

    fn several(&mut self, directives: &str) -> Result<(), String> {
        for letter in directives.chars() {
            match letter.is_ascii_alphabetic() {
                true => self.directive(letter)?,
                false => self.put(letter),
            }
        }
        Ok(())
    }

    /// Takes the separator from the text before it.
    fn fraction(&mut self, directive: char, digits: usize) -> Result<Piece, String> {
        let separator = match self.pieces.last_mut() {
            Some(Piece::Literal(text)) => text.pop().filter(|last| matches!(last, '.' | ',')),
            _ => None,
        };
        let Some(separator) = separator else {
            return Err(format!("%{directive} stands behind a point or a comma: %S.%{directive}"));
        };
        self.pieces.pop_if(|last| matches!(last, Piece::Literal(text) if text.is_empty()));
        Ok(Piece::Fraction { separator, digits })
    }

    fn put(&mut self, letter: char) {
        match self.pieces.last_mut() {
            Some(Piece::Literal(before)) => before.push(letter),
            _ => self.pieces.push(Piece::Literal(letter.to_string())),
        }
    }

    /// Adds text, in which names are directives as well.
    fn literal(&mut self, text: &str) {
        const NAMES: [(&str, Piece); 7] = [
            ("January", Piece::MonthName { is_long: true }),
            ("Jan", Piece::MonthName { is_long: false }),
            ("Monday", Piece::WeekdayName { is_long: true }),
            ("Mon", Piece::WeekdayName { is_long: false }),
            ("MST", Piece::ZoneName),
            ("PM", Piece::Half { is_capital: true }),
            ("pm", Piece::Half { is_capital: false }),
        ];
        // `Month` and `Janitor` are words.
        let is_name = |name: &str, behind: &str| {
            !matches!(name, "Jan" | "Mon") || !behind.starts_with(|next: char| next.is_ascii_lowercase())
        };
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            let found = NAMES.iter().find_map(|(name, piece)| {
                let behind = rest.strip_prefix(name).filter(|behind| is_name(name, behind))?;
                Some((piece, behind))
            });
            rest = match found {
                Some((piece, behind)) => {
                    self.pieces.push(piece.clone());
                    behind
                }
                None => {
                    self.put(letter);
                    &rest[letter.len_utf8()..]
                }
            };
        }
    }

    /// Writes a time.
    pub(super) fn write(&self, nanos: i64, zone: &Zone) -> Result<String, Failure> {
        let date = Date::of(nanos, zone)?;
        let mut out = String::new();
        for piece in &self.pieces {
            piece.write(&date, &mut out);
        }
        Ok(out)
    }
}

impl Piece {
    fn write(&self, date: &Date, out: &mut String) {
        use std::fmt::Write;
        let written = match self {
            Self::Literal(text) => out.write_str(text),
            Self::LongYear => write!(out, "{:04}", date.year),
            Self::ShortYear => write!(out, "{:02}", date.year.rem_euclid(100)),
            Self::MonthName { is_long } => {
                let name = MONTHS.get(date.month as usize - 1).copied().unwrap_or_default();
                out.write_str(if *is_long { name } else { &name[..3] })
            }
            Self::WeekdayName { is_long } => {
                let name = WEEKDAYS.get(date.weekday as usize).copied().unwrap_or_default();
                out.write_str(if *is_long { name } else { &name[..3] })
            }
            Self::Number { of, pad } => {
                let number = match of {
                    Unit::Month => date.month,
                    Unit::Day => date.day,
                    Unit::Hour => date.hour,
                    Unit::HalfHour => (date.hour + 11) % 12 + 1,
                    Unit::Minute => date.minute,
                    Unit::Second => date.second,
                };
                match (pad, of) {
                    (Pad::None, _) => write!(out, "{number}"),
                    (Pad::Zero, _) => write!(out, "{number:02}"),
                    // Go knows no month after a blank.
                    (Pad::Blank, Unit::Month) => write!(out, "_{number}"),
                    (Pad::Blank, _) => write!(out, "{number:2}"),
                }
            }
            Self::Half { is_capital } => out.write_str(match (date.hour >= 12, is_capital) {
                (true, true) => "PM",
                (false, true) => "AM",
                (true, false) => "pm",
                (false, false) => "am",
            }),
            Self::Fraction { separator, digits } => {
                let all = format!("{:09}", date.nanosecond);
                let shown = all.get(..*digits).unwrap_or(&all).trim_end_matches('0');
                match shown {
                    "" => Ok(()),
                    shown => write!(out, "{separator}{shown}"),
                }
            }
            Self::Offset(Shape::Zulu) if date.offset == 0 => out.write_char('Z'),
            Self::Offset(shape) => write_offset(date.offset, *shape, out),
            Self::ZoneName if date.zone.is_empty() => {
                write_offset(date.offset, Shape::Minutes { colon: false }, out)
            }
            Self::ZoneName => out.write_str(&date.zone),
            Self::SlashDate => write!(out, "{:02}/{:02}/{:04}", date.month, date.day, date.year),
        };
        written.expect("a string takes all that is written");
    }
}

fn write_offset(offset: i32, shape: Shape, out: &mut String) -> std::fmt::Result {
    use std::fmt::Write;
    // Less than a minute west has no sign in Go.
    out.push(if offset / 60 < 0 { '-' } else { '+' });
    let (minutes, seconds) = ((offset / 60).abs(), offset.abs() % 60);
    let (hours, minutes) = (minutes / 60, minutes % 60);
    match shape {
        Shape::Hours => write!(out, "{hours:02}"),
        Shape::Zulu | Shape::Minutes { colon: false } => write!(out, "{hours:02}{minutes:02}"),
        Shape::Minutes { colon: true } => write!(out, "{hours:02}:{minutes:02}"),
        Shape::Seconds { colon: false } => write!(out, "{hours:02}{minutes:02}{seconds:02}"),
        Shape::Seconds { colon: true } => write!(out, "{hours:02}:{minutes:02}:{seconds:02}"),
    }
}
