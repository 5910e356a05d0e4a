//! Steps told along with the run.

use super::*;

fn step(number: usize) -> Value {
    let mut step = example("RunStep");
    step["id"] = format!("step_{number}").into();
    step
}

/// Answers a list of steps by what comes after: of as many as there are, two to a page.
fn steps_after(target: &str, there: usize) -> Response {
    let after = target.split("after=step_").nth(1);
    let after: usize = after.map_or(0, |after| after.split('&').next().unwrap().parse().unwrap());
    let numbers: Vec<usize> = (after + 1..=there).take(2).collect();
    let id = |number: Option<&usize>| number.map(|number| format!("step_{number}"));
    let last = numbers.last().copied().unwrap_or(there);
    json(&serde_json::json!({
        "object": "list", "data": numbers.iter().map(|number| step(*number)).collect::<Vec<_>>(),
        "first_id": id(numbers.first()), "last_id": id(numbers.last()), "has_more": last < there,
    }))
}

/// At each look there are as many steps; the run ends with the last look.
async fn stepping(there: &'static [usize], failing: Option<usize>) -> Recorder {
    let looks = Arc::new(AtomicUsize::new(0));
    let failed = Arc::new(AtomicUsize::new(0));
    Recorder::answering(move |_, request| {
        if !request.target.contains("/steps") {
            let look = looks.fetch_add(1, Ordering::SeqCst);
            let ended = look + 1 >= there.len() + usize::from(failing.is_some());
            return json(&run(if ended { "completed" } else { "in_progress" }));
        }
        assert!(request.target.contains("order=asc"), "{}", request.target);
        let look = looks.load(Ordering::SeqCst) - 1 - failed.load(Ordering::SeqCst);
        if failing == Some(look) && failed.fetch_add(1, Ordering::SeqCst) == 0 {
            return reply(500, &[], "{}");
        }
        steps_after(&request.target, there[look])
    })
    .await
}

async fn steps_of(server: &Recorder) -> Vec<(String, Vec<String>)> {
    let mut updates = poll(server).interval(TINY).with_steps(true).into_stream();
    let mut told = Vec::new();
    while let Some(update) = updates.try_next().await.unwrap() {
        let ids = update.new_steps.iter().map(|step| step.id.clone()).collect();
        told.push((update.status.to_string(), ids));
    }
    told
}

#[tokio::test]
async fn each_step_is_told_once_over_all_pages() {
    let server = stepping(&[0, 1, 1, 6, 7], None).await;
    let told = steps_of(&server).await;
    let told: Vec<_> = told.iter().map(|(status, ids)| (status.as_str(), ids.join(" "))).collect();
    let expected = [
        ("in_progress", ""),
        ("in_progress", "step_1"),
        ("in_progress", "step_2 step_3 step_4 step_5 step_6"),
        ("completed", "step_7"),
    ];
    assert_eq!(told, expected.map(|(status, ids)| (status, ids.to_owned())));
}

#[tokio::test]
async fn steps_that_could_not_be_listed_are_told_later() {
    let server = stepping(&[1, 3], Some(1)).await;
    let told = steps_of(&server).await;
    let ids: Vec<&String> = told.iter().flat_map(|(_, ids)| ids).collect();
    assert_eq!(ids, ["step_1", "step_2", "step_3"]);
}

#[tokio::test]
async fn without_steps_none_are_asked_for() {
    let server = stepping(&[1, 2], None).await;
    let mut updates = poll(&server).interval(TINY).into_stream();
    while let Some(update) = updates.try_next().await.unwrap() {
        assert!(update.new_steps.is_empty());
    }
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn a_run_that_was_seen_is_kept_although_its_steps_could_not_be_listed() {
    let server = stepping(&[1, 1], Some(0)).await;
    let poll = poll(&server).interval(TINY).with_steps(true);
    let error = poll.error_policy(PollErrorPolicy::none()).await.unwrap_err();
    assert_eq!(error.status(), Some(500));
    assert_eq!(error.run().map(|run| run.status.as_str()), Some("in_progress"));
}

/// A run that has ended is not cancelled because its steps could not be listed.
#[tokio::test]
async fn the_deadline_of_the_steps_is_told_as_such() {
    let server = Recorder::answering(|_, request| match request.target.contains("/steps") {
        true => reply(500, &[], "{}"),
        false => json(&run("completed")),
    })
    .await;
    let policy = PollErrorPolicy::default().in_a_row(u32::MAX);
    let poll = poll(&server).interval(TINY).deadline(SOON).with_steps(true).error_policy(policy);
    let late = poll.cancel_on_deadline(true).cancel_on_drop(true).await;
    let error = assert_deadline(late, Some("completed"));
    assert!(error.message().contains("steps"), "{error}");
    settled(&server, 0).await;
}
