//! The wire format of each request, with only required fields and with all fields.

use runstep::Page;
use runstep::types::{
    Assistant, Attachment, AttachmentTool, CodeInterpreterResources, CodeInterpreterTool,
    CreateFileSearchResources, CreateMessageRequest, CreateThreadRequest, CreateToolResources,
    FileSearchOnlyTool, FileSearchResources, FileSearchTool, FunctionDefinition, FunctionTool,
    ImageUrl, ImageUrlContent, JsonObjectResponseFormat, JsonSchemaDefinition,
    JsonSchemaResponseFormat, Message, MessageContentPart, MessageRole, NamedFunction,
    NamedToolChoice, NamedToolChoiceType, Order, ReasoningEffort, ResponseFormat, Run, RunInclude,
    RunStep, TextContentPart, Tool, ToolChoice, ToolOutput, ToolResources, TruncationStrategy,
    TruncationStrategyType,
};
use serde_json::json;

use crate::harness::{API_KEY, RecordedRequest, RecordingServer, example};

macro_rules! wire_format {
    ($test:ident, $Response:ident, |$client:ident| $request:expr) => {
        wire_format!($test, $Response as runstep::types::$Response, |$client| $request);
    };
    ($test:ident, $Response:ident as $Output:ty, |$client:ident| $request:expr) => {
        #[tokio::test]
        async fn $test() {
            let server = RecordingServer::with_json(example(stringify!($Response))).await;
            let $client = server.client();
            let _: $Output = $request.await.unwrap();
            let request = server.only_request();
            assert_eq!(request.header("authorization"), Some(format!("Bearer {API_KEY}").as_str()));
            assert_idempotency_key(&request);
            insta::assert_snapshot!(request.text());
        }
    };
}

/// Every POST has an idempotency key, and no other request has one.
fn assert_idempotency_key(request: &RecordedRequest) {
    let key = request.header("idempotency-key");
    assert_eq!(key.is_some(), request.method == "POST", "{request:?}");
    assert!(key.is_none_or(|key| key.len() >= 32), "{key:?} may not be unique");
}

wire_format!(create_run_minimal, Run, |client| client.runs("thread_abc123").create("asst_abc123"));

wire_format!(create_run_full, Run, |client| client
    .runs("thread_abc123")
    .create("asst_abc123")
    .model("gpt-4.1")
    .instructions("Speak as a retired sailor.")
    .tools([Tool::from(FileSearchTool::default()), get_forecast().into()])
    .temperature(0.5)
    .top_p(0.9)
    .max_prompt_tokens(4000)
    .max_completion_tokens(800)
    .truncation_strategy(
        TruncationStrategy::new(TruncationStrategyType::LastMessages).last_messages(12_u64)
    )
    .tool_choice(
        NamedToolChoice::new(NamedToolChoiceType::Function)
            .function(NamedFunction::new("get_forecast"))
    )
    .parallel_tool_calls(false)
    .response_format(JsonSchemaResponseFormat::new(
        JsonSchemaDefinition::new("ledger_line")
            .schema(json!({"type": "object"}).as_object().unwrap().clone())
            .strict(true)
    ))
    .reasoning_effort(ReasoningEffort::Medium)
    .additional_instructions("The reader is on a ferry.")
    .additional_message(
        CreateMessageRequest::new(MessageRole::Assistant, "In knots?").attachments([recipes()])
    )
    .user_message("Yes.")
    .include(RunInclude::StepDetailsToolCallsFileSearchResultsContent)
    .include("another & more")
    .metadata_entry("ticket", "T-41")
    .metadata_entry("reviewed", "yes"));

wire_format!(create_thread_and_run_minimal, Run, |client| client
    .threads()
    .create_and_run("asst_abc123"));

wire_format!(create_thread_and_run_full, Run, |client| client
    .threads()
    .create_and_run("asst_abc123")
    .thread(CreateThreadRequest::default().tool_resources(tide_tables()))
    .message(CreateMessageRequest::new(MessageRole::User, loaves()))
    .user_message("Which of them?")
    .model("gpt-4.1")
    .instructions("Name the flour first.")
    .tools([Tool::from(CodeInterpreterTool::default())])
    .tool_resources(
        ToolResources::default()
            .file_search(FileSearchResources::default().vector_store_ids(["vs_bread1".to_owned()]))
    )
    .temperature(0)
    .top_p(1)
    .max_prompt_tokens(4000)
    .max_completion_tokens(800)
    .truncation_strategy(TruncationStrategy::new(TruncationStrategyType::Auto))
    .tool_choice(ToolChoice::Required)
    .parallel_tool_calls(true)
    .response_format(JsonObjectResponseFormat::default())
    .metadata_entry("ticket", "T-42"));

wire_format!(list_runs_minimal, RunList as Page<Run>, |client| client.runs("thread_abc123").list());

wire_format!(list_runs_full, RunList as Page<Run>, |client| client
    .runs("thread_abc123")
    .list()
    .limit(100)
    .order(Order::Asc)
    .after("run_def456")
    .before("run_abc123"));

wire_format!(retrieve_run, Run, |client| client.runs("thread_abc123").retrieve("run_abc123"));

wire_format!(update_run_minimal, Run, |client| client.runs("thread_abc123").update("run_abc123"));

wire_format!(update_run_full, Run, |client| client
    .runs("thread_abc123")
    .update("run_abc123")
    .metadata([("ticket".to_owned(), "T-41".to_owned())])
    .metadata_entry("reviewed", "yes"));

wire_format!(submit_tool_outputs_minimal, Run, |client| client
    .runs("thread_abc123")
    .submit_tool_outputs("run_abc123"));

wire_format!(submit_tool_outputs_full, Run, |client| client
    .runs("thread_abc123")
    .submit_tool_outputs("run_abc123")
    .output("call_abc123", "18 knots")
    .outputs([ToolOutput::default().tool_call_id("call_def456").output("")]));

wire_format!(cancel_run, Run, |client| client.runs("thread_abc123").cancel("run_abc123"));

wire_format!(list_steps_minimal, RunStepList as Page<RunStep>, |client| client
    .runs("thread_abc123")
    .steps("run_abc123")
    .list());

wire_format!(list_steps_full, RunStepList as Page<RunStep>, |client| client
    .runs("thread_abc123")
    .steps("run_abc123")
    .list()
    .limit(1)
    .order(Order::Desc)
    .after("step_abc123")
    .before("step_def456")
    .include(RunInclude::StepDetailsToolCallsFileSearchResultsContent));

wire_format!(retrieve_step_minimal, RunStep, |client| client
    .runs("thread_abc123")
    .steps("run_abc123")
    .retrieve("step_abc123"));

wire_format!(retrieve_step_full, RunStep, |client| client
    .runs("thread_abc123")
    .steps("run_abc123")
    .retrieve("step_abc123")
    .include(RunInclude::StepDetailsToolCallsFileSearchResultsContent));

wire_format!(create_assistant_minimal, Assistant, |client| client.assistants().create("gpt-4.1"));

wire_format!(create_assistant_full, Assistant, |client| client
    .assistants()
    .create("gpt-4.1")
    .name("Harbour master")
    .description("Answers questions about tides.")
    .instructions("Answer in two sentences.")
    .reasoning_effort("enormous")
    .tools([Tool::from(FileSearchTool::default())])
    .tool(get_forecast())
    .tool_resources(tide_tables())
    .temperature(1.5)
    .top_p(0.25)
    .response_format(ResponseFormat::Auto)
    .metadata_entry("team", "pilots"));

wire_format!(retrieve_assistant, Assistant, |client| client.assistants().retrieve("asst_abc123"));

wire_format!(create_thread_minimal, Thread, |client| client.threads().create());

wire_format!(create_thread_full, Thread, |client| client
    .threads()
    .create()
    .tool_resources(tide_tables())
    .message(CreateMessageRequest::new(MessageRole::Assistant, "Ahoy."))
    .user_message("How windy will it be?")
    .metadata_entry("customer", "ferry-7"));

wire_format!(retrieve_thread, Thread, |client| client.threads().retrieve("thread_abc123"));

wire_format!(create_message_minimal, Message, |client| client
    .messages("thread_abc123")
    .create("How windy will it be?"));

wire_format!(create_message_full, Message, |client| client
    .messages("thread_abc123")
    .create(loaves())
    .role(MessageRole::Assistant)
    .attachments([recipes()])
    .metadata_entry("shelf", "bread"));

wire_format!(list_messages_minimal, MessageList as Page<Message>, |client| client
    .messages("thread_abc123")
    .list());

wire_format!(list_messages_full, MessageList as Page<Message>, |client| client
    .messages("thread_abc123")
    .list()
    .limit(5)
    .order(Order::Asc)
    .after("msg_abc123")
    .before("msg_def456")
    .run_id("run_abc123"));

wire_format!(retrieve_message, Message, |client| client
    .messages("thread_abc123")
    .retrieve("msg_abc123"));

wire_format!(list_assistants_minimal, AssistantList as Page<Assistant>, |client| client
    .assistants()
    .list());

wire_format!(list_assistants_full, AssistantList as Page<Assistant>, |client| client
    .assistants()
    .list()
    .limit(3)
    .order(Order::Asc)
    .after("asst_abc123")
    .before("asst_def456"));

wire_format!(update_assistant_minimal, Assistant, |client| client
    .assistants()
    .update("asst_abc123"));

wire_format!(update_assistant_full, Assistant, |client| client
    .assistants()
    .update("asst_abc123")
    .model("gpt-4.1-mini")
    .name("Harbour pilot")
    .description("Answers questions about currents.")
    .instructions("Answer in one sentence.")
    .reasoning_effort(ReasoningEffort::Low)
    .tools([Tool::from(FileSearchTool::default())])
    .tool_resources(
        ToolResources::default()
            .file_search(FileSearchResources::default().vector_store_ids(["vs_bread1".to_owned()]))
    )
    .temperature(0.25)
    .top_p(0.5)
    .response_format(JsonObjectResponseFormat::default())
    .metadata([("team".to_owned(), "pilots".to_owned())])
    .metadata_entry("reviewed", "yes"));

wire_format!(delete_assistant, DeletedAssistant, |client| client
    .assistants()
    .delete("asst_abc123"));

wire_format!(update_thread_minimal, Thread, |client| client.threads().update("thread_abc123"));

wire_format!(update_thread_full, Thread, |client| client
    .threads()
    .update("thread_abc123")
    .tool_resources(
        ToolResources::default()
            .file_search(FileSearchResources::default().vector_store_ids(["vs_bread1".to_owned()]))
    )
    .metadata([("customer".to_owned(), "ferry-7".to_owned())])
    .metadata_entry("reviewed", "yes"));

wire_format!(delete_thread, DeletedThread, |client| client.threads().delete("thread_abc123"));

wire_format!(update_message_minimal, Message, |client| client
    .messages("thread_abc123")
    .update("msg_abc123"));

wire_format!(update_message_full, Message, |client| client
    .messages("thread_abc123")
    .update("msg_abc123")
    .metadata([("shelf".to_owned(), "bread".to_owned())])
    .metadata_entry("reviewed", "yes"));

wire_format!(delete_message, DeletedMessage, |client| client
    .messages("thread_abc123")
    .delete("msg_abc123"));

wire_format!(options_of_request_with_body, Run, |client| client
    .runs("thread_abc123")
    .create("asst_abc123")
    .temperature(0.5)
    .include("another & more")
    .extra("temperature", 0.75)
    .extra("seed", json!({"deep": [1, null]}))
    .header("x-tenant", "harbour")
    .header("OpenAI-Beta", "assistants=v3")
    .query("trace", "a b&c=d")
    .query("trace", "again"));

wire_format!(options_of_request_without_body, RunList as Page<Run>, |client| client
    .runs("thread_abc123")
    .list()
    .limit(2)
    .header("x-tenant", "harbour")
    .query("trace", "1"));

wire_format!(extra_field_in_empty_body, Run, |client| client
    .runs("thread_abc123")
    .update("run_abc123")
    .extra("archived", true));

/// Some servers reject a POST without a content-length, with status 411.
#[tokio::test]
async fn post_without_body_has_zero_content_length() {
    let server = RecordingServer::with_json(example("Run")).await;
    server.client().runs("thread_abc123").cancel("run_abc123").await.unwrap();
    assert_eq!(server.only_request().header("content-length"), Some("0"));
}

fn get_forecast() -> FunctionTool {
    let parameters = json!({
        "type": "object",
        "properties": {"harbour": {"type": "string"}, "at": {"type": "string"}},
        "required": ["harbour"],
    });
    FunctionTool::new(
        FunctionDefinition::new("get_forecast")
            .description("Looks up a harbour's forecast.")
            .parameters(parameters.as_object().unwrap().clone())
            .strict(true),
    )
}

fn tide_tables() -> CreateToolResources {
    CreateToolResources::default()
        .code_interpreter(CodeInterpreterResources::default().file_ids(["file_tides1".to_owned()]))
        .file_search(
            CreateFileSearchResources::default().vector_store_ids(["vs_charts1".to_owned()]),
        )
}

fn loaves() -> Vec<MessageContentPart> {
    vec![
        TextContentPart::new("Which of these needs a longer rise?").into(),
        ImageUrlContent::new(ImageUrl::new("https://example.com/loaf.png")).into(),
    ]
}

fn recipes() -> Attachment {
    Attachment::default()
        .file_id("file_recipes1")
        .tools([AttachmentTool::from(FileSearchOnlyTool::default())])
}
