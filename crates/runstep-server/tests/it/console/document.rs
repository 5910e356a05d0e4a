//! The document and the routes match.

use std::collections::BTreeSet;

use runstep_server::Operation;

use super::*;
use crate::harness::Fixture;

/// The paths of the document with the parameters of their operations.
fn operations() -> Vec<(String, Vec<Value>)> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let resolve = |parameter: &Value| match parameter["$ref"].as_str() {
        Some(reference) => DOCUMENT.pointer(reference.trim_start_matches('#')).unwrap().clone(),
        None => parameter.clone(),
    };
    let operation = |(path, methods): (&String, &Value)| {
        let methods = methods.as_object().unwrap();
        assert!(methods.keys().eq(["get"]), "{path} has other methods");
        let parameters = methods["get"]["parameters"].as_array();
        (path.clone(), parameters.into_iter().flatten().map(resolve).collect())
    };
    paths.iter().map(operation).collect()
}

/// Returns a value that a parameter accepts.
fn example(name: &str, fixture: &Fixture, run: &str) -> String {
    match name {
        "limit" => "limit=3".to_owned(),
        "order" => "order=asc".to_owned(),
        "status" => "status=completed".to_owned(),
        "assistant_id" => format!("assistant_id={}", fixture.assistant),
        "thread_id" => format!("thread_id={}", fixture.thread),
        "search" => "search=test".to_owned(),
        "metadata" => "metadata[order]=17".to_owned(),
        cursor => format!("{cursor}={run}"),
    }
}

#[tokio::test(start_paused = true)]
async fn specified_operations_and_parameters_are_implemented() {
    let fixture = Fixture::with_turns([runstep_server::model::Turn::text("Hi.")], &[]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    for (path, parameters) in operations() {
        let operation_id = &DOCUMENT["paths"][&path]["get"]["operationId"];
        if path == "/runs/events" {
            continue; // See `events`.
        }
        for prefix in ["", "/v1"] {
            let path = format!("{prefix}{path}");
            get_ok(&fixture.client, &path).await;
            let (param, code) = get_invalid(&fixture.client, &format!("{path}?unknown=1")).await;
            assert_eq!((param.as_str(), code.as_str()), ("unknown", "unknown_parameter"));
            for parameter in &parameters {
                let name = parameter["name"].as_str().unwrap();
                let cursor = if path.ends_with("threads") { "thread_id" } else { "id" };
                let query = example(name, &fixture, run[cursor].as_str().unwrap());
                get_ok(&fixture.client, &format!("{path}?{query}")).await;
            }
        }
        // Requests are counted under the id of the operation.
        let metrics = crate::harness::fetch_metrics(&fixture.client).await;
        assert!(metrics.contains(&format!("operation={operation_id},status=\"200\"")), "{metrics}");
    }
}

#[tokio::test(start_paused = true)]
async fn parameters_that_are_not_specified_are_rejected() {
    let client = TestClient::with_turns([]);
    let names =
        ["limit", "order", "after", "before", "status", "assistant_id", "thread_id", "search"];
    for (path, parameters) in operations() {
        let specified: BTreeSet<&str> =
            parameters.iter().map(|parameter| parameter["name"].as_str().unwrap()).collect();
        for name in names.into_iter().filter(|name| !specified.contains(name)) {
            let path = format!("{path}?{name}=x");
            assert_eq!(get_invalid(&client, &path).await.1, "unknown_parameter", "{path}");
        }
        if !specified.contains("metadata") {
            let path = format!("{path}?metadata[a]=x");
            assert_eq!(get_invalid(&client, &path).await.1, "unknown_parameter", "{path}");
        }
    }
}

/// The other document has the operations of the original API only.
#[test]
fn no_operation_is_in_both_documents() {
    for operation in Operation::ALL {
        let method = operation.method().as_str().to_lowercase();
        assert!(DOCUMENT["paths"][operation.path()][&method].is_null(), "{operation}");
    }
}
