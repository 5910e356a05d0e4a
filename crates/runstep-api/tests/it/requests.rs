//! Requests that are built without being sent, and JSON without a type.

use http::Method;
use runstep_api::types::{CreateRunRequest, Order};
use runstep_api::{
    CallOptions, Client, accept_events, extend_body, parse_value, raw_items, raw_properties,
};

fn client() -> Client {
    let mut options = CallOptions::default();
    options.headers.insert("x-option", "1".parse().unwrap());
    options.query.push(("option".to_owned(), "1".to_owned()));
    options.body.push(("option".to_owned(), "1".to_owned()));
    Client::new_with_client("http://localhost/v1", reqwest::Client::new(), options)
}

fn body(request: &reqwest::Request) -> &str {
    std::str::from_utf8(request.body().unwrap().as_bytes().unwrap()).unwrap()
}

fn create_run() -> reqwest::Request {
    let body = CreateRunRequest::new("asst_1");
    client().create_run_request("thread 1", None, &body).unwrap()
}

#[test]
fn request_of_an_operation_has_its_parameters_and_no_options() {
    let request = create_run();
    assert_eq!(request.method(), Method::POST);
    assert_eq!(request.url().as_str(), "http://localhost/v1/threads/thread%201/runs");
    assert_eq!(request.headers()["accept"], "application/json");
    assert_eq!(request.headers()["content-type"], "application/json");
    assert!(!request.headers().contains_key("x-option"));
    assert_eq!(body(&request), r#"{"assistant_id":"asst_1"}"#);

    let request = client().list_runs_request("thread_1", Some("run_1"), None, Some(2), None);
    let url = request.unwrap().url().to_string();
    assert_eq!(url, "http://localhost/v1/threads/thread_1/runs?after=run_1&limit=2");
    let request = client().list_assistants_request(None, None, None, Some(&Order::Asc)).unwrap();
    assert_eq!(request.url().as_str(), "http://localhost/v1/assistants?order=asc");
}

#[test]
fn request_can_accept_events() {
    let mut request = create_run();
    accept_events(&mut request);
    let accepted: Vec<_> = request.headers().get_all("accept").iter().collect();
    assert_eq!(accepted, ["text/event-stream, application/json"]);
}

/// Numbers keep all digits.
#[test]
fn fields_extend_a_body_and_replace_its_own() {
    let field = |name: &str, json: &str| (name.to_owned(), json.to_owned());
    let mut request = create_run();
    let fields = [field("new \"name\"", "[1e400]"), field("assistant_id", "\"asst_2\"")];
    extend_body(&mut request, &fields).unwrap();
    assert_eq!(body(&request), r#"{"assistant_id":"asst_2","new \"name\"":[1e400]}"#);

    let mut request = client().cancel_run_request("thread_1", "run_1").unwrap();
    extend_body(&mut request, &[field("a", "1"), field("b", "2"), field("a", "3")]).unwrap();
    assert_eq!(body(&request), r#"{"a":3,"b":2}"#);
    assert_eq!(request.headers()["content-type"], "application/json");
}

#[test]
fn body_that_is_not_an_object_cannot_be_extended() {
    let mut request = create_run();
    *request.body_mut() = Some("[]".into());
    let error = extend_body(&mut request, &[("a".to_owned(), "1".to_owned())]).unwrap_err();
    assert!(error.to_string().contains("expected an object"), "{error}");
}

/// The stream would be lost.
#[test]
fn body_that_is_a_stream_cannot_be_extended() {
    let mut request = create_run();
    *request.body_mut() = Some(reqwest::Response::from(http::Response::new("{}")).into());
    let error = extend_body(&mut request, &[("a".to_owned(), "1".to_owned())]).unwrap_err();
    assert!(error.to_string().contains("is a stream"), "{error}");
    assert!(request.body().is_some_and(|body| body.as_bytes().is_none()));
}

/// Quadratic time would be minutes.
#[test]
fn many_fields_extend_a_large_body() {
    let mut request = create_run();
    let fields = |json: &str| -> Vec<_> {
        (0..100_000).map(|number| (format!("field_{number}"), json.to_owned())).collect()
    };
    extend_body(&mut request, &fields("1")).unwrap();
    extend_body(&mut request, &fields("2")).unwrap();
    assert_eq!(raw_properties(body(&request).as_bytes()).unwrap().len(), 100_001);
    assert!(body(&request).ends_with(r#","field_99999":2}"#));
}

#[test]
fn post_without_a_body_has_a_length() {
    let mut request = client().cancel_run_request("thread_1", "run_1").unwrap();
    extend_body(&mut request, &[]).unwrap();
    assert_eq!(request.headers()["content-length"], "0");
    let mut request = client().retrieve_run_request("thread_1", "run_1").unwrap();
    extend_body(&mut request, &[]).unwrap();
    assert!(!request.headers().contains_key("content-length"));
}

#[test]
fn parts_of_json_are_texts() {
    let properties = raw_properties(br#" {"a": 1e400, "b": {"c":[ ]}, "a": null} "#).unwrap();
    let properties: Vec<_> = properties.iter().map(|(name, json)| (&**name, json.get())).collect();
    assert_eq!(properties, [("a", "1e400"), ("b", r#"{"c":[ ]}"#), ("a", "null")]);
    let items = raw_items(br#"[1.0, "a" , [] ]"#).unwrap();
    assert_eq!(items.iter().map(|item| item.get()).collect::<Vec<_>>(), ["1.0", "\"a\"", "[]"]);
    assert!(raw_properties(b"[]").is_err());
    assert!(raw_items(b"{}").is_err());
}

#[test]
fn value_is_parsed_or_the_error_shows_it() {
    assert_eq!(parse_value(b"[1, null]").unwrap(), serde_json::json!([1, null]));
    let error = parse_value(b"<html>").unwrap_err().to_string();
    assert!(error.ends_with("found: <html>"), "{error}");
}
