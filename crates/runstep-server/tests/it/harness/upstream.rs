//! A provider that sends scripted responses, one for each request.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use runstep_server::model::{
    ChatCompletions, ConversationItem, Model, ModelError, ModelEvent, ModelRequest, UpstreamBuilder,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A test that waits this long has failed.
const DEADLINE: Duration = Duration::from_secs(30);

/// What a provider responds.
struct Script {
    turns: Mutex<VecDeque<MockResponse>>,
    handler: Box<Handler>,
}

/// Responds to requests that are not for the model.
type Handler = dyn Fn(&ReceivedRequest) -> Option<MockResponse> + Send + Sync;

/// A running provider, which stops on drop.
pub(crate) struct Upstream {
    url: String,
    traffic: Arc<Mutex<Traffic>>,
    disconnects: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Traffic {
    requests: Vec<ReceivedRequest>,
    connections: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct ReceivedRequest {
    /// The request line and the headers.
    pub(crate) head: String,
    /// The body, as a string if it is not JSON.
    pub(crate) body: Value,
}

/// How the provider responds to a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct MockResponse {
    steps: Vec<Step>,
    /// Whether the provider closes the connection afterwards.
    closes: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Send(Vec<u8>),
    Wait(Duration),
    /// Waits until the client closes the connection.
    Hang,
}

impl MockResponse {
    /// Sends these bytes, then closes the connection.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { steps: vec![Step::Send(bytes.into())], closes: true }
    }

    /// A complete response. Each header ends with a line break.
    pub(crate) fn status(status: u16, headers: &str, body: &str) -> Self {
        let length = body.len();
        let head = format!("HTTP/1.1 {status} Any\r\ncontent-length: {length}\r\n{headers}\r\n");
        Self { closes: false, ..Self::raw(head + body) }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::status(status, "content-type: application/json\r\n", &body.to_string())
    }

    /// The head of a streamed response.
    pub(crate) fn stream() -> Self {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
            transfer-encoding: chunked\r\n\r\n";
        Self::raw(head)
    }

    /// A complete stream of these chunks.
    pub(crate) fn chunks(chunks: impl IntoIterator<Item = Value>) -> Self {
        chunks.into_iter().fold(Self::stream(), Self::chunk).done()
    }

    /// Adds text to a stream, in one HTTP chunk.
    pub(crate) fn text(mut self, text: &str) -> Self {
        self.steps.push(Step::Send(format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()));
        self
    }

    pub(crate) fn chunk(self, chunk: Value) -> Self {
        self.text(&format!("data: {chunk}\n\n"))
    }

    pub(crate) fn done(self) -> Self {
        self.text("data: [DONE]\n\n").end()
    }

    pub(crate) fn end(mut self) -> Self {
        self.steps.push(Step::Send(b"0\r\n\r\n".to_vec()));
        self.closes = false;
        self
    }

    pub(crate) fn wait(mut self, time: Duration) -> Self {
        self.steps.push(Step::Wait(time));
        self
    }

    pub(crate) fn hang(mut self) -> Self {
        self.steps.push(Step::Hang);
        self
    }
}

/// A completion chunk with this delta.
pub(crate) fn delta_chunk(delta: Value) -> Value {
    json!({"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta}]})
}

pub(crate) fn text_delta(text: &str) -> Value {
    delta_chunk(json!({"content": text}))
}

/// A completion chunk with this finish reason.
pub(crate) fn finish_chunk(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

/// A completion chunk with usage and without choices.
pub(crate) fn usage_chunk(prompt_tokens: u64, completion_tokens: u64) -> Value {
    let total_tokens = prompt_tokens + completion_tokens;
    json!({"choices": [], "usage": {"prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens, "total_tokens": total_tokens}})
}

/// A stream with the text "Hello there.".
pub(crate) fn hello_response() -> MockResponse {
    MockResponse::chunks([
        delta_chunk(json!({"role": "assistant", "content": ""})),
        text_delta("Hello "),
        text_delta("there."),
        finish_chunk("stop"),
        usage_chunk(9, 3),
    ])
}

/// Collects the model's response to `request`.
pub(crate) async fn collect_response(model: &impl Model) -> Vec<Result<ModelEvent, ModelError>> {
    let events = model.respond(request()).collect();
    tokio::time::timeout(DEADLINE, events).await.expect("the response does not end")
}

/// Collects the model's events for this provider response, without retries.
pub(crate) async fn model_events(response: MockResponse) -> Vec<Result<ModelEvent, ModelError>> {
    let upstream = Upstream::new([response]).await;
    collect_response(&upstream.builder().max_retries(0).build().unwrap()).await
}

/// Like `model_events`, for responses that do not fail.
pub(crate) async fn ok_events(response: MockResponse) -> Vec<ModelEvent> {
    let events = model_events(response).await;
    events.into_iter().collect::<Result<_, _>>().unwrap()
}

pub(crate) fn request() -> ModelRequest {
    ModelRequest::new("test-model", vec![ConversationItem::User("Hello".to_owned())])
}

pub(crate) fn text_event(text: &str) -> ModelEvent {
    ModelEvent::Text(text.to_owned())
}

pub(crate) fn usage_event(prompt_tokens: u64, completion_tokens: u64) -> ModelEvent {
    ModelEvent::Usage { prompt_tokens, completion_tokens }
}

impl Upstream {
    /// Starts a provider; further requests are closed without a response.
    pub(crate) async fn new(script: impl IntoIterator<Item = MockResponse>) -> Self {
        Self::with_handler(script, |_| None).await
    }

    /// Starts a provider. `handler` responds to requests that are not for the model.
    pub(crate) async fn with_handler(
        script: impl IntoIterator<Item = MockResponse>,
        handler: impl Fn(&ReceivedRequest) -> Option<MockResponse> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let script: Arc<Script> = Arc::new(Script {
            turns: Mutex::new(script.into_iter().collect()),
            handler: Box::new(handler),
        });
        let traffic = Arc::new(Mutex::new(Traffic::default()));
        let (disconnected, disconnects) = watch::channel(0);
        let task = tokio::spawn({
            let traffic = Arc::clone(&traffic);
            async move {
                loop {
                    let (socket, _) = listener.accept().await.unwrap();
                    traffic.lock().unwrap().connections += 1;
                    let (traffic, script) = (Arc::clone(&traffic), Arc::clone(&script));
                    let disconnected = disconnected.clone();
                    tokio::spawn(async move {
                        if serve(socket, &traffic, &script).await.is_none() {
                            disconnected.send_modify(|count| *count += 1);
                        }
                    });
                }
            }
        });
        Self { url, traffic, disconnects, task }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A builder of a model that uses this provider and retries without delay.
    pub(crate) fn builder(&self) -> UpstreamBuilder<ChatCompletions> {
        ChatCompletions::builder(self.url()).backoff(Duration::ZERO, Duration::ZERO)
    }

    pub(crate) fn model(&self) -> ChatCompletions {
        self.builder().build().unwrap()
    }

    pub(crate) fn requests(&self) -> Vec<ReceivedRequest> {
        self.traffic.lock().unwrap().requests.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.traffic.lock().unwrap().connections
    }

    /// Waits until the provider has received a request.
    pub(crate) async fn wait_for_request(&self) {
        while self.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until the client has closed a connection in `Step::Hang`.
    pub(crate) async fn wait_for_disconnect(&mut self) {
        let disconnect = self.disconnects.wait_for(|count| *count > 0);
        tokio::time::timeout(DEADLINE, disconnect)
            .await
            .expect("the client does not disconnect")
            .unwrap();
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves a connection; returns `None` if the client closed it in `Step::Hang`.
async fn serve(mut socket: TcpStream, traffic: &Mutex<Traffic>, script: &Script) -> Option<()> {
    loop {
        let Some(received) = receive(&mut socket).await else { return Some(()) };
        let response = match (script.handler)(&received) {
            Some(response) => Some(response),
            None => {
                traffic.lock().unwrap().requests.push(received);
                script.turns.lock().unwrap().pop_front()
            }
        };
        let Some(response) = response else { return Some(()) };
        for step in response.steps {
            match step {
                Step::Send(bytes) => {
                    if socket.write_all(&bytes).await.is_err() {
                        return Some(());
                    }
                }
                Step::Wait(time) => tokio::time::sleep(time).await,
                Step::Hang => {
                    let mut rest = [0; 64];
                    while socket.read(&mut rest).await.is_ok_and(|count| count > 0) {}
                    return None;
                }
            }
        }
        if response.closes {
            return Some(());
        }
    }
}

async fn receive(socket: &mut TcpStream) -> Option<ReceivedRequest> {
    let mut bytes = Vec::new();
    let end = loop {
        let mut part = [0; 4096];
        let count = socket.read(&mut part).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&part[..count]);
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    let is_chunked = head.contains("transfer-encoding: chunked");
    let mut body = bytes[end..].to_vec();
    while body.len() < length || (is_chunked && !body.ends_with(b"0\r\n\r\n")) {
        let mut part = [0; 4096];
        let count = socket.read(&mut part).await.ok().filter(|count| *count > 0)?;
        body.extend_from_slice(&part[..count]);
    }
    let text = || String::from_utf8_lossy(&body).into_owned().into();
    let body = serde_json::from_slice(&body).unwrap_or_else(|_| text());
    Some(ReceivedRequest { head, body })
}
