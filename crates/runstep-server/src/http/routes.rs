//! The routes of the API and their handlers, one for each operation.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::routing::{get, post};
use axum::{Json, Router};
use runstep_api::types::{
    CreateRunRequest, CreateThreadAndRunRequest, DeletedAssistant, DeletedMessage, DeletedThread,
    SubmitToolOutputsRequest,
};

use super::body::RequestBody;
use super::caller::Caller;
use super::event_stream::last_event_id;
use super::query::{Include, MessagePage, Page, Query, StepPage};
use super::response::{JsonResult, JsonText, Prefix, RunResult, TextResult};
use super::state::ServerState;

/// The ids of a thread and of an object on it.
type TwoIds = (String, String);
/// The ids of a thread, a run and a step.
type StepIds = (String, String, String);

pub(super) fn routes() -> Router<Arc<ServerState>> {
    Router::new()
        .route("/assistants", get(list_assistants).post(create_assistant))
        .route(
            "/assistants/{assistant_id}",
            get(retrieve_assistant).post(update_assistant).delete(delete_assistant),
        )
        .route("/threads", post(create_thread))
        .route(
            "/threads/runs",
            // The path of a thread with the id `runs`, which does not exist, is the same.
            get(retrieve_thread_runs).post(create_thread_and_run).delete(delete_thread_runs),
        )
        .route(
            "/threads/{thread_id}",
            get(retrieve_thread).post(update_thread).delete(delete_thread),
        )
        .route("/threads/{thread_id}/messages", get(list_messages).post(create_message))
        .route(
            "/threads/{thread_id}/messages/{message_id}",
            get(retrieve_message).post(update_message).delete(delete_message),
        )
        .route("/threads/{thread_id}/runs", get(list_runs).post(create_run))
        .route("/threads/{thread_id}/runs/{run_id}", get(retrieve_run).post(update_run))
        .route("/threads/{thread_id}/runs/{run_id}/cancel", post(cancel_run))
        .route("/threads/{thread_id}/runs/{run_id}/submit_tool_outputs", post(submit_tool_outputs))
        .route("/threads/{thread_id}/runs/{run_id}/steps", get(list_steps))
        .route("/threads/{thread_id}/runs/{run_id}/steps/{step_id}", get(retrieve_step))
}

async fn create_assistant(caller: Caller, body: RequestBody) -> TextResult {
    let request = caller.state.decode("CreateAssistantRequest", body).await?;
    Ok(JsonText(caller.engine.create_assistant(request).await?))
}

async fn retrieve_assistant(caller: Caller<String>) -> TextResult {
    Ok(JsonText(caller.engine.assistant(&caller.ids).await?))
}

async fn list_assistants(caller: Caller<(), Page>) -> TextResult {
    Ok(JsonText(caller.engine.assistants(&caller.query.page).await?))
}

async fn update_assistant(caller: Caller<String>, body: RequestBody) -> TextResult {
    let request = caller.state.decode("UpdateAssistantRequest", body).await?;
    Ok(JsonText(caller.engine.update_assistant(&caller.ids, request).await?))
}

/// Ignores a body, as all deletions do.
async fn delete_assistant(caller: Caller<String>) -> JsonResult<DeletedAssistant> {
    Ok(Json(caller.engine.delete_assistant(&caller.ids).await?))
}

async fn create_thread(caller: Caller, body: RequestBody) -> TextResult {
    let request = caller.state.decode_optional("CreateThreadRequest", body).await?;
    Ok(JsonText(caller.engine.create_thread(request).await?))
}

async fn retrieve_thread(caller: Caller<String>) -> TextResult {
    Ok(JsonText(caller.engine.thread(&caller.ids).await?))
}

async fn retrieve_thread_runs(caller: Caller) -> TextResult {
    Ok(JsonText(caller.engine.thread("runs").await?))
}

async fn delete_thread_runs(caller: Caller) -> JsonResult<DeletedThread> {
    Ok(Json(caller.engine.delete_thread("runs").await?))
}

async fn update_thread(caller: Caller<String>, body: RequestBody) -> TextResult {
    let request = caller.state.decode("UpdateThreadRequest", body).await?;
    Ok(JsonText(caller.engine.update_thread(&caller.ids, request).await?))
}

async fn delete_thread(caller: Caller<String>) -> JsonResult<DeletedThread> {
    Ok(Json(caller.engine.delete_thread(&caller.ids).await?))
}

async fn create_message(caller: Caller<String>, body: RequestBody) -> TextResult {
    let request = caller.state.decode("CreateMessageRequest", body).await?;
    Ok(JsonText(caller.engine.create_message(&caller.ids, request).await?))
}

async fn list_messages(caller: Caller<String, MessagePage>) -> TextResult {
    let run_id = caller.query.run_id.as_deref();
    Ok(JsonText(caller.engine.messages(&caller.ids, run_id, &caller.query.page).await?))
}

async fn retrieve_message(caller: Caller<TwoIds>) -> TextResult {
    let (thread_id, message_id) = &caller.ids;
    Ok(JsonText(caller.engine.message(thread_id, message_id).await?))
}

async fn update_message(caller: Caller<TwoIds>, body: RequestBody) -> TextResult {
    let (thread_id, message_id) = &caller.ids;
    let request = caller.state.decode("UpdateMessageRequest", body).await?;
    Ok(JsonText(caller.engine.update_message(thread_id, message_id, request).await?))
}

async fn delete_message(caller: Caller<TwoIds>) -> JsonResult<DeletedMessage> {
    let (thread_id, message_id) = &caller.ids;
    Ok(Json(caller.engine.delete_message(thread_id, message_id).await?))
}

async fn create_run(
    caller: Caller<String, Include>,
    prefix: Prefix,
    body: RequestBody,
) -> RunResult {
    let request: CreateRunRequest = caller.state.decode("CreateRunRequest", body).await?;
    let with_passages = caller.query.with_passages;
    let permit = caller.state.stream_permit_if(&request.stream)?;
    let _token = caller.state.begin_run()?;
    let (run, subscriber) = caller.engine.create_run(&caller.ids, request, with_passages).await?;
    Ok(caller.state.run_or_events(run, subscriber.zip(permit), &prefix))
}

async fn create_thread_and_run(caller: Caller, prefix: Prefix, body: RequestBody) -> RunResult {
    let request: CreateThreadAndRunRequest =
        caller.state.decode("CreateThreadAndRunRequest", body).await?;
    let permit = caller.state.stream_permit_if(&request.stream)?;
    let _token = caller.state.begin_run()?;
    let (run, subscriber) = caller.engine.create_thread_and_run(request).await?;
    Ok(caller.state.run_or_events(run, subscriber.zip(permit), &prefix))
}

async fn list_runs(caller: Caller<String, Page>) -> TextResult {
    Ok(JsonText(caller.engine.runs(&caller.ids, &caller.query.page).await?))
}

/// Returns a run, or resumes its event stream if the events after `Last-Event-ID` are retained.
async fn retrieve_run(caller: Caller<TwoIds>, prefix: Prefix, headers: HeaderMap) -> RunResult {
    let (thread_id, run_id) = &caller.ids;
    if let Some(event) = last_event_id(&headers)
        && let Some(subscriber) = caller.engine.subscribe_after(thread_id, run_id, event).await?
    {
        let permit = caller.state.stream_permit()?;
        let path = prefix.run_path(thread_id, run_id);
        return Ok(caller.state.event_stream(subscriber, permit, &path));
    }
    Ok(caller.state.run(caller.engine.run(thread_id, run_id).await?))
}

async fn update_run(caller: Caller<TwoIds>, body: RequestBody) -> RunResult {
    let (thread_id, run_id) = &caller.ids;
    let request = caller.state.decode("UpdateRunRequest", body).await?;
    Ok(caller.state.run(caller.engine.update_run(thread_id, run_id, request).await?))
}

/// Ignores a body.
async fn cancel_run(caller: Caller<TwoIds>) -> RunResult {
    let (thread_id, run_id) = &caller.ids;
    Ok(caller.state.run(caller.engine.cancel_run(thread_id, run_id).await?))
}

async fn submit_tool_outputs(
    caller: Caller<TwoIds>,
    prefix: Prefix,
    body: RequestBody,
) -> RunResult {
    let (thread_id, run_id) = &caller.ids;
    let request: SubmitToolOutputsRequest =
        caller.state.decode("SubmitToolOutputsRequest", body).await?;
    let permit = caller.state.stream_permit_if(&request.stream)?;
    let (run, subscriber) = caller.engine.submit_tool_outputs(thread_id, run_id, &request).await?;
    Ok(caller.state.run_or_events(run, subscriber.zip(permit), &prefix))
}

async fn list_steps(caller: Caller<TwoIds, StepPage>) -> TextResult {
    let (thread_id, run_id) = &caller.ids;
    let Query { page, with_passages, .. } = &caller.query;
    Ok(JsonText(caller.engine.steps(thread_id, run_id, page, *with_passages).await?))
}

async fn retrieve_step(caller: Caller<StepIds, Include>) -> TextResult {
    let (thread_id, run_id, step_id) = &caller.ids;
    let with_passages = caller.query.with_passages;
    Ok(JsonText(caller.engine.step(thread_id, run_id, step_id, with_passages).await?))
}
