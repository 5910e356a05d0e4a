//! The configuration of the server.

use std::time::Duration;

use runstep_server::Server;
use runstep_server::model::ChatCompletions;

use super::*;

#[tokio::test(start_paused = true)]
async fn configuration_is_shown_without_secrets() {
    let model = ChatCompletions::builder("http://127.0.0.1:9/v1?key=secret-2")
        .api_key("secret-3".to_owned())
        .build()
        .unwrap();
    let builder = Server::builder()
        .model(model)
        .api_keys(["secret-4"])
        .retain_runs(Duration::from_secs(60))
        .max_queued_runs(5);
    let client = TestClient::from_builder(builder).with_header("api-key", "secret-4");
    let info = get_ok(&client, "/server").await;
    assert_eq!(info["model"]["description"], "chat completions of 127.0.0.1");
    assert_eq!(info["requires_key"], true);
    assert_eq!(info["data"]["retain_runs_seconds"], 60);
    assert_eq!(info["limits"]["max_queued_runs"], 5);
    assert!(!info.to_string().contains("secret"), "{info}");
}
