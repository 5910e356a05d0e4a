//! The messages of earlier runs in a prompt, with the calls of these runs in their places.

use runstep_api::types::{Message, RunStep};

use super::context::EngineContext;
use super::prompt::message_item;
use super::run_state::{created_message, load_steps};
use super::{conversation, objects};
use crate::model::ConversationItem;
use crate::store::{ContextMessage, RunKey, StoreError};

/// The number of runs whose calls are read at a time, the newest. Those of older ones are omitted.
const MAX_RUNS: usize = 64;

/// Returns the items of messages, of which the newest is the first. Those of the result are in the
/// opposite order.
pub(super) async fn items(
    context: &EngineContext,
    key: &RunKey,
    messages: &[ContextMessage],
) -> Result<Vec<ConversationItem>, StoreError> {
    let messages = messages.iter().rev().map(|message| objects::decode(&message.json));
    let messages: Vec<Message> = messages.collect::<Result<_, _>>()?;
    let runs = || messages.chunk_by(|first, second| first.run_id == second.run_id);
    let mut older_runs = runs().filter(|messages| run_id(messages).is_some()).count();
    older_runs = older_runs.saturating_sub(MAX_RUNS);
    let mut items = Vec::new();
    for messages in runs() {
        let steps = match run_id(messages).filter(|_| context.history.has_calls()) {
            Some(_) if older_runs > 0 => {
                older_runs -= 1;
                Vec::new()
            }
            Some(run) => steps(context, key, run).await?,
            None => Vec::new(),
        };
        add_run(messages, &steps, &mut items);
    }
    Ok(items)
}

fn run_id(messages: &[Message]) -> Option<&String> {
    messages.first()?.run_id.as_ref()
}

/// Reads the steps of a run. The list is empty if the run is no longer retained.
async fn steps(
    context: &EngineContext,
    key: &RunKey,
    run: &str,
) -> Result<Vec<RunStep>, StoreError> {
    let key = RunKey { run: run.to_owned(), ..key.clone() };
    match load_steps(context, &key).await {
        Ok(steps) => Ok(steps.into_iter().map(|state| state.step.into_inner()).collect()),
        Err(StoreError::Missing { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Adds the messages of a run, or those of clients, with the calls before and after each of them.
fn add_run(messages: &[Message], steps: &[RunStep], items: &mut Vec<ConversationItem>) {
    let mut steps = steps.iter();
    for message in messages {
        let is_creation = |step: &RunStep| created_message(step).as_ref() == Some(&message.id);
        if steps.clone().any(is_creation) {
            let before = steps.by_ref().take_while(|step| !is_creation(step));
            items.extend(before.flat_map(conversation::call_items));
        }
        items.push(message_item(message));
    }
    items.extend(steps.flat_map(conversation::call_items));
}
