//! The client against the real server.

use runstep::types::{
    FunctionDefinition, FunctionTool, MessageRole, Order, Run, RunErrorCode, RunStatus,
    RunStepType, StepDetails, ToolCall, ToolChoice,
};
use runstep::{Client, ErrorKind, Poll};
use runstep_server::Server;
use runstep_server::model::{ConversationItem, Model, ModelErrorKind, Offline, Scripted, Turn};
use serde_json::{Value, json};
use std::time::Duration;

use crate::harness::TestServer;

/// Starts a server whose assistant has one function with a parameter.
async fn start(model: impl Model) -> TestServer {
    let server = Server::builder().model(model).poll_after(Duration::from_millis(2));
    TestServer::with_tools(server.spawn().await.unwrap(), [get_weather()]).await
}

async fn start_with_turns(turns: impl IntoIterator<Item = Turn>) -> TestServer {
    start(Scripted::new(turns)).await
}

async fn run_to_end(server: &TestServer) -> Run {
    let run = server.create_run().await.unwrap();
    poll(server, &run).await.unwrap()
}

/// A poll with a deadline that is shorter than a test runner's timeout.
fn poll(server: &TestServer, run: &Run) -> Poll {
    server.runs.poll(&run.id).deadline(Duration::from_secs(5))
}

fn get_weather() -> FunctionTool {
    let parameters = json!({
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    });
    FunctionTool::new(
        FunctionDefinition::new("get_weather").parameters(parameters.as_object().unwrap().clone()),
    )
}

fn weather_call() -> Turn {
    Turn::call("get_weather", json!({"city": "Paris"}))
}

#[tokio::test]
async fn run_is_queued_and_then_completed() {
    let server = start_with_turns([Turn::text("It is sunny.").usage(12, 5)]).await;
    let run = server.create_run().await.unwrap();
    assert_eq!(run.status, RunStatus::Queued);
    assert_eq!(run.thread_id, server.thread_id);
    assert_eq!(run.assistant_id.as_ref(), Some(&server.assistant_id));
    assert!(!run.is_terminal() && run.usage.is_none() && run.expires_at.is_some());
    let run = poll(&server, &run).await.unwrap();
    assert_eq!(run.status, RunStatus::Completed);
    assert!(run.is_terminal() && run.completed_at.is_some() && run.expires_at.is_none());
    assert_eq!(run.usage.unwrap().total_tokens, Some(17));
}

#[tokio::test]
async fn generated_message_is_added_to_thread() {
    let server = start_with_turns([Turn::text("It is sunny.")]).await;
    let run = run_to_end(&server).await;
    let messages = server.client.messages(&server.thread_id);
    let page = messages.list().run_id(&run.id).await.unwrap();
    assert_eq!(page.data.len(), 1);
    assert_eq!(page.data[0].text(), "It is sunny.");
    let all = messages.list().order(Order::Asc).await.unwrap();
    let roles: Vec<_> = all.data.iter().map(|message| message.role.clone().unwrap()).collect();
    assert_eq!(roles, [MessageRole::User, MessageRole::Assistant]);
    let message = messages.retrieve(&page.data[0].id).await.unwrap();
    assert_eq!(message, page.data[0]);
}

#[tokio::test]
async fn function_output_is_sent_to_model() {
    let model = Scripted::new([weather_call(), Turn::text("18 degrees.")]);
    let server = start(model.clone()).await;
    let run = run_to_end(&server).await;
    assert_eq!(run.status, RunStatus::RequiresAction);
    let calls = run.function_calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].function.name, "get_weather");
    let arguments: Value = serde_json::from_str(&calls[0].function.arguments).unwrap();
    assert_eq!(arguments, json!({"city": "Paris"}));
    let submitted = server.runs.submit_tool_outputs(&run.id).output(&calls[0].id, "18").await;
    let submitted = submitted.unwrap();
    assert!(submitted.function_calls().is_empty() && !submitted.is_terminal());
    assert_eq!(poll(&server, &run).await.unwrap().status, RunStatus::Completed);
    let requests = model.requests();
    let output =
        ConversationItem::ToolOutput { call_id: calls[0].id.clone(), output: "18".to_owned() };
    assert_eq!(requests[1].conversation.last(), Some(&output));
}

#[tokio::test]
async fn offline_model_calls_available_function() {
    let server = start(Offline::new()).await;
    let run = run_to_end(&server).await;
    let mut outputs = server.runs.submit_tool_outputs(&run.id);
    for call in run.function_calls() {
        outputs = outputs.output(&call.id, "18 degrees");
    }
    let run = outputs.await.unwrap();
    let run = poll(&server, &run).await.unwrap();
    assert_eq!(run.status, RunStatus::Completed);
    let page = server.client.messages(&server.thread_id).list().limit(1).await.unwrap();
    assert!(page.data[0].text().contains("18 degrees"), "{}", page.data[0].text());
    assert!(page.has_more);
}

#[tokio::test]
async fn create_thread_and_run_uses_new_thread() {
    let model = Scripted::new([Turn::text("Ahoy.")]);
    let server = start(model.clone()).await;
    let threads = server.client.threads();
    let run = threads
        .create_and_run(&server.assistant_id)
        .user_message("Hello")
        .instructions("Be brief.")
        .tools([])
        .tool_choice(ToolChoice::None)
        .metadata_entry("ticket", "T-1")
        .await
        .unwrap();
    assert_ne!(run.thread_id, server.thread_id);
    assert_eq!(threads.retrieve(&run.thread_id).await.unwrap().id, run.thread_id);
    let run = server.client.runs(&run.thread_id).poll(&run.id).await.unwrap();
    assert_eq!(run.status, RunStatus::Completed);
    assert_eq!(run.metadata.unwrap()["ticket"], "T-1");
    let request = &model.requests()[0];
    assert_eq!(request.instructions.as_deref(), Some("Be brief."));
    assert_eq!(request.conversation, [ConversationItem::User("Hello".to_owned())]);
    assert_eq!(request.tools, [], "an empty list replaces the assistant's tools");
}

#[tokio::test]
async fn stalled_run_can_be_cancelled() {
    let server = start_with_turns([Turn::stall()]).await;
    let run = server.create_run().await.unwrap();
    let cancelled = server.runs.cancel(&run.id).await.unwrap();
    assert!(matches!(cancelled.status, RunStatus::Cancelling | RunStatus::Cancelled));
    let run = poll(&server, &run).await.unwrap();
    assert_eq!(run.status, RunStatus::Cancelled);
    assert!(run.cancelled_at.is_some());
}

#[tokio::test]
async fn failed_run_has_last_error() {
    let turn = Turn::fail(ModelErrorKind::RateLimit, "The model is busy.");
    let run = run_to_end(&start_with_turns([turn]).await).await;
    assert_eq!(run.status, RunStatus::Failed);
    let error = run.last_error.unwrap();
    assert_eq!(error.code, Some(RunErrorCode::RateLimitExceeded));
    assert_eq!(error.message, "The model is busy.");
    assert!(run.failed_at.is_some());
}

#[tokio::test]
async fn incomplete_run_has_details() {
    let server = start_with_turns([Turn::text("It is").token_limit()]).await;
    let run = run_to_end(&server).await;
    assert_eq!(run.status, RunStatus::Incomplete);
    assert!(run.incomplete_details.is_some());
}

#[tokio::test]
async fn runs_are_listed_in_pages() {
    let server = start_with_turns([Turn::text("1"), Turn::text("2"), Turn::text("3")]).await;
    let (first, second, third) =
        (run_to_end(&server).await, run_to_end(&server).await, run_to_end(&server).await);
    let page = server.runs.list().limit(2).await.unwrap();
    let ids: Vec<&str> = page.data.iter().map(|run| run.id.as_str()).collect();
    assert_eq!(ids, [&third.id, &second.id]);
    assert!(page.has_more);
    assert_eq!(page.last_id.as_ref(), Some(&second.id));
    let page = server.runs.list().limit(2).after(&second.id).await.unwrap();
    assert_eq!((page.data, page.has_more), (vec![first.clone()], false));
    let page = server.runs.list().order(Order::Asc).before(&second.id).await.unwrap();
    assert_eq!(page.data, [first]);
}

#[tokio::test]
async fn run_metadata_is_updated() {
    let server = start_with_turns([Turn::text("Yes.")]).await;
    let run = run_to_end(&server).await;
    let updated = server.runs.update(&run.id).metadata_entry("ticket", "T-41").await.unwrap();
    assert_eq!(updated.metadata.as_ref().unwrap()["ticket"], "T-41");
    assert_eq!(server.runs.retrieve(&run.id).await.unwrap(), updated);
}

#[tokio::test]
async fn assistants_threads_and_messages_are_updated_and_deleted() {
    let server = start_with_turns([]).await;
    let (assistants, threads) = (server.client.assistants(), server.client.threads());
    let messages = server.client.messages(&server.thread_id);
    let (assistant, thread) = (&server.assistant_id, &server.thread_id);
    let changed =
        assistants.update(assistant).name("Pilot").metadata_entry("team", "a").await.unwrap();
    assert_eq!((changed.name.as_deref(), changed.tools.len()), (Some("Pilot"), 1));
    assert_eq!(assistants.retrieve(assistant).await.unwrap(), changed);
    let changed = threads.update(thread).metadata_entry("customer", "7").await.unwrap();
    assert_eq!(threads.retrieve(thread).await.unwrap(), changed);
    let message = messages.list().limit(1).await.unwrap().data.remove(0);
    let changed = messages.update(&message.id).metadata_entry("reviewed", "yes").await.unwrap();
    assert_eq!(changed.metadata.as_ref().unwrap()["reviewed"], "yes");
    assert_eq!(messages.retrieve(&message.id).await.unwrap(), changed);
    let deleted = messages.delete(&message.id).await.unwrap();
    assert_eq!((deleted.deleted, &deleted.id), (Some(true), &message.id));
    assert!(messages.retrieve(&message.id).await.unwrap_err().is_not_found());
    assert_eq!(assistants.delete(assistant).await.unwrap().deleted, Some(true));
    assert!(assistants.retrieve(assistant).await.unwrap_err().is_not_found());
    assert_eq!(threads.delete(thread).await.unwrap().deleted, Some(true));
    assert!(threads.retrieve(thread).await.unwrap_err().is_not_found());
    assert!(threads.delete(thread).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn steps_list_tool_calls_and_message() {
    let server = start_with_turns([weather_call(), Turn::text("18 degrees.")]).await;
    let run = run_to_end(&server).await;
    let id = run.function_calls()[0].id.clone();
    server.runs.submit_tool_outputs(&run.id).output(&id, "18").await.unwrap();
    poll(&server, &run).await.unwrap();
    let steps = server.runs.steps(&run.id);
    let page = steps.list().order(Order::Asc).await.unwrap();
    let kinds: Vec<_> = page.data.iter().map(|step| step.type_.clone().unwrap()).collect();
    assert_eq!(kinds, [RunStepType::ToolCalls, RunStepType::MessageCreation]);
    let StepDetails::ToolCalls(details) = &page.data[0].step_details else { panic!("{page:?}") };
    let ToolCall::Function(call) = &details.tool_calls[0] else { panic!("{details:?}") };
    assert_eq!((call.id.as_str(), call.function.output.as_deref()), (id.as_str(), Some("18")));
    assert_eq!(steps.retrieve(&page.data[1].id).await.unwrap(), page.data[1]);
    let first = steps.list().order(Order::Asc).limit(1).await.unwrap();
    assert_eq!((first.data.len(), first.has_more), (1, true));
}

#[tokio::test]
async fn poll_stream_ends_with_terminal_status() {
    let server =
        start_with_turns([Turn::text("a b").initial_delay(Duration::from_millis(30))]).await;
    let run = server.create_run().await.unwrap();
    let poll = poll(&server, &run).interval(Duration::from_millis(1));
    let mut updates = poll.watch();
    let mut statuses = Vec::new();
    while let Some(run) = updates.try_next().await.unwrap() {
        statuses.push(run.run.status);
    }
    assert!(statuses.contains(&RunStatus::InProgress), "{statuses:?}");
    assert_eq!(statuses.last(), Some(&RunStatus::Completed));
}

#[tokio::test]
async fn unknown_ids_are_not_found_errors() {
    let server = start_with_turns([]).await;
    let errors = [
        (server.runs.retrieve("run_X").await.unwrap_err(), "No run found with id 'run_X'."),
        (
            server.client.runs("thread_X").create(&server.assistant_id).await.unwrap_err(),
            "No thread found with id 'thread_X'.",
        ),
        (server.runs.create("asst_X").await.unwrap_err(), "No assistant found with id 'asst_X'."),
    ];
    for (error, message) in errors {
        assert!(error.is_not_found(), "{error:?}");
        assert_eq!((error.kind(), error.message()), (ErrorKind::Api, message));
        assert_eq!(error.error_type(), Some("invalid_request_error"));
        assert!(error.request_id().is_some_and(|id| id.starts_with("req")), "{error:?}");
    }
}

#[tokio::test]
async fn thread_with_active_run_rejects_runs_and_messages() {
    let server = start_with_turns([Turn::stall()]).await;
    let run = server.create_run().await.unwrap();
    let (thread, run) = (&server.thread_id, &run.id);
    let error = server.create_run().await.unwrap_err();
    assert_eq!(error.status(), Some(400));
    assert_eq!(error.message(), format!("Thread {thread} already has an active run {run}."));
    let error = server.client.messages(thread).create("More").await.unwrap_err();
    assert_eq!(error.status(), Some(400));
    assert_eq!(
        error.message(),
        format!("Can't add messages to {thread} while a run {run} is active.")
    );
}

#[tokio::test]
async fn mismatched_tool_outputs_are_rejected() {
    let server =
        start_with_turns([weather_call().and_call("get_weather", json!({"city": "Rome"}))]).await;
    let run = run_to_end(&server).await;
    let calls = run.function_calls();
    let (a, b) = (&calls[0].id, &calls[1].id);
    let submit = || server.runs.submit_tool_outputs(&run.id);
    let error = submit().output(a, "1").await.unwrap_err();
    assert_eq!(
        error.message(),
        format!("Expected tool outputs for call_ids ['{a}', '{b}'], got ['{a}']")
    );
    let error = submit().output(a, "1").output(a, "2").await.unwrap_err();
    assert_eq!(error.message(), format!("Duplicate call_ids submitted: ['{a}', '{a}']"));
}

#[tokio::test]
async fn terminal_run_rejects_outputs_and_cancel() {
    let server = start_with_turns([Turn::text("Yes.")]).await;
    let run = run_to_end(&server).await;
    let error = server.runs.cancel(&run.id).await.unwrap_err();
    assert_eq!(error.message(), "Cannot cancel run with status 'completed'.");
    let error = server.runs.submit_tool_outputs(&run.id).output("call_1", "").await.unwrap_err();
    assert_eq!(error.message(), "Runs in status \"completed\" do not accept tool outputs.");
}

#[tokio::test]
async fn two_clients_share_a_run() {
    let server = start_with_turns([weather_call(), Turn::text("18 degrees.")]).await;
    let other = Client::builder(server.base_url()).build().unwrap().runs(&server.thread_id);
    let run = server.create_run().await.unwrap();
    let (here, there) = tokio::join!(poll(&server, &run), other.poll(&run.id));
    let (here, there) = (here.unwrap(), there.unwrap());
    assert_eq!(here, there);
    other.submit_tool_outputs(&run.id).output(&there.function_calls()[0].id, "18").await.unwrap();
    assert_eq!(poll(&server, &run).await.unwrap().status, RunStatus::Completed);
}

#[tokio::test]
async fn two_clients_run_two_threads_concurrently() {
    let server = start_with_turns([Turn::text("Yes."), Turn::text("Yes.")]).await;
    let other = Client::builder(server.base_url()).build().unwrap();
    let thread = other.threads().create().user_message("Hello").await.unwrap();
    let runs = other.runs(&thread.id);
    let (first, second) = tokio::join!(run_to_end(&server), async {
        let run = runs.create(&server.assistant_id).await.unwrap();
        runs.poll(&run.id).await.unwrap()
    });
    assert_eq!((first.status, second.status), (RunStatus::Completed, RunStatus::Completed));
    assert_ne!(first.id, second.id);
}
