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
        let Change { callers, wire, text: kind, .. } = change;
        let _ = write!(text, "  {location}{kind}  [callers: {callers}, wire: {wire}]");
        let also = change.also_in();
        text.push_str(&if also.is_empty() { "\n".to_owned() } else { format!(" ({also})\n") });
    }
    text.push_str(&summary(changes));
    text
}

/// Counts the changes: `2 breaking (1 for callers, 2 on the wire), 3 compatible`.
fn summary(changes: &[Change]) -> String {
    let count = |is: &dyn Fn(&Change) -> bool| changes.iter().filter(|change| is(change)).count();
    let breaking = count(&|change| change.effect() == Effect::Breaking);
    let callers = count(&|change| change.callers == Effect::Breaking);
    let wire = count(&|change| change.wire == Effect::Breaking);
    let unknown = count(&|change| change.effect() == Effect::Unknown);
    let compatible = changes.len() - breaking - unknown;
    let mut text = format!("{breaking} breaking ({callers} for callers, {wire} on the wire), ");
    if unknown > 0 {
        let _ = write!(text, "{unknown} unknown, ");
    }
    let _ = write!(text, "{compatible} compatible");
    text
}

/// Formats changes as Markdown for a changelog, breaking changes first.
pub fn markdown(changes: &[Change]) -> String {
    let mut text = String::new();
    let sections = [
        ("Breaking", Effect::Breaking),
        ("Unknown", Effect::Unknown),
        ("Compatible", Effect::Compatible),
    ];
    for (title, effect) in sections {
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
            let broken = match (change.callers, change.wire) {
                (Effect::Breaking, Effect::Breaking) => " (callers and wire)",
                (Effect::Breaking, _) => " (callers)",
                (Effect::Unknown, Effect::Breaking) => " (wire; callers unknown)",
                (Effect::Unknown, _) => " (callers unknown)",
                (Effect::Compatible, Effect::Breaking) => " (wire)",
                (Effect::Compatible, _) => "",
            };
            let also = match change.also_in() {
                also if also.is_empty() => also,
                also => format!("; {also}"),
            };
            let Change { operation, text: kind, .. } = change;
            let _ = writeln!(text, "- `{operation}{location}`: {kind}{broken}{also}");
        }
        text.push('\n');
    }
    if text.is_empty() {
        text.push_str("No changes.\n");
    }
    text.trim_end().to_owned()
}
