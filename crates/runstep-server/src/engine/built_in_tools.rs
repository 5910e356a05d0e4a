//! The built-in tools of a request to the model, with their resources.

use runstep_api::Field;
use runstep_api::types::{CreateToolResources, FileSearchResources, Thread, Tool, ToolResources};

use super::context::EngineContext;
use super::objects;
use super::run_state::RunState;
use crate::model::{CodeInterpreter, FileSearch, ModelRequest};
use crate::store::{Collection, RunKey, StoreError};

/// Adds the built-in tools of a run.
pub(super) async fn add(
    context: &EngineContext,
    key: &RunKey,
    state: &RunState,
    request: &mut ModelRequest,
) -> Result<(), StoreError> {
    let tools = state.texts.built_in_tools()?;
    if tools.is_empty() {
        return Ok(());
    }
    let thread = context.store.object(&key.namespace, Collection::Threads, &key.thread).await?;
    let thread: Thread = objects::decode(&thread.json)?;
    let resources = [state.hidden.tool_resources.as_ref(), thread.tool_resources.as_ref()];
    for tool in &tools {
        match tool {
            Tool::CodeInterpreter(_) => {
                let files = resources.iter().flatten().filter_map(|resources| {
                    resources.code_interpreter.as_ref()?.file_ids.as_deref()
                });
                let file_ids = distinct(files.flatten());
                request.code_interpreter = Some(CodeInterpreter { file_ids });
            }
            Tool::FileSearch(tool) => {
                let stores = resources.iter().flatten().filter_map(|resources| {
                    resources.file_search.as_ref()?.vector_store_ids.as_deref()
                });
                let options = tool.file_search.as_ref();
                let ranking = options.and_then(|options| options.ranking_options.as_ref());
                let search = FileSearch {
                    vector_store_ids: distinct(stores.flatten()),
                    max_num_results: options.and_then(|options| options.max_num_results),
                    score_threshold: ranking.and_then(|ranking| ranking.score_threshold),
                };
                if state.steps.is_empty() {
                    wait_until_indexed(context, thread.tool_resources.as_ref()).await;
                }
                request.file_search = Some(search);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Waits until the files of the thread's vector stores can be found: messages may have attached some.
async fn wait_until_indexed(context: &EngineContext, resources: Option<&ToolResources>) {
    let search = resources.and_then(|resources| resources.file_search.as_ref());
    let stores = search.and_then(|search| search.vector_store_ids.as_ref()).into_iter().flatten();
    if let Some(upstream) = context.model.resources() {
        for store in stores {
            upstream.wait_until_indexed(store).await;
        }
    }
}

fn distinct<'a>(ids: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::new();
    for id in ids {
        if !distinct.contains(id) {
            distinct.push(id.clone());
        }
    }
    distinct
}

/// Returns the resources of a new object.
pub(super) fn created(resources: Option<CreateToolResources>) -> ToolResources {
    let mut created = ToolResources::default();
    let Some(resources) = resources else { return created };
    created.code_interpreter = resources.code_interpreter;
    created.file_search = resources.file_search.map(|search| {
        let mut created = FileSearchResources::default();
        created.vector_store_ids = search.vector_store_ids;
        created
    });
    with_lists(created)
}

/// Applies the resources of an update. Null removes them.
pub(super) fn update(current: &mut Option<ToolResources>, field: &Field<ToolResources>) {
    match field {
        Field::Absent => {}
        Field::Null => *current = Some(ToolResources::default()),
        Field::Value(changes) => merge(current, changes.clone()),
    }
}

/// Replaces the resources of the tools that a request names. Those of other tools stay.
pub(super) fn merge(current: &mut Option<ToolResources>, changes: ToolResources) {
    let current = current.get_or_insert_default();
    let changes = with_lists(changes);
    if let Some(resources) = changes.code_interpreter {
        current.code_interpreter = Some(resources);
    }
    if let Some(resources) = changes.file_search {
        current.file_search = Some(resources);
    }
}

/// Adds the lists that a request leaves out, which are empty in responses of the original API.
fn with_lists(mut resources: ToolResources) -> ToolResources {
    if let Some(resources) = &mut resources.code_interpreter {
        resources.file_ids.get_or_insert_default();
    }
    if let Some(resources) = &mut resources.file_search {
        resources.vector_store_ids.get_or_insert_default();
    }
    resources
}
