//! A test of the examples in the specification: each is decoded and encoded.

use std::collections::BTreeMap;
use std::path::Path;

use heck::ToSnakeCase as _;
use serde_json::{Map, Value};

use crate::codegen::document::{Document, rust_name};
use crate::codegen::error::Error;
use crate::codegen::rewrite::{Form, Wire};
use crate::codegen::{File, Generated};

/// Removes the examples from the document. They are in the test.
pub(super) fn without_examples(mut document: Document) -> Result<Document, Error> {
    document.visit_schemas(&mut |_, schema| {
        if let Some(map) = schema.as_object_mut() {
            map.shift_remove("examples");
        }
        Ok(())
    })?;
    Ok(document)
}

/// Returns the examples as JSON, and a test for each schema that has examples and became a type.
pub fn round_trips(header: &str, package: &str, path: &Path, generated: &Generated) -> Vec<File> {
    let types = types(generated);
    let mut tests = String::new();
    let mut examples = Map::new();
    for (name, schema) in generated.original.schemas() {
        let name = rust_name(name);
        let (Some(Value::Array(list)), Some(decoded)) = (schema.get("examples"), types.get(&name))
        else {
            continue;
        };
        let arguments =
            if *decoded == name { name.clone() } else { format!("{name} as {decoded}") };
        tests.push_str(&format!("round_trip!({}, {arguments});\n", test_name(&name)));
        examples.insert(name, Value::Array(list.clone()));
    }
    if examples.is_empty() {
        return Vec::new();
    }
    let depth = path.components().count().saturating_sub(2);
    let json = format!("{}examples.json", "../".repeat(depth));
    let harness = HARNESS.replace("{crate}", &package.replace('-', "_")).replace("{json}", &json);
    let text = format!("{header}\n{harness}\n{tests}");
    vec![
        File { path: path.to_owned(), text },
        File {
            path: "tests/examples.json".into(),
            text: format!("{:#}\n", Value::Object(examples)),
        },
    ]
}

/// Renders a list of all objects with the properties that must be present, for tests of decoding.
pub(super) fn objects(header: &str, package: &str, generated: &Generated) -> File {
    let mut text =
        OBJECTS.replace("{header}", header).replace("{crate}", &package.replace('-', "_"));
    for (name, item) in generated.structs() {
        let properties = item.fields.iter().filter_map(Wire::of);
        let required = properties.filter(|property| property.form == Form::Required);
        let required: Vec<String> =
            required.map(|property| format!("{:?}", property.name)).collect();
        text.push_str(&format!(
            "    ({name:?}, &[{}], rewritten::<types::{name}>),\n",
            required.join(", ")
        ));
    }
    text.push_str("];\n");
    File { path: "tests/it/objects.rs".into(), text }
}

/// Maps schemas to the types that decode them. An object of a union is decoded by the union, which
/// has its discriminator.
fn types(generated: &Generated) -> BTreeMap<String, String> {
    let mut types: BTreeMap<String, String> =
        generated.structs().map(|(name, _)| (name.clone(), name)).collect();
    let enums = generated.enums.iter().map(|open_enum| &open_enum.name);
    let events = generated.unions.events.iter().map(|events| &events.name);
    types.extend(enums.chain(events).map(|name| (name.clone(), name.clone())));
    for union in &generated.unions.unions {
        types.insert(union.name.clone(), union.name.clone());
        for variant in &union.tagged {
            types.insert(rust_name(&variant.body), union.name.clone());
        }
    }
    types
}

/// Returns a valid function name, also for schemas such as `Type` or `Match`.
fn test_name(name: &str) -> String {
    let test = name.to_snake_case();
    if syn::parse_str::<syn::Ident>(&test).is_ok() { test } else { format!("{test}_") }
}

const OBJECTS: &str = r#"{header}
//! All objects, with the properties that must be present.

use {crate}::types;
use serde_json::Value;

/// A component, its properties that must be present, and a function that decodes and encodes it.
pub type Object = (&'static str, &'static [&'static str], fn(&str) -> Result<Value, String>);

/// Decodes JSON, and returns what it encodes to.
fn rewritten<T>(json: &str) -> Result<Value, String>
where
    T: {crate}::Decode
        + serde::Serialize
        + serde::de::DeserializeOwned
        + PartialEq
        + std::fmt::Debug,
{
    let decoded = {crate}::decode::<T>(json.as_bytes());
    // There is only one result, however the JSON is decoded.
    let deserialized = serde_json::from_str::<T>(json);
    assert_eq!(decoded.as_ref().ok(), deserialized.as_ref().ok(), "{json}");
    let decoded = decoded.map_err(|error| error.to_string())?;
    let written = serde_json::to_value(&decoded).unwrap();
    assert_eq!({crate}::decode_value::<T>(&written).unwrap(), decoded, "{json}");
    // No property is written twice.
    let text = serde_json::to_string(&decoded).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap().to_string(), text);
    Ok(written)
}

#[rustfmt::skip]
pub const OBJECTS: &[Object] = &[
"#;

const HARNESS: &str = r#"//! Every example in the specification is decoded, and encodes to the same JSON.

use serde_json::Value;

use {crate}::types;

macro_rules! round_trip {
    ($test:ident, $Type:ident) => {
        round_trip!($test, $Type as $Type);
    };
    ($test:ident, $Schema:ident as $Type:ident) => {
        #[test]
        fn $test() {
            let examples: Value = serde_json::from_str(include_str!("{json}")).unwrap();
            for example in examples[stringify!($Schema)].as_array().unwrap() {
                let decoded: types::$Type = serde_json::from_value(example.clone()).unwrap();
                let written = serde_json::to_value(&decoded).unwrap();
                assert_eq!(&written, example);
                let json = serde_json::to_vec(&decoded).unwrap();
                assert_eq!({crate}::encode(&decoded), json);
                let debug = format!("{decoded:?}");
                assert!(!debug.contains("Unknown"), "{debug}");
            }
        }
    };
}
"#;
