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
    AccessToken, ActiveRun, Answer<NotSend>, AnswerStream<NotSend>,
    AnswerStream<NotSend, tools::ToolStream>, Assistants, Backoff, BodyStream, Bytes, CancelRun,
    Client, ClientBuilder, CollectedRun, CreateAssistant, CreateMessage, CreateRun,
    CreateRun<Typed<NotSend>>, CreateRun<Typed<NotSend, WithToolbox>>, CreateRunParams,
    CreateThread, CreateThreadAndRun, CreateThreadAndRunParams, DeleteAssistant, DeleteMessage,
    DeleteThread, EnsureIdle, EnsureIdleParams, Error, ErrorKind, Field<String>, FollowRun,
    FollowRun<WithToolbox>, FollowRunParams, Form, IfActive, InvalidEntry, Items<Run>, ListAssistants,
    ListMessages, ListRuns, ListRunSteps, Messages, Outcome<'static>, Page<Run>, Pages<Run>, Plain,
    Poll, Poll<WithToolbox>, PollAll, PollErrorPolicy, PollParams, PollTarget, PolledRun, Request,
    Response<Run>, RetrieveAssistant, RetrieveMessage, RetrieveRun, RetrieveRunStep,
    RetrieveThread, RetryPolicy, RunEvent, RunRef, RunRequest<SubmitToolOutputsParams, WithToolbox>,
    RunStream, RunUpdate, RunUpdates, Runs, SecretString, Steps, StreamEnd, SubmitToolOutputs,
    TextDeltas<&'static mut RunStream>, TextDeltas<RunStream>, TextDeltas<tools::ToolStream>,
    Threads, UpdateAssistant, UpdateMessage, UpdateRun, UpdateThread,
}

assert_send_and_sync! {
    tools::Approval, tools::CancellationToken, tools::FailurePolicy, tools::HandlerError,
    tools::Json<String>, tools::PendingCall, tools::ResumeRun, tools::ResumeRun<WithToolbox>,
    tools::ResumeRunParams, tools::SuspendedRun, tools::ToolRun, tools::ToolContext,
    tools::ToolError, tools::ToolErrorKind, tools::ToolEvent, tools::ToolOptions,
    tools::ToolStream, tools::ToolStreamEvent, tools::Toolbox, WithToolbox,
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

/// The names after `pub use` in a file, without traits, constants and macros.
fn exported_types(source: &str) -> Vec<String> {
    let exports = source.split("\npub use ").skip(1);
    let paths = exports.map(|export| export.split(';').next().unwrap_or_default());
    let names = paths.flat_map(|path| path.split(|c: char| !c.is_alphanumeric() && c != '_'));
    let is_type = |name: &&str| {
        name.starts_with(char::is_uppercase) && name.chars().any(|c| c.is_ascii_lowercase())
    };
    names.filter(is_type).map(str::to_owned).collect()
}

/// The assertions above name every exported type.
#[test]
fn every_exported_type_is_checked() {
    let source = include_str!("public_types.rs");
    let asserted = source.split("assert_send_and_sync! {").skip(1).take(2).collect::<String>();
    let traits = [
        "AcceptsAnswer",
        "AcceptsToolbox",
        "AwaitRun",
        "Handler",
        "HasToolbox",
        "IntoCompleted",
        "IntoField",
        "IntoId",
        "IntoOutput",
        "PlainMode",
        "RunEventSource",
        "RunMode",
        "StartRun",
        "WatchRun",
    ];
    let aliases = ["OutputFuture", "Result", "ResponseFuture", "StreamEvent"];
    let exports = [include_str!("../../../src/lib.rs"), include_str!("../../../src/tools/mod.rs")];
    let resources = include_str!("../../../src/resources/requests.rs");
    let generated = resources.lines().filter_map(|line| {
        let name = line.strip_prefix("pub struct ").or(line.strip_prefix("pub type "))?;
        name.split(|c: char| !c.is_alphanumeric()).next().map(str::to_owned)
    });
    let names = exports.iter().flat_map(|source| exported_types(source)).chain(generated);
    let words: Vec<&str> = asserted.split(|c: char| !c.is_alphanumeric()).collect();
    let is_missing = |name: &String| {
        let name = name.as_str();
        !words.contains(&name) && !traits.contains(&name) && !aliases.contains(&name)
    };
    let missing: Vec<String> = names.filter(is_missing).collect();
    assert!(missing.is_empty(), "without an assertion: {missing:?}");
}
