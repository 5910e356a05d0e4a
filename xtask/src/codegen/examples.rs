//! The specification's own examples, as a test: each is decoded, and written back as it was.

use heck::ToSnakeCase as _;
use serde_json::{Map, Value};

use super::File;
use super::document::{Document, rust_name};
use super::error::Error;

/// The document without its examples, which are in the test.
pub fn without_examples(mut document: Document) -> Result<Document, Error> {
    document.visit_schemas(&mut |_, schema| {
        if let Some(map) = schema.as_object_mut() {
            map.shift_remove("examples");
        }
        Ok(())
    })?;
    Ok(document)
}

/// The examples as JSON, and a test for each schema that has any.
pub fn round_trips(header: &str, document: &Document) -> Vec<File> {
    let examples: Map<String, Value> = document
        .schemas()
        .filter_map(|(name, schema)| Some((rust_name(name), schema.get("examples")?.clone())))
        .collect();
    if examples.is_empty() {
        return Vec::new();
    }
    let tests: String = examples
        .keys()
        .map(|name| format!("round_trip!({}, {name});\n", name.to_snake_case()))
        .collect();
    let text = format!("{header}\n{HARNESS}\n{tests}");
    vec![
        File { path: "tests/examples.rs".into(), text },
        File {
            path: "tests/examples.json".into(),
            text: format!("{:#}\n", Value::Object(examples)),
        },
    ]
}

const HARNESS: &str = r#"//! Every example of the specification is decoded and written back as it was.

use runstep_api::types;
use serde_json::Value;

macro_rules! round_trip {
    ($test:ident, $Type:ident) => {
        #[test]
        fn $test() {
            let examples: Value = serde_json::from_str(include_str!("examples.json")).unwrap();
            for example in examples[stringify!($Type)].as_array().unwrap() {
                let decoded: types::$Type = serde_json::from_value(example.clone()).unwrap();
                let written = serde_json::to_value(&decoded).unwrap();
                assert_eq!(&written, example);
                let debug = format!("{decoded:?}");
                assert!(!debug.contains("Unknown"), "{debug}");
            }
        }
    };
}
"#;
