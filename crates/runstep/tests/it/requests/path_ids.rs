//! Ids in URL paths: no id can change which path is requested.

use runstep::{Client, ErrorKind, ResponseFuture, Result};

use crate::harness::RecordingServer;

const VALID_ID: &str = "valid_1";

/// A request: its name, the name of the id under test, and its future.
type NamedRequest = (&'static str, &'static str, ResponseFuture<()>);

/// Every request with an id in its path, once per id.
fn requests_with_id(client: &Client, id: &str) -> Vec<NamedRequest> {
    let messages = client.messages(id);
    let runs = client.runs(id);
    let (valid_messages, valid_runs) = (client.messages(VALID_ID), client.runs(VALID_ID));
    vec![
        ("retrieve assistant", "assistant_id", future_of(client.assistants().retrieve(id))),
        ("update assistant", "assistant_id", future_of(client.assistants().update(id))),
        ("delete assistant", "assistant_id", future_of(client.assistants().delete(id))),
        ("retrieve thread", "thread_id", future_of(client.threads().retrieve(id))),
        ("update thread", "thread_id", future_of(client.threads().update(id))),
        ("delete thread", "thread_id", future_of(client.threads().delete(id))),
        ("create message", "thread_id", future_of(messages.create("Hello"))),
        ("list messages", "thread_id", future_of(messages.list())),
        ("retrieve message", "thread_id", future_of(messages.retrieve(VALID_ID))),
        ("retrieve message", "message_id", future_of(valid_messages.retrieve(id))),
        ("update message", "thread_id", future_of(messages.update(VALID_ID))),
        ("update message", "message_id", future_of(valid_messages.update(id))),
        ("delete message", "thread_id", future_of(messages.delete(VALID_ID))),
        ("delete message", "message_id", future_of(valid_messages.delete(id))),
        ("create run", "thread_id", future_of(runs.create(VALID_ID))),
        ("list runs", "thread_id", future_of(runs.list())),
        ("retrieve run", "thread_id", future_of(runs.retrieve(VALID_ID))),
        ("retrieve run", "run_id", future_of(valid_runs.retrieve(id))),
        ("update run", "thread_id", future_of(runs.update(VALID_ID))),
        ("update run", "run_id", future_of(valid_runs.update(id))),
        ("submit tool outputs", "thread_id", future_of(runs.submit_tool_outputs(VALID_ID))),
        ("submit tool outputs", "run_id", future_of(valid_runs.submit_tool_outputs(id))),
        ("cancel run", "thread_id", future_of(runs.cancel(VALID_ID))),
        ("cancel run", "run_id", future_of(valid_runs.cancel(id))),
        ("poll", "thread_id", future_of(runs.poll(VALID_ID))),
        ("poll", "run_id", future_of(valid_runs.poll(id))),
        ("ensure idle", "thread_id", future_of(runs.ensure_idle(runstep::IfActive::Wait))),
        ("list steps", "thread_id", future_of(runs.steps(VALID_ID).list())),
        ("list steps", "run_id", future_of(valid_runs.steps(id).list())),
        ("retrieve step", "thread_id", future_of(runs.steps(VALID_ID).retrieve(VALID_ID))),
        ("retrieve step", "run_id", future_of(valid_runs.steps(id).retrieve(VALID_ID))),
        ("retrieve step", "step_id", future_of(valid_runs.steps(VALID_ID).retrieve(id))),
    ]
}

fn future_of<R, T>(request: R) -> ResponseFuture<()>
where
    R: IntoFuture<Output = Result<T>, IntoFuture = ResponseFuture<T>>,
    T: 'static,
{
    let request = request.into_future();
    Box::pin(async { request.await.map(drop) })
}

/// Checks that no request with this id is sent.
async fn assert_rejected(id: &str, reason: &str) {
    let server = RecordingServer::with_response(404, &[], "").await;
    for (request, name, future) in requests_with_id(&server.client(), id) {
        let error = future.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{request}: {error}");
        assert_eq!(
            error.message(),
            format!("invalid `{name}`: {reason}; nothing was sent"),
            "{request}"
        );
        assert_eq!(error.param(), Some(name), "{request}");
    }
    assert_eq!(server.requests().len(), 0);
}

/// Checks how this id is encoded in the path of every request.
async fn assert_encoded(id: &str, segment: &str) {
    let server = RecordingServer::with_response(404, &[], "").await;
    for (number, (request, _, future)) in
        requests_with_id(&server.client(), id).into_iter().enumerate()
    {
        assert!(future.await.unwrap_err().is_not_found(), "{request}");
        let target = &server.requests()[number].target;
        assert!(
            target.split('/').any(|path_segment| path_segment == segment),
            "{request}: {target}"
        );
    }
}

macro_rules! rejected {
    ($($test:ident: $id:expr => $reason:expr;)+) => {
        $(
            #[tokio::test]
            async fn $test() {
                assert_rejected($id, $reason).await;
            }
        )+
    };
}

rejected! {
    empty_id_is_rejected: "" => "it is empty";
    current_directory_is_rejected: "." => "it is a relative path";
    parent_directory_is_rejected: ".." => "it is a relative path";
    slash_is_rejected: "run_1/cancel" => "it contains '/', which would change the path";
    path_traversal_is_rejected: "../assistants" => "it contains '/', which would change the path";
    backslash_is_rejected: "run_1\\cancel" => "it contains '\\\\', which would change the path";
    query_is_rejected: "run_1?limit=1" => "it contains '?', which would change the path";
    fragment_is_rejected: "run_1#a" => "it contains '#', which would change the path";
    percent_encoding_is_rejected: "run_1%2Fcancel" => "it contains '%', which would change the path";
    line_break_is_rejected: "run_1\r\nx: y" => "it contains '\\r', which would change the path";
    nul_is_rejected: "run_1\0" => "it contains '\\0', which would change the path";
    tab_is_rejected: ".\t." => "it contains '\\t', which would change the path";
    c1_control_character_is_rejected: "run_1\u{85}" => "it contains '\\u{85}', which would change the path";
}

#[tokio::test]
async fn spaces_are_percent_encoded() {
    assert_encoded(" run 1 ", "%20run%201%20").await;
}

#[tokio::test]
async fn non_ascii_letters_are_percent_encoded() {
    assert_encoded("lauf-ä-走", "lauf-%C3%A4-%E8%B5%B0").await;
}

#[tokio::test]
async fn dots_within_id_are_kept() {
    assert_encoded("...", "...").await;
    assert_encoded("run.1..2", "run.1..2").await;
}

#[tokio::test]
async fn reserved_characters_stay_within_path_segment() {
    let server = RecordingServer::with_response(404, &[], "").await;
    let _ = server.client().runs("a:b;c=d&e+f@g").retrieve(VALID_ID).await;
    let target = server.only_request().target;
    let segment = target.strip_prefix("/v1/threads/").unwrap().strip_suffix("/runs/valid_1");
    let segment = segment.unwrap();
    assert!(!segment.contains('/') && segment.contains("a:b"), "{target}");
}

/// Query encoding covers every character, so no id is rejected.
#[tokio::test]
async fn ids_in_query_are_encoded() {
    let server = RecordingServer::with_response(404, &[], "").await;
    let list = server.client().messages(VALID_ID).list().after("a&limit=9#/..").run_id("ä %");
    let _ = list.await;
    let target = server.only_request().target;
    assert_eq!(
        target,
        "/v1/threads/valid_1/messages?after=a%26limit%3D9%23%2F..&run_id=%C3%A4+%25"
    );
}
