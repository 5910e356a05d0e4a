//! Graceful shutdown: runs finish, and clients can follow them until then.

use std::time::Duration;

use runstep_server::model::{Scripted, Turn};
use runstep_server::{RunningServer, Server};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::harness::socket::{RawResponse, exchange, request};

/// A test that waits this long has failed.
const DEADLINE: Duration = Duration::from_secs(30);

/// A server that shuts down while a run is in progress.
struct Draining {
    base: std::net::SocketAddr,
    assistant: String,
    run_path: String,
    shutdown: JoinHandle<std::io::Result<()>>,
}

async fn call(
    address: std::net::SocketAddr,
    method: &str,
    path: &str,
    body: &Value,
) -> RawResponse {
    exchange(address, &request(method, path, "connection: close\r\n", body.to_string().as_bytes()))
        .await
}

fn id(response: &RawResponse) -> String {
    let object: Value = serde_json::from_str(&response.body).unwrap();
    object["id"].as_str().unwrap_or_else(|| panic!("{response:?}")).to_owned()
}

impl Draining {
    async fn new(turn: Turn, timeout: Duration) -> Self {
        let builder = Server::builder().model(Scripted::new([turn])).shutdown_timeout(timeout);
        // The server lets clients poll the last run for a second.
        let builder = builder.poll_after(Duration::from_millis(200));
        let server: RunningServer = builder.spawn().await.unwrap();
        let base = server.address();
        let assistant = id(&call(base, "POST", "/assistants", &json!({"model": "m"})).await);
        let thread = id(&call(base, "POST", "/threads", &json!({})).await);
        let body = json!({"assistant_id": assistant});
        let run = id(&call(base, "POST", &format!("/threads/{thread}/runs"), &body).await);
        let run_path = format!("/threads/{thread}/runs/{run}");
        let shutdown = tokio::spawn(server.shutdown());
        let draining = Self { base, assistant, run_path, shutdown };
        while draining.get("/readyz").await.status == 200 {
            sleep(Duration::from_millis(5)).await;
        }
        draining
    }

    async fn get(&self, path: &str) -> RawResponse {
        call(self.base, "GET", path, &json!({})).await
    }

    async fn status(&self) -> Value {
        let run = self.get(&self.run_path).await;
        assert_eq!(run.status, 200, "{run:?}");
        serde_json::from_str::<Value>(&run.body).unwrap()["status"].clone()
    }

    async fn wait_until_stopped(self) {
        let stopped = timeout(DEADLINE, self.shutdown).await.expect("the shutdown does not end");
        stopped.unwrap().unwrap();
        assert!(TcpStream::connect(self.base).await.is_err());
    }
}

#[tokio::test]
async fn runs_in_progress_can_be_polled_to_their_end() {
    let turn = Turn::text("Done.").initial_delay(Duration::from_secs(2));
    let draining = Draining::new(turn, DEADLINE).await;
    let mut statuses = vec![draining.status().await];
    while *statuses.last().unwrap() != "completed" {
        sleep(Duration::from_millis(20)).await;
        statuses.push(draining.status().await);
    }
    assert_eq!(statuses[0], "in_progress");
    let messages = draining.get(draining.run_path.rsplit_once("/runs/").unwrap().0).await;
    assert_eq!(messages.status, 200);
    draining.wait_until_stopped().await;
}

#[tokio::test]
async fn new_runs_are_refused_and_other_requests_are_not() {
    let draining = Draining::new(Turn::stall(), DEADLINE).await;
    let thread = id(&call(draining.base, "POST", "/threads", &json!({})).await);
    let body = json!({"assistant_id": draining.assistant});
    let streamed = json!({"assistant_id": draining.assistant, "stream": true});
    let runs = format!("/threads/{thread}/runs");
    for (path, body) in [(&*runs, &body), (&*runs, &streamed), ("/threads/runs", &body)] {
        let response = call(draining.base, "POST", path, body).await;
        assert_eq!(response.status, 503, "{response:?}");
        assert_eq!(response.header("retry-after"), Some("5"));
        assert_eq!(response.error()["code"], "shutting_down");
    }
    let ready = draining.get("/readyz").await;
    assert_eq!((ready.status, &ready.error()["code"]), (503, &"shutting_down".into()));
    assert_eq!(draining.get("/healthz").await.status, 200);
    let cancel = format!("{}/cancel", draining.run_path);
    assert_eq!(call(draining.base, "POST", &cancel, &json!({})).await.status, 200);
    draining.wait_until_stopped().await;
}

#[tokio::test]
async fn run_that_does_not_end_is_stopped_at_the_timeout() {
    let draining = Draining::new(Turn::stall(), Duration::from_millis(500)).await;
    assert_eq!(draining.status().await, "in_progress");
    draining.wait_until_stopped().await;
}
