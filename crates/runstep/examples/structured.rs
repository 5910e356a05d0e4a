//! Parses the answer of a run into a Rust type.
//!
//! `cargo run -p runstep --example structured` starts a server in the same process.

use runstep_server::Server;
use runstep_server::model::{Scripted, Turn};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// A dish and how to cook it
#[derive(Debug, Deserialize, JsonSchema)]
struct Recipe {
    /// Name of the dish
    title: String,
    steps: Vec<Step>,
    /// Number of servings
    #[serde(default = "two")]
    persons: u32,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Step {
    action: String,
    /// Duration in minutes, if known
    minutes: Option<u32>,
}

fn two() -> u32 {
    2
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let steps = json!([{"action": "boil", "minutes": 20}, {"action": "season", "minutes": null}]);
    let soup = json!({"title": "Soup", "steps": steps, "persons": null});
    let model = Scripted::new([Turn::text(soup.to_string()), Turn::text("Soup is easy.")]);
    let server = Server::builder().model(model).spawn().await?;
    // For another server, use `runstep::Client::from_env()?`.
    let client = runstep::Client::builder(server.base_url()).build()?;

    let assistant = client.assistants().create("scripted").await?;
    let thread = client.threads().create().user_message("How do I cook soup?").await?;
    let runs = client.runs(&thread.id);

    let answer = runs.create(&assistant.id).response_as::<Recipe>().and_poll().await?;
    let recipe = answer.parse()?;
    println!("{} for {}", recipe.title, recipe.persons);
    for step in recipe.steps {
        match step.minutes {
            Some(minutes) => println!("  {} for {minutes} minutes", step.action),
            None => println!("  {}", step.action),
        }
    }

    // Models without strict schemas may generate text that does not match the type.
    let answer = runs.create(&assistant.id).response_as::<Recipe>().and_poll().await?;
    if let Err(error) = answer.parse() {
        println!("{error}");
    }
    Ok(())
}
