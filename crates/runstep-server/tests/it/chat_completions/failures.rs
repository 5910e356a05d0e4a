//! What becomes of failures: a kind, and a message that says what happened and never the key.

use std::fmt::Write as _;
use std::time::Duration;

use runstep_server::model::{ChatCompletions, ModelError, ModelErrorKind};
use serde_json::{Value, json};

use crate::chat_completions::upstream::{Reply, Upstream, answer, ask, delta, finish, says, text};

/// The failure that an answer ends with.
async fn failure(reply: Reply) -> ModelError {
    answer(reply).await.pop().unwrap().unwrap_err()
}

fn error(message: &str, kind: &str, code: Value) -> Value {
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
}

/// A provider may repeat a part of the key, wherever it refuses it.
#[tokio::test]
async fn a_refusal_of_the_key_is_not_quoted_whatever_its_shape() {
    let says = "Incorrect API key provided: sk-ab***yz";
    let invalid = error(says, "invalid_request_error", json!("invalid_api_key"));
    let replies = [
        Reply::json(400, &invalid),
        Reply::json(200, &invalid),
        Reply::chunks([invalid]),
        Reply::chunks([error(says, "authentication_error", json!(null))]),
        Reply::chunks([error(says, "error", json!(401))]),
        Reply::chunks([error(says, "error", json!("403"))]),
    ];
    for reply in replies {
        let what = format!("{reply:?}");
        let ModelError { kind, message, .. } = failure(reply).await;
        assert_eq!(kind, ModelErrorKind::Server, "{what}");
        let told = "The model's provider refused the key of this server";
        assert!(message.starts_with(told) && !message.contains("sk-"), "{what}: {message}");
    }
}

#[tokio::test]
async fn refusals_have_their_kind() {
    let context = "This model's maximum context length is 4096 tokens.";
    let invalid = "invalid_request_error";
    let cases = [
        (429, error("Slow down", "requests", json!("rate_limit_exceeded"))),
        (429, error("You exceeded your quota", "insufficient_quota", json!("insufficient_quota"))),
        (403, error("Quota used up", "insufficient_quota", json!(null))),
        (400, error(context, invalid, json!("context_length_exceeded"))),
        (400, error(context, "BadRequestError", json!(400))),
        (400, json!({"object": "error", "message": context, "code": 400})),
        (
            400,
            error(
                "the request exceeds the available context size",
                "exceed_context_size_error",
                json!(400),
            ),
        ),
        (400, error("filtered", invalid, json!("content_filter"))),
        (
            400,
            json!({"error": {"message": "Invalid 'messages[0].content'", "param": "messages[0].content"}}),
        ),
        (413, json!({"detail": "too big"})),
        (
            400,
            error("Unsupported parameter: 'max_tokens'", invalid, json!("unsupported_parameter")),
        ),
        (404, json!({"error": "model 'x' not found, try pulling it first"})),
        (401, error("Incorrect API key provided: sk-ab***yz", invalid, json!("invalid_api_key"))),
        (422, json!({"detail": [{"loc": ["body"], "msg": "field required"}]})),
        (500, error("boom", "server_error", json!(null))),
        (307, json!({})),
    ];
    let mut told = String::new();
    for (status, body) in cases {
        let ModelError { kind, message, .. } = failure(Reply::json(status, &body)).await;
        writeln!(told, "{kind:?}: {message}").unwrap();
    }
    let page = Reply::status(502, "content-type: text/html\r\n", "<html>Bad gateway</html>");
    let ModelError { kind, message, .. } = failure(page).await;
    writeln!(told, "{kind:?}: {message}").unwrap();
    let plain = Reply::status(503, "", "no healthy upstream");
    let ModelError { kind, message, .. } = failure(plain).await;
    writeln!(told, "{kind:?}: {message}").unwrap();
    insta::assert_snapshot!(told);
}

#[tokio::test]
async fn errors_within_the_answer_end_it() {
    let chunk = |error| json!({"error": error});
    let cases = [
        chunk(json!({"message": "Overloaded", "code": 502})),
        chunk(json!({"message": "Slow down", "code": 429})),
        chunk(json!({"message": "Slow down", "type": "rate_limit_error"})),
        chunk(json!({"message": "Too long", "code": "context_length_exceeded"})),
        chunk(json!("boom")),
        chunk(json!({})),
    ];
    let mut told = String::new();
    for chunk in cases {
        let events = answer(Reply::stream().chunk(says("Hi")).chunk(chunk).done()).await;
        let [Ok(first), Err(error)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(*first, text("Hi"));
        writeln!(told, "{:?}: {}", error.kind, error.message).unwrap();
    }
    let named = Reply::stream().text("event: error\ndata: {\"message\":\"boom\"}\n\n").end();
    writeln!(told, "{}", failure(named).await.message).unwrap();
    let reason = Reply::chunks([says("Hi"), finish("error")]);
    writeln!(told, "{}", failure(reason).await.message).unwrap();
    insta::assert_snapshot!(told);
}

#[tokio::test]
async fn cuts_and_nonsense_are_told() {
    let long = "x".repeat(5 * 1024 * 1024);
    let cases = [
        ("cut after a part", Reply::stream().chunk(says("Hi"))),
        ("cut within an event", Reply::stream().text("data: {\"choices\": [").end()),
        ("ends without a reason or mark", Reply::stream().chunk(says("Hi")).end()),
        ("ends at once", Reply::stream().end()),
        ("a mark and nothing else", Reply::stream().done()),
        ("no reply", Reply::raw("")),
        ("no HTTP", Reply::raw("hello?\r\n\r\n")),
        ("no JSON", Reply::stream().text("data: secret\n\n").done()),
        ("other JSON", Reply::chunks([json!(["secret"])])),
        ("other types", Reply::chunks([json!({"choices": "secret"})])),
        ("no UTF-8", Reply::raw(b"HTTP/1.1 200 OK\r\n\r\ndata: \xff\xff\n\n")),
        ("a line without end", Reply::stream().text(&long)),
        (
            "an event without end",
            Reply::stream().text(&format!("data: {}\n", &long[..3 << 20]).repeat(2)),
        ),
        ("whole and not JSON", Reply::status(200, "content-type: application/json\r\n", "nope")),
        ("whole and too long", Reply::status(200, "content-type: application/json\r\n", &long)),
        ("whole and empty", Reply::json(200, &json!({}))),
        ("a web page", Reply::status(200, "content-type: text/html; charset=utf-8\r\n", "<html>")),
    ];
    let mut told = String::new();
    for (name, reply) in cases {
        let error = failure(reply).await;
        assert_eq!(error.kind, ModelErrorKind::Server, "{name}");
        writeln!(told, "{name}: {}", error.message).unwrap();
    }
    assert!(!told.contains("secret"), "{told}");
    insta::assert_snapshot!(told);
}

#[tokio::test]
async fn nobody_there_is_told() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let model = ChatCompletions::builder(format!("http://{address}/v1")).retries(0).build();
    let error = ask(&model.unwrap()).await.pop().unwrap().unwrap_err();
    insta::assert_snapshot!(error.message, @"The model's provider cannot be reached: Connection refused (os error 111).");
}

#[tokio::test]
async fn silence_is_told_and_not_asked_again() {
    let slow = [
        ("before the reply", Reply::default().hang()),
        ("within the reply", Reply::stream().chunk(delta(json!({"role": "assistant"}))).hang()),
    ];
    for (name, reply) in slow {
        let mut upstream = Upstream::new([reply]).await;
        let model = upstream.builder().idle_timeout(Duration::from_millis(200)).build().unwrap();
        let error = ask(&model).await.pop().unwrap().unwrap_err();
        assert_eq!(error.message, "The model's provider was silent for 0.2 s.", "{name}");
        upstream.is_left().await;
        assert_eq!(upstream.requests().len(), 1, "{name}");
    }
}

#[tokio::test]
async fn signs_of_life_are_no_silence() {
    let pause = Duration::from_millis(300);
    let mut reply = Reply::stream();
    for _ in 0..8 {
        reply = reply.wait(pause).text(": still at work\n\n");
    }
    let upstream = Upstream::new([reply.chunk(says("Hi")).done()]).await;
    let builder = upstream.builder().retries(0).idle_timeout(Duration::from_secs(2));
    let events = ask(&builder.build().unwrap()).await;
    assert_eq!(events.first(), Some(&Ok(text("Hi"))), "{events:?}");
}

#[tokio::test]
async fn no_failure_tells_the_key() {
    let key = "sk-very-secret";
    let echo = format!("Incorrect key sk-very-secret ({key})");
    let body = error(&echo, "server_error", json!(null));
    let replies = [
        Reply::json(400, &body),
        Reply::json(401, &body),
        Reply::json(500, &body),
        Reply::status(500, "", &echo),
        Reply::chunks([body]),
        Reply::stream().text(&format!("data: {key}\n\n")).done(),
    ];
    for reply in replies {
        let upstream = Upstream::new([reply]).await;
        let model = upstream.builder().api_key(key).retries(0).build().unwrap();
        let error = ask(&model).await.pop().unwrap().unwrap_err();
        assert!(!error.message.contains("very-secret"), "{}", error.message);
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut() {
    let megabyte = says(&"x".repeat(1 << 20));
    let reply = (0..10).fold(Reply::stream(), |reply, _| reply.chunk(megabyte.clone()));
    let mut events = answer(reply.done()).await;
    let error = events.pop().unwrap().unwrap_err();
    insta::assert_snapshot!(error.message, @"The model's provider gave an answer longer than 8 MiB.");
    assert!(events.iter().all(Result::is_ok));
}

#[tokio::test]
async fn long_messages_are_shortened() {
    let reply = Reply::json(400, &error(&"x".repeat(100_000), "a", json!(null)));
    let message = failure(reply).await.message;
    assert!(message.chars().count() < 600, "{} characters", message.chars().count());
}
