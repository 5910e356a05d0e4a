//! A tour of the client: a run with options, its changes one by one, its outcome, a thread and a
//! run in one request, and lists over all their pages.
//!
//! `cargo run -p runstep --example tour` starts a server within the program.

use std::time::Duration;

use runstep::Outcome;
use runstep::prelude::*;
use runstep::types::{FunctionDefinition, FunctionTool, Order};
use runstep_server::Server;
use runstep_server::model::{Scripted, Turn};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = Scripted::new([
        Turn::call("get_weather", json!({"city": "Paris"})).after(Duration::from_millis(200)),
        Turn::say("Dix-huit degrés, et du soleil.").after(Duration::from_millis(200)),
        Turn::say("A computer that learns from examples, as you do."),
    ]);
    let server =
        Server::builder().model(model).poll_after(Duration::from_millis(20)).spawn().await?;
    // `runstep::Client::from_env()?` is a client of the server that the environment names.
    let client = runstep::Client::builder(server.base_url()).build()?;

    let tool = FunctionTool::new(FunctionDefinition::new("get_weather"));
    let assistant = client.assistants().create("scripted").tool(tool).await?;
    let thread = client.threads().create().user_message("How is the weather in Paris?").await?;
    let runs = client.runs(&thread.id);

    let run = runs
        .create(&assistant.id)
        .additional_instructions("Answer in French.")
        .metadata("user_id", "u1")
        .await?;
    let mut run = runs.poll(&run.id).deadline(Duration::from_secs(120)).await?;
    loop {
        match run.outcome() {
            Outcome::Completed(_) => println!("it completed"),
            Outcome::RequiresAction(calls) => {
                let mut outputs = runs.submit_tool_outputs(&run.id);
                for call in calls {
                    println!("it calls {}({})", call.function.name, call.function.arguments);
                    outputs = outputs.output(&call.id, "18 degrees and sunny");
                }
                run = outputs.await?;
                let mut updates = runs.poll(&run.id).with_steps(true).into_stream();
                while let Some(update) = updates.try_next().await? {
                    println!("  {} ({} new steps)", update.status, update.new_steps.len());
                    run = update.run;
                }
                continue;
            }
            Outcome::Failed(error) => println!("it failed: {error:?}"),
            Outcome::Incomplete(reason) => println!("it ended early: {reason:?}"),
            Outcome::Cancelled => println!("it was cancelled"),
            Outcome::Expired => println!("it ran out of time"),
            Outcome::UnderWay(status) => println!("it is {status}"),
        }
        break;
    }

    let mut steps = runs.steps(&run.id).list().order(Order::Asc).items(); // every page, lazily
    while let Some(step) = steps.try_next().await? {
        println!("step {} {}", step.type_, step.status);
    }
    let page = runs.list().limit(50).page().await?;
    println!("{} run on the thread", page.data.len());
    let messages = client.messages(&thread.id).list().order(Order::Asc).items();
    for message in messages.collect_all().await? {
        println!("{}: {}", message.role, message.text());
    }

    let run = client
        .threads()
        .create_and_run(&assistant.id)
        .user_message("Explain deep learning to a 5 year old.")
        .and_poll()
        .await?;
    let messages = client.messages(&run.thread_id).list().run_id(&run.id).limit(1).await?;
    println!(
        "{}: {}",
        run.status,
        messages.data.first().map(|message| message.text()).unwrap_or_default()
    );

    // The server can be asked about many runs at once, each given as it ends.
    let mut ends = client.poll_all(&page.data);
    while let Some(end) = ends.next_end().await {
        println!("{} is {}", end.run_ref.run_id, end.result?.status);
    }
    Ok(())
}
