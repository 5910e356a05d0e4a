//! Records runs of the real server, and plays them back with lost connections.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_LOCATION, DATE, HeaderMap};
use runstep_api::ByteStream;
use runstep_api::types::{
    FunctionDefinition, FunctionTool, Message, Order, Run, RunInclude, RunStep,
    StreamEvent as RunEvent, Thread, ToolOutput,
};
use runstep_server::Server;
use runstep_server::model::{Scripted, Turn};

use crate::error::{Error, ErrorKind, Result};
use crate::run_ref::RunRef;
use crate::run_request::{ErasedRequest, RunRequest, StartRun};
use crate::streaming::RunStream;
use crate::streaming::connection::Body;
use crate::streaming::recovery::RunOrigin;
use crate::streaming::response::read_response;
use crate::streaming::run_api::{ApiFuture, FetchedRun, RunApi, StreamResponse};
use crate::streaming::run_state::RunState;
use crate::streaming::settings::StreamSettings;
use crate::transport::{PollErrorPolicy, Response};
use crate::{Client, CreateRun};

/// The state of the server at some moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct State {
    pub(super) run: Run,
    pub(super) steps: Vec<RunStep>,
    pub(super) messages: Vec<Message>,
}

/// A segment of a run: one response.
#[derive(Clone, Debug)]
pub(super) struct RecordedSegment {
    pub(super) bytes: Bytes,
    /// The events without `done`.
    pub(super) events: Arc<[RunEvent]>,
    /// The position after each event.
    pub(super) ends: Vec<usize>,
    /// The state of the server after each event, starting with the first run event.
    pub(super) states: Arc<[State]>,
}

/// Runs the turns, submits outputs for all calls, and records the responses.
pub(super) async fn record(
    turns: Vec<Turn>,
    prepare: impl Fn(CreateRun) -> CreateRun,
    during: impl AsyncFn(&Client, &Run),
    lifetime: Duration,
) -> Vec<RecordedSegment> {
    let server = Server::builder().model(Scripted::new(turns)).run_lifetime(lifetime);
    let server = server.spawn().await.unwrap();
    let client = Client::builder(server.base_url()).build().unwrap();
    let tool = |name: &str| FunctionTool::new(FunctionDefinition::new(name));
    let assistant = client.assistants().create("scripted");
    let assistant = assistant.tool(tool("get_weather")).tool(tool("get_time")).await.unwrap();
    let thread = client.threads().create().user_message("How is it?").await.unwrap();
    let request = prepare(client.runs(&thread.id).create(&assistant.id));
    record_segments(&client, request, during).await
}

/// Records a run that is created together with its thread.
pub(super) async fn record_with_thread(turns: Vec<Turn>) -> Vec<RecordedSegment> {
    let server = Server::builder().model(Scripted::new(turns)).spawn().await.unwrap();
    let client = Client::builder(server.base_url()).build().unwrap();
    let assistant = client.assistants().create("scripted").await.unwrap();
    let request = client.threads().create_and_run(&assistant.id).user_message("How is it?");
    record_segments(&client, request, async |_, _| {}).await
}

async fn open<R: StartRun>(request: RunRequest<R>) -> Response<ByteStream> {
    let (_, ErasedRequest { client, action, options }) = request.erase(R::into_action);
    action.open(client, options.request).await.unwrap()
}

async fn record_segments(
    client: &Client,
    request: RunRequest<impl StartRun>,
    during: impl AsyncFn(&Client, &Run),
) -> Vec<RecordedSegment> {
    let mut segments: Vec<RecordedSegment> = Vec::new();
    let mut known = RunState::default();
    let mut response = read_response(open(request).await).await.unwrap();
    loop {
        let StreamResponse::Events(mut body) = response else {
            panic!("the server does not stream")
        };
        let mut bytes = Vec::new();
        let mut is_in_progress = false;
        while let Some(chunk) = body.next().await {
            bytes.extend_from_slice(&chunk.unwrap());
            let run = events_of(&bytes).into_iter().find_map(|(event, _)| match event {
                RunEvent::RunInProgress(run) => Some(run),
                _ => None,
            });
            if let Some(run) = run.filter(|_| !is_in_progress) {
                is_in_progress = true;
                during(client, &run).await;
            }
        }
        let (mut events, mut ends, mut states) = (Vec::new(), Vec::new(), Vec::new());
        for (event, end) in events_of(&bytes) {
            if event == RunEvent::Done {
                continue;
            }
            known.apply(&event);
            states.extend(state(&known));
            events.push(event);
            ends.push(end);
        }
        let end = states.last().unwrap().clone();
        let runs = client.runs(&end.run.thread_id);
        assert_eq!(end.run, runs.retrieve(&end.run.id).await.unwrap());
        let steps = runs.steps(&end.run.id).list().order(Order::Asc).items();
        assert_eq!(end.steps, steps.collect_all().await.unwrap());
        let messages =
            client.messages(&end.run.thread_id).list().run_id(&end.run.id).order(Order::Asc);
        assert_eq!(end.messages, messages.items().collect_all().await.unwrap());
        segments.push(RecordedSegment {
            bytes: bytes.into(),
            events: events.into(),
            ends,
            states: states.into(),
        });

        let outputs = outputs(&end.run);
        if outputs.is_empty() {
            return segments;
        }
        known.start_segment(Vec::new());
        let submit = runs.submit_tool_outputs(&end.run.id).outputs(outputs);
        response = read_response(open(submit).await).await.unwrap();
    }
}

pub(super) fn outputs(run: &Run) -> Vec<ToolOutput> {
    let calls = run.function_calls();
    let output = |id: &str| ToolOutput::default().tool_call_id(id).output("18 degrees");
    calls.iter().map(|call| output(&call.id)).collect()
}

fn state(known: &RunState) -> Option<State> {
    let (run, snapshots) = (known.run()?.clone(), known.snapshots());
    let (messages, steps) = (snapshots.messages().to_vec(), snapshots.steps().to_vec());
    Some(State { run, steps, messages })
}

/// Parses events in the format of the server: a line of `event:`, one of `data:`, and an empty one.
pub(super) fn events_of(bytes: &[u8]) -> Vec<(RunEvent, usize)> {
    let text = std::str::from_utf8(bytes).unwrap();
    let mut end = 0;
    let whole = text.split_inclusive("\n\n").filter(|part| part.ends_with("\n\n"));
    whole
        .map(|part| {
            end += part.len();
            let mut lines = part.lines().filter(|line| !line.starts_with("id:"));
            let name = lines.next().unwrap().strip_prefix("event: ").unwrap();
            let data = lines.next().unwrap().strip_prefix("data: ").unwrap();
            (RunEvent::decode(name, data).unwrap(), end)
        })
        .collect()
}

/// A server that plays back a recording.
#[derive(Clone)]
pub(super) struct Player(Arc<Mutex<PlaybackState>>);

pub(super) struct PlaybackState {
    /// The current segment, and those that follow submitted outputs.
    segment: RecordedSegment,
    later: Vec<RecordedSegment>,
    /// The states of the next fetches; the last one is repeated.
    pub(super) states: Vec<State>,
    has_fetched: bool,
    /// Stale states for the next lists of steps and the messages that are fetched after each.
    pub(super) stale_lists: Vec<State>,
    listed: Option<State>,
    /// The end of each response to `Last-Event-ID`; if empty, the server cannot resume.
    pub(super) resume_lengths: Vec<usize>,
    pub(super) requests: Vec<String>,
    pub(super) newest_runs: Vec<Run>,
    /// The thread, if it was created together with the run.
    thread: Option<Thread>,
    /// The headers of the first response, and the time until it arrived.
    pub(super) headers: HeaderMap,
    pub(super) elapsed: Duration,
    /// Errors of the next requests.
    pub(super) failures: Vec<ErrorKind>,
    pub(super) cancelled: Vec<String>,
    /// How many fetches do not find the run yet.
    pub(super) missing_fetches: usize,
}

impl PlaybackState {
    fn origin(&self) -> RunOrigin {
        let run = &self.segment.states[0].run;
        let thread_id = self.thread.is_none().then(|| run.thread_id.clone());
        RunOrigin::new(thread_id, run.assistant_id.clone().unwrap(), &self.headers, self.elapsed)
    }

    /// Names the run in `Content-Location`.
    pub(super) fn set_content_location(&mut self) {
        let run = &self.segment.states[0].run;
        let path = format!("/v1/threads/{}/runs/{}", run.thread_id, run.id);
        self.headers.insert(CONTENT_LOCATION, path.parse().unwrap());
    }

    /// Sets the `Date` of the response without naming the run, and lists the run as the newest of its
    /// thread, after a run of the same assistant that was created and ended two minutes earlier.
    pub(super) fn set_date_and_list(&mut self) {
        let run = &self.segment.states[0].run;
        let created = u64::try_from(run.created_at.unwrap()).unwrap();
        let date = UNIX_EPOCH + Duration::from_secs(created + 1);
        self.headers.insert(DATE, httpdate::fmt_http_date(date).parse().unwrap());
        let mut other = self.states[0].run.clone();
        other.id = "run_other".to_owned();
        other.created_at = other.created_at.map(|time| time - 120);
        other.completed_at = other.created_at;
        self.newest_runs = vec![self.states[0].run.clone(), other];
    }

    fn fetch_run(&mut self) -> Result<FetchedRun> {
        if let Some(left) = self.missing_fetches.checked_sub(1) {
            self.missing_fetches = left;
            let error = Error::new(ErrorKind::Api, "No run found.");
            return Err(error.with_head(Some(StatusCode::NOT_FOUND), &HeaderMap::new()));
        }
        if std::mem::replace(&mut self.has_fetched, true) && self.states.len() > 1 {
            self.states.remove(0);
        }
        Ok(FetchedRun { run: self.states[0].run.clone(), poll_after: None })
    }
}

impl Player {
    pub(super) fn new(segments: &[RecordedSegment]) -> Self {
        let mut later = segments.to_vec();
        let segment = later.remove(0);
        let states = segment.states.last().cloned().into_iter().collect();
        let thread = segment.events.iter().find_map(|event| match event {
            RunEvent::ThreadCreated(thread) => Some((**thread).clone()),
            _ => None,
        });
        let server = PlaybackState {
            segment,
            later,
            states,
            has_fetched: false,
            stale_lists: Vec::new(),
            listed: None,
            resume_lengths: Vec::new(),
            requests: Vec::new(),
            newest_runs: Vec::new(),
            thread,
            headers: HeaderMap::new(),
            elapsed: Duration::ZERO,
            failures: Vec::new(),
            cancelled: Vec::new(),
            missing_fetches: 0,
        };
        Self(Arc::new(Mutex::new(server)))
    }

    pub(super) fn server(&self) -> MutexGuard<'_, PlaybackState> {
        self.0.lock().unwrap()
    }

    /// Streams the first segment and loses the connection after `length` bytes.
    pub(super) fn stream(&self, length: usize) -> RunStream {
        self.stream_with(length, settings())
    }

    pub(super) fn stream_with(&self, length: usize, settings: StreamSettings) -> RunStream {
        let body = body(self.server().segment.bytes.slice(..length));
        self.stream_of(body, settings)
    }

    /// Streams another body as the response to the recorded request.
    pub(super) fn stream_of(&self, body: Body, settings: StreamSettings) -> RunStream {
        let origin = self.server().origin();
        let response = StreamResponse::Events(body);
        RunStream::for_new_run(Arc::new(self.clone()), settings, response, origin)
    }

    /// Loses the connection of the next segment after `length` bytes.
    pub(super) fn truncate_next_segment(&self, length: usize) {
        let mut server = self.server();
        let next = &mut server.later[0];
        next.bytes.truncate(length);
    }

    fn respond<'a, T: Send + 'a>(
        &self,
        request: String,
        respond: impl FnOnce(&mut PlaybackState) -> Result<T>,
    ) -> ApiFuture<'a, T> {
        let mut server = self.server();
        server.requests.push(request);
        let result = match server.failures.is_empty() {
            true => respond(&mut server),
            false => Err(Error::new(server.failures.remove(0), "injected failure")),
        };
        Box::pin(async move { result })
    }
}

pub(super) fn settings() -> StreamSettings {
    StreamSettings {
        include: Vec::new(),
        reconnect: true,
        idle_timeout: Some(Duration::from_secs(60)),
        max_event_bytes: 1024 * 1024,
        recovery_deadline: Duration::from_secs(600),
        deadline: Duration::from_secs(24 * 60 * 60),
        cancel_on_deadline: false,
        cancel_on_drop: false,
        backoff: None,
        error_policy: PollErrorPolicy::default(),
    }
}

/// Yields the bytes in chunks, followed by a connection error.
fn body(bytes: Bytes) -> Body {
    let chunks = (0..bytes.len())
        .step_by(4096)
        .map(move |start| Ok(bytes.slice(start..bytes.len().min(start + 4096))));
    let lost = Error::new(ErrorKind::Connection, "the connection failed");
    Box::pin(stream::iter(chunks).chain(stream::iter([Err(lost)])).into_stream())
}

impl RunApi for Player {
    fn resume<'a>(
        &'a self,
        _: &'a RunRef,
        last_event_id: &'a str,
    ) -> ApiFuture<'a, StreamResponse> {
        self.respond(format!("resume after {last_event_id}"), |server| {
            if server.resume_lengths.is_empty() {
                return Ok(StreamResponse::Run(Box::new(server.fetch_run()?)));
            }
            let end = server.resume_lengths.remove(0);
            let start = server.segment.ends[last_event_id.parse::<usize>().unwrap()];
            Ok(StreamResponse::Events(body(server.segment.bytes.slice(start..end.max(start)))))
        })
    }

    fn submit(&self, _: RunRef, outputs: Vec<ToolOutput>) -> ApiFuture<'_, StreamResponse> {
        self.respond(format!("submit {}", outputs.len()), |server| {
            server.segment = server.later.remove(0);
            server.states = server.segment.states.last().cloned().into_iter().collect();
            Ok(StreamResponse::Events(body(server.segment.bytes.clone())))
        })
    }

    fn run<'a>(&'a self, _: &'a RunRef) -> ApiFuture<'a, FetchedRun> {
        self.respond("run".to_owned(), PlaybackState::fetch_run)
    }

    fn steps<'a>(&'a self, _: &'a RunRef, _: &'a [RunInclude]) -> ApiFuture<'a, Vec<RunStep>> {
        self.respond("steps".to_owned(), |server| {
            server.listed = (!server.stale_lists.is_empty()).then(|| server.stale_lists.remove(0));
            Ok(server.listed.as_ref().unwrap_or(&server.states[0]).steps.clone())
        })
    }

    fn message<'a>(&'a self, _: &'a str, id: &'a str) -> ApiFuture<'a, Option<Message>> {
        self.respond(format!("message {id}"), |server| {
            let messages = &server.listed.as_ref().unwrap_or(&server.states[0]).messages;
            Ok(messages.iter().find(|message| message.id == id).cloned())
        })
    }

    fn thread<'a>(&'a self, _: &'a str) -> ApiFuture<'a, Thread> {
        self.respond("thread".to_owned(), |server| Ok(server.thread.clone().unwrap()))
    }

    fn newest_runs<'a>(&'a self, _: &'a str) -> ApiFuture<'a, Vec<Run>> {
        self.respond("newest runs".to_owned(), |server| Ok(server.newest_runs.clone()))
    }

    fn cancel(&self, run: RunRef) -> ApiFuture<'static, Run> {
        let player = self.clone();
        Box::pin(async move {
            let cancel = |server: &mut PlaybackState| {
                server.cancelled.push(run.run_id.clone());
                Ok(server.states[0].run.clone())
            };
            player.respond(format!("cancel {}", run.run_id), cancel).await
        })
    }
}
