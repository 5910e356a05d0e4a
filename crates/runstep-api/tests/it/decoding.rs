//! Decoding: unknown values are kept, and invalid ones are errors.

use std::fmt::Debug;
use std::panic::catch_unwind;

use runstep_api::Field;
use runstep_api::types::{
    CreateMessageContent, CreateRunRequest, FileSearchRanker, Message, MessageContent,
    MessageContentPart, MessageRole, RequiredAction, ResponseFormat, Run, RunErrorCode, RunStatus,
    RunStep, RunStepType, StepDetails, StreamEvent, TextContentPart, Tool, ToolCall, ToolChoice,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

fn examples() -> Map<String, Value> {
    serde_json::from_str(include_str!("../examples.json")).unwrap()
}

fn example(name: &str, number: usize) -> Value {
    examples()[name][number].clone()
}

fn decode<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_str(&value.to_string()).unwrap_or_else(|error| panic!("{error}: {value}"))
}

fn error_of<T: DeserializeOwned + Debug>(text: &str) -> String {
    serde_json::from_str::<T>(text).unwrap_err().to_string()
}

/// Decodes a text, and checks that it encodes to the same text, with the same order of keys.
fn round_trip<T: DeserializeOwned + Serialize>(text: &str) -> T {
    let decoded: T = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&decoded).unwrap(), text);
    // Decoding from a `Value` has the same result.
    let value: T = serde_json::from_value(serde_json::from_str(text).unwrap()).unwrap();
    assert_eq!(serde_json::to_string(&value).unwrap(), text);
    decoded
}

// Enums

#[test]
fn unknown_enum_value_is_kept() {
    let status: RunStatus = round_trip(r#""frozen""#);
    assert_eq!(status, RunStatus::Unknown("frozen".to_owned()));
    assert_eq!((status.as_str(), status.as_ref()), ("frozen", "frozen"));
    assert_eq!(status.to_string(), "frozen");
    assert!(status == *"frozen" && status == "frozen" && status != "queued");
}

#[test]
fn known_enum_value_becomes_its_variant() {
    let status: RunStatus = round_trip(r#""in_progress""#);
    assert_eq!(status, RunStatus::InProgress);
    assert_eq!((status.as_str(), status.to_string().as_str()), ("in_progress", "in_progress"));
    assert!(status == "in_progress");
    assert_eq!(format!("{status:>13}|"), "  in_progress|");
}

#[test]
fn conversion_from_text_finds_known_values() {
    assert_eq!(RunStatus::from("queued"), RunStatus::Queued);
    assert_eq!(RunStatus::from("queued".to_owned()), RunStatus::Queued);
    assert_eq!(RunStatus::from("Queued"), RunStatus::Unknown("Queued".to_owned()));
}

#[test]
fn enum_value_that_is_not_a_string_is_an_error() {
    for text in ["1", "null", "{}", "[\"queued\"]", "true"] {
        let error = error_of::<RunStatus>(text);
        assert!(error.contains("expected a string"), "{text}: {error}");
    }
}

#[test]
fn escaped_enum_value_is_known() {
    let status: RunStatus = serde_json::from_str(r#""\u0071ueued""#).unwrap();
    assert_eq!(status, RunStatus::Queued);
}

// Unions

const MCP: &str = r#"{"server":"z","type":"mcp","allowed":[{"b":null,"a":1.5}],"aa":true}"#;

#[test]
fn unknown_variant_keeps_all_properties_in_order() {
    for text in [
        MCP,
        r#"{"type":"mcp","z":1,"a":2}"#,
        r#"{"z":1,"a":2,"type":"mcp"}"#,
        r#"{"type":"mcp"}"#,
        r#"{"z":1,"type":null,"a":2}"#,
        r#"{"type":7,"a":2}"#,
        r#"{"type":-7}"#,
        r#"{"type":1.5}"#,
        r#"{"type":true}"#,
        r#"{"type":["function"],"a":2}"#,
        r#"{"type":{"function":"f"},"a":2}"#,
        r#"{"function":{"name":"f"},"file_search":{}}"#,
        r#"{"functions":[]}"#,
        "{}",
        "[1,2]",
        "7",
        "null",
        r#""function""#,
    ] {
        let tool: Tool = round_trip(text);
        assert_eq!(tool, Tool::Unknown(serde_json::from_str(text).unwrap()), "{text}");
    }
}

#[test]
fn nested_unknown_variant_is_kept() {
    let mut run = example("Run", 1);
    run["tools"] = json!([serde_json::from_str::<Value>(MCP).unwrap()]);
    let decoded: Run = decode(&run);
    assert!(serde_json::to_string(&decoded).unwrap().contains(MCP));
}

#[test]
fn discriminator_may_be_at_any_position() {
    for text in [
        r#"{"type":"function","id":"c","function":{"name":"f","arguments":"{}"}}"#,
        r#"{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}"#,
        r#"{"id":"c","function":{"name":"f","arguments":"{}"},"type":"function"}"#,
        r#"{"function":{"arguments":"{}","name":"f"},"t\u0079pe":"functio\u006e","id":"c","index":0}"#,
    ] {
        let call: ToolCall = serde_json::from_str(text).unwrap();
        let ToolCall::Function(function) = &call else { panic!("{call:?}") };
        assert_eq!((function.id.as_str(), function.function.name.as_str()), ("c", "f"));
        let written = serde_json::to_string(&call).unwrap();
        assert!(written.starts_with(r#"{"type":"function","#), "{written}");
        assert_eq!(serde_json::from_str::<ToolCall>(&written).unwrap(), call);
    }
}

#[test]
fn invalid_data_of_a_known_variant_becomes_unknown() {
    for text in [
        r#"{"type":"function"}"#,
        r#"{"function":{},"type":"function"}"#,
        r#"{"type":"function","function":{"name":null}}"#,
        r#"{"function":{"name":null},"type":"function"}"#,
        r#"{"type":"function","function":null}"#,
        r#"{"type":"function","function":"f"}"#,
    ] {
        let tool: Tool = round_trip(text);
        assert_eq!(tool, Tool::Unknown(serde_json::from_str(text).unwrap()), "{text}");
    }
}

#[test]
fn value_of_the_wrong_kind_is_kept_and_written_back() {
    let text = r#"{"type":"file_search","file_search":[true]}"#;
    let Tool::FileSearch(tool) = round_trip(text) else { panic!("{text}") };
    assert_eq!((&tool.file_search, &tool.other()["file_search"]), (&None, &json!([true])));
    // A value that is set replaces it.
    let mut tool = tool;
    tool.file_search = Some(Default::default());
    let written = serde_json::to_string(&Tool::from(tool)).unwrap();
    assert_eq!(written, r#"{"type":"file_search","file_search":{}}"#);
}

#[test]
fn invalid_json_in_an_unknown_variant_is_an_error() {
    for text in [r#"{"type":"mcp","a":"#, r#"{"a":1,"type"}"#, r#"{"type":"mcp""#, r#"{"a":1,}"#] {
        assert!(serde_json::from_str::<Tool>(text).is_err(), "{text}");
    }
}

#[test]
fn content_of_a_new_message_is_text_or_parts() {
    let text: CreateMessageContent = round_trip(r#""Hello""#);
    assert_eq!(text, CreateMessageContent::from("Hello"));
    let parts: CreateMessageContent = round_trip(r#"[{"type":"text","text":"Hello"}]"#);
    let expected = vec![TextContentPart::new("Hello").into()];
    assert_eq!(parts, CreateMessageContent::Parts(expected));
    assert_eq!(round_trip::<CreateMessageContent>("[]"), CreateMessageContent::Parts(vec![]));
    for other in [r#"{"type":"text"}"#, "7", "null", "true"] {
        let content: CreateMessageContent = round_trip(other);
        assert!(matches!(content, CreateMessageContent::Unknown(_)), "{content:?}");
    }
    let content: CreateMessageContent = round_trip(r#"[{"type":"text"}]"#);
    assert!(
        matches!(content, CreateMessageContent::Parts(parts) if parts[0] == MessageContentPart::Unknown(json!({"type": "text"})))
    );
}

#[test]
fn tool_choice_is_a_mode_or_a_tool() {
    assert_eq!(round_trip::<ToolChoice>(r#""none""#), ToolChoice::None);
    assert_eq!(round_trip::<ToolChoice>(r#""auto""#), ToolChoice::Auto);
    assert_eq!(round_trip::<ToolChoice>(r#""required""#), ToolChoice::Required);
    assert_eq!(round_trip::<ToolChoice>(r#""any""#), ToolChoice::Unknown("any".into()));
    let named = r#"{"type":"function","function":{"name":"f"}}"#;
    assert!(matches!(round_trip(named), ToolChoice::Named(_)));
    let ToolChoice::Named(unknown) = round_trip(r#"{"type":"bing_grounding"}"#) else { panic!() };
    assert_eq!(unknown.type_, "bing_grounding");
    assert!(matches!(round_trip(r#"{"function":{"name":"f"}}"#), ToolChoice::Unknown(_)));
}

#[test]
fn response_format_is_a_string_or_an_object() {
    assert_eq!(round_trip::<ResponseFormat>(r#""auto""#), ResponseFormat::Auto);
    assert!(matches!(round_trip(r#"{"type":"text"}"#), ResponseFormat::Text(_)));
    assert!(matches!(round_trip(r#"{"type":"json_object"}"#), ResponseFormat::JsonObject(_)));
    let schema = r#"{"type":"json_schema","json_schema":{"name":"n","schema":{"z":1,"a":2}}}"#;
    assert!(matches!(round_trip(schema), ResponseFormat::JsonSchema(_)));
    assert!(matches!(round_trip(r#""json""#), ResponseFormat::Unknown(_)));
    assert!(matches!(round_trip(r#"{"type":"xml","n":1}"#), ResponseFormat::Unknown(_)));
    assert!(matches!(round_trip(r#"{"type":"json_schema"}"#), ResponseFormat::Unknown(_)));
}

// Events

#[test]
fn unknown_event_is_kept() {
    let data = r#"{"z":1,"a":[null]}"#;
    let event = StreamEvent::decode("thread.message.chunk", data).unwrap();
    assert!(matches!(event, StreamEvent::Unknown { .. }));
    assert_eq!((event.event(), event.data().unwrap().as_str()), ("thread.message.chunk", data));
    let written = serde_json::to_string(&event).unwrap();
    assert_eq!(written, format!(r#"{{"event":"thread.message.chunk","data":{data}}}"#));
    assert_eq!(serde_json::from_str::<StreamEvent>(&written).unwrap(), event);
}

#[test]
fn unknown_event_with_data_other_than_json_is_kept() {
    let event = StreamEvent::decode("ping", "not {json").unwrap();
    assert_eq!((event.event(), event.data().unwrap().as_str()), ("ping", "not {json"));
}

#[test]
fn invalid_data_of_a_known_event_is_an_error() {
    let error = StreamEvent::decode("thread.run.queued", r#"{"id":"run_1"}"#).unwrap_err();
    assert!(error.to_string().contains("missing field"), "{error}");
    assert_eq!(StreamEvent::decode("done", "[DONE]").unwrap(), StreamEvent::Done);
}

// Objects of providers

fn without(mut object: Value, keys: &[&str]) -> Value {
    for key in keys {
        object.as_object_mut().unwrap().shift_remove(*key).unwrap();
    }
    object
}

fn with_null(mut object: Value, keys: &[&str]) -> Value {
    keys.iter().for_each(|key| object[*key] = Value::Null);
    object
}

const OMITTED_IN_RUNS: [&str; 6] =
    ["instructions", "model", "assistant_id", "tools", "metadata", "parallel_tool_calls"];

#[test]
fn properties_that_providers_omit_in_runs_may_be_absent_or_null() {
    let run: Run = decode(&without(example("Run", 0), &OMITTED_IN_RUNS));
    assert_eq!(run, decode(&with_null(example("Run", 0), &OMITTED_IN_RUNS)));
    assert_eq!((run.instructions, run.model, run.assistant_id), (None, None, None));
    assert_eq!((run.tools, run.metadata, run.parallel_tool_calls), (vec![], None, None));
}

#[test]
fn nullable_properties_of_runs_may_be_absent() {
    for number in 0..4 {
        let run = example("Run", number);
        let nulls: Vec<&str> = run
            .as_object()
            .unwrap()
            .iter()
            .filter(|(_, value)| value.is_null())
            .map(|(key, _)| key.as_str())
            .collect();
        assert!(nulls.contains(&"expires_at") || nulls.contains(&"completed_at"));
        assert_eq!(decode::<Run>(&without(run.clone(), &nulls)), decode(&run));
    }
}

#[test]
fn properties_that_providers_omit_in_steps_may_be_absent_or_null() {
    for keys in [&["assistant_id", "metadata", "usage"][..], &["last_error", "completed_at"]] {
        let step: RunStep = decode(&without(example("RunStep", 0), keys));
        assert_eq!(step, decode(&with_null(example("RunStep", 0), keys)));
    }
}

fn requires<T: DeserializeOwned + Debug>(object: &Value, keys: &[&str]) {
    for key in keys {
        let error = error_of::<T>(&without(object.clone(), &[key]).to_string());
        assert!(error.contains(&format!("missing field `{key}`")), "{key}: {error}");
        let null = error_of::<T>(&with_null(object.clone(), &[key]).to_string());
        assert!(null.contains(&format!("at `{key}`: invalid type: null")), "{key}: {null}");
    }
}

#[test]
fn properties_that_identify_an_object_are_required() {
    requires::<Run>(&example("Run", 0), &["id", "status", "thread_id"]);
    requires::<RunStep>(&example("RunStep", 0), &["id", "status", "thread_id", "run_id"]);
    requires::<Message>(&example("Message", 0), &["id"]);
}

#[test]
fn integer_decodes_as_float() {
    let mut run = example("Run", 0);
    run["temperature"] = 1.into();
    run["top_p"] = 0.into();
    let run: Run = decode(&run);
    assert_eq!((run.temperature, run.top_p), (Some(1.0), Some(0.0)));
}

#[test]
fn unknown_properties_are_kept_and_written_back() {
    let mut step = example("RunStep", 1);
    step["expires_at"] = 1_767_262_600.into();
    step["step_details"]["tool_calls"][0]["index"] = 0.into();
    let decoded: RunStep = decode(&step);
    assert_eq!(decoded.other()["expires_at"], 1_767_262_600);
    assert_eq!(serde_json::to_value(&decoded).unwrap(), step);
}

#[test]
fn step_of_unknown_type_decodes() {
    let details = json!({"type": "activities", "activities": [{"id": "a", "tools": {}}]});
    let mut step = example("RunStep", 0);
    step["type"] = "activities".into();
    step["status"] = "paused".into();
    step["step_details"] = details.clone();
    let decoded: RunStep = decode(&step);
    assert_eq!(decoded.type_, Some(RunStepType::Unknown("activities".to_owned())));
    assert_eq!(decoded.step_details, StepDetails::Unknown(details));
    assert_eq!(serde_json::to_value(&decoded).unwrap(), step);
}

#[test]
fn run_with_unknown_required_action_decodes() {
    let action = json!({"type": "submit_tool_approval",
        "submit_tool_approval": {"tool_calls": [{"id": "c", "type": "mcp", "arguments": "{}"}]}});
    let mut run = example("Run", 1);
    run["required_action"] = action.clone();
    assert_eq!(decode::<Run>(&run).required_action, Some(RequiredAction::Unknown(action)));
}

#[test]
fn unlisted_values_of_known_providers_decode() {
    for kind in ["bing_grounding", "mcp", "azure_ai_search"] {
        let tool = json!({"type": kind, kind: {"connection": "x"}});
        assert_eq!(decode::<Tool>(&tool), Tool::Unknown(tool.clone()));
        let call = json!({"id": "c", "type": kind, kind: {"requesturl": "x"}});
        assert_eq!(decode::<ToolCall>(&call), ToolCall::Unknown(call.clone()));
    }
    let content = json!({"type": "audio", "audio": {}});
    assert_eq!(decode::<MessageContent>(&content), MessageContent::Unknown(content.clone()));
    assert_eq!(RunErrorCode::from("eos").as_str(), "eos");
    assert_eq!(FileSearchRanker::from("default-2024-08-21").as_str(), "default-2024-08-21");
    assert_eq!(MessageRole::from("system").as_str(), "system");
}

// Requests

#[test]
fn unset_fields_are_not_sent() {
    let request = CreateRunRequest::new("asst_1");
    assert_eq!(serde_json::to_string(&request).unwrap(), r#"{"assistant_id":"asst_1"}"#);
}

#[test]
fn absent_null_and_empty_are_distinct() {
    let absent: CreateRunRequest = round_trip(r#"{"assistant_id":"asst_1"}"#);
    let null: CreateRunRequest = round_trip(r#"{"assistant_id":"asst_1","tools":null}"#);
    let empty: CreateRunRequest = round_trip(r#"{"assistant_id":"asst_1","tools":[]}"#);
    assert_eq!((absent.tools, null.tools), (Field::Absent, Field::Null));
    assert_eq!(empty.tools, Field::Value(Vec::new()));
}

// Invalid input

/// Collects the JSON pointers of all values inside a value.
fn collect_pointers(value: &Value, pointer: &str, found: &mut Vec<String>) {
    found.push(pointer.to_owned());
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(k, v)| collect_pointers(v, &format!("{pointer}/{k}"), found))
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(i, item)| collect_pointers(item, &format!("{pointer}/{i}"), found)),
        _ => {}
    }
}

/// Returns the example with each value removed or replaced, one at a time.
fn mutations(example: &Value) -> Vec<String> {
    let mut pointers = Vec::new();
    collect_pointers(example, "", &mut pointers);
    let mut mutations = Vec::new();
    for pointer in &pointers {
        for replacement in
            [Value::Null, (-1).into(), 1e300.into(), "".into(), json!([]), json!({}), json!([{}])]
        {
            let mut mutated = example.clone();
            *mutated.pointer_mut(pointer).unwrap() = replacement;
            mutations.push(mutated.to_string());
        }
        let (parent, key) = pointer.rsplit_once('/').unwrap_or_default();
        let mut mutated = example.clone();
        if let Some(Value::Object(map)) = mutated.pointer_mut(parent) {
            map.shift_remove(key);
            mutations.push(mutated.to_string());
        }
    }
    mutations
}

fn decodes<T: DeserializeOwned + Serialize + PartialEq + Debug>(text: &str) -> bool {
    let Ok(decoded) = serde_json::from_str::<T>(text) else { return false };
    let written = serde_json::to_string(&decoded).unwrap();
    assert_eq!(serde_json::from_str::<T>(&written).unwrap(), decoded, "{text}");
    true
}

#[test]
fn mutated_examples_decode_or_fail_without_panic() {
    let (mut decoded, mut failed) = (0, 0);
    for (name, decodes) in [
        ("Run", decodes::<Run> as fn(&str) -> bool),
        ("RunStep", decodes::<RunStep>),
        ("Message", decodes::<Message>),
        ("CreateRunRequest", decodes::<CreateRunRequest>),
        ("MessageDelta", decodes::<runstep_api::types::MessageDelta>),
        ("RunStepDelta", decodes::<runstep_api::types::RunStepDelta>),
        ("StreamEvent", decodes::<StreamEvent>),
    ] {
        for example in Vec::<Value>::deserialize(&examples()[name]).unwrap() {
            for text in mutations(&example) {
                match catch_unwind(|| decodes(&text)) {
                    Ok(true) => decoded += 1,
                    Ok(false) => failed += 1,
                    Err(_) => panic!("{name}: {text}"),
                }
            }
        }
    }
    assert!(decoded > 500 && failed > 500, "{decoded} decoded, {failed} failed");
}

#[test]
fn lists_encode_as_they_serialize() {
    let runs: Vec<Run> = Vec::<Run>::deserialize(&examples()["Run"]).unwrap();
    assert!(runs.len() > 1);
    for list in [&runs[..0], &runs[..1], &runs[..]].map(<[Run]>::to_vec) {
        assert_eq!(runstep_api::encode(&list), serde_json::to_vec(&list).unwrap());
        let list = Some(list);
        assert_eq!(runstep_api::encode(&list), serde_json::to_vec(&list).unwrap());
    }
}
