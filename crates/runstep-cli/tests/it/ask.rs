//! `runstep ask`.

use runstep_server::model::{Scripted, Turn};
use runstep_server::{Fault, Faults, Server};
use serde_json::{Value, json};

use crate::harness::TestServer;

const ASK: [&str; 4] = ["ask", "How is the weather in Paris?", "--assistant", "asst_abc123"];

#[test]
fn the_answer_is_on_standard_output_and_the_rest_on_standard_error() {
    let server = TestServer::with_turns([Turn::chunks(["It is ", "sunny."]).usage(12, 4)]);
    server.assistant(json!([]));
    insta::assert_snapshot!(server.runstep(&ASK).run());
}

#[test]
fn an_answer_as_json_is_one_object() {
    let server = TestServer::with_turns([Turn::text("It is sunny.").usage(12, 4)]);
    server.assistant(json!([]));
    let stdout = server.runstep(&ASK).run();
    assert_eq!(stdout.code, Some(0));
    let server = TestServer::with_turns([Turn::text("It is sunny.").usage(12, 4)]);
    server.assistant(json!([]));
    let arguments = [&ASK[..], &["--json"]].concat();
    let answer: Value = serde_json::from_str(&server.runstep(&arguments).ok()).unwrap();
    assert_eq!(answer["text"], "It is sunny.");
    assert_eq!(answer["messages"][0]["object"], "thread.message");
    assert_eq!(answer["run"]["object"], "thread.run");
    let keys: Vec<&String> = answer.as_object().unwrap().keys().collect();
    insta::assert_debug_snapshot!(keys);
}

#[test]
fn a_thread_is_continued() {
    let model = Scripted::new([Turn::text("Hello."), Turn::text("Still here.")]);
    let server = TestServer::with_model(model.clone());
    server.assistant(json!([]));
    server.runstep(&["ask", "Hi", "--assistant", "asst_abc123"]).ok();
    let arguments = ["ask", "-", "--assistant", "asst_abc123", "--thread", "thread_abc123"];
    let stdout = server.runstep(&arguments).input("Are you there?\n").ok();
    assert_eq!(stdout, "Still here.\n");
    let messages = server.get("/threads/thread_abc123/messages?order=asc");
    let texts: Vec<&Value> = messages["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| &message["content"][0]["text"]["value"])
        .collect();
    assert_eq!(texts, ["Hi", "Hello.", "Are you there?\n", "Still here."]);
}

#[cfg(unix)]
#[test]
fn a_command_is_a_tool_and_no_shell_sees_its_arguments() {
    let city = "Paris; echo $HOME `id` && 'x'";
    let model =
        Scripted::new([Turn::call("weather", json!({ "city": city })), Turn::text("It is sunny.")]);
    let server = TestServer::with_model(model.clone());
    server.assistant(json!([]));
    let arguments =
        [&ASK[..], &["--yes", "--tool", "weather=printf [%s][%s] 'city is {city}' end"]];
    let finished = server.runstep(&arguments.concat()).run();
    assert_eq!(finished.stdout, "It is sunny.\n", "{finished}");
    let requests = format!("{:?}", model.requests());
    assert!(requests.contains(&format!("[city is {city}][end]")), "{requests}");
}

#[cfg(unix)]
#[test]
fn a_command_reads_the_arguments_as_json_and_gets_no_keys() {
    let model = Scripted::new([Turn::call("show", json!({ "a": [1, 2] })), Turn::text("Done.")]);
    let server = TestServer::with_model(model.clone());
    server.assistant(json!([]));
    let script =
        "show=sh -c 'cat; echo \" key=$RUNSTEP_API_KEY,$OPENAI_API_KEY,$RUNSTEP_HEADERS\"'";
    let arguments = [&ASK[..], &["--yes", "--tool", script]].concat();
    let program = server.runstep(&arguments).env("RUNSTEP_API_KEY", "secret-1");
    program.env("OPENAI_API_KEY", "secret-2").env("RUNSTEP_HEADERS", "x-key: secret-3").ok();
    let requests = format!("{:?}", model.requests());
    assert!(requests.contains(r#"{\"a\":[1,2]} key=,,"#), "{requests}");
}

#[cfg(unix)]
#[test]
fn a_command_that_fails_is_an_error_for_the_model() {
    let model = Scripted::new([
        Turn::call("weather", json!({ "city": "Paris" })),
        Turn::call("weather", json!({ "city": "--help" })),
        Turn::text("I do not know."),
    ]);
    let server = TestServer::with_model(model.clone());
    server.weather_assistant();
    let script = "weather=sh -c 'echo broken >&2; exit 3' {city}";
    let finished = server.runstep(&[&ASK[..], &["--yes", "--tool", script]].concat()).run();
    insta::assert_snapshot!(finished);
    let requests = format!("{:?}", model.requests());
    assert!(requests.contains("Error: `weather` failed: the command ended with exit status: 3"));
    assert!(requests.contains("starts with `-`"), "{requests}");
}

#[test]
fn a_tool_without_confirmation_needs_a_terminal() {
    let server = TestServer::with_turns([]);
    server.assistant(json!([]));
    let arguments = [&ASK[..], &["--tool", "weather=curl wttr.in/{city}"]].concat();
    insta::assert_snapshot!(server.runstep(&arguments).run());
    let invalid = [&ASK[..], &["--yes", "--tool", "weather={city}"]].concat();
    let finished = server.runstep(&invalid).run();
    assert_eq!(finished.code, Some(2), "{finished}");
    assert!(finished.stderr.contains("must not choose the program"), "{finished}");
}

#[test]
fn a_call_without_a_command_ends_the_wait() {
    let server = TestServer::with_turns([Turn::call("weather", json!({ "city": "Paris" }))]);
    server.weather_assistant();
    insta::assert_snapshot!(server.runstep(&ASK).run());
}

#[test]
fn a_function_of_the_assistant_without_a_command_is_left_to_the_person() {
    let model = Scripted::new([Turn::call("weather", json!({ "city": "Paris" }))]);
    let server = TestServer::with_model(model.clone());
    server.weather_assistant();
    let arguments = [&ASK[..], &["--yes", "--tool", "other=true"]].concat();
    let finished = server.runstep(&arguments).run();
    assert_eq!(finished.code, Some(14), "{finished}");
    let requests = format!("{:?}", model.requests());
    assert!(requests.contains("\"weather\"") && requests.contains("\"other\""), "{requests}");
}

#[cfg(unix)]
#[test]
fn a_command_that_always_fails_ends_the_run() {
    let server =
        TestServer::with_turns((0..6).map(|_| Turn::call("weather", json!({ "city": "Paris" }))));
    server.weather_assistant();
    let arguments = [&ASK[..], &["--yes", "--tool", "weather=false {city}"]].concat();
    let finished = server.runstep(&arguments).run();
    assert_eq!(finished.code, Some(1), "{finished}");
    assert!(finished.stderr.contains("error: `weather` failed"), "{finished}");
    assert_eq!(server.get("/threads/thread_abc123/runs/run_abc123")["status"], "cancelled");
}

#[test]
fn a_malformed_event_is_a_warning() {
    let faults = Faults::new([Fault::malformed_event(2)]);
    let builder = Server::builder().faults(faults);
    let server = TestServer::from_builder(builder.model(Scripted::new([Turn::text("Hello.")])));
    server.assistant(json!([]));
    let finished = server.runstep(&ASK).run();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), "Hello.\n"), "{finished}");
    assert!(finished.stderr.contains("warning: an event is missing"), "{finished}");
}

/// A provider whose stream has these events between the start and the end of the run.
fn streaming_server(events: &[(&str, Value)]) -> TestServer {
    let run = |status: &str| {
        json!({ "id": "run_1", "object": "thread.run", "thread_id": "thread_1",
            "assistant_id": "asst_abc123", "status": status })
    };
    let mut stream = vec![("thread.run.created", run("queued"))];
    stream.extend(events.iter().cloned());
    stream.push(("thread.run.completed", run("completed")));
    let lines = stream.iter().map(|(event, data)| format!("event: {event}\ndata: {data}\n\n"));
    let body = lines.collect::<String>() + "event: done\ndata: [DONE]\n\n";
    TestServer::from_router(
        axum::Router::new().fallback(async move || ([("content-type", "text/event-stream")], body)),
    )
}

fn message(id: &str, text: &str) -> Value {
    let content = json!([{ "type": "text", "text": { "value": text, "annotations": [] } }]);
    let content = if text.is_empty() { json!([]) } else { content };
    json!({ "id": id, "object": "thread.message", "thread_id": "thread_1", "role": "assistant",
        "run_id": "run_1", "status": "in_progress", "content": content })
}

fn delta(id: &str, text: &str) -> Value {
    json!({ "id": id, "object": "thread.message.delta", "delta": { "content":
        [{ "index": 0, "type": "text", "text": { "value": text } }] } })
}

#[test]
fn messages_that_no_event_completes_are_part_of_the_answer() {
    let events = [
        ("thread.message.created", message("msg_1", "")),
        ("thread.message.delta", delta("msg_1", "Hel")),
        ("thread.message.created", message("msg_2", "")),
        ("thread.message.delta", delta("msg_2", "Bye.")),
        ("thread.message.completed", message("msg_2", "Bye.")),
        ("thread.message.delta", delta("msg_1", "lo.")),
        // The text is not part of a delta.
        ("thread.message.created", message("msg_3", "Again.")),
    ];
    let server = streaming_server(&events);
    let json = server.runstep(&[&ASK[..], &["--json"]].concat()).ok();
    let answer: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(answer["text"], "Hello.\n\nBye.\n\nAgain.");
    let ids: Vec<&Value> =
        answer["messages"].as_array().unwrap().iter().map(|message| &message["id"]).collect();
    assert_eq!(ids, ["msg_1", "msg_2", "msg_3"]);
    // Each part of a text is printed once.
    assert_eq!(server.runstep(&ASK).ok(), "Hel\n\nBye.\n\nlo.\n\nAgain.\n");
}
