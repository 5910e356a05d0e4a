//! The routes of the API and their handlers, one for each operation.

use std::sync::Arc;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use runstep_api::types::{
    Assistant, AssistantList, CreateRunRequest, CreateThreadAndRunRequest, DeletedAssistant,
    DeletedMessage, DeletedThread, Message, MessageList, RunList, RunStep, RunStepList,
    SubmitToolOutputsRequest, Thread,
};

use super::app::App;
use super::caller::Caller;
use super::error::ApiError;
use super::event_stream::last_event_id;
use super::input::{Empty, Include, MessagePage, Page, Path, Query, StepPage};
use super::response::{JsonResult, Prefix};

type ThreadRun = Path<(String, String)>;
type ThreadMessage = Path<(String, String)>;

pub(super) fn routes() -> Router<Arc<App>> {
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

async fn create_assistant(caller: Caller, _: Query<Empty>, body: Body) -> JsonResult<Assistant> {
    let request = caller.app.decode("CreateAssistantRequest", body).await?;
    Ok(Json(caller.engine.create_assistant(request)?))
}

async fn retrieve_assistant(
    caller: Caller,
    Path(assistant_id): Path<String>,
    _: Query<Empty>,
) -> JsonResult<Assistant> {
    Ok(Json(caller.engine.assistant(&assistant_id)?))
}

async fn list_assistants(caller: Caller, query: Query<Page>) -> JsonResult<AssistantList> {
    Ok(Json(caller.engine.assistants(&query.page)?))
}

async fn update_assistant(
    caller: Caller,
    Path(assistant_id): Path<String>,
    _: Query<Empty>,
    body: Body,
) -> JsonResult<Assistant> {
    let request = caller.app.decode("UpdateAssistantRequest", body).await?;
    Ok(Json(caller.engine.update_assistant(&assistant_id, request)?))
}

/// Ignores a body, as all deletions do.
async fn delete_assistant(
    caller: Caller,
    Path(assistant_id): Path<String>,
    _: Query<Empty>,
) -> JsonResult<DeletedAssistant> {
    Ok(Json(caller.engine.delete_assistant(&assistant_id)?))
}

async fn create_thread(caller: Caller, _: Query<Empty>, body: Body) -> JsonResult<Thread> {
    let request = caller.app.decode_optional("CreateThreadRequest", body).await?;
    Ok(Json(caller.engine.create_thread(request)?))
}

async fn retrieve_thread(
    caller: Caller,
    Path(thread_id): Path<String>,
    _: Query<Empty>,
) -> JsonResult<Thread> {
    Ok(Json(caller.engine.thread(&thread_id)?))
}

async fn retrieve_thread_runs(caller: Caller, query: Query<Empty>) -> JsonResult<Thread> {
    retrieve_thread(caller, Path("runs".to_owned()), query).await
}

async fn delete_thread_runs(caller: Caller, query: Query<Empty>) -> JsonResult<DeletedThread> {
    delete_thread(caller, Path("runs".to_owned()), query).await
}

async fn update_thread(
    caller: Caller,
    Path(thread_id): Path<String>,
    _: Query<Empty>,
    body: Body,
) -> JsonResult<Thread> {
    let request = caller.app.decode("UpdateThreadRequest", body).await?;
    Ok(Json(caller.engine.update_thread(&thread_id, request)?))
}

async fn delete_thread(
    caller: Caller,
    Path(thread_id): Path<String>,
    _: Query<Empty>,
) -> JsonResult<DeletedThread> {
    Ok(Json(caller.engine.delete_thread(&thread_id)?))
}

async fn create_message(
    caller: Caller,
    Path(thread_id): Path<String>,
    _: Query<Empty>,
    body: Body,
) -> JsonResult<Message> {
    let request = caller.app.decode("CreateMessageRequest", body).await?;
    Ok(Json(caller.engine.create_message(&thread_id, request)?))
}

async fn list_messages(
    caller: Caller,
    Path(thread_id): Path<String>,
    query: Query<MessagePage>,
) -> JsonResult<MessageList> {
    Ok(Json(caller.engine.messages(&thread_id, query.run_id.as_deref(), &query.page)?))
}

async fn retrieve_message(
    caller: Caller,
    Path((thread_id, message_id)): ThreadMessage,
    _: Query<Empty>,
) -> JsonResult<Message> {
    Ok(Json(caller.engine.message(&thread_id, &message_id)?))
}

async fn update_message(
    caller: Caller,
    Path((thread_id, message_id)): ThreadMessage,
    _: Query<Empty>,
    body: Body,
) -> JsonResult<Message> {
    let request = caller.app.decode("UpdateMessageRequest", body).await?;
    Ok(Json(caller.engine.update_message(&thread_id, &message_id, request)?))
}

async fn delete_message(
    caller: Caller,
    Path((thread_id, message_id)): ThreadMessage,
    _: Query<Empty>,
) -> JsonResult<DeletedMessage> {
    Ok(Json(caller.engine.delete_message(&thread_id, &message_id)?))
}

async fn create_run(
    caller: Caller,
    prefix: Prefix,
    Path(thread_id): Path<String>,
    _: Query<Include>,
    body: Body,
) -> Result<Response, ApiError> {
    let request: CreateRunRequest = caller.app.decode("CreateRunRequest", body).await?;
    let permit = caller.app.stream_permit_if(&request.stream)?;
    let (run, subscriber) = caller.engine.create_run(&thread_id, request)?;
    Ok(caller.app.run_or_events(run, subscriber.zip(permit), &prefix))
}

async fn create_thread_and_run(
    caller: Caller,
    prefix: Prefix,
    _: Query<Empty>,
    body: Body,
) -> Result<Response, ApiError> {
    let request: CreateThreadAndRunRequest =
        caller.app.decode("CreateThreadAndRunRequest", body).await?;
    let permit = caller.app.stream_permit_if(&request.stream)?;
    let (run, subscriber) = caller.engine.create_thread_and_run(request)?;
    Ok(caller.app.run_or_events(run, subscriber.zip(permit), &prefix))
}

async fn list_runs(
    caller: Caller,
    Path(thread_id): Path<String>,
    query: Query<Page>,
) -> JsonResult<RunList> {
    Ok(Json(caller.engine.runs(&thread_id, &query.page)?))
}

/// Returns a run, or resumes its event stream if the events after `Last-Event-ID` are retained.
async fn retrieve_run(
    caller: Caller,
    prefix: Prefix,
    Path((thread_id, run_id)): ThreadRun,
    _: Query<Empty>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if let Some(event) = last_event_id(&headers)
        && let Some(subscriber) = caller.engine.subscribe_after(&thread_id, &run_id, event)?
    {
        let permit = caller.app.stream_permit()?;
        let path = prefix.run_path(&thread_id, &run_id);
        return Ok(caller.app.event_stream(subscriber, permit, &path));
    }
    Ok(caller.app.run(caller.engine.run(&thread_id, &run_id)?))
}

async fn update_run(
    caller: Caller,
    Path((thread_id, run_id)): ThreadRun,
    _: Query<Empty>,
    body: Body,
) -> Result<Response, ApiError> {
    let request = caller.app.decode("UpdateRunRequest", body).await?;
    Ok(caller.app.run(caller.engine.update_run(&thread_id, &run_id, request)?))
}

/// Ignores a body.
async fn cancel_run(
    caller: Caller,
    Path((thread_id, run_id)): ThreadRun,
    _: Query<Empty>,
) -> Result<Response, ApiError> {
    Ok(caller.app.run(caller.engine.cancel_run(&thread_id, &run_id)?))
}

async fn submit_tool_outputs(
    caller: Caller,
    prefix: Prefix,
    Path((thread_id, run_id)): ThreadRun,
    _: Query<Empty>,
    body: Body,
) -> Result<Response, ApiError> {
    let request: SubmitToolOutputsRequest =
        caller.app.decode("SubmitToolOutputsRequest", body).await?;
    let permit = caller.app.stream_permit_if(&request.stream)?;
    let (run, subscriber) = caller.engine.submit_tool_outputs(&thread_id, &run_id, &request)?;
    Ok(caller.app.run_or_events(run, subscriber.zip(permit), &prefix))
}

async fn list_steps(
    caller: Caller,
    Path((thread_id, run_id)): ThreadRun,
    query: Query<StepPage>,
) -> JsonResult<RunStepList> {
    Ok(Json(caller.engine.steps(&thread_id, &run_id, &query.page)?))
}

async fn retrieve_step(
    caller: Caller,
    Path((thread_id, run_id, step_id)): Path<(String, String, String)>,
    _: Query<Include>,
) -> JsonResult<RunStep> {
    Ok(Json(caller.engine.step(&thread_id, &run_id, &step_id)?))
}
