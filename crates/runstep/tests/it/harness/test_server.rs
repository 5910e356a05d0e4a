//! A real `runstep_server` with a client, an assistant and a thread.

use std::net::SocketAddr;
use std::time::Duration;

use runstep::types::{FunctionDefinition, FunctionTool};
use runstep::{Client, CreateRun, Runs};
use runstep_server::model::{Model, Scripted, Turn};
use runstep_server::{RunningServer, Server};

/// The server, with an assistant and a thread that has one user message.
pub(crate) struct TestServer {
    pub(crate) client: Client,
    pub(crate) runs: Runs,
    pub(crate) assistant_id: String,
    pub(crate) thread_id: String,
    server: RunningServer,
}

impl TestServer {
    /// Starts a server whose model generates these turns.
    pub(crate) async fn with_turns(turns: impl IntoIterator<Item = Turn>) -> Self {
        Self::with_model(Scripted::new(turns)).await
    }

    pub(crate) async fn with_model(model: impl Model) -> Self {
        let server = Server::builder().model(model).poll_after(Duration::from_millis(2));
        Self::of(server.spawn().await.unwrap()).await
    }

    /// Creates an assistant with two functions on a server that already runs.
    pub(crate) async fn of(server: RunningServer) -> Self {
        Self::with_tools(server, ["get_weather", "get_time"].map(function_tool)).await
    }

    pub(crate) async fn with_tools(
        server: RunningServer,
        tools: impl IntoIterator<Item = FunctionTool>,
    ) -> Self {
        let client = Client::builder(server.base_url()).build().unwrap();
        let create = client.assistants().create("scripted");
        let create = tools.into_iter().fold(create, |create, tool| create.tool(tool));
        let assistant = create.await.unwrap();
        let thread = client.threads().create();
        let thread = thread.user_message("How is the weather in Paris?").await.unwrap();
        Self {
            runs: client.runs(&thread.id),
            client,
            assistant_id: assistant.id,
            thread_id: thread.id,
            server,
        }
    }

    pub(crate) fn base_url(&self) -> String {
        self.server.base_url()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub(crate) fn create_run(&self) -> CreateRun {
        self.runs.create(&self.assistant_id)
    }
}

/// A function without parameters.
pub(crate) fn function_tool(name: &str) -> FunctionTool {
    FunctionTool::new(FunctionDefinition::new(name))
}
