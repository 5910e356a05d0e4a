//! The operations: where each is, what it takes, what it gives.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use runstep_api::types::{
    Assistant, AssistantList, DeletedAssistant, DeletedMessage, DeletedThread, Message,
    MessageList, RunList, RunStep, RunStepList, Thread,
};

use super::App;
use super::error::ApiError;
use super::input::{Path, Query};
use super::reply::Reply;

type Shared = State<Arc<App>>;

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
    State(app): Shared,
    RawQuery(query): RawQuery,
    body: Body,
) -> Reply<Assistant> {
    Query::none(query.as_deref())?;
    let request = app.decode("CreateAssistantRequest", body).await?;
    Ok(Json(app.engine.create_assistant(request)?))
}

async fn retrieve_assistant(
    State(app): Shared,
    Path(assistant_id): Path<String>,
    RawQuery(query): RawQuery,
) -> Reply<Assistant> {
    Query::none(query.as_deref())?;
    Ok(Json(app.engine.assistant(&assistant_id)?))
}

async fn list_assistants(State(app): Shared, RawQuery(query): RawQuery) -> Reply<AssistantList> {
    let page = Query::page(query.as_deref())?;
    Ok(Json(app.engine.assistants(&page)?))
}

async fn update_assistant(
    State(app): Shared,
    Path(assistant_id): Path<String>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Reply<Assistant> {
    Query::none(query.as_deref())?;
    let request = app.decode("UpdateAssistantRequest", body).await?;
    Ok(Json(app.engine.update_assistant(&assistant_id, request)?))
}

/// Takes no body, as all that delete; one that comes all the same says nothing.
async fn delete_assistant(
    State(app): Shared,
    Path(assistant_id): Path<String>,
    RawQuery(query): RawQuery,
) -> Reply<DeletedAssistant> {
    Query::none(query.as_deref())?;
    Ok(Json(app.engine.delete_assistant(&assistant_id)?))
}

async fn create_thread(State(app): Shared, RawQuery(query): RawQuery, body: Body) -> Reply<Thread> {
    Query::none(query.as_deref())?;
    let request = app.decode("CreateThreadRequest", body).await?;
    Ok(Json(app.engine.create_thread(request)?))
}

async fn retrieve_thread(
    State(app): Shared,
    Path(thread_id): Path<String>,
    RawQuery(query): RawQuery,
) -> Reply<Thread> {
    Query::none(query.as_deref())?;
    Ok(Json(app.engine.thread(&thread_id)?))
}

/// Here is also the thread that has the name for its id. There is none, and so it is told.
async fn retrieve_thread_runs(app: Shared, query: RawQuery) -> Reply<Thread> {
    retrieve_thread(app, Path("runs".to_owned()), query).await
}

async fn delete_thread_runs(app: Shared, query: RawQuery) -> Reply<DeletedThread> {
    delete_thread(app, Path("runs".to_owned()), query).await
}

async fn update_thread(
    State(app): Shared,
    Path(thread_id): Path<String>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Reply<Thread> {
    Query::none(query.as_deref())?;
    let request = app.decode("UpdateThreadRequest", body).await?;
    Ok(Json(app.engine.update_thread(&thread_id, request)?))
}

async fn delete_thread(
    State(app): Shared,
    Path(thread_id): Path<String>,
    RawQuery(query): RawQuery,
) -> Reply<DeletedThread> {
    Query::none(query.as_deref())?;
    Ok(Json(app.engine.delete_thread(&thread_id)?))
}

async fn create_message(
    State(app): Shared,
    Path(thread_id): Path<String>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Reply<Message> {
    Query::none(query.as_deref())?;
    let request = app.decode("CreateMessageRequest", body).await?;
    Ok(Json(app.engine.create_message(&thread_id, request)?))
}

async fn list_messages(
    State(app): Shared,
    Path(thread_id): Path<String>,
    RawQuery(query): RawQuery,
) -> Reply<MessageList> {
    let (page, run_id) = Query::page_of_messages(query.as_deref())?;
    Ok(Json(app.engine.messages(&thread_id, run_id.as_deref(), &page)?))
}

async fn retrieve_message(
    State(app): Shared,
    Path((thread_id, message_id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Reply<Message> {
    Query::none(query.as_deref())?;
    Ok(Json(app.engine.message(&thread_id, &message_id)?))
}

async fn update_message(
    State(app): Shared,
    Path((thread_id, message_id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Reply<Message> {
    Query::none(query.as_deref())?;
    let request = app.decode("UpdateMessageRequest", body).await?;
    Ok(Json(app.engine.update_message(&thread_id, &message_id, request)?))
}

async fn delete_message(
    State(app): Shared,
    Path((thread_id, message_id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Reply<DeletedMessage> {
    Query::none(query.as_deref())?;
    Ok(Json(app.engine.delete_message(&thread_id, &message_id)?))
}

async fn create_run(
    State(app): Shared,
    Path(thread_id): Path<String>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, ApiError> {
    Query::include(query.as_deref())?;
    let request = app.decode("CreateRunRequest", body).await?;
    Ok(app.run_or_events(app.engine.create_run(&thread_id, request)?))
}

async fn create_thread_and_run(
    State(app): Shared,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, ApiError> {
    Query::none(query.as_deref())?;
    let request = app.decode("CreateThreadAndRunRequest", body).await?;
    Ok(app.run_or_events(app.engine.create_thread_and_run(request)?))
}

async fn list_runs(
    State(app): Shared,
    Path(thread_id): Path<String>,
    RawQuery(query): RawQuery,
) -> Reply<RunList> {
    let page = Query::page(query.as_deref())?;
    Ok(Json(app.engine.runs(&thread_id, &page)?))
}

async fn retrieve_run(
    State(app): Shared,
    Path((thread_id, run_id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    Query::none(query.as_deref())?;
    Ok(app.run(app.engine.run(&thread_id, &run_id)?))
}

async fn update_run(
    State(app): Shared,
    Path((thread_id, run_id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, ApiError> {
    Query::none(query.as_deref())?;
    let request = app.decode("UpdateRunRequest", body).await?;
    Ok(app.run(app.engine.update_run(&thread_id, &run_id, request)?))
}

/// Takes no body; one that comes all the same says nothing.
async fn cancel_run(
    State(app): Shared,
    Path((thread_id, run_id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    Query::none(query.as_deref())?;
    Ok(app.run(app.engine.cancel_run(&thread_id, &run_id)?))
}

async fn submit_tool_outputs(
    State(app): Shared,
    Path((thread_id, run_id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, ApiError> {
    Query::none(query.as_deref())?;
    let request = app.decode("SubmitToolOutputsRequest", body).await?;
    Ok(app.run_or_events(app.engine.submit_tool_outputs(&thread_id, &run_id, &request)?))
}

async fn list_steps(
    State(app): Shared,
    Path((thread_id, run_id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Reply<RunStepList> {
    let page = Query::page_of_steps(query.as_deref())?;
    Ok(Json(app.engine.steps(&thread_id, &run_id, &page)?))
}

async fn retrieve_step(
    State(app): Shared,
    Path((thread_id, run_id, step_id)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
) -> Reply<RunStep> {
    Query::include(query.as_deref())?;
    Ok(Json(app.engine.step(&thread_id, &run_id, &step_id)?))
}
