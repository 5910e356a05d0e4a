//! Requests to the provider.

use futures_util::StreamExt as _;
use runstep_server::model::{
    CodeInterpreter, ConversationItem, FileSearch, Function, Model as _, ModelRequest, NamedSchema,
    ResponseFormat, ToolCall, ToolChoice, UserPart,
};
use serde_json::{Value, json};

use super::provider::{Events, assert_snapshot, builder, fixture};
use crate::harness::upstream::{MockResponse, Upstream, request};

/// Sends a request to a provider; returns the body that the provider received.
async fn sent_body(request: ModelRequest) -> Value {
    let upstream = Upstream::new([Events::new().text("Hi").complete()]).await;
    let model = builder(&upstream).map_model("test-model", "mapped").build().unwrap();
    let _first = model.respond(request).next().await;
    upstream.requests().pop().unwrap().body
}

#[tokio::test]
async fn plain_request_has_only_what_is_required() {
    let expected = json!({
        "model": "mapped",
        "input": [{
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "Hello"}],
        }],
        "stream": true,
        "store": false,
        "include": ["reasoning.encrypted_content"],
    });
    assert_eq!(sent_body(request()).await, expected);
    // Reasoning models reject even the defaults.
    let mut defaults = request();
    (defaults.temperature, defaults.top_p) = (Some(1.0), Some(1.0));
    assert_eq!(sent_body(defaults).await, expected);
}

#[tokio::test]
async fn every_setting_is_sent() {
    let mut request = request();
    request.instructions = Some("Be brief.".to_owned());
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let function = |name: &str, strict: bool| Function {
        name: name.to_owned(),
        description: strict.then(|| "Returns the weather".to_owned()),
        parameters: strict.then(|| parameters.clone().into()),
        strict,
    };
    request.tools = vec![function("weather", true), function("time", false)];
    let mut search = FileSearch::default();
    search.vector_store_ids = vec!["vs_1".to_owned()];
    search.max_num_results = Some(5);
    search.score_threshold = Some(0.5);
    request.file_search = Some(search);
    let mut interpreter = CodeInterpreter::default();
    interpreter.file_ids = vec!["file-1".to_owned()];
    request.code_interpreter = Some(interpreter);
    request.tool_choice = ToolChoice::Function("weather".to_owned());
    request.parallel_tool_calls = false;
    request.response_format = ResponseFormat::JsonSchema(NamedSchema {
        name: "weather".to_owned(),
        description: None,
        schema: json!({"type": "object"}).into(),
        strict: true,
    });
    request.temperature = Some(0.5);
    request.top_p = Some(0.25);
    request.reasoning_effort = Some("low".to_owned());
    request.max_completion_tokens = Some(100);
    let detail = Some("low".to_owned());
    request.conversation = vec![
        ConversationItem::UserParts(vec![
            UserPart::Text("See:".to_owned()),
            UserPart::Image { url: "https://example.com/a.png".to_owned(), detail },
            UserPart::ImageFile { file_id: "file-image".to_owned(), detail: None },
        ]),
        ConversationItem::Assistant("Let me see.".to_owned()),
        ConversationItem::ToolCalls(vec![ToolCall {
            id: "call_1".to_owned(),
            name: "time".to_owned(),
            arguments: "{}".to_owned(),
        }]),
        ConversationItem::ToolOutput { call_id: "call_1".to_owned(), output: "noon".to_owned() },
    ]
    .into();
    assert_snapshot("every_setting", &sent_body(request).await);
}

#[tokio::test]
async fn file_search_without_vector_stores_is_omitted() {
    let mut request = request();
    request.file_search = Some(FileSearch::default());
    request.tool_choice = ToolChoice::FileSearch;
    let body = sent_body(request).await;
    assert_eq!((&body["tools"], &body["tool_choice"]), (&Value::Null, &Value::Null));
    assert_eq!(body["include"], json!(["reasoning.encrypted_content"]));
}

#[tokio::test]
async fn models_without_encrypted_reasoning_are_remembered() {
    let message = "Encrypted content is not supported with this model.";
    let rejection = MockResponse::json(400, &json!({"error": {"message": message}}));
    let answer = || Events::new().text("Hi").complete();
    let upstream = Upstream::new([rejection, answer(), answer()]).await;
    let fixture = fixture(&upstream, json!({})).await;
    for _ in 0..2 {
        assert_eq!(fixture.create_run_and_wait(json!({})).await["status"], "completed");
    }
    let requests = upstream.requests();
    let includes: Vec<bool> =
        requests.iter().map(|request| request.body.get("include").is_some()).collect();
    assert_eq!(includes, [true, false, false]);
}
