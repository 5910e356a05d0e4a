//! Who is let in, and whose objects they see.

use crate::harness::{Api, id, outputs_for};
use axum::http::Method;
use runstep_server::model::{Scripted, Turn};
use runstep_server::{Operation, Server, StartError};
use serde_json::{Value, json};

const ONE: &str = "sk-one-0123456789";
const OTHER: &str = "sk-other-9876543210";

fn server(keys: &[&str]) -> Api {
    let turns = [Turn::call("weather", json!({})), Turn::say("Sunny.")];
    let builder = Server::builder().model(Scripted::new(turns));
    Api::built(builder.api_keys(keys.iter().copied()))
}

fn bearer(api: &Api, key: &str) -> Api {
    api.with("authorization", &format!("Bearer {key}"))
}

#[tokio::test(start_paused = true)]
async fn without_keys_all_are_let_in_and_see_the_same() {
    let api = server(&[]);
    let thread = api.post("/threads", json!({})).await.ok();
    let path = format!("/threads/{}", id(&thread));
    assert_eq!(bearer(&api, "whatever").get(&path).await.ok(), thread);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_a_bearer_token_or_in_a_header_of_its_own() {
    let api = server(&[ONE, OTHER]);
    for api in [
        bearer(&api, ONE),
        api.with("authorization", &format!("bearer {ONE}")),
        api.with("api-key", ONE),
        bearer(&api, OTHER),
    ] {
        api.post("/threads", json!({})).await.ok();
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_no_key_is_told_how_to_send_one() {
    let api = server(&[ONE]);
    for api in [api.clone(), api.with("authorization", &format!("Basic {ONE}"))] {
        let reply = api.get("/assistants").await;
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        let expected = json!({
            "message": "You didn't provide an API key. Send it as 'Authorization: Bearer KEY'.",
            "type": "invalid_request_error",
            "param": null,
            "code": "invalid_api_key",
        });
        assert_eq!(reply.refused(401), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_key_is_refused_and_not_repeated() {
    let api = server(&[ONE, OTHER]);
    for wrong in ["", "x", "sk-one-012345678", "sk-one-01234567890", "sk-one-0123456780"] {
        for api in [bearer(&api, wrong), api.with("api-key", wrong)] {
            let error = api.get("/assistants").await.refused(401);
            assert_eq!(error["message"], "Incorrect API key provided: ********.");
            assert_eq!(error["code"], "invalid_api_key");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_operation_needs_a_key() {
    let api = server(&[ONE]);
    for operation in Operation::ALL {
        let (method, path) = operation.place();
        for prefix in ["", "/v1"] {
            let path = format!("{prefix}{path}").replace(['{', '}'], "");
            // Refused before the body is looked at.
            let reply = api.request(method.clone(), &path, "no json".into()).await;
            assert_eq!(reply.refused(401)["code"], "invalid_api_key", "{operation}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_key_never_sees_what_is_anothers() {
    let api = server(&[ONE, OTHER]);
    let (one, other) = (bearer(&api, ONE), bearer(&api, OTHER));
    let scene = one.scene(&["weather"]).await;
    let run = scene.play(json!({})).await;
    let step = scene.steps(&run).await.remove(0);
    let message = one.get(&scene.messages()).await.ok()["data"][0].clone();
    let own = other.scene(&[]).await;

    let outputs = outputs_for(&run, &["sun"]);
    let body = |operation: Operation| match operation {
        Operation::CreateMessage => json!({"role": "user", "content": "Hi"}),
        Operation::CreateRun => json!({"assistant_id": own.assistant}),
        Operation::CreateThreadAndRun => json!({"assistant_id": scene.assistant}),
        Operation::SubmitToolOutputs => outputs.clone(),
        _ => json!({}),
    };
    let before = everything(&scene, &run).await;
    for &operation in Operation::ALL {
        let (method, path) = operation.place();
        let path = path
            .replace("{assistant_id}", &scene.assistant)
            .replace("{thread_id}", &scene.thread)
            .replace("{message_id}", &id(&message))
            .replace("{run_id}", &id(&run))
            .replace("{step_id}", &id(&step));
        let creates = [Operation::CreateAssistant, Operation::CreateThread];
        if creates.contains(&operation) {
            continue;
        }
        let reply = other.request(method, &path, body(operation).to_string().into()).await;
        if operation == Operation::ListAssistants {
            let own = [own.assistant.clone()];
            let data = reply.ok()["data"].clone();
            assert!(data.as_array().unwrap().iter().map(id).eq(own), "{data}");
        } else {
            reply.refused(404);
        }
    }
    let after = format!("/assistants?after={}", scene.assistant);
    assert_eq!(other.get(&after).await.refused(400)["param"], "after");
    let run_of_another = own.body(json!({"assistant_id": scene.assistant}));
    other.post(&own.runs(), run_of_another).await.refused(404);
    assert_eq!(everything(&scene, &run).await, before);
}

/// What a scene is made of.
async fn everything(scene: &crate::harness::Scene, run: &Value) -> Vec<Value> {
    let mut all = vec![scene.get_run(run).await];
    for path in ["/assistants".to_owned(), scene.thread_path(), scene.messages(), scene.runs()] {
        all.push(scene.api.get(&path).await.ok());
    }
    all.extend(scene.steps(run).await);
    all
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_given_twice_sees_the_same() {
    let api = server(&[ONE, OTHER, ONE]);
    let one = bearer(&api, ONE);
    let thread = one.post("/threads", json!({})).await.ok();
    assert_eq!(one.get(&format!("/threads/{}", id(&thread))).await.ok(), thread);
}

#[test]
fn a_key_that_no_request_can_carry_is_refused_and_not_told() {
    for key in ["", "with space", "new\nline", "schlüssel"] {
        let error = Server::builder().api_keys([ONE, key]).app().unwrap_err();
        assert!(matches!(error, StartError::ApiKey { position: 2 }));
        let message = "API key 2 cannot be used: a key has at least one character, \
                       all of them visible ASCII";
        assert_eq!(error.to_string(), message);
    }
}

#[tokio::test(start_paused = true)]
async fn health_is_told_to_all_and_figures_to_those_with_a_key() {
    let api = server(&[ONE]);
    for path in ["/healthz", "/readyz"] {
        let reply = api.send(Method::GET, path, "".into()).await;
        assert_eq!(reply.status(), 200, "{path}");
    }
    api.get("/metrics").await.refused(401);
    let reply = bearer(&api, ONE).send(Method::GET, "/metrics", "".into()).await;
    assert_eq!(reply.status(), 200);
}
