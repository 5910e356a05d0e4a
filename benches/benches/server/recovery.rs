//! The start with a large data file and many runs to recover.

use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use runstep_benches::Result;
use runstep_server::model::{Model, ModelRequest, ModelStream};
use runstep_server::{Durability, Server};

use crate::connection::{Connection, get, post};
use crate::create_assistant;
use crate::model::InstantModel;
use crate::store::Directory;

const RUNS: usize = 1000;
/// The size of the file, in bytes.
const FILE_BYTES: u64 = 5_000_000_000;
/// The length of a message that fills the file, in bytes, and how many a thread has.
const MESSAGE_BYTES: u64 = 4000;
const MESSAGES: u64 = 10;

/// A model that never responds.
struct SilentModel;

impl Model for SilentModel {
    fn respond(&self, _: ModelRequest) -> ModelStream {
        stream::pending().boxed()
    }
}

/// Measures the time until the server responds, and until all runs have ended.
pub(crate) async fn measure() -> Result<()> {
    let directory = Directory::new()?;
    let file = directory.path().join("large.db");
    let builder = Server::builder().model(SilentModel).durability(Durability::Normal);
    let builder = builder.shutdown_timeout(Duration::ZERO);
    let server = builder.data_file(&file).spawn().await?;
    let assistant = create_assistant(server.address()).await?;
    let mut connection = Connection::open(server.address()).await?;
    let body = format!(
        r#"{{"assistant_id":"{assistant}","thread":{{"messages":[{{"role":"user","content":"Hi"}}]}}}}"#
    );
    for _ in 0..RUNS {
        connection.call(&post("/v1/threads/runs", &body)).await?;
    }
    drop(connection);
    server.shutdown().await?;
    fill(&file)?;
    let bytes = std::fs::metadata(&file)?.len();

    let started = Instant::now();
    let server = Server::builder().model(InstantModel).data_file(&file).spawn().await?;
    let mut connection = Connection::open(server.address()).await?;
    connection.call(&get("/v1/assistants")).await?;
    let serving = started.elapsed();
    let counter = "runstep_runs_ended_total{status=\"completed\"} ";
    loop {
        let text = connection.call(&get("/metrics")).await?;
        let line = text.lines().find_map(|line| line.strip_prefix(counter));
        if line.and_then(|count| count.trim().parse().ok()) == Some(RUNS) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("\nstart with a file of {bytes} bytes and {RUNS} runs to recover\n");
    println!("serves after {:.3} s; aim: 2 s", serving.as_secs_f64());
    println!("all runs have ended after {:.3} s", started.elapsed().as_secs_f64());
    server.shutdown().await?;
    Ok(())
}

/// Adds threads with messages, faster than by requests.
fn fill(file: &std::path::Path) -> Result<()> {
    let connection = rusqlite::Connection::open(file)?;
    connection.execute_batch("PRAGMA synchronous = off; PRAGMA cache_size = -200000; BEGIN")?;
    let first: i64 = connection.query_row("SELECT next FROM sequence", [], |row| row.get(0))?;
    let threads = i64::try_from(FILE_BYTES / (MESSAGE_BYTES + 200) / MESSAGES)?;
    let text = "x".repeat(usize::try_from(MESSAGE_BYTES)?);
    let mut thread = connection.prepare(
        "INSERT INTO threads (seq, ns, id, version, revision, json)
         VALUES (?1, 1, 'thread_' || ?1, 0, ?1, '{\"id\":\"thread_' || ?1 || '\"}')",
    )?;
    let mut message = connection.prepare(
        "INSERT INTO messages (seq, ns, thread, id, version, tokens, json)
         VALUES (?1, 1, ?2, 'msg_' || ?1, 0, 1, '{\"id\":\"msg_' || ?1 || '\",\"x\":\"' || ?3 || '\"}')",
    )?;
    let mut next = first;
    for _ in 0..threads {
        let parent = next;
        thread.execute([parent])?;
        for _ in 0..MESSAGES {
            next += 1;
            message.execute(rusqlite::params![next, parent, text])?;
        }
        next += 1;
    }
    drop((thread, message));
    connection.execute("UPDATE sequence SET next = ?1", [next])?;
    connection.execute_batch("COMMIT")?;
    Ok(())
}
