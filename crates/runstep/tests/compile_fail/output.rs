//! The output of a tool is neither text nor serializable.

use runstep::tools::Toolbox;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct Arguments {}

struct NotSerializable;

async fn returns_a_value(_: Arguments) -> NotSerializable {
    NotSerializable
}

fn main() {
    runstep::tools::IntoOutput::into_output(NotSerializable);
    Toolbox::new().function("returns_a_value", returns_a_value);
}
