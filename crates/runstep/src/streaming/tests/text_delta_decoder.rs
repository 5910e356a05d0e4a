//! Decoding from the cache yields the same events as the general decoder.

use proptest::prelude::*;
use runstep_api::types::StreamEvent as RunEvent;

use crate::streaming::text_delta_decoder::TextDeltaDecoder;

pub(super) const PLAIN: &str = r#"{"id":"msg_1","object":"thread.message.delta","delta":{"content":[{"index":0,"type":"text","text":{"value":"TEXT"}}]}}"#;

/// Deltas as servers write them, and some with several strings that could be the text.
pub(super) const FORMS: &[&str] = &[
    PLAIN,
    r#"{"id": "msg_1", "object": "thread.message.delta", "delta": {"content": [{"type": "text", "index": 12, "text": {"value": "TEXT", "annotations": []}}]}} "#,
    r#"{"id":"msg_1","delta":{"role":"assistant","content":[{"index":0,"type":"text","text":{"value" : "TEXT"}}]}}"#,
    r#"{"id":"msg_1","delta":{"content":[{"index":0,"type":"text","text":{"value":"TEXT"}}]},"value":"TEXT"}"#,
    r#"{"id":"msg_1","delta":{"content":[{"index":0,"type":"text","text":{"value":"Hello"}}]},"value":"TEXT"}"#,
    r#"{"value":"TEXT","id":"msg_1","delta":{"content":[{"index":0,"type":"text","text":{"value":"TEXT"}}]}}"#,
    r#"{"id":"TEXT","delta":{"content":[{"index":0,"type":"text","text":{"value":"TEXT"}}]}}"#,
    r#"{"id":"msg_1","delta":{"content":[{"index":0,"type":"text","text":{"value":"TEXT"}},{"index":1,"type":"text","text":{"value":"TEXT"}}]}}"#,
    r#"{"id":"msg_1","delta":{"content":[{"index":0,"type":"refusal","refusal":"TEXT","value":"TEXT"}]}}"#,
    r#"{"id":"msg_1","delta":{"content":[{"index":0,"type":"text","text":{"value":null}}]}}"#,
    r#"{"id":"msg_1","delta":{"content":[{"index":0,"type":"text","text":{"value":"TEXT","annotations":[{"index":0,"type":"file_citation","text":"\"value\":\"TEXT\""}]}}]}}"#,
    r#"{"thread.message.delta":{"id":"msg_1","delta":{"content":[{"index":0,"type":"text","text":{"value":"TEXT"}}]}}}"#,
];

#[track_caller]
fn assert_same(decoder: &mut TextDeltaDecoder, data: &str) {
    let whole = RunEvent::decode("thread.message.delta", data);
    match (decoder.decode(data.as_bytes(), b""), whole) {
        (Ok(decoded), Ok(whole)) => assert_eq!(decoded, whole, "{data}"),
        (Err(error), Err(whole)) => assert_eq!(error.to_string(), whole.to_string(), "{data}"),
        (decoded, whole) => panic!("{data}: {decoded:?} instead of {whole:?}"),
    }
}

#[test]
fn every_form_can_follow_every_other() {
    for form in FORMS {
        for next in FORMS {
            let mut decoder = TextDeltaDecoder::default();
            for text in ["Hello", "", " w\u{f6}rld", "a \\\"word\\\"\\n", "\\u263a", "TEXTx"] {
                assert_same(&mut decoder, &form.replace("TEXT", text));
            }
            for text in ["!", "", "\\", "\\\\", "\n", "a\",\"b\":\"c", "\\ud83d", "\\ud83d\\ude00"]
            {
                assert_same(&mut decoder, &next.replace("TEXT", text));
            }
        }
    }
}

#[test]
fn truncated_delta_is_an_error() {
    let mut decoder = TextDeltaDecoder::default();
    for end in 0..PLAIN.len() {
        assert_same(&mut decoder, PLAIN);
        assert_same(&mut decoder, &PLAIN[..end]);
    }
}

#[test]
fn invalid_utf_8_is_replaced() {
    let mut decoder = TextDeltaDecoder::default();
    assert_same(&mut decoder, PLAIN);
    let (prefix, suffix) = PLAIN.split_once("TEXT").unwrap();
    let data = [prefix.as_bytes(), b"\xFF", suffix.as_bytes()].concat();
    let decoded = decoder.decode(&data, b"").unwrap();
    let whole = RunEvent::decode("thread.message.delta", &PLAIN.replace("TEXT", "\u{FFFD}"));
    assert_eq!(decoded, whole.unwrap());
}

#[test]
fn deltas_that_always_differ_in_more_than_their_text() {
    let mut decoder = TextDeltaDecoder::default();
    for number in 0..100 {
        assert_same(&mut decoder, &PLAIN.replace("msg_1", &format!("msg_{}", number % 7)));
    }
    for _ in 0..3 {
        assert_same(&mut decoder, PLAIN);
    }
}

proptest! {
    /// Any texts in any forms, escaped or not, with any character changed.
    #[test]
    fn cached_and_general_decoding_agree(
        deltas in prop::collection::vec(
            (
                prop::sample::select(FORMS),
                ".{0,12}",
                any::<bool>(),
                0_usize..160,
                prop_oneof![3 => Just(None), 1 => any::<char>().prop_map(Some)],
            ),
            1..6,
        ),
    ) {
        let mut decoder = TextDeltaDecoder::default();
        for (form, text, escaped, at, change) in deltas {
            let mut text = text;
            if escaped {
                text = serde_json::to_string(&text).unwrap();
                text = text[1..text.len() - 1].to_owned();
            }
            let mut data = form.replace("TEXT", &text);
            if let (Some(change), Some((at, old))) = (change, data.char_indices().nth(at)) {
                data.replace_range(at..at + old.len_utf8(), &change.to_string());
            }
            assert_same(&mut decoder, &data);
        }
    }
}
