//! Runs of the real server, recorded, and played again as a server that breaks off where told.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_LOCATION, DATE, HeaderMap};
use runstep_api::types::{
    FunctionDefinition, FunctionTool, Message, Order, Run, RunInclude, RunStep,
    StreamEvent as RunEvent, Thread, ToolOutput,
};
use runstep_server::Server;
use runstep_server::model::{Scripted, Turn};

use crate::error::{Error, ErrorKind, Result};
use crate::extensions::RunExt as _;
use crate::poll::{PollErrorPolicy, RunRef};
use crate::stream::RunStream;
use crate::stream::identity::Origin;
use crate::stream::leg::Body;
use crate::stream::open::{StartStream, StreamSettings};
use crate::stream::progress::Progress;
use crate::stream::remote::{Answer, Opened, Remote, Seen, opened};
use crate::{Client, CreateRun};

/// What the server had at some moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct State {
    pub(super) run: Run,
    pub(super) steps: Vec<RunStep>,
    pub(super) messages: Vec<Message>,
}

/// One leg of a run. Cheap to clone but for its ends.
#[derive(Clone, Debug)]
pub(super) struct RecordedLeg {
    pub(super) bytes: Bytes,
    /// Its events, without `done`.
    pub(super) events: Arc<[RunEvent]>,
    /// Where each event ends in the bytes.
    pub(super) ends: Vec<usize>,
    /// What the server had after each event, from the one that told the run.
    pub(super) states: Arc<[State]>,
}

/// Lets the turns run, with answers to all calls, and records what was sent.
pub(super) async fn record(
    turns: Vec<Turn>,
    prepare: impl Fn(CreateRun) -> CreateRun,
    during: impl AsyncFn(&Client, &Run),
    lifetime: Duration,
) -> Vec<RecordedLeg> {
    let server = Server::builder().model(Scripted::new(turns)).run_lifetime(lifetime);
    let server = server.spawn().await.unwrap();
    let client = Client::builder(server.base_url()).build().unwrap();
    let tool = |name: &str| FunctionTool::new(FunctionDefinition::new(name));
    let assistant = client.assistants().create("scripted");
    let assistant = assistant.tool(tool("get_weather")).tool(tool("get_time")).await.unwrap();
    let thread = client.threads().create().user_message("How is it?").await.unwrap();
    let request = prepare(client.runs(&thread.id).create(&assistant.id));
    record_legs(&client, request, during).await
}

/// The same for a run that is made along with its thread.
pub(super) async fn record_with_thread(turns: Vec<Turn>) -> Vec<RecordedLeg> {
    let server = Server::builder().model(Scripted::new(turns)).spawn().await.unwrap();
    let client = Client::builder(server.base_url()).build().unwrap();
    let assistant = client.assistants().create("scripted").await.unwrap();
    let request = client.threads().create_and_run(&assistant.id).user_message("How is it?");
    record_legs(&client, request, async |_, _| {}).await
}

async fn record_legs(
    client: &Client,
    request: impl StartStream,
    during: impl AsyncFn(&Client, &Run),
) -> Vec<RecordedLeg> {
    let mut legs: Vec<RecordedLeg> = Vec::new();
    let mut known = Progress::default();
    let mut reply = opened(request.open().await.unwrap()).await.unwrap();
    loop {
        let Opened::Events(mut body) = reply else { panic!("the server must stream") };
        let mut bytes = Vec::new();
        let mut told = false;
        while let Some(chunk) = body.next().await {
            bytes.extend_from_slice(&chunk.unwrap());
            let run = events_of(&bytes).into_iter().find_map(|(event, _)| match event {
                RunEvent::RunInProgress(run) => Some(run),
                _ => None,
            });
            if let Some(run) = run.filter(|_| !told) {
                told = true;
                during(client, &run).await;
            }
        }
        let (mut events, mut ends, mut states) = (Vec::new(), Vec::new(), Vec::new());
        for (event, end) in events_of(&bytes) {
            if event == RunEvent::Done {
                continue;
            }
            known.hear(&event);
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
        legs.push(RecordedLeg {
            bytes: bytes.into(),
            events: events.into(),
            ends,
            states: states.into(),
        });

        let outputs = outputs(&end.run);
        if outputs.is_empty() {
            return legs;
        }
        known.begin_leg(Vec::new());
        let submit = runs.submit_tool_outputs(&end.run.id).outputs(outputs);
        reply = opened(StartStream::open(submit).await.unwrap()).await.unwrap();
    }
}

pub(super) fn outputs(run: &Run) -> Vec<ToolOutput> {
    let calls = run.function_calls();
    let output = |id: &str| ToolOutput::default().tool_call_id(id).output("18 degrees");
    calls.iter().map(|call| output(&call.id)).collect()
}

fn state(known: &Progress) -> Option<State> {
    let (run, snapshots) = (known.run()?.clone(), known.snapshots());
    let (messages, steps) = (snapshots.messages().to_vec(), snapshots.steps().to_vec());
    Some(State { run, steps, messages })
}

/// The server's own form only: one line of `event:`, one of `data:`, and an empty one.
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

/// A server that plays a record.
#[derive(Clone)]
pub(super) struct Player(Arc<Mutex<Playing>>);

pub(super) struct Playing {
    /// The leg that is played, and those that outputs begin.
    leg: RecordedLeg,
    later: Vec<RecordedLeg>,
    /// What the next looks find, the last of them for ever.
    pub(super) looks: Vec<State>,
    looked: bool,
    /// What the next lists of steps, and the messages after each, are of instead.
    pub(super) stale: Vec<State>,
    listed: Option<State>,
    /// Where each reply to `Last-Event-ID` breaks off; without any it cannot resume.
    pub(super) resumes: Vec<usize>,
    pub(super) requests: Vec<String>,
    pub(super) newest: Vec<Run>,
    /// The thread that was made along with the run, if it was.
    thread: Option<Thread>,
    /// The head of the first reply, and how long it took to come.
    pub(super) head: HeaderMap,
    pub(super) head_after: Duration,
    /// Errors that come before anything else.
    pub(super) failures: Vec<ErrorKind>,
    pub(super) cancelled: Vec<String>,
    /// How often the run is not there yet when it is looked at.
    pub(super) not_there: usize,
}

impl Playing {
    fn origin(&self) -> Origin {
        let run = &self.leg.states[0].run;
        let thread_id = self.thread.is_none().then(|| run.thread_id.clone());
        Origin::new(thread_id, run.assistant_id.clone().unwrap(), &self.head, self.head_after)
    }

    /// The reply names its run.
    pub(super) fn name_run(&mut self) {
        let run = &self.leg.states[0].run;
        let path = format!("/v1/threads/{}/runs/{}", run.thread_id, run.id);
        self.head.insert(CONTENT_LOCATION, path.parse().unwrap());
    }

    /// The reply does not name its run, but says when it was made; and this is the newest of the
    /// thread, after one of the same assistant that was made two minutes before and ended at once.
    pub(super) fn list_run(&mut self) {
        let run = &self.leg.states[0].run;
        let made = u64::try_from(run.created_at).unwrap();
        let date = UNIX_EPOCH + Duration::from_secs(made + 1);
        self.head.insert(DATE, httpdate::fmt_http_date(date).parse().unwrap());
        let mut other = self.looks[0].run.clone();
        other.id = "run_other".to_owned();
        other.created_at -= 120;
        other.completed_at = Some(other.created_at);
        self.newest = vec![self.looks[0].run.clone(), other];
    }

    fn look(&mut self) -> Result<Seen> {
        if let Some(left) = self.not_there.checked_sub(1) {
            self.not_there = left;
            let error = Error::new(ErrorKind::Api, "No run found.");
            return Err(error.with_head(Some(StatusCode::NOT_FOUND), &HeaderMap::new()));
        }
        if std::mem::replace(&mut self.looked, true) && self.looks.len() > 1 {
            self.looks.remove(0);
        }
        Ok(Seen { run: self.looks[0].run.clone(), ask_after: None })
    }
}

impl Player {
    pub(super) fn new(legs: &[RecordedLeg]) -> Self {
        let mut later = legs.to_vec();
        let leg = later.remove(0);
        let looks = leg.states.last().cloned().into_iter().collect();
        let thread = leg.events.iter().find_map(|event| match event {
            RunEvent::ThreadCreated(thread) => Some((**thread).clone()),
            _ => None,
        });
        let playing = Playing {
            leg,
            later,
            looks,
            looked: false,
            stale: Vec::new(),
            listed: None,
            resumes: Vec::new(),
            requests: Vec::new(),
            newest: Vec::new(),
            thread,
            head: HeaderMap::new(),
            head_after: Duration::ZERO,
            failures: Vec::new(),
            cancelled: Vec::new(),
            not_there: 0,
        };
        Self(Arc::new(Mutex::new(playing)))
    }

    pub(super) fn playing(&self) -> MutexGuard<'_, Playing> {
        self.0.lock().unwrap()
    }

    /// A stream of the first leg, cut after so many bytes.
    pub(super) fn stream(&self, cut: usize) -> RunStream {
        self.stream_with(cut, settings())
    }

    pub(super) fn stream_with(&self, cut: usize, settings: StreamSettings) -> RunStream {
        let body = body(self.playing().leg.bytes.slice(..cut));
        self.stream_of(body, settings)
    }

    /// A stream of the request that was recorded, with another body.
    pub(super) fn stream_of(&self, body: Body, settings: StreamSettings) -> RunStream {
        let origin = self.playing().origin();
        RunStream::new(Arc::new(self.clone()), settings, Opened::Events(body), origin)
    }

    /// Where the leg breaks off that the next outputs begin.
    pub(super) fn cut_next_leg(&self, cut: usize) {
        let mut playing = self.playing();
        let next = &mut playing.later[0];
        next.bytes.truncate(cut);
    }

    fn ask<'a, T: Send + 'a>(
        &'a self,
        what: String,
        answer: impl FnOnce(&mut Playing) -> Result<T>,
    ) -> Answer<'a, T> {
        let mut playing = self.playing();
        playing.requests.push(what);
        let answer = match playing.failures.is_empty() {
            true => answer(&mut playing),
            false => Err(Error::new(playing.failures.remove(0), "told to fail")),
        };
        Box::pin(async move { answer })
    }
}

pub(super) fn settings() -> StreamSettings {
    StreamSettings {
        include: Vec::new(),
        recover: true,
        idle_timeout: Some(Duration::from_secs(60)),
        max_event_bytes: 1024 * 1024,
        recovery_deadline: Duration::from_secs(600),
        cancel_on_drop: false,
        backoff: None,
        errors: PollErrorPolicy::default(),
    }
}

/// These bytes in pieces, and then the connection breaks.
fn body(bytes: Bytes) -> Body {
    let chunks = (0..bytes.len())
        .step_by(4096)
        .map(move |start| Ok(bytes.slice(start..bytes.len().min(start + 4096))));
    let broken = Error::new(ErrorKind::Connection, "the connection broke");
    Box::pin(stream::iter(chunks).chain(stream::iter([Err(broken)])).into_stream())
}

impl Remote for Player {
    fn resume<'a>(&'a self, _: &'a RunRef, last_event_id: &'a str) -> Answer<'a, Opened> {
        self.ask(format!("resume after {last_event_id}"), |playing| {
            if playing.resumes.is_empty() {
                return Ok(Opened::Run(Box::new(playing.look()?)));
            }
            let end = playing.resumes.remove(0);
            let start = playing.leg.ends[last_event_id.parse::<usize>().unwrap()];
            Ok(Opened::Events(body(playing.leg.bytes.slice(start..end.max(start)))))
        })
    }

    fn submit(&self, _: RunRef, outputs: Vec<ToolOutput>) -> Answer<'_, Opened> {
        self.ask(format!("submit {}", outputs.len()), |playing| {
            playing.leg = playing.later.remove(0);
            playing.looks = playing.leg.states.last().cloned().into_iter().collect();
            Ok(Opened::Events(body(playing.leg.bytes.clone())))
        })
    }

    fn run<'a>(&'a self, _: &'a RunRef) -> Answer<'a, Seen> {
        self.ask("run".to_owned(), Playing::look)
    }

    fn steps<'a>(&'a self, _: &'a RunRef, _: &'a [RunInclude]) -> Answer<'a, Vec<RunStep>> {
        self.ask("steps".to_owned(), |playing| {
            playing.listed = (!playing.stale.is_empty()).then(|| playing.stale.remove(0));
            Ok(playing.listed.as_ref().unwrap_or(&playing.looks[0]).steps.clone())
        })
    }

    fn message<'a>(&'a self, _: &'a str, id: &'a str) -> Answer<'a, Option<Message>> {
        self.ask(format!("message {id}"), |playing| {
            let messages = &playing.listed.as_ref().unwrap_or(&playing.looks[0]).messages;
            Ok(messages.iter().find(|message| message.id == id).cloned())
        })
    }

    fn thread<'a>(&'a self, _: &'a str) -> Answer<'a, Thread> {
        self.ask("thread".to_owned(), |playing| Ok(playing.thread.clone().unwrap()))
    }

    fn newest_runs<'a>(&'a self, _: &'a str) -> Answer<'a, Vec<Run>> {
        self.ask("newest runs".to_owned(), |playing| Ok(playing.newest.clone()))
    }

    fn cancel(&self, run: RunRef) -> Answer<'_, Run> {
        self.ask(format!("cancel {}", run.run_id), |playing| {
            playing.cancelled.push(run.run_id.clone());
            Ok(playing.looks[0].run.clone())
        })
    }
}
