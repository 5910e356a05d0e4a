//! Finds values in what a user wrote.

use std::cell::Cell;

use serde_json::{Number, Value};

/// How much of a text is searched, in characters: enough for a message, little enough to search
/// once for each property.
const SEARCHED: usize = 8_000;
/// How often a text is searched; after that nothing more is found in it.
const SEARCHES: usize = 500;
/// The longest quotation that is taken as a value, in characters.
const QUOTATION: usize = 300;

/// Words that may stand between a property's name and its value.
const CONNECTORS: [&str; 8] = ["is", "of", "to", "named", "called", "as", "are", "be"];
/// Words that are no value when they follow a property's name directly.
const FILLERS: [&str; 30] = [
    "a", "an", "and", "at", "but", "by", "can", "do", "does", "for", "from", "has", "have", "if",
    "in", "like", "now", "on", "or", "please", "than", "that", "the", "then", "there", "this",
    "today", "was", "which", "with",
];

/// Where something stands in the text, in bytes.
type Span = (usize, usize);

/// A text and which parts of it became values already.
#[derive(Debug)]
pub(super) struct Finder<'t> {
    text: &'t str,
    words: Vec<Word<'t>>,
    quotations: Vec<Span>,
    names: Vec<Span>,
    taken: Vec<Span>,
    searches: Cell<usize>,
}

#[derive(Debug)]
struct Word<'t> {
    text: &'t str,
    lower: String,
    span: Span,
    /// What stands between this word and the next.
    gap: &'t str,
}

impl<'t> Finder<'t> {
    /// Reads a text.
    pub(super) fn new(text: &'t str) -> Self {
        let end = text.char_indices().nth(SEARCHED).map_or(text.len(), |(position, _)| position);
        let text = text.get(..end).unwrap_or_default();
        let words = words(text);
        let names = names(&words);
        Self {
            text,
            quotations: quotations(text),
            words,
            names,
            taken: Vec::new(),
            searches: Cell::new(SEARCHES),
        }
    }

    /// How many parts were taken; give it to [`Finder::release`] to undo what came after.
    pub(super) fn mark(&self) -> usize {
        self.taken.len()
    }

    /// Makes available again what was taken since the mark.
    pub(super) fn release(&mut self, mark: usize) {
        self.taken.truncate(mark);
    }

    /// Whether a name or phrase occurs in the text, in any case and with spaces for underscores.
    pub(super) fn mentions(&self, name: &str) -> bool {
        !self.occurrences(name).is_empty()
    }

    /// A text for a property of this name.
    pub(super) fn string(&mut self, name: &str, fits: impl Fn(&str) -> bool) -> Option<String> {
        let after_name = self.occurrences(name);
        if self.searches.get() == 0 {
            return None;
        }
        let clear = after_name.iter().filter_map(|&(_, last)| self.value_after(last, true));
        let vague = after_name.iter().filter_map(|&(_, last)| self.value_after(last, false));
        let candidates = clear
            .chain(self.quotations.iter().copied())
            .chain(self.names.iter().copied())
            .chain(vague);
        let found =
            candidates.filter(|span| self.is_free(*span)).find(|span| fits(self.slice(*span)))?;
        self.taken.push(found);
        Some(self.slice(found).to_owned())
    }

    /// The first single word that fits, such as an address or a date. It may serve several times.
    pub(super) fn word(&mut self, fits: impl Fn(&str) -> bool) -> Option<String> {
        if !self.may_search() {
            return None;
        }
        let matching = || self.words.iter().filter(|word| fits(word.text));
        let word = matching().find(|word| self.is_free(word.span)).or_else(|| matching().next())?;
        let (span, text) = (word.span, word.text.to_owned());
        self.taken.push(span);
        Some(text)
    }

    /// A number for a property of this name: one beside the name, else the first one that fits.
    pub(super) fn number(&mut self, name: &str, fits: impl Fn(&Number) -> bool) -> Option<Number> {
        if self.searches.get() == 0 {
            return None;
        }
        let usable = |position: usize| {
            let word = self.words.get(position).filter(|word| self.is_free(word.span))?;
            let number = number(word.text).filter(&fits)?;
            Some((word.span, number))
        };
        let beside_name = self.occurrences(name).into_iter().find_map(|(first, last)| {
            (last + 1..=last + 2)
                .take_while(|position| {
                    *position == last + 1
                        || self.words.get(last + 1).is_some_and(|word| is_connector(&word.lower))
                })
                .find_map(usable)
                .or_else(|| usable(first.checked_sub(1)?))
        });
        let (span, number) = beside_name.or_else(|| (0..self.words.len()).find_map(usable))?;
        self.taken.push(span);
        Some(number)
    }

    /// The member of an enumeration that the text names first, preferably one not yet taken.
    pub(super) fn member<'v>(&mut self, members: &[&'v Value]) -> Option<&'v Value> {
        let mut found: Vec<(Span, &'v Value)> = Vec::new();
        for &member in members {
            let name = match member {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => continue,
            };
            for (first, last) in self.occurrences(&name) {
                if let (Some(from), Some(to)) = (self.words.get(first), self.words.get(last)) {
                    found.push(((from.span.0, to.span.1), member));
                }
            }
        }
        found.sort_by_key(|(span, _)| (span.0, usize::MAX - span.1));
        let free = found.iter().find(|(span, _)| self.is_free(*span));
        let &(span, member) = free.or(found.first())?;
        self.taken.push(span);
        Some(member)
    }

    /// First and last word of each place that has this name.
    fn occurrences(&self, name: &str) -> Vec<(usize, usize)> {
        if !self.may_search() {
            return Vec::new();
        }
        let whole = name.to_lowercase();
        let parts = name_parts(name);
        let mut found = Vec::new();
        for (position, word) in self.words.iter().enumerate() {
            if word.lower == whole {
                found.push((position, position));
            } else if !parts.is_empty() {
                let here = self.words.get(position..position + parts.len());
                let same = here.is_some_and(|here| {
                    here.iter().zip(&parts).all(|(word, part)| word.lower == *part)
                });
                if same {
                    found.push((position, position + parts.len() - 1));
                }
            }
        }
        found
    }

    /// What follows a name: with `clear`, only what is marked as a value by its form or by what
    /// stands between.
    fn value_after(&self, last: usize, clear: bool) -> Option<Span> {
        let mut position = last + 1;
        let mut introduced = self.words.get(last).is_some_and(|word| word.gap.contains([':', '=']));
        let mut word = self.words.get(position)?;
        if is_connector(&word.lower) && !introduced {
            introduced = word.lower != "to" && word.lower != "as";
            position += 1;
            word = self.words.get(position)?;
        }
        let within = |spans: &[Span]| {
            spans.iter().copied().find(|span| span.0 <= word.span.0 && word.span.1 <= span.1)
        };
        if let Some(span) = within(&self.quotations).or_else(|| within(&self.names)) {
            return Some(span);
        }
        let valuable = word.text.chars().any(|character| character.is_ascii_digit());
        let filler = FILLERS.contains(&word.lower.as_str()) || is_connector(&word.lower);
        ((introduced || valuable || !clear) && !filler).then_some(word.span)
    }

    fn may_search(&self) -> bool {
        let left = self.searches.get();
        self.searches.set(left.saturating_sub(1));
        left > 0
    }

    fn is_free(&self, (from, to): Span) -> bool {
        !self.taken.iter().any(|taken| taken.0 < to && from < taken.1)
    }

    fn slice(&self, (from, to): Span) -> &'t str {
        self.text.get(from..to).unwrap_or_default()
    }
}

/// The lower-case words of a name in snake, kebab or camel case.
pub(super) fn name_parts(name: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut lower_before = false;
    for character in name.chars() {
        let breaks = !character.is_alphanumeric() || (character.is_uppercase() && lower_before);
        if breaks && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
        }
        if character.is_alphanumeric() {
            part.extend(character.to_lowercase());
        }
        lower_before = character.is_lowercase();
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

fn is_connector(word: &str) -> bool {
    CONNECTORS.contains(&word)
}

/// A word that is a number, perhaps with a sign of currency or a unit around it.
fn number(word: &str) -> Option<Number> {
    let word = word.trim_start_matches(['$', '€', '£', '#', '+']);
    let end = word
        .char_indices()
        .find(|(_, character)| !matches!(character, '0'..='9' | '.' | ',' | '-'))
        .map_or(word.len(), |(position, _)| position);
    let (digits, unit) = word.split_at(end);
    if unit.chars().any(|character| character.is_ascii_digit()) || unit.chars().count() > 12 {
        return None;
    }
    let mut groups = digits.split(',').skip(1);
    if groups.any(|group| group.split('.').next().map_or(0, str::len) != 3) {
        return None;
    }
    let digits = digits.replace(',', "");
    if let Ok(whole) = digits.parse::<i64>() {
        return Some(whole.into());
    }
    digits.parse().ok().filter(|number: &f64| number.is_finite()).and_then(Number::from_f64)
}

fn words(text: &str) -> Vec<Word<'_>> {
    let mut spans: Vec<Span> = Vec::new();
    let mut start = 0;
    let mut previous = ' ';
    for (position, character) in text.char_indices() {
        let rest = text.get(position + character.len_utf8()..).unwrap_or_default();
        let separates = match character {
            '=' => !is_address(text.get(start..position).unwrap_or_default()),
            ':' => previous.is_alphabetic() && !rest.starts_with("//"),
            '—' => true,
            other => other.is_whitespace(),
        };
        if separates {
            spans.push((start, position));
            start = position + character.len_utf8();
        }
        previous = character;
    }
    spans.push((start, text.len()));
    let mut words: Vec<Word<'_>> = Vec::new();
    for (from, to) in spans {
        let piece = text.get(from..to).unwrap_or_default();
        let led = piece.trim_start_matches(is_wrapping);
        let bare = led.trim_end_matches(is_wrapping);
        if bare.is_empty() {
            continue;
        }
        let from = from + (piece.len() - led.len());
        let span = (from, from + bare.len());
        if let Some(last) = words.last_mut() {
            last.gap = text.get(last.span.1..span.0).unwrap_or_default();
        }
        words.push(Word { text: bare, lower: bare.to_lowercase(), span, gap: "" });
    }
    words
}

fn is_address(word: &str) -> bool {
    word.contains("://")
}

/// Punctuation around a word that does not belong to it.
fn is_wrapping(character: char) -> bool {
    matches!(
        character,
        '.' | ','
            | ';'
            | ':'
            | '!'
            | '?'
            | '('
            | ')'
            | '['
            | ']'
            | '{'
            | '}'
            | '<'
            | '>'
            | '"'
            | '\''
            | '“'
            | '”'
            | '‘'
            | '’'
            | '«'
            | '»'
            | '`'
            | '…'
            | '*'
            | '_'
    )
}

/// Quoted parts of a text, without the marks.
fn quotations(text: &str) -> Vec<Span> {
    let mut found = Vec::new();
    let mut resume = 0;
    let mut previous = ' ';
    for (position, mark) in text.char_indices() {
        let before = std::mem::replace(&mut previous, mark);
        let closing = match mark {
            '"' | '`' | '\'' => mark,
            '“' => '”',
            '‘' => '’',
            '«' => '»',
            '「' => '」',
            _ => continue,
        };
        if position < resume || before.is_alphanumeric() {
            continue;
        }
        let from = position + mark.len_utf8();
        let rest = text.get(from..).unwrap_or_default();
        let end = rest.char_indices().take(QUOTATION).find(|(offset, character)| {
            let after = rest.get(offset + character.len_utf8()..).unwrap_or_default();
            // An apostrophe within a word ends no quotation.
            *character == closing && !after.starts_with(char::is_alphanumeric)
        });
        let Some((length, _)) = end else { continue };
        let to = from + length;
        resume = to + closing.len_utf8();
        let content = text.get(from..to).unwrap_or_default().trim();
        // What a colon follows is a key of some JSON.
        let is_key = text.get(resume..).is_some_and(|rest| rest.trim_start().starts_with(':'));
        if !content.is_empty() && !is_key {
            found.push((from, to));
        }
    }
    found
}

/// Runs of capitalised words, other than each sentence's first word.
fn names(words: &[Word<'_>]) -> Vec<Span> {
    let mut found: Vec<Span> = Vec::new();
    let mut run: Option<Span> = None;
    let mut gap = ".";
    for word in words {
        let starts_sentence = gap.contains(['.', '!', '?', '\n']) || gap.contains(": ");
        let is_name = !starts_sentence
            && word.text.starts_with(char::is_uppercase)
            && !matches!(word.text.split(['\'', '’']).next(), Some("I"));
        // "San Francisco, CA" is one place.
        let continues = gap == " "
            || (gap == ", " && word.text.len() == 2 && word.text.chars().all(char::is_uppercase));
        run = match run {
            Some((from, _)) if is_name && continues => Some((from, word.span.1)),
            other => {
                found.extend(other);
                is_name.then_some(word.span)
            }
        };
        gap = word.gap;
    }
    found.extend(run);
    found
}
