//! The operations of the API.

use std::fmt;

use axum::http::Method;

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident = $id:literal $method:ident $path:literal,)*) => {
        /// An operation of the API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Operation {
            $($(#[$doc])* $name,)*
        }

        impl Operation {
            /// All operations.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns the operation's id in the specification, such as `createRun`.
            #[must_use]
            pub fn id(self) -> &'static str {
                match self {
                    $(Self::$name => $id,)*
                }
            }

            /// Returns the HTTP method.
            #[must_use]
            pub fn method(self) -> Method {
                match self {
                    $(Self::$name => Method::$method,)*
                }
            }

            /// Returns the path template, such as `/threads/{thread_id}/runs`.
            #[must_use]
            pub fn path(self) -> &'static str {
                match self {
                    $(Self::$name => $path,)*
                }
            }

            /// Returns the operation of a route, with or without the `/v1` prefix.
            pub(crate) fn from_route(method: &Method, route: &str) -> Option<Self> {
                let path = route.strip_prefix("/v1").unwrap_or(route);
                match path {
                    $($path if *method == Method::$method => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

operations! {
    /// `GET /assistants`
    ListAssistants = "listAssistants" GET "/assistants",
    /// `POST /assistants`
    CreateAssistant = "createAssistant" POST "/assistants",
    /// `GET /assistants/{assistant_id}`
    RetrieveAssistant = "retrieveAssistant" GET "/assistants/{assistant_id}",
    /// `POST /assistants/{assistant_id}`
    UpdateAssistant = "updateAssistant" POST "/assistants/{assistant_id}",
    /// `DELETE /assistants/{assistant_id}`
    DeleteAssistant = "deleteAssistant" DELETE "/assistants/{assistant_id}",
    /// `POST /threads`
    CreateThread = "createThread" POST "/threads",
    /// `POST /threads/runs`
    CreateThreadAndRun = "createThreadAndRun" POST "/threads/runs",
    /// `GET /threads/{thread_id}`
    RetrieveThread = "retrieveThread" GET "/threads/{thread_id}",
    /// `POST /threads/{thread_id}`
    UpdateThread = "updateThread" POST "/threads/{thread_id}",
    /// `DELETE /threads/{thread_id}`
    DeleteThread = "deleteThread" DELETE "/threads/{thread_id}",
    /// `GET /threads/{thread_id}/messages`
    ListMessages = "listMessages" GET "/threads/{thread_id}/messages",
    /// `POST /threads/{thread_id}/messages`
    CreateMessage = "createMessage" POST "/threads/{thread_id}/messages",
    /// `GET /threads/{thread_id}/messages/{message_id}`
    RetrieveMessage = "retrieveMessage" GET "/threads/{thread_id}/messages/{message_id}",
    /// `POST /threads/{thread_id}/messages/{message_id}`
    UpdateMessage = "updateMessage" POST "/threads/{thread_id}/messages/{message_id}",
    /// `DELETE /threads/{thread_id}/messages/{message_id}`
    DeleteMessage = "deleteMessage" DELETE "/threads/{thread_id}/messages/{message_id}",
    /// `GET /threads/{thread_id}/runs`
    ListRuns = "listRuns" GET "/threads/{thread_id}/runs",
    /// `POST /threads/{thread_id}/runs`
    CreateRun = "createRun" POST "/threads/{thread_id}/runs",
    /// `GET /threads/{thread_id}/runs/{run_id}`
    RetrieveRun = "retrieveRun" GET "/threads/{thread_id}/runs/{run_id}",
    /// `POST /threads/{thread_id}/runs/{run_id}`
    UpdateRun = "updateRun" POST "/threads/{thread_id}/runs/{run_id}",
    /// `POST /threads/{thread_id}/runs/{run_id}/submit_tool_outputs`
    SubmitToolOutputs = "submitToolOutputs" POST
        "/threads/{thread_id}/runs/{run_id}/submit_tool_outputs",
    /// `POST /threads/{thread_id}/runs/{run_id}/cancel`
    CancelRun = "cancelRun" POST "/threads/{thread_id}/runs/{run_id}/cancel",
    /// `GET /threads/{thread_id}/runs/{run_id}/steps`
    ListRunSteps = "listRunSteps" GET "/threads/{thread_id}/runs/{run_id}/steps",
    /// `GET /threads/{thread_id}/runs/{run_id}/steps/{step_id}`
    RetrieveRunStep = "retrieveRunStep" GET "/threads/{thread_id}/runs/{run_id}/steps/{step_id}",
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}
