//! Pagination of assistants, runs, steps and messages.

use runstep_server::model::{Offline, Turn};
use serde_json::json;

use crate::harness::{Fixture, TestClient, id};

/// Fetches a page and checks its first and last id; returns the ids and `has_more`.
async fn fetch_page(client: &TestClient, path: &str, query: &str) -> (Vec<String>, bool) {
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
    for (query, expected, expected_has_more) in cases {
        let (ids, has_more) = fetch_page(client, path, &query).await;
        assert_eq!(ids.iter().collect::<Vec<_>>(), expected, "{path}?{query}");
        assert_eq!(has_more, expected_has_more, "{path}?{query}");
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
    let mut all = vec![id(&fixture.newest_message().await)];
    for text in ["b", "c", "d", "e"] {
        all.push(id(&fixture.add_message(text).await));
    }
    check_pages(&fixture.client, &fixture.messages_path(), &all).await;
}

#[tokio::test(start_paused = true)]
async fn steps_are_paginated() {
    let mut turns = vec![Turn::call("weather", json!({})); 4];
    turns.push(Turn::text("Done."));
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
    let (ids, has_more) = fetch_page(&client, &path, "").await;
    assert_eq!((ids.len(), has_more), (20, true));
    let (ids, has_more) = fetch_page(&client, &path, "limit=100").await;
    assert_eq!((ids.len(), has_more), (100, true));
}

#[tokio::test(start_paused = true)]
async fn empty_lists_have_null_first_and_last_ids() {
    let client = TestClient::with_model(Offline::new());
    let thread = id(&client.post("/threads", json!({})).await.ok());
    let thread_path = |list: &str| format!("/threads/{thread}/{list}");
    for list in [thread_path("messages"), thread_path("runs"), "/assistants".to_owned()] {
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
            let (ids, has_more) = fetch_page(&client, &path, &query).await;
            for id in &ids {
                client.delete(&format!("{path}/{id}")).await.ok();
                deleted += 1;
            }
            if !has_more {
                break;
            }
            // This cursor has been deleted.
            query = format!("limit=2&after={}", ids.last().unwrap());
        }
        assert_eq!(deleted, 5);
        assert_eq!(fetch_page(&client, &path, "").await, (vec![], false));
    }
}

#[tokio::test(start_paused = true)]
async fn messages_can_be_filtered_by_run() {
    let fixture = Fixture::with_turns([Turn::text("One"), Turn::text("Two")], &[]).await;
    let first = fixture.create_run_and_wait(json!({})).await;
    let second = fixture.create_run_and_wait(json!({})).await;
    let path = fixture.messages_path();
    let page_of_run =
        async |run: &str| fetch_page(&fixture.client, &path, &format!("run_id={run}")).await;
    let (all, _) = fetch_page(&fixture.client, &path, "order=asc").await;
    assert_eq!(page_of_run(&id(&first)).await, (vec![all[1].clone()], false));
    assert_eq!(page_of_run(&id(&second)).await, (vec![all[2].clone()], false));
    assert_eq!(page_of_run("run_x").await, (vec![], false));
    // `has_more` counts only messages of the run.
    let query = format!("limit=1&order=asc&run_id={}", id(&first));
    assert_eq!(fetch_page(&fixture.client, &path, &query).await, (vec![all[1].clone()], false));
}

#[tokio::test(start_paused = true)]
async fn cursor_of_another_list_is_rejected() {
    let fixture = Fixture::with_model(Offline::new(), &[]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    let other = Fixture { thread: fixture.client.create_thread("Hi").await, ..fixture.clone() };
    let path = format!("{}?after={}", other.runs_path(), id(&run));
    let error = fixture.client.get(&path).await.expect_error(400);
    let expected = json!({
        "message": format!("Invalid 'after': there is no run with id '{}' here.", id(&run)),
        "type": "invalid_request_error",
        "param": "after",
        "code": "invalid_value",
    });
    assert_eq!(error, expected);
}
