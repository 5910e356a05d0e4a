//! What the server logs, and what it never does. Apart from other tests, which log at the same time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use runstep_server::Server;
use runstep_server::model::{Scripted, Turn};
use serde_json::json;
use support::{Api, id};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Keeps all that is logged, as one text.
#[derive(Clone, Default)]
struct Keeper(Arc<Mutex<String>>);

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Keeper {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut text = self.0.lock().unwrap();
        write!(text, "{} span", span.metadata().target()).unwrap();
        span.record(&mut Fields(&mut text));
        text.push('\n');
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Fields(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = self.0.lock().unwrap();
        write!(text, "{}", event.metadata().target()).unwrap();
        event.record(&mut Fields(&mut text));
        text.push('\n');
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test(start_paused = true)]
async fn logs_tell_of_requests_and_runs_but_not_what_people_write() {
    const KEY: &str = "sk-a-key-that-nobody-may-read";
    const TEXT: &str = "a text that nobody may read";
    let keeper = Keeper::default();
    let guard = tracing::subscriber::set_default(keeper.clone());
    let turn = Turn::say(TEXT).usage(12, 3);
    let builder = Server::builder().model(Scripted::new([turn])).api_keys([KEY]);
    let api = Api::built(builder);
    let mine = api.with("authorization", &format!("Bearer {KEY}")).with("x-request-id", "mine");
    let assistant = mine.assistant(json!({"instructions": TEXT, "name": TEXT})).await;
    let thread = mine.thread(TEXT).await;
    let scene = support::Scene { api: mine, assistant, thread };
    let run = scene.play(json!({"metadata": {"secret": TEXT}})).await;
    api.with("authorization", "Bearer wrong-but-somebodys").get("/assistants").await.refused(401);
    drop(guard);

    let told = keeper.0.lock().unwrap().clone();
    let run_line =
        format!("runstep_server::run message=ended run_id=\"{}\" status=completed", id(&run));
    for expected in [
        "runstep_server::http span request_id=\"mine\" operation=\"createRun\"",
        "runstep_server::http message=replied status=200 microseconds=",
        "runstep_server::http message=replied status=401",
        &run_line,
        "prompt_tokens=12 completion_tokens=3",
    ] {
        assert!(told.contains(expected), "{expected} is not in {told}");
    }
    for secret in [KEY, TEXT, "wrong-but-somebodys"] {
        assert!(!told.contains(secret), "{secret} is in {told}");
    }
}
