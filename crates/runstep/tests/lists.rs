//! Lists, over all their pages.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

mod support;

use axum::response::Response;
use futures_util::TryStreamExt as _;
use runstep::types::Order;
use runstep::{Client, ErrorKind};
use runstep_server::Server;
use serde_json::{Value, json};
use support::{Recorded, Recorder, example, json as json_reply, reply};

/// A page of runs with these numbers.
fn page(numbers: &[u32], has_more: bool) -> Response {
    let run = |number: &u32| {
        let mut run = example("Run");
        run["id"] = format!("run_{number}").into();
        run
    };
    let data: Vec<Value> = numbers.iter().map(run).collect();
    let id = |number: Option<&u32>| number.map(|number| format!("run_{number}"));
    json_reply(&json!({
        "object": "list", "data": data, "has_more": has_more,
        "first_id": id(numbers.first()), "last_id": id(numbers.last()),
    }))
}

async fn three_pages() -> Recorder {
    Recorder::start(|number| match number {
        0 => page(&[5, 4], true),
        1 => page(&[3, 2], true),
        _ => page(&[1], false),
    })
    .await
}

async fn ids(client: &Client) -> Vec<String> {
    let items = client.runs("t").list().limit(2).items();
    items.collect_all().await.unwrap().into_iter().map(|run| run.id).collect()
}

fn queries(seen: &[Recorded]) -> Vec<&str> {
    seen.iter().map(|one| one.target.split_once('?').map_or("", |(_, query)| query)).collect()
}

#[tokio::test]
async fn items_go_over_all_pages_in_order() {
    let server = three_pages().await;
    assert_eq!(ids(&server.client()).await, ["run_5", "run_4", "run_3", "run_2", "run_1"]);
    let seen = server.seen();
    assert_eq!(queries(&seen), ["limit=2", "after=run_4&limit=2", "after=run_2&limit=2"]);
}

#[tokio::test]
async fn every_page_is_asked_for_alike() {
    let server = three_pages().await;
    let list = server.client().runs("t").list().limit(2).order(Order::Desc).after("run_6");
    let list = list.before("run_0").query("trace", "1").header("x-tenant", "harbour");
    list.items().collect_all().await.unwrap();
    let seen = server.seen();
    assert_eq!(
        queries(&seen),
        [
            "after=run_6&before=run_0&limit=2&order=desc&trace=1",
            "after=run_4&before=run_0&limit=2&order=desc&trace=1",
            "after=run_2&before=run_0&limit=2&order=desc&trace=1",
        ]
    );
    assert!(seen.iter().all(|request| request.header("x-tenant") == Some("harbour")));
}

#[tokio::test]
async fn a_page_is_asked_for_when_it_is_needed() {
    let server = three_pages().await;
    let mut items = server.client().runs("t").list().items();
    assert_eq!(server.count(), 0);
    for (taken, pages) in [1, 1, 2, 2, 3].into_iter().enumerate() {
        assert!(items.try_next().await.unwrap().is_some());
        assert_eq!(server.count(), pages, "after {} entries", taken + 1);
    }
    assert!(items.try_next().await.unwrap().is_none());
    assert!(items.try_next().await.unwrap().is_none(), "asked once more");
    assert_eq!(server.count(), 3);
}

#[tokio::test]
async fn items_are_a_stream() {
    let server = three_pages().await;
    let runs: Vec<_> = server.client().runs("t").list().items().try_collect().await.unwrap();
    assert_eq!(runs.len(), 5);
}

#[tokio::test]
async fn a_page_alone_is_the_first() {
    let server = three_pages().await;
    let page = server.client().runs("t").list().page().await.unwrap();
    assert_eq!((page.data.len(), page.has_more), (2, true));
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn an_empty_list_has_no_items() {
    for has_more in [false, true] {
        let server = Recorder::start(move |_| page(&[], has_more)).await;
        assert!(ids(&server.client()).await.is_empty());
        assert_eq!(server.count(), 1, "an empty page is the last, whatever it says");
    }
}

#[tokio::test]
async fn a_page_that_fails_ends_the_items_after_those_before_it() {
    let server = Recorder::start(|number| match number {
        0 => page(&[5, 4], true),
        _ => reply(403, &[], r#"{"error": {"message": "No more."}}"#),
    })
    .await;
    let mut items = server.client().runs("t").list().items();
    assert_eq!(items.try_next().await.unwrap().unwrap().id, "run_5");
    assert_eq!(items.try_next().await.unwrap().unwrap().id, "run_4");
    let error = items.try_next().await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Api, "No more."));
    assert!(items.try_next().await.unwrap().is_none());
    assert_eq!(server.count(), 2);
    assert!(server.client().runs("t").list().items().collect_all().await.is_err());
}

#[tokio::test]
async fn a_page_that_fails_for_a_moment_is_asked_for_again() {
    let server = Recorder::start(|number| match number {
        0 => page(&[5, 4], true),
        1 => reply(500, &[], ""),
        _ => page(&[3], false),
    })
    .await;
    let client = server.builder().retry_policy(support::script::quick()).build().unwrap();
    assert_eq!(ids(&client).await, ["run_5", "run_4", "run_3"]);
    assert_eq!(server.count(), 3);
}

#[tokio::test]
async fn a_page_without_a_last_id_goes_on_after_its_last_entry() {
    let server = Recorder::start(|number| match number {
        0 => {
            let mut run = example("Run");
            run["id"] = "run_5".into();
            json_reply(&json!({"object": "list", "data": [run], "has_more": true}))
        }
        _ => page(&[4], false),
    })
    .await;
    assert_eq!(ids(&server.client()).await, ["run_5", "run_4"]);
    assert!(server.seen()[1].target.contains("after=run_5"));
}

/// A server that does not know `after` would give the same page for ever.
#[tokio::test]
async fn a_server_that_gives_the_same_page_again_is_an_error() {
    let server = Recorder::start(|_| page(&[2, 1], true)).await;
    let items = server.client().runs("t").list().items();
    let all = tokio::time::timeout(std::time::Duration::from_secs(20), items.collect_all()).await;
    assert_eq!(all.unwrap().unwrap_err().kind(), ErrorKind::Decode);
    assert_eq!(server.count(), 2);
}

/// The same for each list, at the real server.
#[tokio::test]
async fn every_list_goes_over_its_pages() {
    let server = Server::builder().spawn().await.unwrap();
    let client = Client::builder(server.base_url()).build().unwrap();
    let mut assistants = Vec::new();
    for _ in 0..5 {
        assistants.push(client.assistants().create("offline").await.unwrap().id);
    }
    let listed = client.assistants().list().order(Order::Asc).limit(2).items();
    let listed: Vec<_> = listed.map_ok(|one| one.id).try_collect().await.unwrap();
    assert_eq!(listed, assistants);
    let thread = client.threads().create().await.unwrap();
    let messages = client.messages(&thread.id);
    let mut said = Vec::new();
    for number in 0..5 {
        said.push(messages.create(number.to_string()).await.unwrap().id);
    }
    said.reverse();
    let listed = messages.list().limit(2).items();
    let listed: Vec<_> = listed.map_ok(|one| one.id).try_collect().await.unwrap();
    assert_eq!(listed, said);
    let runs = client.runs(&thread.id);
    let run = runs.create(&assistants[0]).and_poll().await.unwrap();
    let listed = runs.list().limit(1).items().collect_all().await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&run));
    let steps = runs.steps(&run.id).list().limit(1).items().collect_all().await.unwrap();
    assert_eq!(steps.len(), 1);
}
