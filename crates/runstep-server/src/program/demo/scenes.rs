//! What the users of the demo ask, and how the model responds.

use runstep_server::model::ModelErrorKind;
use serde_json::{Value, json};

/// A question of a user, with the responses of the model: one for each request of the run.
pub(super) struct Scene {
    pub(super) question: &'static str,
    pub(super) assistant: usize,
    pub(super) responses: Vec<Vec<Part>>,
    /// The outputs of the functions, for each round of calls.
    pub(super) outputs: Vec<Vec<&'static str>>,
}

/// A part of a response.
#[derive(Clone)]
pub(super) enum Part {
    /// Time passes, in milliseconds.
    Wait(u64),
    /// Text, one word at a time.
    Text(&'static str),
    Call(&'static str, Value),
    Search {
        query: &'static str,
        passages: &'static [(&'static str, &'static str, f64)],
    },
    Cite(&'static str, &'static str),
    Code {
        code: &'static str,
        logs: &'static str,
    },
    Fail(ModelErrorKind, &'static str),
    TokenLimit,
    /// The response does not end.
    Stall,
}

use Part::{Call, Cite, Code, Fail, Search, Stall, Text, TokenLimit, Wait};

pub(super) const TRAVEL: usize = 0;
pub(super) const SUPPORT: usize = 1;
pub(super) const ANALYST: usize = 2;

/// The assistants of the scenes.
pub(super) fn assistants() -> [Value; 3] {
    let function = |name: &str, description: &str, properties: Value, required: &[&str]| {
        json!({"type": "function", "function": {
            "name": name, "description": description,
            "parameters": {"type": "object", "properties": properties, "required": required},
        }})
    };
    let city = json!({"type": "string", "description": "Name of a city"});
    let trains = json!({
        "from": city, "to": city,
        "after": {"type": "string", "description": "Earliest departure, such as 18:00"},
        "passengers": {"type": "integer", "minimum": 1, "maximum": 9},
    });
    let refund = json!({
        "order_id": {"type": "string"},
        "amount": {"type": "number", "minimum": 0, "description": "In euros"},
        "reason": {"type": "string", "enum": ["damaged", "late", "wrong_item"]},
        "notify_customer": {"type": "boolean"},
    });
    [
        json!({
            "name": "Travel desk", "model": "gpt-4.1",
            "instructions": "Find connections and tell what the weather is like on arrival.",
            "tools": [
                function("search_trains", "Finds trains between two cities.", trains, &["from", "to"]),
                function("get_weather", "Returns the weather in a city.", json!({"city": city}), &["city"]),
            ],
        }),
        json!({
            "name": "Support", "model": "gpt-4.1-mini",
            "instructions": "Help customers with their orders. Cite the manuals. Ask before a refund.",
            "tools": [
                {"type": "file_search"},
                function("lookup_order", "Finds an order.", json!({"order_id": {"type": "string"}}), &["order_id"]),
                function("issue_refund", "Pays money back to a customer. A person has to approve it.", refund, &["order_id", "amount"]),
            ],
            "tool_resources": {"file_search": {"vector_store_ids": ["vs_manuals"]}},
        }),
        json!({
            "name": "Analyst", "model": "o4-mini",
            "instructions": "Compute with code. Explain results in one or two sentences.",
            "tools": [{"type": "code_interpreter"}],
        }),
    ]
}

/// Returns all scenes. The model recognizes them by their question.
pub(super) fn scenes() -> Vec<Scene> {
    let scene =
        |question, assistant, responses, outputs| Scene { question, assistant, responses, outputs };
    vec![
        scene(
            TRAINS,
            TRAVEL,
            vec![
                vec![
                    Wait(1400),
                    Call(
                        "search_trains",
                        json!({"from": "Lyon", "to": "Paris", "after": "18:00", "passengers": 2}),
                    ),
                    Call("get_weather", json!({"city": "Paris"})),
                ],
                vec![
                    Wait(900),
                    Text(
                        "There are two direct trains from Lyon Part-Dieu after 18:00: TGV 6624 at 18:04, which arrives at 20:02, and TGV 6628 at 19:04, which arrives at 21:00. Both have seats for two, from 49 €. It will be dry in Paris tonight, at 14 °C, so the walk from Gare de Lyon is pleasant.",
                    ),
                ],
            ],
            vec![vec![
                r#"{"trains":[{"number":"TGV 6624","departs":"18:04","arrives":"20:02","price_eur":49,"seats":12},{"number":"TGV 6628","departs":"19:04","arrives":"21:00","price_eur":65,"seats":3}]}"#,
                r#"{"city":"Paris","temperature_c":14,"sky":"clear","rain_probability":0.05}"#,
            ]],
        ),
        scene(
            REFUND,
            SUPPORT,
            vec![
                vec![Wait(1100), Call("lookup_order", json!({"order_id": "1834"}))],
                vec![
                    Wait(1300),
                    Text("I found order 1834, a ceramic teapot for 42.90 €, delivered yesterday. "),
                    Call(
                        "issue_refund",
                        json!({"order_id": "1834", "amount": 42.9, "reason": "damaged", "notify_customer": true}),
                    ),
                ],
                vec![
                    Wait(700),
                    Text(
                        "The refund of 42.90 € for order 1834 is on its way. It arrives within three working days.",
                    ),
                ],
            ],
            vec![vec![
                r#"{"order_id":"1834","item":"Ceramic teapot","total_eur":42.9,"delivered":"yesterday","status":"delivered"}"#,
            ]],
        ),
        scene(
            WARRANTY,
            SUPPORT,
            vec![vec![
                Wait(600),
                Search {
                    query: "warranty battery coverage period",
                    passages: &[
                        (
                            "file-warranty-2025",
                            "The battery is covered for 24 months from the day of purchase if it holds less than 70 % of its rated capacity.",
                            0.93,
                        ),
                        (
                            "file-manual-x200",
                            "Damage by liquids is not covered by the warranty.",
                            0.81,
                        ),
                    ],
                },
                Wait(1500),
                Text(
                    "Yes. The battery is covered for 24 months if it holds less than 70 % of its rated capacity",
                ),
                Cite("file-warranty-2025", "【4:0†warranty-2025.pdf】"),
                Text(". Damage by liquids is excluded"),
                Cite("file-manual-x200", "【4:1†manual-x200.pdf】"),
                Text(". Send us a photo of the serial number, and we will arrange the exchange."),
            ]],
            vec![],
        ),
        scene(
            REVENUE,
            ANALYST,
            vec![vec![
                Wait(2200),
                Code {
                    code: "import statistics\n\nrevenue = [118_400, 121_900, 97_350, 134_020, 140_880, 152_310]\ngrowth = [b / a - 1 for a, b in zip(revenue, revenue[1:])]\nprint(f\"mean {statistics.mean(revenue):,.0f}\")\nprint(f\"median growth {statistics.median(growth):.1%}\")",
                    logs: "mean 127,477\nmedian growth 5.1%\n",
                },
                Wait(1200),
                Text(
                    "The mean monthly revenue is 127,477 €, and the median growth is 5.1 % per month. March is the outlier: without it the mean would be 133,502 €.",
                ),
            ]],
            vec![],
        ),
        scene(
            TRANSLATE,
            ANALYST,
            vec![vec![
                Wait(3100),
                Fail(
                    ModelErrorKind::RateLimit,
                    "Rate limit reached for gpt-4.1 in organization org-demo on tokens per min. Limit: 30000, used: 29412, requested: 8118.",
                ),
            ]],
            vec![],
        ),
        scene(
            CRASH,
            SUPPORT,
            vec![vec![
                Wait(900),
                Text("Let me see what the release notes "),
                Wait(4000),
                Fail(
                    ModelErrorKind::Server,
                    "The provider closed the connection before the response was complete.",
                ),
            ]],
            vec![],
        ),
        scene(
            ESSAY,
            ANALYST,
            vec![vec![
                Wait(800),
                Text(
                    "The history of tea begins in the southwest of China, where leaves were first chewed as a medicine and later steeped in boiling",
                ),
                TokenLimit,
            ]],
            vec![],
        ),
        scene(
            POEM,
            ANALYST,
            vec![vec![Wait(500), Text("A timeline is a patient thing, "), Stall]],
            vec![],
        ),
        scene(
            APPROVAL,
            SUPPORT,
            vec![vec![
                Wait(900),
                Call("issue_refund", json!({"order_id": "1790", "amount": 18.5, "reason": "late"})),
            ]],
            vec![],
        ),
        scene(LONG, ANALYST, vec![vec![Wait(800), Text(LONG_TEXT)]], vec![]),
        scene(
            WEATHER,
            TRAVEL,
            vec![
                vec![Wait(700), Call("get_weather", json!({"city": "Oslo"}))],
                vec![
                    Wait(600),
                    Text(
                        "It is snowing in Oslo at −3 °C. Take the airport train; buses are delayed.",
                    ),
                ],
            ],
            vec![vec![r#"{"city":"Oslo","temperature_c":-3,"sky":"snow","rain_probability":0.9}"#]],
        ),
        scene(
            RETURNS,
            SUPPORT,
            vec![vec![
                Wait(500),
                Search {
                    query: "return period",
                    passages: &[(
                        "file-terms",
                        "Goods can be returned within 30 days of delivery.",
                        0.9,
                    )],
                },
                Wait(800),
                Text("You can return goods within 30 days of delivery"),
                Cite("file-terms", "【2:0†terms.pdf】"),
                Text(", unused and in their packaging."),
            ]],
            vec![],
        ),
    ]
}

pub(super) const TRAINS: &str =
    "Which trains leave Lyon for Paris after 18:00? We are two, and we hate rain.";
pub(super) const REFUND: &str = "The parcel of order 1834 arrived broken. Please refund it.";
pub(super) const WARRANTY: &str = "Does the warranty cover the battery of my X200?";
pub(super) const REVENUE: &str =
    "What are the mean revenue and the median growth of the first half year?";
pub(super) const TRANSLATE: &str = "Translate the whole manual into Finnish.";
pub(super) const CRASH: &str = "Summarize the release notes of last week.";
pub(super) const ESSAY: &str = "Write an essay about the history of tea.";
pub(super) const POEM: &str = "Write a poem about timelines.";
pub(super) const APPROVAL: &str = "Order 1790 came a week late. Refund the shipping, please.";
pub(super) const LONG: &str = "Explain how a run works, step by step.";
pub(super) const WEATHER: &str = "What should I wear in Oslo tomorrow?";
pub(super) const RETURNS: &str = "How long can I return an order?";

const LONG_TEXT: &str = "A run starts in the queue. As soon as a place is free, the server reads the messages of the thread, adds the instructions of the assistant, and asks the model. While the model writes, its words become events, so that a reader sees the message grow. If the model calls a function, the run stops and waits: only the application knows how to execute it. The application submits the outputs of all calls at once, and the run continues from there with a new request to the model. Each message and each round of calls is a step, with its own times and its own tokens, which is what you see on the timeline above. A run ends in one of five ways. It is completed if the model has said everything, incomplete if it met a limit, failed if something went wrong, cancelled if somebody stopped it, and expired if it waited for too long. Whatever happens, the messages stay on the thread for the next run.";
