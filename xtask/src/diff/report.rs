//! Reports of changes.

use std::fmt::Write as _;

use super::change::{Change, Effect};

/// Formats changes as text, by operation.
pub fn text(changes: &[Change]) -> String {
    let mut text = String::new();
    let mut last = "";
    for change in changes {
        if change.operation != last {
            let _ = writeln!(text, "{}", change.operation);
            last = &change.operation;
        }
        let location = match change.location.as_str() {
            "" => String::new(),
            location => format!("{location}: "),
        };
        let (callers, wire) = (change.effect_on_callers(), change.effect_on_wire());
        let _ = write!(text, "  {location}{}  [callers: {callers}, wire: {wire}]", change.kind);
        let also = change.also_in();
        text.push_str(&if also.is_empty() { "\n".to_owned() } else { format!(" ({also})\n") });
    }
    let breaking = changes.iter().filter(|change| change.effect() == Effect::Breaking).count();
    let _ = write!(text, "{breaking} breaking, {} compatible", changes.len() - breaking);
    text
}

/// Formats changes as Markdown for a changelog, breaking changes first.
pub fn markdown(changes: &[Change]) -> String {
    let mut text = String::new();
    for (title, effect) in [("Breaking", Effect::Breaking), ("Compatible", Effect::Compatible)] {
        let mut of_kind = changes.iter().filter(|change| change.effect() == effect).peekable();
        if of_kind.peek().is_none() {
            continue;
        }
        let _ = writeln!(text, "### {title}\n");
        for change in of_kind {
            let location = match change.location.as_str() {
                "" => String::new(),
                location => format!(", {}", location.replace('`', "")),
            };
            let broken = match (change.effect_on_callers(), change.effect_on_wire()) {
                (Effect::Breaking, Effect::Breaking) => " (callers and wire)",
                (Effect::Breaking, Effect::Compatible) => " (callers)",
                (Effect::Compatible, Effect::Breaking) => " (wire)",
                (Effect::Compatible, Effect::Compatible) => "",
            };
            let also = match change.also_in() {
                also if also.is_empty() => also,
                also => format!("; {also}"),
            };
            let _ =
                writeln!(text, "- `{}{location}`: {}{broken}{also}", change.operation, change.kind);
        }
        text.push('\n');
    }
    if text.is_empty() {
        text.push_str("No changes.\n");
    }
    text.trim_end().to_owned()
}
