//! `Client::from_env`.

use std::process::Command;

use runstep::Client;

use crate::harness::{API_KEY, RecordingServer, example};

/// The variables that `from_env` reads, and those that configure a proxy.
const VARIABLES: [&str; 10] = [
    "RUNSTEP_BASE_URL",
    "RUNSTEP_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_API_KEY",
    "http_proxy",
    "HTTP_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
];
const IN_CHILD: &str = "RUNSTEP_TEST_FROM_ENV";

/// Runs in a child process, because a process cannot safely change its own environment. Sends a
/// request with a client from the environment, or prints the error. In the parent process this test
/// does nothing.
#[tokio::test]
async fn child_process_uses_client_from_env() {
    if std::env::var_os(IN_CHILD).is_none() {
        return;
    }
    match Client::from_env() {
        Ok(client) => drop(client.threads().create().await),
        Err(error) => println!("error {:?}: {error}", error.kind()),
    }
}

/// Starts a child process with these variables and returns its output.
async fn run_child(variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "client::environment::child_process_uses_client_from_env", "--nocapture"])
        .env(IN_CHILD, "1");
    for name in VARIABLES {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let output_text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && output_text.contains("1 passed"), "{output_text}");
    output_text
}

/// The authorization header that `server` received. The other server must have no requests.
fn authorization_at(server: &RecordingServer, other: &RecordingServer) -> Option<String> {
    assert_eq!(other.requests().len(), 0);
    server.only_request().header("authorization").map(str::to_owned)
}

async fn two_servers() -> (RecordingServer, RecordingServer) {
    (
        RecordingServer::with_json(example("Thread")).await,
        RecordingServer::with_json(example("Thread")).await,
    )
}

#[tokio::test]
async fn from_env_prefers_runstep_variables() {
    let (runstep, openai) = two_servers().await;
    run_child(&[
        ("RUNSTEP_BASE_URL", &runstep.base_url()),
        ("RUNSTEP_API_KEY", "runstep-key"),
        ("OPENAI_BASE_URL", &openai.base_url()),
        ("OPENAI_API_KEY", "openai-key"),
    ])
    .await;
    assert_eq!(authorization_at(&runstep, &openai).as_deref(), Some("Bearer runstep-key"));
}

#[tokio::test]
async fn from_env_falls_back_to_openai_variables() {
    let (runstep, openai) = two_servers().await;
    run_child(&[
        ("RUNSTEP_BASE_URL", " "),
        ("RUNSTEP_API_KEY", "runstep-key"),
        ("OPENAI_BASE_URL", &openai.base_url()),
        ("OPENAI_API_KEY", "openai-key"),
    ])
    .await;
    assert_eq!(authorization_at(&openai, &runstep).as_deref(), Some("Bearer openai-key"));
}

#[tokio::test]
async fn from_env_does_not_mix_variable_pairs() {
    let (runstep, openai) = two_servers().await;
    run_child(&[("RUNSTEP_BASE_URL", &runstep.base_url()), ("OPENAI_API_KEY", "openai-key")]).await;
    assert_eq!(authorization_at(&runstep, &openai), None);
    run_child(&[("OPENAI_BASE_URL", &openai.base_url()), ("RUNSTEP_API_KEY", "runstep-key")]).await;
    assert_eq!(openai.only_request().header("authorization"), None);
}

#[tokio::test]
async fn from_env_error_names_required_variables() {
    let expected = "error Configuration: no base URL: set RUNSTEP_BASE_URL (and \
                    RUNSTEP_API_KEY, if the server requires a key), or OPENAI_BASE_URL and \
                    OPENAI_API_KEY";
    for variables in [&[][..], &[("OPENAI_API_KEY", API_KEY), ("RUNSTEP_API_KEY", API_KEY)]] {
        let output_text = run_child(variables).await;
        assert!(output_text.contains(expected) && !output_text.contains(API_KEY), "{output_text}");
    }
}

/// Without TLS, a proxy on another machine could read the key.
#[tokio::test]
async fn plain_http_to_loopback_bypasses_proxy() {
    let (server, proxy) = two_servers().await;
    run_child(&[
        ("RUNSTEP_BASE_URL", &server.base_url()),
        ("RUNSTEP_API_KEY", API_KEY),
        ("http_proxy", &proxy.base_url()),
        ("ALL_PROXY", &proxy.base_url()),
    ])
    .await;
    assert!(authorization_at(&server, &proxy).is_some());
}
