//! The API's limits: the client rejects values beyond them, and takes them from the specification.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::sync::LazyLock;

use runstep::types::{
    CodeInterpreterResources, CodeInterpreterTool, CreateFileSearchResources, CreateMessageRequest,
    CreateThreadRequest, CreateToolResources, FileSearchResources, MessageRole, Tool,
    ToolResources, TruncationStrategy, VectorStoreInput,
};
use runstep::{Client, ErrorKind, Result};
use serde_json::{Value, json};

use crate::harness::RecordingServer;

static SPECIFICATION: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(runstep_api::OPENAPI).unwrap());

/// A limit in the specification.
fn limit(schema: &str, path: &str) -> f64 {
    let pointer = format!("/components/schemas/{schema}/{path}");
    SPECIFICATION.pointer(&pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("{pointer}"))
}

fn integer_limit(schema: &str, path: &str) -> usize {
    let limit = limit(schema, path);
    assert!(limit.fract() == 0.0 && limit > 0.0);
    limit as usize
}

/// Checks whether requests are sent or rejected.
struct LimitChecker {
    server: RecordingServer,
    client: Client,
}

impl LimitChecker {
    async fn new() -> Self {
        let server = RecordingServer::with_json(json!({})).await;
        Self { client: server.client(), server }
    }

    /// Checks that the request is sent.
    async fn assert_sent<T>(&self, request: impl IntoFuture<Output = Result<T>>) {
        let before = self.server.count();
        if let Err(error) = request.await {
            assert!(error.is_decode(), "the empty object was decoded: {error:?}");
        }
        assert_eq!(self.server.count(), before + 1);
    }

    /// Checks that the request is rejected because of a limit of this field, and returns the message.
    async fn assert_rejected<T>(
        &self,
        field: &str,
        request: impl IntoFuture<Output = Result<T>>,
    ) -> String {
        let message = self.assert_not_sendable(field, request).await;
        let advice = "; nothing was sent (`check_limits(false)` disables this check)";
        assert!(message.ends_with(advice), "{message}");
        message
    }

    /// Checks that the request is rejected because of this field, and returns the message.
    async fn assert_not_sendable<T>(
        &self,
        field: &str,
        request: impl IntoFuture<Output = Result<T>>,
    ) -> String {
        let before = self.server.count();
        let Err(error) = request.await else { panic!("`{field}` was not rejected") };
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error:?}");
        assert_eq!(error.param(), Some(field));
        assert!(error.message().starts_with(&format!("`{field}` ")), "{error}");
        assert!(error.message().contains("; nothing was sent"), "{error}");
        assert_eq!((error.status(), error.body()), (None, None));
        assert_eq!(self.server.count(), before);
        error.message().to_owned()
    }
}

/// Two-byte characters: limits count characters, not bytes.
fn text(characters: usize) -> String {
    "é".repeat(characters)
}

fn tools(count: usize) -> Vec<Tool> {
    vec![Tool::from(CodeInterpreterTool::default()); count]
}

macro_rules! text_limit {
    ($checker:ident, $Body:literal, $field:ident, $request:expr) => {{
        let max = integer_limit($Body, concat!("properties/", stringify!($field), "/maxLength"));
        $checker.assert_sent($request.$field(text(max))).await;
        let message =
            $checker.assert_rejected(stringify!($field), $request.$field(text(max + 1))).await;
        assert!(message.contains(&max.to_string()), "{message}");
    }};
}

macro_rules! range_limit {
    ($checker:ident, $Body:literal, $field:ident, $request:expr) => {{
        let min = limit($Body, concat!("properties/", stringify!($field), "/minimum"));
        let max = limit($Body, concat!("properties/", stringify!($field), "/maximum"));
        $checker.assert_sent($request.$field(min)).await;
        $checker.assert_sent($request.$field(max)).await;
        for beyond in [min - 0.001, max + 0.001] {
            $checker.assert_rejected(stringify!($field), $request.$field(beyond)).await;
        }
        for not_json in [f64::NAN, f64::INFINITY] {
            $checker.assert_not_sendable(stringify!($field), $request.$field(not_json)).await;
        }
    }};
}

macro_rules! tools_limit {
    ($checker:ident, $Body:literal, $request:expr) => {{
        let max = integer_limit($Body, "properties/tools/maxItems");
        $checker.assert_sent($request.tools(tools(max))).await;
        $checker.assert_rejected("tools", $request.tools(tools(max + 1))).await;
    }};
}

macro_rules! tokens_limit {
    ($checker:ident, $Body:literal, $field:ident, $request:expr) => {{
        let min =
            integer_limit($Body, concat!("properties/", stringify!($field), "/minimum")) as u64;
        $checker.assert_sent($request.$field(min)).await;
        $checker.assert_rejected(stringify!($field), $request.$field(min - 1)).await;
    }};
}

macro_rules! run_limits {
    ($checker:ident, $Body:literal, $request:expr) => {{
        text_limit!($checker, $Body, instructions, $request);
        tools_limit!($checker, $Body, $request);
        range_limit!($checker, $Body, temperature, $request);
        range_limit!($checker, $Body, top_p, $request);
        tokens_limit!($checker, $Body, max_prompt_tokens, $request);
        tokens_limit!($checker, $Body, max_completion_tokens, $request);
    }};
}

macro_rules! assistant_limits {
    ($checker:ident, $Body:literal, $request:expr) => {{
        text_limit!($checker, $Body, name, $request);
        text_limit!($checker, $Body, description, $request);
        text_limit!($checker, $Body, instructions, $request);
        tools_limit!($checker, $Body, $request);
        range_limit!($checker, $Body, temperature, $request);
        range_limit!($checker, $Body, top_p, $request);
    }};
}

#[tokio::test]
async fn create_run_limits_are_checked() {
    let checker = LimitChecker::new().await;
    let runs = checker.client.runs("thread_1");
    run_limits!(checker, "CreateRunRequest", runs.create("asst_1"));
}

#[tokio::test]
async fn create_thread_and_run_limits_are_checked() {
    let checker = LimitChecker::new().await;
    let threads = checker.client.threads();
    run_limits!(checker, "CreateThreadAndRunRequest", threads.create_and_run("asst_1"));
}

#[tokio::test]
async fn create_assistant_limits_are_checked() {
    let checker = LimitChecker::new().await;
    let assistants = checker.client.assistants();
    assistant_limits!(checker, "CreateAssistantRequest", assistants.create("model"));
    let excess_tools =
        tools(integer_limit("CreateAssistantRequest", "properties/tools/maxItems") + 1);
    let create =
        excess_tools.into_iter().fold(assistants.create("model"), |create, tool| create.tool(tool));
    checker.assert_rejected("tools", create).await;
}

#[tokio::test]
async fn update_assistant_limits_are_checked() {
    let checker = LimitChecker::new().await;
    let assistants = checker.client.assistants();
    assistant_limits!(checker, "UpdateAssistantRequest", assistants.update("asst_1"));
}

fn pairs(count: usize, key: usize, value: usize) -> BTreeMap<String, String> {
    (0..count).map(|number| (format!("{number:é>key$}"), text(value))).collect()
}

/// Metadata at the limits, and three maps that each exceed one limit.
fn metadata_within_and_beyond() -> (BTreeMap<String, String>, [BTreeMap<String, String>; 3]) {
    let count = integer_limit("Metadata", "maxProperties");
    let key = integer_limit("Metadata", "propertyNames/maxLength");
    let value = integer_limit("Metadata", "additionalProperties/maxLength");
    let beyond = [pairs(count + 1, 2, 1), pairs(1, key + 1, 1), pairs(1, 1, value + 1)];
    (pairs(count, key, value), beyond)
}

macro_rules! metadata_limits {
    ($checker:ident, $request:expr) => {{
        let (within, beyond) = metadata_within_and_beyond();
        let with = |pairs: BTreeMap<String, String>| {
            pairs
                .into_iter()
                .fold($request, |request, (key, value)| request.metadata_entry(key, value))
        };
        $checker.assert_sent(with(within)).await;
        for pairs in beyond {
            $checker.assert_rejected("metadata", with(pairs)).await;
        }
    }};
}

#[tokio::test]
async fn metadata_limits_are_checked_in_every_request() {
    let checker = LimitChecker::new().await;
    let client = &checker.client;
    let (runs, threads, messages) = (client.runs("t"), client.threads(), client.messages("t"));
    metadata_limits!(checker, runs.create("asst_1"));
    metadata_limits!(checker, runs.update("run_1"));
    metadata_limits!(checker, threads.create());
    metadata_limits!(checker, threads.create_and_run("asst_1"));
    metadata_limits!(checker, threads.update("t"));
    metadata_limits!(checker, messages.create("Hi"));
    metadata_limits!(checker, messages.update("msg_1"));
    metadata_limits!(checker, client.assistants().create("model"));
    metadata_limits!(checker, client.assistants().update("asst_1"));
}

/// The error's `param` is the path of the nested field, as in the API's own errors.
#[tokio::test]
async fn nested_metadata_is_named_by_its_path() {
    let checker = LimitChecker::new().await;
    let (runs, threads) = (checker.client.runs("t"), checker.client.threads());
    let (within, [beyond, ..]) = metadata_within_and_beyond();
    let message = |pairs: &BTreeMap<String, String>| {
        CreateMessageRequest::new(MessageRole::User, "Hi").metadata(pairs.clone())
    };
    let (valid, invalid) = (message(&within), message(&beyond));
    let create = runs.create("a").additional_message(valid.clone());
    checker.assert_sent(create.clone()).await;
    checker
        .assert_rejected(
            "additional_messages[1].metadata",
            create.additional_message(invalid.clone()),
        )
        .await;
    let create = threads.create().message(valid.clone());
    checker.assert_sent(create.clone()).await;
    checker.assert_rejected("messages[1].metadata", create.message(invalid.clone())).await;
    let create = threads.create_and_run("a").message(valid);
    checker.assert_sent(create.clone()).await;
    checker.assert_rejected("thread.messages[1].metadata", create.message(invalid)).await;
    let thread = CreateThreadRequest::default().metadata(beyond);
    checker.assert_rejected("thread.metadata", threads.create_and_run("a").thread(thread)).await;
}

#[tokio::test]
async fn page_limits_are_checked() {
    let checker = LimitChecker::new().await;
    let page_limit =
        |keyword| SPECIFICATION["components"]["parameters"]["Limit"]["schema"][keyword].as_u64();
    let (min, max) = (page_limit("minimum").unwrap(), page_limit("maximum").unwrap());
    let (runs, messages) = (checker.client.runs("t"), checker.client.messages("t"));
    let (steps, assistants) = (runs.steps("r"), checker.client.assistants());
    for within in [min, max] {
        checker.assert_sent(runs.list().limit(within)).await;
        checker.assert_sent(steps.list().limit(within)).await;
        checker.assert_sent(messages.list().limit(within)).await;
        checker.assert_sent(assistants.list().limit(within)).await;
    }
    for beyond in [min - 1, max + 1] {
        checker.assert_rejected("limit", runs.list().limit(beyond)).await;
        checker.assert_rejected("limit", runs.list().limit(beyond).page()).await;
        checker.assert_rejected("limit", steps.list().limit(beyond)).await;
        checker.assert_rejected("limit", messages.list().limit(beyond)).await;
        checker.assert_rejected("limit", assistants.list().limit(beyond)).await;
        let mut items = runs.list().limit(beyond).items();
        checker.assert_rejected("limit", Box::pin(async move { items.try_next().await })).await;
    }
}

#[tokio::test]
async fn send_and_and_poll_check_limits() {
    let checker = LimitChecker::new().await;
    let create = checker.client.runs("t").create("asst_1").temperature(3);
    checker.assert_rejected("temperature", Box::pin(create.clone().send())).await;
    checker.assert_rejected("temperature", create.and_poll()).await;
}

#[tokio::test]
async fn limit_checks_can_be_disabled() {
    let server = RecordingServer::with_json(json!({})).await;
    let client = server.builder().check_limits(false).build().unwrap();
    let checker = LimitChecker { server, client };
    let (runs, threads, messages) =
        (checker.client.runs("t"), checker.client.threads(), checker.client.messages("t"));
    let (_, [pairs, ..]) = metadata_within_and_beyond();
    let create = runs.create("asst_1").temperature(2.5).tools(tools(128)).max_prompt_tokens(0);
    checker.assert_sent(create).await;
    checker.assert_sent(threads.create_and_run("asst_1").top_p(7)).await;
    checker.assert_sent(runs.update("r").metadata(pairs.clone())).await;
    checker.assert_sent(threads.update("t").metadata(pairs.clone())).await;
    checker.assert_sent(messages.update("m").metadata(pairs)).await;
    checker.assert_sent(checker.client.assistants().create("model").name(text(300))).await;
    checker.assert_sent(checker.client.assistants().update("asst_1").description(text(600))).await;
    checker.assert_sent(runs.list().limit(1000)).await;
}

#[tokio::test]
async fn truncation_keeps_at_least_one_message() {
    let checker = LimitChecker::new().await;
    let (runs, threads) = (checker.client.runs("thread_1"), checker.client.threads());
    let min = integer_limit("TruncationStrategy", "properties/last_messages/minimum") as u64;
    let keep_last = |count| TruncationStrategy::new("last_messages").last_messages(count);
    let field = "truncation_strategy.last_messages";
    checker.assert_sent(runs.create("asst_1").truncation_strategy(keep_last(min))).await;
    checker
        .assert_rejected(field, runs.create("asst_1").truncation_strategy(keep_last(min - 1)))
        .await;
    let create = || threads.create_and_run("asst_1");
    checker.assert_sent(create().truncation_strategy(keep_last(min))).await;
    checker.assert_rejected(field, create().truncation_strategy(keep_last(min - 1))).await;
}

fn ids(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("id_{number}")).collect()
}

/// Checks the limits of files and vector stores.
macro_rules! resources_limits {
    ($checker:ident, $prefix:literal, $Resources:ident, $Search:ident, $request:expr) => {{
        let files = integer_limit("CodeInterpreterResources", "properties/file_ids/maxItems");
        let stores = integer_limit("FileSearchResources", "properties/vector_store_ids/maxItems");
        let with_files = |count| {
            let files = CodeInterpreterResources::default().file_ids(ids(count));
            $Resources::default().code_interpreter(files)
        };
        let with_stores = |count| {
            let stores = $Search::default().vector_store_ids(ids(count));
            $Resources::default().file_search(stores)
        };
        let field = concat!($prefix, "tool_resources.code_interpreter.file_ids");
        $checker.assert_sent($request(with_files(files))).await;
        $checker.assert_rejected(field, $request(with_files(files + 1))).await;
        let field = concat!($prefix, "tool_resources.file_search.vector_store_ids");
        $checker.assert_sent($request(with_stores(stores))).await;
        $checker.assert_rejected(field, $request(with_stores(stores + 1))).await;
    }};
}

#[tokio::test]
async fn tool_resource_limits_are_checked_in_every_request() {
    let checker = LimitChecker::new().await;
    let (threads, assistants) = (checker.client.threads(), checker.client.assistants());
    resources_limits!(checker, "", ToolResources, FileSearchResources, |resources| {
        threads.create_and_run("asst_1").tool_resources(resources)
    });
    resources_limits!(checker, "", ToolResources, FileSearchResources, |resources| {
        threads.update("thread_1").tool_resources(resources)
    });
    resources_limits!(checker, "", ToolResources, FileSearchResources, |resources| {
        assistants.update("asst_1").tool_resources(resources)
    });
    resources_limits!(checker, "", CreateToolResources, CreateFileSearchResources, |resources| {
        assistants.create("model").tool_resources(resources)
    });
    resources_limits!(checker, "", CreateToolResources, CreateFileSearchResources, |resources| {
        threads.create().tool_resources(resources)
    });
    let with_thread = |resources| {
        let thread = CreateThreadRequest::default().tool_resources(resources);
        threads.create_and_run("asst_1").thread(thread)
    };
    resources_limits!(
        checker,
        "thread.",
        CreateToolResources,
        CreateFileSearchResources,
        with_thread
    );
    let max = integer_limit("CreateFileSearchResources", "properties/vector_stores/maxItems");
    let create_with_stores = |count| {
        let stores = vec![VectorStoreInput::default(); count];
        let search = CreateFileSearchResources::default().vector_stores(stores);
        threads.create().tool_resources(CreateToolResources::default().file_search(search))
    };
    checker.assert_sent(create_with_stores(max)).await;
    checker
        .assert_rejected("tool_resources.file_search.vector_stores", create_with_stores(max + 1))
        .await;
}
