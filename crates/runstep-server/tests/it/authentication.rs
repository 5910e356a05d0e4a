//! API keys: authentication and separation of tenants.

use axum::http::Method;
use runstep_server::model::{Scripted, Turn};
use runstep_server::{Operation, Server, StartError};
use serde_json::{Value, json};

use crate::harness::{Fixture, TestClient, id, tool_outputs_body};

const FIRST_KEY: &str = "sk-first-0123456789";
const SECOND_KEY: &str = "sk-second-9876543210";

fn client_of_server_with(keys: &[&str]) -> TestClient {
    let turns = [Turn::call("weather", json!({})), Turn::text("Sunny.")];
    let builder = Server::builder().model(Scripted::new(turns));
    TestClient::from_builder(builder.api_keys(keys.iter().copied()))
}

fn bearer(client: &TestClient, key: &str) -> TestClient {
    client.with_header("authorization", &format!("Bearer {key}"))
}

#[tokio::test(start_paused = true)]
async fn without_configured_keys_all_clients_share_objects() {
    let client = client_of_server_with(&[]);
    let thread = client.post("/threads", json!({})).await.ok();
    let path = format!("/threads/{}", id(&thread));
    assert_eq!(bearer(&client, "any-key").get(&path).await.ok(), thread);
}

#[tokio::test(start_paused = true)]
async fn key_is_accepted_as_bearer_token_or_api_key_header() {
    let client = client_of_server_with(&[FIRST_KEY, SECOND_KEY]);
    for client in [
        bearer(&client, FIRST_KEY),
        client.with_header("authorization", &format!("bearer {FIRST_KEY}")),
        client.with_header("api-key", FIRST_KEY),
        bearer(&client, SECOND_KEY),
    ] {
        client.post("/threads", json!({})).await.ok();
    }
}

#[tokio::test(start_paused = true)]
async fn missing_key_error_explains_how_to_send_one() {
    let client = client_of_server_with(&[FIRST_KEY]);
    for client in
        [client.clone(), client.with_header("authorization", &format!("Basic {FIRST_KEY}"))]
    {
        let response = client.get("/assistants").await;
        assert_eq!(response.header("www-authenticate"), Some("Bearer"));
        let expected = json!({
            "message": "You didn't provide an API key. Send it as 'Authorization: Bearer KEY'.",
            "type": "invalid_request_error",
            "param": null,
            "code": "invalid_api_key",
        });
        assert_eq!(response.expect_error(401), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_key_is_rejected_and_not_echoed() {
    let client = client_of_server_with(&[FIRST_KEY, SECOND_KEY]);
    for wrong in ["", "x", "sk-first-012345678", "sk-first-01234567890", "sk-first-0123456780"] {
        for client in [bearer(&client, wrong), client.with_header("api-key", wrong)] {
            let error = client.get("/assistants").await.expect_error(401);
            assert_eq!(error["message"], "Incorrect API key provided: ********.");
            assert_eq!(error["code"], "invalid_api_key");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_operation_requires_a_key() {
    let client = client_of_server_with(&[FIRST_KEY]);
    for operation in Operation::ALL {
        let (method, path) = (operation.method(), operation.path());
        for prefix in ["", "/v1"] {
            let path = format!("{prefix}{path}").replace(['{', '}'], "");
            // The key is checked before the body is parsed.
            let response = client.request(method.clone(), &path, "not json".into()).await;
            assert_eq!(response.expect_error(401)["code"], "invalid_api_key", "{operation}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn objects_of_another_key_are_not_accessible() {
    let client = client_of_server_with(&[FIRST_KEY, SECOND_KEY]);
    let (owner, stranger) = (bearer(&client, FIRST_KEY), bearer(&client, SECOND_KEY));
    let fixture = owner.create_fixture(&["weather"]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    let step = fixture.list_steps(&run).await.remove(0);
    let message = fixture.newest_message().await;
    let own_fixture = stranger.create_fixture(&[]).await;

    let outputs = tool_outputs_body(&run, &["sun"]);
    let body = |operation: Operation| match operation {
        Operation::CreateMessage => json!({"role": "user", "content": "Hi"}),
        Operation::CreateRun => json!({"assistant_id": own_fixture.assistant}),
        Operation::CreateThreadAndRun => json!({"assistant_id": fixture.assistant}),
        Operation::SubmitToolOutputs => outputs.clone(),
        _ => json!({}),
    };
    let before = all_objects(&fixture, &run).await;
    for &operation in Operation::ALL {
        let (method, path) = (operation.method(), operation.path());
        let path = path
            .replace("{assistant_id}", &fixture.assistant)
            .replace("{thread_id}", &fixture.thread)
            .replace("{message_id}", &id(&message))
            .replace("{run_id}", &id(&run))
            .replace("{step_id}", &id(&step));
        if matches!(operation, Operation::CreateAssistant | Operation::CreateThread) {
            continue;
        }
        let response = stranger.request(method, &path, body(operation).to_string().into()).await;
        if operation == Operation::ListAssistants {
            let expected = [own_fixture.assistant.clone()];
            let data = response.ok()["data"].clone();
            assert!(data.as_array().unwrap().iter().map(id).eq(expected), "{data}");
        } else {
            response.expect_error(404);
        }
    }
    let foreign_cursor = format!("/assistants?after={}", fixture.assistant);
    assert_eq!(stranger.get(&foreign_cursor).await.expect_error(400)["param"], "after");
    let body = own_fixture.run_body(json!({"assistant_id": fixture.assistant}));
    stranger.post(&own_fixture.runs_path(), body).await.expect_error(404);
    assert_eq!(all_objects(&fixture, &run).await, before);
}

/// Retrieves every object of the fixture.
async fn all_objects(fixture: &Fixture, run: &Value) -> Vec<Value> {
    let mut objects = vec![fixture.get_run(run).await];
    for path in [
        "/assistants".to_owned(),
        fixture.thread_path(),
        fixture.messages_path(),
        fixture.runs_path(),
    ] {
        objects.push(fixture.client.get(&path).await.ok());
    }
    objects.extend(fixture.list_steps(run).await);
    objects
}

#[tokio::test(start_paused = true)]
async fn key_configured_twice_is_one_tenant() {
    let client = client_of_server_with(&[FIRST_KEY, SECOND_KEY, FIRST_KEY]);
    let client = bearer(&client, FIRST_KEY);
    let thread = client.post("/threads", json!({})).await.ok();
    assert_eq!(client.get(&format!("/threads/{}", id(&thread))).await.ok(), thread);
}

#[test]
fn unusable_configured_key_is_rejected_without_echoing_it() {
    for key in ["", "with space", "new\nline", "schlüssel"] {
        let error = Server::builder().api_keys([FIRST_KEY, key]).app().unwrap_err();
        assert!(matches!(error, StartError::ApiKey { position: 2 }));
        let message = "invalid API key 2: expected at least one character, \
                       all of them visible ASCII";
        assert_eq!(error.to_string(), message);
    }
}

#[tokio::test(start_paused = true)]
async fn health_is_public_and_metrics_require_a_key() {
    let client = client_of_server_with(&[FIRST_KEY]);
    for path in ["/healthz", "/readyz"] {
        let response = client.send(Method::GET, path, "".into()).await;
        assert_eq!(response.status(), 200, "{path}");
    }
    client.get("/metrics").await.expect_error(401);
    let response = bearer(&client, FIRST_KEY).send(Method::GET, "/metrics", "".into()).await;
    assert_eq!(response.status(), 200);
}
