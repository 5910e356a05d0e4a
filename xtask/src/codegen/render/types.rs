//! Calls of the macros that define enums and unions.

use std::fmt::Write as _;

use crate::codegen::doc_comments;
use crate::codegen::enums::OpenEnum;
use crate::codegen::unions::{Events, Union, Unions, Variant};

/// Renders the string enums.
pub(super) fn render_enums(enums: &[OpenEnum]) -> String {
    let mut text = "//! String enums.\n\nuse crate::open_enum::{constant, open_enum};\n".to_owned();
    for open_enum in enums {
        let OpenEnum { name, description, values, constant } = open_enum;
        let (macro_name, end) = if *constant { ("constant", "") } else { ("open_enum", ",") };
        let _ = writeln!(text, "\n{macro_name}! {{");
        write_docs(&mut text, "    ", description.as_deref(), name);
        let _ = writeln!(text, "    pub enum {name} {{");
        for (name, value) in values {
            let _ = writeln!(text, "        {name} = {value:?}{end}");
        }
        text.push_str("    }\n}\n");
    }
    text
}

/// Renders the unions.
pub(super) fn render_unions(unions: &Unions) -> String {
    let mut text = "//! Unions.\n\nuse crate::events::events;\nuse crate::structs::*;\nuse crate::union::union;\n".to_owned();
    for union in &unions.unions {
        render_union(&mut text, union);
    }
    for events in &unions.events {
        render_events(&mut text, events);
    }
    text
}

fn render_union(text: &mut String, union: &Union) {
    text.push_str("\nunion! {\n");
    write_docs(text, "    ", union.description.as_deref(), &union.name);
    let _ = writeln!(text, "    pub enum {} {{", union.name);
    if !union.constants.is_empty() {
        text.push_str("        constants {\n");
        for (name, value) in &union.constants {
            let _ = writeln!(text, "            {name} = {value:?},");
        }
        text.push_str("        }\n");
    }
    if let Some(name) = &union.text {
        let _ = writeln!(text, "        text {{ {name} }}");
    }
    if let Some((name, item)) = &union.array {
        let _ = writeln!(text, "        array {{ {name}({item}) }}");
    }
    if !union.scalars.is_empty() {
        let scalars = union.scalars.iter().map(|(name, kind)| format!("{name}({kind}),"));
        let _ = writeln!(text, "        scalars {{ {} }}", scalars.collect::<Vec<_>>().join(" "));
    }
    if !union.tagged.is_empty() {
        let _ = writeln!(text, "        tagged {:?} {{", union.tag);
        render_variants(text, &union.tagged);
        text.push_str("        }\n");
    }
    if let Some((name, body)) = &union.object {
        let _ = writeln!(text, "        object {{ {name}({body}) }}");
    }
    text.push_str("    }\n}\n");
}

fn render_variants(text: &mut String, variants: &[Variant]) {
    for variant in variants {
        let Variant { name, value, .. } = variant;
        write_docs(text, "            ", variant.description.as_deref(), value);
        let _ = writeln!(text, "            {name}({}) = {value:?},", variant.body_type());
    }
}

fn render_events(text: &mut String, events: &Events) {
    text.push_str("\nevents! {\n");
    write_docs(text, "    ", events.description.as_deref(), &events.name);
    let _ = writeln!(text, "    pub enum {} {{", events.name);
    text.push_str("        events {\n");
    render_variants(text, &events.events);
    text.push_str("        }\n");
    if !events.plain.is_empty() {
        text.push_str("        plain {\n");
        for Variant { name, description, value, body, .. } in &events.plain {
            write_docs(text, "            ", description.as_deref(), value);
            let _ = writeln!(text, "            {name} = {value:?} => {body:?},");
        }
        text.push_str("        }\n");
    }
    text.push_str("    }\n}\n");
}

/// Writes a description as a doc comment, or else the name.
fn write_docs(text: &mut String, indent: &str, description: Option<&str>, name: &str) {
    let name = format!("`{name}`");
    for line in doc_comments::lines(description.unwrap_or(&name)) {
        let _ = writeln!(text, "{indent}///{line}");
    }
}
