//! Assistants, threads and messages are changed field by field, and checked as when they are made.

use crate::harness::{Api, Scene, breathe, function, id, merged};
use runstep_server::model::{ModelRequest, Offline, Scripted, Turn};
use serde_json::{Value, json};

/// A message of the scene's thread; its path.
async fn message_path(scene: &Scene) -> String {
    let list = scene.api.get(&scene.messages()).await.ok();
    format!("{}/{}", scene.messages(), id(&list["data"][0]))
}

/// Changes an object, and checks that it shows what the reply does.
async fn change(api: &Api, path: &str, body: Value) -> Value {
    let changed = api.post(path, body).await.ok();
    assert_eq!(api.get(path).await.ok(), changed);
    changed
}

/// An assistant with everything, as a body.
fn everything() -> Value {
    json!({
        "model": "m",
        "name": "n",
        "description": "d",
        "instructions": "i",
        "tools": [function("weather")],
        "metadata": {"a": "1", "b": "2"},
        "temperature": 0.5,
        "top_p": 0.25,
        "response_format": {"type": "json_object"},
    })
}

#[tokio::test(start_paused = true)]
async fn an_assistant_changes_in_what_is_given_and_in_nothing_else() {
    let api = Api::new(Offline::new());
    let mut assistant = api.post("/assistants", everything()).await.ok();
    let path = format!("/assistants/{}", id(&assistant));
    let changes = [
        json!({}),
        json!({"model": "m2"}),
        json!({"name": "n2"}),
        json!({"description": "d2"}),
        json!({"instructions": ""}),
        json!({"tools": [function("time"), function("place")]}),
        json!({"tools": []}),
        json!({"metadata": {"c": "3"}}),
        json!({"metadata": {}}),
        json!({"temperature": 0.0}),
        json!({"top_p": 1.0}),
        json!({"response_format": {"type": "text"}}),
        json!({"name": "n3", "description": "d3", "temperature": 1.5}),
        // These ask for nothing.
        json!({"tool_resources": {}}),
        json!({"tool_resources": null}),
    ];
    for body in changes {
        let mut shown = body.clone();
        shown.as_object_mut().unwrap().remove("tool_resources");
        assistant = merged(assistant, shown);
        assert_eq!(change(&api, &path, body).await, assistant);
    }
}

#[tokio::test(start_paused = true)]
async fn null_takes_away_what_an_assistant_may_be_without() {
    let api = Api::new(Offline::new());
    let path = format!("/assistants/{}", api.assistant(everything()).await);
    for name in ["name", "description", "instructions"] {
        assert_eq!(change(&api, &path, json!({name: null})).await[name], Value::Null);
    }
    for name in ["temperature", "top_p"] {
        assert_eq!(change(&api, &path, json!({name: null})).await[name], 1.0);
    }
    assert_eq!(change(&api, &path, json!({"metadata": null})).await["metadata"], json!({}));
    let changed = change(&api, &path, json!({"response_format": null})).await;
    let bare = api.post("/assistants", json!({"model": "m"})).await.ok();
    assert_eq!(changed.get("response_format"), bare.get("response_format"));
    assert_eq!(changed["tools"], json!([function("weather")]));
    for name in ["model", "tools"] {
        let error = api.post(&path, json!({name: null})).await.refused(400);
        assert_eq!((&error["param"], &error["code"]), (&name.into(), &"invalid_type".into()));
    }
}

/// What the model is asked by a run that is started with nothing but the scene's assistant.
async fn asked(scene: &Scene, model: &Scripted) -> ModelRequest {
    assert_eq!(scene.play(json!({})).await["status"], "completed");
    model.requests().pop().unwrap()
}

#[tokio::test(start_paused = true)]
async fn new_runs_are_made_of_the_changed_assistant() {
    let model = Scripted::new(vec![Turn::say("Ok"); 3]);
    let api = Api::new(model.clone());
    let scene = api.scene(&["weather"]).await;
    let body = json!({
        "model": "m2", "instructions": "Be kind.", "tools": [function("time")],
        "temperature": 0.5, "reasoning_effort": "high", "response_format": {"type": "json_object"},
    });
    api.post(&scene.assistant_path(), body).await.ok();
    let request = asked(&scene, &model).await;
    assert_eq!(request.model, "m2");
    assert_eq!(request.instructions.as_deref(), Some("Be kind."));
    assert_eq!(request.tools[0].name, "time");
    assert_eq!(request.temperature, Some(0.5));
    assert_eq!(request.reasoning_effort.as_deref(), Some("high"));
    // What does not show in the object stays as well, until it is taken away.
    api.post(&scene.assistant_path(), json!({"name": "n"})).await.ok();
    assert_eq!(asked(&scene, &model).await.reasoning_effort.as_deref(), Some("high"));
    api.post(&scene.assistant_path(), json!({"reasoning_effort": null})).await.ok();
    assert_eq!(asked(&scene, &model).await.reasoning_effort, None);
}

#[tokio::test(start_paused = true)]
async fn runs_keep_what_they_were_made_with() {
    let model = Scripted::new([Turn::call("weather", json!({})), Turn::say("Sunny.")]);
    let scene = Api::new(model.clone()).scene(&["weather"]).await;
    let waiting = scene.play(json!({})).await;
    let body = json!({"model": "m2", "instructions": "Be rude.", "tools": []});
    scene.api.post(&scene.assistant_path(), body).await.ok();
    assert_eq!(scene.get_run(&waiting).await, waiting);
    scene.submit(&waiting, &["sun"]).await;
    assert_eq!(scene.settle(&waiting).await["status"], "completed");
    let requests = model.requests();
    assert_eq!(requests[1].model, requests[0].model);
    assert_eq!(requests[1].instructions, requests[0].instructions);
    assert_eq!(requests[1].tools, requests[0].tools);
}

#[tokio::test(start_paused = true)]
async fn the_metadata_of_threads_and_messages_can_be_replaced_at_any_time() {
    let scene = Api::scripted([Turn::stall()]).scene(&[]).await;
    let run = scene.start(json!({})).await;
    breathe().await;
    for path in [scene.thread_path(), message_path(&scene).await] {
        let before = scene.api.get(&path).await.ok();
        let metadata = async |body: Value| {
            let changed = change(&scene.api, &path, body).await;
            let expected = merged(before.clone(), json!({"metadata": changed["metadata"]}));
            assert_eq!(changed, expected);
            changed["metadata"].clone()
        };
        let given = json!({"a": "1", "b": "2"});
        assert_eq!(metadata(json!({"metadata": given})).await, given);
        assert_eq!(metadata(json!({})).await, given);
        assert_eq!(metadata(json!({"metadata": {"c": "3"}})).await, json!({"c": "3"}));
        assert_eq!(metadata(json!({"metadata": null})).await, json!({}));
    }
    assert_eq!(scene.get_run(&run).await["status"], "in_progress");
}

#[tokio::test(start_paused = true)]
async fn the_metadata_of_a_message_stays_while_the_message_is_written() {
    let scene = Api::scripted([Turn::say("It is").and_stall()]).scene(&[]).await;
    let run = scene.start(json!({})).await;
    breathe().await;
    let path = message_path(&scene).await;
    let writing = change(&scene.api, &path, json!({"metadata": {"a": "1"}})).await;
    assert_eq!(writing["status"], "in_progress");
    scene.cancel(&run).await.ok();
    scene.settle(&run).await;
    let message = scene.api.get(&path).await.ok();
    assert_eq!(message["status"], "incomplete");
    assert_eq!(message["metadata"], json!({"a": "1"}));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_changed_is_refused_and_changes_nothing() {
    let scene = Api::new(Offline::new()).scene(&["weather"]).await;
    let message = message_path(&scene).await;
    let (assistant, thread) = (scene.assistant_path(), scene.thread_path());
    let file_search = json!({"file_search": {"vector_store_ids": ["vs_1"]}});
    let cases = [
        (&assistant, "id", json!("asst_x"), "id", "unknown_parameter"),
        (&assistant, "modle", json!("m"), "modle", "unknown_parameter"),
        (&assistant, "name", json!(1), "name", "invalid_type"),
        (&assistant, "name", json!("x".repeat(257)), "name", "string_above_max_length"),
        (&assistant, "temperature", json!(2.5), "temperature", "number_above_max_value"),
        (&assistant, "reasoning_effort", json!("huge"), "reasoning_effort", "invalid_value"),
        (&assistant, "metadata", json!({"a": 1}), "metadata.a", "invalid_type"),
        (&assistant, "tools", json!(vec![function("f"); 129]), "tools", "array_above_max_length"),
        (
            &assistant,
            "tools",
            json!([function("f"), {"type": "file_search"}]),
            "tools[1].type",
            "unsupported_value",
        ),
        (
            &assistant,
            "tool_resources",
            json!({"code_interpreter": {"file_ids": ["file_1"]}}),
            "tool_resources.code_interpreter",
            "unsupported_value",
        ),
        // New stores can be asked for when an assistant is made, not later.
        (
            &assistant,
            "tool_resources",
            json!({"file_search": {"vector_stores": []}}),
            "tool_resources.file_search.vector_stores",
            "unknown_parameter",
        ),
        (&thread, "tool_resources", file_search, "tool_resources.file_search", "unsupported_value"),
        (&thread, "messages", json!([]), "messages", "unknown_parameter"),
        (&thread, "metadata", json!("a"), "metadata", "invalid_type"),
        (&message, "content", json!("Hi"), "content", "unknown_parameter"),
        (&message, "role", json!("user"), "role", "unknown_parameter"),
        (&message, "metadata", json!([]), "metadata", "invalid_type"),
    ];
    for (path, field, value, param, code) in cases {
        let before = scene.api.get(path).await.ok();
        // What is right beside it is not taken either.
        let body = merged(json!({"metadata": {"new": "yes"}}), json!({field: value}));
        let error = scene.api.post(path, body).await.refused(400);
        assert_eq!((&error["param"], &error["code"]), (&param.into(), &code.into()), "{error}");
        assert_eq!(scene.api.get(path).await.ok(), before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_at_the_same_time_are_all_made() {
    let api = Api::new(Offline::new());
    let path = format!("/assistants/{}", api.assistant(json!({})).await);
    let bodies = [
        json!({"name": "n"}),
        json!({"description": "d"}),
        json!({"instructions": "i"}),
        json!({"temperature": 0.5}),
        json!({"top_p": 0.25}),
    ];
    let changes: Vec<_> = bodies
        .iter()
        .map(|body| {
            let (api, path, body) = (api.clone(), path.clone(), body.clone());
            tokio::spawn(async move { api.post(&path, body).await.ok() })
        })
        .collect();
    for change in changes {
        change.await.unwrap();
    }
    let changed = api.get(&path).await.ok();
    let expected = bodies.into_iter().fold(changed.clone(), merged);
    assert_eq!(changed, expected);
}
