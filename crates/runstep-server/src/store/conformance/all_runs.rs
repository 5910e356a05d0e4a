//! Lists of all threads, and of the runs of all threads.

use super::*;

on_all_stores! {
    threads_are_listed_in_the_order_of_creation,
    deleted_threads_are_cursors,
    runs_of_all_threads_are_listed_in_the_order_of_creation,
    runs_are_selected_by_status_assistant_and_thread,
    status_of_a_run_moves_it_between_lists,
    runs_of_deleted_threads_are_not_listed,
    members_of_clients_are_not_the_labels_of_a_run,
    runs_that_are_not_retained_are_not_listed,
    other_namespaces_are_not_listed,
}

/// A run as the server writes it.
fn run_json(run: &str, thread: &str, assistant: &str, status: &str) -> String {
    format!(
        "{{\"id\":\"{run}\",\"object\":\"thread.run\",\"created_at\":1,\"thread_id\":\"{thread}\",\
         \"assistant_id\":\"{assistant}\",\"status\":\"{status}\",\
         \"instructions\":\"\\u0000 \\\"status\\\":\\\"failed\\\"\",\
         \"metadata\":{{\"status\":\"failed\",\"assistant_id\":\"x\"}}}}"
    )
}

impl Harness {
    async fn create_labeled(&self, thread: &str, run: &str, assistant: &str) {
        let Change::CreateRun(mut new) = new_run(thread, run) else { unreachable!() };
        new.run = object(run, &run_json(run, thread, assistant, "queued"));
        self.commit(Change::CreateRun(new)).await.unwrap();
    }

    /// Ends a run that was created by `create_labeled`.
    async fn end(&self, thread: &str, run: &str, assistant: &str, status: &str) {
        let json = run_json(run, thread, assistant, status).into();
        let update = Some(RunUpdate { json, ..update(Phase::Ended) });
        let write = RunWrite { update, ..empty_write(thread, run, 0) };
        self.commit(Change::WriteRun(Box::new(write))).await.unwrap();
    }

    /// Three threads with runs `1` to `6`. Those with even numbers are of the assistant `b`, the
    /// others of `a`; `1` and `2` have completed, `3` has failed, and the others are queued.
    async fn with_runs(self) -> Self {
        for thread in ["t1", "t2", "t3"] {
            self.create_thread(thread, &[]).await;
        }
        for (thread, run, assistant, status) in [
            ("t1", "1", "a", "completed"),
            ("t2", "2", "b", "completed"),
            ("t1", "3", "a", "failed"),
        ] {
            self.create_labeled(thread, run, assistant).await;
            self.end(thread, run, assistant, status).await;
        }
        for (thread, run, assistant) in [("t1", "4", "b"), ("t2", "5", "a"), ("t3", "6", "b")] {
            self.create_labeled(thread, run, assistant).await;
        }
        self
    }

    async fn select(&self, filter: &RunFilter, query: PageQuery) -> Result<(String, bool)> {
        let page = self.store.runs(&Namespace::new("a"), filter.clone(), query).await?;
        let ids: Vec<String> = page.objects.into_iter().map(|object| object.id).collect();
        Ok((ids.join(" "), page.has_more))
    }

    /// The ids that a filter selects, newest first.
    async fn selected(&self, filter: &RunFilter) -> String {
        self.select(filter, newest(100)).await.unwrap().0
    }

    async fn counts(&self) -> Vec<(String, u64)> {
        let mut counts = self.store.run_counts(&Namespace::new("a")).await.unwrap();
        counts.sort();
        counts
    }
}

fn newest(limit: usize) -> PageQuery {
    PageQuery { limit, newest_first: true, after: None, before: None }
}

fn oldest(limit: usize) -> PageQuery {
    PageQuery { newest_first: false, ..newest(limit) }
}

fn after(query: PageQuery, id: &str) -> PageQuery {
    PageQuery { after: Some(id.to_owned()), ..query }
}

fn before(query: PageQuery, id: &str) -> PageQuery {
    PageQuery { before: Some(id.to_owned()), ..query }
}

fn statuses(statuses: &[&str]) -> RunFilter {
    let statuses = statuses.iter().map(|status| (*status).to_owned()).collect();
    RunFilter { statuses, ..RunFilter::default() }
}

fn page(ids: &str, has_more: bool) -> Result<(String, bool)> {
    Ok((ids.to_owned(), has_more))
}

fn owned(counts: &[(&str, u64)]) -> Vec<(String, u64)> {
    counts.iter().map(|(status, count)| ((*status).to_owned(), *count)).collect()
}

async fn threads_are_listed_in_the_order_of_creation(harness: Harness) {
    assert_eq!(harness.all(Collection::Threads).await, [] as [&str; 0]);
    for thread in ["c", "a", "b"] {
        harness.create_thread(thread, &[]).await;
    }
    harness.create_run("a", "run_1").await.unwrap();
    assert_eq!(harness.all(Collection::Threads).await, ["c", "a", "b"]);
    let ids = async |query| harness.ids(Collection::Threads, query).await.unwrap();
    assert_eq!(ids(newest(2)).await, (vec!["b".to_owned(), "a".to_owned()], true));
    assert_eq!(ids(after(newest(2), "a")).await, (vec!["c".to_owned()], false));
    assert_eq!(ids(before(newest(1), "c")).await, (vec!["a".to_owned()], true));
    let unknown = harness.ids(Collection::Threads, after(newest(1), "x")).await;
    assert_eq!(unknown, Err(StoreError::UnknownCursor(UnknownCursor::After)));
}

async fn deleted_threads_are_cursors(harness: Harness) {
    for thread in ["a", "b", "c"] {
        harness.create_thread(thread, &["msg_1"]).await;
    }
    for thread in ["b", "c"] {
        let (collection, id) = (Collection::Threads, thread.to_owned());
        harness.commit(Change::Delete { collection, id }).await.unwrap();
    }
    let retention = Retention { events: 100, runs: None };
    harness.store.remove_expired(retention, 0, 100).await.unwrap();
    assert_eq!(harness.all(Collection::Threads).await, ["a"]);
    let rest = harness.ids(Collection::Threads, after(newest(5), "b")).await.unwrap();
    assert_eq!(rest, (vec!["a".to_owned()], false));
    // An id can be used again.
    harness.create_thread("b", &[]).await;
    let (collection, id) = (Collection::Threads, "b".to_owned());
    harness.commit(Change::Delete { collection, id }).await.unwrap();
    assert_eq!(harness.all(Collection::Threads).await, ["a"]);
}

async fn runs_of_all_threads_are_listed_in_the_order_of_creation(harness: Harness) {
    let all = RunFilter::default();
    assert_eq!(harness.select(&all, newest(2)).await, page("", false));
    let harness = harness.with_runs().await;
    let select = async |query| harness.select(&all, query).await;
    assert_eq!(select(newest(4)).await, page("6 5 4 3", true));
    assert_eq!(select(after(newest(4), "3")).await, page("2 1", false));
    assert_eq!(select(before(newest(2), "3")).await, page("5 4", true));
    assert_eq!(select(after(before(newest(9), "2"), "5")).await, page("4 3", false));
    assert_eq!(select(after(before(newest(9), "5"), "2")).await, page("", false));
    assert_eq!(select(oldest(4)).await, page("1 2 3 4", true));
    assert_eq!(select(after(oldest(4), "4")).await, page("5 6", false));
    assert_eq!(select(before(oldest(2), "4")).await, page("2 3", true));
    let unknown = |cursor| Err(StoreError::UnknownCursor(cursor));
    assert_eq!(select(after(newest(1), "x")).await, unknown(UnknownCursor::After));
    assert_eq!(select(before(newest(1), "x")).await, unknown(UnknownCursor::Before));
}

async fn runs_are_selected_by_status_assistant_and_thread(harness: Harness) {
    let harness = harness.with_runs().await;
    let assistant =
        |id: &str, filter: RunFilter| RunFilter { assistant: Some(id.into()), ..filter };
    let thread = |id: &str, filter: RunFilter| RunFilter { thread: Some(id.into()), ..filter };
    let any = RunFilter::default;
    for (filter, expected) in [
        (statuses(&["completed"]), "2 1"),
        (statuses(&["failed", "completed"]), "3 2 1"),
        (statuses(&["queued", "failed", "expired"]), "6 5 4 3"),
        (statuses(&["expired"]), ""),
        (assistant("a", any()), "5 3 1"),
        (assistant("unknown", any()), ""),
        (thread("t1", any()), "4 3 1"),
        (thread("t1", statuses(&["failed", "queued"])), "4 3"),
        (assistant("b", statuses(&["queued"])), "6 4"),
        (assistant("a", statuses(&["queued", "completed"])), "5 1"),
        (thread("t1", assistant("a", statuses(&["completed", "failed"]))), "3 1"),
    ] {
        assert_eq!(harness.selected(&filter).await, expected, "{filter:?}");
    }
    let filter = assistant("a", statuses(&["queued", "completed", "failed"]));
    assert_eq!(harness.select(&filter, newest(2)).await, page("5 3", true));
    assert_eq!(harness.select(&filter, after(newest(2), "3")).await, page("1", false));
    assert_eq!(harness.select(&filter, oldest(2)).await, page("1 3", true));
    // A cursor can be any run.
    assert_eq!(harness.select(&filter, after(newest(2), "4")).await, page("3 1", false));
    let filter = thread("t1", any());
    assert_eq!(harness.select(&filter, after(newest(1), "4")).await, page("3", true));
    assert_eq!(harness.select(&filter, before(oldest(1), "4")).await, page("3", true));
    let filter = thread("unknown", any());
    assert_eq!(harness.select(&filter, newest(1)).await, missing(Kind::Thread, "unknown"));
    let counts = [("completed", 2), ("failed", 1), ("queued", 3)];
    assert_eq!(harness.counts().await, owned(&counts));
}

async fn status_of_a_run_moves_it_between_lists(harness: Harness) {
    let harness = harness.with_runs().await;
    harness.end("t1", "4", "b", "cancelled").await;
    assert_eq!(harness.selected(&statuses(&["queued"])).await, "6 5");
    assert_eq!(harness.selected(&statuses(&["cancelled"])).await, "4");
    // A change of metadata does not move it.
    let json = run_json("4", "t1", "b", "cancelled");
    let (collection, object) = (Collection::runs("t1"), object("4", &json));
    harness.commit(Change::Replace { collection, object, version: 1 }).await.unwrap();
    assert_eq!(harness.selected(&statuses(&["cancelled"])).await, "4");
    let counts = [("cancelled", 1), ("completed", 2), ("failed", 1), ("queued", 2)];
    assert_eq!(harness.counts().await, owned(&counts));
}

async fn runs_of_deleted_threads_are_not_listed(harness: Harness) {
    let harness = harness.with_runs().await;
    let (collection, id) = (Collection::Threads, "t1".to_owned());
    harness.commit(Change::Delete { collection, id }).await.unwrap();
    for _ in 0..2 {
        assert_eq!(harness.selected(&RunFilter::default()).await, "6 5 2");
        assert_eq!(harness.selected(&statuses(&["failed", "completed"])).await, "2");
        let after_deleted = harness.select(&RunFilter::default(), after(newest(1), "4")).await;
        assert_eq!(after_deleted, Err(StoreError::UnknownCursor(UnknownCursor::After)));
        assert_eq!(harness.counts().await, owned(&[("completed", 1), ("queued", 2)]));
        let retention = Retention { events: 100, runs: None };
        harness.store.remove_expired(retention, 0, 100).await.unwrap();
    }
}

async fn members_of_clients_are_not_the_labels_of_a_run(harness: Harness) {
    // The instructions and the metadata of these runs contain other labels.
    let harness = harness.with_runs().await;
    assert_eq!(harness.selected(&statuses(&["failed"])).await, "3");
    let filter = RunFilter { assistant: Some("x".to_owned()), ..RunFilter::default() };
    assert_eq!(harness.selected(&filter).await, "");
    // A text without labels is only in the list of all runs.
    harness.create_thread("t4", &[]).await;
    harness.create_run("t4", "7").await.unwrap();
    assert_eq!(harness.selected(&RunFilter::default()).await, "7 6 5 4 3 2 1");
    assert_eq!(harness.selected(&statuses(&["queued"])).await, "6 5 4");
    assert_eq!(harness.counts().await.len(), 3);
}

async fn runs_that_are_not_retained_are_not_listed(harness: Harness) {
    let harness = harness.with_runs().await;
    let retention = Retention { events: 1, runs: Some(10) };
    harness.store.remove_expired(retention, 1000, 100).await.unwrap();
    assert_eq!(harness.selected(&RunFilter::default()).await, "6 5 4");
    assert_eq!(harness.counts().await, owned(&[("queued", 3)]));
}

async fn other_namespaces_are_not_listed(harness: Harness) {
    let harness = harness.with_runs().await;
    let other = Namespace::new("b");
    let page = harness.store.runs(&other, RunFilter::default(), newest(9)).await.unwrap();
    assert_eq!(page.objects, []);
    let cursor = harness.store.runs(&other, RunFilter::default(), after(newest(9), "6")).await;
    assert_eq!(cursor, Err(StoreError::UnknownCursor(UnknownCursor::After)));
    let filter = RunFilter { thread: Some("t1".to_owned()), ..RunFilter::default() };
    let thread = harness.store.runs(&other, filter, newest(9)).await;
    assert_eq!(thread, missing(Kind::Thread, "t1"));
    assert_eq!(harness.store.run_counts(&other).await, Ok(Vec::new()));
}
