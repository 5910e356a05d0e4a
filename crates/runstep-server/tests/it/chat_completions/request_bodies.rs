//! Requests to the provider.

use insta::assert_json_snapshot;
use runstep_server::model::{
    ChatCompletions, ConversationItem, Function, Model as _, ModelRequest, NamedSchema,
    ResponseFormat, TokenLimitField, ToolCall, ToolChoice, UserPart,
};
use serde_json::{Value, json};

use crate::harness::upstream::{Upstream, collect_response, hello_response, request};

fn user(text: &str) -> ConversationItem {
    ConversationItem::User(text.to_owned())
}

fn function(name: &str) -> Function {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    Function {
        name: name.to_owned(),
        description: Some("Returns the weather".to_owned()),
        parameters: Some(parameters.into()),
        strict: true,
    }
}

fn call(id: &str, name: &str) -> ToolCall {
    let (id, name) = (id.to_owned(), name.to_owned());
    ToolCall { id, name, arguments: "{\"city\":\"Paris\"}".to_owned() }
}

/// Sends a request to a provider; returns the body that the provider received.
async fn sent_body(request: ModelRequest) -> Value {
    let upstream = Upstream::new([hello_response()]).await;
    sent_body_with(&upstream, &upstream.model(), request).await
}

async fn sent_body_with(
    upstream: &Upstream,
    model: &ChatCompletions,
    request: ModelRequest,
) -> Value {
    let _first = futures_util::StreamExt::next(&mut model.respond(request)).await;
    upstream.requests().pop().unwrap().body
}

#[tokio::test]
async fn plain_conversation_is_sent() {
    assert_json_snapshot!(sent_body(request()).await, @r#"
{
  "model": "test-model",
  "messages": [
    {
      "role": "user",
      "content": "Hello"
    }
  ],
  "stream": true,
  "stream_options": {
    "include_usage": true
  }
}
"#);
}

#[tokio::test]
async fn every_setting_is_sent() {
    let mut request = request();
    request.instructions = Some("Be kind.".to_owned());
    request.conversation = vec![
        user("Hello"),
        ConversationItem::Assistant("Hi".to_owned()),
        user("How warm is it in Paris and in Rome?"),
        ConversationItem::Assistant("Let me see.".to_owned()),
        ConversationItem::ToolCalls(vec![call("call_1", "weather"), call("call_2", "weather")]),
        ConversationItem::ToolOutput { call_id: "call_1".to_owned(), output: "18".to_owned() },
        ConversationItem::ToolOutput { call_id: "call_2".to_owned(), output: "24".to_owned() },
        ConversationItem::ToolCalls(vec![call("call_3", "time")]),
        ConversationItem::ToolOutput { call_id: "call_3".to_owned(), output: String::new() },
    ]
    .into();
    let minimal =
        Function { description: None, parameters: None, strict: false, ..function("time") };
    request.tools = vec![function("weather"), minimal];
    request.tool_choice = ToolChoice::None;
    request.parallel_tool_calls = false;
    request.response_format = ResponseFormat::JsonSchema(NamedSchema {
        name: "temperatures".to_owned(),
        description: Some("By city".to_owned()),
        schema: json!({"type": "object"}).into(),
        strict: true,
    });
    request.temperature = Some(0.5);
    request.top_p = Some(1.0);
    request.reasoning_effort = Some("low".to_owned());
    request.max_completion_tokens = Some(300);
    assert_json_snapshot!(sent_body(request).await);
}

#[tokio::test]
async fn images_are_sent_as_content_parts() {
    let mut request = request();
    request.conversation = vec![ConversationItem::UserParts(vec![
        UserPart::Text("What is this?".to_owned()),
        UserPart::Image { url: "https://example.com/a.png".to_owned(), detail: None },
        UserPart::Image {
            url: "data:image/png;base64,AAAA".to_owned(),
            detail: Some("low".to_owned()),
        },
    ])]
    .into();
    assert_json_snapshot!(sent_body(request).await["messages"], @r#"
[
  {
    "role": "user",
    "content": [
      {
        "type": "text",
        "text": "What is this?"
      },
      {
        "type": "image_url",
        "image_url": {
          "url": "https://example.com/a.png"
        }
      },
      {
        "type": "image_url",
        "image_url": {
          "url": "data:image/png;base64,AAAA",
          "detail": "low"
        }
      }
    ]
  }
]
"#);
}

#[tokio::test]
async fn response_formats_are_sent() {
    let mut json_object = request();
    json_object.response_format = ResponseFormat::JsonObject;
    assert_eq!(sent_body(json_object).await["response_format"], json!({"type": "json_object"}));
    let mut json_schema = request();
    json_schema.response_format = ResponseFormat::JsonSchema(NamedSchema {
        name: "x".to_owned(),
        description: None,
        schema: json!({}).into(),
        strict: false,
    });
    let expected = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": {}}});
    assert_eq!(sent_body(json_schema).await["response_format"], expected);
}

#[tokio::test]
async fn required_tool_choice_is_dropped_after_its_call() {
    let named = ToolChoice::Function("weather".to_owned());
    let choice = json!({"type": "function", "function": {"name": "weather"}});
    let calls = |name| ConversationItem::ToolCalls(vec![call("call_1", name)]);
    let cases = [
        (ToolChoice::Required, vec![user("Hi")], json!("required")),
        (ToolChoice::Required, vec![user("Hi"), calls("time")], Value::Null),
        (ToolChoice::Required, vec![calls("time"), user("Hi")], json!("required")),
        (named.clone(), vec![user("Hi")], choice.clone()),
        (named.clone(), vec![user("Hi"), calls("time")], choice),
        (named, vec![user("Hi"), calls("weather")], Value::Null),
        (ToolChoice::None, vec![user("Hi")], json!("none")),
        (ToolChoice::Auto, vec![user("Hi")], Value::Null),
    ];
    for (choice, conversation, expected) in cases {
        let mut request = request();
        request.tools = vec![function("weather")];
        request.tool_choice = choice.clone();
        request.conversation = conversation.into();
        let body = sent_body(request).await;
        assert_eq!(body["tool_choice"], expected, "{choice:?}: {body}");
    }
    let mut without_tools = request();
    without_tools.tool_choice = ToolChoice::Required;
    without_tools.parallel_tool_calls = false;
    let body = sent_body(without_tools).await;
    assert_eq!((&body["tool_choice"], &body["parallel_tool_calls"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn model_names_are_mapped() {
    let upstream = Upstream::new((0..3).map(|_| hello_response())).await;
    let model = upstream.builder().map_model("gpt-4o", "qwen2.5:7b").build().unwrap();
    let request_for = |name: &str| ModelRequest::new(name, vec![user("Hi")]);
    assert_eq!(
        sent_body_with(&upstream, &model, request_for("gpt-4o")).await["model"],
        "qwen2.5:7b"
    );
    assert_eq!(sent_body_with(&upstream, &model, request_for("other")).await["model"], "other");
    let builder = upstream.builder().map_model("gpt-4o", "qwen2.5:7b").default_model("llama3.2");
    let model = builder.build().unwrap();
    assert_eq!(sent_body_with(&upstream, &model, request_for("other")).await["model"], "llama3.2");
}

#[tokio::test]
async fn stream_usage_and_token_limit_field_are_configurable() {
    let upstream = Upstream::new([hello_response()]).await;
    let field = TokenLimitField::MaxCompletionTokens;
    let model = upstream.builder().stream_usage(false).token_limit_field(field).build().unwrap();
    let mut request = request();
    request.max_completion_tokens = Some(300);
    let body = sent_body_with(&upstream, &model, request).await;
    assert_eq!(body.get("stream_options"), None);
    assert_eq!(body.get("max_tokens"), None);
    assert_eq!(body["max_completion_tokens"], 300);
}

#[tokio::test]
async fn endpoint_path_is_appended_to_the_base_url() {
    let paths = [
        ("", "/v1/chat/completions"),
        ("/", "/v1/chat/completions"),
        ("/chat/completions", "/v1/chat/completions"),
        ("/a%20b/?api-version=1", "/v1/a%20b/chat/completions?api-version=1"),
    ];
    for (suffix, path) in paths {
        let upstream = Upstream::new([hello_response()]).await;
        let url = format!("{}{suffix}", upstream.url());
        collect_response(&ChatCompletions::builder(url).build().unwrap()).await;
        let head = upstream.requests().remove(0).head;
        let line = head.lines().next().unwrap();
        assert_eq!(line, format!("POST {path} HTTP/1.1"), "{suffix}");
    }
}

#[tokio::test]
async fn key_is_sent_as_bearer_token() {
    let upstream = Upstream::new([hello_response(), hello_response()]).await;
    collect_response(&upstream.model()).await;
    collect_response(&upstream.builder().api_key("sk-upstream").build().unwrap()).await;
    let requests = upstream.requests();
    assert!(!requests[0].head.contains("authorization"), "{}", requests[0].head);
    assert!(requests[1].head.contains("authorization: Bearer sk-upstream\r\n"));
    for header in ["content-type: application/json\r\n", "user-agent: runstep-server/"] {
        assert!(requests[0].head.contains(header), "{}", requests[0].head);
    }
}

#[test]
fn builder_rejects_unusable_urls_and_keys() {
    let error = |builder: runstep_server::model::UpstreamBuilder<ChatCompletions>| {
        builder.build().unwrap_err().to_string()
    };
    let url = |url: &str| error(ChatCompletions::builder(url));
    insta::assert_snapshot!(url("127.0.0.1:8000"), @"invalid upstream URL: relative URL without a base; expected one such as http://127.0.0.1:11434/v1");
    insta::assert_snapshot!(url("ftp://example.com"), @"invalid upstream URL: it must start with http:// or https://; expected one such as http://127.0.0.1:11434/v1");
    insta::assert_snapshot!(url("http://me:secret@example.com"), @"invalid upstream URL: it contains a user name or password; use an API key instead; expected one such as http://127.0.0.1:11434/v1");
    let valid_builder = || ChatCompletions::builder("http://127.0.0.1:1/v1");
    insta::assert_snapshot!(error(valid_builder().api_key("a\nb")), @"invalid upstream key: it is empty or contains characters that are not allowed in a header");
    assert_eq!(error(valid_builder().api_key("")), error(valid_builder().api_key("a\nb")));
}

#[test]
fn debug_output_contains_no_secret() {
    let builder = ChatCompletions::builder("http://example.com/v1?key=secret").api_key("secret");
    let model = builder.build().unwrap();
    let text = format!("{model:?}");
    assert!(text.contains("example.com") && !text.contains("secret"), "{text}");
}
