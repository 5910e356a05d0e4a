//! Renders the result of the stages as files.

pub mod command_line;
mod decoding;
mod examples;
pub mod limits;
pub mod operations;
mod request_template;
mod requests;
mod setters;
mod types;

use std::fmt::Write as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::error::Error;
use super::unions::Unions;
use super::{File, Generated, Skipped};

pub use examples::round_trips;

const LIBRARY: &str = include_str!("../../../support/lib.rs");
const MANIFEST: &str = include_str!("../../../support/Cargo.toml.template");
const METHODS: &str = include_str!("../../../support/methods.rs");

/// The modules that every crate has.
const SUPPORT: [(&str, &str); 22] = [
    ("call.rs", include_str!("../../../support/call.rs")),
    ("decode.rs", include_str!("../../../support/decode.rs")),
    ("events.rs", include_str!("../../../support/events.rs")),
    ("field.rs", include_str!("../../../support/field.rs")),
    ("json.rs", include_str!("../../../support/json.rs")),
    ("json_object.rs", include_str!("../../../support/json_object.rs")),
    ("mismatch.rs", include_str!("../../../support/mismatch.rs")),
    ("object.rs", include_str!("../../../support/object.rs")),
    ("object_reader.rs", include_str!("../../../support/object_reader.rs")),
    ("open_enum.rs", include_str!("../../../support/open_enum.rs")),
    ("operation.rs", include_str!("../../../support/operation.rs")),
    ("other.rs", include_str!("../../../support/other.rs")),
    ("property_reader.rs", include_str!("../../../support/property_reader.rs")),
    ("property_writer.rs", include_str!("../../../support/property_writer.rs")),
    ("raw.rs", include_str!("../../../support/raw.rs")),
    ("reader.rs", include_str!("../../../support/reader.rs")),
    ("slot.rs", include_str!("../../../support/slot.rs")),
    ("tagged_object.rs", include_str!("../../../support/tagged_object.rs")),
    ("tolerant_reader.rs", include_str!("../../../support/tolerant_reader.rs")),
    ("union.rs", include_str!("../../../support/union.rs")),
    ("validate.rs", include_str!("../../../support/validate.rs")),
    ("wire.rs", include_str!("../../../support/wire.rs")),
];

const CLIENT_HEAD: &str = "//! The client.\n\n#![allow(clippy::all)]\n\nuse crate::types;\n#[allow(unused_imports)]\nuse crate::types::*;\n\n";
const STRUCTS_HEAD: &str = "//! Objects.\n\n#![allow(unused_imports)]\n\nuse crate::{Field, JsonObject};\nuse crate::enums::*;\nuse crate::unions::*;\n\n";

/// The lints that a crate violates if its document has, for example, no events and no enums.
const UNUSED: &str = "#![allow(\n    dead_code,\n    unused_imports,\n    unused_macros,\n    \
    reason = \"a document need not use all that generated code supports\"\n)]\n\n";

/// The crate that the SDK uses.
const API: &str = "runstep-api";

/// Renders the files of `runstep-api`, with the methods of its types, the request builders of the SDK, and
/// the operations of the command line.
pub fn render_workspace(specification: &Path, generated: &Generated) -> Result<Vec<File>, Error> {
    let header = header(specification)?;
    let mut files = render(specification, API, generated)?;
    files.push(File { path: "src/methods.rs".into(), text: format!("{header}\n{METHODS}") });
    files.push(examples::objects(&header, API, generated));
    files.push(requests::render(&header, generated)?);
    files.push(command_line::render(&header, generated)?);
    Ok(files)
}

/// Renders the files of a crate.
pub fn render(
    specification: &Path,
    package: &str,
    generated: &Generated,
) -> Result<Vec<File>, Error> {
    let Generated { original, code, unions, enums, .. } = generated;
    let header = header(specification)?;
    let source = |name: &str, text: &str| File {
        path: Path::new("src").join(name),
        text: format!("{header}\n{text}"),
    };
    // Our own document uses everything.
    let allow = if package == API { "" } else { UNUSED };
    // Only the types of our own document have methods.
    let (methods, exports) =
        if package == API { ("mod methods;\n", "pub use methods::Outcome;\n") } else { ("", "") };
    let library = LIBRARY
        .replace("{discriminators}", &discriminators(unions))
        .replace("{allow}", allow)
        .replace("{methods}", methods)
        .replace("{exports}", exports)
        .replace("{skipped}", &skipped(&generated.skipped));
    let mut files = vec![
        source("lib.rs", &library),
        source("client.rs", &format!("{CLIENT_HEAD}{}", prettyplease::unparse(&code.client))),
        source(
            "structs.rs",
            &format!(
                "{STRUCTS_HEAD}{}",
                prettyplease::unparse(&decoding::without_wire(code.structs.clone()))
            ),
        ),
        source("decoding.rs", &decoding::render(generated)?),
        source("enums.rs", &types::render_enums(enums)),
        source("unions.rs", &types::render_unions(unions)),
        source("limits.rs", &limits::render(generated)?),
        source("operations.rs", &operations::render(original)),
    ];
    files.extend(SUPPORT.map(|(name, text)| source(name, text)));
    let document = examples::without_examples(original.clone())?;
    files.push(File { path: "src/openapi.json".into(), text: format!("{:#}\n", document.0) });
    // Our crate has other tests, too, and all of them are one binary.
    let test = if package == API { "tests/it/examples.rs" } else { "tests/examples.rs" };
    files.extend(round_trips(&header, package, Path::new(test), generated));
    Ok(files)
}

/// Returns a section with the operations that are not supported.
fn skipped(operations: &[Skipped]) -> String {
    let mut text = String::new();
    if !operations.is_empty() {
        text.push_str("//!\n//! # Operations that are not included\n//!\n");
    }
    for Skipped { operation, reason } in operations {
        // Rustdoc would take brackets and braces for links and code.
        let _ = writeln!(text, "//! - `{operation}`: {}", reason.replace('[', "\\["));
    }
    text
}

/// Returns the discriminators of all unions, as the elements of a list.
fn discriminators(unions: &Unions) -> String {
    let properties: std::collections::BTreeSet<&str> = unions
        .unions
        .iter()
        .map(|union| union.tag.as_str())
        .filter(|property| !property.is_empty())
        .collect();
    properties.into_iter().map(|property| format!("{property:?}")).collect::<Vec<_>>().join(", ")
}

/// Renders the manifest of a standalone crate.
pub fn manifest(name: &str, specification: &Path) -> File {
    let file =
        specification.file_name().unwrap_or_default().to_string_lossy().replace(['"', '\\'], "'");
    let text = MANIFEST.replace("{name}", name).replace("{file}", &file);
    File { path: "Cargo.toml".into(), text }
}

/// Returns the header of a generated file, with the hash of the document and the command.
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
