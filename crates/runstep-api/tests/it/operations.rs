//! The enum of operations agrees with the specification.

use http::Method;
use runstep_api::{OPENAPI, Operation, validate_range};
use serde_json::Value;

#[test]
fn operations_are_those_of_the_specification_in_its_order() {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let mut operations = Operation::ALL.iter();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, specified) in item.as_object().unwrap() {
            let operation = *operations.next().unwrap();
            assert_eq!(operation.id(), specified["operationId"].as_str().unwrap());
            assert_eq!(operation.sdk_name(), specified["x-sdk-name"].as_str().unwrap());
            assert_eq!(operation.method().as_str().to_lowercase(), *method);
            assert_eq!(operation.path(), path);
            assert_eq!(operation.to_string(), operation.id());
            assert_eq!(Operation::from_route(&operation.method(), path), Some(operation));
        }
    }
    assert_eq!(operations.next(), None);
}

#[test]
fn from_route_matches_only_exact_templates() {
    let (get, post) = (Method::GET, Method::POST);
    assert_eq!(
        Operation::from_route(&post, "/threads/{thread_id}/runs"),
        Some(Operation::CreateRun)
    );
    assert_eq!(Operation::from_route(&get, "/threads"), None);
    assert_eq!(Operation::from_route(&post, "/threads/"), None);
    assert_eq!(Operation::from_route(&post, "/threads/thread_1/runs"), None);
    assert_eq!(Operation::from_route(&post, "/v1/threads/{thread_id}/runs"), None);
}

#[test]
fn page_limit_is_that_of_the_specification() {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let schema = &document["components"]["parameters"]["Limit"]["schema"];
    assert_eq!(*Operation::PAGE_LIMIT.start(), schema["minimum"].as_u64().unwrap());
    assert_eq!(*Operation::PAGE_LIMIT.end(), schema["maximum"].as_u64().unwrap());
    assert_eq!(Operation::DEFAULT_PAGE_LIMIT, schema["default"].as_u64().unwrap());
    let message = |limit| {
        validate_range("limit", limit, Operation::PAGE_LIMIT).map_err(|error| error.to_string())
    };
    assert_eq!(message(100), Ok(()));
    assert_eq!(message(101), Err("`limit` is 101; it must be at most 100".to_owned()));
    assert_eq!(message(0), Err("`limit` is 0; it must be at least 1".to_owned()));
}
