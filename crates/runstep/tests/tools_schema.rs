//! How functions are told to a model: names, schemas, and their strict subset.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

mod zoo;

use runstep::ErrorKind;
use runstep::tools::{ToolOptions, Toolbox};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use zoo::{
    Enums, Flattened, FlattenedEnum, FlattenedMap, Forest, Generic, GetWeather, Internal, Maps,
    Nested, Newtype, Nothing, Options, Renamed, Scalars, Tree, Tuples, Unit,
};

fn toolbox<T: DeserializeOwned + JsonSchema + 'static>(strict: bool) -> Toolbox {
    let options = ToolOptions::default().strict(strict);
    Toolbox::new().function_with("zoo", options, |_: T| async {})
}

fn function(tools: &Toolbox) -> Value {
    let definitions = serde_json::to_value(tools.definitions().unwrap()).unwrap();
    definitions[0]["function"].clone()
}

/// Both schemas of a type, the strict one or what cannot be strict.
macro_rules! zoo {
    ($($test:ident: $Type:ty;)+) => {
        $(
            #[test]
            fn $test() {
                insta::assert_json_snapshot!(
                    concat!(stringify!($test), "__loose"),
                    function(&toolbox::<$Type>(false))
                );
                let strict = toolbox::<$Type>(true);
                let name = concat!(stringify!($test), "__strict");
                match strict.check() {
                    Ok(()) => insta::assert_json_snapshot!(name, function(&strict)),
                    Err(error) => insta::assert_snapshot!(name, error),
                }
            }
        )+
    };
}

zoo! {
    the_weather: GetWeather;
    scalars: Scalars;
    nested: Nested;
    options: Options;
    enums: Enums;
    maps: Maps;
    a_recursive_type: Tree;
    a_type_with_a_recursive_one: Forest;
    renamed: Renamed;
    flattened: Flattened;
    a_flattened_map: FlattenedMap;
    a_flattened_enum: FlattenedEnum;
    tuples_and_any_values: Tuples;
    nothing: Nothing;
    a_newtype: Newtype;
    a_generic_type: Generic<Vec<Unit>>;
    a_free_object: Map<String, Value>;
}

#[cfg(feature = "chrono")]
mod times {
    use super::*;

    #[derive(serde::Deserialize, JsonSchema)]
    #[allow(dead_code)] // for its schema
    struct Times {
        at: chrono::DateTime<chrono::Utc>,
        day: chrono::NaiveDate,
        maybe: Option<chrono::NaiveTime>,
    }

    zoo! {
        times_of_chrono: Times;
    }
}

#[cfg(feature = "uuid")]
mod ids {
    use super::*;

    #[derive(serde::Deserialize, JsonSchema)]
    #[allow(dead_code)] // for its schema
    struct Ids {
        id: uuid::Uuid,
        others: Vec<uuid::Uuid>,
    }

    zoo! {
        ids_of_uuid: Ids;
    }
}

/// Every schema that is sent keeps to the subset, wherever one looks.
#[test]
fn a_strict_schema_has_nothing_but_the_subset() {
    fn check(schema: &Value, of: &str) {
        let object = schema.as_object().unwrap_or_else(|| panic!("{of}: {schema}"));
        for keyword in object.keys() {
            let known = [
                "$defs",
                "$ref",
                "additionalProperties",
                "anyOf",
                "description",
                "enum",
                "items",
                "properties",
                "required",
                "type",
            ];
            assert!(known.contains(&keyword.as_str()), "{of}: {keyword} in {schema}");
        }
        if object.contains_key("$ref") {
            assert_eq!(object.len(), 1, "{of}: a reference has siblings: {schema}");
        }
        if let Some(properties) = object.get("properties") {
            assert_eq!(object["additionalProperties"], false, "{of}");
            let names: Vec<&String> = properties.as_object().unwrap().keys().collect();
            assert_eq!(object["required"], json!(names), "{of}");
        }
        let maps = ["properties", "$defs"].into_iter().filter_map(|name| object.get(name));
        let lists = object.get("anyOf").and_then(Value::as_array).into_iter().flatten();
        let inner = maps.flat_map(|map| map.as_object().unwrap().values());
        for schema in inner.chain(lists).chain(object.get("items")) {
            check(schema, of);
        }
    }
    fn of<T: DeserializeOwned + JsonSchema + 'static>() {
        check(&function(&toolbox::<T>(true))["parameters"], std::any::type_name::<T>());
    }
    of::<GetWeather>();
    of::<Scalars>();
    of::<Nested>();
    of::<Options>();
    of::<Enums>();
    of::<Tree>();
    of::<Forest>();
    of::<Renamed>();
    of::<Flattened>();
    of::<Nothing>();
}

#[test]
fn arguments_must_be_an_object() {
    let refusals = [
        toolbox::<String>(false),
        toolbox::<Vec<u8>>(false),
        toolbox::<Internal>(false),
        toolbox::<Value>(false),
        toolbox::<Option<GetWeather>>(true),
    ]
    .map(|tools| tools.check().unwrap_err().to_string());
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn names_are_checked() {
    let named = |name: &str| Toolbox::new().function(name, || async { "" }).check();
    named("get_weather-2").unwrap();
    named(&"n".repeat(64)).unwrap();
    let long = "n".repeat(65);
    let refusals = ["", "get weather", "wetter.gét", "größe", &long]
        .map(|name| named(name).unwrap_err().to_string());
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let tools = Toolbox::new()
        .function("twice", || async { "" })
        .function("twice", |_: GetWeather| async { "" })
        .function("bad name", || async { "" })
        .function_with("maps", ToolOptions::default().strict(true), |_: Maps| async { "" });
    let error = tools.check().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    insta::assert_snapshot!(error);
    assert_eq!(tools.definitions().unwrap_err().to_string(), error.to_string());
}

#[tokio::test]
async fn a_toolbox_with_something_wrong_calls_nothing() {
    let tools =
        Toolbox::new().function("fine", || async { "" }).function("bad name", || async { "" });
    let error = tools.call("fine", json!({})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.tool_error().is_none());
}

#[test]
fn a_description_of_its_own_comes_before_that_of_the_type() {
    let options = ToolOptions::default().description("Tells the weather");
    let tools = Toolbox::new().function_with("weather", options, |_: GetWeather| async { "" });
    assert_eq!(function(&tools)["description"], "Tells the weather");
}

#[test]
fn other_tools_follow_the_functions_as_they_were_given() {
    let tools = Toolbox::new()
        .tool(runstep::types::CodeInterpreterTool::default())
        .raw(json!({"type": "file_search", "file_search": {"max_num_results": 5}}))
        .raw(json!({"type": "file_search", "vector_store": "of a provider"}))
        .raw(json!({"type": "bing_grounding", "bing_grounding": {"connections": [1]}}))
        .function("now", || async { "12:00" });
    insta::assert_json_snapshot!(tools.definitions().unwrap());
}
