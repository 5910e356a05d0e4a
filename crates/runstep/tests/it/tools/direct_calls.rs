//! Functions called directly, without a run.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use runstep::tools::{Json, ToolContext, ToolErrorKind, ToolOptions, Toolbox};
use runstep::{Error, ErrorKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::harness::argument_types::{GetWeather, Internal, Place, Unit};

#[derive(Serialize)]
struct Weather {
    degrees: i32,
}

#[derive(Debug)]
struct ThermometerError;

impl std::fmt::Display for ThermometerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the thermometer is broken")
    }
}

impl std::error::Error for ThermometerError {}

async fn output(tools: &Toolbox, name: &str) -> String {
    tools.call(name, json!({})).await.unwrap()
}

async fn kind_and_text(tools: &Toolbox, arguments: Value) -> (ToolErrorKind, String) {
    let error = tools.call("tool", arguments).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tool);
    (error.tool_error().unwrap().kind(), error.to_string())
}

#[tokio::test]
async fn every_return_type_is_converted_to_text() {
    let tools = Toolbox::new()
        .function("str", || async { "with \"quotes\"" })
        .function("string", || async { String::from("owned") })
        .function("cow", || async { Cow::Borrowed("borrowed") })
        .function("json", || async { Json(Weather { degrees: 18 }) })
        .function("json_text", || async { Json("quoted") })
        .function("value", || async { json!({"degrees": [18, null]}) })
        .function("value_text", || async { json!("text") })
        .function("unit", || async {})
        .function("ok_struct", || async { Ok::<_, ThermometerError>(Weather { degrees: 18 }) })
        .function("ok_text", || async { Ok::<_, String>("line\nbreak") })
        .function("ok_list", || async { Ok::<_, ThermometerError>(vec![1, 2]) })
        .function("ok_number", || async { Ok::<_, Box<dyn std::error::Error + Send + Sync>>(2.5) })
        .function("ok_unit", || async { Ok::<_, ThermometerError>(()) });
    let mut lines = String::new();
    for tool in tools.definitions().unwrap() {
        let runstep::types::Tool::Function(tool) = tool else { panic!() };
        let name = tool.function.name;
        lines.push_str(&format!("{name}: {}\n", output(&tools, &name).await));
    }
    insta::assert_snapshot!(lines);
}

#[tokio::test]
async fn arguments_are_decoded() {
    let tools = Toolbox::new().function("tool", |args: GetWeather| async move {
        format!("{} in {:?}", args.city, args.unit)
    });
    let output = tools.call("tool", json!({"city": "Paris", "unit": "fahrenheit"})).await.unwrap();
    assert_eq!(output, "Paris in Fahrenheit");
    assert_eq!(tools.call("tool", json!({"city": "Oslo"})).await.unwrap(), "Oslo in Celsius");
}

#[tokio::test]
async fn argument_errors_name_the_field() {
    let tools = Toolbox::new().function("tool", |_: GetWeather| async { "" });
    let mut lines = String::new();
    for arguments in
        [json!({}), json!({"city": 5}), json!({"city": "Oslo", "unit": "kelvin"}), json!([1])]
    {
        let (kind, text) = kind_and_text(&tools, arguments).await;
        assert_eq!(kind, ToolErrorKind::Arguments);
        lines.push_str(&text);
        lines.push('\n');
    }
    insta::assert_snapshot!(lines);
}

/// With strict schemas, models must send null for an optional property.
#[tokio::test]
async fn null_is_accepted_for_optional_fields() {
    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    struct Arguments {
        #[serde(default)]
        unit: Unit,
        #[serde(default = "seven")]
        maybe: Option<u32>,
        place: Place,
        shapes: Vec<Internal>,
        next: Option<Box<Arguments>>,
    }
    fn seven() -> Option<u32> {
        Some(7)
    }
    let received = Arc::new(Mutex::new(None));
    for strict in [true, false] {
        let handler_received = Arc::clone(&received);
        let options = ToolOptions::default().strict(strict);
        let tools = Toolbox::new().function_with("tool", options, move |args: Arguments| {
            *handler_received.lock().unwrap() = Some(args);
            async {}
        });
        let place = json!({"latitude": 1.0, "longitude": 2.0, "height": null});
        let inner = json!({"unit": null, "place": place, "shapes": [], "next": null});
        let arguments = json!({
            "unit": null,
            "maybe": null,
            "place": place,
            "shapes": [
                {"type": "circle", "radius": 1.0, "filled": null},
                {"type": "square", "side": 1.0, "filled": null},
            ],
            "next": inner,
        });
        tools.call("tool", arguments).await.unwrap();
        let arguments = received.lock().unwrap().take().unwrap();
        assert_eq!(
            (arguments.unit, arguments.maybe, arguments.place.height),
            (Unit::Celsius, None, 35)
        );
        assert_eq!(arguments.shapes[0], Internal::Circle { radius: 1.0, filled: false });
        assert_eq!(arguments.shapes[1], Internal::Square { side: 1.0, filled: None });
        let next = arguments.next.unwrap();
        assert_eq!((next.unit, next.maybe), (Unit::Celsius, Some(7)));
    }
}

/// The variant of the value decides what null means, not another variant with the same property.
#[tokio::test]
async fn null_in_variant_uses_default_of_that_variant() {
    #[derive(Deserialize, JsonSchema)]
    #[serde(tag = "kind")]
    enum Wait {
        Exact {
            #[serde(default)]
            seconds: u32,
        },
        AtMost {
            #[serde(default = "minute")]
            seconds: Option<u32>,
        },
    }
    #[derive(Deserialize, JsonSchema)]
    struct Arguments {
        waits: Vec<Wait>,
    }
    fn minute() -> Option<u32> {
        Some(60)
    }
    let tools = Toolbox::new().function("tool", |args: Arguments| async move {
        let seconds = args.waits.iter().map(|wait| match wait {
            Wait::Exact { seconds } => Some(*seconds),
            Wait::AtMost { seconds } => *seconds,
        });
        Json(seconds.collect::<Vec<_>>())
    });
    let waits = json!([
        {"kind": "Exact", "seconds": null},
        {"kind": "AtMost", "seconds": null},
        {"kind": "AtMost"},
    ]);
    assert_eq!(tools.call("tool", json!({"waits": waits})).await.unwrap(), "[0,null,60]");
}

/// Each level matches both variants, so the number of interpretations doubles with every level.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "only its schema matters")]
enum Either {
    One { next: Option<Box<Either>> },
    Other { next: Option<Box<Either>>, more: Option<String> },
}

#[derive(Deserialize, JsonSchema)]
struct Chain {
    first: Either,
    #[serde(default)]
    plain: Vec<u32>,
}

#[tokio::test]
async fn deep_recursive_arguments_are_decoded_in_linear_time() {
    let tools = Toolbox::new().function("tool", |chain: Chain| async move {
        let _ = chain.first;
        chain.plain.len().to_string()
    });
    let mut deep = json!({"next": null});
    for _ in 0..60 {
        deep = json!({"next": deep});
    }
    let (kind, text) = kind_and_text(&tools, json!({"first": deep, "plain": null})).await;
    assert_eq!(kind, ToolErrorKind::Arguments);
    assert!(text.contains("plain"), "{text}");
}

#[tokio::test]
async fn null_for_required_field_is_an_error() {
    let tools = Toolbox::new().function("tool", |_: GetWeather| async { "" });
    let (kind, text) = kind_and_text(&tools, json!({"city": null, "unit": null})).await;
    assert_eq!(kind, ToolErrorKind::Arguments);
    assert!(text.contains("`city`"), "{text}");
}

#[tokio::test]
async fn function_error_is_the_source() {
    let tools = Toolbox::new().function("tool", || async { Err::<String, _>(ThermometerError) });
    let error = tools.call("tool", json!({})).await.unwrap_err();
    let tool_error = error.tool_error().unwrap();
    assert_eq!(tool_error.kind(), ToolErrorKind::Handler);
    assert_eq!(error.to_string(), "`tool` failed: the thermometer is broken");
    assert!(std::error::Error::source(tool_error).unwrap().is::<ThermometerError>());
}

#[tokio::test]
async fn panic_is_an_error() {
    let tools = Toolbox::new()
        .function("tool", |args: GetWeather| async move {
            if args.city == "Oslo" { panic!("no weather in {}", args.city) } else { "fine" }
        })
        .function("before", || {
            panic!("before the future");
            #[allow(unreachable_code)] // for the type
            async {
                ""
            }
        });
    let (kind, text) = kind_and_text(&tools, json!({"city": "Oslo"})).await;
    assert_eq!(kind, ToolErrorKind::Panic);
    assert_eq!(text, "`tool` panicked: no weather in Oslo");
    assert_eq!(tools.call("tool", json!({"city": "Paris"})).await.unwrap(), "fine");
    let error = tools.call("before", json!({})).await.unwrap_err();
    assert_eq!(error.tool_error().unwrap().kind(), ToolErrorKind::Panic);
}

#[tokio::test(start_paused = true)]
async fn timeout_cancels_the_call() {
    let token = Arc::new(Mutex::new(None));
    let handler_token = Arc::clone(&token);
    let options = ToolOptions::default().timeout(Duration::from_secs(20));
    let tools = Toolbox::new().function_with(
        "tool",
        options,
        move |args: GetWeather, context: ToolContext| {
            *handler_token.lock().unwrap() = Some(context.cancellation().clone());
            async move {
                let seconds = if args.city == "Oslo" { 21 } else { 19 };
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                "done"
            }
        },
    );
    let token = || -> CancellationToken { token.lock().unwrap().take().unwrap() };
    assert_eq!(tools.call("tool", json!({"city": "Paris"})).await.unwrap(), "done");
    assert!(!token().is_cancelled(), "a finished call was cancelled");
    let (kind, text) = kind_and_text(&tools, json!({"city": "Oslo"})).await;
    assert_eq!(kind, ToolErrorKind::Timeout);
    assert_eq!(text, "`tool` exceeded its timeout of 20s");
    assert!(token().is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn dropping_the_call_cancels_it() {
    let token = Arc::new(Mutex::new(None));
    let handler_token = Arc::clone(&token);
    let tools = Toolbox::new().function("tool", move |_: GetWeather, context: ToolContext| {
        *handler_token.lock().unwrap() = Some(context.cancellation().clone());
        std::future::pending::<String>()
    });
    let call = tools.call("tool", json!({"city": "Oslo"}));
    assert!(tokio::time::timeout(Duration::from_secs(1), call).await.is_err());
    let token: CancellationToken = token.lock().unwrap().take().unwrap();
    assert!(token.is_cancelled());
}

#[tokio::test]
async fn unknown_function_error_lists_known_functions() {
    let tools = Toolbox::new().function("now", || async { "" }).function("then", || async { "" });
    let (kind, text) = kind_and_text(&tools, json!({})).await;
    assert_eq!(kind, ToolErrorKind::UnknownTool);
    assert_eq!(text, "unknown function `tool`; available functions: `now`, `then`");
    let (_, text) = kind_and_text(&Toolbox::new(), json!({})).await;
    assert_eq!(text, "unknown function `tool`; no functions are available");
}

#[tokio::test]
async fn functions_share_state_and_receive_call_context() {
    struct Counter(AtomicU32);

    async fn count(_: GetWeather, counter: Arc<Counter>) -> String {
        (counter.0.fetch_add(1, Ordering::Relaxed) + 1).to_string()
    }

    async fn both(args: GetWeather, counter: Arc<Counter>, context: ToolContext) -> String {
        let count = counter.0.load(Ordering::Relaxed);
        let (thread, run, call) = (context.thread_id(), context.run_id(), context.call_id());
        format!("{} {count} {thread} {run} {call}", args.city)
    }

    let state = Arc::new(Counter(AtomicU32::new(0)));
    let tools =
        Toolbox::with_state(Arc::clone(&state)).function("count", count).function("both", both);
    let oslo = json!({"city": "Oslo"});
    assert_eq!(tools.call("count", oslo.clone()).await.unwrap(), "1");
    assert_eq!(tools.clone().call("count", oslo.clone()).await.unwrap(), "2");
    let context = ToolContext::new("thread_1", "run_1", "call_1");
    let output = tools.call_with("both", oslo, context).await.unwrap();
    assert_eq!(output, "Oslo 2 thread_1 run_1 call_1");
    assert_eq!(state.0.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn error_names_function_and_call_id() {
    let tools = Toolbox::new().function("tool", || async { Err::<(), _>("no") });
    let context = ToolContext::new("thread_1", "run_1", "call_1");
    let error: Error = tools.call_with("tool", json!({}), context).await.unwrap_err();
    let error = error.tool_error().unwrap();
    assert_eq!((error.tool(), error.call_id()), ("tool", "call_1"));
}

#[test]
fn toolbox_and_calls_are_send() {
    fn assert_shareable<T: Send + Sync + 'static>(_: &T) {}
    fn assert_send<T: Send>(_: T) {}
    let tools = Toolbox::new().function("tool", || async { "" });
    assert_shareable(&tools);
    assert_send(tools.call("tool", json!({})));
}

#[tokio::test]
async fn raw_arguments_are_decoded_as_in_a_run() {
    let tools = Toolbox::new()
        .function("city", |args: GetWeather| async move { args.city })
        .function("now", || async { "12:00" });
    assert_eq!(tools.call_raw("city", r#"{"city": "Paris"}"#).await.unwrap(), "Paris");
    assert_eq!(tools.call_raw("now", "").await.unwrap(), "12:00");
    for invalid in [r#"{"city": "#, "[]", r#"{"city": 7}"#] {
        let error = tools.call_raw("city", invalid).await.unwrap_err();
        assert_eq!(error.tool_error().unwrap().kind(), ToolErrorKind::Arguments, "{invalid}");
    }
}
