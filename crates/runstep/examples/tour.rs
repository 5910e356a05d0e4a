//! A tour of the client: a run with options, its updates and its outcome, lists across pages, a
//! thread and a run in one request, and polling of several runs.
//!
//! `cargo run -p runstep --example tour` starts a server in the same process.

use std::time::Duration;

use runstep::Outcome;
use runstep::types::{FunctionDefinition, FunctionTool, Order};
use runstep_server::Server;
use runstep_server::model::{Scripted, Turn};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = Scripted::new([
        Turn::call("get_weather", json!({"city": "Paris"}))
            .initial_delay(Duration::from_millis(200)),
        Turn::text("Dix-huit degrés, et du soleil.").initial_delay(Duration::from_millis(200)),
        Turn::text("A computer that learns from examples, as you do."),
    ]);
    let server =
        Server::builder().model(model).poll_after(Duration::from_millis(20)).spawn().await?;
    // For another server, use `runstep::Client::from_env()?`.
    let client = runstep::Client::builder(server.base_url()).build()?;

    let tool = FunctionTool::new(FunctionDefinition::new("get_weather"));
    let assistant = client.assistants().create("scripted").tool(tool).await?;
    let thread = client.threads().create().user_message("How is the weather in Paris?").await?;
    let runs = client.runs(&thread.id);

    let run = runs
        .create(&assistant.id)
        .additional_instructions("Answer in French.")
        .metadata_entry("user_id", "u1")
        .await?;
    let mut run = runs.poll(&run.id).deadline(Duration::from_secs(120)).await?;
    loop {
        match run.outcome() {
            Outcome::Completed(_) => println!("the run completed"),
            Outcome::RequiresAction(calls) => {
                let mut outputs = runs.submit_tool_outputs(&run.id);
                for call in calls {
                    println!("the run calls {}({})", call.function.name, call.function.arguments);
                    outputs = outputs.output(&call.id, "18 degrees and sunny");
                }
                run = outputs.await?;
                let mut updates = runs.poll(&run.id).with_steps(true).watch();
                while let Some(update) = updates.try_next().await? {
                    println!("  {} ({} new steps)", update.status, update.new_steps.len());
                    run = update.run;
                }
                continue;
            }
            Outcome::Failed(error) => println!("the run failed: {error:?}"),
            Outcome::Incomplete(reason) => println!("the run is incomplete: {reason:?}"),
            Outcome::Cancelled => println!("the run was cancelled"),
            Outcome::Expired => println!("the run expired"),
            Outcome::Active(status) => println!("the run is {status}"),
        }
        break;
    }

    let mut steps = runs.steps(&run.id).list().order(Order::Asc).items(); // fetches pages lazily
    while let Some(step) = steps.try_next().await? {
        println!("step {} {}", step.id, step.status);
    }
    let page = runs.list().limit(50).page().await?;
    println!("runs on the thread: {}", page.data.len());
    let messages = client.messages(&thread.id).list().order(Order::Asc).items();
    for message in messages.collect_all().await? {
        let role = message.role.as_ref().map_or("-", |role| role.as_str());
        println!("{role}: {}", message.text());
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

    // Polls several runs under one request rate, and yields each run when it finishes.
    let mut ends = client.poll_all(&page.data);
    while let Some(end) = ends.next_run().await {
        println!("{} is {}", end.run_ref.run_id, end.result?.status);
    }
    Ok(())
}
