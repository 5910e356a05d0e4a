//! Files and vector stores of the built-in tools.

use serde_json::{Value, json};

use super::objects::provider;
use super::provider::{Events, built_in_tools, fixture};
use crate::harness::upstream::{MockResponse, Upstream};
use crate::harness::{id, merged};

fn answer() -> MockResponse {
    Events::new().text("Hi").complete()
}

fn stores(ids: &[&str]) -> Value {
    json!({"file_search": {"vector_store_ids": ids}})
}

fn files(ids: &[&str]) -> Value {
    json!({"code_interpreter": {"file_ids": ids}})
}

#[tokio::test]
async fn resources_are_kept_and_replaced_by_tool() {
    let upstream = Upstream::new([]).await;
    let fixture = fixture(&upstream, built_in_tools()).await;
    let both = built_in_tools()["tool_resources"].clone();
    let paths = [fixture.assistant_path(), fixture.thread_path()];
    fixture.client.post(&paths[1], json!({"tool_resources": both})).await.ok();
    for path in &paths {
        assert_eq!(fixture.client.get(path).await.ok()["tool_resources"], both, "{path}");
        // A tool that the update does not name keeps its resources.
        let update = json!({"tool_resources": files(&["file-new"])});
        let updated = fixture.client.post(path, update).await.ok();
        let expected = merged(both.clone(), files(&["file-new"]));
        assert_eq!(updated["tool_resources"], expected);
        let unrelated = fixture.client.post(path, json!({"metadata": {"a": "b"}})).await.ok();
        assert_eq!(unrelated["tool_resources"], expected);
        let cleared = fixture.client.post(path, json!({"tool_resources": null})).await.ok();
        assert_eq!(cleared["tool_resources"], json!({}));
    }
    let thread = json!({"tool_resources": stores(&["vs_1"])});
    let thread = fixture.client.post("/threads", thread).await.ok();
    assert_eq!(thread["tool_resources"], stores(&["vs_1"]));
}

#[tokio::test]
async fn request_has_the_resources_of_assistant_thread_and_messages() {
    let (upstream, _) = provider([answer(), answer()]).await;
    let fixture = fixture(&upstream, built_in_tools()).await;
    let resources = merged(stores(&["vs_thread"]), files(&["file-thread", "file-data"]));
    fixture.client.post(&fixture.thread_path(), json!({"tool_resources": resources})).await.ok();
    let attachment = |file: &str| json!({"file_id": file, "tools": [{"type": "code_interpreter"}]});
    let image = json!({"type": "image_file", "image_file": {"file_id": "file-image"}});
    let message = json!({
        "role": "user",
        "content": [{"type": "text", "text": "Compute."}, image],
        "attachments": [attachment("file-attached")],
    });
    let message = fixture.client.post(&fixture.messages_path(), message).await.ok();
    assert_eq!(message["attachments"], json!([attachment("file-attached")]));
    fixture.create_run_and_wait(json!({})).await;
    let body = upstream.requests().pop().unwrap().body;
    let tools = json!([
        {"type": "file_search", "vector_store_ids": ["vs_manuals", "vs_thread"]},
        {"type": "code_interpreter", "container":
            {"type": "auto", "file_ids": ["file-data", "file-thread", "file-attached"]}},
    ]);
    assert_eq!(body["tools"], tools);
    let image = json!({"type": "input_image", "file_id": "file-image", "detail": "auto"});
    assert_eq!(body["input"][1]["content"][1], image);
    // The run keeps the assistant's resources, unless it has its own.
    let run = json!({
        "tool_resources": files(&["file-run"]),
        "thread": {"messages": [{"role": "user", "content": "Compute."}]},
    });
    let run = fixture.client.post("/threads/runs", fixture.run_body(run)).await.ok();
    let path = format!("/threads/{}/runs/{}", run["thread_id"].as_str().unwrap(), id(&run));
    while fixture.client.get(&path).await.ok()["status"] != "completed" {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let tools = json!([
        {"type": "file_search", "vector_store_ids": ["vs_manuals"]},
        {"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["file-run"]}},
    ]);
    assert_eq!(upstream.requests().pop().unwrap().body["tools"], tools);
}

#[tokio::test]
async fn attachment_without_a_file_is_rejected() {
    let upstream = Upstream::new([]).await;
    let fixture = fixture(&upstream, built_in_tools()).await;
    let attachments = json!([{"tools": [{"type": "code_interpreter"}]}]);
    let message = json!({"role": "user", "content": "Hi", "attachments": attachments});
    let response = fixture.client.post(&fixture.messages_path(), message).await;
    let param = "attachments[0].file_id";
    let error = response.expect_invalid(param, "invalid_value");
    assert!(error.contains("the id of the file is missing"), "{error}");
}

#[tokio::test]
async fn vector_stores_are_created_for_lists_of_files() {
    let (upstream, requests) = provider([]).await;
    let fixture = fixture(&upstream, built_in_tools()).await;
    let input = json!({"file_ids": ["file-1", "file-2"], "metadata": {"a": "b"}});
    let resources = json!({"file_search": {"vector_stores": [input]}});
    let body = json!({"model": "test-model", "tool_resources": resources});
    let assistant = fixture.client.post("/assistants", body).await.ok();
    assert_eq!(assistant["tool_resources"], stores(&["vs_1"]));
    let thread = fixture.client.post("/threads", json!({"tool_resources": resources})).await.ok();
    assert_eq!(thread["tool_resources"], stores(&["vs_2"]));
    let created = |_| ("POST /vector_stores".to_owned(), input.clone());
    assert_eq!(requests.all(), [0, 1].map(created));
    let both = json!({"file_search": {"vector_stores": [input], "vector_store_ids": ["vs_1"]}});
    let response = fixture.client.post("/threads", json!({"tool_resources": both})).await;
    response.expect_invalid("tool_resources.file_search", "mutually_exclusive_parameters");
    assert_eq!(requests.all().len(), 2);
}

#[tokio::test]
async fn attachments_for_file_search_are_in_the_vector_store_of_the_thread() {
    let (upstream, requests) = provider([answer()]).await;
    let fixture = fixture(&upstream, json!({"tools": [{"type": "file_search"}]})).await;
    let message = |file: &str| {
        let tools = json!([{"type": "file_search"}]);
        json!({"role": "user", "content": "Search.",
            "attachments": [{"file_id": file, "tools": tools}]})
    };
    for file in ["file-1", "file-2"] {
        fixture.client.post(&fixture.messages_path(), message(file)).await.ok();
    }
    let thread = fixture.client.get(&fixture.thread_path()).await.ok();
    assert_eq!(thread["tool_resources"], stores(&["vs_1"]));
    let body = json!({"additional_messages": [message("file-3")]});
    assert_eq!(fixture.create_run_and_wait(body).await["status"], "completed");
    let new = json!({"messages": [message("file-4")]});
    let thread = fixture.client.post("/threads", new).await.ok();
    assert_eq!(thread["tool_resources"], stores(&["vs_5"]));
    let created = |file: &str| {
        json!({"file_ids": [file],
        "expires_after": {"anchor": "last_active_at", "days": 7}})
    };
    let expected = [
        ("POST /vector_stores", created("file-1")),
        ("POST /vector_stores/vs_1/files", json!({"file_id": "file-2"})),
        ("POST /vector_stores/vs_1/files", json!({"file_id": "file-3"})),
        ("GET /vector_stores/vs_1", json!("")),
        ("POST /vector_stores", created("file-4")),
    ];
    assert_eq!(requests.all(), expected.map(|(line, body)| (line.to_owned(), body)));
    let tools = &upstream.requests()[0].body["tools"];
    assert_eq!(*tools, json!([{"type": "file_search", "vector_store_ids": ["vs_1"]}]));
}

#[tokio::test]
async fn vector_stores_of_failed_requests_are_deleted() {
    let (upstream, requests) = provider([]).await;
    let fixture = fixture(&upstream, built_in_tools()).await;
    let one = json!({"file_search": {"vector_stores": [{"file_ids": ["file-1"]}]}});
    let attachment = json!({"file_id": "file-missing", "tools": [{"type": "file_search"}]});
    let message = json!({"role": "user", "content": "Search.", "attachments": [attachment]});
    let thread = json!({"tool_resources": one, "messages": [message]});
    let cases = [
        ("/threads", thread.clone()),
        ("/threads/runs", fixture.run_body(json!({"thread": thread}))),
    ];
    for (path, body) in cases {
        let before = requests.lines().len();
        fixture.client.post(path, body).await.expect_error(400);
        let lines = requests.lines();
        let id = format!("vs_{}", before + 1);
        assert_eq!(lines[before], "POST /vector_stores", "{path}");
        assert_eq!(lines.last(), Some(&format!("DELETE /vector_stores/{id}")), "{path}");
    }
}
