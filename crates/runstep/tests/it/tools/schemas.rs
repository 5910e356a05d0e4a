//! Function definitions: names, schemas, and the strict subset of JSON Schema.

use runstep::ErrorKind;
use runstep::tools::{ToolOptions, Toolbox};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::harness::argument_types::{
    Enums, Flattened, FlattenedEnum, FlattenedMap, Forest, Generic, GetWeather, Internal, Maps,
    Nested, Newtype, NoFields, Options, Renamed, Scalars, Tree, Tuples, Unit,
};

fn toolbox<T: DeserializeOwned + JsonSchema + 'static>(strict: bool) -> Toolbox {
    let options = ToolOptions::default().strict(strict);
    Toolbox::new().function_with("test_function", options, |_: T| async {})
}

fn function(tools: &Toolbox) -> Value {
    let definitions = serde_json::to_value(tools.definitions().unwrap()).unwrap();
    definitions[0]["function"].clone()
}

/// Snapshots of a type's schema, and of its strict schema or the error that prevents it.
macro_rules! schema_snapshots {
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

schema_snapshots! {
    documented_struct: GetWeather;
    scalars: Scalars;
    nested: Nested;
    options: Options;
    enums: Enums;
    maps: Maps;
    recursive_struct: Tree;
    struct_with_recursive_field: Forest;
    renamed: Renamed;
    flattened: Flattened;
    flattened_map: FlattenedMap;
    flattened_enum: FlattenedEnum;
    tuples_and_any_values: Tuples;
    struct_without_fields: NoFields;
    newtype: Newtype;
    generic_struct: Generic<Vec<Unit>>;
    arbitrary_object: Map<String, Value>;
}

#[cfg(feature = "chrono")]
mod chrono_feature {
    use super::*;

    #[derive(serde::Deserialize, JsonSchema)]
    #[allow(dead_code)] // used only for its schema
    struct Times {
        at: chrono::DateTime<chrono::Utc>,
        day: chrono::NaiveDate,
        maybe: Option<chrono::NaiveTime>,
    }

    schema_snapshots! {
        chrono_types: Times;
    }
}

#[cfg(feature = "uuid")]
mod uuid_feature {
    use super::*;

    #[derive(serde::Deserialize, JsonSchema)]
    #[allow(dead_code)] // used only for its schema
    struct Ids {
        id: uuid::Uuid,
        others: Vec<uuid::Uuid>,
    }

    schema_snapshots! {
        uuid_types: Ids;
    }
}

/// Checks every subschema of every strict schema.
#[test]
fn strict_schema_uses_only_supported_keywords() {
    fn check(schema: &Value, type_name: &str) {
        let object = schema.as_object().unwrap_or_else(|| panic!("{type_name}: {schema}"));
        for keyword in object.keys() {
            let supported = [
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
            assert!(supported.contains(&keyword.as_str()), "{type_name}: {keyword} in {schema}");
        }
        if object.contains_key("$ref") {
            assert_eq!(object.len(), 1, "{type_name}: a reference has siblings: {schema}");
        }
        if let Some(properties) = object.get("properties") {
            assert_eq!(object["additionalProperties"], false, "{type_name}");
            let names: Vec<&String> = properties.as_object().unwrap().keys().collect();
            assert_eq!(object["required"], json!(names), "{type_name}");
        }
        let maps = ["properties", "$defs"].into_iter().filter_map(|name| object.get(name));
        let lists = object.get("anyOf").and_then(Value::as_array).into_iter().flatten();
        let inner = maps.flat_map(|map| map.as_object().unwrap().values());
        for schema in inner.chain(lists).chain(object.get("items")) {
            check(schema, type_name);
        }
    }
    fn check_type<T: DeserializeOwned + JsonSchema + 'static>() {
        check(&function(&toolbox::<T>(true))["parameters"], std::any::type_name::<T>());
    }
    check_type::<GetWeather>();
    check_type::<Scalars>();
    check_type::<Nested>();
    check_type::<Options>();
    check_type::<Enums>();
    check_type::<Tree>();
    check_type::<Forest>();
    check_type::<Renamed>();
    check_type::<Flattened>();
    check_type::<NoFields>();
}

#[test]
fn arguments_must_be_an_object() {
    let errors = [
        toolbox::<String>(false),
        toolbox::<Vec<u8>>(false),
        toolbox::<Internal>(false),
        toolbox::<Value>(false),
        toolbox::<Option<GetWeather>>(true),
    ]
    .map(|tools| tools.check().unwrap_err().to_string());
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn invalid_function_names_are_rejected() {
    let check_name = |name: &str| Toolbox::new().function(name, || async { "" }).check();
    check_name("get_weather-2").unwrap();
    check_name(&"n".repeat(64)).unwrap();
    let long = "n".repeat(65);
    let errors = ["", "get weather", "wetter.gét", "größe", &long]
        .map(|name| check_name(name).unwrap_err().to_string());
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn check_reports_all_problems() {
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
async fn invalid_toolbox_rejects_every_call() {
    let tools =
        Toolbox::new().function("fine", || async { "" }).function("bad name", || async { "" });
    let error = tools.call("fine", json!({})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.tool_error().is_none());
}

#[test]
fn description_option_overrides_type_description() {
    let options = ToolOptions::default().description("Returns the weather");
    let tools = Toolbox::new().function_with("weather", options, |_: GetWeather| async { "" });
    assert_eq!(function(&tools)["description"], "Returns the weather");
}

#[test]
fn other_tools_follow_the_functions_unchanged() {
    let tools = Toolbox::new()
        .tool(runstep::types::CodeInterpreterTool::default())
        .raw(json!({"type": "file_search", "file_search": {"max_num_results": 5}}))
        .raw(json!({"type": "file_search", "vector_store": "of a provider"}))
        .raw(json!({"type": "bing_grounding", "bing_grounding": {"connections": [1]}}))
        .function("now", || async { "12:00" });
    insta::assert_json_snapshot!(tools.definitions().unwrap());
}

#[test]
fn schema_of_is_the_schema_in_the_definition() {
    let schema = Value::Object(runstep::tools::schema_of::<GetWeather>());
    assert_eq!(function(&toolbox::<GetWeather>(false))["parameters"], schema);
}
