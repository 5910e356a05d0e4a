//! A value that a field cannot have.

use runstep::types::Assistant;
use runstep::{Client, Runs};

fn values(client: Client, runs: Runs, assistant: Assistant) {
    let _ = runs.create("asst_1").max_prompt_tokens("300");
    let _ = runs.create("asst_1").instructions(5);
    let _ = runs.create("asst_1").tools("code_interpreter");
    let _ = runs.create("asst_1").metadata("key");
    let _ = runs.create("asst_1").temperature(None);
    let _ = runs.retrieve(&assistant);
    let _ = client.runs(5);
}

fn main() {
    let _ = values;
}
