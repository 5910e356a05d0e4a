//! The common part of regular expressions: enough to make a text that a pattern accepts.

use std::collections::BTreeSet;

/// How deep groups may lie within each other.
const DEPTH: usize = 8;
/// The longest text that is made or tested, in characters.
const LENGTH: usize = 256;
/// Work that one test may take.
const STEPS: usize = 20_000;

/// A pattern of literals, classes, groups, alternatives and repetitions.
#[derive(Debug)]
pub(super) struct Pattern {
    alternatives: Vec<Branch>,
}

#[derive(Debug)]
struct Branch {
    pieces: Vec<Repeated>,
    from_start: bool,
    to_end: bool,
}

#[derive(Debug)]
struct Repeated {
    piece: Piece,
    least: usize,
    most: usize,
}

#[derive(Debug)]
enum Piece {
    Class { ranges: Vec<(char, char)>, negated: bool },
    Group(Vec<Vec<Repeated>>),
}

impl Pattern {
    /// Reads a pattern; nothing for one that has more than the common part.
    pub(super) fn read(pattern: &str) -> Option<Self> {
        let mut reader = Reader { rest: pattern, depth: 0 };
        let mut alternatives = Vec::new();
        loop {
            let from_start = reader.take("^");
            let pieces = reader.pieces()?;
            let to_end = reader.take("$");
            alternatives.push(Branch { pieces, from_start, to_end });
            if !reader.take("|") {
                break;
            }
        }
        reader.rest.is_empty().then_some(Self { alternatives })
    }

    /// Whether a text has the pattern.
    pub(super) fn accepts(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        if text.len() > LENGTH {
            return false;
        }
        let mut matching = Matching { text: &text, steps: STEPS };
        self.alternatives.iter().any(|branch| {
            let last = if branch.from_start { 0 } else { text.len() };
            let ends = matching.sequence(&branch.pieces, (0..=last).collect());
            if branch.to_end { ends.contains(&text.len()) } else { !ends.is_empty() }
        })
    }

    /// Texts that have the pattern, ever longer ones where it leaves the length open. Those for
    /// another `nth` differ where the pattern leaves that open.
    pub(super) fn texts(&self, nth: usize) -> impl Iterator<Item = String> + '_ {
        let branches = self.alternatives.iter();
        branches.flat_map(move |branch| {
            [0, 1, 2, 4, 8, 16, 32, 64].into_iter().map(move |extra| {
                let mut text = String::new();
                write(&branch.pieces, extra, nth, &mut text);
                text
            })
        })
    }
}

fn write(pieces: &[Repeated], extra: usize, nth: usize, text: &mut String) {
    for repeated in pieces {
        let times = repeated.least.saturating_add(extra).min(repeated.most);
        for _ in 0..times {
            if text.len() >= LENGTH {
                return;
            }
            let before = text.len();
            match &repeated.piece {
                Piece::Class { ranges, negated } => text.extend(member(ranges, *negated, nth)),
                Piece::Group(branches) => {
                    write(branches.first().map_or(&[], Vec::as_slice), extra, nth, text);
                }
            }
            // A group without content stays so however often it is repeated.
            if text.len() == before {
                break;
            }
        }
    }
}

fn member(ranges: &[(char, char)], negated: bool, nth: usize) -> Option<char> {
    let all = "a0A -_.".chars().chain(' '..='~');
    let usual = all.filter(|character| contains(ranges, *character) != negated);
    let first = ranges.first().filter(|_| !negated).map(|range| range.0);
    // The usual one at first, then the others in turn.
    let other = usual.clone().skip(1).nth(nth);
    other.filter(|_| nth > 0).or(usual.clone().next()).or(first)
}

fn contains(ranges: &[(char, char)], character: char) -> bool {
    ranges.iter().any(|(from, to)| (*from..=*to).contains(&character))
}

struct Reader<'p> {
    rest: &'p str,
    depth: usize,
}

impl Reader<'_> {
    fn take(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn next(&mut self) -> Option<char> {
        let character = self.rest.chars().next()?;
        self.rest = self.rest.get(character.len_utf8()..)?;
        Some(character)
    }

    fn pieces(&mut self) -> Option<Vec<Repeated>> {
        let mut pieces = Vec::new();
        while !self.rest.is_empty() && !self.rest.starts_with(['|', ')', '$']) {
            let piece = self.piece()?;
            let (least, most) = self.repetition()?;
            pieces.push(Repeated { piece, least, most });
        }
        Some(pieces)
    }

    fn piece(&mut self) -> Option<Piece> {
        let class = |ranges| Some(Piece::Class { ranges, negated: false });
        match self.next()? {
            '(' => self.group(),
            '[' => self.class(),
            '.' => Some(Piece::Class { ranges: vec![('\n', '\n')], negated: true }),
            '\\' => {
                let (ranges, negated) = self.escape()?;
                Some(Piece::Class { ranges, negated })
            }
            '^' | '*' | '+' | '?' | '{' => None,
            literal => class(vec![(literal, literal)]),
        }
    }

    fn group(&mut self) -> Option<Piece> {
        if !self.take("?:") && self.rest.starts_with('?') {
            return None;
        }
        self.depth += 1;
        if self.depth > DEPTH {
            return None;
        }
        let mut branches = vec![self.pieces()?];
        while self.take("|") {
            branches.push(self.pieces()?);
        }
        self.depth -= 1;
        self.take(")").then_some(Piece::Group(branches))
    }

    fn class(&mut self) -> Option<Piece> {
        let negated = self.take("^");
        let mut ranges = Vec::new();
        while !self.take("]") {
            let from = match self.next()? {
                '\\' => match self.escape()? {
                    (single, false) if single.len() == 1 => {
                        let (from, to) = single.first().copied()?;
                        if from != to {
                            ranges.push((from, to));
                            continue;
                        }
                        from
                    }
                    (several, false) => {
                        ranges.extend(several);
                        continue;
                    }
                    (_, true) => return None,
                },
                literal => literal,
            };
            let to = if self.rest.starts_with('-') && !self.rest.starts_with("-]") {
                self.next()?;
                match self.next()? {
                    '\\' => self.escape()?.0.first()?.0,
                    literal => literal,
                }
            } else {
                from
            };
            ranges.push((from, to));
        }
        Some(Piece::Class { ranges, negated })
    }

    fn escape(&mut self) -> Option<(Vec<(char, char)>, bool)> {
        let word = || vec![('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')];
        let space = || vec![(' ', ' '), ('\t', '\r')];
        let escaped = self.next()?;
        Some(match escaped {
            'd' => (vec![('0', '9')], false),
            'D' => (vec![('0', '9')], true),
            'w' => (word(), false),
            'W' => (word(), true),
            's' => (space(), false),
            'S' => (space(), true),
            'n' => (vec![('\n', '\n')], false),
            't' => (vec![('\t', '\t')], false),
            other if other.is_alphanumeric() => return None,
            other => (vec![(other, other)], false),
        })
    }

    fn repetition(&mut self) -> Option<(usize, usize)> {
        let bounds = if self.take("*") {
            (0, usize::MAX)
        } else if self.take("+") {
            (1, usize::MAX)
        } else if self.take("?") {
            (0, 1)
        } else if self.take("{") {
            let (inside, rest) = self.rest.split_once('}')?;
            self.rest = rest;
            match inside.split_once(',') {
                None => {
                    let count = inside.parse().ok()?;
                    (count, count)
                }
                Some((least, "")) => (least.parse().ok()?, usize::MAX),
                Some((least, most)) => (least.parse().ok()?, most.parse().ok()?),
            }
        } else {
            return Some((1, 1));
        };
        self.take("?");
        (bounds.0 <= bounds.1 && !self.rest.starts_with(['*', '+', '{'])).then_some(bounds)
    }
}

struct Matching<'t> {
    text: &'t [char],
    steps: usize,
}

impl Matching<'_> {
    /// Where matches may end that begin at these positions. Sets instead of backtracking keep the
    /// work small whatever the pattern is.
    fn sequence(&mut self, pieces: &[Repeated], starts: BTreeSet<usize>) -> BTreeSet<usize> {
        let mut positions = starts;
        for repeated in pieces {
            let mut ends = BTreeSet::new();
            if repeated.least == 0 {
                ends.clone_from(&positions);
            }
            let mut times = 0;
            while times < repeated.most && !positions.is_empty() {
                let next = self.piece(&repeated.piece, &positions);
                times += 1;
                // Once nothing changes, no further repetition will.
                let settled =
                    next == positions || (times >= repeated.least && next.is_subset(&ends));
                if times >= repeated.least || settled {
                    ends.extend(&next);
                }
                positions = next;
                if settled {
                    break;
                }
            }
            positions = ends;
        }
        positions
    }

    fn piece(&mut self, piece: &Piece, starts: &BTreeSet<usize>) -> BTreeSet<usize> {
        match self.steps.checked_sub(starts.len() + 1) {
            Some(left) => self.steps = left,
            None => return BTreeSet::new(),
        }
        match piece {
            Piece::Class { ranges, negated } => {
                let fits = |position: &&usize| {
                    let character = self.text.get(**position);
                    character.is_some_and(|character| contains(ranges, *character) != *negated)
                };
                starts.iter().filter(fits).map(|position| position + 1).collect()
            }
            Piece::Group(branches) => {
                let mut ends = BTreeSet::new();
                for branch in branches {
                    ends.extend(self.sequence(branch, starts.clone()));
                }
                ends
            }
        }
    }
}
