//! Which operations a provider has. Nothing is created: the requests are about objects that do not exist,
//! or lack what the operation requires.

use serde_json::json;

use super::exchange::{Exchange, operation};
use super::report::{Authentication, OperationReport, Presence};
use super::{Examination, validator::Validator};
use crate::commands::api::operation::Operation;
use crate::commands::api::operations::OPERATIONS;
use crate::commands::api::path::fill;
use crate::error::CliError;

/// A path that no provider has, to learn how it answers to unknown paths.
const UNKNOWN: &str = "/runstep-doctor";
/// Operations that some providers add to the API.
const EXTENSIONS: [(&str, &str); 2] = [("GET /runs", "/runs"), ("GET /threads", "/threads")];
/// The operation that needs nothing and would create an object.
const CREATES: &str = "createThread";

impl Examination<'_> {
    /// Fills the table of operations.
    ///
    /// # Errors
    ///
    /// Returns an error if the provider cannot be reached.
    pub(super) async fn probe(&mut self) -> Result<(), CliError> {
        let list = self.client.assistants().list().limit(1).send().await;
        if let Err(error) = list
            && error.status().is_none()
        {
            return Err(error.into());
        }
        let unknown = Exchange::send(self.client, "GET", UNKNOWN, None).await;
        self.note_authentication(&unknown, &unknown);
        for operation in OPERATIONS {
            let report = self.probe_operation(operation, &unknown).await?;
            self.report.operations.push(report);
        }
        for (id, path) in EXTENSIONS {
            self.progress.increment();
            let exchange = Exchange::send(self.client, "GET", path, None).await;
            let (presence, status) = (presence(&exchange, &unknown, "GET", path), exchange.status);
            self.report.extensions.push(OperationReport { id, presence, status });
        }
        Ok(())
    }

    /// Records what a response says about the key. A page that a server returns for every path says
    /// nothing.
    fn note_authentication(&mut self, exchange: &Exchange, unknown: &Exchange) {
        let authentication = &mut self.report.authentication;
        if matches!(exchange.status, Some(401 | 403)) {
            *authentication = Authentication::Rejected;
        } else if *authentication == Authentication::Unknown
            && (exchange.is_api_error() || exchange.is_api_object() && !unknown.is_api_object())
        {
            *authentication = Authentication::Accepted;
        }
    }

    async fn probe_operation(
        &mut self,
        operation: &'static Operation,
        unknown: &Exchange,
    ) -> Result<OperationReport, CliError> {
        let report = |presence, status| OperationReport { id: operation.id, presence, status };
        if operation.id == CREATES {
            return Ok(report(Presence::NotTested, None));
        }
        let path = fill(operation.path, |name| {
            Some(match name {
                "assistant_id" => "asst_runstepdoctor",
                "thread_id" => "thread_runstepdoctor",
                "run_id" => "run_runstepdoctor",
                "step_id" => "step_runstepdoctor",
                "message_id" => "msg_runstepdoctor",
                _ => "runstepdoctor",
            })
        })?;
        let body = operation.body.as_ref().map(|_| json!({}));
        let exchange = self.call(operation.id, &path, body.as_ref()).await;
        if operation.id == "createAssistant"
            && let (true, Some(id)) = (exchange.is_success(), exchange.id())
        {
            // The provider has a default model.
            let path = fill("/assistants/{assistant_id}", |_| Some(id))?;
            self.call("deleteAssistant", &path, None).await;
        }
        self.check_error(operation.id, &exchange);
        self.note_authentication(&exchange, unknown);
        let presence = presence(&exchange, unknown, operation.method, &path);
        Ok(report(presence, exchange.status))
    }

    /// Compares an error with the schema of errors.
    fn check_error(&mut self, operation: &str, exchange: &Exchange) {
        if exchange.is_success() || exchange.status.is_none() || exchange.status == Some(405) {
            return;
        }
        let violations = match &exchange.json {
            Some(json) => Validator::violations(&mut self.validator, "ErrorResponse", json),
            None => vec!["the body of an error is not JSON".to_owned()],
        };
        let errors = violations.into_iter().map(|violation| format!("error response: {violation}"));
        self.report.add_deviations(operation, errors);
    }

    /// Reads an existing thread, to compare its objects with the specification.
    pub(super) async fn read_thread(&mut self, thread: &str) {
        let steps = [
            ("retrieveThread", "/threads/{thread_id}"),
            ("listMessages", "/threads/{thread_id}/messages"),
            ("listRuns", "/threads/{thread_id}/runs"),
        ];
        let mut run = None;
        for (id, template) in steps {
            let Ok(path) = fill(template, |_| Some(thread)) else { return };
            let exchange = self.call(id, &path, None).await;
            self.report.steps.push(super::report::Step::new(id, &exchange));
            if id == "listRuns" {
                run = exchange.first_id().map(str::to_owned);
            }
        }
        let Some(run) = run else { return };
        for (id, template) in [
            ("retrieveRun", "/threads/{thread_id}/runs/{run_id}"),
            ("listRunSteps", "/threads/{thread_id}/runs/{run_id}/steps"),
        ] {
            let value = |name: &str| Some(if name == "run_id" { run.as_str() } else { thread });
            let Ok(path) = fill(template, value) else { return };
            let exchange = self.call(id, &path, None).await;
            self.report.steps.push(super::report::Step::new(id, &exchange));
        }
    }
}

/// Returns whether an operation exists. A missing operation has the same response as an unknown path,
/// and a missing object has another one. A response in another format than that of the API proves nothing.
fn presence(exchange: &Exchange, unknown: &Exchange, method: &str, path: &str) -> Presence {
    let anonymous = |exchange: &Exchange, method: &str, path: &str| {
        let message = exchange.api_message.as_deref()?;
        Some(message.replace(path, "PATH").replace(method, "METHOD"))
    };
    let is_same = || {
        exchange.status == unknown.status
            && anonymous(exchange, method, path) == anonymous(unknown, "GET", UNKNOWN)
    };
    match exchange.status {
        // A server that has an object at every path does not show which operations it has.
        Some(200..300) if exchange.is_api_object() && !unknown.is_api_object() => Presence::Present,
        Some(405 | 501) => Presence::Missing,
        Some(404) if is_same() => Presence::Missing,
        Some(404) if unknown.status == Some(404) && exchange.is_api_error() => Presence::Present,
        Some(400 | 409 | 422) if exchange.is_api_error() && !is_same() => Presence::Present,
        _ => Presence::Unknown,
    }
}

/// Returns the path of an operation about one object.
pub(super) fn path_of(id: &str, values: &[(&str, &str)]) -> Result<String, CliError> {
    let template = operation(id).map_or("/", |operation| operation.path);
    fill(template, |name| values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value))
}
