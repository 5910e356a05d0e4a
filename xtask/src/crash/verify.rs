//! Checks of what a server has after a kill.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Client, Killed, field};
use super::events::{Event, compare};
use super::worker::{Deletion, Run, Thread, Worker};
use super::{Broken, Report};

/// How long a run may take to end after a restart.
const TIMEOUT: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(5);
const PAGE: usize = 100;

impl From<Killed> for Broken {
    fn from(_: Killed) -> Self {
        "the server does not respond".to_owned()
    }
}

impl Worker {
    /// Checks the threads that were used since the last check.
    pub(super) fn verify(&mut self, client: &Client) -> Result<(), Broken> {
        self.repeat_patiently(client)?;
        self.verify_threads(client, |thread| thread.is_used)
    }

    /// Checks all threads.
    pub(super) fn verify_all(&mut self, client: &Client) -> Result<(), Broken> {
        self.repeat_patiently(client)?;
        self.verify_threads(client, |_| true)
    }

    /// Repeats the request whose response was lost until there is a response.
    fn repeat_patiently(&mut self, client: &Client) -> Result<(), Broken> {
        let mut broken = None;
        let result = client.patiently(|| match self.repeat_pending(client) {
            Ok(result) => result,
            Err(message) => {
                broken = Some(message);
                Ok(())
            }
        });
        match broken {
            Some(message) => Err(message),
            None => Ok(result?),
        }
    }

    fn verify_threads(
        &mut self,
        client: &Client,
        select: impl Fn(&Thread) -> bool,
    ) -> Result<(), Broken> {
        let mut report = std::mem::take(&mut self.report);
        let mut texts = Vec::new();
        for _ in 0..self.threads.len() {
            texts.push(self.unique("text"));
        }
        let threads = self.threads.iter_mut().zip(texts);
        for (thread, text) in threads.filter(|(thread, _)| select(thread)) {
            verify_thread(client, thread, text, &mut report)
                .map_err(|message| format!("{}: {message}", thread.id))?;
            thread.is_used = false;
        }
        self.report = report;
        Ok(())
    }
}

fn verify_thread(
    client: &Client,
    thread: &mut Thread,
    text: String,
    report: &mut Report,
) -> Result<(), Broken> {
    let path = format!("/threads/{}", thread.id);
    let status = client.get(&path)?.status;
    match (thread.deletion, status) {
        (Deletion::None, 200) => {}
        (Deletion::Requested, 200) => thread.deletion = Deletion::None,
        (Deletion::Requested | Deletion::Acknowledged, 404) => {
            thread.deletion = Deletion::Acknowledged;
            return Ok(());
        }
        (deletion, status) => return Err(format!("status {status}, deletion {deletion:?}")),
    }
    let runs = list(client, &format!("{path}/runs"))?;
    for run in &thread.runs {
        if !runs.iter().any(|stored| *field(stored, "id") == *run.id) {
            return Err(format!("the run {} is lost", run.id));
        }
    }
    // Also runs whose creation was not acknowledged.
    let mut waiting = false;
    for stored in &runs {
        if is_active(stored) {
            report.interrupted += 1;
        }
        let id = field(stored, "id").as_str().unwrap_or_default();
        let run = wait(client, &format!("{path}/runs/{id}"))?;
        waiting |= *field(&run, "status") == "requires_action";
    }
    for run in &mut thread.runs {
        verify_events(client, &format!("{path}/runs/{}", run.id), run, report)
            .map_err(|message| format!("run {}: {message}", run.id))?;
    }
    let stored = list(client, &format!("{path}/messages"))?;
    verify_messages(&stored, thread, report)?;
    // The thread is not locked.
    if !waiting {
        let body = json!({"role": "user", "content": text});
        let messages = format!("{path}/messages");
        let response = client.patiently(|| client.post(&messages, &body, &text))?;
        let id = field(&response.body, "id").as_str().filter(|_| response.status == 200);
        let id = id.ok_or_else(|| format!("locked: {}", response.body))?;
        thread.messages.push((text, id.to_owned()));
    }
    Ok(())
}

fn verify_messages(stored: &[Value], thread: &Thread, report: &mut Report) -> Result<(), Broken> {
    let mut by_text: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for message in stored {
        if *field(message, "status") == "in_progress" {
            return Err(format!("a message is in progress: {message}"));
        }
        let text = message.pointer("/content/0/text/value").and_then(Value::as_str);
        if *field(message, "role") == "user" {
            let ids = by_text.entry(text.unwrap_or_default()).or_default();
            ids.push(field(message, "id").as_str().unwrap_or_default());
        }
    }
    for (text, id) in &thread.messages {
        match by_text.get(text.as_str()).map(Vec::as_slice) {
            Some([stored]) if stored == id => report.messages += 1,
            found => return Err(format!("the message {id} ({text}) is {found:?}")),
        }
    }
    if let Some((text, ids)) = by_text.iter().find(|(_, ids)| ids.len() > 1) {
        return Err(format!("the message {text:?} exists {} times", ids.len()));
    }
    Ok(())
}

fn verify_events(
    client: &Client,
    path: &str,
    run: &mut Run,
    report: &mut Report,
) -> Result<(), Broken> {
    if let Some(last) = run.events.last().map(|event| event.id) {
        let count = run.events.len();
        client.patiently(|| client.resume(path, last_id(&run.events, last), &mut run.events))?;
        report.resumed += u64::from(run.events.len() > count);
    }
    // Each stream ends at a `done`; tool outputs start another one.
    let mut stored: Vec<Event> = Vec::new();
    loop {
        let count = stored.len();
        client.patiently(|| client.resume(path, last_id(&stored, 0), &mut stored))?;
        if stored.len() == count {
            break;
        }
    }
    report.events += stored.len() as u64;
    if stored.last().is_none_or(|event| event.name != "done") {
        return Err("the events do not end in done".to_owned());
    }
    compare(&run.events, &stored)
}

/// Returns the id of the last event.
fn last_id(events: &[Event], default: u64) -> u64 {
    events.last().map_or(default, |event| event.id)
}

/// Waits until a run has ended or requires action.
fn wait(client: &Client, path: &str) -> Result<Value, Broken> {
    let started = Instant::now();
    loop {
        let run = client.get(path)?.body;
        if !is_active(&run) {
            return Ok(run);
        }
        if started.elapsed() > TIMEOUT {
            return Err(format!("the run does not end: {run}"));
        }
        thread::sleep(POLL_INTERVAL);
    }
}

fn is_active(run: &Value) -> bool {
    matches!(field(run, "status").as_str(), Some("queued" | "in_progress" | "cancelling"))
}

/// Returns all entries of a list.
fn list(client: &Client, path: &str) -> Result<Vec<Value>, Broken> {
    let mut entries: Vec<Value> = Vec::new();
    loop {
        let after = match entries.last().and_then(|entry| field(entry, "id").as_str()) {
            Some(id) => format!("&after={id}"),
            None => String::new(),
        };
        let response = client.get(&format!("{path}?limit={PAGE}{after}"))?;
        let data = field(&response.body, "data").as_array().filter(|_| response.status == 200);
        let data = data.ok_or_else(|| format!("GET {path}: {}", response.body))?;
        entries.extend(data.iter().cloned());
        if *field(&response.body, "has_more") != true {
            return Ok(entries);
        }
    }
}
