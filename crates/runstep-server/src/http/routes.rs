//! The operations: where each is, what it takes, what it gives.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::RawQuery;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use runstep_api::types::{
    Assistant, AssistantList, CreateRunRequest, CreateThreadAndRunRequest, DeletedAssistant,
    DeletedMessage, DeletedThread, Message, MessageList, RunList, RunStep, RunStepList,
    SubmitToolOutputsRequest, Thread,
};

use super::access::Caller;
use super::error::ApiError;
use super::input::{Path, Query};
use super::reply::{Prefix, Reply};
use super::{App, events};

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

async fn create_assistant(
    caller: Caller,
    RawQuery(query): RawQuery,
    body: Body,
) -> Reply<Assistant> {
    Query::none(query.as_deref())?;
    let request = caller.app.decode("CreateAssistantRequest", body).await?;
    Ok(Json(caller.engine.create_assistant(request)?))
}

async fn retrieve_assistant(
    caller: Caller,
    Path(assistant_id): Path<String>,
    RawQuery(query): RawQuery,
) -> Reply<Assistant> {
    Query::none(query.as_deref())?;
    Ok(Json(caller.engine.assistant(&assistant_id)?))
}

async fn list_assistants(caller: Caller, RawQuery(query): RawQuery) -> Reply<AssistantList> {
    let page = Query::page(query.as_deref())?;
    Ok(Json(caller.engine.assistants(&page)?))
}

async fn update_assistant(
    caller: Caller,
    Path(assistant_id): Path<String>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Reply<Assistant> {
    Query::none(query.as_deref())?;
    let request = caller.app.decode("UpdateAssistantRequest", body).await?;
    Ok(Json(caller.engine.update_assistant(&assistant_id, request)?))
}

/// Takes no body, as all that delete; one that comes all the same says nothing.
async fn delete_assistant(
    caller: Caller,
    Path(assistant_id): Path<String>,
    RawQuery(query): RawQuery,
) -> Reply<DeletedAssistant> {
    Query::none(query.as_deref())?;
    Ok(Json(caller.engine.delete_assistant(&assistant_id)?))
}

async fn create_thread(caller: Caller, RawQuery(query): RawQuery, body: Body) -> Reply<Thread> {
    Query::none(query.as_deref())?;
    let request = caller.app.decode_if_any("CreateThreadRequest", body).await?;
    Ok(Json(caller.engine.create_thread(request)?))
}

async fn retrieve_thread(
    caller: Caller,
    Path(thread_id): Path<String>,
    RawQuery(query): RawQuery,
) -> Reply<Thread> {
    Query::none(query.as_deref())?;
    Ok(Json(caller.engine.thread(&thread_id)?))
}

/// Here is also the thread that has the name for its id. There is none, and so it is told.
async fn retrieve_thread_runs(caller: Caller, query: RawQuery) -> Reply<Thread> {
    retrieve_thread(caller, Path("runs".to_owned()), query).await
}

async fn delete_thread_runs(caller: Caller, query: RawQuery) -> Reply<DeletedThread> {
    delete_thread(caller, Path("runs".to_owned()), query).await
}

async fn update_thread(
    caller: Caller,
    Path(thread_id): Path<String>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Reply<Thread> {
    Query::none(query.as_deref())?;
    let request = caller.app.decode("UpdateThreadRequest", body).await?;
    Ok(Json(caller.engine.update_thread(&thread_id, request)?))
}

async fn delete_thread(
    caller: Caller,
    Path(thread_id): Path<String>,
    RawQuery(query): RawQuery,
) -> Reply<DeletedThread> {
    Query::none(query.as_deref())?;
    Ok(Json(caller.engine.delete_thread(&thread_id)?))
}

async fn create_message(
    caller: Caller,
    Path(thread_id): Path<String>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Reply<Message> {
    Query::none(query.as_deref())?;
    let request = caller.app.decode("CreateMessageRequest", body).await?;
    Ok(Json(caller.engine.create_message(&thread_id, request)?))
}

async fn list_messages(
    caller: Caller,
    Path(thread_id): Path<String>,
    RawQuery(query): RawQuery,
) -> Reply<MessageList> {
    let (page, run_id) = Query::page_of_messages(query.as_deref())?;
    Ok(Json(caller.engine.messages(&thread_id, run_id.as_deref(), &page)?))
}

async fn retrieve_message(
    caller: Caller,
    Path((thread_id, message_id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Reply<Message> {
    Query::none(query.as_deref())?;
    Ok(Json(caller.engine.message(&thread_id, &message_id)?))
}

async fn update_message(
    caller: Caller,
    Path((thread_id, message_id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Reply<Message> {
    Query::none(query.as_deref())?;
    let request = caller.app.decode("UpdateMessageRequest", body).await?;
    Ok(Json(caller.engine.update_message(&thread_id, &message_id, request)?))
}

async fn delete_message(
    caller: Caller,
    Path((thread_id, message_id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Reply<DeletedMessage> {
    Query::none(query.as_deref())?;
    Ok(Json(caller.engine.delete_message(&thread_id, &message_id)?))
}

async fn create_run(
    caller: Caller,
    prefix: Prefix,
    Path(thread_id): Path<String>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, ApiError> {
    Query::include(query.as_deref())?;
    let request: CreateRunRequest = caller.app.decode("CreateRunRequest", body).await?;
    let place = caller.app.place(&request.stream)?;
    let (run, listener) = caller.engine.create_run(&thread_id, request)?;
    Ok(caller.app.run_or_events(run, listener.zip(place), &prefix))
}

async fn create_thread_and_run(
    caller: Caller,
    prefix: Prefix,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, ApiError> {
    Query::none(query.as_deref())?;
    let request: CreateThreadAndRunRequest =
        caller.app.decode("CreateThreadAndRunRequest", body).await?;
    let place = caller.app.place(&request.stream)?;
    let (run, listener) = caller.engine.create_thread_and_run(request)?;
    Ok(caller.app.run_or_events(run, listener.zip(place), &prefix))
}

async fn list_runs(
    caller: Caller,
    Path(thread_id): Path<String>,
    RawQuery(query): RawQuery,
) -> Reply<RunList> {
    let page = Query::page(query.as_deref())?;
    Ok(Json(caller.engine.runs(&thread_id, &page)?))
}

/// A run; or its events from where a stream was lost, while they are kept.
async fn retrieve_run(
    caller: Caller,
    prefix: Prefix,
    Path((thread_id, run_id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    Query::none(query.as_deref())?;
    if let Some(event) = events::resumed_after(&headers)
        && let Some(listener) = caller.engine.listen_after(&thread_id, &run_id, event)?
    {
        let place = caller.app.stream_place()?;
        return Ok(caller.app.events(listener, place, &prefix.of_run(&thread_id, &run_id)));
    }
    Ok(caller.app.run(caller.engine.run(&thread_id, &run_id)?))
}

async fn update_run(
    caller: Caller,
    Path((thread_id, run_id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, ApiError> {
    Query::none(query.as_deref())?;
    let request = caller.app.decode("UpdateRunRequest", body).await?;
    Ok(caller.app.run(caller.engine.update_run(&thread_id, &run_id, request)?))
}

/// Takes no body; one that comes all the same says nothing.
async fn cancel_run(
    caller: Caller,
    Path((thread_id, run_id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    Query::none(query.as_deref())?;
    Ok(caller.app.run(caller.engine.cancel_run(&thread_id, &run_id)?))
}

async fn submit_tool_outputs(
    caller: Caller,
    prefix: Prefix,
    Path((thread_id, run_id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, ApiError> {
    Query::none(query.as_deref())?;
    let request: SubmitToolOutputsRequest =
        caller.app.decode("SubmitToolOutputsRequest", body).await?;
    let place = caller.app.place(&request.stream)?;
    let (run, listener) = caller.engine.submit_tool_outputs(&thread_id, &run_id, &request)?;
    Ok(caller.app.run_or_events(run, listener.zip(place), &prefix))
}

async fn list_steps(
    caller: Caller,
    Path((thread_id, run_id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Reply<RunStepList> {
    let page = Query::page_of_steps(query.as_deref())?;
    Ok(Json(caller.engine.steps(&thread_id, &run_id, &page)?))
}

async fn retrieve_step(
    caller: Caller,
    Path((thread_id, run_id, step_id)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
) -> Reply<RunStep> {
    Query::include(query.as_deref())?;
    Ok(Json(caller.engine.step(&thread_id, &run_id, &step_id)?))
}
