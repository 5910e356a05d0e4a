//! The API's limits: beyond them nothing is sent, and the numbers are those of the specification.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

mod support;

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
use support::Recorder;

static SPECIFICATION: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(runstep_api::OPENAPI).unwrap());

/// A number of the specification.
fn number(schema: &str, at: &str) -> f64 {
    let pointer = format!("/components/schemas/{schema}/{at}");
    SPECIFICATION.pointer(&pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("{pointer}"))
}

fn whole(schema: &str, at: &str) -> usize {
    let number = number(schema, at);
    assert!(number.fract() == 0.0 && number > 0.0);
    number as usize
}

/// Whatever came back: whether something was sent and what was refused.
struct World {
    server: Recorder,
    client: Client,
}

impl World {
    async fn new() -> Self {
        let server = Recorder::with_json(json!({})).await;
        Self { client: server.client(), server }
    }

    async fn sent<T>(&self, request: impl IntoFuture<Output = Result<T>>) {
        let before = self.server.count();
        if let Err(error) = request.await {
            assert!(error.is_decode(), "an empty object came: {error:?}");
        }
        assert_eq!(self.server.count(), before + 1);
    }

    /// The message.
    async fn refused<T>(
        &self,
        field: &str,
        request: impl IntoFuture<Output = Result<T>>,
    ) -> String {
        let before = self.server.count();
        let Err(error) = request.await else { panic!("`{field}` was not refused") };
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error:?}");
        assert_eq!(error.param(), Some(field));
        assert!(error.message().starts_with(&format!("`{field}` ")), "{error}");
        assert!(error.message().ends_with("; nothing was sent"), "{error}");
        assert_eq!((error.status(), error.body()), (None, None));
        assert_eq!(self.server.count(), before);
        error.message().to_owned()
    }
}

/// Characters of two bytes, as characters are what counts.
fn text(characters: usize) -> String {
    "é".repeat(characters)
}

fn tools(count: usize) -> Vec<Tool> {
    vec![Tool::from(CodeInterpreterTool::default()); count]
}

/// A text, a list and numbers that a body has.
macro_rules! text_limit {
    ($world:ident, $Body:literal, $field:ident, $request:expr) => {{
        let most = whole($Body, concat!("properties/", stringify!($field), "/maxLength"));
        $world.sent($request.$field(text(most))).await;
        let message = $world.refused(stringify!($field), $request.$field(text(most + 1))).await;
        assert!(message.contains(&most.to_string()), "{message}");
    }};
}

macro_rules! range_limit {
    ($world:ident, $Body:literal, $field:ident, $request:expr) => {{
        let least = number($Body, concat!("properties/", stringify!($field), "/minimum"));
        let most = number($Body, concat!("properties/", stringify!($field), "/maximum"));
        $world.sent($request.$field(least)).await;
        $world.sent($request.$field(most)).await;
        for beyond in [least - 0.001, most + 0.001, f64::NAN, f64::INFINITY] {
            $world.refused(stringify!($field), $request.$field(beyond)).await;
        }
    }};
}

macro_rules! tools_limit {
    ($world:ident, $Body:literal, $request:expr) => {{
        let most = whole($Body, "properties/tools/maxItems");
        $world.sent($request.tools(tools(most))).await;
        $world.refused("tools", $request.tools(tools(most + 1))).await;
    }};
}

macro_rules! tokens_limit {
    ($world:ident, $Body:literal, $field:ident, $request:expr) => {{
        let least = whole($Body, concat!("properties/", stringify!($field), "/minimum")) as u64;
        $world.sent($request.$field(least)).await;
        $world.refused(stringify!($field), $request.$field(least - 1)).await;
    }};
}

macro_rules! run_limits {
    ($world:ident, $Body:literal, $request:expr) => {{
        text_limit!($world, $Body, instructions, $request);
        tools_limit!($world, $Body, $request);
        range_limit!($world, $Body, temperature, $request);
        range_limit!($world, $Body, top_p, $request);
        tokens_limit!($world, $Body, max_prompt_tokens, $request);
        tokens_limit!($world, $Body, max_completion_tokens, $request);
    }};
}

macro_rules! assistant_limits {
    ($world:ident, $Body:literal, $request:expr) => {{
        text_limit!($world, $Body, name, $request);
        text_limit!($world, $Body, description, $request);
        text_limit!($world, $Body, instructions, $request);
        tools_limit!($world, $Body, $request);
        range_limit!($world, $Body, temperature, $request);
        range_limit!($world, $Body, top_p, $request);
    }};
}

#[tokio::test]
async fn a_run_has_limits() {
    let world = World::new().await;
    let runs = world.client.runs("thread_1");
    run_limits!(world, "CreateRunRequest", runs.create("asst_1"));
}

#[tokio::test]
async fn a_thread_with_a_run_has_limits() {
    let world = World::new().await;
    let threads = world.client.threads();
    run_limits!(world, "CreateThreadAndRunRequest", threads.create_and_run("asst_1"));
}

#[tokio::test]
async fn a_new_assistant_has_limits() {
    let world = World::new().await;
    let assistants = world.client.assistants();
    assistant_limits!(world, "CreateAssistantRequest", assistants.create("model"));
    let one_by_one = tools(whole("CreateAssistantRequest", "properties/tools/maxItems") + 1);
    let create =
        one_by_one.into_iter().fold(assistants.create("model"), |all, tool| all.tool(tool));
    world.refused("tools", create).await;
}

#[tokio::test]
async fn a_changed_assistant_has_limits() {
    let world = World::new().await;
    let assistants = world.client.assistants();
    assistant_limits!(world, "UpdateAssistantRequest", assistants.update("asst_1"));
}

fn pairs(count: usize, key: usize, value: usize) -> BTreeMap<String, String> {
    (0..count).map(|number| (format!("{number:é>key$}"), text(value))).collect()
}

/// Metadata within the limits, and three times beyond one of them.
fn within_and_beyond() -> (BTreeMap<String, String>, [BTreeMap<String, String>; 3]) {
    let count = whole("Metadata", "maxProperties");
    let key = whole("Metadata", "propertyNames/maxLength");
    let value = whole("Metadata", "additionalProperties/maxLength");
    let beyond = [pairs(count + 1, 2, 1), pairs(1, key + 1, 1), pairs(1, 1, value + 1)];
    (pairs(count, key, value), beyond)
}

macro_rules! metadata_limits {
    ($world:ident, $request:expr) => {{
        let (within, beyond) = within_and_beyond();
        let with = |pairs: BTreeMap<String, String>| {
            pairs.into_iter().fold($request, |request, (key, value)| request.metadata(key, value))
        };
        $world.sent(with(within)).await;
        for pairs in beyond {
            $world.refused("metadata", with(pairs)).await;
        }
    }};
}

#[tokio::test]
async fn metadata_has_limits_wherever_it_is() {
    let world = World::new().await;
    let client = &world.client;
    let (runs, threads, messages) = (client.runs("t"), client.threads(), client.messages("t"));
    metadata_limits!(world, runs.create("asst_1"));
    metadata_limits!(world, runs.update("run_1"));
    metadata_limits!(world, threads.create());
    metadata_limits!(world, threads.create_and_run("asst_1"));
    metadata_limits!(world, threads.update("t"));
    metadata_limits!(world, messages.create("Hi"));
    metadata_limits!(world, messages.update("msg_1"));
    metadata_limits!(world, client.assistants().create("model"));
    metadata_limits!(world, client.assistants().update("asst_1"));
}

/// The name says which of the messages it is, as the server would.
#[tokio::test]
async fn metadata_of_what_comes_along_is_named_by_its_place() {
    let world = World::new().await;
    let (runs, threads) = (world.client.runs("t"), world.client.threads());
    let (within, [beyond, ..]) = within_and_beyond();
    let message = |pairs: &BTreeMap<String, String>| {
        CreateMessageRequest::new(MessageRole::User, "Hi").metadata(pairs.clone())
    };
    let (good, bad) = (message(&within), message(&beyond));
    let create = runs.create("a").additional_message(good.clone());
    world.sent(create.clone()).await;
    world.refused("additional_messages[1].metadata", create.additional_message(bad.clone())).await;
    let create = threads.create().message(good.clone());
    world.sent(create.clone()).await;
    world.refused("messages[1].metadata", create.message(bad.clone())).await;
    let create = threads.create_and_run("a").message(good);
    world.sent(create.clone()).await;
    world.refused("thread.messages[1].metadata", create.message(bad)).await;
    let thread = CreateThreadRequest::default().metadata(beyond);
    world.refused("thread.metadata", threads.create_and_run("a").thread(thread)).await;
}

#[tokio::test]
async fn a_page_has_limits() {
    let world = World::new().await;
    let limit = |what| SPECIFICATION["components"]["parameters"]["Limit"]["schema"][what].as_u64();
    let (least, most) = (limit("minimum").unwrap(), limit("maximum").unwrap());
    let (runs, messages) = (world.client.runs("t"), world.client.messages("t"));
    let (steps, assistants) = (runs.steps("r"), world.client.assistants());
    for within in [least, most] {
        world.sent(runs.list().limit(within)).await;
        world.sent(steps.list().limit(within)).await;
        world.sent(messages.list().limit(within)).await;
        world.sent(assistants.list().limit(within)).await;
    }
    for beyond in [least - 1, most + 1] {
        world.refused("limit", runs.list().limit(beyond)).await;
        world.refused("limit", runs.list().limit(beyond).page()).await;
        world.refused("limit", steps.list().limit(beyond)).await;
        world.refused("limit", messages.list().limit(beyond)).await;
        world.refused("limit", assistants.list().limit(beyond)).await;
        let mut items = runs.list().limit(beyond).items();
        world.refused("limit", Box::pin(async move { items.try_next().await })).await;
    }
}

#[tokio::test]
async fn what_send_and_and_poll_send_has_limits_too() {
    let world = World::new().await;
    let create = world.client.runs("t").create("asst_1").temperature(3);
    world.refused("temperature", Box::pin(create.clone().send())).await;
    world.refused("temperature", create.and_poll()).await;
}

#[tokio::test]
async fn limits_can_be_switched_off() {
    let server = Recorder::with_json(json!({})).await;
    let client = server.builder().check_limits(false).build().unwrap();
    let world = World { server, client };
    let (runs, threads, messages) =
        (world.client.runs("t"), world.client.threads(), world.client.messages("t"));
    let (_, [pairs, ..]) = within_and_beyond();
    let create = runs.create("asst_1").temperature(2.5).tools(tools(128)).max_prompt_tokens(1);
    world.sent(create).await;
    world.sent(threads.create_and_run("asst_1").top_p(7)).await;
    world.sent(runs.update("r").all_metadata(pairs.clone())).await;
    world.sent(threads.update("t").all_metadata(pairs.clone())).await;
    world.sent(messages.update("m").all_metadata(pairs)).await;
    world.sent(world.client.assistants().create("model").name(text(300))).await;
    world.sent(world.client.assistants().update("asst_1").description(text(600))).await;
    world.sent(runs.list().limit(1000)).await;
}

#[tokio::test]
async fn a_truncation_keeps_a_message_at_least() {
    let world = World::new().await;
    let (runs, threads) = (world.client.runs("thread_1"), world.client.threads());
    let least = whole("TruncationStrategy", "properties/last_messages/minimum") as u64;
    let keep = |count| TruncationStrategy::new("last_messages").last_messages(count);
    let field = "truncation_strategy.last_messages";
    world.sent(runs.create("asst_1").truncation_strategy(keep(least))).await;
    world.refused(field, runs.create("asst_1").truncation_strategy(keep(least - 1))).await;
    let both = || threads.create_and_run("asst_1");
    world.sent(both().truncation_strategy(keep(least))).await;
    world.refused(field, both().truncation_strategy(keep(least - 1))).await;
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("id_{number}")).collect()
}

/// Files and stores, wherever they are.
macro_rules! resources_limits {
    ($world:ident, $place:literal, $Resources:ident, $Search:ident, $request:expr) => {{
        let files = whole("CodeInterpreterResources", "properties/file_ids/maxItems");
        let stores = whole("FileSearchResources", "properties/vector_store_ids/maxItems");
        let with_files = |count| {
            let files = CodeInterpreterResources::default().file_ids(names(count));
            $Resources::default().code_interpreter(files)
        };
        let with_stores = |count| {
            let stores = $Search::default().vector_store_ids(names(count));
            $Resources::default().file_search(stores)
        };
        let field = concat!($place, "tool_resources.code_interpreter.file_ids");
        $world.sent($request(with_files(files))).await;
        $world.refused(field, $request(with_files(files + 1))).await;
        let field = concat!($place, "tool_resources.file_search.vector_store_ids");
        $world.sent($request(with_stores(stores))).await;
        $world.refused(field, $request(with_stores(stores + 1))).await;
    }};
}

#[tokio::test]
async fn files_and_stores_have_limits_wherever_they_are() {
    let world = World::new().await;
    let (threads, assistants) = (world.client.threads(), world.client.assistants());
    resources_limits!(world, "", ToolResources, FileSearchResources, |resources| {
        threads.create_and_run("asst_1").tool_resources(resources)
    });
    resources_limits!(world, "", ToolResources, FileSearchResources, |resources| {
        threads.update("thread_1").tool_resources(resources)
    });
    resources_limits!(world, "", ToolResources, FileSearchResources, |resources| {
        assistants.update("asst_1").tool_resources(resources)
    });
    resources_limits!(world, "", CreateToolResources, CreateFileSearchResources, |resources| {
        assistants.create("model").tool_resources(resources)
    });
    resources_limits!(world, "", CreateToolResources, CreateFileSearchResources, |resources| {
        threads.create().tool_resources(resources)
    });
    let with_thread = |resources| {
        let thread = CreateThreadRequest::default().tool_resources(resources);
        threads.create_and_run("asst_1").thread(thread)
    };
    resources_limits!(
        world,
        "thread.",
        CreateToolResources,
        CreateFileSearchResources,
        with_thread
    );
    let most = whole("CreateFileSearchResources", "properties/vector_stores/maxItems");
    let with = |count| {
        let stores = vec![VectorStoreInput::default(); count];
        let search = CreateFileSearchResources::default().vector_stores(stores);
        threads.create().tool_resources(CreateToolResources::default().file_search(search))
    };
    world.sent(with(most)).await;
    world.refused("tool_resources.file_search.vector_stores", with(most + 1)).await;
}
