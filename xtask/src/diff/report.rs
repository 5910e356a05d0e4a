//! Changes as people read them.

use std::fmt::Write as _;

use super::change::{Change, Effect};

/// As text: by operation, with whom each change breaks.
pub fn text(changes: &[Change]) -> String {
    let mut text = String::new();
    let mut last = "";
    for change in changes {
        if change.operation != last {
            let _ = writeln!(text, "{}", change.operation);
            last = &change.operation;
        }
        let place =
            if change.place.is_empty() { String::new() } else { format!("{}: ", change.place) };
        let (callers, wire) = (change.for_callers(), change.for_the_wire());
        let _ = write!(text, "  {place}{}  [callers: {callers}, wire: {wire}]", change.what);
        let also = change.also_in();
        text.push_str(&if also.is_empty() { "\n".to_owned() } else { format!(" ({also})\n") });
    }
    let breaking = changes.iter().filter(|change| change.effect() == Effect::Breaking).count();
    let _ = write!(text, "{breaking} breaking, {} compatible", changes.len() - breaking);
    text
}

/// As Markdown for a changelog: what breaks first.
pub fn markdown(changes: &[Change]) -> String {
    let mut text = String::new();
    for (title, effect) in [("Breaking", Effect::Breaking), ("Compatible", Effect::Compatible)] {
        let mut of_kind = changes.iter().filter(|change| change.effect() == effect).peekable();
        if of_kind.peek().is_none() {
            continue;
        }
        let _ = writeln!(text, "### {title}\n");
        for change in of_kind {
            let place =
                if change.place.is_empty() { String::new() } else { format!(", {}", change.place) };
            let whom = match (change.for_callers(), change.for_the_wire()) {
                (Effect::Breaking, Effect::Breaking) => " (callers and wire)",
                (Effect::Breaking, Effect::Compatible) => " (callers)",
                (Effect::Compatible, Effect::Breaking) => " (wire)",
                (Effect::Compatible, Effect::Compatible) => "",
            };
            let place = place.replace('`', "");
            let also = match change.also_in() {
                also if also.is_empty() => also,
                also => format!("; {also}"),
            };
            let _ = writeln!(text, "- `{}{place}`: {}{whom}{also}", change.operation, change.what);
        }
        text.push('\n');
    }
    if text.is_empty() {
        text.push_str("No changes.\n");
    }
    text.trim_end().to_owned()
}
