//! Futures and handles are `Send` and small.

use runstep::tools::{SuspendedRun, Toolbox};
use runstep::{Client, ResponseFuture, RunUpdates};

fn assert_small(name: &str, size: usize) {
    assert!(size < 2 * 1024, "{name}: {size} bytes");
}

/// Checks the size of a request and of its boxed future.
fn assert_future<T>(name: &str, request: impl IntoFuture<IntoFuture = ResponseFuture<T>>) {
    assert_small(name, size_of_val(&request));
    let future = request.into_future();
    let size = size_of_val(&*future);
    assert!(size < 8 * 1024, "the future of {name}: {size} bytes");
    assert_send(future);
}

/// Checks a request and the future that `send` returns.
macro_rules! request {
    ($name:literal, $request:expr) => {{
        assert_future($name, $request);
        assert_small($name, size_of_val(&$request.send()));
        assert_send($request.send());
    }};
}

/// Checks a list request, its pages and its items.
macro_rules! list {
    ($name:literal, $request:expr) => {{
        request!($name, $request);
        assert_send($request.page());
        let pages = $request.pages();
        assert_small($name, size_of_val(&pages));
        assert_send(pages);
        let items = $request.items();
        assert_small($name, size_of_val(&items));
        assert_send(items);
        assert_send(async {
            let mut items = $request.items();
            items.try_next().await.map(drop)
        });
        assert_send($request.items().collect_all());
    }};
}

/// Checks a request that starts a run, and its polling.
macro_rules! starts_run {
    ($name:literal, $request:expr) => {{
        request!($name, $request);
        assert_future(concat!($name, " and poll"), $request.and_poll());
        assert_send($request.watch());
    }};
}

fn assert_send(_: impl Send) {}

#[tokio::test]
async fn request_futures_are_send_and_small() {
    let client = Client::builder("https://example.com").build().unwrap();
    let (threads, assistants) = (client.threads(), client.assistants());
    let (runs, messages) = (client.runs("thread_1"), client.messages("thread_1"));
    let steps = runs.steps("run_1");
    request!("create assistant", assistants.create("model"));
    request!("retrieve assistant", assistants.retrieve("asst_1"));
    request!("update assistant", assistants.update("asst_1"));
    request!("delete assistant", assistants.delete("asst_1"));
    list!("list assistants", assistants.list());
    request!("create thread", threads.create());
    request!("retrieve thread", threads.retrieve("thread_1"));
    request!("update thread", threads.update("thread_1"));
    request!("delete thread", threads.delete("thread_1"));
    starts_run!("create thread and run", threads.create_and_run("asst_1"));
    request!("create message", messages.create("Hello"));
    list!("list messages", messages.list());
    request!("retrieve message", messages.retrieve("msg_1"));
    request!("update message", messages.update("msg_1"));
    request!("delete message", messages.delete("msg_1"));
    starts_run!("create run", runs.create("asst_1"));
    list!("list runs", runs.list());
    request!("retrieve run", runs.retrieve("run_1"));
    request!("update run", runs.update("run_1"));
    starts_run!("submit tool outputs", runs.submit_tool_outputs("run_1"));
    request!("cancel run", runs.cancel("run_1"));
    list!("list steps", steps.list());
    request!("retrieve step", steps.retrieve("step_1"));
    assert_future("poll", runs.poll("run_1"));
    assert_future("ensure idle", runs.ensure_idle(runstep::IfActive::Wait));
    let updates: RunUpdates = runs.poll("run_1").watch();
    assert_small("run updates", size_of_val(&updates));
    assert_send(updates);
    request!("request", client.request(runstep::reqwest::Method::GET, "/files"));
    assert_send(client.request(runstep::reqwest::Method::GET, "/files").stream_response());
    assert_future("stream of an existing run", runs.stream("run_1"));
    let json = r#"{"run_ref": {"thread_id": "thread_1", "run_id": "run_1"},
        "calls": [], "outputs": [], "rounds": 1}"#;
    let suspended: SuspendedRun = serde_json::from_str(json).unwrap();
    starts_run!("resume run", runs.resume(suspended.clone()));
    let tools = Toolbox::new();
    assert_future("resume", runs.resume(suspended.clone()).toolbox(&tools).and_poll());
    assert_future("resume as stream", runs.resume(suspended).toolbox(&tools).stream());
    let mut all = client.poll_all([("thread_1", "run_1")]);
    assert_small("poll all", size_of_val(&all));
    assert_send(all.next_run());
    assert_send(all);
}

#[test]
fn error_has_the_size_of_a_pointer() {
    assert!(size_of::<runstep::Error>() <= 8);
    assert!(size_of::<runstep::Result<()>>() <= 8);
}

#[test]
fn client_and_requests_are_send_and_sync() {
    fn assert_shareable<T: Clone + Send + Sync + 'static>() {}
    assert_shareable::<Client>();
    assert_shareable::<runstep::Runs>();
    assert_shareable::<runstep::CreateRun>();
    assert_shareable::<runstep::Poll>();
    fn assert_error<T: std::error::Error + Send + Sync + 'static>() {}
    assert_error::<runstep::Error>();
}
