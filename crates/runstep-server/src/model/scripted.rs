//! A model that does what a test tells it to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::answer::{Answer, Pace, prompt_tokens};
use super::{Model, ModelError, ModelErrorKind, ModelEvent, ModelRequest, ModelStream};

/// A model that answers from a script, one [`Turn`] for each request.
///
/// Clones share one script, so that a test keeps a clone to ask what the model was told.
#[derive(Clone, Debug)]
pub struct Scripted {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    given: usize,
    turns: VecDeque<Turn>,
    requests: Vec<ModelRequest>,
}

/// What a [`Scripted`] model does when it is asked once.
#[derive(Clone, Debug)]
#[must_use = "a turn does nothing until a model is given it"]
pub struct Turn {
    parts: Vec<Part>,
    usage: Option<(u64, u64)>,
    token_limit: bool,
    failure: Option<ModelError>,
    pace: Pace,
}

#[derive(Clone, Debug)]
enum Part {
    Words(String),
    Chunks(Vec<String>),
    Call { name: String, arguments: String },
}

impl Scripted {
    /// A model that takes these turns in their order. It fails when it is asked once more.
    pub fn new(turns: impl IntoIterator<Item = Turn>) -> Self {
        let turns: VecDeque<Turn> = turns.into_iter().collect();
        let state = State { given: turns.len(), turns, requests: Vec::new() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// What the model was asked so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<ModelRequest> {
        self.lock().requests.clone()
    }

    /// How many turns are left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.lock().turns.len()
    }

    /// The state cannot be half changed, so that a panic elsewhere while it was locked is no harm.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Model for Scripted {
    fn respond(&self, request: ModelRequest) -> ModelStream {
        let asked = prompt_tokens(&request);
        let turn = {
            let mut state = self.lock();
            state.requests.push(request);
            let given = state.given;
            state.turns.pop_front().unwrap_or_else(|| {
                let message = format!("the script has no turn left ({given} were given)");
                Turn::fail(ModelErrorKind::Server, message)
            })
        };
        turn.stream(asked)
    }
}

impl Turn {
    fn new(parts: Vec<Part>) -> Self {
        Self { parts, usage: None, token_limit: false, failure: None, pace: Pace::default() }
    }

    /// Answers with a text, word by word.
    pub fn say(text: impl Into<String>) -> Self {
        Self::new(vec![Part::Words(text.into())])
    }

    /// Answers with a text in exactly these chunks.
    pub fn chunks<S: Into<String>>(chunks: impl IntoIterator<Item = S>) -> Self {
        Self::new(vec![Part::Chunks(chunks.into_iter().map(Into::into).collect())])
    }

    /// Calls a function.
    pub fn call(name: impl Into<String>, arguments: Value) -> Self {
        Self::new(Vec::new()).and_call(name, arguments)
    }

    /// Calls a function with arguments as they stand, be they JSON or not.
    pub fn call_raw(name: impl Into<String>, arguments: impl Into<String>) -> Self {
        Self::new(Vec::new()).and_call_raw(name, arguments)
    }

    /// Gives no answer but an error.
    pub fn fail(kind: ModelErrorKind, message: impl Into<String>) -> Self {
        Self::new(Vec::new()).and_fail(kind, message)
    }

    /// Never answers and never ends.
    pub fn stall() -> Self {
        Self::new(Vec::new()).and_stall()
    }

    /// Says something more, word by word.
    pub fn and_say(mut self, text: impl Into<String>) -> Self {
        self.parts.push(Part::Words(text.into()));
        self
    }

    /// Calls one more function.
    pub fn and_call(self, name: impl Into<String>, arguments: Value) -> Self {
        self.and_call_raw(name, arguments.to_string())
    }

    /// Calls one more function with arguments as they stand, be they JSON or not.
    pub fn and_call_raw(mut self, name: impl Into<String>, arguments: impl Into<String>) -> Self {
        self.parts.push(Part::Call { name: name.into(), arguments: arguments.into() });
        self
    }

    /// Ends with an error after what was said, instead of an answer's ordinary end.
    pub fn and_fail(mut self, kind: ModelErrorKind, message: impl Into<String>) -> Self {
        self.failure = Some(ModelError::new(kind, message));
        self
    }

    /// Says nothing more and never ends.
    pub fn and_stall(mut self) -> Self {
        self.pace.endless = true;
        self
    }

    /// What the answer costs, instead of a count of what was asked and answered.
    pub fn usage(mut self, prompt_tokens: u64, completion_tokens: u64) -> Self {
        self.usage = Some((prompt_tokens, completion_tokens));
        self
    }

    /// Tells that the answer was cut because it reached the run's token limit.
    pub fn token_limit(mut self) -> Self {
        self.token_limit = true;
        self
    }

    /// Waits before the first event.
    pub fn after(mut self, wait: Duration) -> Self {
        self.pace.before = wait;
        self
    }

    /// Waits before each chunk other than the first.
    pub fn every(mut self, wait: Duration) -> Self {
        self.pace.between = wait;
        self
    }

    fn stream(self, asked: u64) -> ModelStream {
        let mut answer = Answer::default();
        for part in &self.parts {
            match part {
                Part::Words(text) => answer.text(text),
                Part::Chunks(chunks) => chunks.iter().for_each(|chunk| answer.chunk(chunk)),
                Part::Call { name, arguments } => answer.call(name, arguments),
            }
        }
        if self.token_limit {
            answer.event(ModelEvent::TokenLimit);
        }
        let ends = self.failure.is_none() && !self.pace.endless;
        let usage = self.usage.or_else(|| ends.then(|| (asked, answer.tokens())));
        if let Some((prompt_tokens, completion_tokens)) = usage {
            answer.event(ModelEvent::Usage { prompt_tokens, completion_tokens });
        }
        if let Some(failure) = self.failure {
            answer.error(failure);
        }
        answer.stream(self.pace)
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
    async fn turns_are_taken_in_order_until_none_is_left() {
        let model = Scripted::new([Turn::say("It is sunny.").usage(12, 5), Turn::say("Bye")]);
        assert_eq!(model.remaining(), 2);
        assert_eq!(
            events(&model, "Hello").await,
            [text("It "), text("is "), text("sunny."), usage(12, 5)]
        );
        assert_eq!(events(&model.clone(), "Hello").await, [text("Bye"), usage(2, 1)]);
        assert_eq!(model.remaining(), 0);
        let message = "the script has no turn left (2 were given)";
        assert_eq!(
            events(&model, "More").await,
            [Err(ModelError::new(ModelErrorKind::Server, message))]
        );
        assert_eq!(model.requests(), [request("Hello"), request("Hello"), request("More")]);
    }

    #[tokio::test]
    async fn text_comes_before_calls_and_arguments_in_pieces() {
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
        let mut pieces = 0;
        for event in &events {
            if let Ok(ModelEvent::Arguments { index, text }) = event {
                texts[*index].push_str(text);
                pieces += 1;
            }
        }
        assert_eq!(texts, [arguments.to_string(), "{not json".to_owned()]);
        assert!(pieces > 3, "{pieces} pieces");
    }

    #[tokio::test]
    async fn a_failure_ends_the_answer_without_usage() {
        let model = Scripted::new([
            Turn::fail(ModelErrorKind::RateLimit, "slow down"),
            Turn::say("partial").and_fail(ModelErrorKind::Server, "boom"),
        ]);
        let slow = ModelError::new(ModelErrorKind::RateLimit, "slow down");
        assert_eq!(events(&model, "Hi").await, [Err(slow)]);
        let boom = ModelError::new(ModelErrorKind::Server, "boom");
        assert_eq!(events(&model, "Hi").await, [text("partial"), Err(boom)]);
    }

    #[tokio::test]
    async fn a_reached_token_limit_is_told() {
        let model = Scripted::new([Turn::say("cut").token_limit()]);
        assert_eq!(
            events(&model, "Hi").await,
            [text("cut"), Ok(ModelEvent::TokenLimit), usage(1, 1)]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn waits_lie_before_the_first_event_and_between_chunks() {
        let model = Scripted::new([Turn::say("a b c")
            .after(Duration::from_secs(10))
            .every(Duration::from_secs(1))]);
        let start = Instant::now();
        let mut stream = model.respond(request("Hi"));
        let mut seconds = Vec::new();
        while stream.next().await.is_some() {
            seconds.push(start.elapsed().as_secs());
        }
        assert_eq!(seconds, [10, 11, 12, 12]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_turn_never_ends() {
        let model = Scripted::new([Turn::stall(), Turn::say("so").and_stall()]);
        let hour = Duration::from_secs(3600);
        let mut silent = model.respond(request("Hi"));
        assert!(tokio::time::timeout(hour, silent.next()).await.is_err());
        let mut started = model.respond(request("Hi"));
        assert_eq!(started.next().await, Some(text("so")));
        assert!(tokio::time::timeout(hour, started.next()).await.is_err());
    }
}
