//! The real client at the real server.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

use std::time::Duration;

use runstep::prelude::*;
use runstep::types::{
    FunctionDefinition, FunctionTool, MessageRole, Order, Run, RunErrorCode, RunStatus,
    RunStepType, StepDetails, ToolCall, ToolChoice,
};
use runstep::{Client, ErrorKind, Poll, Runs};
use runstep_server::model::{ConversationItem, Model, ModelErrorKind, Offline, Scripted, Turn};
use runstep_server::{RunningServer, Server};
use serde_json::{Value, json};

struct World {
    server: RunningServer,
    client: Client,
    assistant_id: String,
    thread_id: String,
    runs: Runs,
}

/// A server with an assistant, and a thread on which the user asked for the weather.
async fn world(model: impl Model) -> World {
    let builder = Server::builder().model(model).poll_after(Duration::from_millis(2));
    let server = builder.spawn().await.unwrap();
    let client = Client::builder(server.base_url()).build().unwrap();
    let assistant = client.assistants().create("offline").tool(get_weather()).await.unwrap();
    let thread = client.threads().create().user_message("How is it in Paris?").await.unwrap();
    let runs = client.runs(&thread.id);
    World { server, client, assistant_id: assistant.id, thread_id: thread.id, runs }
}

impl World {
    async fn create(&self) -> Run {
        self.runs.create(&self.assistant_id).await.unwrap()
    }

    async fn run(&self) -> Run {
        let run = self.create().await;
        self.poll(&run).await.unwrap()
    }

    /// A poll that gives up before the test run does.
    fn poll(&self, run: &Run) -> Poll {
        self.runs.poll(&run.id).deadline(Duration::from_secs(5))
    }
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

fn call() -> Turn {
    Turn::call("get_weather", json!({"city": "Paris"}))
}

#[tokio::test]
async fn a_run_is_queued_at_first_and_completed_in_the_end() {
    let world = world(Scripted::new([Turn::say("It is sunny.").usage(12, 5)])).await;
    let run = world.create().await;
    assert_eq!(run.status, RunStatus::Queued);
    assert_eq!(run.thread_id, world.thread_id);
    assert_eq!(run.assistant_id.as_ref(), Some(&world.assistant_id));
    assert!(!run.is_terminal() && run.usage.is_none() && run.expires_at.is_some());
    let run = world.poll(&run).await.unwrap();
    assert_eq!(run.status, RunStatus::Completed);
    assert!(run.is_terminal() && run.completed_at.is_some() && run.expires_at.is_none());
    assert_eq!(run.usage.map(|usage| usage.total_tokens), Some(17));
}

#[tokio::test]
async fn a_runs_answer_is_a_message_of_the_thread() {
    let world = world(Scripted::new([Turn::say("It is sunny.")])).await;
    let run = world.run().await;
    let messages = world.client.messages(&world.thread_id);
    let page = messages.list().run_id(&run.id).await.unwrap();
    assert_eq!(page.data.len(), 1);
    assert_eq!(page.data[0].text(), "It is sunny.");
    let all = messages.list().order(Order::Asc).await.unwrap();
    let roles: Vec<_> = all.data.iter().map(|message| message.role.clone()).collect();
    assert_eq!(roles, [MessageRole::User, MessageRole::Assistant]);
    let one = messages.retrieve(&page.data[0].id).await.unwrap();
    assert_eq!(one, page.data[0]);
}

#[tokio::test]
async fn a_function_is_called_and_its_output_used() {
    let model = Scripted::new([call(), Turn::say("18 degrees.")]);
    let world = world(model.clone()).await;
    let run = world.run().await;
    assert_eq!(run.status, RunStatus::RequiresAction);
    let calls = run.function_calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].function.name, "get_weather");
    let arguments: Value = serde_json::from_str(&calls[0].function.arguments).unwrap();
    assert_eq!(arguments, json!({"city": "Paris"}));
    let submitted = world.runs.submit_tool_outputs(&run.id).output(&calls[0].id, "18").await;
    let submitted = submitted.unwrap();
    assert!(submitted.function_calls().is_empty() && !submitted.is_terminal());
    assert_eq!(world.poll(&run).await.unwrap().status, RunStatus::Completed);
    let asked = model.requests();
    let output =
        ConversationItem::ToolOutput { call_id: calls[0].id.clone(), output: "18".to_owned() };
    assert_eq!(asked[1].conversation.last(), Some(&output));
}

#[tokio::test]
async fn the_offline_model_calls_what_it_is_offered() {
    let world = world(Offline::new()).await;
    let run = world.run().await;
    let mut outputs = world.runs.submit_tool_outputs(&run.id);
    for call in run.function_calls() {
        outputs = outputs.output(&call.id, "18 degrees");
    }
    let run = outputs.await.unwrap();
    let run = world.poll(&run).await.unwrap();
    assert_eq!(run.status, RunStatus::Completed);
    let page = world.client.messages(&world.thread_id).list().limit(1).await.unwrap();
    assert!(page.data[0].text().contains("18 degrees"), "{}", page.data[0].text());
    assert!(page.has_more);
}

#[tokio::test]
async fn a_thread_is_created_and_run_at_once() {
    let model = Scripted::new([Turn::say("Ahoy.")]);
    let world = world(model.clone()).await;
    let threads = world.client.threads();
    let run = threads
        .create_and_run(&world.assistant_id)
        .user_message("Hello")
        .instructions("Be brief.")
        .tools([])
        .tool_choice(ToolChoice::None)
        .metadata("ticket", "T-1")
        .await
        .unwrap();
    assert_ne!(run.thread_id, world.thread_id);
    assert_eq!(threads.retrieve(&run.thread_id).await.unwrap().id, run.thread_id);
    let run = world.client.runs(&run.thread_id).poll(&run.id).await.unwrap();
    assert_eq!(run.status, RunStatus::Completed);
    assert_eq!(run.metadata.unwrap()["ticket"], "T-1");
    let asked = &model.requests()[0];
    assert_eq!(asked.instructions.as_deref(), Some("Be brief."));
    assert_eq!(asked.conversation, [ConversationItem::User("Hello".to_owned())]);
    assert_eq!(asked.tools, [], "an empty list replaces the assistant's tools");
}

#[tokio::test]
async fn a_run_that_stalls_is_cancelled() {
    let world = world(Scripted::new([Turn::stall()])).await;
    let run = world.create().await;
    let cancelled = world.runs.cancel(&run.id).await.unwrap();
    assert!(matches!(cancelled.status, RunStatus::Cancelling | RunStatus::Cancelled));
    let run = world.poll(&run).await.unwrap();
    assert_eq!(run.status, RunStatus::Cancelled);
    assert!(run.cancelled_at.is_some());
}

#[tokio::test]
async fn a_failed_run_says_why() {
    let turn = Turn::fail(ModelErrorKind::RateLimit, "The model is busy.");
    let run = world(Scripted::new([turn])).await.run().await;
    assert_eq!(run.status, RunStatus::Failed);
    let error = run.last_error.unwrap();
    assert_eq!(error.code, RunErrorCode::RateLimitExceeded);
    assert_eq!(error.message, "The model is busy.");
    assert!(run.failed_at.is_some());
}

#[tokio::test]
async fn an_incomplete_run_says_why() {
    let run = world(Scripted::new([Turn::say("It is").token_limit()])).await.run().await;
    assert_eq!(run.status, RunStatus::Incomplete);
    assert!(run.incomplete_details.is_some());
}

#[tokio::test]
async fn runs_are_listed_page_by_page() {
    let world = world(Scripted::new([Turn::say("1"), Turn::say("2"), Turn::say("3")])).await;
    let (one, two, three) = (world.run().await, world.run().await, world.run().await);
    let page = world.runs.list().limit(2).await.unwrap();
    let ids: Vec<&str> = page.data.iter().map(|run| run.id.as_str()).collect();
    assert_eq!(ids, [&three.id, &two.id]);
    assert!(page.has_more);
    assert_eq!(page.last_id.as_ref(), Some(&two.id));
    let page = world.runs.list().limit(2).after(&two.id).await.unwrap();
    assert_eq!((page.data, page.has_more), (vec![one.clone()], false));
    let page = world.runs.list().order(Order::Asc).before(&two.id).await.unwrap();
    assert_eq!(page.data, [one]);
}

#[tokio::test]
async fn a_run_is_retrieved_and_its_metadata_updated() {
    let world = world(Scripted::new([Turn::say("Yes.")])).await;
    let run = world.run().await;
    let updated = world.runs.update(&run.id).metadata("ticket", "T-41").await.unwrap();
    assert_eq!(updated.metadata.as_ref().unwrap()["ticket"], "T-41");
    assert_eq!(world.runs.retrieve(&run.id).await.unwrap(), updated);
}

#[tokio::test]
async fn companions_are_changed_and_deleted() {
    let world = world(Scripted::new([])).await;
    let (assistants, threads) = (world.client.assistants(), world.client.threads());
    let messages = world.client.messages(&world.thread_id);
    let (assistant, thread) = (&world.assistant_id, &world.thread_id);
    let changed = assistants.update(assistant).name("Pilot").metadata("team", "a").await.unwrap();
    assert_eq!((changed.name.as_deref(), changed.tools.len()), (Some("Pilot"), 1));
    assert_eq!(assistants.retrieve(assistant).await.unwrap(), changed);
    let changed = threads.update(thread).metadata("customer", "7").await.unwrap();
    assert_eq!(threads.retrieve(thread).await.unwrap(), changed);
    let message = messages.list().limit(1).await.unwrap().data.remove(0);
    let changed = messages.update(&message.id).metadata("seen", "yes").await.unwrap();
    assert_eq!(changed.metadata.as_ref().unwrap()["seen"], "yes");
    assert_eq!(messages.retrieve(&message.id).await.unwrap(), changed);
    let gone = messages.delete(&message.id).await.unwrap();
    assert!(gone.deleted && gone.id == message.id);
    assert!(messages.retrieve(&message.id).await.unwrap_err().is_not_found());
    assert!(assistants.delete(assistant).await.unwrap().deleted);
    assert!(assistants.retrieve(assistant).await.unwrap_err().is_not_found());
    assert!(threads.delete(thread).await.unwrap().deleted);
    assert!(threads.retrieve(thread).await.unwrap_err().is_not_found());
    assert!(threads.delete(thread).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn steps_tell_what_the_run_did() {
    let world = world(Scripted::new([call(), Turn::say("18 degrees.")])).await;
    let run = world.run().await;
    let id = run.function_calls()[0].id.clone();
    world.runs.submit_tool_outputs(&run.id).output(&id, "18").await.unwrap();
    world.poll(&run).await.unwrap();
    let steps = world.runs.steps(&run.id);
    let page = steps.list().order(Order::Asc).await.unwrap();
    let kinds: Vec<_> = page.data.iter().map(|step| step.type_.clone()).collect();
    assert_eq!(kinds, [RunStepType::ToolCalls, RunStepType::MessageCreation]);
    let StepDetails::ToolCalls(details) = &page.data[0].step_details else { panic!("{page:?}") };
    let ToolCall::Function(call) = &details.tool_calls[0] else { panic!("{details:?}") };
    assert_eq!((call.id.as_str(), call.function.output.as_deref()), (id.as_str(), Some("18")));
    assert_eq!(steps.retrieve(&page.data[1].id).await.unwrap(), page.data[1]);
    let first = steps.list().order(Order::Asc).limit(1).await.unwrap();
    assert_eq!((first.data.len(), first.has_more), (1, true));
}

#[tokio::test]
async fn the_stream_of_a_poll_ends_with_the_run() {
    let world = world(Scripted::new([Turn::say("a b").after(Duration::from_millis(30))])).await;
    let run = world.create().await;
    let poll = world.poll(&run).interval(Duration::from_millis(1));
    let mut updates = poll.into_stream();
    let mut statuses = Vec::new();
    while let Some(run) = updates.try_next().await.unwrap() {
        statuses.push(run.run.status);
    }
    assert!(statuses.contains(&RunStatus::InProgress), "{statuses:?}");
    assert_eq!(statuses.last(), Some(&RunStatus::Completed));
}

#[tokio::test]
async fn what_is_not_there_is_an_error_of_its_own() {
    let world = world(Scripted::new([])).await;
    let errors = [
        (world.runs.retrieve("run_X").await.unwrap_err(), "No run found with id 'run_X'."),
        (
            world.client.runs("thread_X").create(&world.assistant_id).await.unwrap_err(),
            "No thread found with id 'thread_X'.",
        ),
        (world.runs.create("asst_X").await.unwrap_err(), "No assistant found with id 'asst_X'."),
    ];
    for (error, message) in errors {
        assert!(error.is_not_found(), "{error:?}");
        assert_eq!((error.kind(), error.message()), (ErrorKind::Api, message));
        assert_eq!(error.error_type(), Some("invalid_request_error"));
        assert!(error.request_id().is_some_and(|id| id.starts_with("req")), "{error:?}");
    }
}

#[tokio::test]
async fn a_thread_with_an_active_run_takes_nothing_else() {
    let world = world(Scripted::new([Turn::stall()])).await;
    let run = world.create().await;
    let (thread, run) = (&world.thread_id, &run.id);
    let error = world.runs.create(&world.assistant_id).await.unwrap_err();
    assert_eq!(error.status(), Some(400));
    assert_eq!(error.message(), format!("Thread {thread} already has an active run {run}."));
    let error = world.client.messages(thread).create("More").await.unwrap_err();
    assert_eq!(error.status(), Some(400));
    assert_eq!(
        error.message(),
        format!("Can't add messages to {thread} while a run {run} is active.")
    );
}

#[tokio::test]
async fn tool_outputs_that_do_not_fit_are_refused() {
    let world =
        world(Scripted::new([call().and_call("get_weather", json!({"city": "Rome"}))])).await;
    let run = world.run().await;
    let calls = run.function_calls();
    let (a, b) = (&calls[0].id, &calls[1].id);
    let submit = || world.runs.submit_tool_outputs(&run.id);
    let error = submit().output(a, "1").await.unwrap_err();
    assert_eq!(
        error.message(),
        format!("Expected tool outputs for call_ids ['{a}', '{b}'], got ['{a}']")
    );
    let error = submit().output(a, "1").output(a, "2").await.unwrap_err();
    assert_eq!(error.message(), format!("Duplicate call_ids submitted: ['{a}', '{a}']"));
}

#[tokio::test]
async fn an_ended_run_takes_neither_outputs_nor_a_cancel() {
    let world = world(Scripted::new([Turn::say("Yes.")])).await;
    let run = world.run().await;
    let error = world.runs.cancel(&run.id).await.unwrap_err();
    assert_eq!(error.message(), "Cannot cancel run with status 'completed'.");
    let error = world.runs.submit_tool_outputs(&run.id).output("call_1", "").await.unwrap_err();
    assert_eq!(error.message(), "Runs in status \"completed\" do not accept tool outputs.");
}

#[tokio::test]
async fn two_clients_see_the_same_run() {
    let world = world(Scripted::new([call(), Turn::say("18 degrees.")])).await;
    let other = Client::builder(world.server.base_url()).build().unwrap().runs(&world.thread_id);
    let run = world.create().await;
    let (here, there) = tokio::join!(world.poll(&run), other.poll(&run.id));
    let (here, there) = (here.unwrap(), there.unwrap());
    assert_eq!(here, there);
    other.submit_tool_outputs(&run.id).output(&there.function_calls()[0].id, "18").await.unwrap();
    assert_eq!(world.poll(&run).await.unwrap().status, RunStatus::Completed);
}

#[tokio::test]
async fn two_clients_run_two_threads_at_a_time() {
    let world = world(Scripted::new([Turn::say("Yes."), Turn::say("Yes.")])).await;
    let other = Client::builder(world.server.base_url()).build().unwrap();
    let thread = other.threads().create().user_message("Hello").await.unwrap();
    let runs = other.runs(&thread.id);
    let (one, two) = tokio::join!(world.run(), async {
        let run = runs.create(&world.assistant_id).await.unwrap();
        runs.poll(&run.id).await.unwrap()
    });
    assert_eq!((one.status, two.status), (RunStatus::Completed, RunStatus::Completed));
    assert_ne!(one.id, two.id);
}
