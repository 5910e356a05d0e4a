//! Strings and numbers that fit.

use serde_json::{Map, Number, Value};

use super::finder::Finder;
use super::fit::{Range, count};
use super::pattern::Pattern;

/// The longest string that is made, in characters, whatever a schema demands.
const LENGTH: usize = 10_000;

/// What some schemas together demand of a string.
#[derive(Debug)]
pub(super) struct Text<'a> {
    least: usize,
    most: usize,
    patterns: Vec<Option<Pattern>>,
    format: Option<&'a str>,
    /// Texts that a list has already.
    before: &'a [Value],
}

impl<'a> Text<'a> {
    /// What these schemas demand together.
    pub(super) fn of(schemas: &[&'a Map<String, Value>], before: &'a [Value]) -> Self {
        let schemas = || schemas.iter().copied();
        let word = |keyword: &'static str| {
            schemas().filter_map(move |schema| schema.get(keyword)?.as_str())
        };
        Self {
            before,
            least: schemas().filter_map(|schema| count(schema, "minLength")).max().unwrap_or(0),
            most: schemas()
                .filter_map(|schema| count(schema, "maxLength"))
                .min()
                .unwrap_or(usize::MAX),
            patterns: word("pattern").map(Pattern::read).collect(),
            format: word("format").find(|format| sample(format).is_some()),
        }
    }

    /// Whether a text fits. Patterns that cannot be read are taken as not fitting.
    fn accepts(&self, text: &str) -> bool {
        let length = text.chars().count();
        (self.least..=self.most).contains(&length)
            && self.format.is_none_or(|format| has_format(format, text))
            && self
                .patterns
                .iter()
                .all(|pattern| pattern.as_ref().is_some_and(|pattern| pattern.accepts(text)))
    }

    fn is_new(&self, text: &str) -> bool {
        !self.before.iter().any(|before| before.as_str() == Some(text))
    }

    /// A text from the conversation.
    pub(super) fn find(&self, name: &str, finder: &mut Finder<'_>) -> Option<String> {
        if self.format.is_some() {
            return finder.word(|word| self.accepts(word) && self.is_new(word));
        }
        // A pattern that lets in any word says nothing of which one is meant.
        let selective = !self.patterns.is_empty()
            && !["word", "Word"].map(|word| self.accepts(word)).contains(&true);
        let found = finder.string(name, |text| self.accepts(text) && self.is_new(text));
        found.or_else(|| finder.word(|word| selective && self.accepts(word) && self.is_new(word)))
    }

    /// A text without a conversation; `nth` makes the items of a list differ.
    pub(super) fn invent(&self, name: &str, nth: usize) -> Option<String> {
        if self.least > self.most {
            return None;
        }
        if let Some(text) = self.format.and_then(sample).filter(|text| self.accepts(text)) {
            return Some(text.to_owned());
        }
        let mut samples = self.patterns.iter().flatten().flat_map(|pattern| pattern.texts(nth));
        if let Some(text) = samples.find(|text| self.accepts(text)) {
            return Some(text);
        }
        let name = if name.is_empty() { "text" } else { name };
        let name = if nth == 0 { name.to_owned() } else { format!("{} {name}", nth + 1) };
        let length = name.chars().count();
        let length = length.max(self.least).min(self.most).min(LENGTH);
        Some(name.chars().cycle().take(length).collect())
    }
}

/// A text of a format, for the formats that are known.
fn sample(format: &str) -> Option<&'static str> {
    Some(match format {
        "date" => "2026-01-01",
        "date-time" => "2026-01-01T00:00:00Z",
        "time" => "00:00:00Z",
        "duration" => "P1D",
        "email" | "idn-email" => "user@example.com",
        "hostname" | "idn-hostname" => "example.com",
        "uri" | "iri" | "url" | "uri-reference" | "iri-reference" => "https://example.com/",
        "uuid" => "00000000-0000-4000-8000-000000000000",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        _ => return None,
    })
}

fn has_format(format: &str, text: &str) -> bool {
    match format {
        "date" => is_date(text),
        "time" => is_time(text),
        "date-time" => {
            text.split_once(['T', 't']).is_some_and(|(date, time)| is_date(date) && is_time(time))
        }
        "email" | "idn-email" => text.split_once('@').is_some_and(|(user, host)| {
            let plain =
                |character: char| character.is_alphanumeric() || "._%+-".contains(character);
            !user.is_empty() && user.chars().all(plain) && host.contains('.') && is_host(host)
        }),
        "hostname" | "idn-hostname" => text.contains('.') && is_host(text),
        "uri" | "iri" | "url" | "uri-reference" | "iri-reference" => {
            let address =
                ["https://", "http://"].into_iter().find_map(|scheme| text.strip_prefix(scheme));
            address.is_some_and(|rest| {
                !rest.is_empty()
                    && rest.chars().all(|character| {
                        character.is_ascii_alphanumeric()
                            || "-._~:/?#@!$&'()*+,;=".contains(character)
                    })
            })
        }
        "uuid" => {
            let groups: Vec<usize> = text.split('-').map(str::len).collect();
            groups == [8, 4, 4, 4, 12]
                && text.chars().all(|character| character == '-' || character.is_ascii_hexdigit())
        }
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        "duration" => text == "P1D",
        _ => true,
    }
}

fn is_host(text: &str) -> bool {
    text.split('.').all(|label| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|character| character.is_ascii_alphanumeric() || character == '-')
    })
}

/// The numbers between separators, if each has two digits (the first may have more).
fn fields(text: &str, separator: char, first: usize) -> Option<Vec<u32>> {
    text.split(separator)
        .enumerate()
        .map(|(position, field)| {
            let digits = if position == 0 { first } else { 2 };
            let plain = field.len() == digits && field.chars().all(|digit| digit.is_ascii_digit());
            plain.then(|| field.parse().ok()).flatten()
        })
        .collect()
}

fn is_date(text: &str) -> bool {
    let Some(fields) = fields(text, '-', 4) else { return false };
    let [year, month, day] = fields[..] else { return false };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

fn is_time(text: &str) -> bool {
    let is_clock = |text: &str, parts: usize| {
        fields(text, ':', 2).is_some_and(|fields| {
            fields.len() == parts
                && fields.iter().zip([23, 59, 59]).all(|(field, most)| *field <= most)
        })
    };
    let (clock, offset_fits) = if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        (clock, true)
    } else if let Some((clock, offset)) = text.split_once(['+', '-']) {
        (clock, is_clock(offset, 2))
    } else {
        return false;
    };
    let clock = match clock.split_once('.') {
        Some((clock, fraction)) if fraction.chars().all(|digit| digit.is_ascii_digit()) => {
            if fraction.is_empty() {
                ""
            } else {
                clock
            }
        }
        Some(_) => "",
        None => clock,
    };
    offset_fits && is_clock(clock, 3)
}

/// A number without a conversation; `nth` makes the items of a list differ.
pub(super) fn invent_number(range: &Range, whole: bool, nth: usize) -> Option<Number> {
    let nth = nth as f64;
    let step = range.steps.iter().copied().reduce(f64::max).unwrap_or(1.0);
    let lowest = range.least.or(range.above);
    let highest = range.most.or(range.below);
    let middle = lowest.zip(highest).map(|(lowest, highest)| lowest / 2.0 + highest / 2.0);
    let up = |number: f64| (number / step).ceil() * step;
    let down = |number: f64| (number / step).floor() * step;
    let candidates = [
        Some(up(1.0) + nth * step),
        lowest.map(|lowest| up(lowest) + nth * step),
        lowest.map(|lowest| up(lowest) + (nth + 1.0) * step),
        highest.map(|highest| down(highest) - nth * step),
        highest.map(|highest| down(highest) - (nth + 1.0) * step),
        lowest.map(|lowest| lowest.ceil() + nth),
        highest.map(|highest| highest.floor() - nth),
        range.least,
        range.most,
        middle,
        Some(0.0),
        // Several steps at once have this multiple in common.
        Some(range.steps.iter().product::<f64>()),
    ];
    let fits = |number: &f64| range.contains(*number) && (!whole || number.fract() == 0.0);
    to_number(candidates.into_iter().flatten().find(fits)?)
}

/// Whole numbers are written without a fraction.
fn to_number(number: f64) -> Option<Number> {
    // Beyond 2^53 a float is no exact integer any more.
    if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 {
        Some((number as i64).into())
    } else {
        Number::from_f64(number)
    }
}
