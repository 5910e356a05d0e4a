//! Values that are valid JSON, but that `serde_json::Value` or the type of a property cannot hold.

use std::collections::BTreeMap;

use runstep_api::types::{
    CreateThreadRequest, Message, MessageContentDelta, RequiredAction, Run, RunList, RunStatus,
    StreamEvent, Thread, Tool,
};
use runstep_api::{Field, decode};
use serde::Deserialize;
use serde_json::{Value, json};

/// A run with additional properties.
fn run_with(properties: &str) -> String {
    format!(r#"{{"id":"run_1","thread_id":"thread_1","status":"queued",{properties}}}"#)
}

fn decode_run(properties: &str) -> Run {
    decode(run_with(properties).as_bytes()).unwrap_or_else(|error| panic!("{properties}: {error}"))
}

/// A list within lists.
fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

#[test]
fn numbers_that_are_not_listed_are_written_with_all_digits() {
    for number in [
        "123456789012345678901234567890",
        "-18446744073709551616",
        "0.1234567890123456789012345",
        "18446744073709551615",
        "1.0",
    ] {
        for value in [number.to_owned(), format!(r#"{{"a":[null,{number}]}}"#)] {
            let run = decode_run(&format!(r#""cost":{value}"#));
            let written = serde_json::to_string(&run).unwrap();
            assert!(written.contains(&format!(r#""cost":{value}"#)), "{value}: {written}");
            assert_eq!(serde_json::from_str::<Run>(&written).unwrap(), run);
            // As a value, it is as exact as a value can be.
            let expected: Value = serde_json::from_str(&value).unwrap();
            assert_eq!(serde_json::to_value(&run).unwrap()["cost"], expected);
        }
    }
}

#[test]
fn changed_property_is_written_in_place_of_the_received_one() {
    let mut run =
        decode_run(r#""cost":123456789012345678901234567890,"seed":98765432109876543210"#);
    run.other_mut().insert("cost".to_owned(), json!(5));
    run.other_mut().remove("seed");
    let written = serde_json::to_string(&run).unwrap();
    assert!(written.contains(r#""cost":5"#), "{written}");
    assert!(!written.contains("seed"), "{written}");
}

#[test]
fn access_to_other_properties_does_not_change_an_object() {
    let run = decode_run(r#""model":"m""#);
    let mut same = run.clone();
    assert!(same.other_mut().is_empty());
    assert_eq!(same, run);
    same.other_mut().insert("x".to_owned(), Value::Null);
    assert_ne!(same, run);
}

#[test]
fn property_that_is_not_listed_affects_nothing_but_itself() {
    for value in ["1e400", r#""\ud800""#, r#"["\udfff x"]"#, &nested(200), r#"{"\ud800":1}"#] {
        let run = decode_run(&format!(r#""vendor":{value},"model":"m""#));
        assert_eq!(run.model.as_deref(), Some("m"), "{value}");
        assert_eq!(run.other()["vendor"], value, "{value}");
        // The text is written as a string, which any serializer accepts.
        assert_eq!(serde_json::to_value(&run).unwrap()["vendor"], value);
        let written = serde_json::to_string(&run).unwrap();
        assert_eq!(serde_json::from_str::<Run>(&written).unwrap(), run);
    }
    let run = decode_run(r#""\ud800":1"#);
    assert_eq!(run.other().iter().collect::<Vec<_>>(), [(&"\u{FFFD}".to_owned(), &1.into())]);
}

#[test]
fn repeated_property_that_is_not_listed_keeps_its_place() {
    let run = decode_run(r#""a":1,"b":2,"c":3,"a":12345678901234567890123"#);
    let names: Vec<_> = run.other().keys().collect();
    assert_eq!(names, ["a", "b", "c"]);
    let written = serde_json::to_string(&run).unwrap();
    assert!(written.ends_with(r#""a":12345678901234567890123,"b":2,"c":3}"#), "{written}");
    let run = decode_run(r#""a":12345678901234567890123,"b":2,"a":1"#);
    let written = serde_json::to_string(&run).unwrap();
    assert!(written.ends_with(r#""a":1,"b":2}"#), "{written}");
}

#[test]
fn optional_property_of_the_wrong_kind_is_kept() {
    for (name, value) in [
        ("temperature", "1e400"),
        ("expires_at", "123456789012345678901234567890"),
        ("usage", &nested(200)),
        ("required_action", "1e400"),
    ] {
        let run = decode_run(&format!(r#""{name}":{value},"model":"m""#));
        assert_eq!(run.model.as_deref(), Some("m"), "{name}");
        assert!(run.temperature.is_none() && run.expires_at.is_none() && run.usage.is_none());
        let written = serde_json::to_string(&run).unwrap();
        assert!(written.contains(&format!(r#""{name}":"#)), "{written}");
    }
    let written =
        serde_json::to_string(&decode_run(r#""expires_at":98765432109876543210"#)).unwrap();
    assert!(written.contains(r#""expires_at":98765432109876543210"#), "{written}");
}

#[test]
fn lone_surrogate_is_replaced_in_texts() {
    let text = r#"{"id":"msg_1","role":"assistant","content":[{"type":"text","text":{"value":"a\ud83d b"}}]}"#;
    let message: Message = decode(text.as_bytes()).unwrap();
    assert_eq!(message.text(), "a\u{FFFD} b");
    let thread = br#"{"id":"thread_1","metadata":{"k":"\udc00\udbff\ud83d\ude00","l":"v"}}"#;
    let thread: Thread = decode(thread).unwrap();
    let metadata = thread.metadata.as_ref().unwrap();
    assert_eq!((metadata["k"].as_str(), metadata["l"].as_str()), ("\u{FFFD}\u{FFFD}😀", "v"));
}

#[test]
fn variant_that_a_value_cannot_hold_is_unknown() {
    for tool in [r#"{"type":"vendor","limit":1e400}"#, r#"{"type":"function","function":1e400}"#] {
        let run = decode_run(&format!(r#""tools":[{tool},{{"type":"code_interpreter"}}]"#));
        assert_eq!(run.tools[0], Tool::Unknown(tool.into()), "{tool}");
        assert!(matches!(run.tools[1], Tool::CodeInterpreter(_)));
    }
}

#[test]
fn invalid_entry_does_not_affect_the_other_entries() {
    let run = run_with(r#""model":"m""#);
    for entry in ["1e400", r#"{"id":1e400}"#, r#""\ud800""#, &nested(300)] {
        let list: RunList =
            decode(format!(r#"{{"data":[{run},{entry},{run}]}}"#).as_bytes()).unwrap();
        assert_eq!(list.data.len(), 2, "{entry}");
    }
}

#[test]
fn required_property_is_an_error_with_its_path() {
    for (text, expected) in [
        (
            r#"{"id":"run_1","thread_id":"t","status":12345678901234567890123}"#,
            "at `status`: invalid type: integer `12345678901234567890123`, expected a string; \
             found: 12345678901234567890123",
        ),
        (
            r#"{"id":"run_1","status":1e400}"#,
            "at `status`: invalid type: floating point `1e400`, expected a string; found: 1e400",
        ),
        (
            r#"{"id":"run_1", "status":"queued"}"#,
            "at the top level: missing field `thread_id`; \
             found: {\"id\":\"run_1\",\"status\":\"queued\"}",
        ),
    ] {
        assert_eq!(decode::<Run>(text.as_bytes()).unwrap_err().to_string(), expected);
    }
}

#[test]
fn absent_discriminator_is_inferred_from_a_property() {
    let outputs = r#"{"submit_tool_outputs":{"tool_calls":[]}}"#;
    for action in [outputs, r#"{"type":null,"submit_tool_outputs":{"tool_calls":[]}}"#] {
        let run = decode_run(&format!(r#""required_action":{action}"#));
        let Some(RequiredAction::SubmitToolOutputs(action)) = &run.required_action else {
            panic!("{:?}", run.required_action);
        };
        assert!(action.other().is_empty());
        let written = serde_json::to_value(&run).unwrap();
        assert_eq!(written["required_action"]["type"], "submit_tool_outputs");
    }
    // The same in an object that is decoded tolerantly.
    let run = decode_run(&format!(r#""temperature":"x","required_action":{outputs}"#));
    assert!(matches!(run.required_action, Some(RequiredAction::SubmitToolOutputs(_))));
    let delta: MessageContentDelta =
        serde_json::from_str(r#"{"index":0,"text":{"value":"a"}}"#).unwrap();
    assert!(matches!(delta, MessageContentDelta::Text(_)));
}

#[test]
fn discriminator_is_not_inferred_if_several_variants_match() {
    for tool in [r#"{"function":{},"file_search":{}}"#, r#"{"code_interpreter":{}}"#, "{}"] {
        let decoded: Tool = serde_json::from_str(tool).unwrap();
        assert!(matches!(decoded, Tool::Unknown(_)), "{tool}");
    }
}

#[test]
fn first_of_several_discriminators_counts() {
    let text = r#"{"type":"function","function":{"name":"f"},"type":"code_interpreter"}"#;
    let tolerant =
        r#"{"type":"function","function":{"name":"f","strict":"x"},"type":"file_search"}"#;
    for text in [text, tolerant] {
        let decoded: Tool = decode(text.as_bytes()).unwrap();
        let Tool::Function(function) = &decoded else { panic!("{decoded:?}") };
        assert!(function.other().is_empty());
        assert_eq!(serde_json::from_str::<Tool>(text).unwrap(), decoded);
        assert_eq!(serde_json::to_string(&decoded).unwrap().matches("type").count(), 1);
    }
}

/// What a program may put a run into.
#[derive(Deserialize)]
struct Record {
    run: Run,
    #[serde(flatten)]
    rest: BTreeMap<String, Run>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Either {
    Number(#[allow(dead_code)] u64),
    Run(Box<Run>),
}

#[test]
fn serde_gives_the_same_result_as_decode() {
    for properties in [
        r#""model":"m""#,
        r#""model":null,"tools":null,"expires_at":"12","cost":123456789012345678901234567890"#,
        r#""usage":{"prompt_tokens":"many"},"vendor":1e400,"instructions":"\ud800""#,
    ] {
        let text = run_with(properties);
        let decoded: Run = decode(text.as_bytes()).unwrap();
        assert_eq!(serde_json::from_str::<Run>(&text).unwrap(), decoded);
        assert_eq!(serde_json::from_slice::<Run>(text.as_bytes()).unwrap(), decoded);
        assert_eq!(serde_json::from_reader::<_, Run>(text.as_bytes()).unwrap(), decoded);
        assert_eq!(serde_json::from_str::<Vec<Run>>(&format!("[{text}]")).unwrap(), [decoded]);
    }
    // Deserializers that have values, not text.
    let text = run_with(r#""expires_at":"12","vendor":[1]"#);
    let decoded: Run = decode(text.as_bytes()).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::from_value::<Run>(value.clone()).unwrap(), decoded);
    assert_eq!(runstep_api::decode_value::<Run>(&value).unwrap(), decoded);
    let Record { run, rest } =
        serde_json::from_str(&format!(r#"{{"run":{text},"other":{text}}}"#)).unwrap();
    assert_eq!((&run, &rest["other"]), (&decoded, &decoded));
    let Either::Run(run) = serde_json::from_str(&text).unwrap() else { panic!("not a run") };
    assert_eq!(*run, decoded);
    assert_eq!(run.status, RunStatus::Queued);
}

#[test]
fn event_with_its_data_keeps_the_text() {
    let text = r#"{"event":"vendor.event","data":{"n":123456789012345678901234567890}}"#;
    let event: StreamEvent = serde_json::from_str(text).unwrap();
    assert_eq!(event.data().unwrap(), r#"{"n":123456789012345678901234567890}"#);
}

/// A list of which one item does not decode.
const RUNS: &str = r#"{"object":"list","data":[{"id":"run_1","thread_id":"thread_1","status":"queued"},{"x":1}],"has_more":false}"#;

/// Decodes, changes and serializes a value.
fn changed<T: runstep_api::Decode>(text: &str, change: impl FnOnce(&mut T)) -> Value {
    let mut value = decode::<T>(text.as_bytes()).unwrap();
    change(&mut value);
    serde_json::to_value(&value).unwrap()
}

#[test]
fn list_without_the_items_that_do_not_decode_is_written_as_received() {
    let received: Value = serde_json::from_str(RUNS).unwrap();
    assert_eq!(changed::<RunList>(RUNS, |_| {})["data"], received["data"]);
    let message = r#"{"id":"msg_1","role":"user","attachments":[{"file_id":"a"},5]}"#;
    let written = changed::<Message>(message, |message| message.role = Some("assistant".into()));
    assert_eq!(written["attachments"], json!([{ "file_id": "a" }, 5]));
    assert_eq!(written["role"], "assistant");
}

#[test]
fn list_that_is_changed_or_removed_is_written_so() {
    assert_eq!(changed::<RunList>(RUNS, |list| list.data.clear())["data"], json!([]));
    let message = r#"{"id":"msg_1","role":"user","attachments":[{"file_id":"a"},5],"metadata":{"a":"b","c":[]}}"#;
    let written = changed::<Message>(message, |message| {
        message.attachments = None;
        message.metadata = None;
    });
    for removed in ["attachments", "metadata"] {
        assert!(written.get(removed).is_none_or(Value::is_null), "{written}");
    }
    let written = changed::<Message>(message, |message| {
        message.attachments = Some(Vec::new());
        message.metadata.get_or_insert_default().insert("e".to_owned(), "f".to_owned());
    });
    assert_eq!(written["attachments"], json!([]));
    assert_eq!(written["metadata"]["e"], "f");
    let request = r#"{"messages":[{"role":"user","content":"Hi"},7],"metadata":{"a":"b","c":[]}}"#;
    let written = changed::<CreateThreadRequest>(request, |request| {
        request.messages = Field::Absent.into_option();
        request.metadata = Field::Absent;
    });
    assert_eq!(written, json!({}));
}

#[test]
fn last_of_repeated_properties_counts() {
    let run = decode_run(r#""tools":5,"tools":[],"temperature":"x","temperature":1"#);
    assert_eq!((run.tools.len(), run.temperature), (0, Some(1.0)));
    assert!(run.other().is_empty(), "{:?}", run.other());
}

#[test]
fn booleans_in_other_forms_are_booleans() {
    for (text, expected) in [("\"true\"", true), ("1", true), ("\"false\"", false), ("0", false)] {
        let list = RUNS.replace("false", text);
        assert_eq!(decode::<RunList>(list.as_bytes()).unwrap().has_more, expected, "{text}");
    }
    let list = decode::<RunList>(RUNS.replace("false", "\"yes\"").as_bytes()).unwrap();
    assert_eq!(list.other()["has_more"], "yes");
}

#[test]
fn byte_order_mark_is_skipped() {
    let list = format!("\u{feff}{RUNS}");
    assert_eq!(decode::<RunList>(list.as_bytes()).unwrap().data.len(), 1);
}

#[test]
fn many_long_numbers_are_written_with_all_digits() {
    // The time was quadratic, and several seconds here.
    let properties: Vec<String> =
        (0..40_000).map(|index| format!(r#""p{index}":1234567890123456789"#)).collect();
    let run = decode_run(&properties.join(","));
    assert_eq!(run.other().len(), 40_000);
    let written = String::from_utf8(runstep_api::encode(&run)).unwrap();
    assert!(properties.iter().step_by(9_999).all(|property| written.contains(property)));
}
