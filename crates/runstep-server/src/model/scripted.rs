//! A model whose responses a test defines.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::prepared::{PreparedResponse, Timing};
use super::request::ModelRequest;
use super::response::{Model, ModelError, ModelErrorKind, ModelEvent, ModelStream};
use super::tokens::prompt_tokens;

/// A model that responds from a script, with one [`Turn`] per request.
///
/// Clones share the script, so a test can keep a clone and inspect the requests.
#[derive(Clone, Debug)]
pub struct Scripted {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    total: usize,
    turns: VecDeque<Turn>,
    requests: Vec<ModelRequest>,
}

/// The response of a [`Scripted`] model to one request.
#[derive(Clone, Debug)]
#[must_use = "a turn has no effect until it is part of a script"]
pub struct Turn {
    parts: Vec<Part>,
    usage: Option<(u64, u64)>,
    token_limit: bool,
    error: Option<ModelError>,
    timing: Timing,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Chunks(Vec<String>),
    Call { name: String, arguments: String },
}

impl Scripted {
    /// Creates a model that uses these turns in order. Further requests fail.
    pub fn new(turns: impl IntoIterator<Item = Turn>) -> Self {
        let turns: VecDeque<Turn> = turns.into_iter().collect();
        let state = State { total: turns.len(), turns, requests: Vec::new() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Returns the requests so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<ModelRequest> {
        self.lock().requests.clone()
    }

    /// Returns the number of unused turns.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.lock().turns.len()
    }

    /// The state is consistent even after a panic, because no change of it can panic half-way.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Model for Scripted {
    fn respond(&self, request: ModelRequest) -> ModelStream {
        let prompt_tokens = prompt_tokens(&request);
        let turn = {
            let mut state = self.lock();
            state.requests.push(request);
            let total = state.total;
            state.turns.pop_front().unwrap_or_else(|| {
                let message = format!("all {total} turns of the script have been used");
                Turn::fail(ModelErrorKind::Server, message)
            })
        };
        turn.stream(prompt_tokens)
    }
}

impl Turn {
    fn new(parts: Vec<Part>) -> Self {
        Self { parts, usage: None, token_limit: false, error: None, timing: Timing::default() }
    }

    /// Responds with text, one word per chunk.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(vec![Part::Text(text.into())])
    }

    /// Responds with text in exactly these chunks.
    pub fn chunks<S: Into<String>>(chunks: impl IntoIterator<Item = S>) -> Self {
        Self::new(vec![Part::Chunks(chunks.into_iter().map(Into::into).collect())])
    }

    /// Calls a function.
    pub fn call(name: impl Into<String>, arguments: Value) -> Self {
        Self::new(Vec::new()).and_call(name, arguments)
    }

    /// Calls a function with arguments that may be invalid JSON.
    pub fn call_raw(name: impl Into<String>, arguments: impl Into<String>) -> Self {
        Self::new(Vec::new()).and_call_raw(name, arguments)
    }

    /// Fails without a response.
    pub fn fail(kind: ModelErrorKind, message: impl Into<String>) -> Self {
        Self::new(Vec::new()).and_fail(kind, message)
    }

    /// Generates nothing and never ends.
    pub fn stall() -> Self {
        Self::new(Vec::new()).and_stall()
    }

    /// Adds text, one word per chunk.
    pub fn and_text(mut self, text: impl Into<String>) -> Self {
        self.parts.push(Part::Text(text.into()));
        self
    }

    /// Adds a function call.
    pub fn and_call(self, name: impl Into<String>, arguments: Value) -> Self {
        self.and_call_raw(name, arguments.to_string())
    }

    /// Adds a function call with arguments that may be invalid JSON.
    pub fn and_call_raw(mut self, name: impl Into<String>, arguments: impl Into<String>) -> Self {
        self.parts.push(Part::Call { name: name.into(), arguments: arguments.into() });
        self
    }

    /// Ends the response with an error.
    pub fn and_fail(mut self, kind: ModelErrorKind, message: impl Into<String>) -> Self {
        self.error = Some(ModelError::new(kind, message));
        self
    }

    /// Keeps the response open after its last event.
    pub fn and_stall(mut self) -> Self {
        self.timing.never_ends = true;
        self
    }

    /// Sets the token usage. Default: an estimate from the request and the response.
    pub fn usage(mut self, prompt_tokens: u64, completion_tokens: u64) -> Self {
        self.usage = Some((prompt_tokens, completion_tokens));
        self
    }

    /// Marks the response as cut off at the run's token limit.
    pub fn token_limit(mut self) -> Self {
        self.token_limit = true;
        self
    }

    /// Sets the delay before the first event.
    pub fn initial_delay(mut self, delay: Duration) -> Self {
        self.timing.initial_delay = delay;
        self
    }

    /// Sets the delay before each chunk except the first.
    pub fn chunk_interval(mut self, interval: Duration) -> Self {
        self.timing.chunk_interval = interval;
        self
    }

    fn stream(self, prompt_tokens: u64) -> ModelStream {
        let mut response = PreparedResponse::default();
        for part in &self.parts {
            match part {
                Part::Text(text) => response.text(text),
                Part::Chunks(chunks) => chunks.iter().for_each(|chunk| response.chunk(chunk)),
                Part::Call { name, arguments } => response.call(name, arguments),
            }
        }
        if self.token_limit {
            response.event(ModelEvent::TokenLimit);
        }
        let is_complete = self.error.is_none() && !self.timing.never_ends;
        let usage = self.usage.or_else(|| is_complete.then(|| (prompt_tokens, response.tokens())));
        if let Some((prompt_tokens, completion_tokens)) = usage {
            response.event(ModelEvent::Usage { prompt_tokens, completion_tokens });
        }
        if let Some(error) = self.error {
            response.error(error);
        }
        response.stream(self.timing)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use serde_json::json;
    use tokio::time::Instant;

    use super::*;
    use crate::model::ConversationItem;

    fn request(text: &str) -> ModelRequest {
        ModelRequest::new("test", vec![ConversationItem::User(text.to_owned())])
    }

    async fn events(model: &Scripted, text: &str) -> Vec<Result<ModelEvent, ModelError>> {
        model.respond(request(text)).collect().await
    }

    fn text(text: &str) -> Result<ModelEvent, ModelError> {
        Ok(ModelEvent::Text(text.to_owned()))
    }

    fn usage(prompt_tokens: u64, completion_tokens: u64) -> Result<ModelEvent, ModelError> {
        Ok(ModelEvent::Usage { prompt_tokens, completion_tokens })
    }

    #[tokio::test]
    async fn turns_are_used_in_order() {
        let model = Scripted::new([Turn::text("It is sunny.").usage(12, 5), Turn::text("Bye")]);
        assert_eq!(model.remaining(), 2);
        assert_eq!(
            events(&model, "Hello").await,
            [text("It "), text("is "), text("sunny."), usage(12, 5)]
        );
        assert_eq!(events(&model.clone(), "Hello").await, [text("Bye"), usage(2, 1)]);
        assert_eq!(model.remaining(), 0);
        let message = "all 2 turns of the script have been used";
        assert_eq!(
            events(&model, "More").await,
            [Err(ModelError::new(ModelErrorKind::Server, message))]
        );
        assert_eq!(model.requests(), [request("Hello"), request("Hello"), request("More")]);
    }

    #[tokio::test]
    async fn text_precedes_calls_and_arguments_are_chunked() {
        let arguments = json!({"city": "Paris", "unit": "celsius"});
        let model = Scripted::new([Turn::chunks(["He", "llo"])
            .and_call("get_weather", arguments.clone())
            .and_call_raw("broken", "{not json")]);
        let events = events(&model, "Hi").await;
        assert_eq!(events.first(), Some(&text("He")));
        assert_eq!(events.get(1), Some(&text("llo")));
        assert_eq!(
            events.get(2),
            Some(&Ok(ModelEvent::ToolCall { index: 0, name: "get_weather".to_owned() }))
        );
        let mut texts = [String::new(), String::new()];
        let mut chunks = 0;
        for event in &events {
            if let Ok(ModelEvent::Arguments { index, text }) = event {
                texts[*index].push_str(text);
                chunks += 1;
            }
        }
        assert_eq!(texts, [arguments.to_string(), "{not json".to_owned()]);
        assert!(chunks > 3, "{chunks} chunks");
    }

    #[tokio::test]
    async fn error_ends_the_response_without_usage() {
        let model = Scripted::new([
            Turn::fail(ModelErrorKind::RateLimit, "slow down"),
            Turn::text("partial").and_fail(ModelErrorKind::Server, "boom"),
        ]);
        let slow = ModelError::new(ModelErrorKind::RateLimit, "slow down");
        assert_eq!(events(&model, "Hi").await, [Err(slow)]);
        let boom = ModelError::new(ModelErrorKind::Server, "boom");
        assert_eq!(events(&model, "Hi").await, [text("partial"), Err(boom)]);
    }

    #[tokio::test]
    async fn token_limit_is_an_event() {
        let model = Scripted::new([Turn::text("cut").token_limit()]);
        assert_eq!(
            events(&model, "Hi").await,
            [text("cut"), Ok(ModelEvent::TokenLimit), usage(1, 1)]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn delays_precede_the_first_event_and_each_later_chunk() {
        let model = Scripted::new([Turn::text("a b c")
            .initial_delay(Duration::from_secs(10))
            .chunk_interval(Duration::from_secs(1))]);
        let start = Instant::now();
        let mut stream = model.respond(request("Hi"));
        let mut seconds = Vec::new();
        while stream.next().await.is_some() {
            seconds.push(start.elapsed().as_secs());
        }
        assert_eq!(seconds, [10, 11, 12, 12]);
    }

    #[tokio::test(start_paused = true)]
    async fn stalled_turn_never_ends() {
        let model = Scripted::new([Turn::stall(), Turn::text("so").and_stall()]);
        let hour = Duration::from_secs(3600);
        let mut silent = model.respond(request("Hi"));
        assert!(tokio::time::timeout(hour, silent.next()).await.is_err());
        let mut started = model.respond(request("Hi"));
        assert_eq!(started.next().await, Some(text("so")));
        assert!(tokio::time::timeout(hour, started.next()).await.is_err());
    }
}
