//! A provider with files, vector stores and containers beside its model.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::harness::upstream::{MockResponse, ReceivedRequest, Upstream};

/// The requests for files, vector stores and containers that a provider has received.
#[derive(Clone, Default)]
pub(super) struct ObjectRequests(Arc<Mutex<Vec<(String, Value)>>>);

impl ObjectRequests {
    /// Returns the requests so far, as method and path with the body.
    pub(super) fn all(&self) -> Vec<(String, Value)> {
        self.0.lock().unwrap().clone()
    }

    /// Returns the method and path of each request so far.
    pub(super) fn lines(&self) -> Vec<String> {
        self.all().into_iter().map(|(line, _)| line).collect()
    }

    fn respond(&self, request: &ReceivedRequest) -> Option<MockResponse> {
        let line = request.head.lines().next().unwrap().trim_end_matches(" HTTP/1.1");
        let (method, path) = line.split_once(" /v1/").unwrap();
        if path == "responses" {
            return None;
        }
        assert!(request.head.contains("authorization: Bearer provider-key"), "{}", request.head);
        let number = {
            let mut requests = self.0.lock().unwrap();
            requests.push((format!("{method} /{path}"), request.body.clone()));
            requests.len()
        };
        let (path, _) = path.split_once('?').unwrap_or((path, ""));
        let segments: Vec<&str> = path.split('/').collect();
        if method == "POST" && request.body.to_string().contains("file-missing") {
            let error = json!({"error": {"message": "No such File object: file-missing",
                "type": "invalid_request_error", "param": null, "code": null}});
            return Some(MockResponse::json(404, &error));
        }
        let object = match (method, segments.as_slice()) {
            ("POST", ["files"]) => json!({"id": format!("file-{number}"), "object": "file"}),
            ("POST", ["uploads"]) => json!({"id": format!("upload_{number}"), "object": "upload"}),
            ("POST", ["uploads", id, "complete"]) => json!({"id": id, "object": "upload",
                "file": {"id": format!("file-{number}"), "object": "file"}}),
            ("POST", ["vector_stores"]) => json!({"id": format!("vs_{number}"),
                "object": "vector_store", "status": "completed"}),
            ("GET", ["files"]) => json!({"object": "list", "has_more": false,
                "data": [{"id": "file-1"}, {"id": "file-foreign"}]}),
            ("GET", ["files", _, "content"]) => {
                return Some(MockResponse::status(200, "content-type: text/csv\r\n", "a,b\n"));
            }
            ("GET", ["containers", _, "files", _, "content"]) => {
                return Some(MockResponse::status(200, "content-type: image/png\r\n", "PNG"));
            }
            ("GET", ["containers", container, "files", id]) => json!({"id": id,
                "object": "container.file", "container_id": container, "bytes": 3,
                "created_at": 7, "path": "/mnt/data/plot.png"}),
            ("GET", ["files", "file-missing"]) => {
                let error = json!({"error": {"message": "No such File object: file-missing",
                    "type": "invalid_request_error", "param": "id", "code": null}});
                return Some(MockResponse::json(404, &error));
            }
            ("GET", ["files", "file-denied"]) => {
                let error = json!({"error": {"message": "Incorrect API key: provider-key"}});
                return Some(MockResponse::json(401, &error));
            }
            ("DELETE", [_, id]) => json!({"id": id, "deleted": true}),
            (_, [_, id, ..]) => json!({"id": id, "status": "completed"}),
            _ => json!({"object": "list", "data": []}),
        };
        Some(MockResponse::json(200, &object))
    }
}

/// Starts a provider with files and vector stores.
pub(super) async fn provider(
    script: impl IntoIterator<Item = MockResponse>,
) -> (Upstream, ObjectRequests) {
    let requests = ObjectRequests::default();
    let upstream = {
        let requests = requests.clone();
        Upstream::with_handler(script, move |request| requests.respond(request)).await
    };
    (upstream, requests)
}
