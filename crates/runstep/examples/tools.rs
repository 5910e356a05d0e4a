//! Executes the tool calls of a run with Rust functions: parallel calls, a call that fails, and a
//! call that needs approval. The first run is polled, the second one is streamed.
//!
//! `cargo run -p runstep --example tools` starts a server in the same process.

use std::sync::Arc;
use std::time::Duration;

use runstep::RunEvent;
use runstep::tools::{
    Approval, PendingCall, ToolContext, ToolEvent, ToolOptions, ToolStreamEvent, Toolbox,
};
use runstep_server::Server;
use runstep_server::model::{Scripted, Turn};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Current weather in a city
#[derive(Deserialize, JsonSchema)]
struct GetWeather {
    /// City name, such as Paris
    city: String,
    #[serde(default)]
    unit: Unit,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
enum Unit {
    #[default]
    Celsius,
    Fahrenheit,
}

#[derive(Serialize)]
struct Weather {
    degrees: i32,
    unit: Unit,
}

/// The state that the functions share.
struct Station {
    celsius: i32,
}

async fn get_weather(args: GetWeather, station: Arc<Station>) -> Result<Weather, String> {
    if args.city == "Atlantis" {
        return Err(format!("no weather data for {}", args.city));
    }
    let degrees = match args.unit {
        Unit::Celsius => station.celsius,
        Unit::Fahrenheit => station.celsius * 9 / 5 + 32,
    };
    Ok(Weather { degrees, unit: args.unit })
}

/// Sends a postcard
#[derive(Deserialize, JsonSchema)]
struct SendPostcard {
    to: String,
    text: String,
}

async fn send_postcard(card: SendPostcard, _: Arc<Station>, context: ToolContext) -> String {
    format!("sent to {} by {}: {}", card.to, context.run_id(), card.text)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = Scripted::new([
        Turn::call("get_weather", json!({"city": "Paris"}))
            .and_call("get_weather", json!({"city": "Atlantis", "unit": null})),
        Turn::call("get_weather", json!({"city": "Athens", "unit": "fahrenheit"})),
        Turn::call("send_postcard", json!({"to": "Ada", "text": "It is warm."})),
        Turn::text("18 °C in Paris, 64 °F in Athens; the postcard was not sent."),
        Turn::call("get_weather", json!({"city": "Oslo"})),
        Turn::text("18 °C in Oslo too."),
    ]);
    let server = Server::builder().model(model).spawn().await?;
    // For another server, use `runstep::Client::from_env()?`.
    let client = runstep::Client::builder(server.base_url()).build()?;

    let strict = ToolOptions::default().strict(true).timeout(Duration::from_secs(20));
    let tools = Toolbox::with_state(Arc::new(Station { celsius: 18 }))
        .function_with("get_weather", strict, get_weather)
        .function("send_postcard", send_postcard);
    // Tests of functions can call them without a run.
    let weather = tools.call("get_weather", json!({"city": "Rome"})).await?;
    println!("Call without a run:\n  get_weather -> {weather}");

    let assistant = client.assistants().create("scripted").await?;
    let thread = client.threads().create().user_message("How is the weather?").await?;
    println!("Polled run:");
    let run = client
        .runs(&thread.id)
        .create(&assistant.id)
        .toolbox(&tools)
        .approve(|call: PendingCall| async move {
            match call.name.as_str() {
                "send_postcard" => {
                    Approval::Deny("this example has no user to approve it".to_owned())
                }
                _ => Approval::Allow,
            }
        })
        .on_progress(print_event)
        .and_poll()
        .await?;

    let messages = client.messages(&thread.id).list().run_id(&run.id).await?;
    println!("  {}: {}", run.status, messages.data.first().map(|m| m.text()).unwrap_or_default());

    client.messages(&thread.id).create("And in Oslo?").await?;
    println!("Streamed run:");
    let mut events = client.runs(&thread.id).create(&assistant.id).toolbox(&tools).stream().await?;
    while let Some(event) = events.try_next().await? {
        match event {
            ToolStreamEvent::Tool(event) => print_event(&event),
            ToolStreamEvent::Run(RunEvent::MessageCreated(_)) => print!("  "),
            ToolStreamEvent::Run(RunEvent::MessageDelta(delta)) => print!("{}", delta.text()),
            ToolStreamEvent::Run(RunEvent::RunCompleted(_)) => println!(),
            _ => {}
        }
    }
    Ok(())
}

fn print_event(event: &ToolEvent) {
    match event {
        ToolEvent::Started(call) => println!("  {}({})", call.name, call.arguments),
        ToolEvent::Finished { call, output, .. } => println!("  {} -> {output}", call.name),
        ToolEvent::Failed { error, .. } => println!("  {error}"),
        ToolEvent::Denied { call, reason } => println!("  {} denied: {reason}", call.name),
        _ => {}
    }
}
