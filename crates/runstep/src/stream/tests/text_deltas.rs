//! What is read without the general decoder means the same.

use proptest::prelude::*;
use runstep_api::types::MessageDelta;

use crate::stream::text_delta;

fn general(data: &str) -> Option<MessageDelta> {
    runstep_api::decode(data.as_bytes()).ok()
}

#[test]
fn the_forms_that_servers_write_are_read() {
    for data in [
        r#"{"id":"msg_1","object":"thread.message.delta","delta":{"content":[{"index":0,"type":"text","text":{"value":"Hello"}}]}}"#,
        r#"{"id":"msg_1","object":"thread.message.delta","delta":{"content":[{"type":"text","index":12,"text":{"value":"Höllo \u007F"}}]}}"#,
        r#"{"id": "msg_1", "object": "thread.message.delta", "delta": {"content": [{"index": 0, "type": "text", "text": {"value": ""}}]}} "#,
    ] {
        let data = data.replace("\\u007F", "\u{7F}");
        assert_eq!(text_delta::read(&data), general(&data), "{data}");
        assert!(text_delta::read(&data).is_some(), "{data}");
    }
}

#[test]
fn what_is_anything_else_is_left() {
    let whole = r#"{"id":"msg_1","object":"thread.message.delta","delta":{"content":[{"index":0,"type":"text","text":{"value":"Hello"}}]}}"#;
    for (from, to) in [
        ("Hello", "a \\\"word\\\""),
        ("Hello", "line\nend"),
        ("\"value\":\"Hello\"", "\"value\":null"),
        ("\"value\":\"Hello\"", "\"value\":\"Hello\",\"annotations\":[]"),
        ("\"type\":\"text\"", "\"type\":\"refusal\""),
        ("\"index\":0", "\"index\":-1"),
        ("\"index\":0", "\"index\":00"),
        ("\"index\":0", "\"index\":1.0"),
        ("\"index\":0", "\"index\":99999999999999999999"),
        ("\"index\":0,", "\"index\":0,\"index\":0,"),
        ("\"content\":[", "\"role\":\"assistant\",\"content\":["),
        ("}}]}}", "}}]}}}"),
        ("}}]}}", "}}]}"),
        ("}}]}}", "}},]}}"),
        ("\"id\":\"msg_1\",", ""),
        ("thread.message.delta", "thread.message"),
    ] {
        let data = whole.replacen(from, to, 1);
        assert_ne!(data, whole);
        assert_eq!(text_delta::read(&data), None, "{data}");
    }
    for end in 0..whole.len() {
        assert_eq!(text_delta::read(&whole[..end]), None, "{end}");
    }
}

proptest! {
    /// Any text between the parts of a delta, and any of its bytes changed.
    #[test]
    fn what_is_read_means_the_same(
        value in ".{0,12}",
        at in 0_usize..160,
        change in prop_oneof![Just(None), any::<char>().prop_map(Some)],
    ) {
        let mut data = format!(
            r#"{{"id":"msg_1","object":"thread.message.delta","delta":{{"content":[{{"index":0,"type":"text","text":{{"value":"{value}"}}}}]}}}}"#
        );
        if let (Some(change), Some((at, old))) = (change, data.char_indices().nth(at)) {
            data.replace_range(at..at + old.len_utf8(), &change.to_string());
        }
        if let Some(read) = text_delta::read(&data) {
            prop_assert_eq!(Some(read), general(&data));
        }
    }
}
