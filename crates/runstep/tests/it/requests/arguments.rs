//! Values that the methods of requests accept.

#![allow(clippy::needless_borrows_for_generic_args, reason = "borrowed values are what is tested")]

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use runstep::types::{
    Assistant, CodeInterpreterTool, CreateMessageRequest, FunctionDefinition,
    JsonObjectResponseFormat, Message, MessageRole, NamedToolChoice, Order, ReasoningEffort, Run,
    RunStep, Thread, Tool, ToolChoice, TruncationStrategy,
};
use runstep::{CreateRun, Error, ErrorKind, Field, RunRef};
use serde_json::{Value, json};

use crate::harness::{RecordingServer, example, json_response};

/// Creates runs with different arguments, and returns the property that the server received for each.
async fn sent(
    property: &str,
    set: impl IntoIterator<Item = fn(CreateRun) -> CreateRun>,
) -> Vec<Value> {
    let server = RecordingServer::with_json(example("Run")).await;
    let runs = server.client().runs("thread_abc123");
    for set in set {
        set(runs.create("asst_abc123")).await.unwrap();
    }
    let body = |body: &[u8]| -> Value { serde_json::from_slice(body).unwrap() };
    let requests = server.requests();
    // A property that is not sent is not null.
    let get = |body: Value| body.get(property).cloned().unwrap_or(json!("(absent)"));
    requests.iter().map(|request| get(body(&request.body))).collect()
}

/// Sends a request with an argument that cannot be sent.
async fn rejected(set: impl FnOnce(CreateRun) -> CreateRun) -> Error {
    let server = RecordingServer::with_json(example("Run")).await;
    // Limits are not checked: what cannot be sent is an error all the same.
    let client = server.builder().check_limits(false).build().unwrap();
    let error = set(client.runs("thread_abc123").create("asst_abc123")).await.unwrap_err();
    assert_eq!(server.count(), 0);
    assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error}");
    error
}

#[tokio::test]
async fn text_is_accepted_in_every_form() {
    let values = sent(
        "instructions",
        [
            |run| run.instructions("a"),
            |run| run.instructions("a".to_owned()),
            |run| run.instructions(&"a".to_owned()),
            |run| run.instructions(Cow::Borrowed("a")),
            |run| run.instructions(String::from("a").into_boxed_str()),
            |run| run.instructions(Some("a")),
            |run| run.instructions(Some("a".to_owned())),
            |run| run.instructions(Some(&"a".to_owned())),
            |run| run.instructions(HashMap::from([(1, "a".to_owned())]).get(&1)),
            |run| run.instructions(Field::Value("a".to_owned())),
        ] as [fn(CreateRun) -> CreateRun; 10],
    )
    .await;
    assert_eq!(values, vec![json!("a"); 10]);
    let values = sent(
        "instructions",
        [
            |run| run.instructions(None::<&str>),
            |run| run.instructions("a").instructions(None::<String>),
            |run| run.instructions("a").instructions(Field::Absent),
            |run| run.instructions(Field::Null),
        ] as [fn(CreateRun) -> CreateRun; 4],
    )
    .await;
    let absent = json!("(absent)");
    assert_eq!(values, [absent.clone(), absent.clone(), absent, Value::Null]);
}

#[tokio::test]
async fn integers_are_accepted_in_every_type() {
    let values = sent(
        "max_prompt_tokens",
        [
            |run| run.max_prompt_tokens(300),
            |run| run.max_prompt_tokens(300_u16),
            |run| run.max_prompt_tokens(300_u32),
            |run| run.max_prompt_tokens(300_u64),
            |run| run.max_prompt_tokens(300_usize),
            |run| run.max_prompt_tokens(300_i64),
            |run| run.max_prompt_tokens(Some(300)),
            |run| run.max_prompt_tokens(Some(300_u32)),
            |run| run.max_prompt_tokens(Some(300_usize)),
            |run| run.max_prompt_tokens(300_i128),
        ] as [fn(CreateRun) -> CreateRun; 10],
    )
    .await;
    assert_eq!(values, vec![json!(300); 10]);
}

#[tokio::test]
async fn integer_out_of_range_is_an_error_when_the_request_is_sent() {
    let error = rejected(|run| run.max_prompt_tokens(-5)).await;
    assert_eq!(error.param(), Some("max_prompt_tokens"));
    insta::assert_snapshot!(error, @"`max_prompt_tokens` is -5; expected an integer from 0 to 18446744073709551615; nothing was sent (param max_prompt_tokens)");
    let error = rejected(|run| run.max_completion_tokens(Some(u128::MAX)).model("m")).await;
    assert_eq!(error.param(), Some("max_completion_tokens"));
}

#[tokio::test]
async fn later_value_replaces_one_that_cannot_be_sent() {
    let values = sent(
        "max_prompt_tokens",
        [|run: CreateRun| run.max_prompt_tokens(-1).max_prompt_tokens(300)]
            as [fn(CreateRun) -> CreateRun; 1],
    )
    .await;
    assert_eq!(values, [json!(300)]);
    let error = rejected(|run| run.max_prompt_tokens(-1).temperature(1)).await;
    assert_eq!(error.param(), Some("max_prompt_tokens"));
}

#[tokio::test]
async fn numbers_are_accepted_and_keep_their_decimal_digits() {
    let values = sent(
        "temperature",
        [
            |run| run.temperature(0.1),
            |run| run.temperature(0.1_f32),
            |run| run.temperature(Some(0.1_f32)),
            |run| run.temperature(Some(0.1)),
            |run| run.temperature(1),
            |run| run.temperature(Some(1_u8)),
        ] as [fn(CreateRun) -> CreateRun; 6],
    )
    .await;
    assert_eq!(values, [json!(0.1), json!(0.1), json!(0.1), json!(0.1), json!(1.0), json!(1.0)]);
    for number in [f64::NAN, f64::INFINITY] {
        let error = rejected(|run| run.temperature(number)).await;
        assert_eq!(error.param(), Some("temperature"));
    }
}

#[tokio::test]
async fn enums_and_unions_are_accepted_as_text_variants_and_json() {
    let values = sent(
        "tool_choice",
        [
            |run| run.tool_choice("auto"),
            |run| run.tool_choice(&"auto".to_owned()),
            |run| run.tool_choice(ToolChoice::Auto),
            |run| run.tool_choice(Some(ToolChoice::Auto)),
            |run| run.tool_choice(json!("auto")),
        ] as [fn(CreateRun) -> CreateRun; 5],
    )
    .await;
    assert_eq!(values, vec![json!("auto"); 5]);
    let values = sent(
        "tool_choice",
        [
            |run| run.tool_choice(NamedToolChoice::new("file_search")),
            |run| run.tool_choice(json!({"type": "file_search"})),
        ] as [fn(CreateRun) -> CreateRun; 2],
    )
    .await;
    assert_eq!(values, vec![json!({"type": "file_search"}); 2]);
    let values = sent(
        "response_format",
        [
            |run| run.response_format("auto"),
            |run| run.response_format(JsonObjectResponseFormat::default()),
            |run| run.response_format(json!({"type": "json_object"})),
            |run| run.response_format(json!(null)),
            |run| run.response_format(Field::Null),
            |run| run.response_format(None),
        ] as [fn(CreateRun) -> CreateRun; 6],
    )
    .await;
    let object = json!({"type": "json_object"});
    let expected =
        [json!("auto"), object.clone(), object, Value::Null, Value::Null, json!("(absent)")];
    assert_eq!(values, expected);
    let values = sent(
        "reasoning_effort",
        [
            |run| run.reasoning_effort("low"),
            |run| run.reasoning_effort(ReasoningEffort::Low),
            |run| run.reasoning_effort("a new effort"),
        ] as [fn(CreateRun) -> CreateRun; 3],
    )
    .await;
    assert_eq!(values, [json!("low"), json!("low"), json!("a new effort")]);
    let values = sent(
        "truncation_strategy",
        [
            |run| run.truncation_strategy(TruncationStrategy::new("auto")),
            |run| run.truncation_strategy(json!({"type": "auto"})),
        ] as [fn(CreateRun) -> CreateRun; 2],
    )
    .await;
    assert_eq!(values, vec![json!({"type": "auto"}); 2]);
}

#[tokio::test]
async fn json_that_does_not_decode_is_an_error_when_the_request_is_sent() {
    let error = rejected(|run| run.truncation_strategy(json!(["auto"]))).await;
    assert_eq!(error.param(), Some("truncation_strategy"));
    insta::assert_snapshot!(error, @r#"`truncation_strategy` is not valid: at the top level: invalid type: sequence, expected struct TruncationStrategy; found: ["auto"]; nothing was sent (param truncation_strategy)"#);
}

#[tokio::test]
async fn lists_are_accepted_as_collections_and_iterators() {
    fn tools() -> Vec<Tool> {
        vec![CodeInterpreterTool::default().into()]
    }
    let values = sent(
        "tools",
        [
            |run| run.tools(tools()),
            |run| run.tools(&tools()),
            |run| run.tools(tools().as_slice()),
            |run| run.tools([tools().remove(0)]),
            |run| run.tools(&[tools().remove(0)]),
            |run| run.tools(Some(tools())),
            |run| run.tools(tools().into_iter()),
            |run| run.tools(tools().iter()),
            |run| run.tools([CodeInterpreterTool::default()].into_iter()),
            |run| run.tool(CodeInterpreterTool::default()),
        ] as [fn(CreateRun) -> CreateRun; 10],
    )
    .await;
    assert_eq!(values, vec![json!([{"type": "code_interpreter"}]); 10]);
    let values = sent(
        "tools",
        [
            |run| run.tools(vec![]),
            |run| run.tools([]),
            |run| run.tools(None),
            |run| run.tools(Field::Null),
        ] as [fn(CreateRun) -> CreateRun; 4],
    )
    .await;
    assert_eq!(values, [json!([]), json!([]), json!("(absent)"), Value::Null]);
}

#[tokio::test]
async fn function_definition_is_a_tool() {
    let values = sent(
        "tools",
        [
            |run| run.tool(FunctionDefinition::new("f")),
            |run| run.tools([FunctionDefinition::new("f")].into_iter()),
        ] as [fn(CreateRun) -> CreateRun; 2],
    )
    .await;
    assert_eq!(values, vec![json!([{"type": "function", "function": {"name": "f"}}]); 2]);
}

#[tokio::test]
async fn maps_are_accepted_as_collections_and_iterators() {
    let values = sent(
        "metadata",
        [
            |run| run.metadata([("a", "b")]),
            |run| run.metadata([("a", "b".to_owned())]),
            |run| run.metadata(vec![("a", "b")]),
            |run| run.metadata(BTreeMap::from([("a", "b")])),
            |run| run.metadata(HashMap::from([("a".to_owned(), "b".to_owned())])),
            |run| run.metadata(&HashMap::from([("a".to_owned(), "b".to_owned())])),
            |run| run.metadata(&BTreeMap::from([("a".to_owned(), "b".to_owned())])),
            |run| run.metadata(Some(HashMap::from([("a", "b")]))),
            |run| run.metadata([("a", "b")].into_iter()),
            |run| run.metadata(HashMap::from([("a".to_owned(), "b".to_owned())]).iter()),
            |run| run.metadata(Field::Value(BTreeMap::from([("a".to_owned(), "b".to_owned())]))),
            |run| run.metadata_entry("a", "b"),
        ] as [fn(CreateRun) -> CreateRun; 12],
    )
    .await;
    assert_eq!(values, vec![json!({"a": "b"}); 12]);
}

#[tokio::test]
async fn message_content_is_accepted_as_borrowed_text() {
    let question = "How deep is the sea?".to_owned();
    let server = RecordingServer::with_json(example("Run")).await;
    let runs = server.client().runs("thread_abc123");
    let message = CreateMessageRequest::new(MessageRole::User, &question);
    let request = runs.create("asst_abc123").additional_message(message).user_message(&question);
    request.user_message("Why?").await.unwrap();
    let body: Value = serde_json::from_slice(&server.only_request().body).unwrap();
    let contents: Vec<_> =
        body["additional_messages"].as_array().unwrap().iter().map(|m| &m["content"]).collect();
    assert_eq!(contents, [&json!(question), &json!(question), &json!("Why?")]);
}

#[tokio::test]
async fn page_is_selected_by_any_form_of_the_values() {
    let page = json!({"object": "list", "data": [], "has_more": false});
    let server = RecordingServer::start(move |_| json_response(&page)).await;
    let client = server.client();
    let (runs, saved) = (client.runs("t"), Some("run_1".to_owned()));
    runs.list().limit(5_usize).order("asc").after(saved.clone()).await.unwrap();
    runs.list().limit(Some(5_u32)).order(Order::Asc).after(saved.as_deref()).await.unwrap();
    runs.list().limit(5).order(Some(Order::Asc)).after(saved.as_ref()).await.unwrap();
    client.messages("t").list().limit(None::<u64>).before(None::<&str>).await.unwrap();
    let targets: Vec<_> = server.requests().into_iter().map(|request| request.target).collect();
    let run_page = "/v1/threads/t/runs?after=run_1&limit=5&order=asc";
    assert_eq!(targets, [run_page, run_page, run_page, "/v1/threads/t/messages"]);

    let error = runs.list().limit(-1).await.unwrap_err();
    assert_eq!((error.kind(), error.param()), (ErrorKind::InvalidRequest, Some("limit")));
    let error = runs.list().limit(-1).items().try_next().await.unwrap_err();
    assert_eq!((error.kind(), error.param()), (ErrorKind::InvalidRequest, Some("limit")));
}

#[tokio::test]
async fn objects_identify_themselves() {
    let mut run = example("Run");
    run["status"] = json!("completed");
    let run: Run = serde_json::from_value(run).unwrap();
    let thread: Thread = serde_json::from_value(example("Thread")).unwrap();
    let assistant: Assistant = serde_json::from_value(example("Assistant")).unwrap();
    let message: Message = serde_json::from_value(example("Message")).unwrap();
    let step: RunStep = serde_json::from_value(example("RunStep")).unwrap();
    let body = serde_json::to_value(&run).unwrap();
    let server = RecordingServer::with_json(body).await;
    let client = server.client();
    let runs = client.runs(&thread);
    runs.create(&assistant).await.unwrap();
    runs.poll(&run).await.unwrap();
    runs.poll(RunRef::from(&run)).await.unwrap();
    runs.cancel(run.clone()).await.unwrap();
    // The server sends a run for everything, so that these responses do not all decode.
    let _ = client.messages(&thread).retrieve(&message).await;
    let _ = runs.steps(&run).retrieve(&step).await;
    let targets: Vec<_> = server.requests().into_iter().map(|request| request.target).collect();
    let (thread, run) = (format!("/v1/threads/{}", thread.id), run.id);
    assert_eq!(
        targets,
        [
            format!("{thread}/runs"),
            format!("{thread}/runs/{run}"),
            format!("{thread}/runs/{run}"),
            format!("{thread}/runs/{run}/cancel"),
            format!("{thread}/messages/{}", message.id),
            format!("{thread}/runs/{run}/steps/{}", step.id),
        ]
    );
}
