//! Asks before the command of a tool runs.

use std::collections::HashSet;

use runstep::tools::{Approval, PendingCall};
use tokio::sync::Mutex;

use super::command_tool::CommandTool;
use crate::terminal::{Prompts, text};

/// Decides about calls: a person allows each, or all of a tool.
pub(super) struct Approvals {
    tools: Vec<CommandTool>,
    allow_all: bool,
    prompts: Prompts,
    /// The tools that are always allowed. The lock also keeps questions apart: calls are concurrent.
    allowed: Mutex<HashSet<String>>,
}

impl Approvals {
    pub(super) fn new(tools: &[CommandTool], allow_all: bool, prompts: Prompts) -> Self {
        Self { tools: tools.to_vec(), allow_all, prompts, allowed: Mutex::default() }
    }

    pub(super) async fn decide(&self, call: &PendingCall) -> Approval {
        let mut allowed = self.allowed.lock().await;
        if self.allow_all || allowed.contains(&call.name) {
            return Approval::Allow;
        }
        let tool = self.tools.iter().find(|tool| tool.name() == call.name);
        let arguments = serde_json::from_str(&call.arguments).unwrap_or_default();
        let command = match tool.map(|tool| tool.command_line(&arguments)) {
            // A line break could imitate the question.
            Some(Ok(command)) => text::verbatim(&command),
            // The call fails without running anything.
            Some(Err(_)) | None => return Approval::Allow,
        };
        let question = format!(
            "The model calls {}, which runs\n  {command}\nRun it? [y]es, [n]o, [a]lways: ",
            call.name
        );
        match self.prompts.ask(&question).await.ok().flatten().as_deref() {
            Some("y" | "yes") => Approval::Allow,
            Some("a" | "always") => {
                allowed.insert(call.name.clone());
                Approval::Allow
            }
            _ => Approval::Deny("the user did not allow this call".to_owned()),
        }
    }
}
