//! API keys: authentication and separation of tenants.

use axum::http::Method;
use runstep_server::model::{Scripted, Turn};
use runstep_server::{Operation, Server, StartError};
use serde_json::{Value, json};

use crate::harness::{TestClient, id, tool_outputs_body};

const ONE: &str = "sk-one-0123456789";
const OTHER: &str = "sk-other-9876543210";

fn server(keys: &[&str]) -> TestClient {
    let turns = [Turn::call("weather", json!({})), Turn::say("Sunny.")];
    let builder = Server::builder().model(Scripted::new(turns));
    TestClient::from_builder(builder.api_keys(keys.iter().copied()))
}

fn bearer(client: &TestClient, key: &str) -> TestClient {
    client.with_header("authorization", &format!("Bearer {key}"))
}

#[tokio::test(start_paused = true)]
async fn without_configured_keys_all_clients_share_objects() {
    let client = server(&[]);
    let thread = client.post("/threads", json!({})).await.ok();
    let path = format!("/threads/{}", id(&thread));
    assert_eq!(bearer(&client, "whatever").get(&path).await.ok(), thread);
}

#[tokio::test(start_paused = true)]
async fn key_is_accepted_as_bearer_token_or_api_key_header() {
    let client = server(&[ONE, OTHER]);
    for client in [
        bearer(&client, ONE),
        client.with_header("authorization", &format!("bearer {ONE}")),
        client.with_header("api-key", ONE),
        bearer(&client, OTHER),
    ] {
        client.post("/threads", json!({})).await.ok();
    }
}

#[tokio::test(start_paused = true)]
async fn missing_key_error_explains_how_to_send_one() {
    let client = server(&[ONE]);
    for client in [client.clone(), client.with_header("authorization", &format!("Basic {ONE}"))] {
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
    let client = server(&[ONE, OTHER]);
    for wrong in ["", "x", "sk-one-012345678", "sk-one-01234567890", "sk-one-0123456780"] {
        for client in [bearer(&client, wrong), client.with_header("api-key", wrong)] {
            let error = client.get("/assistants").await.expect_error(401);
            assert_eq!(error["message"], "Incorrect API key provided: ********.");
            assert_eq!(error["code"], "invalid_api_key");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_operation_requires_a_key() {
    let client = server(&[ONE]);
    for operation in Operation::ALL {
        let (method, path) = operation.place();
        for prefix in ["", "/v1"] {
            let path = format!("{prefix}{path}").replace(['{', '}'], "");
            // The key is checked before the body is parsed.
            let response = client.request(method.clone(), &path, "no json".into()).await;
            assert_eq!(response.expect_error(401)["code"], "invalid_api_key", "{operation}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn objects_of_another_key_are_not_accessible() {
    let client = server(&[ONE, OTHER]);
    let (one, other) = (bearer(&client, ONE), bearer(&client, OTHER));
    let fixture = one.create_fixture(&["weather"]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    let step = fixture.list_steps(&run).await.remove(0);
    let message = one.get(&fixture.messages_path()).await.ok()["data"][0].clone();
    let own = other.create_fixture(&[]).await;

    let outputs = tool_outputs_body(&run, &["sun"]);
    let body = |operation: Operation| match operation {
        Operation::CreateMessage => json!({"role": "user", "content": "Hi"}),
        Operation::CreateRun => json!({"assistant_id": own.assistant}),
        Operation::CreateThreadAndRun => json!({"assistant_id": fixture.assistant}),
        Operation::SubmitToolOutputs => outputs.clone(),
        _ => json!({}),
    };
    let before = everything(&fixture, &run).await;
    for &operation in Operation::ALL {
        let (method, path) = operation.place();
        let path = path
            .replace("{assistant_id}", &fixture.assistant)
            .replace("{thread_id}", &fixture.thread)
            .replace("{message_id}", &id(&message))
            .replace("{run_id}", &id(&run))
            .replace("{step_id}", &id(&step));
        let creates = [Operation::CreateAssistant, Operation::CreateThread];
        if creates.contains(&operation) {
            continue;
        }
        let response = other.request(method, &path, body(operation).to_string().into()).await;
        if operation == Operation::ListAssistants {
            let own = [own.assistant.clone()];
            let data = response.ok()["data"].clone();
            assert!(data.as_array().unwrap().iter().map(id).eq(own), "{data}");
        } else {
            response.expect_error(404);
        }
    }
    let after = format!("/assistants?after={}", fixture.assistant);
    assert_eq!(other.get(&after).await.expect_error(400)["param"], "after");
    let run_of_another = own.run_body(json!({"assistant_id": fixture.assistant}));
    other.post(&own.runs_path(), run_of_another).await.expect_error(404);
    assert_eq!(everything(&fixture, &run).await, before);
}

/// Retrieves every object of the fixture.
async fn everything(fixture: &crate::harness::Fixture, run: &Value) -> Vec<Value> {
    let mut all = vec![fixture.get_run(run).await];
    for path in [
        "/assistants".to_owned(),
        fixture.thread_path(),
        fixture.messages_path(),
        fixture.runs_path(),
    ] {
        all.push(fixture.client.get(&path).await.ok());
    }
    all.extend(fixture.list_steps(run).await);
    all
}

#[tokio::test(start_paused = true)]
async fn key_configured_twice_is_one_tenant() {
    let client = server(&[ONE, OTHER, ONE]);
    let one = bearer(&client, ONE);
    let thread = one.post("/threads", json!({})).await.ok();
    assert_eq!(one.get(&format!("/threads/{}", id(&thread))).await.ok(), thread);
}

#[test]
fn unusable_configured_key_is_rejected_without_echoing_it() {
    for key in ["", "with space", "new\nline", "schlüssel"] {
        let error = Server::builder().api_keys([ONE, key]).app().unwrap_err();
        assert!(matches!(error, StartError::ApiKey { position: 2 }));
        let message = "API key 2 cannot be used: a key has at least one character, \
                       all of them visible ASCII";
        assert_eq!(error.to_string(), message);
    }
}

#[tokio::test(start_paused = true)]
async fn health_is_public_and_metrics_require_a_key() {
    let client = server(&[ONE]);
    for path in ["/healthz", "/readyz"] {
        let response = client.send(Method::GET, path, "".into()).await;
        assert_eq!(response.status(), 200, "{path}");
    }
    client.get("/metrics").await.expect_error(401);
    let response = bearer(&client, ONE).send(Method::GET, "/metrics", "".into()).await;
    assert_eq!(response.status(), 200);
}
