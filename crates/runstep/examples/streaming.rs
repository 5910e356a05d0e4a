//! Streams a run with a tool call: prints the text as the model generates it.
//!
//! `cargo run -p runstep --example streaming` starts a server in the same process. Set
//! `RUNSTEP_BASE_URL` (and `RUNSTEP_API_KEY`) to use another server, and `RUNSTEP_MODEL` to choose
//! its model.

use runstep::types::{FunctionDefinition, FunctionTool, ToolOutput};
use runstep::{Client, RunEvent, RunStream, StreamEnd};
use runstep_server::model::{Scripted, Turn};
use runstep_server::{RunningServer, Server};
use std::io::Write as _;
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (client, _server) = client().await?;
    let model = std::env::var("RUNSTEP_MODEL").unwrap_or_else(|_| "scripted".to_owned());
    let weather = FunctionTool::new(FunctionDefinition::new("get_weather"));
    let assistant = client.assistants().create(model).tool(weather).await?;

    let request = client.threads().create_and_run(&assistant.id);
    let request = request.user_message("How is the weather?");
    let mut events = request.cancel_on_drop(true).stream().await?;
    print_events(&mut events).await?;
    while events.end() == Some(StreamEnd::RequiresAction) {
        let calls = events.run().map(|run| run.function_calls()).unwrap_or_default();
        let output = |id: &String| ToolOutput::default().tool_call_id(id).output("18 degrees");
        let outputs: Vec<ToolOutput> = calls.iter().map(|call| output(&call.id)).collect();
        events.submit_tool_outputs(outputs).await?;
        print_events(&mut events).await?;
    }
    println!("\n{:?}, after {} steps", events.end(), events.steps().len());
    Ok(())
}

/// Prints events until the run is terminal or requires action.
async fn print_events(events: &mut RunStream) -> Result<(), Box<dyn std::error::Error>> {
    while let Some(event) = events.try_next().await? {
        match event {
            RunEvent::MessageDelta(delta) => {
                print!("{}", delta.text());
                std::io::stdout().flush()?;
            }
            RunEvent::StepCreated(step) => println!("[{}]", step.id),
            _ => {}
        }
    }
    Ok(())
}

/// A client of the server in the environment, or of a new server with a scripted model.
async fn client() -> Result<(Client, Option<RunningServer>), Box<dyn std::error::Error>> {
    if std::env::var_os("RUNSTEP_BASE_URL").is_some() {
        return Ok((Client::from_env()?, None));
    }
    let reply =
        Turn::text("It is 18 degrees, and sunny.").chunk_interval(Duration::from_millis(100));
    let model = Scripted::new([Turn::call("get_weather", serde_json::json!({})), reply]);
    let server = Server::builder().model(model).spawn().await?;
    let client = Client::builder(server.base_url()).build()?;
    Ok((client, Some(server)))
}
