//! Creates a run, polls it, executes its tool call and prints the steps and the message.
//!
//! `cargo run -p runstep --example quickstart` starts a server in the same process. Set
//! `RUNSTEP_BASE_URL` (and `RUNSTEP_API_KEY`) to use another server, and `RUNSTEP_MODEL` to choose
//! its model.

use runstep::types::{FunctionDefinition, FunctionTool, Order, Run, RunStep, StepDetails};
use runstep::{Client, Runs};
use runstep_server::model::Offline;
use runstep_server::{RunningServer, Server};
use schemars::{JsonSchema, schema_for};
use serde::Deserialize;
use std::time::Duration;

/// The arguments of `get_weather`.
#[derive(Deserialize, JsonSchema)]
struct GetWeather {
    /// The city's name, such as Paris.
    city: String,
}

fn get_weather(arguments: &GetWeather) -> String {
    format!("18 degrees and sunny in {}", arguments.city)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (client, _server) = client().await?;

    let parameters = schema_for!(GetWeather).as_object().cloned().unwrap_or_default();
    let function = FunctionDefinition::new("get_weather")
        .description("Returns the current weather in a city")
        .parameters(parameters);
    let model = std::env::var("RUNSTEP_MODEL").unwrap_or_else(|_| "offline".to_owned());
    let assistant = client
        .assistants()
        .create(model)
        .instructions("Report the weather.")
        .tool(FunctionTool::new(function))
        .await?;
    let thread = client.threads().create().user_message("What is the weather in Paris?").await?;

    let runs = client.runs(&thread.id);
    let mut run = runs.create(&assistant.id).await?;
    println!("{}", run.status);
    loop {
        run = print_updates(&runs, run).await?;
        if run.is_terminal() {
            break;
        }
        let mut outputs = runs.submit_tool_outputs(&run.id);
        for call in run.function_calls() {
            let arguments: GetWeather = serde_json::from_str(&call.function.arguments)?;
            let output = get_weather(&arguments);
            println!("  {}({}) -> {output}", call.function.name, call.function.arguments);
            outputs = outputs.output(&call.id, output);
        }
        run = outputs.await?;
        println!("{}", run.status);
    }

    let steps = runs.steps(&run.id).list().order(Order::Asc).await?;
    print_table(&steps.data);
    let messages = client.messages(&thread.id).list().run_id(&run.id).limit(1).await?;
    let message = messages.data.first().ok_or("the run created no message")?;
    println!("\n{}", message.text());
    Ok(())
}

/// Prints each status change until the run is terminal or requires action.
async fn print_updates(runs: &Runs, mut run: Run) -> runstep::Result<Run> {
    let poll = runs.poll(&run.id).interval(Duration::from_millis(20));
    let mut updates = poll.deadline(Duration::from_secs(120)).watch();
    while let Some(update) = updates.try_next().await? {
        if update.status != run.status {
            println!("{}", update.status);
        }
        run = update.run;
    }
    Ok(run)
}

/// A client of the server in the environment, or of a new server with a slow offline model.
async fn client() -> Result<(Client, Option<RunningServer>), Box<dyn std::error::Error>> {
    if std::env::var_os("RUNSTEP_BASE_URL").is_some() {
        return Ok((Client::from_env()?, None));
    }
    let model = Offline::new().initial_delay(Duration::from_millis(300));
    let server = Server::builder().model(model).spawn().await?;
    let client = Client::builder(server.base_url()).build()?;
    Ok((client, Some(server)))
}

fn print_table(steps: &[RunStep]) {
    println!("\n{:<18}{:<12}{:>9}{:>8}", "step", "status", "duration", "tokens");
    for step in steps {
        let kind = match &step.step_details {
            StepDetails::ToolCalls(details) => format!("{} tool call(s)", details.tool_calls.len()),
            StepDetails::MessageCreation(_) => "message".to_owned(),
            _ => "other".to_owned(),
        };
        let seconds =
            step.completed_at.zip(step.created_at).map(|(end, start)| format!("{} s", end - start));
        let tokens = step
            .usage
            .as_ref()
            .and_then(|usage| usage.total_tokens)
            .map(|tokens| tokens.to_string());
        println!(
            "{kind:<18}{:<12}{:>9}{:>8}",
            step.status,
            seconds.as_deref().unwrap_or("-"),
            tokens.as_deref().unwrap_or("-"),
        );
    }
}
