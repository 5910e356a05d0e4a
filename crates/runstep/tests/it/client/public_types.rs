//! Every public type can be shared between threads and moved to another task.

use runstep::tools::{self, WithToolbox};
use runstep::types::Run;
use runstep::*;

/// Answers and arguments are only used as `T`, so they need not be `Send`.
type NotSend = std::rc::Rc<()>;

macro_rules! assert_send_and_sync {
    ($($Type:ty),+ $(,)?) => {
        const _: () = {
            const fn assert_send_and_sync<T: Send + Sync>() {}
            $(assert_send_and_sync::<$Type>();)+
        };
    };
}

assert_send_and_sync! {
    AccessToken, ActiveRun, Answer<NotSend>,
    AnswerStream<NotSend>, AnswerStream<NotSend, tools::ToolStream>, Assistants, Backoff,
    BodyStream, CancelRun, Client, ClientBuilder, CollectedRun, CreateAssistant, CreateMessage,
    CreateRun, CreateThread, CreateThreadAndRun, DeleteAssistant, DeleteMessage, DeleteThread,
    EnsureIdle, Error, ErrorKind, Field<String>, FollowRun, Form, IfActive, Items<Run>,
    ListAssistants, ListMessages, ListRuns, ListRunSteps, Messages, Outcome<'static>, Page<Run>,
    Pages<Run>, Poll, PollAll, PollErrorPolicy, PollTarget, PolledRun, Request, Response<Run>,
    CreateRun<Typed<NotSend>>, CreateRun<Typed<NotSend, WithToolbox>>, RetrieveAssistant, RetrieveMessage, RetrieveRun,
    RetrieveRunStep, RetrieveThread, RetryPolicy, RunEvent, RunRef, RunStream, RunUpdate,
    RunUpdates, Runs, SecretString, Steps, StreamEnd, CreateRun,
    FollowRun<WithToolbox>, SubmitToolOutputs, TextDeltas<&'static mut RunStream>,
    TextDeltas<RunStream>, TextDeltas<tools::ToolStream>, Threads, UpdateAssistant, UpdateMessage,
    UpdateRun, UpdateThread,
}

assert_send_and_sync! {
    tools::Approval, tools::CancellationToken, tools::FailurePolicy, tools::HandlerError,
    tools::Json<String>, tools::PendingCall, tools::ResumeRun, tools::SuspendedRun, tools::ToolRun,
    tools::ToolContext, tools::ToolError, tools::ToolErrorKind, tools::ToolEvent,
    tools::ToolOptions, tools::ToolStream, tools::ToolStreamEvent, tools::Toolbox,
    CreateRun<WithToolbox>, tools::ResumeRun<WithToolbox>, Poll<WithToolbox>,
    CreateRun<WithToolbox>,
}

/// A future that holds a reference to a stream can be spawned.
#[test]
fn futures_with_stream_references_are_send() {
    fn assert_send<T: Send>(_: T) {}
    async fn read_end(events: &RunStream, calls: &tools::ToolStream) -> bool {
        tokio::task::yield_now().await;
        events.end().is_some() && calls.has_ended()
    }
    fn check(events: &RunStream, calls: &tools::ToolStream) {
        assert_send(read_end(events, calls));
    }
    let _ = check;
}
