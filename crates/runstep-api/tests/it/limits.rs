//! Validation of request bodies against the limits in the specification.

use std::collections::BTreeMap;

use runstep_api::types::{
    ChunkingStrategy, CodeInterpreterResources, CodeInterpreterTool, CreateAssistantRequest,
    CreateFileSearchResources, CreateMessageContent, CreateMessageRequest, CreateRunRequest,
    CreateThreadAndRunRequest, CreateThreadRequest, CreateToolResources, FileSearchOptions,
    FileSearchTool, MessageRole, StaticChunking, StaticChunkingStrategy, SubmitToolOutputsRequest,
    Tool, TruncationStrategy, UpdateRunRequest, VectorStoreInput,
};
use runstep_api::{Field, Validate, Violation};

fn message(body: &impl Validate) -> String {
    body.validate().unwrap_err().to_string()
}

fn run() -> CreateRunRequest {
    CreateRunRequest::new("asst_1")
}

fn tools(count: usize) -> Vec<Tool> {
    vec![Tool::from(CodeInterpreterTool::default()); count]
}

fn pairs(count: usize, key: usize, value: usize) -> BTreeMap<String, String> {
    (0..count).map(|number| (format!("{number:é>key$}"), "é".repeat(value))).collect()
}

#[test]
fn text_is_limited_in_characters_not_bytes() {
    assert_eq!(run().instructions("é".repeat(256_000)).validate(), Ok(()));
    assert_eq!(
        message(&run().instructions("é".repeat(256_001))),
        "`instructions` has 256001 characters; at most 256000 are allowed"
    );
}

#[test]
fn lists_are_limited_in_items() {
    assert_eq!(run().tools(tools(20)).validate(), Ok(()));
    assert_eq!(message(&run().tools(tools(21))), "`tools` has 21 items; at most 20 are allowed");
    let create = CreateAssistantRequest::new("model");
    assert_eq!(create.clone().tools(tools(128)).validate(), Ok(()));
    assert_eq!(
        message(&create.tools(tools(129))),
        "`tools` has 129 items; at most 128 are allowed"
    );
    let mut create = CreateMessageRequest::new(MessageRole::User, "Hi");
    create.content = CreateMessageContent::Parts(Vec::new());
    assert_eq!(message(&create), "`content` has 0 items; at least 1 is required");
}

#[test]
fn numbers_are_limited_to_a_range() {
    for (value, limit) in [(-0.1, "least 0"), (2.1, "most 2"), (f64::NAN, "least 0")] {
        let expected = format!("`temperature` is {value}; it must be at {limit}");
        assert_eq!(message(&run().temperature(value)), expected);
    }
    assert_eq!(run().temperature(2).top_p(0).max_prompt_tokens(1).validate(), Ok(()));
    let expected = "`max_completion_tokens` is 0; it must be at least 1";
    assert_eq!(message(&run().max_completion_tokens(0)), expected);
    let strategy = TruncationStrategy::new("last_messages").last_messages(0);
    let expected = "`truncation_strategy.last_messages` is 0; it must be at least 1";
    assert_eq!(message(&run().truncation_strategy(strategy)), expected);
}

#[test]
fn maps_are_limited_in_entries_keys_and_values() {
    let update = UpdateRunRequest::default();
    assert_eq!(update.clone().metadata(pairs(16, 64, 512)).validate(), Ok(()));
    for (pairs, reason) in [
        (pairs(17, 2, 1), "has 17 entries; at most 16 are allowed"),
        (pairs(1, 65, 1), "has a key that has 65 characters; at most 64 are allowed"),
        (pairs(1, 1, 513), "has a value for `0` that has 513 characters; at most 512 are allowed"),
    ] {
        let violation = update.clone().metadata(pairs).validate().unwrap_err();
        assert_eq!((violation.path.as_str(), violation.reason.as_str()), ("metadata", reason));
    }
}

#[test]
fn violation_has_the_path_of_a_nested_value() {
    let path = |result: Result<(), Violation>| result.unwrap_err().path;
    let good = CreateMessageRequest::new(MessageRole::User, "Hi").metadata(pairs(16, 64, 512));
    let bad = good.clone().metadata(pairs(17, 2, 1));
    let create = run().additional_messages(vec![good.clone(), bad.clone()]);
    assert_eq!(path(create.validate()), "additional_messages[1].metadata");
    let thread = CreateThreadRequest::default().messages(vec![good, bad]);
    assert_eq!(path(thread.validate()), "messages[1].metadata");
    let create = CreateThreadAndRunRequest::new("asst_1").thread(thread);
    assert_eq!(path(create.validate()), "thread.messages[1].metadata");

    let files = CodeInterpreterResources::default().file_ids(vec!["file_1".to_owned(); 21]);
    let resources = CreateToolResources::default().code_interpreter(files);
    let thread = CreateThreadRequest::default().tool_resources(resources);
    let create = CreateThreadAndRunRequest::new("asst_1").thread(thread);
    let expected = "thread.tool_resources.code_interpreter.file_ids";
    assert_eq!(path(create.validate()), expected);

    let chunking = StaticChunkingStrategy::new(StaticChunking::new(0, 5000));
    let store = VectorStoreInput::default().chunking_strategy(ChunkingStrategy::from(chunking));
    let search = CreateFileSearchResources::default().vector_stores(vec![store]);
    let resources = CreateToolResources::default().file_search(search);
    let create = CreateAssistantRequest::new("model").tool_resources(resources);
    assert_eq!(
        path(create.validate()),
        "tool_resources.file_search.vector_stores[0].chunking_strategy.static.max_chunk_size_tokens"
    );
    let options = FileSearchOptions::default().max_num_results(51);
    let tool = FileSearchTool::default().file_search(options);
    let create = run().tools(vec![Tool::from(tool)]);
    assert_eq!(path(create.validate()), "tools[0].file_search.max_num_results");
}

#[test]
fn null_and_omitted_fields_have_no_limits() {
    let mut create = run();
    assert_eq!(create.validate(), Ok(()));
    create.temperature = Field::Null;
    create.metadata = Field::Null;
    assert_eq!(create.validate(), Ok(()));
    assert_eq!(SubmitToolOutputsRequest::new(Vec::new()).validate(), Ok(()));
}
