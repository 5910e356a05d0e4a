//! Runs, their output and their events.

use super::*;

on_all_stores! {
    thread_has_at_most_one_active_run,
    run_and_thread_are_created_together,
    output_is_written_completely_or_not_at_all,
    messages_of_a_run_can_be_listed,
    events_are_read_after_any_number,
    retention_removes_events_and_runs_of_ended_runs,
}

async fn thread_has_at_most_one_active_run(harness: Harness) {
    harness.create_thread("thread_1", &["msg_1"]).await;
    harness.create_run("thread_1", "run_1").await.unwrap();
    let active = || Err(StoreError::ActiveRun { run_id: "run_1".to_owned() });
    for (version, phase) in
        [(0, Phase::InProgress), (1, Phase::RequiresAction), (2, Phase::Cancelling)]
    {
        assert_eq!(harness.create_run("thread_1", "run_2").await, active());
        let message = message("msg_2");
        let creation = Change::CreateMessage { thread: "thread_1".to_owned(), message };
        assert_eq!(harness.commit(creation).await, active());
        let collection = Collection::messages("thread_1");
        let deletion = Change::Delete { collection, id: "msg_1".to_owned() };
        assert_eq!(harness.commit(deletion).await, active());
        let write = phase_write("thread_1", "run_1", version, phase);
        assert_eq!(harness.commit(write).await.unwrap().version, version + 1);
    }
    harness.commit(phase_write("thread_1", "run_1", 3, Phase::Ended)).await.unwrap();
    harness.create_run("thread_1", "run_2").await.unwrap();
    assert_eq!(harness.all(Collection::runs("thread_1")).await, ["run_1", "run_2"]);
    assert_eq!(harness.all(Collection::messages("thread_1")).await, ["msg_1"]);
}

async fn run_and_thread_are_created_together(harness: Harness) {
    let Change::CreateRun(new) = new_run("thread_1", "run_1") else { unreachable!() };
    let creation = Change::CreateRun(Box::new(NewRun {
        new_thread: Some(thread("thread_1", &["msg_1"])),
        messages: vec![message("msg_2")],
        owner: Some("node".into()),
        ..*new
    }));
    harness.commit(creation).await.unwrap();
    assert_eq!(harness.all(Collection::messages("thread_1")).await, ["msg_1", "msg_2"]);
    let record = harness.store.run(&key("thread_1", "run_1")).await.unwrap();
    assert_eq!((record.phase, record.next_event), (Phase::Queued, 2));
    assert_eq!(record.owner.as_deref(), Some("node"));
}

async fn output_is_written_completely_or_not_at_all(harness: Harness) {
    harness.create_thread("thread_1", &[]).await;
    harness.create_run("thread_1", "run_1").await.unwrap();
    let step = |json: &str, is_new| {
        let id = "step_1".to_owned();
        vec![StepWrite { id, json: json.to_owned().into(), is_new }]
    };
    let new_message = MessageWrite::New(message_of("msg_1", "1", 1));
    let write =
        |version: u64, write: RunWrite| Change::WriteRun(Box::new(RunWrite { version, ..write }));
    let first = RunWrite {
        update: Some(update(Phase::InProgress)),
        next_event: 9,
        steps: step("1", true),
        messages: vec![new_message],
        events: Some(chunk(2, 4)),
        ..empty_write("thread_1", "run_1", 0)
    };
    assert_eq!(harness.commit(write(7, first.clone())).await, Err(StoreError::Stale));
    assert_eq!(harness.all(Collection::steps("thread_1", "run_1")).await, [] as [&str; 0]);
    assert_eq!(harness.commit(write(0, first)).await.unwrap().version, 1);

    let replace = |version| MessageWrite::Replace {
        id: "msg_1".to_owned(),
        json: "2".into(),
        tokens: 2,
        version,
    };
    let second = |message_version| RunWrite {
        steps: step("2", false),
        messages: vec![replace(message_version)],
        next_event: 10,
        ..empty_write("thread_1", "run_1", 0)
    };
    assert_eq!(harness.commit(write(1, second(5))).await, Err(StoreError::Stale));
    let read_step = async || {
        let object = harness.read(Collection::steps("thread_1", "run_1"), "step_1").await;
        object.unwrap().json
    };
    assert_eq!(read_step().await, "1");
    // Each write raises the version of the run, also without an update.
    assert_eq!(harness.commit(write(1, second(0))).await.unwrap().version, 2);
    assert_eq!(harness.commit(write(1, second(1))).await, Err(StoreError::Stale));
    assert_eq!(read_step().await, "2");
    let message = harness.read(Collection::messages("thread_1"), "msg_1").await.unwrap();
    assert_eq!((&message.json[..], message.version), (&b"2"[..], 1));
    let record = harness.store.run(&key("thread_1", "run_1")).await.unwrap();
    assert_eq!((record.phase, record.next_event), (Phase::InProgress, 10));

    harness.commit(phase_write("thread_1", "run_1", 2, Phase::Ended)).await.unwrap();
    let late = phase_write("thread_1", "run_1", 3, Phase::Queued);
    assert_eq!(harness.commit(late).await, Err(StoreError::Stale), "the run has ended");
}

async fn messages_of_a_run_can_be_listed(harness: Harness) {
    harness.create_thread("thread_1", &["msg_1"]).await;
    harness.create_run("thread_1", "run_1").await.unwrap();
    for number in 2..=4 {
        let messages = vec![MessageWrite::New(message(&format!("msg_{number}")))];
        let write = RunWrite { messages, ..empty_write("thread_1", "run_1", number - 2) };
        harness.commit(Change::WriteRun(Box::new(write))).await.unwrap();
    }
    let page = async |run: &str, limit| {
        let query = PageQuery { limit, newest_first: false, after: None, before: None };
        let collection = Collection::messages("thread_1");
        let run = Some(run.to_owned());
        let page = harness.store.page(&Namespace::new("a"), collection, run, query).await.unwrap();
        let ids: Vec<String> = page.objects.into_iter().map(|object| object.id).collect();
        (ids.join(" "), page.has_more)
    };
    assert_eq!(page("run_1", 2).await, ("msg_2 msg_3".to_owned(), true));
    assert_eq!(page("run_1", 3).await, ("msg_2 msg_3 msg_4".to_owned(), false));
    assert_eq!(page("run_2", 3).await, (String::new(), false));
}

async fn events_are_read_after_any_number(harness: Harness) {
    harness.create_thread("thread_1", &[]).await;
    harness.create_run("thread_1", "run_1").await.unwrap();
    // Numbers can be left out.
    for (version, events) in [(0, chunk(2, 4)), (1, chunk(10, 10))] {
        let events = Some(events);
        let write = RunWrite { events, ..empty_write("thread_1", "run_1", version) };
        harness.commit(Change::WriteRun(Box::new(write))).await.unwrap();
    }
    for (after, expected) in [
        (0, Some(chunk(1, 1))),
        (1, Some(chunk(2, 4))),
        (3, Some(chunk(2, 4))),
        (4, Some(chunk(10, 10))),
        (9, Some(chunk(10, 10))),
        (10, None),
        (u64::MAX, None),
    ] {
        let chunks = harness.store.events_after(&key("thread_1", "run_1"), after).await.unwrap();
        assert_eq!(chunks.first(), expected.as_ref(), "after {after}");
    }
}

async fn retention_removes_events_and_runs_of_ended_runs(harness: Harness) {
    harness.create_thread("thread_1", &["msg_1"]).await;
    for (run, ended_at) in [("run_1", 1000), ("run_2", 2000)] {
        harness.create_run("thread_1", run).await.unwrap();
        let end = phase_write("thread_1", run, 0, Phase::Ended);
        harness.commit_in("a", ended_at, end).await.unwrap();
    }
    harness.create_run("thread_1", "run_3").await.unwrap();
    let has_events = async |run: &str| {
        let events = harness.store.events_after(&key("thread_1", run), 0).await;
        events.is_ok_and(|chunks| !chunks.is_empty())
    };
    let retention = Retention { events: 100, runs: Some(500) };
    assert_eq!(harness.store.remove_expired(retention, 1099, 10).await, Ok(0));
    assert_eq!(harness.store.remove_expired(retention, 1100, 10).await, Ok(1));
    assert_eq!([has_events("run_1").await, has_events("run_2").await], [false, true]);

    assert_eq!(harness.store.remove_expired(retention, 2500, 10).await, Ok(3));
    assert_eq!(harness.store.remove_expired(retention, 9000, 10).await, Ok(0));
    assert!(has_events("run_3").await, "it has not ended");
    assert!(!harness.all(Collection::runs("thread_1")).await.contains(&"run_2".to_owned()));
    assert_eq!(harness.all(Collection::messages("thread_1")).await, ["msg_1"]);
}
