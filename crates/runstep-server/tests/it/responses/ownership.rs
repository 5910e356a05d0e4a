//! Each API key can only use the provider's objects that it has created, and adopted ones.

use axum::body::Body;
use axum::http::Method;
use runstep_server::Server;
use serde_json::{Value, json};

use super::objects::{ObjectRequests, provider};
use super::provider::{Events, builder, built_in_tools};
use crate::harness::TestClient;
use crate::harness::upstream::{MockResponse, Upstream};

/// Two keys of a server whose provider has files and vector stores.
async fn keys(
    script: impl IntoIterator<Item = MockResponse>,
) -> (Upstream, ObjectRequests, [TestClient; 2]) {
    let (upstream, requests) = provider(script).await;
    let model = builder(&upstream).max_retries(0).build().unwrap();
    let server = Server::builder().model(model).api_keys(["one", "two"]);
    let server = server.adopt_upstream_ids(["vs_manuals", "file-data"]);
    let client = TestClient::from_builder(server);
    let keys = ["Bearer one", "Bearer two"].map(|key| client.with_header("authorization", key));
    (upstream, requests, keys)
}

async fn status(client: &TestClient, method: Method, path: &str, body: &str) -> (u16, Value) {
    let response = client.send(method, path, Body::from(body.to_owned())).await;
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test]
async fn objects_belong_to_the_key_that_created_them() {
    let (_upstream, _, [one, two]) = keys([]).await;
    let (code, file) = status(&one, Method::POST, "/files", "content").await;
    assert_eq!((code, &file["id"]), (200, &json!("file-1")));
    let (_, store) =
        status(&one, Method::POST, "/vector_stores", "{\"file_ids\":[\"file-1\"]}").await;
    assert_eq!(store["id"], "vs_2");
    for (path, kind) in [
        ("/files/file-1", "GET"),
        ("/files/file-1/content", "GET"),
        ("/vector_stores/vs_2/search", "POST"),
        ("/vector_stores/vs_2", "DELETE"),
    ] {
        let method: Method = kind.parse().unwrap();
        let (code, body) = status(&two, method, path, "").await;
        assert_eq!(code, 404, "{path}: {body}");
    }
    assert_eq!(status(&one, Method::GET, "/files/file-1", "").await.0, 200);
    let foreign = "{\"file_id\":\"file-1\"}";
    let (_, own) = status(&two, Method::POST, "/vector_stores", "{}").await;
    let path = format!("/vector_stores/{}/files", own["id"].as_str().unwrap());
    assert_eq!(status(&two, Method::POST, &path, foreign).await.0, 404);
    assert_eq!(
        status(&two, Method::POST, "/vector_stores", "{\"file_ids\":[\"file-1\"]}").await.0,
        404
    );
    assert_eq!(status(&one, Method::DELETE, "/files/file-1", "").await.0, 200);
    assert_eq!(status(&one, Method::GET, "/files/file-1", "").await.0, 404);
}

#[tokio::test]
async fn lists_have_only_own_objects() {
    let (_upstream, _, [one, two]) = keys([]).await;
    status(&one, Method::POST, "/files", "content").await;
    let ids = |list: Value| -> Vec<String> {
        let objects = list["data"].as_array().unwrap().iter();
        objects.map(|object| object["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(status(&one, Method::GET, "/files", "").await.1), ["file-1"]);
    assert_eq!(ids(status(&two, Method::GET, "/files", "").await.1), [""; 0]);
}

#[tokio::test]
async fn completed_upload_is_a_file_of_the_key() {
    let (_upstream, _, [one, two]) = keys([]).await;
    let (_, upload) = status(&one, Method::POST, "/uploads", "{}").await;
    let path = format!("/uploads/{}/complete", upload["id"].as_str().unwrap());
    assert_eq!(status(&two, Method::POST, &path, "{}").await.0, 404);
    let (_, completed) = status(&one, Method::POST, &path, "{}").await;
    let path = format!("/files/{}", completed["file"]["id"].as_str().unwrap());
    assert_eq!(status(&one, Method::GET, &path, "").await.0, 200);
    assert_eq!(status(&two, Method::GET, &path, "").await.0, 404);
}

#[tokio::test]
async fn requests_of_the_api_only_name_own_and_adopted_objects() {
    let (_upstream, requests, [one, two]) = keys([]).await;
    status(&one, Method::POST, "/files", "content").await;
    let stores = json!({"file_search": {"vector_stores": [{"file_ids": ["file-1"]}]}});
    let body = json!({"tool_resources": stores});
    let thread = one.post("/threads", body.clone()).await.ok();
    let store = thread["tool_resources"]["file_search"]["vector_store_ids"][0].clone();
    two.post("/threads", body).await.expect_not_found("file", "file-1");
    let foreign = json!({"file_search": {"vector_store_ids": [store]}});
    let body = json!({"model": "test-model", "tool_resources": foreign});
    two.post("/assistants", body).await.expect_not_found("vector store", store.as_str().unwrap());
    let attachment = json!({"file_id": "file-1", "tools": [{"type": "file_search"}]});
    let image = json!([{"type": "image_file", "image_file": {"file_id": "file-1"}}]);
    for message in [
        json!({"role": "user", "content": "Hi", "attachments": [attachment]}),
        json!({"role": "user", "content": image}),
    ] {
        let body = json!({"messages": [message]});
        two.post("/threads", body).await.expect_not_found("file", "file-1");
    }
    let before = requests.lines().len();
    let assistant = two.create_assistant(built_in_tools()).await;
    let update = json!({"tool_resources": foreign});
    let path = format!("/assistants/{assistant}");
    two.post(&path, update).await.expect_not_found("vector store", store.as_str().unwrap());
    assert_eq!(requests.lines().len(), before);
    assert_eq!(status(&two, Method::GET, "/vector_stores/vs_manuals", "").await.0, 200);
}

#[tokio::test]
async fn files_that_a_run_creates_belong_to_its_key() {
    let url = "https://provider.example/v1/containers/cntr_1/files/cfile_plot/content";
    let outputs = json!([{"type": "image", "url": url}]);
    let response = Events::new().code("plot()", outputs).text("See above.").complete();
    let (_upstream, _, [one, two]) = keys([response]).await;
    let assistant = one.create_assistant(built_in_tools()).await;
    let thread = one.create_thread("Plot.").await;
    let body = json!({"assistant_id": assistant, "stream": true});
    one.stream_events(&format!("/threads/{thread}/runs"), body).await;
    let path = "/files/cntr_1.cfile_plot/content";
    assert_eq!(status(&one, Method::GET, path, "").await.0, 200);
    assert_eq!(status(&two, Method::GET, path, "").await.0, 404);
}
