//! Polls that report new steps along with the run.

use runstep::types::Run;

use super::*;

fn step(number: usize) -> Value {
    let mut step = example("RunStep");
    step["id"] = format!("step_{number}").into();
    step
}

/// Returns the requested page of `total` steps, with two steps per page.
fn steps_page(target: &str, total: usize) -> Response {
    let after = target.split("after=step_").nth(1);
    let after: usize = after.map_or(0, |after| after.split('&').next().unwrap().parse().unwrap());
    let numbers: Vec<usize> = (after + 1..=total).take(2).collect();
    let id = |number: Option<&usize>| number.map(|number| format!("step_{number}"));
    let last = numbers.last().copied().unwrap_or(total);
    json_response(&json!({
        "object": "list", "data": numbers.iter().map(|number| step(*number)).collect::<Vec<_>>(),
        "first_id": id(numbers.first()), "last_id": id(numbers.last()), "has_more": last < total,
    }))
}

/// Starts a server whose run has `step_counts[n]` steps at poll `n` and completes at the last one.
/// The list of steps fails once, at poll `failing`.
async fn server_with_steps(
    step_counts: &'static [usize],
    failing: Option<usize>,
) -> RecordingServer {
    let polls = Arc::new(AtomicUsize::new(0));
    let failed = Arc::new(AtomicUsize::new(0));
    RecordingServer::start_with(move |_, request| {
        if !request.target.contains("/steps") {
            let poll = polls.fetch_add(1, Ordering::SeqCst);
            let is_last = poll + 1 >= step_counts.len() + usize::from(failing.is_some());
            let status = if is_last { "completed" } else { "in_progress" };
            return json_response(&run_with_status(status));
        }
        assert!(request.target.contains("order=asc"), "{}", request.target);
        let poll = polls.load(Ordering::SeqCst) - 1 - failed.load(Ordering::SeqCst);
        if failing == Some(poll) && failed.fetch_add(1, Ordering::SeqCst) == 0 {
            return http_response(500, &[], "{}");
        }
        steps_page(&request.target, step_counts[poll])
    })
    .await
}

/// Polls with steps, and returns the status and the step ids of each update.
async fn reported_steps(server: &RecordingServer) -> Vec<(String, Vec<String>)> {
    let mut updates = poll(server).interval(MILLISECOND).with_steps(true).watch();
    let mut reported = Vec::new();
    while let Some(update) = updates.try_next().await.unwrap() {
        let ids = update.new_steps.iter().map(|step| step.id.clone()).collect();
        reported.push((update.status.to_string(), ids));
    }
    reported
}

#[tokio::test]
async fn each_step_is_reported_once_across_pages() {
    let server = server_with_steps(&[0, 1, 1, 6, 7], None).await;
    let reported = reported_steps(&server).await;
    let reported: Vec<_> =
        reported.iter().map(|(status, ids)| (status.as_str(), ids.join(" "))).collect();
    let expected = [
        ("in_progress", ""),
        ("in_progress", "step_1"),
        ("in_progress", "step_2 step_3 step_4 step_5 step_6"),
        ("completed", "step_7"),
    ];
    assert_eq!(reported, expected.map(|(status, ids)| (status, ids.to_owned())));
}

#[tokio::test]
async fn steps_are_reported_after_failed_list() {
    let server = server_with_steps(&[1, 3], Some(1)).await;
    let reported = reported_steps(&server).await;
    let ids: Vec<&String> = reported.iter().flat_map(|(_, ids)| ids).collect();
    assert_eq!(ids, ["step_1", "step_2", "step_3"]);
}

#[tokio::test]
async fn steps_are_not_listed_by_default() {
    let server = server_with_steps(&[1, 2], None).await;
    let mut updates = poll(&server).interval(MILLISECOND).watch();
    while let Some(update) = updates.try_next().await.unwrap() {
        assert!(update.new_steps.is_empty());
    }
    assert_eq!(server.count(), 2);
}

/// Reads the changes of a run to the end.
async fn watched(poll: Poll) -> Result<Run> {
    let mut updates = poll.watch();
    let mut last = None;
    while let Some(update) = updates.try_next().await? {
        last = Some(update.run);
    }
    Ok(last.unwrap())
}

#[tokio::test]
async fn steps_are_fetched_for_changes_only() {
    let server = server_with_steps(&[1, 1], None).await;
    poll(&server).interval(MILLISECOND).with_steps(true).await.unwrap();
    assert_eq!(server.count_of("GET", "/steps"), 0);
}

#[tokio::test]
async fn failed_list_of_steps_keeps_last_run() {
    let server = server_with_steps(&[1, 1], Some(0)).await;
    let poll = poll(&server).interval(MILLISECOND).with_steps(true);
    let error = watched(poll.error_policy(PollErrorPolicy::none())).await.unwrap_err();
    assert_eq!(error.status(), Some(500));
    assert_eq!(error.run().map(|run| run.status.as_str()), Some("in_progress"));
}

/// A terminal run is not cancelled even if its steps could not be listed in time.
#[tokio::test]
async fn deadline_error_names_missing_steps() {
    let server =
        RecordingServer::start_with(|_, request| match request.target.contains("/steps") {
            true => http_response(500, &[], "{}"),
            false => json_response(&run_with_status("completed")),
        })
        .await;
    let policy = PollErrorPolicy::default().max_consecutive_errors(u32::MAX);
    let poll = poll(&server)
        .interval(MILLISECOND)
        .deadline(SHORT_DEADLINE)
        .with_steps(true)
        .error_policy(policy);
    let result = watched(poll.cancel_on_deadline(true).cancel_on_drop(true)).await;
    let error = assert_deadline(result, Some("completed"));
    assert!(error.message().contains("steps"), "{error}");
    assert_cancels(&server, 0).await;
}
