//! Structured output of runs that are streamed.

use runstep::tools::{ToolEvent, ToolStreamEvent, Toolbox};
use runstep::types::ToolOutput;
use runstep::{AnswerStream, ErrorKind, RunEvent, RunStream, StreamEnd};
use runstep_server::model::{ModelErrorKind, Turn};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

use crate::harness::argument_types::Maps;
use crate::harness::{
    RecordingServer, TestServer, example, http_response, json_response, poll_fast, run_with_status,
    sse_event,
};

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
struct Recipe {
    title: String,
    minutes: u32,
}

const SOUP: &str = r#"{"title": "Soup", "minutes": 20}"#;

fn soup() -> Recipe {
    Recipe { title: "Soup".to_owned(), minutes: 20 }
}

fn minutes() -> Toolbox {
    Toolbox::new().function("minutes", || async { "20" })
}

#[tokio::test]
async fn events_precede_the_structured_output() {
    let server = TestServer::with_turns([Turn::chunks([&SOUP[..10], &SOUP[10..]])]).await;
    let request = server.create_run();
    let mut events = request.response_as::<Recipe>().stream().await.unwrap();
    let first = events.try_next().await.unwrap();
    assert!(matches!(first, Some(RunEvent::RunCreated(_))), "{first:?}");
    let mut texts = Vec::new();
    let mut deltas = events.text_deltas();
    while let Some(text) = deltas.try_next().await.unwrap() {
        texts.push(text);
    }
    assert_eq!(texts, [&SOUP[..10], &SOUP[10..]]);
    let answer = events.answer().await.unwrap();
    assert_eq!(answer.parse().unwrap(), soup());
    assert_eq!((answer.status.as_str(), answer.text()), ("completed", SOUP.to_owned()));
    assert_eq!(events.messages()[0], *answer.message().unwrap());
    assert_eq!(events.into_events().end(), Some(StreamEnd::Completed));
}

#[tokio::test]
async fn output_can_be_read_without_the_events() {
    let server = TestServer::with_turns([Turn::text(SOUP)]).await;
    let request =
        server.client.threads().create_and_run(&server.assistant_id).user_message("Soup?");
    let mut events = request.idle_timeout(None).response_as::<Recipe>().stream().await.unwrap();
    assert_eq!(events.answer().await.unwrap().parse().unwrap(), soup());
    assert_eq!(
        events.answer().await.unwrap().parse().unwrap(),
        soup(),
        "a second read returns the same output"
    );
}

#[tokio::test]
async fn tool_calls_of_all_rounds_precede_the_output() {
    let server = TestServer::with_turns([Turn::call("minutes", json!({})), Turn::text(SOUP)]).await;
    let request = server.create_run();
    let request = request.toolbox(&minutes()).response_as::<Recipe>();
    let mut events = request.stream().await.unwrap();
    let mut finished = 0;
    while let Some(event) = events.try_next().await.unwrap() {
        finished += usize::from(matches!(event, ToolStreamEvent::Tool(ToolEvent::Finished { .. })));
    }
    assert_eq!(finished, 1);
    assert_eq!(events.answer().await.unwrap().parse().unwrap(), soup());
}

#[tokio::test]
async fn run_that_requires_action_has_no_output_yet() {
    let server = TestServer::with_turns([Turn::call("minutes", json!({})), Turn::text(SOUP)]).await;
    let request = server.create_run();
    let request = request.tool(minutes().definitions().unwrap().remove(0));
    let mut events = request.response_as::<Recipe>().stream().await.unwrap();
    let answer = events.answer().await.unwrap();
    assert_eq!(answer.status, "requires_action");
    assert_eq!(answer.parse().unwrap_err().kind(), ErrorKind::NoAnswer);
    let calls = answer.function_calls();
    let output = ToolOutput::default().tool_call_id(&calls[0].id).output("20");
    events.submit_tool_outputs([output]).await.unwrap();
    assert_eq!(events.answer().await.unwrap().parse().unwrap(), soup());
}

#[tokio::test]
async fn errors_are_the_same_as_with_polling() {
    let turns = [
        || Turn::fail(ModelErrorKind::Server, "the model is away"),
        || Turn::text("Take water."),
        || Turn::text(r#"{"title": "Soup", "minutes": "20"}"#),
        || Turn::text(SOUP).token_limit(),
    ];
    for turn in turns {
        let server = TestServer::with_turns([turn(), turn()]).await;
        let request = || {
            let thread = server.client.threads();
            let request = thread.create_and_run(&server.assistant_id).user_message("Soup?");
            request.response_as::<Recipe>()
        };
        let polled = poll_fast(request()).and_poll().await.unwrap().parse().unwrap_err();
        let answer = request().stream().await.unwrap().answer().await.unwrap();
        let error = answer.parse().unwrap_err();
        assert_eq!((error.kind(), error.message()), (polled.kind(), polled.message()));
        assert_eq!(error.run().unwrap().id, answer.run().id);
    }
}

fn run(status: &str) -> Value {
    let mut run = run_with_status(status);
    run["required_action"] = Value::Null;
    run
}

fn message(id: &str, content: Value) -> Value {
    let mut message = example("Message");
    message["id"] = id.into();
    message["status"] = "completed".into();
    message["run_id"] = run("queued")["id"].clone();
    message["content"] = json!([content]);
    message
}

fn soup_as_text() -> Value {
    json!({"type": "text", "text": {"value": SOUP, "annotations": []}})
}

/// Starts a server that streams these events of a run, and whose list of messages has `msg_listed`.
async fn server_with_events(events: &[(&str, Value)]) -> RecordingServer {
    let events: String = events.iter().map(|(name, data)| sse_event(name, data)).collect();
    let events = [
        sse_event("thread.run.created", &run("queued")),
        events,
        sse_event("thread.run.completed", &run("completed")),
        "event: done\ndata: [DONE]\n\n".to_owned(),
    ];
    let events = events.concat();
    RecordingServer::start_with(move |_, request| {
        if request.target.contains("/messages") {
            let listed = message("msg_listed", soup_as_text());
            return json_response(&json!({
                "object": "list", "data": [listed],
                "first_id": "msg_listed", "last_id": "msg_listed", "has_more": false,
            }));
        }
        // The steps cannot be listed, so that the snapshots stay incomplete.
        if request.target.contains("/steps") {
            return http_response(404, &[], r#"{"error": {"message": "No steps."}}"#);
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        if body["stream"] != true {
            return json_response(&run("completed"));
        }
        http_response(200, &[("content-type", "text/event-stream")], events.clone())
    })
    .await
}

async fn open(server: &RecordingServer) -> AnswerStream<Recipe> {
    let request = server.client().runs("thread_abc123").create("asst_abc123");
    request.response_as::<Recipe>().stream().await.unwrap()
}

#[tokio::test]
async fn streamed_message_is_not_fetched() {
    let first = message("msg_1", json!({"type": "refusal", "refusal": "I do not cook."}));
    let last = message("msg_2", soup_as_text());
    let completed = "thread.message.completed";
    let server = server_with_events(&[(completed, first), (completed, last)]).await;
    let answer = open(&server).await.answer().await.unwrap();
    assert_eq!(answer.message().unwrap().id, "msg_2");
    assert_eq!(answer.parse().unwrap(), soup());
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn refusal_is_an_error() {
    let refusal = message("msg_1", json!({"type": "refusal", "refusal": "I do not cook."}));
    let server = server_with_events(&[("thread.message.completed", refusal)]).await;
    let answer = open(&server).await.answer().await.unwrap();
    let error = answer.parse().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoAnswer);
    assert_eq!(error.message(), "the model refused to answer: I do not cook.");
}

/// The message's completed event is missing or does not decode, with or without an event of its step.
#[tokio::test]
async fn incomplete_message_is_fetched() {
    let mut incomplete = message("msg_listed", soup_as_text());
    incomplete["status"] = "in_progress".into();
    incomplete["content"] = json!([]);
    let mut undecodable = message("msg_listed", soup_as_text());
    undecodable["id"] = Value::Null;
    let mut step = example("RunStep");
    step["type"] = "message_creation".into();
    step["step_details"] =
        json!({"type": "message_creation", "message_creation": {"message_id": "msg_listed"}});
    let earlier = message("msg_1", json!({"type": "refusal", "refusal": "I do not cook."}));
    let completed = "thread.message.completed";
    for events in [
        vec![],
        vec![("thread.message.created", incomplete), (completed, undecodable.clone())],
        vec![(completed, earlier.clone()), (completed, undecodable.clone())],
        vec![(completed, earlier), ("thread.run.step.completed", step), (completed, undecodable)],
    ] {
        let server = server_with_events(&events).await;
        let answer = open(&server).await.answer().await.unwrap();
        assert_eq!(answer.parse().unwrap(), soup());
        assert_eq!(answer.message().unwrap().id, "msg_listed");
        let lists = server
            .requests()
            .iter()
            .filter(|request| request.target.contains("/messages?"))
            .count();
        assert_eq!(lists, 1);
    }
}

#[tokio::test]
async fn request_options_apply_to_the_fetch_of_messages() {
    let server = server_with_events(&[]).await;
    let create = || {
        let request = server.client().runs("thread_abc123").create("asst_abc123");
        request.header("x-tenant", "harbour").header("idempotency-key", "one").query("trace", "7")
    };
    let tools = minutes();
    drop(create().response_as::<Recipe>().stream().await.unwrap().answer().await.unwrap());
    let request = create().toolbox(&tools).response_as::<Recipe>().stream();
    drop(request.await.unwrap().answer().await.unwrap());
    drop(poll_fast(create().response_as::<Recipe>()).and_poll().await.unwrap());
    drop(poll_fast(create().toolbox(&tools).response_as::<Recipe>()).and_poll().await.unwrap());
    let poll = create().response_as::<Recipe>().header("x-tenant", "quay");
    drop(poll.query("poll", "1").and_poll().await.unwrap());

    let requests = server.requests();
    let lists: Vec<_> =
        requests.iter().filter(|request| request.target.contains("/messages?")).collect();
    assert!(lists.iter().all(|list| list.target.contains("trace=7")), "{lists:?}");
    assert!(lists.iter().all(|list| list.header("idempotency-key").is_none()), "{lists:?}");
    let tenants: Vec<_> = lists.iter().map(|list| list.header("x-tenant").unwrap()).collect();
    assert_eq!(tenants, ["harbour", "harbour", "harbour", "harbour", "quay"]);
    assert!(lists[4].target.contains("poll=1"), "{lists:?}");
}

#[tokio::test]
async fn order_of_builder_methods_does_not_matter() {
    let server = server_with_events(&[]).await;
    let create = || server.client().runs("thread_abc123").create("asst_abc123");
    let (tools, deadline) = (minutes(), Duration::from_secs(60));
    let idle = Duration::from_secs(5);
    drop(create().response_as::<Recipe>().idle_timeout(idle).stream().await.unwrap());
    drop(create().deadline(deadline).response_as::<Recipe>().stream().await.unwrap());
    drop(create().toolbox(&tools).response_as::<Recipe>().max_rounds(3).stream().await.unwrap());
    let streamed = create().response_as::<Recipe>().deadline(deadline).toolbox(&tools);
    drop(streamed.strict(true).concurrency(2).stream().await.unwrap());
    let streamed = create().toolbox(&tools).deadline(deadline).response_as::<Recipe>();
    drop(streamed.additional_instructions("").extra("additional_instructions", Value::Null));
    let streamed = create().idle_timeout(None).toolbox(&tools).attach(true);
    drop(streamed.response_as::<Recipe>().reconnect(false).stream().await.unwrap());
    let bodies =
        server.requests().into_iter().map(|request| serde_json::from_slice(&request.body).unwrap());
    let bodies: Vec<Value> = bodies.collect();
    assert_eq!(bodies[0]["stream"], true);
    assert_eq!(bodies[0]["response_format"]["json_schema"]["name"], "Recipe");
    assert_eq!((&bodies[1], &bodies[3], &bodies[4]), (&bodies[0], &bodies[2], &bodies[2]));
    assert_eq!(bodies[2]["tools"][0]["function"]["name"], "minutes");
    assert_eq!(bodies[2]["response_format"], bodies[0]["response_format"]);
}

#[tokio::test]
async fn unsupported_type_is_rejected_before_sending() {
    let server = server_with_events(&[]).await;
    let create = || server.client().runs("thread_abc123").create("asst_abc123");
    let error = create().response_as::<Maps>().stream().await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let request = create().toolbox(&minutes()).response_as::<Maps>();
    assert_eq!(request.stream().await.map(drop).unwrap_err().kind(), ErrorKind::Configuration);
    assert_eq!(server.count(), 0);
    let loose = create().response_as::<Maps>().strict(false).stream();
    loose.await.map(drop).unwrap();
}

#[tokio::test]
async fn stream_that_ends_before_the_run_is_an_error() {
    let server = RecordingServer::start_with(|number, _| match number {
        0 => {
            let events = sse_event("thread.run.created", &run("queued"));
            http_response(200, &[("content-type", "text/event-stream")], events)
        }
        _ => http_response(500, &[], ""),
    })
    .await;
    let request = server.client().runs("thread_abc123").create("asst_abc123");
    let request = request.reconnect(false).response_as::<Recipe>().stream();
    let error = request.await.unwrap().answer().await.unwrap_err();
    assert_eq!(error.run().unwrap().id, run("queued")["id"].as_str().unwrap());
}

#[test]
fn answer_stream_is_send_for_any_type() {
    fn assert_send<T: Send + Sync + Unpin>(_: impl Fn(T)) {}
    assert_send(|_: AnswerStream<*const u8, ()>| ());
    fn assert_send_future<T: Send>(
        _: impl Fn(&'static mut AnswerStream<*const u8, RunStream>) -> T,
    ) {
    }
    assert_send_future(AnswerStream::answer);
}
