//! Lists across several pages.

use axum::response::Response;
use futures_util::TryStreamExt as _;
use runstep::types::Order;
use runstep::{Client, ErrorKind};
use runstep_server::Server;
use serde_json::{Value, json};

use crate::harness::{
    RecordedRequest, RecordingServer, example, fast_retries, http_response, json_response,
};

/// A page of the runs with these numbers.
fn page(numbers: &[u32], has_more: bool) -> Response {
    let run = |number: &u32| {
        let mut run = example("Run");
        run["id"] = format!("run_{number}").into();
        run
    };
    let data: Vec<Value> = numbers.iter().map(run).collect();
    let id = |number: Option<&u32>| number.map(|number| format!("run_{number}"));
    json_response(&json!({
        "object": "list", "data": data, "has_more": has_more,
        "first_id": id(numbers.first()), "last_id": id(numbers.last()),
    }))
}

async fn three_pages() -> RecordingServer {
    RecordingServer::start(|number| match number {
        0 => page(&[5, 4], true),
        1 => page(&[3, 2], true),
        _ => page(&[1], false),
    })
    .await
}

async fn listed_ids(client: &Client) -> Vec<String> {
    let items = client.runs("t").list().limit(2).items();
    items.collect_all().await.unwrap().into_iter().map(|run| run.id).collect()
}

fn queries(requests: &[RecordedRequest]) -> Vec<&str> {
    let query = |(_, query)| query;
    requests.iter().map(|request| request.target.split_once('?').map_or("", query)).collect()
}

#[tokio::test]
async fn items_span_all_pages_in_order() {
    let server = three_pages().await;
    assert_eq!(listed_ids(&server.client()).await, ["run_5", "run_4", "run_3", "run_2", "run_1"]);
    let requests = server.requests();
    assert_eq!(queries(&requests), ["limit=2", "after=run_4&limit=2", "after=run_2&limit=2"]);
}

#[tokio::test]
async fn pages_are_fetched_one_by_one_and_have_cursors() {
    let server = three_pages().await;
    let mut pages = server.client().runs("t").list().limit(2).pages();
    assert_eq!(server.count(), 0);
    for (count, cursor) in [(2, Some("run_4")), (2, Some("run_2")), (1, None)] {
        let page = pages.try_next().await.unwrap().unwrap();
        assert_eq!((page.data.len(), page.next_cursor()), (count, cursor));
    }
    assert!(pages.try_next().await.unwrap().is_none());
    assert!(pages.try_next().await.unwrap().is_none());
    assert_eq!(server.count(), 3);
}

#[tokio::test]
async fn saved_cursor_resumes_a_list() {
    let server = three_pages().await;
    let runs = server.client().runs("t");
    let first = runs.list().pages().try_next().await.unwrap().unwrap();
    let saved = first.next_cursor().unwrap();
    let rest: Vec<_> = runs.list().after(saved).pages().try_collect().await.unwrap();
    let ids: Vec<&str> =
        rest.iter().flat_map(|page| &page.data).map(|run| run.id.as_str()).collect();
    assert_eq!(ids, ["run_3", "run_2", "run_1"]);
    assert_eq!(queries(&server.requests()), ["", "after=run_4", "after=run_2"]);
}

#[tokio::test]
async fn pages_end_after_an_error() {
    let server = RecordingServer::start(|number| match number {
        0 => page(&[2, 1], true),
        _ => http_response(500, &[], "{}"),
    })
    .await;
    let mut pages = server.client().runs("t").list().pages();
    assert!(pages.try_next().await.is_ok());
    assert_eq!(pages.try_next().await.unwrap_err().status(), Some(500));
    assert!(pages.try_next().await.unwrap().is_none());
}

#[tokio::test]
async fn every_page_request_has_same_options() {
    let server = three_pages().await;
    let list = server.client().runs("t").list().limit(2).order(Order::Desc).after("run_6");
    let list = list.before("run_0").query("trace", "1").header("x-tenant", "harbour");
    list.items().collect_all().await.unwrap();
    let requests = server.requests();
    assert_eq!(
        queries(&requests),
        [
            "after=run_6&before=run_0&limit=2&order=desc&trace=1",
            "after=run_4&before=run_0&limit=2&order=desc&trace=1",
            "after=run_2&before=run_0&limit=2&order=desc&trace=1",
        ]
    );
    assert!(requests.iter().all(|request| request.header("x-tenant") == Some("harbour")));
}

#[tokio::test]
async fn pages_are_fetched_lazily() {
    let server = three_pages().await;
    let mut items = server.client().runs("t").list().items();
    assert_eq!(server.count(), 0);
    for (taken, pages) in [1, 1, 2, 2, 3].into_iter().enumerate() {
        assert!(items.try_next().await.unwrap().is_some());
        assert_eq!(server.count(), pages, "after {} entries", taken + 1);
    }
    assert!(items.try_next().await.unwrap().is_none());
    assert!(items.try_next().await.unwrap().is_none(), "the stream continues after its end");
    assert_eq!(server.count(), 3);
}

#[tokio::test]
async fn items_implement_stream() {
    let server = three_pages().await;
    let runs: Vec<_> = server.client().runs("t").list().items().try_collect().await.unwrap();
    assert_eq!(runs.len(), 5);
}

#[tokio::test]
async fn page_returns_first_page() {
    let server = three_pages().await;
    let page = server.client().runs("t").list().page().await.unwrap();
    assert_eq!((page.data.len(), page.has_more), (2, true));
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn empty_list_has_no_items() {
    for has_more in [false, true] {
        let server = RecordingServer::start(move |_| page(&[], has_more)).await;
        assert!(listed_ids(&server.client()).await.is_empty());
        assert_eq!(server.count(), 1, "an empty page is the last one, even if `has_more` is true");
    }
}

#[tokio::test]
async fn failed_page_ends_items_after_earlier_pages() {
    let server = RecordingServer::start(|number| match number {
        0 => page(&[5, 4], true),
        _ => http_response(403, &[], r#"{"error": {"message": "No more."}}"#),
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
async fn transient_page_failure_is_retried() {
    let server = RecordingServer::start(|number| match number {
        0 => page(&[5, 4], true),
        1 => http_response(500, &[], ""),
        _ => page(&[3], false),
    })
    .await;
    let client = server.builder().retry_policy(fast_retries()).build().unwrap();
    assert_eq!(listed_ids(&client).await, ["run_5", "run_4", "run_3"]);
    assert_eq!(server.count(), 3);
}

#[tokio::test]
async fn missing_last_id_falls_back_to_last_entry() {
    let server = RecordingServer::start(|number| match number {
        0 => {
            let mut run = example("Run");
            run["id"] = "run_5".into();
            json_response(&json!({"object": "list", "data": [run], "has_more": true}))
        }
        _ => page(&[4], false),
    })
    .await;
    assert_eq!(listed_ids(&server.client()).await, ["run_5", "run_4"]);
    assert!(server.requests()[1].target.contains("after=run_5"));
}

/// A server that ignores `after` would otherwise cause an endless loop.
#[tokio::test]
async fn repeated_page_is_an_error() {
    let server = RecordingServer::start(|_| page(&[2, 1], true)).await;
    let items = server.client().runs("t").list().items();
    let all = tokio::time::timeout(std::time::Duration::from_secs(20), items.collect_all()).await;
    assert_eq!(all.unwrap().unwrap_err().kind(), ErrorKind::Decode);
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn alternating_pages_are_an_error() {
    let server = RecordingServer::start(|number| match number % 2 {
        0 => page(&[4, 3], true),
        _ => page(&[2, 1], true),
    })
    .await;
    let mut pages = server.client().runs("t").list().pages();
    assert!(pages.try_next().await.unwrap().is_some());
    assert!(pages.try_next().await.unwrap().is_some());
    let error = pages.try_next().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    insta::assert_snapshot!(error, @r#"the server repeats pages: the cursor "run_3" appears again after 2 pages; it ignores or mixes up `after`"#);
    assert!(pages.try_next().await.unwrap().is_none());
    assert_eq!(server.count(), 3);
}

#[tokio::test]
async fn page_that_repeats_the_first_cursor_is_an_error() {
    let server = RecordingServer::start(|_| page(&[2, 1], true)).await;
    let list = server.client().runs("t").list().after("run_1");
    let error = list.items().collect_all().await.unwrap_err();
    assert!(error.message().contains("run_1"), "{error}");
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn more_pages_without_a_cursor_are_an_error() {
    let body = json!({"object": "list", "data": [{"status": "queued"}, 7], "has_more": true});
    let server = RecordingServer::with_json(body).await;
    let mut items = server.client().runs("t").list().items();
    for entry in ["entry 0", "entry 1"] {
        let error = items.try_next().await.unwrap_err();
        assert!(error.message().contains(entry), "{error}");
    }
    let error = items.try_next().await.unwrap_err();
    insta::assert_snapshot!(error, @"the server has more pages, but the last page has no entry with an id to continue after");
    assert!(items.try_next().await.unwrap().is_none());
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn successful_response_that_is_not_a_list_is_an_error() {
    let not_lists = [
        json!({"detail": "Not authenticated"}),
        json!({"error": {"message": "Overloaded.", "code": "overloaded"}}),
        json!({"error": {"message": "Overloaded.", "code": "overloaded"}, "data": null}),
        json!({"success": false}),
        json!({}),
    ];
    for body in not_lists {
        let server = RecordingServer::with_json(body.clone()).await;
        let runs = server.client().runs("t");
        let error = runs.list().await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Decode, Some(200)), "{body}");
        let received: Value = serde_json::from_str(error.body().unwrap()).unwrap();
        assert_eq!(received, body);
        assert!(runs.list().items().try_next().await.is_err());
        assert!(runs.ensure_idle(runstep::IfActive::Wait).await.is_err());
    }
    let body = json!({"detail": "x".repeat(5000)});
    let server = RecordingServer::with_json(body).await;
    let shown = server.client().runs("t").list().await.unwrap_err().to_string();
    assert!(shown.starts_with("the response is not a list") && shown.len() < 500, "{shown}");
}

#[tokio::test]
async fn list_is_recognized_without_data() {
    let lists = [
        json!({"object": "list"}),
        json!({"object": "list", "data": null}),
        json!({"data": null}),
        json!({"has_more": false}),
        json!({"data": [], "error": null}),
    ];
    for body in lists {
        let server = RecordingServer::with_json(body.clone()).await;
        let page = server.client().runs("t").list().await;
        assert!(page.is_ok_and(|page| page.data.is_empty()), "{body}");
    }
}

/// Every list operation, against the real server.
#[tokio::test]
async fn every_list_spans_its_pages() {
    let server = Server::builder().spawn().await.unwrap();
    let client = Client::builder(server.base_url()).build().unwrap();
    let mut assistants = Vec::new();
    for _ in 0..5 {
        assistants.push(client.assistants().create("offline").await.unwrap().id);
    }
    let listed = client.assistants().list().order(Order::Asc).limit(2).items();
    let listed: Vec<_> = listed.map_ok(|item| item.id).try_collect().await.unwrap();
    assert_eq!(listed, assistants);
    let thread = client.threads().create().await.unwrap();
    let messages = client.messages(&thread.id);
    let mut message_ids = Vec::new();
    for number in 0..5 {
        message_ids.push(messages.create(number.to_string()).await.unwrap().id);
    }
    message_ids.reverse();
    let listed = messages.list().limit(2).items();
    let listed: Vec<_> = listed.map_ok(|item| item.id).try_collect().await.unwrap();
    assert_eq!(listed, message_ids);
    let runs = client.runs(&thread.id);
    let run = runs.create(&assistants[0]).and_poll().await.unwrap();
    let listed = runs.list().limit(1).items().collect_all().await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&run));
    let steps = runs.steps(&run.id).list().limit(1).items().collect_all().await.unwrap();
    assert_eq!(steps.len(), 1);
}

/// Memory is bounded, whatever the server sends.
#[tokio::test]
async fn page_with_too_many_invalid_entries_is_an_error() {
    let list = |count: usize| json!({"object": "list", "data": vec![0; count], "has_more": true});
    let server = RecordingServer::start(move |number| {
        let head = &[("x-request-id", "req_1")];
        http_response(200, head, list([1000, 1001][number.min(1)]).to_string())
    })
    .await;
    let runs = server.client().runs("t");
    assert_eq!(runs.list().await.unwrap().invalid.len(), 1000);
    let error = runs.list().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Decode, Some(200)));
    assert_eq!(error.request_id(), Some("req_1"));
    assert!(error.body().is_some_and(|body| body.starts_with("{\"object\"")), "{error:?}");
    let message = error.message();
    assert!(message.starts_with("more than 1000 entries of the page cannot be decoded; entry 0 "));
    let mut items = server.client().runs("t").list().items();
    assert!(items.try_next().await.unwrap_err().is_decode());
    assert!(items.try_next().await.unwrap().is_none());
}
