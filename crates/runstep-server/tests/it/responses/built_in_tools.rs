//! Runs with built-in tools: steps, deltas, annotations and what later requests contain.

use serde_json::{Value, json};

use super::provider::{
    Events, assert_snapshot, built_in_tools, data_of, fixture, normalized, readable,
};
use crate::harness::upstream::Upstream;
use crate::harness::{event_names, function_tool, merged};

const INCLUDE: &str = "include[]=step_details.tool_calls[*].file_search.results[*].content";

fn code_outputs() -> Value {
    let url = "https://provider.example/v1/containers/cntr_1/files/cfile_plot/content";
    json!([{"type": "logs", "logs": "42\n"}, {"type": "image", "url": url}])
}

/// A response that computes and draws.
fn code_response() -> Events {
    let text = "See [plot](sandbox:/mnt/data/plot.csv).";
    let path = json!({"type": "container_file_citation", "container_id": "cntr_1",
        "file_id": "cfile_csv", "start_index": 11, "end_index": 37, "filename": "plot.csv"});
    let image = json!({"type": "container_file_citation", "container_id": "cntr_1",
        "file_id": "cfile_plot", "start_index": 0, "end_index": 0, "filename": "plot.png"});
    let (first, second) = text.split_at(20);
    Events::new()
        .code("print(6 * 7)", code_outputs())
        .message()
        .delta(first)
        .delta(second)
        .annotation(0, path.clone())
        .annotation(1, image.clone())
        .end_message(text, json!([path, image]))
}

fn results() -> Value {
    json!([
        {"file_id": "file-a", "filename": "a.md", "score": 0.9, "text": "Press the red button."},
        {"file_id": "file-b", "filename": "b.md", "score": 0.5, "text": "Never press it."},
    ])
}

/// A response that cites two files, one in the middle of the text.
fn search_response() -> Events {
    let citation = |file: &str, index: u64| {
        json!({"type": "file_citation", "index": index,
        "file_id": format!("file-{file}"), "filename": format!("{file}.md")})
    };
    let (first, second) = (citation("a", 5), citation("b", 11));
    Events::new()
        .search("red button", results())
        .message()
        .delta("Press")
        .annotation(0, first.clone())
        .delta(" — not")
        .annotation(1, second.clone())
        .delta("!")
        .end_message("Press — not!", json!([first, second]))
}

#[tokio::test]
async fn code_is_streamed_as_a_step() {
    let upstream = Upstream::new([code_response().complete()]).await;
    let fixture = fixture(&upstream, built_in_tools()).await;
    let events = fixture.stream_run(json!({})).await;
    assert_snapshot("code_events", &readable(&events));
    let message = data_of(&events, "thread.message.completed")[0];
    let text = &message["content"][0]["text"];
    let annotation = &text["annotations"][0];
    assert_eq!(annotated_text(text, annotation), "sandbox:/mnt/data/plot.csv");
}

#[tokio::test]
async fn file_search_is_streamed_as_a_step_with_citations() {
    let upstream = Upstream::new([search_response().complete()]).await;
    let fixture = fixture(&upstream, built_in_tools()).await;
    let events = fixture.stream_run(json!({})).await;
    assert_snapshot("search_events", &readable(&events));
    let message = data_of(&events, "thread.message.completed")[0];
    let text = &message["content"][0]["text"];
    assert_eq!(text["value"], "Press【1:0†source】 — not【1:1†source】!");
    for annotation in text["annotations"].as_array().unwrap() {
        assert_eq!(annotated_text(text, annotation), annotation["text"].as_str().unwrap());
    }
}

/// The part of a text that an annotation names.
fn annotated_text(text: &Value, annotation: &Value) -> String {
    let [start, end] = ["start_index", "end_index"].map(|name| annotation[name].as_u64().unwrap());
    let characters = text["value"].as_str().unwrap().chars();
    characters.skip(start as usize).take((end - start) as usize).collect()
}

#[tokio::test]
async fn passages_are_only_in_responses_that_include_them() {
    let upstream =
        Upstream::new([search_response().complete(), search_response().complete()]).await;
    let fixture = fixture(&upstream, built_in_tools()).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    let steps = fixture.list_steps(&run).await;
    let results = &steps[0]["step_details"]["tool_calls"][0]["file_search"]["results"];
    assert_eq!(results[0], json!({"file_id": "file-a", "file_name": "a.md", "score": 0.9}));
    let with_content = json!([{"type": "text", "text": "Press the red button."}]);
    let content = |step: &Value| {
        step["step_details"]["tool_calls"][0]["file_search"]["results"][0]["content"].clone()
    };
    let path = fixture.run_path(&run, &format!("/steps?order=asc&{INCLUDE}"));
    let list = fixture.client.get(&path).await.ok();
    assert_eq!(content(&list["data"][0]), with_content);
    let id = steps[0]["id"].as_str().unwrap();
    let path = fixture.run_path(&run, &format!("/steps/{id}"));
    assert_eq!(content(&fixture.client.get(&path).await.ok()), Value::Null);
    let step = fixture.client.get(&format!("{path}?{INCLUDE}")).await.ok();
    assert_eq!(content(&step), with_content);
    // The query of the request that creates a run decides about its events.
    let body = fixture.run_body(json!({"stream": true}));
    let path = format!("{}?{INCLUDE}", fixture.runs_path());
    let events = fixture.client.stream_events(&path, body).await;
    assert_eq!(content(data_of(&events, "thread.run.step.completed")[0]), with_content);
}

#[tokio::test]
async fn runs_without_a_stream_have_the_same_steps_and_messages() {
    for (name, response) in [("code", code_response()), ("search", search_response())] {
        let upstream = Upstream::new([response.clone().complete(), response.complete()]).await;
        let fixture = fixture(&upstream, built_in_tools()).await;
        let run = fixture.create_run_and_wait(json!({})).await;
        assert_eq!(run["status"], "completed");
        let steps = fixture.list_steps(&run).await;
        let objects = json!({"steps": steps, "message": fixture.newest_message().await});
        assert_snapshot(&format!("{name}_objects"), &normalized(objects));
    }
}

#[tokio::test]
async fn calls_of_one_response_are_sent_back_in_their_order_with_reasoning() {
    let first = Events::new()
        .reasoning("secret one")
        .code("print(6 * 7)", code_outputs())
        .reasoning("secret two")
        .text("Let me see.")
        .function("weather", "{\"city\":\"Paris\"}")
        .reasoning("secret three")
        .function("weather", "{\"city\":\"Rome\"}")
        .complete();
    let second = Events::new().text("Both are sunny.").complete();
    let upstream = Upstream::new([first, second]).await;
    let tools = json!([{"type": "code_interpreter"}, function_tool("weather")]);
    let fixture = fixture(&upstream, merged(built_in_tools(), json!({"tools": tools}))).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    assert_eq!(run["status"], "requires_action");
    let kinds = |steps: &[Value]| -> Vec<Value> {
        steps.iter().map(|step| json!([step["type"], step["status"]])).collect()
    };
    let steps = fixture.list_steps(&run).await;
    assert_eq!(
        kinds(&steps),
        [
            json!(["tool_calls", "completed"]),
            json!(["message_creation", "completed"]),
            json!(["tool_calls", "in_progress"]),
        ]
    );
    let events = fixture.open_outputs_stream(&run, &["18", "20"]).await.read_to_end().await;
    assert_eq!(event_names(&events).last(), Some(&"done"));
    let everything = json!([steps, events.iter().map(|event| &event.data).collect::<Vec<_>>()]);
    assert!(!everything.to_string().contains("secret"), "{everything}");

    let input = upstream.requests().pop().unwrap().body["input"].clone();
    assert_snapshot("input_after_calls", &normalized(input));
}

#[tokio::test]
async fn failed_call_does_not_fail_the_run() {
    let item = |status: &str| {
        json!({"type": "code_interpreter_call", "id": "ci_1",
        "status": status, "container_id": "cntr_1", "code": "1 / 0", "outputs": null})
    };
    let response = Events::new().done(item("failed")).text("It does not work.").complete();
    let upstream = Upstream::new([response]).await;
    let fixture = fixture(&upstream, built_in_tools()).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    assert_eq!(run["status"], "completed");
    let steps = fixture.list_steps(&run).await;
    assert_eq!(steps[0]["status"], "failed");
    assert_eq!(steps[0]["step_details"]["tool_calls"][0]["code_interpreter"]["input"], "1 / 0");
    let message = "The model's provider could not execute the call.";
    assert_eq!(steps[0]["last_error"], json!({"code": "server_error", "message": message}));
}

#[tokio::test]
async fn markers_of_citations_are_not_sent_back() {
    let second = Events::new().text("Yes.").complete();
    let upstream = Upstream::new([search_response().complete(), second]).await;
    let fixture = fixture(&upstream, built_in_tools()).await;
    fixture.create_run_and_wait(json!({})).await;
    fixture.add_message("Really?").await;
    fixture.create_run_and_wait(json!({})).await;
    let input = upstream.requests().pop().unwrap().body["input"].clone();
    let texts = input.as_array().unwrap().iter().filter(|item| item["role"] == "assistant");
    let texts: Vec<&Value> = texts.map(|item| &item["content"]).collect();
    assert_eq!(texts, [&json!("Press — not!")]);
}

#[tokio::test]
async fn forced_built_in_tool_is_forced_only_once() {
    let first =
        Events::new().code("print(6 * 7)", code_outputs()).function("weather", "{}").complete();
    let second = Events::new().text("42").complete();
    let upstream = Upstream::new([first, second]).await;
    let tools = json!([{"type": "code_interpreter"}, function_tool("weather")]);
    let fixture = fixture(&upstream, json!({"tools": tools})).await;
    let choice = json!({"tool_choice": {"type": "code_interpreter"}});
    let run = fixture.create_run_and_wait(choice).await;
    let run = fixture.submit_outputs(&run, &["18"]).await;
    assert_eq!(fixture.wait_for_run(&run).await["status"], "completed");
    let choices: Vec<Value> =
        upstream.requests().iter().map(|request| request.body["tool_choice"].clone()).collect();
    assert_eq!(choices, [json!({"type": "code_interpreter"}), Value::Null]);
    let missing = json!({"tool_choice": {"type": "file_search"}});
    let error =
        fixture.try_create_run(missing).await.expect_invalid("tool_choice.type", "invalid_value");
    assert!(error.contains("the run has no tool 'file_search'"), "{error}");
}

#[tokio::test]
async fn call_that_the_provider_leaves_open_does_not_block_the_run() {
    let item = json!({"type": "code_interpreter_call", "id": "ci_1", "status": "in_progress",
        "container_id": "cntr_1", "code": "", "outputs": null});
    let call = json!({"type": "function_call", "id": "fc_1", "call_id": "call_1",
        "name": "weather", "arguments": "{}"});
    let added = |index: u64, item: &Value| {
        json!({"type": "response.output_item.added",
        "output_index": index, "item": item})
    };
    let first = Events::new().event(added(0, &call)).event(added(1, &item)).complete();
    let upstream = Upstream::new([first, Events::new().text("Sunny.").complete()]).await;
    let tools = json!([{"type": "code_interpreter"}, function_tool("weather")]);
    let fixture = fixture(&upstream, json!({"tools": tools})).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    assert_eq!(run["status"], "requires_action", "{run}");
    let statuses: Vec<Value> =
        fixture.list_steps(&run).await.iter().map(|step| step["status"].clone()).collect();
    assert_eq!(statuses, ["in_progress", "failed"]);
    let run = fixture.submit_outputs(&run, &["18"]).await;
    assert_eq!(fixture.wait_for_run(&run).await["status"], "completed");
}
