//! Lists of all threads and of all runs.

use runstep_server::Server;
use runstep_server::model::{Scripted, Turn};

use super::*;
use crate::harness::{Fixture, id};

/// A server with runs in different statuses: `completed`, `failed` and `requires_action`, in the
/// order of their creation, each on a thread of its own.
async fn runs() -> (Fixture, Vec<Value>) {
    let turns = [
        Turn::text("Hi."),
        Turn::fail(runstep_server::model::ModelErrorKind::Server, "Boom."),
        Turn::call("weather", json!({})),
    ];
    let fixture = Fixture::with_turns(turns, &["weather"]).await;
    let mut runs = Vec::new();
    for order in ["17", "18", "17"] {
        let thread = fixture.client.create_thread("Hello").await;
        let fixture = Fixture { thread, ..fixture.clone() };
        let body = json!({"metadata": {"order": order}, "instructions": format!("Order {order}É")});
        runs.push(fixture.create_run_and_wait(body).await);
    }
    (fixture, runs)
}

#[tokio::test(start_paused = true)]
async fn threads_are_listed_page_by_page() {
    let client = TestClient::with_turns([]);
    let mut threads = Vec::new();
    for _ in 0..3 {
        threads.push(client.create_thread("Hello").await);
    }
    let list = get_ok(&client, "/threads?limit=2").await;
    assert_eq!(ids(&list), [threads[2].as_str(), &threads[1]]);
    assert_eq!((&list["first_id"], &list["has_more"]), (&json!(threads[2]), &json!(true)));
    // A client that deletes what it lists can continue.
    client.delete(&format!("/threads/{}", threads[1])).await.ok();
    let list = get_ok(&client, &format!("/threads?limit=2&after={}", threads[1])).await;
    assert_eq!(ids(&list), [threads[0].as_str()]);
    assert_eq!(list["data"][0], client.get(&format!("/threads/{}", threads[0])).await.ok());
    let oldest = get_ok(&client, "/threads?order=asc").await;
    assert_eq!(ids(&oldest), [threads[0].as_str(), &threads[2]]);
    assert_eq!(get_invalid(&client, "/threads?after=thread_x").await.0, "after");
}

#[tokio::test(start_paused = true)]
async fn runs_of_all_threads_are_selected_by_every_filter() {
    let (fixture, runs) = runs().await;
    let [completed, failed, waiting] = [0, 1, 2].map(|index| id(&runs[index]));
    let thread = runs[1]["thread_id"].as_str().unwrap();
    let (assistant, client) = (&fixture.assistant, &fixture.client);
    for (query, expected) in [
        (String::new(), vec![&waiting, &failed, &completed]),
        ("limit=2".to_owned(), vec![&waiting, &failed]),
        ("order=asc".to_owned(), vec![&completed, &failed, &waiting]),
        ("status=failed".to_owned(), vec![&failed]),
        ("status=completed,requires_action,completed".to_owned(), vec![&waiting, &completed]),
        ("status=queued".to_owned(), vec![]),
        (format!("assistant_id={assistant}"), vec![&waiting, &failed, &completed]),
        ("assistant_id=asst_x".to_owned(), vec![]),
        (format!("thread_id={thread}"), vec![&failed]),
        ("metadata[order]=17".to_owned(), vec![&waiting, &completed]),
        ("metadata[order]=17&status=completed".to_owned(), vec![&completed]),
        ("metadata%5Border%5D=17&metadata[other]=1".to_owned(), vec![]),
        ("search=order%2018%C3%A9".to_owned(), vec![&failed]),
        (format!("search={}", failed.to_uppercase()), vec![&failed]),
        (format!("search={thread}"), vec![&failed]),
        ("search=nothing".to_owned(), vec![]),
        ("search=".to_owned(), vec![&waiting, &failed, &completed]),
        (format!("search=order&after={waiting}"), vec![&failed, &completed]),
        (format!("search=order&before={completed}&limit=1"), vec![&failed]),
    ] {
        let list = get_ok(client, &format!("/runs?{query}")).await;
        assert_eq!(ids(&list), expected, "{query}");
    }
    let list = get_ok(client, "/runs?status=failed").await;
    assert_eq!(list["data"][0], runs[1]);
    let counts = get_ok(client, "/runs/counts").await;
    let expected = json!({"completed": 1, "failed": 1, "requires_action": 1});
    assert_eq!((&counts["statuses"], &counts["total"]), (&expected, &json!(3)));
}

#[tokio::test(start_paused = true)]
async fn runs_are_found_by_the_name_of_their_assistant() {
    let (fixture, runs) = runs().await;
    let path = fixture.assistant_path();
    fixture.client.post(&path, json!({"name": "Weather clerk"})).await.ok();
    let list = get_ok(&fixture.client, "/runs?search=CLERK").await;
    assert_eq!(ids(&list).len(), runs.len());
}

#[tokio::test(start_paused = true)]
async fn search_that_finds_little_continues_on_the_next_page() {
    let (fixture, runs) = runs().await;
    let client = &fixture.client;
    let mut found = Vec::new();
    let mut path = "/runs?metadata[order]=17&limit=1".to_owned();
    loop {
        let list = get_ok(client, &path).await;
        found.extend(ids(&list).into_iter().map(str::to_owned));
        if list["has_more"] == false {
            break;
        }
        path =
            format!("/runs?metadata[order]=17&limit=1&after={}", list["last_id"].as_str().unwrap());
    }
    assert_eq!(found, [id(&runs[2]), id(&runs[0])]);
}

#[tokio::test(start_paused = true)]
async fn invalid_filters_are_rejected() {
    let client = TestClient::with_turns([]);
    let long = "x".repeat(257);
    for (query, param, code) in [
        ("status=done", "status", "invalid_value"),
        ("status=", "status", "invalid_value"),
        ("status=queued,done", "status", "invalid_value"),
        ("limit=0", "limit", "integer_below_min_value"),
        ("after=run_x", "after", "invalid_value"),
        ("before=run_x&search=a", "before", "invalid_value"),
        (&format!("search={long}"), "search", "string_above_max_length"),
    ] {
        let error = get_invalid(&client, &format!("/runs?{query}")).await;
        assert_eq!((error.0.as_str(), error.1.as_str()), (param, code), "{query}");
    }
    let (status, _) = get(&client, "/runs?thread_id=thread_x").await;
    assert_eq!(status, 404);
}

#[tokio::test(start_paused = true)]
async fn key_sees_only_its_own_threads_and_runs() {
    let model = Scripted::new([Turn::text("Hi.")]);
    let builder = Server::builder().model(model).api_keys(["sk-first", "sk-second"]);
    let anonymous = TestClient::from_builder(builder);
    let [first, second] = ["sk-first", "sk-second"]
        .map(|key| anonymous.with_header("authorization", &format!("Bearer {key}")));
    let fixture = first.create_fixture(&[]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    for path in ["/threads", "/runs"] {
        assert_eq!(ids(&get_ok(&first, path).await).len(), 1, "{path}");
        assert_eq!(ids(&get_ok(&second, path).await).len(), 0, "{path}");
    }
    assert_eq!(get_ok(&second, "/runs/counts").await["total"], 0);
    assert_eq!(get_invalid(&second, &format!("/runs?after={}", id(&run))).await.0, "after");
    let (status, _) = get(&second, &format!("/runs?thread_id={}", fixture.thread)).await;
    assert_eq!(status, 404);
    for path in ["/threads", "/runs", "/runs/counts", "/runs/events", "/server"] {
        assert_eq!(get(&anonymous, path).await.0, 401, "{path}");
    }
}
