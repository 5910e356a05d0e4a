//! Step 11, render: the files of the crate, as text.

pub mod limits;
pub mod operations;
mod setters;

use std::fmt::Write as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::docs;
use super::enums::OpenEnum;
use super::error::Error;
use super::examples;
use super::unions::{Events, Union, Unions, Variant};
use super::{File, Generated};

const LIBRARY: &str = include_str!("../../../support/lib.rs");
const OPEN_ENUM: &str = include_str!("../../../support/open_enum.rs");
const UNION: &str = include_str!("../../../support/union.rs");
const TAGGED_OBJECT: &str = include_str!("../../../support/tagged_object.rs");
const EVENTS: &str = include_str!("../../../support/events.rs");
const MANIFEST: &str = include_str!("../../../support/Cargo.toml.template");
const CALL: &str = include_str!("../../../support/call.rs");
const DECODE: &str = include_str!("../../../support/decode.rs");
const FIELD: &str = include_str!("../../../support/field.rs");
const METHODS: &str = include_str!("../../../support/methods.rs");
const OPERATION: &str = include_str!("../../../support/operation.rs");
const VALIDATE: &str = include_str!("../../../support/validate.rs");

/// The crate that the facade uses.
const API: &str = "runstep-api";

/// Renders the files of [`API`], with the methods of its types, and the setters of the facade.
pub fn render_workspace(specification: &Path, generated: &Generated) -> Result<Vec<File>, Error> {
    let header = header(specification)?;
    let mut files = render(specification, API, generated)?;
    files.push(File { path: "src/methods.rs".into(), text: format!("{header}\n{METHODS}") });
    files.push(setters::render(&header, generated)?);
    Ok(files)
}

/// Everything that goes into the crate's folder.
pub fn render(
    specification: &Path,
    package: &str,
    generated: &Generated,
) -> Result<Vec<File>, Error> {
    let Generated { original, code, unions, enums, .. } = generated;
    let header = header(specification)?;
    // Only the types of our own document have methods.
    let (methods, exports) =
        if package == API { ("mod methods;\n", "pub use methods::Outcome;\n") } else { ("", "") };
    let library = LIBRARY
        .replace("{tags}", &tags(unions))
        .replace("{methods}", methods)
        .replace("{exports}", exports);
    let source = |name: &str, text: &str| File {
        path: Path::new("src").join(name),
        text: format!("{header}\n{text}"),
    };
    let mut files = vec![
        source("lib.rs", &library),
        source("open_enum.rs", OPEN_ENUM),
        source("union.rs", UNION),
        source("tagged_object.rs", TAGGED_OBJECT),
        source("events.rs", EVENTS),
        source("call.rs", CALL),
        source("decode.rs", DECODE),
        source("field.rs", FIELD),
        source("limits.rs", &limits::render(generated)?),
        source("operation.rs", OPERATION),
        source("operations.rs", &operations::render(original)),
        source("validate.rs", VALIDATE),
        source("client.rs", &format!("{CLIENT_HEAD}{}", prettyplease::unparse(&code.client))),
        source("structs.rs", &format!("{STRUCTS_HEAD}{}", prettyplease::unparse(&code.structs))),
        source("enums.rs", &render_enums(enums)),
        source("unions.rs", &render_unions(unions)),
    ];
    let document = examples::without_examples(original.clone())?;
    files.push(File { path: "src/openapi.json".into(), text: format!("{:#}\n", document.0) });
    // Our crate has tests of its own, and all of them are one binary.
    let test = if package == API { "tests/it/examples.rs" } else { "tests/examples.rs" };
    files.extend(examples::round_trips(&header, package, Path::new(test), generated));
    Ok(files)
}

const CLIENT_HEAD: &str = "//! The operations.\n\n#![allow(clippy::all)]\n\nuse crate::types;\n#[allow(unused_imports)]\nuse crate::types::*;\n\n";
const STRUCTS_HEAD: &str = "//! The objects.\n\n#![allow(unused_imports)]\n\nuse crate::Field;\nuse crate::enums::*;\nuse crate::unions::*;\n\n";

/// The tags of all unions, as the elements of a list.
fn tags(unions: &Unions) -> String {
    let tags: std::collections::BTreeSet<&str> = unions
        .unions
        .iter()
        .map(|union| union.tag.as_str())
        .filter(|tag| !tag.is_empty())
        .collect();
    tags.into_iter().map(|tag| format!("{tag:?}")).collect::<Vec<_>>().join(", ")
}

/// What makes the files a crate that stands by itself.
pub fn manifest(name: &str, specification: &Path) -> File {
    let file =
        specification.file_name().unwrap_or_default().to_string_lossy().replace(['"', '\\'], "'");
    let text = MANIFEST.replace("{name}", name).replace("{file}", &file);
    File { path: "Cargo.toml".into(), text }
}

/// Names the document by its hash, and the command: what is needed to make the file again.
fn header(specification: &Path) -> Result<String, Error> {
    let bytes = std::fs::read(specification)
        .map_err(|source| Error::File { path: specification.to_owned(), source })?;
    let hash = Sha256::digest(&bytes).iter().fold(String::new(), |mut hash, byte| {
        let _ = write!(hash, "{byte:02x}");
        hash
    });
    let name = specification.file_name().unwrap_or_default().to_string_lossy();
    Ok(format!(
        "// @generated by `cargo xtask codegen` from {name} (sha256 {hash}).\n\
         // Do not edit: change the specification and run the command again.\n"
    ))
}

fn write_docs(text: &mut String, indent: &str, description: Option<&str>, otherwise: &str) {
    for line in docs::lines(description.unwrap_or(otherwise)) {
        let _ = writeln!(text, "{indent}///{line}");
    }
}

fn render_enums(enums: &[OpenEnum]) -> String {
    let mut text =
        "//! The strings with a meaning.\n\nuse crate::open_enum::{constant, open_enum};\n"
            .to_owned();
    for one in enums {
        let _ = writeln!(text, "\n{}! {{", if one.constant { "constant" } else { "open_enum" });
        write_docs(&mut text, "    ", one.description.as_deref(), &format!("`{}`", one.name));
        let _ = writeln!(text, "    pub enum {} {{", one.name);
        for (name, value) in &one.values {
            let end = if one.constant { "" } else { "," };
            let _ = writeln!(text, "        {name} = {value:?}{end}");
        }
        text.push_str("    }\n}\n");
    }
    text
}

fn render_unions(unions: &Unions) -> String {
    let mut text =
        "//! The choices between objects.\n\nuse crate::events::events;\nuse crate::structs::*;\nuse crate::union::union;\n".to_owned();
    for one in &unions.unions {
        render_union(&mut text, one);
    }
    for one in &unions.events {
        render_events(&mut text, one);
    }
    text
}

fn render_union(text: &mut String, union: &Union) {
    text.push_str("\nunion! {\n");
    write_docs(text, "    ", union.description.as_deref(), &format!("`{}`", union.name));
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
    if !union.tagged.is_empty() {
        let _ = writeln!(text, "        tagged {:?} {{", union.tag);
        for variant in &union.tagged {
            render_variant(text, "            ", variant);
        }
        text.push_str("        }\n");
    }
    if let Some((name, body)) = &union.object {
        let _ = writeln!(text, "        object {{ {name}({body}) }}");
    }
    text.push_str("    }\n}\n");
}

fn render_variant(text: &mut String, indent: &str, variant: &Variant) {
    write_docs(text, indent, variant.description.as_deref(), &format!("`{}`", variant.value));
    let body = variant.body_type();
    let _ = writeln!(text, "{indent}{}({body}) = {:?},", variant.name, variant.value);
}

fn render_events(text: &mut String, events: &Events) {
    text.push_str("\nevents! {\n");
    write_docs(text, "    ", events.description.as_deref(), &format!("`{}`", events.name));
    let _ = writeln!(text, "    pub enum {} {{", events.name);
    text.push_str("        events {\n");
    for variant in &events.events {
        render_variant(text, "            ", variant);
    }
    text.push_str("        }\n");
    if !events.plain.is_empty() {
        text.push_str("        plain {\n");
        for variant in &events.plain {
            write_docs(
                text,
                "            ",
                variant.description.as_deref(),
                &format!("`{}`", variant.value),
            );
            let _ = writeln!(
                text,
                "            {} = {:?} => {:?},",
                variant.name, variant.value, variant.body
            );
        }
        text.push_str("        }\n");
    }
    text.push_str("    }\n}\n");
}
