//! Files, uploads, vector stores and models of the provider.

use std::convert::Infallible;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use futures_util::{StreamExt as _, stream};
use runstep_server::Server;
use runstep_server::model::{Offline, Responses};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::objects::{ObjectRequests, provider};
use super::provider::{Events, built_in_tools, data_of, fixture};
use crate::harness::upstream::Upstream;
use crate::harness::{Fixture, TestClient};

/// A server whose provider has files and vector stores.
async fn server() -> (Upstream, ObjectRequests, Fixture) {
    let (upstream, requests) = provider([]).await;
    let fixture = fixture(&upstream, json!({})).await;
    (upstream, requests, fixture)
}

/// Sends a request; returns the status, the content type and the body.
async fn send(client: &TestClient, method: &str, path: &str, body: &str) -> (u16, String, String) {
    let request = Request::builder().method(method).uri(path);
    let request =
        request.header("content-type", "text/plain").header("authorization", "Bearer own");
    let request = request.header("content-length", body.len());
    let request = request.body(Body::from(body.to_owned())).unwrap();
    let response = client.send_request(request).await;
    let status = response.status().as_u16();
    let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, content_type, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn requests_are_passed_on_with_query_body_and_status() {
    let (_upstream, requests, fixture) = server().await;
    let client = &fixture.client;
    let (status, _, body) = send(client, "POST", "/v1/files", "some content").await;
    assert_eq!((status, body.contains("\"file-1\"")), (200, true), "{body}");
    let (status, kind, body) = send(client, "GET", "/files/file-1/content", "").await;
    assert_eq!((status, &*kind, &*body), (200, "text/csv", "a,b\n"));
    send(client, "POST", "/v1/vector_stores/vs_1/search?limit=2", "{}").await;
    send(client, "GET", "/v1/models", "").await;
    send(client, "DELETE", "/v1/vector_stores/vs_1", "").await;
    let azure = "/openai/deployments/gpt-4o/files?api-version=2024-05-01&purpose=assistants";
    send(client, "GET", azure, "").await;
    send(client, "GET", "/api/projects/p/vector_stores/vs_1?api-version=v1", "").await;
    let (status, _, body) = send(client, "GET", "/v1/files/file-missing", "").await;
    assert_eq!((status, body.contains("No such File object")), (404, true), "{body}");
    let expected = [
        "POST /files",
        "GET /files/file-1/content",
        "POST /vector_stores/vs_1/search?limit=2",
        "GET /models",
        "DELETE /vector_stores/vs_1",
        "GET /files?purpose=assistants",
        "GET /vector_stores/vs_1",
        "GET /files/file-missing",
    ];
    assert_eq!(requests.lines(), expected);
    assert_eq!(requests.all()[0].1, "some content");
}

#[tokio::test]
async fn files_of_containers_are_read_from_them() {
    let (_upstream, requests, fixture) = server().await;
    let client = &fixture.client;
    let (status, kind, body) = send(client, "GET", "/files/cntr_1.cfile_2/content", "").await;
    assert_eq!((status, &*kind, &*body), (200, "image/png", "PNG"));
    let (_, _, body) = send(client, "GET", "/files/cntr_1.cfile_2", "").await;
    let file: serde_json::Value = serde_json::from_str(&body).unwrap();
    let expected = json!({"id": "cntr_1.cfile_2", "object": "file", "bytes": 3, "created_at": 7,
        "filename": "plot.png", "purpose": "assistants_output", "status": "processed"});
    assert_eq!(file, expected);
    let expected =
        ["GET /containers/cntr_1/files/cfile_2/content", "GET /containers/cntr_1/files/cfile_2"];
    assert_eq!(requests.lines(), expected);
}

#[tokio::test]
async fn rejected_key_of_the_server_is_not_the_clients_mistake() {
    let (_upstream, _, fixture) = server().await;
    let (status, _, body) = send(&fixture.client, "GET", "/files/file-denied", "").await;
    assert_eq!(status, 502);
    assert!(body.contains("rejected the key of this server"), "{body}");
    assert!(!body.contains("provider-key"), "{body}");
}

#[tokio::test]
async fn paths_reach_no_other_endpoint() {
    let (_upstream, requests, fixture) = server().await;
    let client = &fixture.client;
    let paths = [
        "/files/../responses",
        "/files/%2e%2e/responses",
        "/files/..%2fresponses",
        "/files//x",
        "/files/a%3fb",
        "/v1/vector_stores/./x",
    ];
    for path in paths {
        assert_eq!(send(client, "GET", path, "").await.0, 404, "{path}");
    }
    assert_eq!(send(client, "DELETE", "/models/gpt", "").await.0, 405);
    assert_eq!(send(client, "PUT", "/files/file-1", "").await.0, 405);
    assert_eq!(requests.lines(), [""; 0]);
}

#[tokio::test]
async fn without_such_a_provider_the_error_names_the_option() {
    let client = TestClient::from_builder(Server::builder().model(Offline::new()));
    for path in ["/files", "/v1/vector_stores/vs_1", "/uploads", "/models"] {
        let error = client.request(Method::GET, path, Body::empty()).await.expect_error(404);
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("--upstream-api responses"), "{message}");
    }
}

#[tokio::test]
async fn images_of_the_code_interpreter_become_files() {
    let image =
        |data: &str| json!({"type": "image", "url": format!("data:image/png;base64,{data}")});
    let outputs = json!([image("UE5H"), image("not base64!"), {"type": "logs", "logs": "done"}]);
    let response = Events::new().code("plot()", outputs).text("See above.").complete();
    let (upstream, requests) = provider([response]).await;
    let fixture = fixture(&upstream, built_in_tools()).await;
    let events = fixture.stream_run(json!({})).await;
    let step = data_of(&events, "thread.run.step.completed")[0];
    let outputs = &step["step_details"]["tool_calls"][0]["code_interpreter"]["outputs"];
    let expected = json!([{"type": "image", "image": {"file_id": "file-1"}},
        {"type": "logs", "logs": "done"}]);
    assert_eq!(*outputs, expected);
    let (line, body) = requests.all().remove(0);
    assert_eq!(line, "POST /files");
    let body = body.as_str().unwrap();
    for part in ["name=\"purpose\"\r\n\r\nvision", "filename=\"image.png\"", "\r\n\r\nPNG\r\n"] {
        assert!(body.contains(part), "{body}");
    }
}

/// Reads from a socket until this text arrives.
async fn read_until(socket: &mut TcpStream, text: &str) {
    let mut received = Vec::new();
    while !String::from_utf8_lossy(&received).contains(text) {
        let mut part = [0; 1024];
        let count = socket.read(&mut part).await.unwrap();
        assert!(count > 0, "the connection ends before {text:?}");
        received.extend_from_slice(&part[..count]);
    }
}

#[tokio::test]
async fn bodies_are_passed_on_as_they_arrive() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let (uploaded, upload_arrived) = oneshot::channel();
    let (downloaded, download_arrived) = oneshot::channel::<()>();
    let provider = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        read_until(&mut socket, "one").await;
        uploaded.send(()).unwrap();
        read_until(&mut socket, "two").await;
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\none";
        socket.write_all(head).await.unwrap();
        download_arrived.await.unwrap();
        socket.write_all(b"two").await.unwrap();
    });
    let model = Responses::builder(url).build().unwrap();
    let client = TestClient::from_builder(Server::builder().model(model));
    // The second part is sent when the first one has arrived.
    let first = stream::once(async { Ok::<_, Infallible>("one") });
    let second = stream::once(async {
        upload_arrived.await.unwrap();
        Ok("two")
    });
    let request = Request::post("/v1/uploads/upload_1/parts");
    let request = request.body(Body::from_stream(first.chain(second))).unwrap();
    let mut body = client.send_request(request).await.into_body().into_data_stream();
    assert_eq!(body.next().await.unwrap().unwrap(), "one");
    downloaded.send(()).unwrap();
    assert_eq!(body.next().await.unwrap().unwrap(), "two");
    provider.await.unwrap();
}
