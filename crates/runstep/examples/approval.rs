//! A call that a person approves later: the run is suspended and saved, and resumed with the decision.
//!
//! In a service, the second half runs in another request, for example when the person clicks a button,
//! and possibly in another process: all that it needs is the saved text.
//!
//! `cargo run -p runstep --example approval` starts a server in the same process.

use runstep::IntoCompleted as _;
use runstep::tools::{Approval, PendingCall, SuspendedRun, ToolEvent, ToolStreamEvent, Toolbox};
use runstep::{Client, RunEvent};
use runstep_server::Server;
use runstep_server::model::{Scripted, Turn};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// Looks up an order
#[derive(Deserialize, JsonSchema)]
struct FindOrder {
    number: u32,
}

/// Refunds an order
#[derive(Deserialize, JsonSchema)]
struct Refund {
    order: u32,
    euros: u32,
}

fn tools() -> Toolbox {
    Toolbox::new()
        .function("find_order", |args: FindOrder| async move {
            println!("  find_order({}) is executed", args.number);
            format!("order {}: 40 euros, paid", args.number)
        })
        .function("refund", |args: Refund| async move {
            println!("  refund({}, {}) is executed", args.order, args.euros);
            "refunded"
        })
}

/// Starts the run. Returns the suspended run as text, which a database would store.
async fn start(client: &Client) -> Result<String, Box<dyn std::error::Error>> {
    let assistant = client.assistants().create("scripted").await?;
    let thread = client.threads().create().user_message("Refund my order 7, please.").await?;
    let run = client
        .runs(&thread.id)
        .create(&assistant.id)
        .toolbox(&tools())
        .approve(|call: PendingCall| async move {
            if call.name == "refund" { Approval::Defer } else { Approval::Allow }
        })
        .and_poll()
        .await?;
    println!("the run is {}", run.status);
    let suspended = run.into_suspended().ok_or("no call was deferred")?;
    for call in &suspended.calls {
        println!("  {}({}) waits for an approval", call.name, call.arguments);
    }
    Ok(serde_json::to_string(&suspended)?)
}

/// Continues the run after a person has approved its calls.
async fn approve(client: &Client, saved: &str) -> Result<(), Box<dyn std::error::Error>> {
    let suspended: SuspendedRun = serde_json::from_str(saved)?;
    let runs = client.runs(&suspended.run_ref.thread_id);
    let call_ids: Vec<String> = suspended.calls.iter().map(|call| call.id.clone()).collect();
    let resume = runs.resume(suspended);
    let resume = call_ids.iter().fold(resume, |resume, id| resume.decide(id, Approval::Allow));

    let mut events = resume.toolbox(&tools()).stream().await?;
    while let Some(event) = events.try_next().await? {
        match event {
            ToolStreamEvent::Tool(ToolEvent::Finished { call, output, .. }) => {
                println!("  {} -> {output}", call.name);
            }
            ToolStreamEvent::Run(RunEvent::MessageDelta(delta)) => print!("{}", delta.text()),
            _ => {}
        }
    }
    println!();
    let run = events.final_run().await?.into_completed()?;
    println!("the run is {}", run.status);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = Scripted::new([
        Turn::call("find_order", json!({"number": 7}))
            .and_call("refund", json!({"order": 7, "euros": 40})),
        Turn::text("Your 40 euros are on the way."),
    ]);
    let server = Server::builder().model(model).spawn().await?;
    // For another server, use `runstep::Client::from_env()?`.
    let client = Client::builder(server.base_url()).build()?;

    let saved = start(&client).await?;
    println!("saved {} bytes; some time passes, and a person approves", saved.len());
    approve(&client, &saved).await
}
