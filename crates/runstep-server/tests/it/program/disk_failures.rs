//! Disks that are full, fail or cannot be written.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use reqwest::{Client, Response};
use serde_json::{Value, json};

use crate::program::process::{Program, ProgramBuilder};

const ANY_PORT: [&str; 2] = ["--listen", "127.0.0.1:0"];

fn program(path: &Path) -> ProgramBuilder {
    ProgramBuilder::new(&ANY_PORT).env("RUNSTEP_DATA", path.to_str().unwrap())
}

/// A program for which a write beyond this many blocks of 512 bytes of a file fails.
fn limited_program(path: &Path, blocks: u64) -> ProgramBuilder {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    ProgramBuilder::with_shell(&script, &ANY_PORT).env("RUNSTEP_DATA", path.to_str().unwrap())
}

fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

async fn send(program: &Program, path: &str, body: &Value) -> Response {
    let request = client().post(program.url(path)).header("content-type", "application/json");
    request.body(body.to_string()).send().await.unwrap()
}

async fn get(program: &Program, path: &str) -> Response {
    client().get(program.url(path)).send().await.unwrap()
}

async fn parse(response: Response) -> Value {
    assert_eq!(response.status(), 200);
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

/// Creates threads until one is refused. Returns those that were created.
async fn fill(program: &Program) -> Vec<Value> {
    let body = json!({"messages": [{"role": "user", "content": "x".repeat(50_000)}]});
    let mut threads = Vec::new();
    loop {
        let response = send(program, "/v1/threads", &body).await;
        if response.status() != 200 {
            check_refused(response).await;
            return threads;
        }
        threads.push(parse(response).await);
        assert!(threads.len() < 1000, "writes never fail");
    }
}

async fn check_refused(response: Response) {
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    let error: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(error["error"]["type"], "server_error");
}

async fn check_present(program: &Program, threads: &[Value]) {
    for thread in threads {
        let path = format!("/v1/threads/{}", thread["id"].as_str().unwrap());
        assert_eq!(parse(get(program, &path).await).await, *thread);
    }
}

/// Kills the program, and checks that one without the failure has everything.
async fn check_restart(mut failed: Program, path: &Path, threads: &[Value]) {
    failed.signal("KILL");
    failed.exit_status();
    let restarted = program(path).serve();
    check_present(&restarted, threads).await;
    parse(send(&restarted, "/v1/threads", &json!({})).await).await;
    drop(restarted);
    let checked = ProgramBuilder::new(&["check", "--data", path.to_str().unwrap()]).run_to_exit();
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

/// The limits are in the log, in its checkpoints, and in the file, so the write that fails is another
/// one each time.
#[tokio::test]
async fn failed_writes_refuse_changes_and_lose_nothing() {
    let mut counts = Vec::new();
    for blocks in [760, 1111, 2000, 4000, 8500] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data.db");
        let limited = limited_program(&path, blocks).serve();
        let threads = fill(&limited).await;
        assert_eq!(get(&limited, "/readyz").await.status(), 503, "{blocks} blocks");
        assert_eq!(get(&limited, "/healthz").await.status(), 200);
        check_present(&limited, &threads).await;
        check_restart(limited, &path, &threads).await;
        counts.push(threads.len());
    }
    assert!(counts.is_sorted() && counts[4] > 10, "{counts:?}");
}

/// A file system in memory of a fixed size. It is unmounted on drop.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// Returns `None` if this user may not mount one.
    fn mount(size: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(directory.path());
        mount.stderr(std::process::Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| Self(directory))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn full_disk_refuses_changes_until_there_is_space() {
    let Some(disk) = SmallDisk::mount("4m") else {
        println!("skipped: only root can mount a small disk");
        return;
    };
    let path = disk.0.path().join("data.db");
    let ballast = disk.0.path().join("ballast");
    fs::write(&ballast, vec![1; 1_500_000]).unwrap();
    let server = program(&path).serve();
    let threads = fill(&server).await;
    assert_eq!(get(&server, "/readyz").await.status(), 503);
    check_present(&server, &threads).await;
    fs::remove_file(&ballast).unwrap();
    // The server continues without a restart.
    let thread = parse(send(&server, "/v1/threads", &json!({})).await).await;
    assert_eq!(get(&server, "/readyz").await.status(), 200);
    check_present(&server, std::slice::from_ref(&thread)).await;
    let threads: Vec<Value> = threads.into_iter().chain([thread]).collect();
    check_restart(server, &path, &threads).await;
}

#[tokio::test]
async fn disk_that_becomes_read_only_refuses_changes() {
    let Some(disk) = SmallDisk::mount("16m") else {
        println!("skipped: only root can mount a small disk");
        return;
    };
    let path = disk.0.path().join("data.db");
    let first = program(&path).serve();
    let thread = parse(send(&first, "/v1/threads", &json!({})).await).await;
    drop(first);
    let remount = |mode: &str| {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,{mode}")]).arg(disk.0.path());
        assert!(mount.status().unwrap().success());
    };
    remount("ro");
    let refused = program(&path).run_to_exit();
    assert_eq!(refused.code, Some(1));
    assert!(refused.errors.contains("data.db"), "{}", refused.errors);
    assert!(refused.errors.contains("Read-only file system"), "{}", refused.errors);
    remount("rw");
    check_present(&program(&path).serve(), &[thread]).await;
}

#[tokio::test]
async fn files_and_directories_without_permission_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.db");
    drop(program(&path).serve());
    let set_mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    set_mode(&path, 0o400);
    if fs::File::options().write(true).open(&path).is_ok() {
        println!("skipped: permissions do not apply to root");
        return;
    }
    for (denied, mode) in [(path.as_path(), 0o400), (directory.path(), 0o500)] {
        set_mode(denied, mode);
        let refused = program(&path).run_to_exit();
        assert_eq!(refused.code, Some(1));
        assert!(refused.errors.contains("data.db"), "{}", refused.errors);
        set_mode(denied, 0o700);
    }
}
