//! Pages of assistants, runs, steps and messages; what stays of the objects that were made.

use crate::harness::{Api, Scene, id};
use runstep_server::model::{Offline, Turn};
use serde_json::{Value, json};

/// The ids of a page, and whether more follow. First and last id are checked.
async fn page(api: &Api, path: &str, query: &str) -> (Vec<String>, bool) {
    let list = api.get(&format!("{path}?{query}")).await.ok();
    assert_eq!(list["object"], "list");
    let ids: Vec<String> = list["data"].as_array().unwrap().iter().map(id).collect();
    assert_eq!(list["first_id"].as_str(), ids.first().map(String::as_str));
    assert_eq!(list["last_id"].as_str(), ids.last().map(String::as_str));
    (ids, list["has_more"].as_bool().unwrap())
}

/// Checks the pages of a list that has these five entries, oldest first.
async fn check_pages(api: &Api, path: &str, all: &[String]) {
    let [a, b, c, d, e] = all else { panic!("{} entries", all.len()) };
    let cases = [
        (String::new(), vec![e, d, c, b, a], false),
        ("order=desc".to_owned(), vec![e, d, c, b, a], false),
        ("order=asc".to_owned(), vec![a, b, c, d, e], false),
        ("limit=2".to_owned(), vec![e, d], true),
        ("limit=5".to_owned(), vec![e, d, c, b, a], false),
        (format!("limit=2&after={d}"), vec![c, b], true),
        (format!("limit=2&after={b}"), vec![a], false),
        (format!("after={a}"), vec![], false),
        (format!("limit=2&order=asc&after={b}"), vec![c, d], true),
        (format!("limit=3&order=asc&after={b}"), vec![c, d, e], false),
        (format!("before={c}"), vec![e, d], false),
        (format!("limit=1&before={c}"), vec![d], true),
        (format!("order=asc&before={c}"), vec![a, b], false),
        (format!("limit=1&order=asc&before={c}"), vec![b], true),
        (format!("after={e}&before={b}"), vec![d, c], false),
        (format!("order=asc&after={a}&before={e}&limit=2"), vec![b, c], true),
        (format!("before={e}"), vec![], false),
    ];
    for (query, expected, more) in cases {
        let (ids, has_more) = page(api, path, &query).await;
        assert_eq!(ids.iter().collect::<Vec<_>>(), expected, "{path}?{query}");
        assert_eq!(has_more, more, "{path}?{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn assistants_come_in_pages() {
    let api = Api::new(Offline::new());
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(api.assistant(json!({})).await);
    }
    check_pages(&api, "/assistants", &all).await;
}

#[tokio::test(start_paused = true)]
async fn runs_come_in_pages() {
    let scene = Api::new(Offline::new()).scene(&[]).await;
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(id(&scene.play(json!({})).await));
    }
    check_pages(&scene.api, &scene.runs(), &all).await;
}

#[tokio::test(start_paused = true)]
async fn messages_come_in_pages() {
    let scene = Api::new(Offline::new()).scene(&[]).await;
    let first = scene.api.get(&scene.messages()).await.ok();
    let mut all = vec![id(&first["data"][0])];
    for text in ["b", "c", "d", "e"] {
        let body = json!({"role": "user", "content": text});
        all.push(id(&scene.api.post(&scene.messages(), body).await.ok()));
    }
    check_pages(&scene.api, &scene.messages(), &all).await;
}

#[tokio::test(start_paused = true)]
async fn steps_come_in_pages() {
    let mut turns = vec![Turn::call("weather", json!({})); 4];
    turns.push(Turn::say("Done."));
    let scene = Api::scripted(turns).scene(&["weather"]).await;
    let mut run = scene.play(json!({})).await;
    while run["status"] == "requires_action" {
        scene.submit(&run, &["sun"]).await;
        run = scene.settle(&run).await;
    }
    let all: Vec<String> = scene.steps(&run).await.iter().map(id).collect();
    check_pages(&scene.api, &scene.run_path(&run, "/steps"), &all).await;
}

#[tokio::test(start_paused = true)]
async fn a_page_has_twenty_entries_unless_told() {
    let api = Api::new(Offline::new());
    let messages = vec![json!({"role": "user", "content": "x"}); 101];
    let thread = id(&api.post("/threads", json!({"messages": messages})).await.ok());
    let path = format!("/threads/{thread}/messages");
    let (ids, more) = page(&api, &path, "").await;
    assert_eq!((ids.len(), more), (20, true));
    let (ids, more) = page(&api, &path, "limit=100").await;
    assert_eq!((ids.len(), more), (100, true));
}

#[tokio::test(start_paused = true)]
async fn empty_lists_have_neither_first_nor_last() {
    let api = Api::new(Offline::new());
    let thread = id(&api.post("/threads", json!({})).await.ok());
    let of_thread = |list: &str| format!("/threads/{thread}/{list}");
    for list in [of_thread("messages"), of_thread("runs"), "/assistants".to_owned()] {
        let body = api.get(&list).await.ok();
        let empty = json!({
            "object": "list", "data": [], "first_id": null, "last_id": null, "has_more": false,
        });
        assert_eq!(body, empty);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_listed_can_be_deleted_page_by_page() {
    let api = Api::new(Offline::new());
    for _ in 0..5 {
        api.assistant(json!({})).await;
    }
    let messages = vec![json!({"role": "user", "content": "x"}); 5];
    let thread = id(&api.post("/threads", json!({"messages": messages})).await.ok());
    for path in ["/assistants".to_owned(), format!("/threads/{thread}/messages")] {
        let (mut query, mut deleted) = ("limit=2".to_owned(), 0);
        loop {
            let (ids, more) = page(&api, &path, &query).await;
            for id in &ids {
                api.delete(&format!("{path}/{id}")).await.ok();
                deleted += 1;
            }
            if !more {
                break;
            }
            // It is no longer there.
            query = format!("limit=2&after={}", ids.last().unwrap());
        }
        assert_eq!(deleted, 5);
        assert_eq!(page(&api, &path, "").await, (vec![], false));
    }
}

#[tokio::test(start_paused = true)]
async fn messages_can_be_those_of_one_run() {
    let scene = Api::scripted([Turn::say("One"), Turn::say("Two")]).scene(&[]).await;
    let first = scene.play(json!({})).await;
    let second = scene.play(json!({})).await;
    let path = scene.messages();
    let of = async |run: &str| page(&scene.api, &path, &format!("run_id={run}")).await;
    let (all, _) = page(&scene.api, &path, "order=asc").await;
    assert_eq!(of(&id(&first)).await, (vec![all[1].clone()], false));
    assert_eq!(of(&id(&second)).await, (vec![all[2].clone()], false));
    assert_eq!(of("run_x").await, (vec![], false));
    // More is only what is of the run, too.
    let query = format!("limit=1&order=asc&run_id={}", id(&first));
    assert_eq!(page(&scene.api, &path, &query).await, (vec![all[1].clone()], false));
}

#[tokio::test(start_paused = true)]
async fn a_cursor_of_another_list_is_unknown() {
    let scene = Api::new(Offline::new()).scene(&[]).await;
    let run = scene.play(json!({})).await;
    let other = Scene { thread: scene.api.thread("Hi").await, ..scene.clone() };
    let error = scene.api.get(&format!("{}?after={}", other.runs(), id(&run))).await.refused(400);
    let expected = json!({
        "message": format!("Invalid 'after': there is no run with id '{}' here.", id(&run)),
        "type": "invalid_request_error",
        "param": "after",
        "code": "invalid_value",
    });
    assert_eq!(error, expected);
}

#[tokio::test(start_paused = true)]
async fn objects_are_kept_as_they_were_made() {
    let scene = Api::new(Offline::new()).scene(&["weather"]).await;
    let api = &scene.api;
    let body = json!({
        "model": "m", "name": "n", "description": "d", "instructions": "i",
        "metadata": {"a": "b"}, "temperature": 0.5, "top_p": 0.25,
        "response_format": {"type": "json_object"},
    });
    let assistant = api.post("/assistants", body.clone()).await.ok();
    for (name, value) in body.as_object().unwrap() {
        assert_eq!(&assistant[name], value, "{name}");
    }
    let path = format!("/assistants/{}", id(&assistant));
    assert_eq!(api.get(&path).await.ok(), assistant);

    let content = json!([{"type": "text", "text": "One"}, {"type": "text", "text": "Two"}]);
    let body = json!({"role": "assistant", "content": content, "metadata": {"c": "d"}});
    let message = api.post(&scene.messages(), body).await.ok();
    assert_eq!(api.get(&format!("{}/{}", scene.messages(), id(&message))).await.ok(), message);
    assert_eq!((&message["role"], &message["metadata"]), (&"assistant".into(), &json!({"c": "d"})));
    let values: Vec<_> =
        message["content"].as_array().unwrap().iter().map(|part| &part["text"]["value"]).collect();
    assert_eq!(values, ["One", "Two"]);

    let run = scene.play(json!({})).await;
    let step = &scene.steps(&run).await[0];
    let path = scene.run_path(&run, &format!("/steps/{}", id(step)));
    assert_eq!(&api.get(&path).await.ok(), step);
}

#[tokio::test(start_paused = true)]
async fn the_metadata_of_a_run_can_be_replaced_at_any_time() {
    let scene = Api::new(Offline::new()).scene(&[]).await;
    let run = scene.start(json!({"metadata": {"a": "1", "b": "2"}})).await;
    let update = async |body: Value| {
        let updated = scene.api.post(&scene.run_path(&run, ""), body).await.ok();
        assert_eq!(updated, scene.get_run(&run).await);
        updated["metadata"].clone()
    };
    assert_eq!(update(json!({"metadata": {"c": "3"}})).await, json!({"c": "3"}));
    scene.settle(&run).await;
    for none in [json!({}), json!(null)] {
        assert_eq!(update(json!({"metadata": {"c": "3"}})).await, json!({"c": "3"}));
        assert_eq!(update(json!({})).await, json!({"c": "3"}));
        assert_eq!(update(json!({"metadata": none})).await, json!({}));
    }
    let reply = scene.api.post(&scene.run_path(&run, ""), json!({"status": "queued"})).await;
    assert_eq!(reply.refused(400)["param"], "status");
}
