//! A tool is an async function, with arguments that have a schema.

use runstep::tools::Toolbox;

struct WithoutSchema;

async fn without_schema(_: WithoutSchema) -> String {
    String::new()
}

fn main() {
    Toolbox::new().function("not_a_function", "text");
    Toolbox::new().function("without_schema", without_schema);
}
