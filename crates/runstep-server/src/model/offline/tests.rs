use futures_util::StreamExt;
use serde_json::Value;
use tokio::time::Instant;

use super::*;
use crate::model::{NamedSchema, estimate_tokens};

fn function(name: &str) -> Function {
    let parameters = json!({
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    });
    Function {
        name: name.to_owned(),
        description: None,
        parameters: Some(parameters.into()),
        strict: false,
    }
}

fn user(text: &str) -> ConversationItem {
    ConversationItem::User(text.to_owned())
}

fn calls(names: &[&str]) -> ConversationItem {
    let call = |name: &&str| ToolCall {
        id: format!("call_{name}"),
        name: (*name).to_owned(),
        arguments: "{}".to_owned(),
    };
    ConversationItem::ToolCalls(names.iter().map(call).collect())
}

fn output(name: &str, output: &str) -> ConversationItem {
    ConversationItem::ToolOutput { call_id: format!("call_{name}"), output: output.to_owned() }
}

fn request(conversation: Vec<ConversationItem>, functions: &[&str]) -> ModelRequest {
    let mut request = ModelRequest::new("offline", conversation);
    request.tools = functions.iter().map(|name| function(name)).collect();
    request
}

async fn events(request: ModelRequest) -> Vec<ModelEvent> {
    let events: Vec<_> = Offline::new().respond(request).collect().await;
    events.into_iter().map(|event| event.expect("no failure")).collect()
}

/// All text, and names and arguments of all calls.
async fn respond_to(request: ModelRequest) -> (String, Vec<(String, String)>) {
    let mut text = String::new();
    let mut calls: Vec<(String, String)> = Vec::new();
    for event in events(request).await {
        match event {
            ModelEvent::Text(more) => text.push_str(&more),
            ModelEvent::ToolCall { index, name } => {
                assert_eq!(index, calls.len());
                calls.push((name, String::new()));
            }
            ModelEvent::Arguments { index, text } => calls[index].1.push_str(&text),
            _ => {}
        }
    }
    (text, calls)
}

fn names(calls: &[(String, String)]) -> Vec<&str> {
    calls.iter().map(|(name, _)| name.as_str()).collect()
}

#[tokio::test]
async fn last_user_message_is_repeated_word_by_word() {
    let conversation =
        vec![user("First"), ConversationItem::Assistant("Yes".into()), user("Hi there")];
    let events = events(request(conversation, &[])).await;
    let text = |text: &str| ModelEvent::Text(text.to_owned());
    assert_eq!(
        events,
        [
            text("You "),
            text("said: "),
            text("\"Hi "),
            text("there\""),
            ModelEvent::Usage { prompt_tokens: 2 + 1 + 2, completion_tokens: 5 },
        ]
    );
}

#[tokio::test]
async fn long_messages_are_shortened_and_a_missing_one_is_mentioned() {
    let (text, _) = respond_to(request(vec![user(&"é".repeat(500))], &[])).await;
    assert_eq!(text, format!("You said: \"{}…\"", "é".repeat(199)));
    let (text, _) = respond_to(request(Vec::new(), &[])).await;
    assert_eq!(text, "There is no message to answer yet.");
}

#[tokio::test]
async fn all_functions_are_called_and_their_outputs_repeated() {
    let mut conversation = vec![user("What is the weather in Paris?")];
    let (text, called) =
        respond_to(request(conversation.clone(), &["get_weather", "get_time"])).await;
    assert_eq!(text, "");
    let city = json!({"city": "Paris"}).to_string();
    assert_eq!(called, [("get_weather".into(), city.clone()), ("get_time".into(), city)]);

    conversation.extend([
        calls(&["get_weather", "get_time"]),
        output("get_weather", "18 degrees and sunny"),
        output("get_time", "Noon!"),
    ]);
    let (text, called) =
        respond_to(request(conversation.clone(), &["get_weather", "get_time"])).await;
    assert!(called.is_empty());
    assert_eq!(text, "get_weather says: 18 degrees and sunny. get_time says: Noon!");

    conversation.push(user("And in Rome?"));
    let (_, called) = respond_to(request(conversation, &["get_weather"])).await;
    assert_eq!(called, [("get_weather".into(), json!({"city": "Rome"}).to_string())]);
}

#[tokio::test]
async fn without_parallel_calls_each_response_calls_one_function() {
    let mut conversation = vec![user("Hi")];
    for expected in [&["a"][..], &["b"], &[]] {
        let mut request = request(conversation.clone(), &["a", "b"]);
        request.parallel_tool_calls = false;
        let (_, called) = respond_to(request).await;
        assert_eq!(names(&called), expected);
        if let [name] = expected {
            conversation.extend([calls(&[name]), output(name, "done")]);
        }
    }
}

#[tokio::test]
async fn tool_choice_is_respected() {
    let respond = |choice: ToolChoice, conversation: Vec<ConversationItem>| {
        let mut request = request(conversation, &["a", "b"]);
        request.tool_choice = choice;
        respond_to(request)
    };
    let (text, called) = respond(ToolChoice::None, vec![user("Hi")]).await;
    assert_eq!((text.as_str(), called.len()), ("You said: \"Hi\"", 0));
    let (_, called) = respond(ToolChoice::Required, vec![user("Hi")]).await;
    assert_eq!(names(&called), ["a", "b"]);
    let (_, called) = respond(ToolChoice::Function("b".into()), vec![user("Hi")]).await;
    assert_eq!(names(&called), ["b"]);
    let conversation = vec![user("Hi"), calls(&["b"]), output("b", "done.")];
    let (text, called) = respond(ToolChoice::Function("b".into()), conversation).await;
    assert_eq!((text.as_str(), called.len()), ("b says: done.", 0));
}

#[tokio::test]
async fn response_formats_are_respected() {
    let mut plain = request(vec![user("Say \"so\"")], &[]);
    plain.response_format = ResponseFormat::JsonObject;
    let (text, _) = respond_to(plain).await;
    let value: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value, json!({"answer": "You said: \"Say \"so\"\""}));

    let conversation =
        vec![user("How warm is Paris?"), calls(&["a"]), output("a", "{\"degrees\": 18}")];
    let mut shaped = request(conversation, &["a"]);
    shaped.response_format = ResponseFormat::JsonSchema(NamedSchema {
        name: "weather".to_owned(),
        description: None,
        schema: json!({
            "type": "object",
            "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
            "required": ["city", "degrees"],
        })
        .into(),
        strict: true,
    });
    let (text, _) = respond_to(shaped).await;
    let value: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value, json!({"city": "Paris", "degrees": 18}));
}

#[tokio::test]
async fn responses_are_cut_off_at_the_token_limit() {
    let mut text = request(vec![user("One two three four five")], &[]);
    text.max_completion_tokens = Some(3);
    let all = events(text.clone()).await;
    assert!(matches!(
        all[..],
        [.., ModelEvent::TokenLimit, ModelEvent::Usage { completion_tokens: 3, .. }]
    ));
    assert_eq!(respond_to(text.clone()).await.0, "You said: \"O");

    text.max_completion_tokens = Some(1000);
    assert!(!events(text).await.contains(&ModelEvent::TokenLimit));

    let mut called = request(vec![user("Weather in Paris")], &["a", "b"]);
    called.max_completion_tokens = Some(2);
    assert!(events(called.clone()).await.contains(&ModelEvent::TokenLimit));
    assert_eq!(respond_to(called).await.1, [("a".into(), "{\"city\"".into())]);

    let mut nothing = request(vec![user("Hi")], &["a"]);
    nothing.max_completion_tokens = Some(0);
    let usage = ModelEvent::Usage { prompt_tokens: 1 + function_cost(), completion_tokens: 0 };
    assert_eq!(events(nothing).await, [ModelEvent::TokenLimit, usage]);
}

fn function_cost() -> u64 {
    let parameters = serde_json::to_string(&function("a").parameters).expect("JSON");
    estimate_tokens("a") + estimate_tokens(&parameters)
}

#[tokio::test]
async fn usage_counts_instructions_conversation_and_functions() {
    let mut request = request(vec![user("12345")], &["a"]);
    request.instructions = Some("1234".to_owned());
    let events = events(request).await;
    let Some(ModelEvent::Usage { prompt_tokens, .. }) = events.last() else {
        panic!("no usage in {events:?}")
    };
    assert_eq!(*prompt_tokens, 1 + 2 + function_cost());
}

#[tokio::test]
async fn arguments_are_split_between_characters() {
    let events =
        events(request(vec![user("Weather in Ñuñoa ÉÉÉÉÉÉÉÉÉÉÉ ÜÜÜÜÜÜÜÜÜ")], &["a"])).await;
    let chunks =
        events.iter().filter(|event| matches!(event, ModelEvent::Arguments { .. })).count();
    assert!(chunks >= 3, "{chunks}");
}

#[tokio::test(start_paused = true)]
async fn delays_precede_the_first_event_and_each_later_chunk() {
    let model =
        Offline::new().initial_delay(Duration::from_secs(5)).chunk_interval(Duration::from_secs(1));
    let start = Instant::now();
    let mut stream = model.respond(request(vec![user("Hi")], &[]));
    let mut seconds = Vec::new();
    while stream.next().await.is_some() {
        seconds.push(start.elapsed().as_secs());
    }
    assert_eq!(seconds, [5, 6, 7, 7]);
}

#[test]
fn without_delays_no_timer_is_needed() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let (text, _) = runtime.block_on(respond_to(request(vec![user("Hi")], &[])));
    assert_eq!(text, "You said: \"Hi\"");
}
