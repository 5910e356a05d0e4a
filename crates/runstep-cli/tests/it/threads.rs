//! `runstep threads`.

use runstep_server::model::Turn;
use serde_json::{Value, json};

use crate::harness::TestServer;

#[test]
fn a_thread_is_shown_as_a_conversation() {
    let server = TestServer::with_turns([Turn::text("It is sunny.\nEnjoy!")]);
    server.assistant(json!([]));
    server.runstep(&["ask", "How is the weather?", "--assistant", "asst_abc123"]).ok();
    let image = json!({ "role": "user", "content": [
        { "type": "text", "text": "And here?" },
        { "type": "image_url", "image_url": { "url": "https://example.com/a.png" } },
    ] });
    let body = image.to_string();
    let create = ["api", "create-message", "--thread-id", "thread_abc123", "--body", &body];
    // The offline models read no images, but messages with them can be stored.
    server.runstep(&create).run();
    let show = ["threads", "show", "thread_abc123"];
    insta::assert_snapshot!(server.runstep(&show).ok());
    let last = server.runstep(&[&show[..], &["--last", "1"]].concat()).ok();
    assert!(!last.contains("How is the weather?"), "{last}");
    let json: Value =
        serde_json::from_str(&server.runstep(&[&show[..], &["--json"]].concat()).ok()).unwrap();
    assert_eq!(json["thread"], server.get("/threads/thread_abc123"));
    let messages = server.get("/threads/thread_abc123/messages?order=asc");
    assert_eq!(json["messages"], messages["data"]);
}

#[test]
fn an_empty_thread_has_no_messages() {
    let server = TestServer::with_turns([]);
    server.runstep(&["api", "create-thread"]).ok();
    let finished = server.runstep(&["threads", "show", "thread_abc123"]).run();
    assert_eq!(finished.stderr, "thread_abc123 has no messages\n", "{finished}");
}
