//! How a client is built: from its parts or from the environment.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

mod support;

use std::process::Command;
use std::time::Duration;

use runstep::{Client, ClientBuilder, ErrorKind, ResponseFuture, RunUpdates};
use support::{KEY, Recorder, example};

/// How a client with this base URL is refused.
fn refusal(builder: ClientBuilder) -> String {
    let error = builder.build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let text = format!("{error} {error:?}");
    assert!(!text.contains(KEY), "{text}");
    error.message().to_owned()
}

#[tokio::test]
async fn paths_are_appended_to_the_base_url() {
    for (suffix, path) in [
        ("", "/threads"),
        ("/", "/threads"),
        ("/v1", "/v1/threads"),
        ("/v1/", "/v1/threads"),
        ("/v1//", "/v1/threads"),
        ("/openai/v2\n", "/openai/v2/threads"),
    ] {
        let server = Recorder::with_json(example("Thread")).await;
        let host = server.base_url().replace("/v1", "");
        let client = Client::builder(format!("{host}{suffix}")).build().unwrap();
        client.threads().create().await.unwrap();
        assert_eq!(server.only_request().target, path, "{suffix:?}");
    }
}

#[test]
fn other_schemes_are_refused() {
    let message = "the base URL must begin with `https://` or `http://` and name a host";
    assert_eq!(refusal(Client::builder("ftp://api.example.com")), message);
    assert_eq!(refusal(Client::builder("file:///etc/passwd")), message);
    assert_eq!(refusal(Client::builder("localhost:8080")), message);
}

#[test]
fn a_base_url_without_a_host_is_refused() {
    for url in ["", "  ", "/v1", "api.example.com/v1", "https://", "https:///?"] {
        assert!(refusal(Client::builder(url)).starts_with("the base URL is no URL: "), "{url}");
    }
}

#[test]
fn a_password_in_the_base_url_is_refused_and_not_shown() {
    for url in [format!("https://user:{KEY}@example.com"), format!("https://{KEY}@example.com")] {
        assert!(refusal(Client::builder(url)).contains("a user or a password"));
    }
}

#[test]
fn a_query_or_a_fragment_in_the_base_url_is_refused() {
    for url in ["https://example.com/v1?api-version=1", "https://example.com/v1#x"] {
        assert!(refusal(Client::builder(url)).contains("a query or a fragment"), "{url}");
    }
}

#[test]
fn plain_http_to_another_machine_is_refused_unless_allowed() {
    for url in [
        "http://example.com/v1",
        "http://10.0.0.1",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://[2001:db8::1]:8080",
        "http://0.0.0.0:8080",
    ] {
        assert!(refusal(Client::builder(url)).contains("plain http to another machine"), "{url}");
        assert!(Client::builder(url).allow_plain_http(true).build().is_ok(), "{url}");
    }
}

#[test]
fn plain_http_to_this_machine_is_taken() {
    for url in
        ["http://127.0.0.1:8080", "http://127.9.9.9", "http://[::1]:8080/v1", "http://LOCALHOST"]
    {
        assert!(Client::builder(url).build().is_ok(), "{url}");
    }
}

#[test]
fn a_key_that_cannot_stand_in_a_header_is_refused_and_not_shown() {
    for end in ["\n", "\r\nx-evil: 1", "\0", "\u{7f}"] {
        let builder = Client::builder("https://example.com").api_key(format!("{KEY}{end}"));
        assert!(refusal(builder).contains("is there a line end in it?"), "{end:?}");
    }
}

#[test]
fn an_organization_that_cannot_stand_in_a_header_is_refused() {
    let refused = refusal(Client::builder("https://example.com").organization("a\nb"));
    assert!(refused.contains("`openai-organization`"), "{refused}");
    let refused = refusal(Client::builder("https://example.com").project("a\nb"));
    assert!(refused.contains("`openai-project`"), "{refused}");
}

#[test]
fn the_key_is_never_shown() {
    let builder = Client::builder("https://example.com/v1").api_key(KEY);
    let shown = format!("{builder:?} {builder:#?}");
    let client = builder.build().unwrap();
    let runs = client.runs("thread_1");
    let shown = format!("{shown} {client:?} {client:#?} {runs:?} {:?}", runs.create("asst_1"));
    assert!(!shown.contains(KEY) && !shown.contains("Bearer"), "{shown}");
    assert!(shown.contains("https://example.com/v1"), "{shown}");
}

#[tokio::test]
async fn without_a_key_nothing_is_authorized() {
    let server = Recorder::with_json(example("Thread")).await;
    Client::builder(server.base_url()).build().unwrap().threads().create().await.unwrap();
    let request = server.only_request();
    assert_eq!(request.header("authorization"), None);
    assert_eq!(request.header("openai-organization"), None);
    assert_eq!(request.header("openai-project"), None);
    assert_eq!(request.header("openai-beta"), Some("assistants=v2"));
}

#[tokio::test]
async fn organization_and_project_go_with_every_request() {
    let server = Recorder::with_json(example("Thread")).await;
    let client = server.builder().organization("org-1").project("proj-2").build().unwrap();
    client.threads().create().await.unwrap();
    client.threads().retrieve("thread_1").await.unwrap();
    for request in server.seen() {
        assert_eq!(request.header("openai-organization"), Some("org-1"));
        assert_eq!(request.header("openai-project"), Some("proj-2"));
        assert_eq!(request.header("openai-beta"), Some("assistants=v2"));
        assert!(request.header("user-agent").unwrap().starts_with("runstep/"));
    }
}

#[tokio::test]
async fn the_longest_timeout_is_no_fault() {
    let server = Recorder::with_json(example("Thread")).await;
    let client = server.builder().timeout(Duration::MAX).build().unwrap();
    client.threads().create().await.unwrap();
}

fn small(name: &str, size: usize) {
    assert!(size < 2 * 1024, "{name}: {size} bytes");
}

/// A request, and what is behind its box.
fn future<T>(name: &str, request: impl IntoFuture<IntoFuture = ResponseFuture<T>>) {
    small(name, size_of_val(&request));
    let future = request.into_future();
    let size = size_of_val(&*future);
    assert!(size < 8 * 1024, "the future of {name}: {size} bytes");
    assert_send(future);
}

/// The same, and the future of the whole reply.
macro_rules! request {
    ($name:literal, $request:expr) => {{
        future($name, $request);
        small($name, size_of_val(&$request.send()));
        assert_send($request.send());
    }};
}

/// The same, and its items.
macro_rules! list {
    ($name:literal, $request:expr) => {{
        request!($name, $request);
        assert_send($request.page());
        let items = $request.items();
        small($name, size_of_val(&items));
        assert_send(items);
        assert_send(async {
            let mut items = $request.items();
            items.try_next().await.map(drop)
        });
        assert_send($request.items().collect_all());
    }};
}

/// The same, and its wait.
macro_rules! starts {
    ($name:literal, $request:expr) => {{
        request!($name, $request);
        future(concat!($name, " and poll"), $request.and_poll());
        assert_send($request.and_poll().into_stream());
    }};
}

fn assert_send(_: impl Send) {}

#[tokio::test]
async fn futures_are_send_and_small() {
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
    starts!("create thread and run", threads.create_and_run("asst_1"));
    request!("create message", messages.create("Hello"));
    list!("list messages", messages.list());
    request!("retrieve message", messages.retrieve("msg_1"));
    request!("update message", messages.update("msg_1"));
    request!("delete message", messages.delete("msg_1"));
    starts!("create run", runs.create("asst_1"));
    list!("list runs", runs.list());
    request!("retrieve run", runs.retrieve("run_1"));
    request!("update run", runs.update("run_1"));
    starts!("submit tool outputs", runs.submit_tool_outputs("run_1"));
    request!("cancel run", runs.cancel("run_1"));
    list!("list steps", steps.list());
    request!("retrieve step", steps.retrieve("step_1"));
    future("poll", runs.poll("run_1"));
    future("ensure idle", runs.ensure_idle(runstep::IfActive::Wait));
    let updates: RunUpdates = runs.poll("run_1").into_stream();
    small("run updates", size_of_val(&updates));
    assert_send(updates);
    let mut all = client.poll_all([("thread_1", "run_1")]);
    small("poll all", size_of_val(&all));
    assert_send(all.next_end());
    assert_send(all);
}

#[test]
fn an_error_is_one_pointer() {
    assert!(size_of::<runstep::Error>() <= 8);
    assert!(size_of::<runstep::Result<()>>() <= 8);
}

#[test]
fn a_client_can_be_shared_between_threads() {
    fn shareable<T: Clone + Send + Sync + 'static>() {}
    shareable::<Client>();
    shareable::<runstep::Runs>();
    shareable::<runstep::CreateRun>();
    shareable::<runstep::Poll>();
    fn error<T: std::error::Error + Send + Sync + 'static>() {}
    error::<runstep::Error>();
}

/// The variables that `from_env` reads, or that say to go through a proxy.
const VARIABLES: [&str; 10] = [
    "RUNSTEP_BASE_URL",
    "RUNSTEP_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_API_KEY",
    "http_proxy",
    "HTTP_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
];
const IN_CHILD: &str = "RUNSTEP_TEST_FROM_ENV";

/// What the tests below run in a process of their own, as a program cannot safely change its own
/// environment: a client from there sends a request, or the reason why there is none is printed.
/// In the test run itself there is nothing to do.
#[tokio::test]
async fn from_env_in_a_child_process() {
    if std::env::var_os(IN_CHILD).is_none() {
        return;
    }
    match Client::from_env() {
        Ok(client) => drop(client.threads().create().await),
        Err(error) => println!("refused as {:?}: {error}", error.kind()),
    }
}

/// What the child process printed.
async fn from_env(variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "from_env_in_a_child_process", "--nocapture"]).env(IN_CHILD, "1");
    for name in VARIABLES {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
    printed
}

/// The key that one server was sent while the other was sent nothing.
fn key_at(server: &Recorder, other: &Recorder) -> Option<String> {
    assert_eq!(other.seen().len(), 0);
    server.only_request().header("authorization").map(str::to_owned)
}

async fn two_servers() -> (Recorder, Recorder) {
    (Recorder::with_json(example("Thread")).await, Recorder::with_json(example("Thread")).await)
}

#[tokio::test]
async fn from_env_takes_our_own_pair_first() {
    let (ours, theirs) = two_servers().await;
    from_env(&[
        ("RUNSTEP_BASE_URL", &ours.base_url()),
        ("RUNSTEP_API_KEY", "ours"),
        ("OPENAI_BASE_URL", &theirs.base_url()),
        ("OPENAI_API_KEY", "theirs"),
    ])
    .await;
    assert_eq!(key_at(&ours, &theirs).as_deref(), Some("Bearer ours"));
}

#[tokio::test]
async fn from_env_takes_the_other_pair_else() {
    let (ours, theirs) = two_servers().await;
    from_env(&[
        ("RUNSTEP_BASE_URL", " "),
        ("RUNSTEP_API_KEY", "ours"),
        ("OPENAI_BASE_URL", &theirs.base_url()),
        ("OPENAI_API_KEY", "theirs"),
    ])
    .await;
    assert_eq!(key_at(&theirs, &ours).as_deref(), Some("Bearer theirs"));
}

#[tokio::test]
async fn from_env_never_mixes_the_pairs() {
    let (ours, theirs) = two_servers().await;
    from_env(&[("RUNSTEP_BASE_URL", &ours.base_url()), ("OPENAI_API_KEY", "theirs")]).await;
    assert_eq!(key_at(&ours, &theirs), None);
    from_env(&[("OPENAI_BASE_URL", &theirs.base_url()), ("RUNSTEP_API_KEY", "ours")]).await;
    assert_eq!(theirs.only_request().header("authorization"), None);
}

#[tokio::test]
async fn from_env_says_what_to_set() {
    let expected = "refused as Configuration: no base URL: set RUNSTEP_BASE_URL (and \
                    RUNSTEP_API_KEY, if the server asks for a key), or OPENAI_BASE_URL and \
                    OPENAI_API_KEY";
    for variables in [&[][..], &[("OPENAI_API_KEY", KEY), ("RUNSTEP_API_KEY", KEY)]] {
        let printed = from_env(variables).await;
        assert!(printed.contains(expected) && !printed.contains(KEY), "{printed}");
    }
}

/// A proxy would be another machine that reads the key of a request without TLS.
#[tokio::test]
async fn plain_http_to_this_machine_goes_through_no_proxy() {
    let (server, proxy) = two_servers().await;
    from_env(&[
        ("RUNSTEP_BASE_URL", &server.base_url()),
        ("RUNSTEP_API_KEY", KEY),
        ("http_proxy", &proxy.base_url()),
        ("ALL_PROXY", &proxy.base_url()),
    ])
    .await;
    assert!(key_at(&server, &proxy).is_some());
}
