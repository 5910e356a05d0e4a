//! The messages that a prompt contains.

use super::*;

on_all_stores! {
    newest_messages_are_read_up_to_the_limits,
    later_reads_continue_until_a_message_is_deleted,
}

async fn context(harness: &Harness, run: &str, query: ContextQuery) -> Context {
    harness.store.context(&key("thread_1", run), query).await.unwrap()
}

fn texts(context: &Context) -> Vec<&[u8]> {
    context.messages.iter().map(|message| &message.json[..]).collect()
}

fn all(after: Option<ContextMark>) -> ContextQuery {
    ContextQuery { max_tokens: u64::MAX, max_messages: usize::MAX, after }
}

async fn newest_messages_are_read_up_to_the_limits(harness: Harness) {
    harness.create_thread("thread_1", &[]).await;
    for (id, tokens) in [("1", 10), ("2", 20), ("3", 30), ("4", 4)] {
        let (thread, message) = ("thread_1".to_owned(), message_of(id, id, tokens));
        harness.commit(Change::CreateMessage { thread, message }).await.unwrap();
    }
    for (max_tokens, max_messages, expected) in [
        (u64::MAX, usize::MAX, vec!["4", "3", "2", "1"]),
        (64, 9, vec!["4", "3", "2", "1"]),
        (63, 9, vec!["4", "3", "2"]),
        (34, 9, vec!["4", "3"]),
        (33, 9, vec!["4"]),
        (0, 9, vec!["4"]),
        (99, 2, vec!["4", "3"]),
    ] {
        let query = ContextQuery { max_tokens, max_messages, after: None };
        let read = context(&harness, "run_1", query).await;
        let expected: Vec<&[u8]> = expected.iter().map(|text| text.as_bytes()).collect();
        assert_eq!(texts(&read), expected, "{query:?}");
        assert!(!read.is_continuation);
    }
    // Messages of the run itself are left out, and those of others are not.
    harness.create_run("thread_1", "run_1").await.unwrap();
    let write = RunWrite {
        messages: vec![MessageWrite::New(message_of("5", "5", 1))],
        ..empty_write("thread_1", "run_1", 0)
    };
    harness.commit(Change::WriteRun(Box::new(write))).await.unwrap();
    let query = ContextQuery { max_tokens: 5, max_messages: 9, after: None };
    assert_eq!(texts(&context(&harness, "run_1", query).await), [b"4"]);
    assert_eq!(texts(&context(&harness, "run_2", query).await), [b"5", b"4"]);
    // A message that was replaced has another estimate.
    let replacement =
        MessageWrite::Replace { id: "5".to_owned(), json: "6".into(), tokens: 2, version: 0 };
    let write = RunWrite { messages: vec![replacement], ..empty_write("thread_1", "run_1", 1) };
    harness.commit(Change::WriteRun(Box::new(write))).await.unwrap();
    let read = context(&harness, "run_2", query).await;
    assert_eq!(read.messages, [ContextMessage { json: "6".into(), tokens: 2 }]);

    let missing_thread = harness.store.context(&key("thread_2", "run_1"), all(None)).await;
    assert_eq!(missing_thread, missing(Kind::Thread, "thread_2"));
}

async fn later_reads_continue_until_a_message_is_deleted(harness: Harness) {
    harness.create_thread("thread_1", &[]).await;
    let add = async |id: &str| {
        let (thread, message) = ("thread_1".to_owned(), message_of(id, id, 1));
        harness.commit(Change::CreateMessage { thread, message }).await.unwrap();
    };
    let empty = context(&harness, "run_1", all(None)).await;
    add("1").await;
    add("2").await;
    let first = context(&harness, "run_1", all(Some(empty.mark))).await;
    assert_eq!((texts(&first), first.is_continuation), (vec![&b"2"[..], b"1"], true));
    let second = context(&harness, "run_1", all(Some(first.mark))).await;
    assert_eq!((texts(&second), second.is_continuation), (vec![], true));
    add("3").await;
    let third = context(&harness, "run_1", all(Some(second.mark))).await;
    assert_eq!((texts(&third), third.is_continuation), (vec![&b"3"[..]], true));
    // What was added does not fit: what was read before is of no use.
    add("4").await;
    for max_tokens in [1, 0] {
        let query = ContextQuery { max_tokens, ..all(Some(first.mark)) };
        let full = context(&harness, "run_1", query).await;
        assert_eq!((texts(&full), full.is_continuation), (vec![&b"4"[..]], false));
    }

    let deletion = Change::Delete { collection: Collection::messages("thread_1"), id: "1".into() };
    harness.commit(deletion).await.unwrap();
    let stale = context(&harness, "run_1", all(Some(third.mark))).await;
    assert_eq!((texts(&stale), stale.is_continuation), (vec![&b"4"[..], b"3", b"2"], false));
    let current = context(&harness, "run_1", all(Some(stale.mark))).await;
    assert_eq!((texts(&current), current.is_continuation), (vec![], true));

    // A thread that is created again is another one.
    let id = "thread_1".to_owned();
    harness.commit(Change::Delete { collection: Collection::Threads, id }).await.unwrap();
    harness.create_thread("thread_1", &["1"]).await;
    assert!(!context(&harness, "run_1", all(Some(stale.mark))).await.is_continuation);
}
