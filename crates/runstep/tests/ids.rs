//! Ids stand in paths: none may lead to another path.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

mod support;

use runstep::{Client, ErrorKind, ResponseFuture, Result};
use support::Recorder;

const GOOD: &str = "good_1";

/// A request, by its name and by the name of the id that it was given.
type Use = (&'static str, &'static str, ResponseFuture<()>);

/// Every request with an id in its path, once for each such id.
fn uses(client: &Client, id: &str) -> Vec<Use> {
    let messages = client.messages(id);
    let runs = client.runs(id);
    let (good_messages, good_runs) = (client.messages(GOOD), client.runs(GOOD));
    vec![
        ("retrieve assistant", "assistant_id", sent(client.assistants().retrieve(id))),
        ("update assistant", "assistant_id", sent(client.assistants().update(id))),
        ("delete assistant", "assistant_id", sent(client.assistants().delete(id))),
        ("retrieve thread", "thread_id", sent(client.threads().retrieve(id))),
        ("update thread", "thread_id", sent(client.threads().update(id))),
        ("delete thread", "thread_id", sent(client.threads().delete(id))),
        ("create message", "thread_id", sent(messages.create("Hello"))),
        ("list messages", "thread_id", sent(messages.list())),
        ("retrieve message", "thread_id", sent(messages.retrieve(GOOD))),
        ("retrieve message", "message_id", sent(good_messages.retrieve(id))),
        ("update message", "thread_id", sent(messages.update(GOOD))),
        ("update message", "message_id", sent(good_messages.update(id))),
        ("delete message", "thread_id", sent(messages.delete(GOOD))),
        ("delete message", "message_id", sent(good_messages.delete(id))),
        ("create run", "thread_id", sent(runs.create(GOOD))),
        ("list runs", "thread_id", sent(runs.list())),
        ("retrieve run", "thread_id", sent(runs.retrieve(GOOD))),
        ("retrieve run", "run_id", sent(good_runs.retrieve(id))),
        ("update run", "thread_id", sent(runs.update(GOOD))),
        ("update run", "run_id", sent(good_runs.update(id))),
        ("submit tool outputs", "thread_id", sent(runs.submit_tool_outputs(GOOD))),
        ("submit tool outputs", "run_id", sent(good_runs.submit_tool_outputs(id))),
        ("cancel run", "thread_id", sent(runs.cancel(GOOD))),
        ("cancel run", "run_id", sent(good_runs.cancel(id))),
        ("poll", "thread_id", sent(runs.poll(GOOD))),
        ("poll", "run_id", sent(good_runs.poll(id))),
        ("ensure idle", "thread_id", sent(runs.ensure_idle(runstep::IfActive::Wait))),
        ("list steps", "thread_id", sent(runs.steps(GOOD).list())),
        ("list steps", "run_id", sent(good_runs.steps(id).list())),
        ("retrieve step", "thread_id", sent(runs.steps(GOOD).retrieve(GOOD))),
        ("retrieve step", "run_id", sent(good_runs.steps(id).retrieve(GOOD))),
        ("retrieve step", "step_id", sent(good_runs.steps(GOOD).retrieve(id))),
    ]
}

fn sent<R, T>(request: R) -> ResponseFuture<()>
where
    R: IntoFuture<Output = Result<T>, IntoFuture = ResponseFuture<T>>,
    T: 'static,
{
    let request = request.into_future();
    Box::pin(async { request.await.map(drop) })
}

/// Gives this id to every request and checks that none of them is sent.
async fn refused(id: &str, why: &str) {
    let server = Recorder::with_reply(404, &[], "").await;
    for (request, name, future) in uses(&server.client(), id) {
        let error = future.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{request}: {error}");
        assert_eq!(error.message(), format!("`{name}` {why}; nothing was sent"), "{request}");
        assert_eq!(error.param(), Some(name), "{request}");
    }
    assert_eq!(server.seen().len(), 0);
}

/// Gives this id to every request and checks how it stands in the path.
async fn encoded(id: &str, segment: &str) {
    let server = Recorder::with_reply(404, &[], "").await;
    for (number, (request, _, future)) in uses(&server.client(), id).into_iter().enumerate() {
        assert!(future.await.unwrap_err().is_not_found(), "{request}");
        let target = &server.seen()[number].target;
        assert!(target.split('/').any(|part| part == segment), "{request}: {target}");
    }
}

macro_rules! refused {
    ($($test:ident: $id:expr => $why:expr;)+) => {
        $(
            #[tokio::test]
            async fn $test() {
                refused($id, $why).await;
            }
        )+
    };
}

refused! {
    an_empty_id_is_refused: "" => "is empty";
    the_same_folder_is_refused: "." => "is a relative path";
    the_folder_above_is_refused: ".." => "is a relative path";
    a_slash_is_refused: "run_1/cancel" => "has '/' in it, which would change the path";
    a_way_out_is_refused: "../assistants" => "has '/' in it, which would change the path";
    a_backslash_is_refused: "run_1\\cancel" => "has '\\\\' in it, which would change the path";
    a_query_is_refused: "run_1?limit=1" => "has '?' in it, which would change the path";
    a_fragment_is_refused: "run_1#a" => "has '#' in it, which would change the path";
    an_encoded_slash_is_refused: "run_1%2Fcancel" => "has '%' in it, which would change the path";
    a_line_end_is_refused: "run_1\r\nx: y" => "has '\\r' in it, which would change the path";
    a_nul_is_refused: "run_1\0" => "has '\\0' in it, which would change the path";
    a_tab_is_refused: ".\t." => "has '\\t' in it, which would change the path";
    a_c1_control_is_refused: "run_1\u{85}" => "has '\\u{85}' in it, which would change the path";
}

#[tokio::test]
async fn spaces_are_encoded() {
    encoded(" run 1 ", "%20run%201%20").await;
}

#[tokio::test]
async fn letters_of_other_scripts_are_encoded() {
    encoded("lauf-ä-走", "lauf-%C3%A4-%E8%B5%B0").await;
}

#[tokio::test]
async fn dots_within_an_id_are_kept() {
    encoded("...", "...").await;
    encoded("run.1..2", "run.1..2").await;
}

#[tokio::test]
async fn reserved_characters_stay_in_their_segment() {
    let server = Recorder::with_reply(404, &[], "").await;
    let _ = server.client().runs("a:b;c=d&e+f@g").retrieve(GOOD).await;
    let target = server.only_request().target;
    let segment = target.strip_prefix("/v1/threads/").unwrap().strip_suffix("/runs/good_1");
    let segment = segment.unwrap();
    assert!(!segment.contains('/') && segment.contains("a:b"), "{target}");
}

/// In a query nothing can break out, so nothing is refused.
#[tokio::test]
async fn ids_in_a_query_are_encoded() {
    let server = Recorder::with_reply(404, &[], "").await;
    let list = server.client().messages(GOOD).list().after("a&limit=9#/..").run_id("ä %");
    let _ = list.await;
    let target = server.only_request().target;
    assert_eq!(target, "/v1/threads/good_1/messages?after=a%26limit%3D9%23%2F..&run_id=%C3%A4+%25");
}
