//! The built-in tools, which the model's provider executes.

/// The tool `file_search` of a request.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct FileSearch {
    /// The vector stores to search. Without any, the model cannot call the tool.
    pub vector_store_ids: Vec<String>,
    /// The maximum number of passages, 1 to 50.
    pub max_num_results: Option<u64>,
    /// The minimum score of a passage, 0 to 1.
    pub score_threshold: Option<f64>,
}

/// The tool `code_interpreter` of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CodeInterpreter {
    /// The files that the code can read.
    pub file_ids: Vec<String>,
}

/// A call of `code_interpreter` that has ended.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct CodeInterpreterCall {
    /// The provider's id of the call.
    pub id: String,
    /// The provider's id of the container that executed the code.
    pub container_id: Option<String>,
    /// The code.
    pub code: String,
    /// What the code produced.
    pub outputs: Vec<CodeOutput>,
    /// Whether the provider could not execute the code.
    pub has_failed: bool,
}

/// An output of code.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodeOutput {
    /// Text.
    Logs(String),
    /// An image.
    Image {
        /// The id of the image's file.
        file_id: String,
    },
}

/// A call of `file_search` that has ended.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct FileSearchCall {
    /// The provider's id of the call.
    pub id: String,
    /// What was searched for.
    pub queries: Vec<String>,
    /// The passages that were found.
    pub results: Vec<FoundPassage>,
    /// Whether the provider could not search.
    pub has_failed: bool,
}

/// A passage of a file that a search has found.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct FoundPassage {
    /// The id of the file.
    pub file_id: String,
    /// The name of the file.
    pub file_name: String,
    /// How well the passage matches, 0 to 1.
    pub score: f64,
    /// The passage.
    pub text: String,
}
