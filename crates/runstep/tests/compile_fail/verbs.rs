//! A verb that does not fit the request.

use runstep::tools::{Approval, Toolbox};
use runstep::types::Run;
use runstep::{Result, Runs};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct Recipe {}

async fn verbs(runs: Runs, tools: Toolbox) -> Result<()> {
    runs.poll("run_1").and_poll().await?;
    runs.poll("run_1").stream().await?;
    runs.stream("run_1").stream().await?;
    runs.stream("run_1").watch();
    runs.poll("run_1").send().await?;
    runs.create("asst_1").toolbox(&tools).await?;
    runs.create("asst_1").toolbox(&tools).send().await?;
    runs.create("asst_1").toolbox(&tools).watch();
    let _run: Run = runs.create("asst_1").response_as::<Recipe>().await?;
    runs.create("asst_1").max_rounds(3).and_poll().await?;
    runs.create("asst_1").approve(|_| async { Approval::Defer }).and_poll().await?;
    runs.create("asst_1").toolbox(&tools).toolbox(&tools).and_poll().await?;
    runs.create("asst_1").response_as::<Recipe>().response_as::<Recipe>().and_poll().await?;
    runs.create("asst_1").answer("call_1", "yes");
    Ok(())
}

fn main() {
    let _ = verbs;
}
