//! The table of operations of the command line: a subcommand of `runstep api` for each.

use std::collections::BTreeSet;

use heck::ToKebabCase as _;
use serde_json::Value;

use crate::codegen::document::{
    Document, alternatives, description, is_required, is_true, kind, list, resolve_schema, target,
};
use crate::codegen::error::Error;
use crate::codegen::lower::JSON;
use crate::codegen::{File, Generated};

/// The file, relative to the generated crate.
const PATH: &str = "../runstep-cli/src/commands/api/operations.rs";

const HEAD: &str = "//! The operations of the API, as commands.\n\n\
    use super::operation::{Body, Kind, Operation, Parameter, Property};\n\n";

/// The content type of a stream of events.
const EVENTS: &str = "text/event-stream";

/// The flags of the program, which no parameter and no property may have.
const RESERVED: [&str; 12] = [
    "allow-plain-http",
    "api-key-env",
    "api-key-file",
    "api-key-header",
    "base-url",
    "body",
    "color",
    "header",
    "help",
    "json",
    "query",
    "timeout",
];

/// Renders the table of the operations.
///
/// # Errors
///
/// Returns an error if an operation has two parameters or properties with the same flag, or one with a flag
/// of the program.
pub fn render(header: &str, generated: &Generated) -> Result<File, Error> {
    let document = &generated.original;
    let mut operations = Vec::new();
    for (path, method, operation) in document.operations() {
        check_flags(document, operation)?;
        operations.extend(render_operation(document, path, method, operation));
    }
    let table = format!(
        "/// All operations, in the order of the specification.
        pub(crate) const OPERATIONS: &[Operation] = &[{}];",
        operations.concat()
    );
    let code = prettyplease::unparse(&syn::parse_file(&table)?);
    Ok(File { path: PATH.into(), text: format!("{header}\n{HEAD}{code}") })
}

/// Fails if the flags of an operation are not distinct.
fn check_flags(document: &Document, operation: &Value) -> Result<(), Error> {
    let parameters = list(operation, "parameters")
        .iter()
        .filter_map(|parameter| document.resolved(parameter).get("name")?.as_str());
    let body = operation.get("requestBody").and_then(|body| body_schema(document, body));
    let properties = body.and_then(|schema| schema.get("properties")?.as_object());
    let properties = properties.into_iter().flat_map(|properties| properties.keys());
    let mut flags: BTreeSet<String> = RESERVED.map(str::to_owned).into();
    for name in parameters.chain(properties.map(String::as_str)) {
        let flag = name.to_kebab_case();
        if !flags.insert(flag.clone()) {
            let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default();
            let reason =
                format!("the command line has no free flag --{flag} for `{name}` of `{id}`");
            return Err(Error::Unexpected(reason));
        }
    }
    Ok(())
}

/// Returns the schema of a request body of JSON.
fn body_schema<'a>(document: &'a Document, body: &'a Value) -> Option<&'a Value> {
    let schema = document.resolved(body).get("content")?.get(JSON)?.get("schema")?;
    Some(resolve_schema(document, schema))
}

/// Renders an operation. One without an operation ID has no command.
fn render_operation(
    document: &Document,
    path: &str,
    method: &str,
    operation: &Value,
) -> Option<String> {
    let text = |key: &str| operation.get(key).and_then(Value::as_str);
    let id = text("operationId")?;
    let sdk_name = text("x-sdk-name").unwrap_or(id);
    let summary = text("summary").unwrap_or(id);
    let help = text("description").unwrap_or_default();
    let content = |key: &str| {
        let success = operation.get("responses")?.get("200")?;
        document.resolved(success).get("content")?.get(key)
    };
    let response = content(JSON).and_then(|json| target(json.get("schema")?));
    let parameters: String = list(operation, "parameters")
        .iter()
        .map(|parameter| render_parameter(document, document.resolved(parameter)))
        .collect();
    let body = operation.get("requestBody").map(|body| document.resolved(body));
    let body = body.and_then(|body| Some(format!("Some({})", render_body(document, body)?)));
    Some(format!(
        "Operation {{
            id: {id:?},
            command: {:?},
            sdk_name: {sdk_name:?},
            method: {:?},
            path: {path:?},
            summary: {:?},
            description: {:?},
            parameters: &[{parameters}],
            body: {},
            response: {response:?},
            streams: {},
        }},",
        id.to_kebab_case(),
        method.to_uppercase(),
        summary.trim(),
        help.trim(),
        body.as_deref().unwrap_or("None"),
        content(EVENTS).is_some(),
    ))
}

fn render_parameter(document: &Document, parameter: &Value) -> String {
    let text = |key: &str| parameter.get(key).and_then(Value::as_str).unwrap_or_default();
    let schema = resolve_schema(document, parameter.get("schema").unwrap_or(&Value::Null));
    let is_list = kind(schema) == Some("array");
    let item = if is_list { schema.get("items").unwrap_or(&Value::Null) } else { schema };
    // Any other value is text in a path or a query, too.
    let kind = simple_kind(document, item).unwrap_or_else(|| "Kind::Text(&[])".to_owned());
    format!(
        "Parameter {{ name: {:?}, flag: {:?}, is_in_path: {}, is_required: {}, is_list: {is_list},
            kind: {kind}, help: {:?} }},",
        text("name"),
        text("name").to_kebab_case(),
        text("in") == "path",
        is_true(parameter, "required"),
        text("description").trim(),
    )
}

/// Renders a body of JSON. Properties that are neither a single value nor a map of texts have no flag.
fn render_body(document: &Document, body: &Value) -> Option<String> {
    let schema = body_schema(document, body)?;
    let mut simple = String::new();
    let mut other = Vec::new();
    for (name, property) in schema.get("properties").and_then(Value::as_object)? {
        let Some(kind) = simple_kind(document, property) else {
            other.push(name);
            continue;
        };
        let help = description(property)
            .or_else(|| description(resolve_schema(document, property)))
            .unwrap_or_default();
        simple.push_str(&format!(
            "Property {{ name: {name:?}, flag: {:?}, is_required: {}, kind: {kind}, help: {help:?} }},",
            name.to_kebab_case(),
            is_required(schema, name),
        ));
    }
    Some(format!(
        "Body {{ is_required: {}, properties: &[{simple}], other_properties: &{other:?} }}",
        is_true(body, "required")
    ))
}

/// Returns the kind of a value that fits into one argument.
fn simple_kind(document: &Document, schema: &Value) -> Option<String> {
    let schema = resolve_schema(document, schema);
    let not_null = |schema: &&Value| kind(schema) != Some("null");
    let mut variants = alternatives(schema).filter(not_null).peekable();
    if variants.peek().is_some() {
        let variants: Vec<&Value> = variants.collect();
        return match variants.as_slice() {
            [only] => simple_kind(document, only),
            // A text that may also be something else, such as the content of a message.
            several => {
                let is_text = |schema: &&&Value| {
                    let schema = resolve_schema(document, schema);
                    kind(schema) == Some("string")
                        && schema.get("enum").is_none()
                        && schema.get("const").is_none()
                };
                several.iter().find(is_text).map(|_| "Kind::Text(&[])".to_owned())
            }
        };
    }
    match type_of(schema)? {
        "string" => {
            let values: Vec<&str> = list(schema, "enum").iter().filter_map(Value::as_str).collect();
            Some(format!("Kind::Text(&{values:?})"))
        }
        "integer" => Some("Kind::Integer".to_owned()),
        "number" => Some("Kind::Number".to_owned()),
        "boolean" => Some("Kind::Boolean".to_owned()),
        "object" => {
            let values = schema.get("additionalProperties")?;
            let is_map = kind(values) == Some("string") && schema.get("properties").is_none();
            is_map.then(|| "Kind::Map".to_owned())
        }
        _ => None,
    }
}

/// Returns the only type of a schema besides null.
fn type_of(schema: &Value) -> Option<&str> {
    let listed: Vec<&str> = list(schema, "type")
        .iter()
        .filter_map(Value::as_str)
        .filter(|kind| *kind != "null")
        .collect();
    match listed.as_slice() {
        [] => kind(schema),
        [only] => Some(only),
        _ => None,
    }
}
