//! Setters take a value, an option, or an explicit null.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use runstep_api::Field;
use runstep_api::types::{
    CreateRunRequest, FunctionDefinition, JsonObjectResponseFormat, ReasoningEffort,
    ResponseFormat, Tool, UpdateAssistantRequest,
};
use serde_json::{Value, json};

fn body(set: impl FnOnce(UpdateAssistantRequest) -> UpdateAssistantRequest) -> Value {
    serde_json::to_value(set(UpdateAssistantRequest::default())).unwrap()
}

#[test]
fn setters_take_values_options_and_null() {
    assert_eq!(body(|body| body.name("n")), json!({ "name": "n" }));
    assert_eq!(body(|body| body.name(String::from("n"))), json!({ "name": "n" }));
    assert_eq!(body(|body| body.name(Cow::Borrowed("n"))), json!({ "name": "n" }));
    assert_eq!(body(|body| body.name(Some("n"))), json!({ "name": "n" }));
    assert_eq!(body(|body| body.name(Some(String::from("n")))), json!({ "name": "n" }));
    assert_eq!(body(|body| body.name(None::<String>)), json!({}));
    assert_eq!(body(|body| body.name(Field::Null)), json!({ "name": null }));
    assert_eq!(body(|body| body.name(Field::Absent)), json!({}));
}

#[test]
fn setters_take_literal_numbers() {
    assert_eq!(body(|body| body.temperature(0.5)), json!({ "temperature": 0.5 }));
    assert_eq!(body(|body| body.temperature(1)), json!({ "temperature": 1.0 }));
    assert_eq!(body(|body| body.temperature(0.5_f32)), json!({ "temperature": 0.5 }));
    assert_eq!(body(|body| body.temperature(None)), json!({}));
    let run =
        CreateRunRequest::new("asst_1").max_prompt_tokens(300).parallel_tool_calls(Some(true));
    assert_eq!((run.max_prompt_tokens, run.parallel_tool_calls), (Field::Value(300), Some(true)));
}

#[test]
fn setters_take_variants_of_unions_and_values_of_enums() {
    let format = JsonObjectResponseFormat::default();
    let expected = json!({ "response_format": { "type": "json_object" } });
    assert_eq!(body(|body| body.response_format(format.clone())), expected);
    assert_eq!(body(|body| body.response_format(Some(ResponseFormat::from(format)))), expected);
    let expected = json!({ "reasoning_effort": "low" });
    assert_eq!(body(|body| body.reasoning_effort("low")), expected);
    assert_eq!(body(|body| body.reasoning_effort(ReasoningEffort::Low)), expected);
}

#[test]
fn setters_take_collections() {
    assert_eq!(body(|body| body.tools([])), json!({ "tools": [] }));
    assert_eq!(body(|body| body.tools(None)), json!({}));
    let tools: Vec<Tool> = Vec::new();
    assert_eq!(body(|body| body.tools(tools.as_slice())), json!({ "tools": [] }));
    let metadata = [("a".to_owned(), "b".to_owned())];
    let expected = json!({ "metadata": { "a": "b" } });
    assert_eq!(body(|body| body.metadata(metadata.clone())), expected);
    assert_eq!(body(|body| body.metadata(BTreeMap::from(metadata.clone()))), expected);
    assert_eq!(body(|body| body.metadata(HashMap::from(metadata))), expected);
    assert_eq!(body(|body| body.metadata([("a", "b")])), expected);
}

#[test]
fn null_is_absent_if_the_property_cannot_be_null() {
    let function = FunctionDefinition::new("f").description(Field::Null).strict(Field::Null);
    assert_eq!(serde_json::to_value(function).unwrap(), json!({ "name": "f", "strict": null }));
}

#[test]
fn entries_of_metadata_are_added_one_by_one() {
    use runstep_api::types::CreateThreadRequest;

    let request = CreateThreadRequest::default().metadata([("a".to_owned(), "1".to_owned())]);
    let request = request.metadata_entry("b", "2").metadata_entry("a", "3");
    assert_eq!(
        serde_json::to_value(&request).unwrap(),
        serde_json::json!({"metadata": {"a": "3", "b": "2"}})
    );
}
