//! Objects, pages and idempotency.

use super::*;

on_all_stores! {
    objects_are_read_as_they_were_written,
    missing_parents_are_named,
    namespaces_are_separate,
    pages_are_in_the_requested_order,
    cursors_outlive_their_objects,
    replacing_requires_the_current_version,
    deleting_a_thread_deletes_everything_on_it,
    ids_of_the_provider_are_recorded_until_they_are_deleted,
    repeated_requests_are_not_executed_again,
}

async fn objects_are_read_as_they_were_written(harness: Harness) {
    let hidden = NewObject { hidden: "hidden".into(), ..object("asst_1", "{\"a\":\"ä\\u0000\"}") };
    harness.commit(Change::CreateAssistant(hidden)).await.unwrap();
    harness.create_thread("thread_1", &["msg_1", "msg_2"]).await;
    let assistant = harness.read(Collection::Assistants, "asst_1").await.unwrap();
    let expected = Object {
        id: "asst_1".to_owned(),
        json: "{\"a\":\"ä\\u0000\"}".into(),
        hidden: "hidden".into(),
        version: 0,
    };
    assert_eq!(assistant, expected);
    assert_eq!(harness.read(Collection::Threads, "thread_1").await.unwrap().json, "{}");
    assert_eq!(harness.all(Collection::messages("thread_1")).await, ["msg_1", "msg_2"]);
    let large = "x".repeat(3_000_000);
    let message = message_of("msg_3", &large, 1);
    let thread = "thread_1".to_owned();
    harness.commit(Change::CreateMessage { thread, message }).await.unwrap();
    let read = harness.read(Collection::messages("thread_1"), "msg_3").await.unwrap();
    assert_eq!(read.json, large);
}

async fn ids_of_the_provider_are_recorded_until_they_are_deleted(harness: Harness) {
    let collection = || Collection::UpstreamObjects;
    for id in ["file-1", "vs_1", "file-1"] {
        harness.commit(Change::CreateUpstreamObject(object(id, "{}"))).await.unwrap();
    }
    assert_eq!(harness.all(collection()).await, ["file-1", "vs_1"]);
    assert_eq!(harness.read(collection(), "vs_1").await.unwrap().json, "{}");
    let deletion = || Change::Delete { collection: collection(), id: "vs_1".to_owned() };
    harness.commit(deletion()).await.unwrap();
    assert_eq!(harness.commit(deletion()).await, missing(Kind::UpstreamObject, "vs_1"));
    assert_eq!(harness.read(collection(), "vs_1").await, missing(Kind::UpstreamObject, "vs_1"));
    assert_eq!(harness.all(collection()).await, ["file-1"]);
    harness.commit(Change::CreateUpstreamObject(object("vs_1", "{}"))).await.unwrap();
    assert_eq!(harness.all(collection()).await, ["file-1", "vs_1"]);
}

async fn missing_parents_are_named(harness: Harness) {
    harness.create_thread("thread_1", &[]).await;
    for (collection, id, kind, missing_id) in [
        (Collection::Assistants, "asst_1", Kind::Assistant, "asst_1"),
        (Collection::Threads, "thread_2", Kind::Thread, "thread_2"),
        (Collection::messages("thread_2"), "msg_1", Kind::Thread, "thread_2"),
        (Collection::messages("thread_1"), "msg_1", Kind::Message, "msg_1"),
        (Collection::runs("thread_1"), "run_1", Kind::Run, "run_1"),
        (Collection::steps("thread_2", "run_1"), "step_1", Kind::Thread, "thread_2"),
        (Collection::steps("thread_1", "run_1"), "step_1", Kind::Run, "run_1"),
    ] {
        let read = harness.read(collection.clone(), id).await;
        assert_eq!(read, missing(kind, missing_id), "{collection:?}");
        let deletion = Change::Delete { collection: collection.clone(), id: id.to_owned() };
        if !matches!(collection, Collection::Runs { .. } | Collection::Steps { .. }) {
            assert_eq!(harness.commit(deletion).await, missing(kind, missing_id));
        }
    }
    let run = harness.create_run("thread_2", "run_1").await;
    assert_eq!(run, missing(Kind::Thread, "thread_2"));
    let message = message("msg_1");
    let creation = Change::CreateMessage { thread: "thread_2".to_owned(), message };
    assert_eq!(harness.commit(creation).await, missing(Kind::Thread, "thread_2"));
    let events = harness.store.events_after(&key("thread_1", "run_1"), 0).await;
    assert_eq!(events, missing(Kind::Run, "run_1"));
    let run = harness.store.run(&key("thread_2", "run_1")).await;
    assert_eq!(run, missing(Kind::Thread, "thread_2"));
    let write = phase_write("thread_1", "run_1", 0, Phase::Ended);
    assert_eq!(harness.commit(write).await, missing(Kind::Run, "run_1"));
}

async fn namespaces_are_separate(harness: Harness) {
    harness.create_assistant("asst_1").await;
    harness.create_thread("thread_1", &["msg_1"]).await;
    harness.create_run("thread_1", "run_1").await.unwrap();
    let other = Namespace::new("b");
    let store = &harness.store;
    assert_eq!(
        store.object(&other, Collection::Assistants, "asst_1").await,
        missing(Kind::Assistant, "asst_1")
    );
    let query = PageQuery { limit: 10, newest_first: true, after: None, before: None };
    let page = store.page(&other, Collection::Assistants, None, query.clone()).await.unwrap();
    assert_eq!(page.objects, []);
    let page = store.page(&other, Collection::messages("thread_1"), None, query).await;
    assert_eq!(page.unwrap_err(), missing::<()>(Kind::Thread, "thread_1").unwrap_err());
    let key = RunKey { namespace: other, ..key("thread_1", "run_1") };
    assert_eq!(store.run(&key).await, missing(Kind::Thread, "thread_1"));
    assert_eq!(store.events_after(&key, 0).await, missing(Kind::Thread, "thread_1"));
    let write = phase_write("thread_1", "run_1", 0, Phase::Ended);
    assert_eq!(harness.commit_in("b", 0, write).await, missing(Kind::Thread, "thread_1"));
    let deletion = Change::Delete { collection: Collection::Threads, id: "thread_1".to_owned() };
    assert_eq!(harness.commit_in("b", 0, deletion).await, missing(Kind::Thread, "thread_1"));
    // The same ids can exist in both.
    let creation = Change::CreateThread(thread("thread_1", &["msg_1"]));
    harness.commit_in("b", 0, creation).await.unwrap();
}

async fn pages_are_in_the_requested_order(harness: Harness) {
    for id in ["1", "2", "3", "4", "5"] {
        harness.create_assistant(id).await;
    }
    harness.create_thread("thread_1", &["1", "2", "3", "4", "5"]).await;
    // Newest first, after, before, limit; ids, has_more.
    for (newest_first, after, before, limit, ids, has_more) in [
        (true, "", "", 2, "54", true),
        (true, "4", "", 2, "32", true),
        (true, "2", "", 2, "1", false),
        (false, "", "", 5, "12345", false),
        (false, "3", "", 9, "45", false),
        (true, "", "2", 2, "43", true),
        (false, "", "3", 9, "12", false),
        (false, "1", "4", 9, "23", false),
        (false, "4", "2", 9, "", false),
        (true, "4", "2", 9, "3", false),
        (true, "2", "2", 9, "", false),
    ] {
        let cursor = |id: &str| (!id.is_empty()).then(|| id.to_owned());
        let (after, before) = (cursor(after), cursor(before));
        let query = PageQuery { limit, newest_first, after, before };
        let expected: Vec<String> = ids.chars().map(String::from).collect();
        for collection in [Collection::Assistants, Collection::messages("thread_1")] {
            let page = harness.ids(collection, query.clone()).await.unwrap();
            assert_eq!(page, (expected.clone(), has_more), "{query:?}");
        }
    }
}

async fn cursors_outlive_their_objects(harness: Harness) {
    for id in ["1", "2", "3", "4"] {
        harness.create_assistant(id).await;
    }
    harness.create_thread("thread_1", &["1", "2", "3", "4"]).await;
    for collection in [Collection::Assistants, Collection::messages("thread_1")] {
        for id in ["3", "1"] {
            let deletion = Change::Delete { collection: collection.clone(), id: id.to_owned() };
            harness.commit(deletion).await.unwrap();
        }
        let after = |id: &str| PageQuery {
            limit: 9,
            newest_first: true,
            after: Some(id.to_owned()),
            before: None,
        };
        let page = harness.ids(collection.clone(), after("3")).await.unwrap();
        assert_eq!(page, (vec!["2".to_owned()], false));
        let unknown = harness.ids(collection, after("x")).await;
        assert_eq!(unknown, Err(StoreError::UnknownCursor(UnknownCursor::After)));
    }
    // A new object follows the deleted ones.
    let message = message("5");
    let thread = "thread_1".to_owned();
    harness.commit(Change::CreateMessage { thread, message }).await.unwrap();
    assert_eq!(harness.all(Collection::messages("thread_1")).await, ["2", "4", "5"]);
}

async fn replacing_requires_the_current_version(harness: Harness) {
    harness.create_assistant("asst_1").await;
    harness.create_thread("thread_1", &["msg_1"]).await;
    harness.create_run("thread_1", "run_1").await.unwrap();
    for (collection, id) in [
        (Collection::Assistants, "asst_1"),
        (Collection::Threads, "thread_1"),
        (Collection::messages("thread_1"), "msg_1"),
        (Collection::runs("thread_1"), "run_1"),
    ] {
        let replace = |id: &str, version: u64, json: &str| Change::Replace {
            collection: collection.clone(),
            object: object(id, json),
            version,
        };
        let kind = collection.kind();
        assert_eq!(harness.commit(replace("x", 0, "1")).await, missing(kind, "x"));
        assert_eq!(harness.commit(replace(id, 0, "1")).await.unwrap().version, 1);
        assert_eq!(harness.commit(replace(id, 0, "2")).await, Err(StoreError::Stale));
        assert_eq!(harness.commit(replace(id, 1, "3")).await.unwrap().version, 2);
        let read = harness.read(collection.clone(), id).await.unwrap();
        assert_eq!((&read.json[..], read.version), (&b"3"[..], 2));
    }
}

async fn deleting_a_thread_deletes_everything_on_it(harness: Harness) {
    harness.create_thread("thread_1", &["msg_1"]).await;
    harness.create_thread("thread_2", &["msg_2"]).await;
    harness.create_run("thread_1", "run_1").await.unwrap();
    let delete = || Change::Delete { collection: Collection::Threads, id: "thread_1".to_owned() };
    let committed = harness.commit(delete()).await.unwrap();
    assert_eq!(committed.active_run.as_deref(), Some("run_1"));
    assert_eq!(harness.commit(delete()).await, missing(Kind::Thread, "thread_1"));
    assert_eq!(harness.all(Collection::messages("thread_2")).await, ["msg_2"]);
    // Nothing is left for a thread with the same id.
    harness.create_thread("thread_1", &[]).await;
    assert_eq!(harness.all(Collection::messages("thread_1")).await, [] as [&str; 0]);
    assert_eq!(harness.all(Collection::runs("thread_1")).await, [] as [&str; 0]);
    let claimant = Claimant("node".into());
    assert_eq!(harness.store.claim_runs(claimant, 0, 10).await, Ok(Vec::new()));
}

async fn repeated_requests_are_not_executed_again(harness: Harness) {
    let request = |namespace: &str, now: i64, fingerprint: u8, id: &str| Transaction {
        namespace: Namespace::new(namespace),
        now,
        idempotency: Some(Idempotency {
            key: "key".to_owned(),
            fingerprint: [fingerprint; 32],
            response: id.to_owned().into(),
        }),
        change: Change::CreateAssistant(object(id, "{}")),
    };
    let commit = async |transaction| harness.store.commit(transaction).await;
    assert_eq!(commit(request("a", 0, 1, "first")).await.unwrap().replayed, None);
    let last = IDEMPOTENCY_SECONDS - 1;
    let replayed = commit(request("a", last, 1, "second")).await.unwrap().replayed;
    assert_eq!(replayed, Some("first".into()));
    assert_eq!(commit(request("a", last, 2, "second")).await, Err(StoreError::KeyReused));
    assert_eq!(commit(request("b", last, 2, "other")).await.unwrap().replayed, None);
    assert_eq!(harness.all(Collection::Assistants).await, ["first"]);
    // A refused transaction does not record its key.
    let run = |key: &str| Transaction {
        idempotency: Some(Idempotency {
            key: key.to_owned(),
            fingerprint: [0; 32],
            response: Bytes::new(),
        }),
        change: new_run("thread_1", "run_1"),
        ..request("a", 0, 0, "")
    };
    assert_eq!(commit(run("refused")).await, missing(Kind::Thread, "thread_1"));
    harness.create_thread("thread_1", &[]).await;
    assert_eq!(commit(run("refused")).await.unwrap().replayed, None);
    // After a day the key can be used again.
    let later = IDEMPOTENCY_SECONDS;
    assert_eq!(commit(request("a", later, 2, "third")).await.unwrap().replayed, None);
    let replayed = commit(request("a", later, 2, "fourth")).await.unwrap().replayed;
    assert_eq!(replayed, Some("third".into()));
}
