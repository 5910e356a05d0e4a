//! Pagination of assistants, runs, steps and messages.

use runstep_server::model::{Offline, Turn};
use serde_json::{Value, json};

use crate::harness::{Fixture, TestClient, id};

/// Fetches a page and checks its first and last id; returns the ids and `has_more`.
async fn page(client: &TestClient, path: &str, query: &str) -> (Vec<String>, bool) {
    let list = client.get(&format!("{path}?{query}")).await.ok();
    assert_eq!(list["object"], "list");
    let ids: Vec<String> = list["data"].as_array().unwrap().iter().map(id).collect();
    assert_eq!(list["first_id"].as_str(), ids.first().map(String::as_str));
    assert_eq!(list["last_id"].as_str(), ids.last().map(String::as_str));
    (ids, list["has_more"].as_bool().unwrap())
}

/// Checks the pages of a list with these five entries, oldest first.
async fn check_pages(client: &TestClient, path: &str, all: &[String]) {
    let [a, b, c, d, e] = all else { panic!("{} entries", all.len()) };
    let cases = [
        (String::new(), vec![e, d, c, b, a], false),
        ("order=desc".to_owned(), vec![e, d, c, b, a], false),
        ("order=asc".to_owned(), vec![a, b, c, d, e], false),
        ("limit=2".to_owned(), vec![e, d], true),
        ("limit=5".to_owned(), vec![e, d, c, b, a], false),
        (format!("limit=2&after={d}"), vec![c, b], true),
        (format!("limit=2&after={b}"), vec![a], false),
        (format!("after={a}"), vec![], false),
        (format!("limit=2&order=asc&after={b}"), vec![c, d], true),
        (format!("limit=3&order=asc&after={b}"), vec![c, d, e], false),
        (format!("before={c}"), vec![e, d], false),
        (format!("limit=1&before={c}"), vec![d], true),
        (format!("order=asc&before={c}"), vec![a, b], false),
        (format!("limit=1&order=asc&before={c}"), vec![b], true),
        (format!("after={e}&before={b}"), vec![d, c], false),
        (format!("order=asc&after={a}&before={e}&limit=2"), vec![b, c], true),
        (format!("before={e}"), vec![], false),
    ];
    for (query, expected, more) in cases {
        let (ids, has_more) = page(client, path, &query).await;
        assert_eq!(ids.iter().collect::<Vec<_>>(), expected, "{path}?{query}");
        assert_eq!(has_more, more, "{path}?{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn assistants_are_paginated() {
    let client = TestClient::with_model(Offline::new());
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(client.create_assistant(json!({})).await);
    }
    check_pages(&client, "/assistants", &all).await;
}

#[tokio::test(start_paused = true)]
async fn runs_are_paginated() {
    let fixture = Fixture::with_model(Offline::new(), &[]).await;
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(id(&fixture.create_run_and_wait(json!({})).await));
    }
    check_pages(&fixture.client, &fixture.runs_path(), &all).await;
}

#[tokio::test(start_paused = true)]
async fn messages_are_paginated() {
    let fixture = Fixture::with_model(Offline::new(), &[]).await;
    let first = fixture.client.get(&fixture.messages_path()).await.ok();
    let mut all = vec![id(&first["data"][0])];
    for text in ["b", "c", "d", "e"] {
        let body = json!({"role": "user", "content": text});
        all.push(id(&fixture.client.post(&fixture.messages_path(), body).await.ok()));
    }
    check_pages(&fixture.client, &fixture.messages_path(), &all).await;
}

#[tokio::test(start_paused = true)]
async fn steps_are_paginated() {
    let mut turns = vec![Turn::call("weather", json!({})); 4];
    turns.push(Turn::say("Done."));
    let fixture = Fixture::with_turns(turns, &["weather"]).await;
    let mut run = fixture.create_run_and_wait(json!({})).await;
    while run["status"] == "requires_action" {
        fixture.submit_outputs(&run, &["sun"]).await;
        run = fixture.wait_for_run(&run).await;
    }
    let all: Vec<String> = fixture.list_steps(&run).await.iter().map(id).collect();
    check_pages(&fixture.client, &fixture.run_path(&run, "/steps"), &all).await;
}

#[tokio::test(start_paused = true)]
async fn default_page_size_is_twenty() {
    let client = TestClient::with_model(Offline::new());
    let messages = vec![json!({"role": "user", "content": "x"}); 101];
    let thread = id(&client.post("/threads", json!({"messages": messages})).await.ok());
    let path = format!("/threads/{thread}/messages");
    let (ids, more) = page(&client, &path, "").await;
    assert_eq!((ids.len(), more), (20, true));
    let (ids, more) = page(&client, &path, "limit=100").await;
    assert_eq!((ids.len(), more), (100, true));
}

#[tokio::test(start_paused = true)]
async fn empty_lists_have_null_first_and_last_ids() {
    let client = TestClient::with_model(Offline::new());
    let thread = id(&client.post("/threads", json!({})).await.ok());
    let of_thread = |list: &str| format!("/threads/{thread}/{list}");
    for list in [of_thread("messages"), of_thread("runs"), "/assistants".to_owned()] {
        let body = client.get(&list).await.ok();
        let empty = json!({
            "object": "list", "data": [], "first_id": null, "last_id": null, "has_more": false,
        });
        assert_eq!(body, empty);
    }
}

#[tokio::test(start_paused = true)]
async fn pagination_continues_after_a_deleted_cursor() {
    let client = TestClient::with_model(Offline::new());
    for _ in 0..5 {
        client.create_assistant(json!({})).await;
    }
    let messages = vec![json!({"role": "user", "content": "x"}); 5];
    let thread = id(&client.post("/threads", json!({"messages": messages})).await.ok());
    for path in ["/assistants".to_owned(), format!("/threads/{thread}/messages")] {
        let (mut query, mut deleted) = ("limit=2".to_owned(), 0);
        loop {
            let (ids, more) = page(&client, &path, &query).await;
            for id in &ids {
                client.delete(&format!("{path}/{id}")).await.ok();
                deleted += 1;
            }
            if !more {
                break;
            }
            // This cursor has been deleted.
            query = format!("limit=2&after={}", ids.last().unwrap());
        }
        assert_eq!(deleted, 5);
        assert_eq!(page(&client, &path, "").await, (vec![], false));
    }
}

#[tokio::test(start_paused = true)]
async fn messages_can_be_filtered_by_run() {
    let fixture = Fixture::with_turns([Turn::say("One"), Turn::say("Two")], &[]).await;
    let first = fixture.create_run_and_wait(json!({})).await;
    let second = fixture.create_run_and_wait(json!({})).await;
    let path = fixture.messages_path();
    let of = async |run: &str| page(&fixture.client, &path, &format!("run_id={run}")).await;
    let (all, _) = page(&fixture.client, &path, "order=asc").await;
    assert_eq!(of(&id(&first)).await, (vec![all[1].clone()], false));
    assert_eq!(of(&id(&second)).await, (vec![all[2].clone()], false));
    assert_eq!(of("run_x").await, (vec![], false));
    // `has_more` counts only messages of the run.
    let query = format!("limit=1&order=asc&run_id={}", id(&first));
    assert_eq!(page(&fixture.client, &path, &query).await, (vec![all[1].clone()], false));
}

#[tokio::test(start_paused = true)]
async fn cursor_of_another_list_is_rejected() {
    let fixture = Fixture::with_model(Offline::new(), &[]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    let other = Fixture { thread: fixture.client.create_thread("Hi").await, ..fixture.clone() };
    let error = fixture
        .client
        .get(&format!("{}?after={}", other.runs_path(), id(&run)))
        .await
        .expect_error(400);
    let expected = json!({
        "message": format!("Invalid 'after': there is no run with id '{}' here.", id(&run)),
        "type": "invalid_request_error",
        "param": "after",
        "code": "invalid_value",
    });
    assert_eq!(error, expected);
}

#[tokio::test(start_paused = true)]
async fn created_objects_are_retrieved_unchanged() {
    let fixture = Fixture::with_model(Offline::new(), &["weather"]).await;
    let client = &fixture.client;
    let body = json!({
        "model": "m", "name": "n", "description": "d", "instructions": "i",
        "metadata": {"a": "b"}, "temperature": 0.5, "top_p": 0.25,
        "response_format": {"type": "json_object"},
    });
    let assistant = client.post("/assistants", body.clone()).await.ok();
    for (name, value) in body.as_object().unwrap() {
        assert_eq!(&assistant[name], value, "{name}");
    }
    let path = format!("/assistants/{}", id(&assistant));
    assert_eq!(client.get(&path).await.ok(), assistant);

    let content = json!([{"type": "text", "text": "One"}, {"type": "text", "text": "Two"}]);
    let body = json!({"role": "assistant", "content": content, "metadata": {"c": "d"}});
    let message = client.post(&fixture.messages_path(), body).await.ok();
    assert_eq!(client.get(&fixture.message_path(&message)).await.ok(), message);
    assert_eq!((&message["role"], &message["metadata"]), (&"assistant".into(), &json!({"c": "d"})));
    let values: Vec<_> =
        message["content"].as_array().unwrap().iter().map(|part| &part["text"]["value"]).collect();
    assert_eq!(values, ["One", "Two"]);

    let run = fixture.create_run_and_wait(json!({})).await;
    let step = &fixture.list_steps(&run).await[0];
    let path = fixture.run_path(&run, &format!("/steps/{}", id(step)));
    assert_eq!(&client.get(&path).await.ok(), step);
}

#[tokio::test(start_paused = true)]
async fn run_metadata_can_be_replaced_during_and_after_the_run() {
    let fixture = Fixture::with_model(Offline::new(), &[]).await;
    let run = fixture.create_run(json!({"metadata": {"a": "1", "b": "2"}})).await;
    let update = async |body: Value| {
        let updated = fixture.client.post(&fixture.run_path(&run, ""), body).await.ok();
        assert_eq!(updated, fixture.get_run(&run).await);
        updated["metadata"].clone()
    };
    assert_eq!(update(json!({"metadata": {"c": "3"}})).await, json!({"c": "3"}));
    fixture.wait_for_run(&run).await;
    for none in [json!({}), json!(null)] {
        assert_eq!(update(json!({"metadata": {"c": "3"}})).await, json!({"c": "3"}));
        assert_eq!(update(json!({})).await, json!({"c": "3"}));
        assert_eq!(update(json!({"metadata": none})).await, json!({}));
    }
    let response =
        fixture.client.post(&fixture.run_path(&run, ""), json!({"status": "queued"})).await;
    assert_eq!(response.expect_error(400)["param"], "status");
}
